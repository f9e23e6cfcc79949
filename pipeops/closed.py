"""Closed: things that may change, but only in the attributes that they have; a misspelt one is refused with a near one.

What `__init__` sets and what the class declares may be set later, nothing else. The base of learners and graphs. Neighbours:
errors and params below.
"""

from abc import ABCMeta
from typing import TYPE_CHECKING, Any

from pipeops.errors import UnknownAttributeError, suggest
from pipeops.guesses import Guessing, attribute_here
from pipeops.params import Parameterized, setting_of, who

_OPEN = "_open"


class _Closing(ABCMeta):
    """Makes instances that any attribute may be set in while `__init__` runs."""

    if not TYPE_CHECKING:  # a type checker would take the signature for that of every class

        def __call__(cls, *args, **kwargs):
            new = cls.__new__(cls, *args, **kwargs)
            vars(new)[_OPEN] = True
            new.__init__(*args, **kwargs)
            del vars(new)[_OPEN]
            return new


class Closed(Guessing, metaclass=_Closing):
    """Base of what refuses attributes that it does not have; names that begin with an underscore are its own business."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name.startswith("_") or _OPEN in vars(self) or _declared(self, name)):
            raise UnknownAttributeError(f"{who(self)}: a {type(self).__name__} has no attribute '{name}'.{_hint(self, name)}")
        super().__setattr__(name, value)


def _declared(thing: object, name: str) -> bool:
    """Whether `__init__` has set it, or the class has it or names it."""
    cls = type(thing)
    return name in vars(thing) or hasattr(cls, name) or any(name in vars(c).get("__annotations__", {}) for c in cls.__mro__)


def _hint(thing: Any, name: str) -> str:
    if isinstance(thing, Parameterized) and setting_of(thing, name):
        return f" It is a hyperparameter: set params['{name}']."
    known = attribute_here(type(thing), name)
    return (
        known
        if known.startswith(" It is")
        else suggest(name, sorted(n for n in {*vars(thing), *dir(type(thing))} if n[0] != "_"))
    )
