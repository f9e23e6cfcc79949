"""What a value consists of, as far as it decides what comes out: the rules behind fingerprints, one for each kind of value.

A rule answers texts, bytes and the values within. Neighbours: bytecode below says which names code reads, fingerprint above
digests.
"""

import copyreg
import functools
import hashlib
import inspect
import sys
import types
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any

import attrs
import narwhals as nw
import numpy as np

from pipeops.data import Task
from pipeops.data.columns import LAZY, ROW, SOURCE, declared_levels
from pipeops.data.tensors import sources
from pipeops.errors import PipeOpsError
from pipeops.learn.benchmark.bytecode import is_library, reads
from pipeops.registry import Registry

_CALLED_BY_NAME = (
    types.BuiltinFunctionType,
    types.MethodWrapperType,
    types.WrapperDescriptorType,
    types.MethodDescriptorType,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
)
_WRITTEN_IN_PYTHON = 1 << 9
"""The flag of types that are allocated on the heap, as all are that a class statement makes."""
_NOTHING = frozenset(
    (
        *("__dict__", "__weakref__", "__doc__", "__annotations__", "__module__", "__qualname__", "__abstractmethods__"),
        *(
            "_abc_impl",
            "__slots__",
            "__slotnames__",
            "__parameters__",
            "__firstlineno__",
            "__static_attributes__",
            "__annotate__",
        ),
        *("__annotate_func__", "__annotations_cache__"),
    )
)
"""Attributes of a class that decide nothing, or stand in its bases and members anyway."""


class UnhashableError(PipeOpsError):
    """Something whose state cannot be looked at, so that it cannot be told from another."""


@attrs.frozen(eq=False)
class Part:
    """A value within another. where: how an error names its place."""

    value: Any
    where: str | None = None


@attrs.frozen(eq=False)
class Bag:
    """Values in no order."""

    items: Any


Parts = Iterator[str | bytes | Part | Bag]


def parts_of(value: Any) -> Parts:
    """What a value consists of."""
    if type(value) in _CONTAINERS:
        return _CONTAINERS[type(value)](value)
    for kind, rule in _RULES:
        if isinstance(value, kind):
            return rule(value)
    return _tensor(value) if _is_tensor(value) else _object(value)


# ---------------------------------------------------------------- data


def _sequence(value: Any) -> Parts:
    numbers = {type(v) for v in value} <= {bool, int, float}
    yield type(value).__name__
    yield from [repr(value)] if numbers else map(Part, value)


def _mapping(value: Any) -> Parts:
    yield type(value).__name__
    for key, held in value.items():
        yield Part(key)
        yield Part(held, f"the entry {key!r:.40}" if isinstance(key, str) else None)


def _unordered(value: Any) -> Parts:
    yield type(value).__name__
    yield Bag(value)


_CONTAINERS: dict[type, Callable[[Any], Parts]] = {
    list: _sequence,
    tuple: _sequence,
    dict: _mapping,
    types.MappingProxyType: _mapping,
    set: _unordered,
    frozenset: _unordered,
}


def _array(value: np.ndarray) -> Parts:
    yield f"{type(value).__qualname__} {value.dtype.str} {value.dtype} {value.shape}"
    yield Part(value.ravel().tolist()) if value.dtype.hasobject else _raw(value)
    if type(value) is not np.ndarray:
        yield from _reduced(value)


def _raw(array: np.ndarray) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data).digest()


def _is_tensor(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _tensor(value: Any) -> Parts:
    plain = value.detach().cpu().to_dense() if value.layout is not sys.modules["torch"].strided else value.detach().cpu()
    yield f"{type(value).__qualname__} {value.dtype} {tuple(value.shape)} {value.layout} {value.requires_grad}"
    yield _raw(plain.contiguous().reshape(-1).view(sys.modules["torch"].uint8).numpy())


def _task(task: Task) -> Parts:
    """Kind, name, roles, classes and rows, and the values and types of every column that has a role."""
    yield f"{type(task).__qualname__} {task.id}"
    yield Part([task.roles, list(getattr(task, "class_names", None) or ()), task.row_ids])
    for name in dict.fromkeys(column for columns in task.roles.values() for column in columns):
        if task.has_target or name not in task.target_names:
            yield name
            yield Part(_Column(task._column(name)))


@attrs.frozen(eq=False)
class _Column:
    series: Any


def _column(held: _Column) -> Parts:
    series = held.series
    yield f"{series.implementation} {series.dtype} {getattr(series.to_native(), 'dtype', '')}"
    if series.dtype == LAZY:
        yield from _lazy(series)
        return
    yield Part(declared_levels(series))
    if series.dtype.is_numeric() and not series.dtype.is_decimal():
        missing = series.is_null()
        yield _raw(missing.to_numpy())
        yield _raw((series.fill_null(0) if missing.any() else series).to_numpy())
    elif isinstance(series.dtype, nw.Array):
        yield _raw(series.to_numpy())
    else:
        yield repr(series.to_list())


def _lazy(series: Any) -> Parts:
    """For each row which of the sources it comes from, in the order in which they are met, and which row of it."""
    numbers = series.struct.field(SOURCE).to_list()
    met = {number: place for place, number in enumerate(dict.fromkeys(numbers))}
    yield Part([series.struct.field(ROW).to_list(), [met[number] for number in numbers]])
    held = sources.of(series)
    yield from (Part(held[number].identity(), f"the tensors of '{series.name}'") for number in met if number is not None)


# ---------------------------------------------------------------- functions and classes


def _function(function: types.FunctionType) -> Parts:
    """Its code and all that it reads; of an installed one the name, and what it holds."""
    module = function.__globals__.get("__name__") or ""
    yield f"function {module}:{function.__qualname__}"
    held = [function.__defaults__, function.__kwdefaults__, dict(vars(function))]
    yield Part(held, f"held by {function.__qualname__}")
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        yield name
        yield Part(_content(cell), f"the variable '{name}' of {function.__qualname__}")
    if is_library(module):
        yield _version(module)
        return
    yield Part(function.__code__)
    for name, value in reads(function):
        yield name
        yield Part(value, f"the global '{name}' of {function.__qualname__}")


def _content(cell: types.CellType) -> Any:
    """What a cell holds; it is empty where the variable has no value yet."""
    try:
        return cell.cell_contents
    except ValueError:
        return "no value"


def _code(code: types.CodeType) -> Parts:
    yield f"{code.co_name} {code.co_argcount} {code.co_posonlyargcount} {code.co_kwonlyargcount} {code.co_flags}"
    yield Part(
        [
            code.co_code,
            code.co_exceptiontable,
            code.co_names,
            code.co_varnames,
            code.co_freevars,
            code.co_cellvars,
            code.co_consts,
        ]
    )


def _method(method: types.MethodType) -> Parts:
    yield "method"
    yield Part(method.__func__)
    yield Part(method.__self__)


def _by_name(held: Any) -> Parts:
    """Something written in C; bound to an object it counts with it."""
    owner = getattr(held, "__self__", None)
    yield f"{type(held).__name__} {getattr(held, '__module__', None)}:{held.__qualname__}"
    yield Part(getattr(held, "__objclass__", None))
    yield Part(None if isinstance(owner, types.ModuleType) else owner)


def _module(module: types.ModuleType) -> Parts:
    """By its name; what code reads of a module of one's own is read with the code."""
    yield f"module {module.__name__}"
    yield _version(module.__name__) if is_library(module.__name__) else "own"


def _class(cls: type) -> Parts:
    yield f"class {cls.__module__}:{cls.__qualname__}"
    if _installed(cls):
        yield _version(str(cls.__module__))
        return
    yield Part([type(cls), *cls.__bases__])
    for name, value in vars(cls).items():
        if name not in _NOTHING and not _generated(value):
            yield name
            yield Part(value, f"'{name}' of {cls.__qualname__}")


def _installed(cls: type) -> bool:
    """Whether a class is written in C, or stands in an installed module and was not made from parts by a function there."""
    if not isinstance(cls.__module__, str) or not cls.__flags__ & _WRITTEN_IN_PYTHON:
        return True
    try:
        return is_library(cls.__module__) and attrgetter(cls.__qualname__)(sys.modules[cls.__module__]) is cls
    except (AttributeError, KeyError):
        return False


def _generated(value: Any) -> bool:
    """Whether attrs wrote this method: it follows from the fields, which stand in the class too."""
    return isinstance(value, types.FunctionType) and value.__code__.co_filename.startswith("<attrs generated")


def _held_by(*names: str) -> Callable[[Any], Parts]:
    """A rule for descriptors: the functions that they hold."""
    return lambda value: iter([type(value).__qualname__, *map(Part, attrgetter(*names, "__class__")(value))])


# ---------------------------------------------------------------- objects


def _object(value: Any) -> Parts:
    """Its class and its state, as pickle would keep it; what stands in the module of an installed class goes by its name."""
    yield Part(type(value))
    name = next((n for n, v in _members(type(value)) if v is value), None)
    yield from _reduced(value) if name is None else [name]


def _members(cls: type) -> Any:
    return list(vars(sys.modules[cls.__module__]).items()) if _installed(cls) and str(cls.__module__) in sys.modules else ()


def _registry(registry: Registry) -> Parts:
    yield f"registry {registry.name}"
    yield Part(dict(registry.foreign()))


def _reduced(value: Any) -> Parts:
    registered = copyreg.dispatch_table.get(type(value))
    try:
        made = registered(value) if registered else value.__reduce_ex__(4)
    except RecursionError:
        raise
    except Exception:
        cls = type(value)
        raise UnhashableError(f"an object of {cls.__module__}.{cls.__qualname__} whose state cannot be read") from None
    if isinstance(made, str):
        yield made
        return
    parts: list[Any] = [*made, None, None, None]
    make, arguments, state, items, pairs = parts[:5]
    yield Part([make, arguments, list(items or ()), list(pairs or ())])
    yield Part(_lasting(value, state))


def _lasting(value: Any, state: Any) -> Any:
    """The state without what is only remembered (`cached_property`)."""
    if not isinstance(state, dict):
        return state
    kept = {k for k in state if isinstance(inspect.getattr_static(type(value), k, None), functools.cached_property)}
    return {k: v for k, v in state.items() if k not in kept}


@functools.cache
def _version(module: str) -> str:
    """The version of the installed package that a module belongs to."""
    return str(getattr(sys.modules.get(module.partition(".")[0]), "__version__", ""))


_RULES: list[tuple[Any, Callable[[Any], Parts]]] = [
    (types.FunctionType, _function),
    (types.CodeType, _code),
    (types.MethodType, _method),
    (_CALLED_BY_NAME, _by_name),
    (types.ModuleType, _module),
    (type, _class),
    (Registry, _registry),
    (Task, _task),
    (_Column, _column),
    (np.ndarray, _array),
    (property, _held_by("fget", "fset", "fdel")),
    (staticmethod | classmethod, _held_by("__func__")),
    (functools._lru_cache_wrapper, _held_by("__wrapped__")),
    (functools.cached_property | functools.singledispatchmethod, _held_by("func")),
]
