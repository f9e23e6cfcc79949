"""A class or function of the user's own, with the arguments of its signature as hyperparameters.

`po("torch_loss", loss=MyLoss)` and `po("torch_optimizer", optimizer=torch.optim.NAdam)` hold one of these: what is to
be made, and the arguments it will be made with. `Configure` is the base of the nodes that hold one.
Neighbours: params below; loss and optimizer above.
"""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import attrs

from pipeops.errors import ConfigError, UnknownParameterError, suggest
from pipeops.graph.pipeop import Channel, PipeOp, operator
from pipeops.net.network.descriptor import ModelDescriptor
from pipeops.net.network.node import described
from pipeops.params import UNSET, Configurable, Param, Setting, Token, hyperparameters
from pipeops.registry import own_key
from pipeops.text import call, source


class Item(Configurable):
    """A loss, an optimizer: a thing with hyperparameters, registered under a key or made from one's own class."""

    key: ClassVar[str] = ""
    shelf: ClassVar[str] = ""

    @property
    def reference(self) -> Any:
        """What names it: the key of a registered one, else itself."""
        return own_key(type(self)) or self

    def __repr__(self) -> str:
        cls, key = type(self), own_key(type(self))
        return call(cls.shelf, [source(key)], self.changed()) if key else call(cls.__name__, [], self.changed())

    def missing(self) -> list[str]:
        """Required hyperparameters that are not set."""
        return [name for name, value in self.params.items() if value is UNSET]


@attrs.frozen(eq=False, repr=False)
class Wrapped(Item):
    """`make(**arguments)`, later. `hidden`: arguments that are filled in then, or that nobody should use."""

    make: Callable[..., Any]
    arguments: Mapping[str, Any] = attrs.field(factory=dict)
    hidden: ClassVar[frozenset[str]] = frozenset()

    def __attrs_post_init__(self) -> None:
        known = self._signature()
        for name in self.arguments:
            if known is not None and name not in known:
                raise UnknownParameterError(f"{source(self.make)}: no argument '{name}'.{suggest(name, known, 'arguments')}")

    def _skipped(self) -> int:
        """How many leading arguments are no hyperparameters."""
        return 0

    def _signature(self) -> dict[str, Any] | None:
        """The defaults by name (`UNSET` for none); None when any name will do."""
        try:
            parameters = list(inspect.signature(self.make).parameters.values())
        except (TypeError, ValueError):
            return None
        if any(p.kind is p.VAR_KEYWORD for p in parameters):
            return None
        named = [p for p in parameters[self._skipped() :] if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        return {p.name: UNSET if p.default is p.empty else p.default for p in named if p.name not in self.hidden}

    @property
    def reference(self) -> Any:
        return self.make

    def own_params(self) -> dict[str, Setting]:
        """The arguments by name."""
        defaults = dict.fromkeys(self.arguments, UNSET) | (self._signature() or {})
        return {n: Setting(Param("anything", default=d), self.arguments.get(n, d)) for n, d in defaults.items()}

    def with_own(self, name: str, value: Any) -> Self:
        """A copy with one argument changed."""
        return attrs.evolve(self, arguments={**self.arguments, name: value})

    def changed(self) -> dict[str, Any]:
        """The arguments that were given."""
        return dict(self.arguments)

    def __repr__(self) -> str:
        return call(source(self.make), [], dict(self.arguments))


@operator
class Configure(PipeOp):
    """A node that writes something into the descriptor while training and passes the feed on when predicting."""

    inputs: ClassVar[tuple[Channel, ...]] = (Channel("input", "ModelDescriptor", "Feed"),)
    outputs: ClassVar[tuple[Channel, ...]] = (Channel("output", "ModelDescriptor", "Feed"),)
    holds: ClassVar[str]
    """The field with the loss or optimizer."""

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        """The feed as it came."""
        return inputs

    def parts(self) -> dict[str, Item]:
        """The loss or optimizer, whose hyperparameters stand beside the node's own."""
        item = getattr(self, self.holds)
        return {} if undecided(item) else {"": item}

    def with_part(self, name: str, part: Any) -> Self:
        """A copy with a changed loss or optimizer."""
        return attrs.evolve(self, **{self.holds: part})

    def with_own(self, name: str, value: Any) -> Self:
        """A copy with one hyperparameter changed; another loss or optimizer keeps the arguments that it takes too."""
        new = super().with_own(name, value)
        old, item = getattr(self, self.holds), getattr(new, self.holds)
        if name != self.holds or isinstance(value, Item) or undecided(old) or undecided(item):
            return new
        shared = {n: v for n, v in old.changed().items() if n in item.params}
        return attrs.evolve(new, **{name: functools.reduce(lambda it, pair: it.with_param(*pair), shared.items(), item)})

    def set_once(self, descriptor: ModelDescriptor) -> ModelDescriptor:
        """The descriptor with this node's thing; refused when another node has set it already or it is not complete."""
        (descriptor, name) = described(self, [descriptor]), self.holds
        item = getattr(self, name)
        if undecided(item):
            raise ConfigError(f"{self.id}: set '{name}' before training.")
        if getattr(descriptor, name) is not None:
            raise ConfigError(f"{self.id}: the network has a {name} already ({getattr(descriptor, name)!r}); keep one node.")
        for missing in item.missing()[:1]:
            raise ConfigError(f"{self.id}: set '{missing}' before training.")
        return attrs.evolve(descriptor, **{name: item})

    def changed(self) -> dict[str, Any]:
        """The arguments that make this node again, those of what it holds beside its own."""
        name = self.holds
        held, default = getattr(self, name), hyperparameters(type(self))[name].default
        if undecided(held):
            return {} if held is UNSET else {name: held}
        own = {} if held.reference == default else {name: held.reference}
        return own if held.reference is held else own | held.changed()


def undecided(thing: Any) -> bool:
    """Whether it is not set yet, or still to be tuned."""
    return thing is UNSET or isinstance(thing, Token)


def own_names(node: type[PipeOp], item: Item) -> Item:
    """The item, unless one of its arguments has the name of one of the node's own."""
    for name in ("id", *hyperparameters(node)):
        if name in item.params:
            raise ConfigError(
                f"{node.__name__}: an argument of {item!r} may not be called '{name}', the node has one of that name."
            )
    return item
