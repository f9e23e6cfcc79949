"""Values into JSON, with their arrays beside it. What cannot be loaded again is refused here, by name.

Neighbours: codecs below; container writes the file.
"""

import datetime as dt
import functools
import re
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import numpy as np

from pipeops.errors import FormatError
from pipeops.params import UNSET, Configurable
from pipeops.registry import own_key
from pipeops.saving.codecs import codec_of, fields, name_of, names_of
from pipeops.text import address

DEPTH = 200
"""How deep values may be nested."""
INTEGER = 1 << 256
"""How large integers may be."""
TEXT = 1 << 20
"""How long a text may be, in characters."""


class Encoder:
    """Turns values into JSON; arrays and tensors are collected in `arrays`."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}
        self.named: list[Any] = []
        """The classes and functions that went in by name."""
        self._depth = 0
        self._path: list[str] = []

    def encode(self, value: Any) -> Any:
        """The value as JSON; a value that cannot be loaded again is refused."""
        if self._depth >= DEPTH:
            raise FormatError(f"save: values are nested more than {DEPTH} deep (a list that holds itself?).")
        self._depth += 1
        try:
            return self._encoded(value)
        finally:
            self._depth -= 1

    def under(self, name: str, value: Any) -> Any:
        """The value of a key or an attribute, which a refusal names."""
        self._path.append(name)
        found = self.encode(value)
        self._path.pop()
        return found

    def _encoded(self, value: Any) -> Any:
        if value is None or type(value) is bool:
            return value
        codec = codec_of(type(value))
        if codec is not None:
            return {"$": codec.tag, "of": self.encode(codec.to_plain(value))}
        for kind, convert in _ENCODERS:
            if isinstance(value, kind):
                return convert(self, value)
        return self._object(value)

    def _array(self, value: np.ndarray) -> Any:
        if value.dtype.kind in "biuf":
            name = f"a{len(self.arrays)}"
            self.arrays[name] = np.ascontiguousarray(value, value.dtype.newbyteorder("=")).reshape(value.shape)
            return {"$": "array", "of": name}
        items = [self.encode(v) for v in value.ravel().tolist()]
        return {"$": "objects", "dtype": value.dtype.newbyteorder("=").str, "shape": list(value.shape), "of": items}

    def _object(self, value: Any) -> Any:
        cls = type(value)
        if value is UNSET:
            return {"$": "unset"}
        if isinstance(value, Configurable) and own_key(cls):
            return {"$": "item", "shelf": cls.shelf, "key": own_key(cls), "of": self.encode(fields(value))}  # type: ignore[attr-defined]
        if isinstance(value, functools.partial):
            return {"$": "partial", "of": self.encode([value.func, list(value.args), dict(value.keywords)])}
        if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
            return self._name(value)
        if attrs.has(cls) or hasattr(value, "__dict__"):
            self.named.append(cls)
            content = fields(value) if attrs.has(cls) else dict(vars(value))
            return {"$": "instance", "class": name_of(cls), "of": self.encode(content)}
        raise FormatError(
            f"save: cannot save {value!r:.200} ({cls.__module__}.{cls.__qualname__})"
            f"{' at ' + '.'.join(self._path) if self._path else ''}; use plain data or a registered class."
        )

    def _name(self, value: Any) -> Any:
        """A class or function by its name: of a table, or one that the reader must trust."""
        names = names_of(value) if isinstance(value, type) else None
        if names is not None:
            return {"$": names.tag, "of": name_of(value)}
        if getattr(value, "__name__", "") == "<lambda>":
            raise FormatError(f"save: cannot save a lambda ({value!r}); define a function with a name.")
        if getattr(value, "__closure__", None) and "<locals>" in getattr(value, "__qualname__", ""):
            raise FormatError(f"save: cannot save {value!r}: it holds values of the function around it; make them arguments.")
        if getattr(value, "__self__", None) is not None and not isinstance(value.__self__, type(re)):
            raise FormatError(f"save: cannot save the method {value!r}; use a function with a name.")
        self.named.append(value)
        return {"$": "name", "of": ":".join(address(value))}


def _mapping(encoder: Encoder, value: Mapping[Any, Any]) -> Any:
    if all(type(k) is str and not k.startswith("$") for k in value):
        return {_text(encoder, k): encoder.under(k, v) for k, v in value.items()}
    return {"$": "dict", "of": [[encoder.encode(k), encoder.encode(v)] for k, v in value.items()]}


def _text(encoder: Encoder, value: str) -> str:
    if len(value) > TEXT:
        raise FormatError(f"save: a text of {len(value)} characters is too long, {TEXT} is the limit ({value[:40]!r}...).")
    return str(value)


def _integer(encoder: Encoder, value: Any) -> int:
    if abs(int(value)) > INTEGER:
        raise FormatError(f"save: the integer {int(value):.3e} is too large, 2**256 is the limit.")
    return int(value)


def _float(encoder: Encoder, value: Any) -> Any:
    return float(value) if np.isfinite(value) else {"$": "float", "of": str(float(value))}


def _tagged(tag: str, convert: Callable[[Any], Any]) -> Callable[[Encoder, Any], Any]:
    return lambda encoder, value: {"$": tag, "of": encoder.encode(convert(value))}


_ENCODERS: list[tuple[Any, Callable[[Encoder, Any], Any]]] = [
    (str, _text),
    (np.bool_, lambda encoder, value: bool(value)),
    (int | np.integer, _integer),
    (float | np.floating, _float),
    (np.ndarray, lambda encoder, value: encoder._array(value)),
    (Mapping, _mapping),
    (list, lambda encoder, value: [encoder.encode(v) for v in value]),
    (tuple, _tagged("tuple", list)),
    (set | frozenset, _tagged("set", lambda v: sorted(v, key=lambda x: (type(x).__name__, x)))),
    (dt.datetime, _tagged("datetime", dt.datetime.isoformat)),
    (dt.date, _tagged("date", dt.date.isoformat)),
    (dt.timedelta, _tagged("timedelta", lambda v: [v.days, v.seconds, v.microseconds])),
    (re.Pattern, _tagged("pattern", lambda v: [v.pattern, v.flags])),
]
