"""What the byte code of a function reads: globals, modules that it imports, and whose code that is.

Neighbours: fingerprint above asks; nothing here knows of benchmarks.
"""

import builtins
import dis
import site
import sys
import sysconfig
from collections.abc import Iterator
from importlib import import_module
from importlib.util import resolve_name
from types import CodeType, FunctionType, ModuleType
from typing import Any

_PATHS = sysconfig.get_paths()
_STANDARD = (_PATHS["stdlib"], _PATHS["platstdlib"])
_INSTALLED = (_PATHS["purelib"], _PATHS["platlib"], *site.getsitepackages(), site.getusersitepackages())


def is_library(module: str) -> bool:
    """Whether a module is installed (pipeops, the standard library, site-packages), and so known by its version.

    >>> is_library("json"), is_library("numpy.linalg"), is_library("__main__")
    (True, True, False)
    """
    top = module.partition(".")[0]
    if top == "__main__":
        return False  # one's own, also under a runner (cProfile, pytest) whose file is installed
    if top in ("pipeops", "builtins"):
        return True
    file = getattr(sys.modules.get(module), "__file__", None) or getattr(sys.modules.get(top), "__file__", None)
    if file is None:
        return top in sys.stdlib_module_names
    return file.startswith((*_STANDARD, *_INSTALLED))


def all_code(code: CodeType) -> Iterator[CodeType]:
    """A code object and those of the functions and lambdas within it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from all_code(constant)


def reads(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """Name and value of what a function reads beside its arguments: globals, and members of modules of one's own.

    >>> [name for name, _ in reads(all_code)]
    ['CodeType', 'all_code', 'isinstance']
    """
    codes = list(all_code(function.__code__))
    scope = {**vars(builtins), **function.__globals__}
    found = {name: scope[name] for name in _globals(codes) if name in scope}
    members = dict.fromkeys(name for code in codes for name in code.co_names)
    held = [cell.cell_contents for cell in function.__closure__ or () if _is_module(cell)]
    for module in [*held, *_imported(codes, function.__globals__)]:
        found |= _members(module, members)
    for value in list(found.values()):
        if isinstance(value, ModuleType):
            found |= _members(value, members)
    return iter(sorted(found.items()))


def _globals(codes: list[CodeType]) -> set[str]:
    wanted = ("LOAD_GLOBAL", "LOAD_NAME")
    return {i.argval for code in codes for i in dis.get_instructions(code) if i.opname in wanted}


def _is_module(cell: Any) -> bool:
    try:
        return isinstance(cell.cell_contents, ModuleType)
    except ValueError:
        return False


def _members(module: ModuleType, names: Any) -> dict[str, Any]:
    """What may be read of a module of one's own, by dotted name; submodules included."""
    if is_library(module.__name__):
        return {}
    found: dict[str, Any] = {}
    for name in names:
        if name in vars(module):
            value = found[f"{module.__name__}.{name}"] = vars(module)[name]
            if isinstance(value, ModuleType) and value is not module and value.__name__.startswith(f"{module.__name__}."):
                found |= _members(value, names)
    return found


def _imported(codes: list[CodeType], scope: dict[str, Any]) -> Iterator[ModuleType]:
    """The modules that functions import when they run; those of one's own are imported now."""
    for code in codes:
        for level, _, step in zip(steps := list(dis.get_instructions(code)), steps[1:], steps[2:], strict=False):
            if step.opname == "IMPORT_NAME":
                yield from _module(step.argval, level.argval, scope)


def _module(name: str, level: int, scope: dict[str, Any]) -> Iterator[ModuleType]:
    try:
        full = resolve_name("." * level + name, scope.get("__package__") or "")
        yield sys.modules[full] if full in sys.modules else import_module(full)
        if "." in full:
            yield sys.modules[full.partition(".")[0]]
    except ImportError:
        return
