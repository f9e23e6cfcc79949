"""Kinds: what flows through a channel, which kind is wider than which, and what helps where another kind came.

A kind is its name, a class's or one of one's own: `"*"` is anything, `"None"` nothing, `"[Task]"` a multiplicity of tasks. Rooms
above declare theirs with the advice that belongs to them, so that no node is named here. Two values have a meaning of their
own: `INACTIVE` flows through a branch that was not taken, and a `Multiplicity` is several values in the place of one.
Neighbours: `pipeop.py` (channels), `ends.py` (joining) and `driver.py` (running) use them.
"""

import enum
from collections.abc import Mapping
from typing import Any, NamedTuple

from pipeops.saving import saved_as


class Inactive(enum.Enum):
    """The type of `INACTIVE`, what flows through a branch that was not taken: nodes that get it are not trained."""

    INACTIVE = "INACTIVE"

    def __repr__(self) -> str:
        return "INACTIVE"


INACTIVE = Inactive.INACTIVE


class Multiplicity(tuple[Any, ...]):
    """Several values that flow through one channel: a node is trained once for each, and has a list of states."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Multiplicity({list(self)!r})"


def depth(value: Any) -> int:
    """How many multiplicities a value lies in.

    >>> depth(1), depth(Multiplicity([1])), depth(Multiplicity([Multiplicity([1, 2])]))
    (0, 1, 2)
    """
    return 1 + max(map(depth, value), default=0) if type(value) is Multiplicity else 0


saved_as(Inactive, lambda plain: INACTIVE, lambda value: None, plain=None)
saved_as(Multiplicity, Multiplicity, list, plain=list)


class Facts(NamedTuple):
    """What is declared of a kind: the wider one it belongs to, how to make a value, and what helps in place of another kind.

    instead: advice by the kind that came where this one is wanted. elsewhere: by the kind that is wanted where this one came.
    """

    wider: str = "*"
    how: str = ""
    instead: Mapping[str, str] = {}
    elsewhere: Mapping[str, str] = {}


_DECLARED: dict[str, Facts] = {}


class Kind(str):
    """What flows through a channel, by name. One that nobody declared belongs to the declared kind that its name begins with.

    >>> Kind("TaskClassif").within(Kind("Task")), Kind("Task").within(Kind("TaskClassif")), Kind("[Task]").element
    (True, False, 'Task')
    """

    __slots__ = ()

    @property
    def element(self) -> "Kind | None":
        """What a multiplicity holds; None for every other kind."""
        return Kind(self[1:-1]) if self.startswith("[") and self.endswith("]") else None

    @property
    def depth(self) -> int:
        """How many multiplicities its values lie in."""
        return 0 if self.element is None else 1 + self.element.depth

    @property
    def core(self) -> "Kind":
        """This kind, or what a multiplicity holds in the end."""
        return self if self.element is None else self.element.core

    @property
    def facts(self) -> Facts:
        """What is declared of it."""
        found = _DECLARED.get(self)
        return found if found is not None else Facts(max((n for n in _DECLARED if self.startswith(n)), key=len, default="*"))

    def chain(self) -> "list[Kind]":
        """This kind and all wider ones, the widest last."""
        return [self] if self == "*" else [self, *Kind(self.facts.wider).chain()]

    def within(self, other: "Kind") -> bool:
        """Whether every value of this kind is one of the other."""
        return self == other or other == "*" or (self != "*" and Kind(self.facts.wider).within(other))

    def fits(self, sink: "Kind") -> bool:
        """Whether a value may flow into a channel of that kind: equal, wider or narrower (checked when it runs), or several."""
        one, other = self.core, sink.core
        return "*" in (one, other) or one.within(other) or other.within(one)

    def common(self, other: "Kind") -> "Kind":
        """The narrowest kind that holds the values of both."""
        return next(k for k in self.chain() if other.within(k))

    def accepts(self, value: Any) -> bool:
        """Whether a value is of this kind; `INACTIVE` always is, and a multiplicity where each of its values is."""
        if value is INACTIVE or self == "*":
            return True
        if isinstance(value, Multiplicity):
            inner = self.element or self
            return all(inner.accepts(v) for v in value)
        if self.element is not None:
            return False
        return (value is None and self == "None") or any(c.__name__ == self for c in type(value).__mro__)

    def advice(self, came: "Kind") -> str:
        """What helps where this kind is wanted and another one came; empty where nothing is declared."""
        wanted, given = self.core.facts.instead, came.core.facts.elsewhere
        found = [wanted[k] for k in came.core.chain() if k in wanted] + [given[k] for k in self.core.chain() if k in given]
        return found[0] if found else ""


def declare(
    name: str,
    wider: str = "*",
    *,
    how: str = "",
    instead: Mapping[str, str] | None = None,
    elsewhere: Mapping[str, str] | None = None,
) -> Kind:
    """Declare a kind: see `Facts`. Declared anew, it is replaced.

    >>> declare("Picture", how="open one").advice(Kind("Task"))
    ''
    """
    _DECLARED[name] = Facts(wider, how, instead or {}, elsewhere or {})
    return Kind(name)


ANY = declare("*")
NOTHING = declare("None")
TASK = declare("Task", how="make one with as_task_classif(frame, target=...) or as_task_regr(frame, target=...)")
PREDICTION = declare("Prediction")
for _name, _wider in (
    ("TaskClassif", TASK),
    ("TaskRegr", TASK),
    ("TaskMultiRegr", TASK),
    ("TaskMultilabel", TASK),
    ("TaskUnsupervised", TASK),
    ("PredictionClassif", PREDICTION),
    ("PredictionRegr", PREDICTION),
    ("PredictionMultiRegr", PREDICTION),
    ("PredictionMultilabel", PREDICTION),
):
    declare(_name, _wider)
