"""PipeOp: the node of a graph. It is a specification and never changes; what training learns is returned as a *state*.

A node has an id, hyperparameters (attrs fields, see `params`), and named input and output channels that carry one type
when training and one when predicting. `>>` and `[a, b] >> c` make graphs; `graph.py` joins and runs them, `ops/base.py`
is the base of operators on tasks, `net/` has the nodes that build networks.
"""

import functools
import keyword
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar

import attrs

from pipeops.errors import CompositionError, ConfigError, DataError, PipeOpsError
from pipeops.graph.kinds import ANY, INACTIVE, Kind
from pipeops.params import Configurable, hyperparameters, refuse_foreign
from pipeops.registry import own_key
from pipeops.saving import saved_as
from pipeops.text import call, source

if TYPE_CHECKING:
    from pipeops.graph.graph import Graph

_ID = re.compile(r"[A-Za-z_]\w*")


class _Channel(NamedTuple):
    name: str
    train: Kind
    predict: Kind
    many: bool


class Channel(_Channel):
    """A named input or output and the kinds that it carries in training and prediction (see `kinds.py`), given by name.

    `many` marks an input that takes any number of edges.
    """

    __slots__ = ()

    def __new__(cls, name: str, train: str, predict: str, many: bool = False) -> "Channel":
        return super().__new__(cls, name, Kind(train), Kind(predict), many)

    def carrying(self, other: "Channel") -> "Channel":
        """This channel with the kinds of another one."""
        return self._replace(train=other.train, predict=other.predict)

    def common(self, other: "Channel") -> "Channel":
        """This channel with the narrowest kinds that hold what flows through both."""
        return self._replace(train=self.train.common(other.train), predict=self.predict.common(other.predict))


def _explained(method: Callable[..., Any], phase: str) -> Callable[..., Any]:
    """The method, which says what was wrong with its inputs where it fails for them, and hands on what came by a way not taken:
    looked at afterwards, since graphs know what flows in them."""

    @functools.wraps(method)
    def train(node: "PipeOp", inputs: Sequence[Any], *rest: Any, **named: Any) -> Any:
        try:
            return method(node, inputs, *rest, **named)
        except Exception as error:
            if _untaken(node, inputs):
                return [INACTIVE] * len(node.outputs), None
            _explain(node, inputs, phase, error)
            raise

    @functools.wraps(method)
    def predict(node: "PipeOp", inputs: Sequence[Any], state: Any) -> Any:
        try:
            return method(node, inputs, state)
        except Exception as error:
            if _untaken(node, inputs):
                return [INACTIVE] * len(node.outputs)
            _explain(node, inputs, phase, error)
            raise

    return train if phase == "train" else predict


def _untaken(node: "PipeOp", inputs: Any) -> bool:
    """Whether nothing came in but what stands for a way not taken."""
    given = inputs if isinstance(inputs, list | tuple) else ()
    return bool(given) and all(value is INACTIVE for value in given)


def _explain(node: "PipeOp", inputs: Any, phase: str, error: Exception) -> None:
    if not isinstance(error, PipeOpsError):
        check_inputs(node, inputs, phase)


def check_inputs(node: "PipeOp", inputs: Any, phase: str) -> None:
    """Refuse what is no list with one value for each input of the node, of the kind that it takes."""
    channels, many = node.inputs, any(c.many for c in node.inputs)
    number = f"at least {len(channels)}" if many else str(len(channels))
    if not isinstance(inputs, list | tuple) or len(inputs) < len(channels) or (len(inputs) > len(channels) and not many):
        got = f"{len(inputs)} of them" if isinstance(inputs, list | tuple) else type(inputs).__name__
        raise CompositionError(f"{node.id}: {phase} takes a list of values for its inputs, {number} of them here, got {got}.")
    for channel, value in zip([*channels, *[channels[-1]] * len(inputs)], inputs, strict=False):
        check_value(node.id, channel, value, phase)


def check_value(id: str, channel: Channel, value: Any, phase: str) -> None:
    """Refuse a value that is not of the kind that an input takes."""
    wanted: Kind = getattr(channel, phase)
    if not wanted.accepts(value):
        how = next((f"; {kind.facts.how}" for kind in wanted.chain() if kind.facts.how), "")
        raise DataError(f"{id}: input '{channel.name}' takes a {wanted} in {phase}, got {type(value).__name__}{how}.")


class AutoId(str):
    """An id that was not chosen by the user, and so may be numbered when it is taken."""

    __slots__ = ()


saved_as(AutoId, AutoId, str, plain=str)


def default_id(node: "PipeOp") -> AutoId:
    """The key of the node's class, or its class name in snake case where it is not registered."""
    key = own_key(type(node)) or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(node).__name__).lower()
    return AutoId(key)


def _valid_id(node: "PipeOp", attribute: Any, value: Any) -> None:
    if type(value) is AutoId:
        return
    if not isinstance(value, str) or not _ID.fullmatch(value) or keyword.iskeyword(value):
        raise ConfigError(
            f"{type(node).__name__}: an id is made of letters, digits and underscores, does not start with a digit "
            f"and is no Python keyword, got {value!r}."
        )


@attrs.frozen(eq=False, repr=False, kw_only=True, slots=False)
class PipeOp(Configurable, ABC):
    """A node: trains on its inputs and then predicts. Subclasses are made with `@operator`.

    `train(inputs)` returns `(outputs, state)`, `predict(inputs, state)` returns outputs; both take and return one value
    a channel, in channel order. Nothing is ever stored on the node.
    """

    key: ClassVar[str] = ""
    shelf: ClassVar[str] = ""
    inputs: ClassVar[tuple[Channel, ...]] = (Channel("input", ANY, ANY),)
    outputs: ClassVar[tuple[Channel, ...]] = (Channel("output", ANY, ANY),)
    passes_types: ClassVar[bool] = False
    """Whether the outputs have the kind that came in (nop, copy)."""
    takes_inactive: ClassVar[bool] = False
    """Whether it is trained though an input is `INACTIVE` (unbranch)."""
    takes_valid: ClassVar[bool] = False
    """Whether `train` wants the validation inputs too, as `train(inputs, valid=...)`."""
    takes_learner: ClassVar[bool] = False
    """Whether `train` wants the id of the learner too, as `train(inputs, learner_id=...)`; `train_many` takes a list last."""
    train_many: ClassVar[Callable[..., Any] | None] = None
    """A class that trains several of its nodes better than one after another has a class method `train_many(nodes, inputs,
    valids)` here: a list of what `train` answers for each, or the exception that stopped it; valids may be None."""
    target: ClassVar[bool] = False
    """Whether an operator learns from the target, or changes it."""
    changes_rows: ClassVar[bool] = False
    """Whether training answers other rows than it is given, or in another order."""
    any_rows: ClassVar[bool] = True
    """Whether it can be trained on no row and on one; what holds a model of somebody else's may refuse."""
    keeps_state: ClassVar[frozenset[str]] = frozenset({"predict_type"})
    """Hyperparameters that only matter when predicting: setting one keeps what was learnt."""
    example: ClassVar[Mapping[str, Any] | Callable[[], Mapping[str, Any]]] = {}
    """Arguments of an instance that can be trained, where it needs any; the contract suite (`pipeops.testing`) uses them."""

    def __init_subclass__(cls, **options: Any):
        super().__init_subclass__(**options)
        for phase in ("train", "predict"):
            if callable(vars(cls).get(phase)):
                setattr(cls, phase, _explained(vars(cls)[phase], phase))

    id: str = attrs.field(default=attrs.Factory(default_id, takes_self=True), validator=_valid_id)

    @abstractmethod
    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], Any]:
        """Learn from the inputs: `(outputs, state)`."""

    @abstractmethod
    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        """Apply what was learnt: the outputs."""

    def renamed(self, id: str) -> "PipeOp":
        """The same node under another id."""
        if type(id) is not AutoId:
            return attrs.evolve(self, id=id)
        new = object.__new__(type(self))  # graphs number nodes all the time: nothing but the id changes, nothing is checked again
        vars(new).update(vars(self), id=id)
        return new

    def __rshift__(self, other: "PipeOp | Graph | list[Any]") -> "Graph":
        from pipeops.graph.graph import Graph

        return Graph().extend(self).extend(other)

    def __rrshift__(self, other: list[Any]) -> "Graph":
        from pipeops.graph.graph import Graph

        return Graph().extend(other).extend(self)

    def __repr__(self) -> str:
        arguments = self.changed()
        if self.id != default_id(self):
            arguments = {"id": str(self.id), **arguments}
        cls, key = type(self), own_key(type(self))
        return call(cls.shelf, [source(key)], arguments) if key else call(cls.__name__, [], arguments)


C = TypeVar("C", bound=type)


def operator(cls: C) -> C:
    """Class decorator for nodes: an immutable attrs class whose annotated fields are its hyperparameters.

    A hyperparameter may not have the name of one of the node's own attributes.
    """
    refuse_foreign(cls, PipeOp, "operator")
    return check_fields(attrs.frozen(eq=False, repr=False, kw_only=True, slots=False)(cls))


def check_fields(cls: C) -> C:
    """Refuse a hyperparameter that hides an attribute of the classes below."""
    inherited = {name for base in cls.__mro__[1:] for name in vars(base)}
    own = [name for name in hyperparameters(cls) if name in inherited or name == "id"]
    if own:
        raise ConfigError(f"{cls.__name__}: a hyperparameter may not be called '{own[0]}', nodes have an attribute of that name.")
    return cls
