"""Names that users guess first, and what they are called here: those of mlr3, scikit-learn, Keras and everyday speech.

A key, an argument, an attribute or a name at the top that does not exist is looked up in `guessed_keys` and `guessed_names`
before anything of a near spelling is proposed. Neighbours: errors below; the registry, hyperparameters and classes above ask.
"""

import dis
import functools
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any, ParamSpec, TypeVar

from pipeops.errors import UnknownAttributeError, UnknownParameterError, suggest
from pipeops.guessed_keys import KEYS, KINDS_LEFT_OUT
from pipeops.guessed_names import ARGUMENTS, ARGUMENTS_LEFT_OUT, ATTRIBUTES, ATTRIBUTES_OF, COLUMNS, NAMES, PREFIXES

P = ParamSpec("P")
R = TypeVar("R")


def key_here(shelf: str, key: str) -> str:
    """`" It is lrn("classif.tree") here."`, or nothing."""
    rows, name = KEYS.get(shelf, {}), key.lower()
    found = [rows[k] for k in ([name] if name in rows else [f"{kind}.{name}" for kind in ("classif", "regr")]) if k in rows]
    if not found and (left_out := KINDS_LEFT_OUT.get(name.partition(".")[0])) and "." in name:
        return f" There is nothing here for {left_out}."
    return f" It is {' or '.join(dict.fromkeys(found))} here." if found else ""


def argument_here(name: str, known: Iterable[str]) -> str:
    """`" It is called 'rows' here."` where one of the names that it goes by is among those that are known, else a near one.

    >>> argument_here("row_ids", ["task", "rows"]), argument_here("folsd", ["folds", "task"])
    (" It is called 'rows' here.", " Did you mean 'folds'?")
    """
    names, (node, dot, last) = list(known), name.rpartition(".")
    near = {other for other in names if other == name or other.rpartition(".")[2] in ARGUMENTS.get(last, ())}
    found = next((full for other in ARGUMENTS.get(last, ()) if (full := node + dot + other) in near), None)
    found = found or next((other for other in sorted(near) if not dot), None)
    inner = next((name[len(prefix) + 1 :] for prefix in PREFIXES if name.startswith((f"{prefix}.", f"{prefix}_"))), None)
    found = inner if inner in names else found
    if found is None and name in ARGUMENTS_LEFT_OUT:
        return f" It is {ARGUMENTS_LEFT_OUT[name]}."
    return f" It is called '{found}' here." if found else suggest(name, names)


def kind_here(name: str) -> str:
    """What a kind of columns is called here, or nothing."""
    return f" It is '{COLUMNS[name]}' here." if name in COLUMNS else ""


class Guessing:
    """Base of what answers a guessed attribute with the right one."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or hasattr(type(self), name):
            return object.__getattribute__(self, name)  # it is absent, or a property whose own error is to be seen
        raise UnknownAttributeError(f"a {type(self).__name__} has no attribute '{name}'.{attribute_here(type(self), name)}")


def attribute_here(cls: type, name: str) -> str:
    """What an attribute is called here, or near ones."""
    found = next((row[name] for c in cls.__mro__ if name in (row := ATTRIBUTES_OF.get(c.__name__, {}))), ATTRIBUTES.get(name))
    return f" It is {found} here." if found else suggest(name, sorted(n for n in dir(cls) if not n.startswith("_")))


def unknown_name(name: str, known: Iterable[str], frame: FrameType) -> Exception:
    """The error for a name that the package does not have; `from pipeops import name` in that frame tells a guessed one, too."""
    found = f" It is {NAMES[name]} here." if name in NAMES else suggest(name, known)
    code = frame.f_code.co_code
    imported = 0 <= frame.f_lasti < len(code) and dis.opname[code[frame.f_lasti]] == "IMPORT_FROM"
    return (ImportError if imported and name in NAMES else AttributeError)(f"module 'pipeops' has no attribute '{name}'.{found}")


def by_name(function: Callable[P, R]) -> Callable[P, R]:
    """The function, which refuses an argument that it does not take with the name that it has."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except TypeError as error:
            trace = error.__traceback__
            if trace is None or trace.tb_next is not None or "unexpected keyword argument" not in str(error):
                raise
            name = str(error).split("'")[1]
            known = [n for n in function.__code__.co_varnames[: _count(function)] if n != "self"]
            raise UnknownParameterError(f"{function.__name__}: no argument '{name}'.{argument_here(name, known)}") from None

    return call


def _count(function: Any) -> int:
    return function.__code__.co_argcount + function.__code__.co_kwonlyargcount
