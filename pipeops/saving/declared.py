"""Checks values against types as they stand in annotations: what is in a file must be what its reader declares.

Neighbours: codecs declares, decoder asks.
"""

import types
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import attrs
import numpy as np


@cache
def declared(cls: type) -> Mapping[str, Any]:
    """The types of the constructor's arguments of an attrs class, by name."""
    hints: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if base.__module__ != "builtins":
            hints |= _hints(base)
    return {a.alias: hints.get(a.name, Any) for a in attrs.fields(cls) if a.init}


def _hints(cls: type) -> dict[str, Any]:
    try:
        return get_type_hints(cls)
    except NameError:  # a name that is imported for type checkers only
        return {}


def misfit(value: Any, kind: Any) -> str | None:
    """What is wrong with a value of which `kind` is declared; None where it fits.

    kind: a type as in annotations, or a dictionary of them by name, for a dictionary with no other names.

    >>> misfit({"a": [1, 2]}, dict[str, list[int]]), misfit([1, "b"], list[int])
    (None, 'must be list[int], got list')
    """
    if isinstance(kind, Mapping):
        return _misfits(value, kind)
    return None if fits(value, kind) else f"must be {_words(kind)}, got {type(value).__name__}"


def _misfits(value: Any, kinds: Mapping[str, Any]) -> str | None:
    if type(value) is not dict:
        return f"must be a dictionary, got {type(value).__name__}"
    for name, one in value.items():
        if name not in kinds:
            return f"has no field {name!r}"
        problem = misfit(one, kinds[name])
        if problem:
            return f"'{name}' {problem}"
    return None


def _words(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) and not get_args(kind) else str(kind).replace("typing.", "")


def fits(value: Any, kind: Any) -> bool:
    """Whether a value is of a type as it stands in annotations; numbers must not be flags, and what is unknown fits."""
    if kind is Any:
        return True
    if kind is None:
        return value is None
    if kind is int or kind is float:
        return isinstance(value, int if kind is int else (int, float)) and not isinstance(value, bool)
    origin = get_origin(kind)
    if origin is not None:
        return _ORIGINS.get(origin, _any)(value, get_args(kind))
    if isinstance(kind, type):
        return _instance(value, kind)
    return True


def _instance(value: Any, kind: type) -> bool:
    try:
        return isinstance(value, kind) and not (kind in (Sequence, tuple, list) and isinstance(value, str))
    except TypeError:  # a protocol that cannot be asked
        return True


def _any(value: Any, args: tuple[Any, ...]) -> bool:
    return True


def _mapping(value: Any, args: tuple[Any, ...]) -> bool:
    return isinstance(value, Mapping) and all(fits(k, args[0]) and fits(v, args[1]) for k, v in value.items())


def _sequence(value: Any, args: tuple[Any, ...]) -> bool:
    return isinstance(value, list | tuple) and all(fits(v, args[0]) for v in value)


def _tuple(value: Any, args: tuple[Any, ...]) -> bool:
    if not isinstance(value, tuple):
        return False
    if len(args) == 2 and args[1] is Ellipsis:
        return all(fits(v, args[0]) for v in value)
    return len(value) == len(args) and all(map(fits, value, args))


def _array(value: Any, args: tuple[Any, ...]) -> bool:
    scalar: Any = next(iter(get_args(args[-1])), Any)
    return isinstance(value, np.ndarray) and (scalar is Any or np.issubdtype(value.dtype, scalar))


_ORIGINS: dict[Any, Callable[[Any, tuple[Any, ...]], bool]] = {
    Union: lambda value, args: any(fits(value, a) for a in args),
    types.UnionType: lambda value, args: any(fits(value, a) for a in args),
    Literal: lambda value, args: any(type(value) is type(a) and value == a for a in args),
    dict: lambda value, args: type(value) is dict and _mapping(value, args),
    Mapping: _mapping,
    list: lambda value, args: isinstance(value, list) and _sequence(value, args),
    Sequence: _sequence,
    tuple: _tuple,
    np.ndarray: _array,
    Callable: lambda value, args: callable(value),
    type: lambda value, args: isinstance(value, type),
}
