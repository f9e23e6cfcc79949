"""`nn("module")`: a module of one's own as a node: a class, a function that makes one, or one that is made already.

Neighbours: `wrapped` has what is made later with arguments as hyperparameters; `layer` registers classes under keys of their
own.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import attrs
import torch

from pipeops.data import Task
from pipeops.data.stored import prototype
from pipeops.errors import ConfigError, listing
from pipeops.graph.pipeop import Channel, operator
from pipeops.net.layers.layer import TYPES, ports
from pipeops.net.losses.base import takes_task
from pipeops.net.network.descriptor import Symbol
from pipeops.net.network.kept import GivenModule, kept
from pipeops.net.network.node import NetworkNode
from pipeops.net.network.shape import traced_values
from pipeops.net.wrapped import Wrapped
from pipeops.params import flag, integer
from pipeops.saving import savable
from pipeops.shorthand import nn
from pipeops.text import source


def owned(module: Any, arguments: Mapping[str, Any] | None = None, freeze: bool = False) -> torch.nn.Module:
    """What `nn("module")` makes: a copy of a module with its weights, or what a class or function answers.

    freeze: nothing in it is trained, and it stays in eval mode, so that its statistics stay too.
    """
    made = module.copy() if isinstance(module, GivenModule) else module(**(arguments or {}))
    if not isinstance(made, torch.nn.Module):
        raise TypeError(f"{source(module)} answers a {type(made).__name__}, not a torch.nn.Module")
    if freeze:
        made.requires_grad_(False)
        made.is_frozen = True  # type: ignore[assignment]
    return made


@savable
@attrs.frozen(eq=False, repr=False)
class OwnModule(Wrapped):
    """A module, or what makes one, and its arguments."""

    hidden = frozenset({"device", "dtype", "task"})

    def ports(self) -> tuple[str, ...]:
        """What its `forward` must be given, where that can be told."""
        return ports(self.make.module if isinstance(self.make, GivenModule) else self.make)

    def _signature(self) -> dict[str, Any] | None:
        return {} if isinstance(self.make, GivenModule) else super()._signature()


def own_module(module: Any, arguments: Mapping[str, Any]) -> OwnModule:
    """A module, a class of modules or a function with arguments; what is none is refused."""
    if isinstance(module, torch.nn.Module | GivenModule) and arguments:
        raise ConfigError(f"module: {module!r:.80} is made already, it cannot take {listing(arguments)}; give its class.")
    makes = issubclass(module, torch.nn.Module) if isinstance(module, type) else callable(module)
    if not makes:
        raise ConfigError(f"module: takes a torch.nn.Module, a class of them or a function that makes one, got {module!r:.80}.")
    return OwnModule(kept(module), dict(arguments))


@nn.add("module")
@operator
class Module(NetworkNode):
    """A module of one's own; its constructor's arguments are hyperparameters of this node.

    module: a class, a function that makes a module (one with an argument `task` is given the task), or a module, which is
    copied with its weights: a pretrained backbone, as `torchvision.models.resnet18(weights="DEFAULT")` or
    `timm.create_model("resnet18", pretrained=True, num_classes=0)`, with `nn("head")` behind it. freeze: nothing in it is
    trained, norms keep their statistics. n_inputs: how many values it takes, by default the arguments that its `forward` must
    be given (one where that cannot be told); n_outputs: how many it answers.

    Saved with its weights; a class or function, or the class of a module, is handed in when loading:
    `load_learner(path, trust=(MyModule,))`.

    >>> import torch
    >>> from pipeops import nn
    >>> nn("module", module=torch.nn.Linear, in_features=3, out_features=2).shape_out((None, 3))
    (None, 2)
    """

    torch_module = owned
    example: ClassVar[Mapping[str, Any]] = {"module": torch.nn.Softsign}

    module: OwnModule | None = None
    freeze: bool = flag(False)
    n_inputs: int | None = integer(1, default=None)
    n_outputs: int = integer(1, default=1)

    def __init__(
        self,
        module: Any = None,
        *,
        freeze: bool = False,
        n_inputs: int | None = None,
        n_outputs: int = 1,
        id: str | None = None,
        **arguments: Any,
    ):
        if module is not None and not isinstance(module, OwnModule):
            module = own_module(module, arguments)
        named = {} if id is None else {"id": id}
        self.__attrs_init__(module=module, freeze=freeze, n_inputs=n_inputs, n_outputs=n_outputs, **named)  # type: ignore[attr-defined]

    @property
    def inputs(self) -> tuple[Channel, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        names = () if self.module is None else self.module.ports()
        if self.n_inputs is not None and self.n_inputs != len(names):
            names = tuple(f"input{k}" for k in range(1, self.n_inputs + 1))
        return tuple(Channel(name, *TYPES) for name in names or ("input",))

    @property
    def outputs(self) -> tuple[Channel, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        names = ["output"] if self.n_outputs == 1 else [f"output{k}" for k in range(1, self.n_outputs + 1)]
        return tuple(Channel(name, *TYPES) for name in names)

    def parts(self) -> dict[str, OwnModule]:
        """What makes the module, whose arguments stand beside the own hyperparameters."""
        return {} if self.module is None else {"": self.module}

    def with_part(self, name: str, part: OwnModule) -> Self:
        """A copy with other arguments."""
        return attrs.evolve(self, module=part)

    def changed(self) -> dict[str, Any]:
        """The arguments that make this node again."""
        held = {} if self.module is None else {"module": self.module.make}
        return {**held, **super().changed(), **({} if self.module is None else self.module.arguments)}

    def extend(self, inputs: Sequence[Symbol], task: Task | None) -> Symbol:
        return self.values(inputs, task)[0]

    def values(self, inputs: Sequence[Symbol], task: Task | None) -> Sequence[Symbol]:
        if self.module is None:
            raise ConfigError(f"{self.id}: set 'module' before training.")
        for missing in self.module.missing()[:1]:
            raise ConfigError(f"{self.id}: set '{missing}' before training.")
        asks = not isinstance(self.module.make, GivenModule) and takes_task(self.module.make)
        given = dict(self.module.arguments) | ({} if task is None or not asks else {"task": prototype(task)})
        arguments: dict[str, Any] = {"module": self.module.make, "arguments": given, "freeze": self.freeze}
        found = traced_values(lambda: owned(**arguments), [(s.shape, s.dtype) for s in inputs], str(self.id), self.n_outputs)
        made = self.symbol(inputs, arguments, *found[0])
        if len(found) == 1:
            return [made]
        return [attrs.evolve(made, shape=shape, dtype=dtype, port=(k,)) for k, (shape, dtype) in enumerate(found)]
