"""How things print: aligned tables and Python source for values. Ground floor: imports nothing of the package."""

import math
import sys
from collections.abc import Iterable, Sequence
from typing import Any


def cut(text: str, most: int) -> str:
    """A text as far as it is shown.

    >>> cut("abcdef", 4)
    'abc…'
    """
    return text if len(text) <= most else f"{text[: most - 1]}…"


def table(header: Sequence[str], rows: Iterable[Sequence[object]], indent: str = "") -> str:
    """Left-aligned columns under a header, two spaces between them."""
    cells = [[str(c) for c in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in cells)
    return "\n".join(indent + line for line in lines)


def right_aligned(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Right-aligned columns under a header, one space before each."""
    lines = [list(header), *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("".join(f" {cell:>{w}}" for cell, w in zip(line, widths, strict=True)) for line in lines)


def address(value: Any) -> tuple[str, str]:
    """Module and name under which a class or function is found (`torch.sin` calls itself `_VariableFunctionsClass.sin`)."""
    module = getattr(value, "__module__", None) or "builtins"
    plain = getattr(value, "__name__", value.__qualname__)
    return module, plain if getattr(sys.modules.get(module), plain, None) is value else value.__qualname__


def _shortest(module: str, name: str, value: Any) -> str:
    """The outermost package that shows the value under this name: `torch.optim` for what lives in `torch.optim.nadam`."""
    parts = module.split(".")
    outer = (".".join(parts[:n]) for n in range(1, len(parts)))
    return next((m for m in outer if getattr(sys.modules.get(m), name, None) is value), module)


def source(value: Any) -> str:
    """Python source for a value, so that a `repr` can be pasted back: names for classes and functions."""
    if type(value) is str:
        return repr(value) if '"' in value or "\\" in value or not value.isprintable() else f'"{value}"'
    if hasattr(value, "__qualname__"):
        module, name = address(value)
        return name if module in ("builtins", "__main__") else f"{_shortest(module, name, value)}.{name}"
    if type(value) is float and not math.isfinite(value):
        return f"float('{value}')"
    if type(value) is list:
        return "[" + ", ".join(map(source, value)) + "]"
    if type(value) is tuple:
        return "(" + ", ".join(map(source, value)) + ("," if len(value) == 1 else "") + ")"
    if type(value) is dict:
        return "{" + ", ".join(f"{source(k)}: {source(v)}" for k, v in value.items()) + "}"
    return repr(value)


def call(name: str, first: Iterable[str], arguments: dict[str, Any]) -> str:
    """`name(first..., key=value...)` as source."""
    parts = [*first, *(f"{k}={source(v)}" for k, v in arguments.items())]
    return f"{name}({', '.join(parts)})"
