"""The registry of what may stand in a file beside plain data: a tag for each class, and how its instances become plain.

A class registers itself where it is defined: `@savable` for attrs classes, whose fields are declared already, `saved_as`
for others. The tag is the class's name, so that files do not change when modules move; the generated tables in `keys.py`
say which module holds which tag, so that a file loads whatever has been imported. Neighbours: declared below; encoder and
decoder above.
"""

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from types import FunctionType
from typing import Any, NamedTuple, TypeVar

import attrs

from pipeops.errors import CompositionError
from pipeops.keys import SAVED, SAVED_TYPES
from pipeops.saving.declared import declared

C = TypeVar("C", bound=type)


class Codec(NamedTuple):
    """How instances of a class become plain data and back. plain: what the plain data must be, see `declared.misfit`."""

    tag: str
    classes: tuple[str, ...]
    module: str
    plain: Callable[[], Any]
    to_plain: Callable[[Any], Any]
    from_plain: Callable[[Any], Any]


class SavedNames(NamedTuple):
    """Classes of another package that may be named in files: the tag, and the table, made when it is first needed."""

    tag: str
    module: str
    table: Callable[[], Mapping[str, type]]


_TAGS: dict[str, Codec] = {}
_TYPES: dict[str, Codec] = {}
_NAMES: dict[str, SavedNames] = {}


def name_of(cls: type) -> str:
    """`module:qualname`."""
    return f"{cls.__module__}:{cls.__qualname__}"


def savable(cls: C) -> C:
    """Class decorator: an attrs class is saved by the arguments of its constructor, and loaded with types as annotated.

    >>> @savable
    ... @attrs.frozen
    ... class Shift:
    ...     by: dict[str, float]
    """
    if not attrs.has(cls):
        raise TypeError(f"savable: {cls.__name__} is no attrs class; say with saved_as(...) how it is saved.")
    saved_as(cls, lambda plain: cls(**plain), fields, plain=lambda: declared(cls))
    return cls


def saved_as(
    cls: type | str | Iterable[str],
    from_plain: Callable[[Any], Any],
    to_plain: Callable[[Any], Any],
    plain: Any,
    tag: str | None = None,
    module: str | None = None,
) -> None:
    """Say how instances of a class become plain data (which may hold further savable things) and come back.

    cls: itself, or `module:qualname` of one or several that shall not be imported yet; subclasses are not meant. plain: what
    the plain data must be for `from_plain` to see it, a type as in annotations or a dictionary of types by name; or a function
    of no arguments that answers it. tag: what names it in files, by default the class's name (with its module outside of this
    package). module: where this is said, by default where the class is.
    """
    names = (name_of(cls),) if isinstance(cls, type) else (cls,) if isinstance(cls, str) else tuple(cls)
    home = module or names[0].partition(":")[0]
    tag = tag or (names[0].partition(":")[2] if names[0].startswith("pipeops.") else names[0])
    if tag in _TAGS and (_TAGS[tag].classes, _TAGS[tag].module) != (names, home):
        raise CompositionError(
            f"saved_as: the tag '{tag}' is taken by {_TAGS[tag].classes[0]}; give {names[0]} another with tag=."
        )
    declares = plain if isinstance(plain, FunctionType) else lambda: plain
    _TAGS[tag] = codec = Codec(tag, names, home, declares, to_plain, from_plain)
    _TYPES.update(dict.fromkeys(names, codec))


def saved_names(tag: str, package: str, table: Callable[[], Mapping[str, type]], module: str) -> None:
    """Let classes of another package be named in files: those of the table, by `module:qualname`. None of them is called."""
    names = _NAMES[package] = SavedNames(tag, module, table)
    _TAGS[tag] = Codec(tag, (package,), module, lambda: str, name_of, lambda name: names.table()[name])


def fields(value: Any) -> dict[str, Any]:
    """The constructor's arguments of an instance of an attrs class; none for another class."""
    if not attrs.has(type(value)):
        return {}
    return {a.alias: getattr(value, a.name) for a in attrs.fields(type(value)) if a.init}


def codec_of(cls: type) -> Codec | None:
    """How instances of exactly this class are saved."""
    name = name_of(cls)
    if name not in _TYPES and name in SAVED_TYPES:
        import_module(SAVED_TYPES[name])
    return _TYPES.get(name)


def names_of(cls: Any) -> SavedNames | None:
    """The table in which this class of another package stands, if it stands in one."""
    package = str(cls.__module__).partition(".")[0]
    if package not in _NAMES and package in SAVED_TYPES:
        import_module(SAVED_TYPES[package])
    found = _NAMES.get(package)
    return found if found is not None and found.table().get(name_of(cls)) is cls else None


def codec_for(tag: str) -> Codec | None:
    """What a tag in a file stands for."""
    if tag not in _TAGS and tag in SAVED:
        import_module(SAVED[tag])
    return _TAGS.get(tag)


def registered() -> tuple[dict[str, str], dict[str, str]]:
    """The modules of all tags, and of all classes and packages, for `keys.py`."""
    types = {name: codec.module for name, codec in _TYPES.items()} | {p: n.module for p, n in _NAMES.items()}
    return {tag: codec.module for tag, codec in _TAGS.items()}, types
