"""The optimizer of a network: what `po("torch_optimizer")` takes, and the node.

An optimizer is a spec with hyperparameters that makes a `Stepper` for a network's parameters. The shelf is `optimizers`;
any class of `torch.optim` is wrapped by `as_optimizer`. Neighbours: wrapped and fused below; trainer above.
"""

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import attrs
import torch

from pipeops.errors import ConfigError, listing
from pipeops.graph.pipeop import operator
from pipeops.net.optimizers.by_node import ParameterNames, grouped
from pipeops.net.optimizers.fused import ClosureStepper, ObjectStepper, Stepper
from pipeops.net.wrapped import Configure, Item, Wrapped, own_names, undecided
from pipeops.params import anything, refuse_foreign
from pipeops.saving import savable
from pipeops.shorthand import po, t_opt

C = TypeVar("C", bound=type)


class TorchOptimizer(Item, ABC):
    """An optimizer to be made. A subclass is made with `@optimizer`, has hyperparameters as fields and answers `stepper`."""

    @abstractmethod
    def stepper(self, network: torch.nn.Module) -> Stepper:
        """What updates the parameters of this network (and of a loss that has some: `WithLoss`)."""


class WithLoss(torch.nn.Module):
    """A network and a loss module that has something to learn: parameters under the network's names, and as `loss.<name>`."""

    def __init__(self, network: torch.nn.Module, loss: torch.nn.Module):
        super().__init__()
        self.network, self.loss = network, loss

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, torch.nn.Parameter]]:
        """Of the network, then of the loss."""
        own = (prefix and f"{prefix}.") + "loss"
        yield from self.network.named_parameters(prefix, recurse, remove_duplicate)
        yield from self.loss.named_parameters(own, recurse, remove_duplicate)

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.network(*inputs)


def optimizer(cls: C) -> C:
    """Class decorator for optimizers: an immutable attrs class whose annotated fields are its hyperparameters."""
    refuse_foreign(cls, TorchOptimizer, "optimizer")
    return attrs.frozen(eq=False, repr=False, kw_only=True)(cls)


@savable
class CustomOptimizer(Wrapped, TorchOptimizer):
    """Any class of `torch.optim`, or one's own of that kind."""

    hidden = frozenset({"params"})

    def stepper(self, network: torch.nn.Module) -> Stepper:
        """A stepper around an instance of the class."""
        return by_groups(self, self.make, network, dict(self.arguments))


SETTINGS = ("lr", "weight_decay", "momentum", "betas", "eps", "alpha", "dampening", "lr_decay", "rho")
"""What may be given by node."""


def by_name(settings: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The settings that are given by node."""
    return {name: value for name, value in settings.items() if name in SETTINGS and isinstance(value, Mapping)}


def named(item: TorchOptimizer, make: Any) -> str:
    """What messages call an optimizer."""
    return item.key or getattr(make, "__name__", "torch_optimizer")


def groups_by_node(
    item: TorchOptimizer, who: str, network: torch.nn.Module, mapped: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Torch's groups of parameters for settings by node."""
    return grouped(ParameterNames(network, who), mapped, {name: item.params.setting(name).param.default for name in mapped})


def by_groups(
    item: TorchOptimizer, make: Any, network: torch.nn.Module, settings: dict[str, Any], param_groups: Any = None
) -> ObjectStepper:
    """A stepper around the torch object; it has a group of parameters for each combination of settings by node.

    param_groups: a function from the named parameters to the groups, in place of settings by node.
    """
    mapped, who = by_name(settings), named(item, make)
    groups: Any = network.parameters()
    if mapped:
        if param_groups is not None:
            raise ConfigError(f"{who}: set either 'param_groups' or {listing(mapped)} by node, not both.")
        groups = groups_by_node(item, who, network, mapped)
    elif param_groups is not None:
        groups = param_groups(dict(network.named_parameters()))
    kind = ClosureStepper if _wants_closure(make) else ObjectStepper
    return kind(made(item, make, groups, {n: v for n, v in settings.items() if n not in mapped}))


def _wants_closure(make: Any) -> bool:
    """Whether an optimizer evaluates the loss itself."""
    closure = inspect.signature(make.step).parameters.get("closure")
    return closure is not None and closure.default is inspect.Parameter.empty


def made(who: Any, make: Any, params: Any, arguments: dict[str, Any]) -> "torch.optim.Optimizer":
    """The torch optimizer; what it refuses is a `ConfigError`."""
    try:
        return make(params, **arguments)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{who!r}: torch refuses these settings: {error}") from error


def as_optimizer(thing: Any, arguments: dict[str, Any]) -> TorchOptimizer:
    """An optimizer from a key, a `TorchOptimizer` or a class of `torch.optim`, with arguments filled in."""
    if isinstance(thing, str):
        return t_opt(thing, **arguments)
    if isinstance(thing, TorchOptimizer):
        return functools.reduce(lambda item, pair: item.with_param(*pair), arguments.items(), thing)
    if not (isinstance(thing, type) and issubclass(thing, torch.optim.Optimizer)):
        raise ConfigError(
            f"torch_optimizer: 'optimizer' must be a key ({listing(t_opt)}), t_opt(...) or a class of torch.optim (an instance "
            f"would need the parameters, which do not exist yet), got {thing!r}."
        )
    return CustomOptimizer(thing, arguments)


@po.add("torch_optimizer")
@operator
class SetOptimizer(Configure):
    """The optimizer that the network is trained with; its arguments are hyperparameters of this node.

    optimizer: a key of `t_opt` (default "adam"), `t_opt(...)`, or a class of `torch.optim`. lr, weight_decay and other numbers
    may be given by node: `lr={"head": 0.01, "*": 0.001}`, `weight_decay={":bias": 0, ":norm": 0, "*": 0.01}`.

    >>> from pipeops import po
    >>> po("torch_optimizer", optimizer="sgd", lr=0.1)
    po("torch_optimizer", optimizer="sgd", lr=0.1)
    """

    holds = "optimizer"
    optimizer: Any = anything("adam")

    def __init__(self, optimizer: Any = "adam", *, id: str | None = None, **arguments: Any):
        if undecided(optimizer) and arguments:
            raise ConfigError(
                f"torch_optimizer: {listing(arguments)} without an optimizer; say which with optimizer= (a choice to be tuned "
                "goes into the search_space of auto_tuner)."
            )
        item = optimizer if undecided(optimizer) else own_names(SetOptimizer, as_optimizer(optimizer, arguments))
        self.__attrs_init__(optimizer=item, **({} if id is None else {"id": id}))  # type: ignore[attr-defined]

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], Any]:
        """The descriptor with the optimizer."""
        return [self.set_once(inputs[0])], {}
