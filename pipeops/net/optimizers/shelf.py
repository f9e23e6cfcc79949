"""The shelf of optimizers: `t_opt("adam")` and its like, one class for each, with torch's names and defaults.

Each updates all parameters in one call where it can, and those of a group where numbers are given by node (`by_node`). With
`param_groups`, a function from the named parameters to torch's parameter groups, it takes the general way.
Neighbours: base has the machinery, kernels the steppers, `apart` those of several groups.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch

from pipeops.errors import ConfigError
from pipeops.net.optimizers.apart import SteppersApart
from pipeops.net.optimizers.base import TorchOptimizer, by_groups, by_name, groups_by_node, named, optimizer
from pipeops.net.optimizers.by_node import by_node
from pipeops.net.optimizers.fused import FusedStepper, Stepper, fusable
from pipeops.net.optimizers.kernels import FusedAdagrad, FusedAdam, FusedRMSprop, FusedSGD
from pipeops.params import Token, anything, flag, real
from pipeops.shorthand import t_opt


class Registered(TorchOptimizer):
    """What the shelf's classes share: the settings as torch takes them, and the choice between the two ways."""

    torch_class: ClassVar[Callable[..., Any]]
    param_groups: Any

    def settings(self) -> dict[str, Any]:
        """The arguments of the torch class."""
        return {name: value for name, value in self.params.items() if name != "param_groups"}

    @abstractmethod
    def fused(self, params: list[torch.nn.Parameter], settings: dict[str, Any]) -> FusedStepper:
        """The stepper that needs no torch object."""

    def stepper(self, network: torch.nn.Module) -> Stepper:
        """Fused where that is possible, else around the torch object."""
        settings, make = self.settings(), type(self).torch_class
        if self.param_groups is not None or not fusable(network):
            return by_groups(self, make, network, settings, self.param_groups)
        mapped = by_name(settings)
        if not mapped:
            return self.fused(list(network.parameters()), settings)
        groups = groups_by_node(self, named(self, make), network, mapped)
        parts = [self.fused(own.pop("params"), {**settings, **own}) for own in groups]
        return parts[0] if len(parts) == 1 else SteppersApart(parts)


def _check_betas(owner: Any, attribute: Any, value: Any) -> None:
    if not all(map(_is_betas, value.values() if isinstance(value, Mapping) else [value])):
        raise ConfigError(f"{type(owner).key}: 'betas' must be two numbers from 0, below 1, got {value!r}.")


def _is_betas(value: Any) -> bool:
    pair = isinstance(value, tuple | list) and len(value) == 2 and all(isinstance(b, float | int) and 0 <= b < 1 for b in value)
    return pair or isinstance(value, Token)


def betas_field() -> Any:
    """Two numbers from 0, below 1, or such pairs by node."""
    field = anything((0.9, 0.999))
    field.validator(_check_betas)
    return field


@t_opt.add("adam")
@optimizer
class Adam(Registered):
    """Adam: adaptive moment estimation (Kingma & Ba 2015).

    >>> from pipeops import t_opt
    >>> t_opt("adam", lr=0.01)
    t_opt("adam", lr=0.01)
    """

    torch_class = torch.optim.Adam
    lr: float = by_node(0, default=0.001)
    betas: Any = betas_field()
    eps: float = by_node(0, default=1e-8)
    weight_decay: float = by_node(0, default=0.0)
    amsgrad: bool = flag(False)
    maximize: bool = flag(False)
    param_groups: Any = anything(None)

    def fused(self, params: list[torch.nn.Parameter], settings: dict[str, Any]) -> FusedStepper:
        """One kernel call a step."""
        return FusedAdam(params, settings, decoupled=False)


@t_opt.add("adamw")
@optimizer
class AdamW(Registered):
    """AdamW: Adam with weight decay apart from the gradient (Loshchilov & Hutter 2019).

    >>> from pipeops import t_opt
    >>> t_opt("adamw", weight_decay=0.1)
    t_opt("adamw", weight_decay=0.1)
    """

    torch_class = torch.optim.AdamW
    lr: float = by_node(0, default=0.001)
    betas: Any = betas_field()
    eps: float = by_node(0, default=1e-8)
    weight_decay: float = by_node(0, default=0.01)
    amsgrad: bool = flag(False)
    maximize: bool = flag(False)
    param_groups: Any = anything(None)

    def fused(self, params: list[torch.nn.Parameter], settings: dict[str, Any]) -> FusedStepper:
        """One kernel call a step."""
        return FusedAdam(params, settings, decoupled=True)


@t_opt.add("sgd")
@optimizer
class SGD(Registered):
    """Stochastic gradient descent, with momentum if wanted (Sutskever et al. 2013).

    >>> from pipeops import t_opt
    >>> t_opt("sgd", lr=0.1, momentum=0.9)
    t_opt("sgd", lr=0.1, momentum=0.9)
    """

    torch_class = torch.optim.SGD
    lr: float = by_node(0, default=0.001)
    momentum: float = by_node(0, default=0.0)
    dampening: float = by_node(0, default=0.0)
    weight_decay: float = by_node(0, default=0.0)
    nesterov: bool = flag(False)
    maximize: bool = flag(False)
    param_groups: Any = anything(None)

    def __attrs_post_init__(self) -> None:
        if self.nesterov is True and (self.momentum == 0 or self.dampening != 0):
            raise ConfigError("sgd: 'nesterov' needs a momentum above 0 and no dampening.")

    def fused(self, params: list[torch.nn.Parameter], settings: dict[str, Any]) -> FusedStepper:
        """One kernel call a step."""
        return FusedSGD(params, settings)


@t_opt.add("rmsprop")
@optimizer
class RMSprop(Registered):
    """RMSprop (Tieleman & Hinton 2012).

    >>> from pipeops import t_opt
    >>> t_opt("rmsprop", alpha=0.9)
    t_opt("rmsprop", alpha=0.9)
    """

    torch_class = torch.optim.RMSprop
    lr: float = by_node(0, default=0.01)
    alpha: float = by_node(0, 1, default=0.99)
    eps: float = by_node(0, default=1e-8)
    weight_decay: float = by_node(0, default=0.0)
    momentum: float = by_node(0, default=0.0)
    centered: bool = flag(False)
    maximize: bool = flag(False)
    param_groups: Any = anything(None)

    def fused(self, params: list[torch.nn.Parameter], settings: dict[str, Any]) -> FusedStepper:
        """Few calls a step."""
        return FusedRMSprop(params, settings)


@t_opt.add("adagrad")
@optimizer
class Adagrad(Registered):
    """Adagrad: adaptive gradient descent (Duchi et al. 2011).

    >>> from pipeops import t_opt
    >>> t_opt("adagrad", lr=0.1)
    t_opt("adagrad", lr=0.1)
    """

    torch_class = torch.optim.Adagrad
    lr: float = by_node(0, default=0.01)
    lr_decay: float = by_node(0, default=0.0)
    weight_decay: float = by_node(0, default=0.0)
    initial_accumulator_value: float = real(0, default=0.0)
    eps: float = by_node(0, default=1e-10)
    maximize: bool = flag(False)
    param_groups: Any = anything(None)

    def fused(self, params: list[torch.nn.Parameter], settings: dict[str, Any]) -> FusedStepper:
        """One kernel call a step."""
        return FusedAdagrad(params, settings)
