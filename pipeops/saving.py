"""Saving and loading without pickle: one safetensors file that holds JSON (specification, states, versions) and arrays.

`encode` turns a value into JSON and a dictionary of arrays, `decode` turns it back. Both know plain data, arrays and
tensors, registered things (by shelf and key), and the state classes marked with `@savable`. Loading constructs nothing
else: any other class or function must be handed in by the caller as trusted. Neighbours: learners and graphs call
`write` and `read`; nothing here knows about either.
"""

import datetime as dt
import functools
import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import attrs
import numpy as np

from pipeops.errors import FormatError, PipeOpsError
from pipeops.files import write_bytes
from pipeops.params import UNSET, Configurable
from pipeops.registry import Registry
from pipeops.text import address

FORMAT = 1
_TRUSTED_MODULES = ("torch.nn.modules.", "torch.optim.", "sklearn.", "pipeops.")
_SAVABLE: dict[type, "Plan"] = {}
_BY_NAME: dict[str, "Plan"] = {}
C = TypeVar("C", bound=type)


class Plan(NamedTuple):
    """How instances of a class become plain data and back."""

    cls: type
    to_plain: Callable[[Any], Any]
    from_plain: Callable[[Any], Any]


def savable(cls: C) -> C:
    """Class decorator: attrs classes are saved by their fields, others by `__getstate__` and `__setstate__`."""
    if attrs.has(cls):
        return saved_as(cls, fields, lambda plain: cls(**plain))
    return saved_as(cls, lambda value: value.__getstate__(), lambda plain: _with_state(cls, plain))


def saved_as(cls: C, to_plain: Callable[[Any], Any], from_plain: Callable[[Any], Any]) -> C:
    """Say how instances of a class become plain data (which may hold further savable things) and come back."""
    _SAVABLE[cls] = _BY_NAME[_name(cls)] = Plan(cls, to_plain, from_plain)
    return cls


def _name(cls: type) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"


saved_as(type(UNSET), lambda value: None, lambda plain: UNSET)


def _with_state(cls: type, state: Any) -> Any:
    new: Any = object.__new__(cls)
    new.__setstate__(state)
    return new


def fields(value: Any) -> dict[str, Any]:
    """The constructor's arguments of an instance of an attrs class; none for another class."""
    if not attrs.has(type(value)):
        return {}
    return {a.alias: getattr(value, a.name) for a in attrs.fields(type(value)) if a.init}


class Encoder:
    """Turns values into JSON; arrays and tensors are collected in `arrays`."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}
        self.named: list[Any] = []
        """The classes and functions that went in by name."""

    def encode(self, value: Any) -> Any:
        """The value as JSON; a value that cannot be loaded again is refused."""
        if value is None or (isinstance(value, bool | str) and type(value) in (bool, str)):
            return value
        if type(value) in _SAVABLE:
            return {"$": "state", "class": _name(type(value)), "of": self.encode(_SAVABLE[type(value)].to_plain(value))}
        for kind, convert in _ENCODERS:
            if isinstance(value, kind):
                return convert(self, value)
        if _is_tensor(value):
            return self._tensor(value)
        return self._object(value)

    def _store(self, array: np.ndarray) -> str:
        name = f"a{len(self.arrays)}"
        self.arrays[name] = np.ascontiguousarray(array, array.dtype.newbyteorder("=")).reshape(array.shape)
        return name

    def _array(self, value: np.ndarray) -> Any:
        if value.dtype.kind in "biuf":
            return {"$": "array", "of": self._store(value)}
        items = [self.encode(v) for v in value.ravel().tolist()]
        return {"$": "objects", "dtype": value.dtype.newbyteorder("=").str, "shape": list(value.shape), "of": items}

    def _tensor(self, value: Any) -> Any:
        torch, plain = sys.modules["torch"], value.detach().cpu().contiguous()
        half = plain.dtype == torch.bfloat16  # numpy has no such type: its bytes travel as integers
        name = self._store((plain.view(torch.int16) if half else plain).numpy())
        return {"$": "tensor", "dtype": str(value.dtype).removeprefix("torch."), "of": name}

    def _object(self, value: Any) -> Any:
        cls = type(value)
        if isinstance(value, Configurable) and getattr(cls, "key", ""):
            return {"$": "item", "shelf": cls.shelf, "key": cls.key, "of": self.encode(fields(value))}  # type: ignore[attr-defined]
        if getattr(value, "__name__", "") == "<lambda>":
            raise FormatError(f"save: cannot save a lambda ({value!r}); define a function with a name.")
        if getattr(value, "__closure__", None) and "<locals>" in getattr(value, "__qualname__", ""):
            raise FormatError(f"save: cannot save {value!r}: it holds values of the function around it; make them arguments.")
        if isinstance(value, functools.partial):
            parts = [value.func, list(value.args), dict(value.keywords)]
            return {"$": "partial", "of": self.encode(parts)}
        if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
            self.named.append(value)
            return {"$": "name", "of": ":".join(address(value))}
        if str(cls) == "<class 'torch.dtype'>":
            return {"$": "dtype", "of": str(value).removeprefix("torch.")}
        if attrs.has(cls) or hasattr(value, "__dict__"):
            content = fields(value) if attrs.has(cls) else vars(value)
            return {"$": "instance", "class": f"{cls.__module__}:{cls.__qualname__}", "of": self.encode(content)}
        raise FormatError(
            f"save: cannot save {value!r} ({cls.__module__}.{cls.__qualname__}); use plain data or a registered class."
        )


def _is_tensor(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _mapping(encoder: Encoder, value: Mapping[Any, Any]) -> Any:
    if all(type(k) is str and not k.startswith("$") for k in value):
        return {k: encoder.encode(v) for k, v in value.items()}
    return {"$": "dict", "of": [[encoder.encode(k), encoder.encode(v)] for k, v in value.items()]}


def _float(encoder: Encoder, value: float) -> Any:
    return float(value) if np.isfinite(value) else {"$": "float", "of": str(float(value))}


def _tagged(tag: str, convert: Callable[[Any], Any]) -> Callable[[Encoder, Any], Any]:
    return lambda encoder, value: {"$": tag, "of": encoder.encode(convert(value))}


_ENCODERS: list[tuple[Any, Callable[[Encoder, Any], Any]]] = [
    (str, lambda encoder, value: str(value)),
    (np.bool_, lambda encoder, value: bool(value)),
    (int | np.integer, lambda encoder, value: int(value)),
    (float | np.floating, _float),
    (np.ndarray, lambda encoder, value: encoder._array(value)),
    (Mapping, _mapping),
    (list, lambda encoder, value: [encoder.encode(v) for v in value]),
    (tuple, _tagged("tuple", list)),
    (set | frozenset, _tagged("set", sorted)),
    (dt.datetime, _tagged("datetime", dt.datetime.isoformat)),
    (dt.date, _tagged("date", dt.date.isoformat)),
    (dt.timedelta, _tagged("timedelta", lambda v: [v.days, v.seconds, v.microseconds])),
    (re.Pattern, _tagged("pattern", lambda v: [v.pattern, v.flags])),
]


class Decoder:
    """Turns JSON and arrays back into values. `trust`: classes and functions that the caller vouches for."""

    def __init__(self, arrays: Mapping[str, np.ndarray], trust: Iterable[Any] | Callable[..., Any] = ()):
        self.arrays = arrays
        self.trust = {":".join(address(t)): t for t in ([trust] if callable(trust) else trust)}

    def decode(self, value: Any) -> Any:
        """The value that `Encoder.encode` was given."""
        if isinstance(value, list):
            return [self.decode(v) for v in value]
        if not isinstance(value, dict):
            return value
        if "$" not in value:
            return {k: self.decode(v) for k, v in value.items()}
        if value["$"] not in _DECODERS:
            raise FormatError(f"load: unknown entry '{value['$']}' in the file.")
        return _DECODERS[value["$"]](self, value)

    def _item(self, value: dict[str, Any]) -> Any:
        shelf, key, arguments = value["shelf"], value["key"], self.decode(value["of"])
        trusted = [t for t in self.trust.values() if getattr(t, "key", None) == key and getattr(t, "shelf", None) == shelf]
        if trusted:
            return trusted[0](**arguments)
        try:
            holder = Registry.all[shelf][key]
        except KeyError as error:
            advice = "import the module that registers it, or pass its class in trust=(...)"
            raise FormatError(f'load: {shelf}("{key}") is not registered here; {advice}.') from error
        return holder(**arguments)

    def _instance(self, value: dict[str, Any]) -> Any:
        """An object of a class without a rule of its own: the class must be trusted."""
        cls, content = self._trusted(value["class"]), self.decode(value["of"])
        if attrs.has(cls):
            return cls(**content)
        new = cls.__new__(cls)
        new.__dict__.update(content)
        return new

    def _trusted(self, path: str) -> Any:
        module, _, name = path.partition(":")
        if path in self.trust:
            return self.trust[path]
        if not f"{module}.".startswith(_TRUSTED_MODULES) or not name.isidentifier():
            raise FormatError(
                f"load: the file needs '{module}.{name}', which is not registered; if you trust it, pass trust=({name},)."
            )
        found = getattr(import_module(module), name, None)
        if not isinstance(found, type) or not f"{found.__module__}.".startswith(_TRUSTED_MODULES):
            raise FormatError(f"load: '{module}.{name}' is no class of the installed version.")
        return found

    def _state(self, value: dict[str, Any]) -> Any:
        name = value["class"]
        if name not in _BY_NAME and name.startswith("pipeops."):
            import_module(name.partition(":")[0])
        if name not in _BY_NAME:
            raise FormatError(f"load: the class '{name.replace(':', '.')}' is not registered; import the module that defines it.")
        return _BY_NAME[name].from_plain(self.decode(value["of"]))


def _partial(decoder: Decoder, value: dict[str, Any]) -> Any:
    function, arguments, named = decoder.decode(value["of"])
    return functools.partial(function, *arguments, **named)


def _as_tensor(decoder: Decoder, value: dict[str, Any]) -> Any:
    torch = import_module("torch")
    plain = torch.from_numpy(decoder.arrays[value["of"]].copy())
    return plain.view(torch.bfloat16) if value["dtype"] == "bfloat16" else plain


def _objects(decoder: Decoder, value: dict[str, Any]) -> np.ndarray:
    items = decoder.decode(value["of"])
    array = np.empty(len(items), dtype=value["dtype"])
    array[:] = items
    return array.reshape(value["shape"])


_DECODERS: dict[str, Callable[[Decoder, dict[str, Any]], Any]] = {
    "array": lambda decoder, v: decoder.arrays[v["of"]].copy(),
    "objects": _objects,
    "tensor": _as_tensor,
    "dict": lambda decoder, v: {decoder.decode(k): decoder.decode(x) for k, x in v["of"]},
    "float": lambda decoder, v: float(v["of"]),
    "tuple": lambda decoder, v: tuple(decoder.decode(v["of"])),
    "set": lambda decoder, v: set(decoder.decode(v["of"])),
    "datetime": lambda decoder, v: dt.datetime.fromisoformat(v["of"]),
    "date": lambda decoder, v: dt.date.fromisoformat(v["of"]),
    "timedelta": lambda decoder, v: dt.timedelta(*v["of"]),
    "pattern": lambda decoder, v: re.compile(*v["of"]),
    "dtype": lambda decoder, v: getattr(import_module("torch"), v["of"]),
    "item": Decoder._item,
    "name": lambda decoder, v: decoder._trusted(v["of"]),
    "instance": Decoder._instance,
    "partial": _partial,
    "state": Decoder._state,
}


def _digest(spec: str, arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256(spec.encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype.str} {arrays[name].shape}".encode() + arrays[name].tobytes())
    return digest.hexdigest()


def write(path: str | Path, kind: str, value: Any) -> None:
    """Write a value of some kind ("learner", "graph") to a file; what cannot be saved is refused before anything is written."""
    from safetensors.numpy import save

    encoder = Encoder()
    content = {"format": FORMAT, "kind": kind, "versions": versions(), "value": encoder.encode(value)}
    spec = json.dumps(content, allow_nan=False)
    raw = save(encoder.arrays, metadata={"pipeops": spec, "sha256": _digest(spec, encoder.arrays)})
    write_bytes(path, raw)


def read(path: str | Path, kind: str, trust: Iterable[Any] | Callable[..., Any] = ()) -> Any:
    """Read what `write` wrote; truncated, altered, foreign and newer files are refused as `FormatError`.

    trust: a class or function, or several, that may be constructed though they are not registered.
    """
    arrays, spec = _open(Path(path))
    if spec["format"] > FORMAT:
        raise FormatError(f"load: {path} has format {spec['format']}, this version reads up to {FORMAT}; update pipeops.")
    if spec["kind"] != kind:
        raise FormatError(f"load: {path} holds a {spec['kind']}, not a {kind}.")
    try:
        return Decoder(arrays, trust).decode(spec["value"])
    except FormatError:
        raise
    except (PipeOpsError, KeyError, TypeError, ValueError, AttributeError, ImportError) as error:
        raise FormatError(
            f"load: {path} does not fit what is installed or registered here ({error}); it was saved with {spec['versions']}."
        ) from error


def _open(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        raw = path.read_bytes()
        arrays = load(raw)
        header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")]).get("__metadata__", {})
    except OSError as error:
        raise FormatError(f"load: cannot read {path}: {error.strerror}.") from error
    except (SafetensorError, ValueError, KeyError) as error:
        raise FormatError(f"load: {path} is truncated or no pipeops file ({error}).") from error
    spec = header.get("pipeops", "")
    if not spec or header.get("sha256") != _digest(spec, arrays):
        raise FormatError(f"load: {path} was altered or is no pipeops file: its checksum does not match.")
    return arrays, json.loads(spec)


def versions() -> dict[str, str]:
    """The versions of the packages that a saved file depends on."""
    from importlib import metadata  # 20 ms that only saving needs

    own = sys.modules["pipeops"].__version__
    return {"pipeops": own, **{name: metadata.version(name) for name in ("torch", "numpy", "narwhals")}}
