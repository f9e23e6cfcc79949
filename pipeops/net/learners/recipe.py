"""What a ready-made learner is made of: an architecture, a loss, an optimizer, callbacks and the model node.

An architecture has the hyperparameters of a network and answers the graph from the task to what the loss sees. Neighbours:
layers, losses, optimizers and the model node below; the shelf has the architectures, `network_learner` makes a learner of a
recipe.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self, TypeVar

import attrs

from pipeops.graph.graph import Graph
from pipeops.net.callbacks.attach import SetCallbacks
from pipeops.net.losses.base import SetLoss, TorchLoss
from pipeops.net.optimizers.base import SetOptimizer, TorchOptimizer
from pipeops.net.training.model import TorchModel
from pipeops.params import Configurable, Parameterized, Setting, Token
from pipeops.saving import savable

C = TypeVar("C", bound=type)


class Architecture(Configurable):
    """The hyperparameters of a network. A subclass is made with `@architecture` and answers `network`."""

    name: ClassVar[str]
    label: ClassVar[str]
    takes_missing: ClassVar[bool] = False
    takes_categories: ClassVar[bool] = False

    @abstractmethod
    def network(self) -> Graph:
        """From the task to what the loss sees."""


def architecture(cls: C) -> C:
    """Class decorator for architectures: an immutable attrs class whose annotated fields are its hyperparameters."""
    return savable(attrs.frozen(eq=False, repr=False, kw_only=True)(cls))


@savable
@attrs.frozen(eq=False, repr=False, kw_only=True)
class Recipe(Configurable):
    """All settings of a ready-made learner under one roof: those of the architecture and the model node by their names, those of
    optimizer, loss and callbacks as `opt.lr`, `loss.class_weight`, `cb.history.<name>`."""

    id: str
    architecture: Architecture
    loss: TorchLoss
    optimizer: TorchOptimizer
    callbacks: SetCallbacks
    model: TorchModel

    def own_params(self) -> Mapping[str, Setting]:
        """The hyperparameters of the architecture and of the model node."""
        return {**self.architecture.own_params(), **self.model.own_params()}

    def parts(self) -> Mapping[str, Parameterized]:
        """Optimizer, loss and callbacks, and what the model node holds."""
        return {"opt": self.optimizer, "loss": self.loss, "cb": self.callbacks, **self.model.parts()}

    def with_part(self, name: str, part: Any) -> Self:
        """A copy with one of these exchanged."""
        fields = {"opt": "optimizer", "loss": "loss", "cb": "callbacks"}
        if name in fields:
            return attrs.evolve(self, **{fields[name]: part})
        return attrs.evolve(self, model=self.model.with_part(name, part))

    def with_own(self, name: str, value: Any) -> Self:
        """A copy with one hyperparameter of the architecture or of the model node changed."""
        if name in self.model.own_params():
            return attrs.evolve(self, model=self.model.with_own(name, value))
        if name in self.architecture.own_params():
            return attrs.evolve(self, architecture=self.architecture.with_own(name, value))
        return super().with_own(name, value)

    def graph(self) -> Graph:
        """The graph; what is still to be tuned in the architecture stands at its default."""
        chosen = self.architecture
        for name, setting in chosen.own_params().items():
            if isinstance(setting.value, Token):
                chosen = chosen.with_own(name, setting.param.default)
        graph = chosen.network() >> SetLoss(loss=self.loss) >> SetOptimizer(optimizer=self.optimizer)
        return graph >> self.callbacks >> self.model if self.callbacks.callbacks else graph >> self.model
