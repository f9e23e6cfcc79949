"""What decides an outcome, as a digest: data, settings, and what functions and classes of one's own do.

Data counts by its values and types. A function counts by its byte code, its defaults, what it holds (closures) and the globals
that it reads, a class by its bases and everything in it, an object by its class and its state (`__getstate__`, where it has
one), all of that as deep as it goes. What comes from an installed package counts by its name and the package's version. What
has no state to look at (a lock, an open file) cannot be told from another: `UnhashableError` names it.
Neighbours: parts below says what a value consists of; the store beside it looks jobs up by these digests.
"""

import hashlib
import types
from typing import Any

from pipeops.learn.benchmark.bytecode import is_library
from pipeops.learn.benchmark.parts import Bag, Part, UnhashableError, parts_of
from pipeops.registry import Registry

_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(...), type(NotImplemented), range, slice)


class Fingerprints:
    """Digests of values. What was digested once by one instance is not looked at again, so that it must not change meanwhile."""

    def __init__(self) -> None:
        self._registered = _registered()
        self._known: dict[int, bytes] = {}
        self._path: dict[int, int] = {}
        self._kept: list[Any] = []
        self.named: list[Any] = []
        """The functions and classes of one's own that were met."""

    def of(self, value: Any) -> bytes:
        """The digest of a value; raises `UnhashableError`."""
        if type(value) is str and value in self._registered:  # a key counts by what stands behind it
            return _hash(value, self.of(self._registered[value]))
        if type(value) in _PLAIN:
            return _hash(type(value).__name__, repr(value))
        if id(value) in self._known:
            return self._known[id(value)]
        if id(value) in self._path:  # a circle, told by how far up it closes
            return _hash("up", str(len(self._path) - self._path[id(value)]))
        self._path[id(value)] = len(self._path)
        try:
            found = _hash(*(part if isinstance(part, str | bytes) else self._part(part) for part in parts_of(value)))
        finally:
            del self._path[id(value)]
        self._known[id(value)] = found
        self._kept.append(value)  # so that its id is not given to another
        if isinstance(value, types.FunctionType | type) and not is_library(str(value.__module__)):
            self.named.append(value)
        return found

    def _part(self, part: Part | Bag) -> bytes:
        if isinstance(part, Bag):
            return b"".join(sorted(map(self.of, part.items)))
        try:
            return self.of(part.value)
        except UnhashableError as error:
            raise error if part.where is None else UnhashableError(f"{part.where}, {error}") from None
        except RecursionError:
            raise UnhashableError(f"{type(part.value).__name__} (too deeply nested)") from None


def _registered() -> dict[str, list[Any]]:
    """What others than pipeops registered, by key."""
    found: dict[str, list[Any]] = {}
    for registry in Registry.all.values():
        for key, holder in registry.foreign():
            found.setdefault(key, []).append(holder)
    return found


def _hash(*parts: str | bytes) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        raw = part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(8, "little") + raw)
    return digest.digest()
