"""JSON and arrays back into values. Nothing is believed: every entry is checked before anything is made of it.

`_DECODERS` is the whole vocabulary beside the tags of `codecs`. What belongs to the caller (functions and classes of their
own) is found in `trust` alone. Neighbours: codecs and declared below; container reads the file.
"""

import datetime as dt
import functools
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs
import numpy as np

import pipeops.saving.format1 as format1
from pipeops.errors import FormatError
from pipeops.params import UNSET, Configurable, hyperparameters
from pipeops.registry import Registry, own_key
from pipeops.saving.codecs import Codec, codec_for
from pipeops.saving.declared import declared, misfit
from pipeops.saving.encoder import DEPTH, INTEGER, TEXT
from pipeops.text import address

Entry = dict[str, Any]
_NUMPY = re.compile(r"[<>|=]?(?:U(?P<length>\d{1,7})|O8?|[Mm]8(?:\[\d{0,6}(?:Y|M|W|D|h|m|s|ms|us|ns)\])?)")
_FLAGS = re.IGNORECASE | re.MULTILINE | re.DOTALL | re.UNICODE | re.ASCII | re.VERBOSE
PATTERN = 10_000
"""How long a regular expression may be."""
ROOM = 1 << 26
"""How many bytes an array of labels may take beyond its text: numpy gives every label as much as the longest."""


class Decoder:
    """Turns JSON and arrays back into values. `trust`: classes and functions that the caller vouches for."""

    def __init__(
        self, arrays: Mapping[str, np.ndarray], trust: Iterable[Any] | Callable[..., Any] = (), *, format: int | None = None
    ):
        self.arrays, self.format, self._depth = dict(arrays), format, 0
        self.trust = {":".join(address(t)): t for t in ([trust] if callable(trust) else trust)}

    def decode(self, value: Any) -> Any:
        """The value that `Encoder.encode` was given. Raises `FormatError`, and whatever the classes made find wrong."""
        if self._depth >= DEPTH:
            raise FormatError(f"load: values are nested more than {DEPTH} deep.")
        self._depth += 1
        try:
            return self._decoded(value)
        finally:
            self._depth -= 1

    def _decoded(self, value: Any) -> Any:
        if isinstance(value, dict):
            entry = format1.modern(value) if self.format == 1 else value
            return self._entry(entry) if "$" in entry else {_text(k): self.decode(v) for k, v in entry.items()}
        if isinstance(value, list):
            return [self.decode(v) for v in value]
        if isinstance(value, str):
            return _text(value)
        if isinstance(value, int) and abs(value) > INTEGER:
            raise FormatError("load: an integer in the file is larger than 2**256.")
        if isinstance(value, float) and not math.isfinite(value):
            raise FormatError("load: a number in the file is not finite.")
        return value

    def _entry(self, entry: Entry) -> Any:
        tag = entry["$"]
        decode = _DECODERS.get(tag) if isinstance(tag, str) else None
        if decode is not None:
            return decode(self, entry)
        codec = codec_for(tag) if isinstance(tag, str) else None
        if codec is None:
            raise FormatError(
                f"load: {str(tag)[:80]!r} is nothing that may stand in a file here; if a module registers it, import that first."
            )
        return self._coded(codec, entry)

    def _coded(self, codec: Codec, entry: Entry) -> Any:
        plain = self.decode(_only(entry, "of")["of"])
        problem = misfit(plain, codec.plain())
        if problem:
            raise FormatError(f"load: {codec.tag}: {problem}.")
        return codec.from_plain(plain)

    def array(self, entry: Entry) -> np.ndarray:
        """An array of the file, which no other entry may name: so what is made is as large as the file."""
        name = entry["of"]
        if not isinstance(name, str) or name not in self.arrays:
            raise FormatError(f"load: {str(name)[:40]!r} names no array of the file, or one that is used already.")
        return self.arrays.pop(name).copy()

    def item(self, entry: Entry) -> Any:
        """A registered thing, by shelf and key, with arguments that its class declares."""
        shelf, key = _only(entry, "shelf", "key", "of")["shelf"], entry["key"]
        arguments = self.decode(entry["of"])
        trusted = [t for t in self.trust.values() if isinstance(t, type) and own_key(t) == key and t.shelf == shelf]  # type: ignore[attr-defined]
        cls = trusted[0] if trusted else _registered(shelf, key)
        return _made(cls, arguments, f'{shelf}("{key}")')

    def instance(self, entry: Entry) -> Any:
        """An object of a class without a tag: the class must be trusted, and what is put back must be data of its own."""
        cls = self.trusted(_only(entry, "class", "of")["class"])
        content = self.decode(entry["of"])
        if not isinstance(cls, type) or type(content) is not dict:
            raise FormatError(f"load: {cls!r} is no class, or its content is no dictionary.")
        if attrs.has(cls):
            return _made(cls, content, cls.__name__)
        for name in content:
            if not name.isidentifier() or name.startswith("__") or callable(getattr(cls, name, None)):
                raise FormatError(f"load: an instance of {cls.__name__} cannot have {name!r} put in its place.")
        new = object.__new__(cls)
        new.__dict__.update(content)
        return new

    def trusted(self, path: Any) -> Any:
        """The class or function of this name among those that the caller vouches for."""
        if not isinstance(path, str) or path not in self.trust:
            module, _, name = str(path)[:200].partition(":")
            raise FormatError(
                f"load: the file needs '{module}.{name}', which is not registered; if you trust it, pass trust=({name},)."
            )
        return self.trust[path]

    def partial(self, entry: Entry) -> Any:
        """A partial of a trusted function."""
        parts = _only(entry, "of")["of"]
        if not (isinstance(parts, list) and len(parts) == 3 and isinstance(parts[0], dict) and parts[0].get("$") == "name"):
            raise FormatError("load: a partial is of a function that is trusted, with arguments.")
        function, arguments, named = (self.decode(p) for p in parts)
        return functools.partial(function, *arguments, **named)


def _only(entry: Entry, *names: str) -> Entry:
    """An entry with exactly these names beside its tag."""
    if set(entry) != {"$", *names}:
        raise FormatError(f"load: an entry {str(entry['$'])[:40]!r} has the names {sorted(map(str, entry))[:8]}.")
    return entry


def _text(value: str) -> str:
    if len(value) > TEXT:
        raise FormatError(f"load: a text in the file has {len(value)} characters, {TEXT} is the limit.")
    return value


def _registered(shelf: Any, key: Any) -> type:
    registry = Registry.all.get(shelf) if isinstance(shelf, str) else None
    if registry is None or not isinstance(key, str) or not registry.knows(key):
        advice = "import the module that registers it, or pass its class in trust=(...)"
        raise FormatError(f'load: {str(shelf)[:40]}("{str(key)[:80]}") is not registered here; {advice}.')
    cls = registry[key]
    if not (isinstance(cls, type) and issubclass(cls, Configurable)):
        raise FormatError(f'load: {shelf}("{key}") is nothing that is saved by its key.')
    return cls


def _made(cls: type, arguments: Any, who: str) -> Any:
    """An instance with arguments that its class declares; hyperparameters are checked by the class itself."""
    if not attrs.has(cls):
        if arguments:
            raise FormatError(f"load: {who} takes no arguments.")
        return cls()
    kinds = {name: Any if name in hyperparameters(cls) else kind for name, kind in declared(cls).items()}
    problem = misfit(arguments, kinds)
    if problem:
        raise FormatError(f"load: {who}: {problem}.")
    return cls(**arguments)


def _of(kind: type) -> Callable[[Entry], Any]:
    """What an entry holds, which must be of this JSON type."""

    def content(entry: Entry) -> Any:
        value = _only(entry, "of")["of"]
        if type(value) is not kind:
            raise FormatError(f"load: an entry '{entry['$']}' holds a {type(value).__name__}, not a {kind.__name__}.")
        return value

    return content


_list, _str = _of(list), _of(str)


def _integers(entry: Entry, count: int) -> list[int]:
    numbers = _list(entry)
    if len(numbers) != count or any(type(n) is not int or abs(n) > INTEGER for n in numbers):
        raise FormatError(f"load: an entry '{entry['$']}' holds {count} integers.")
    return numbers


def _pattern(decoder: Decoder, entry: Entry) -> re.Pattern[str]:
    parts = _list(entry)
    if len(parts) != 2 or type(parts[0]) is not str or type(parts[1]) is not int or len(parts[0]) > PATTERN or parts[1] & ~_FLAGS:
        raise FormatError(f"load: a pattern is a text of up to {PATTERN} characters and its flags.")
    return re.compile(*parts)


def _dict(decoder: Decoder, entry: Entry) -> dict[Any, Any]:
    if any(type(pair) is not list or len(pair) != 2 for pair in _list(entry)):
        raise FormatError("load: a dictionary is a list of pairs.")
    return {decoder.decode(k): decoder.decode(v) for k, v in entry["of"]}


def _float(decoder: Decoder, entry: Entry) -> float:
    if _str(entry) not in ("nan", "inf", "-inf"):
        raise FormatError(f"load: {entry['of'][:40]!r} is no number.")
    return float(entry["of"])


def _objects(decoder: Decoder, entry: Entry) -> np.ndarray:
    """An array of labels, dates or objects; as large as its items are many and its text is long."""
    dtype, shape, items = _only(entry, "dtype", "shape", "of")["dtype"], entry["shape"], decoder.decode(entry["of"])
    kind = _NUMPY.fullmatch(dtype) if isinstance(dtype, str) else None
    if kind is None or type(items) is not list or type(shape) is not list or any(type(n) is not int or n < 0 for n in shape):
        raise FormatError(f"load: no array of labels: {str(dtype)[:40]!r}.")
    if len(shape) > 32 or math.prod(shape) != len(items):
        raise FormatError(f"load: {len(items)} items are no array of shape {str(shape)[:80]}.")
    if kind["length"] is not None and not all(type(v) is str for v in items):
        raise FormatError("load: an array of labels holds something else.")
    if kind["length"] is not None and 4 * int(kind["length"]) * len(items) > ROOM + 64 * sum(map(len, items)):
        raise FormatError("load: an array of labels would take far more memory than they are long.")
    array = np.empty(len(items), dtype=dtype)
    array[:] = items
    return array.reshape(shape)


_DECODERS: dict[str, Callable[[Decoder, Entry], Any]] = {
    "array": lambda decoder, e: decoder.array(_only(e, "of")),
    "objects": _objects,
    "dict": _dict,
    "float": _float,
    "tuple": lambda decoder, e: tuple(decoder.decode(_list(e))),
    "set": lambda decoder, e: set(decoder.decode(_list(e))),
    "datetime": lambda decoder, e: dt.datetime.fromisoformat(_str(e)),
    "date": lambda decoder, e: dt.date.fromisoformat(_str(e)),
    "timedelta": lambda decoder, e: dt.timedelta(*_integers(e, 3)),
    "pattern": _pattern,
    "unset": lambda decoder, e: _only(e) and UNSET,
    "item": Decoder.item,
    "name": lambda decoder, e: decoder.trusted(_only(e, "of")["of"]),
    "instance": Decoder.instance,
    "partial": Decoder.partial,
}
