"""The optimizer `aum_line_search`: gradient descent whose step size is found exactly, for a linear last layer.

The scores of a batch are linear in the weights of a last linear layer, so the AUM along the negative gradient is known at
every step size (`line_search`). Neighbours: line_search finds the step; optimizer and fused have the machinery.
"""

from typing import Any

import torch
from torch import fx

from pipeops.errors import ConfigError
from pipeops.net.losses.aum import Denominator
from pipeops.net.optimizers.base import TorchOptimizer, optimizer
from pipeops.net.optimizers.fused import Stepper
from pipeops.net.optimizers.line_search import first_minimum
from pipeops.params import choice, integer, real
from pipeops.shorthand import t_opt


@t_opt.add("aum_line_search")
@optimizer
class AumLineSearch(TorchOptimizer):
    """Gradient descent with, for the last layer, the step to the first minimum of AUM on the batch (Fowler & Hocking 2024).

    The network must end in a linear layer with one output and the task have two classes. The direction is the negative
    gradient of the loss, whichever it is, so that any loss may be used; `aum` with large or stratified batches is the
    usual one. lr: step size for the layers before the last. max_steps: after how many steps where rows cross (default: as many
    as there are rows) the search leaps ahead instead. denominator: as in the loss. AUM does not see the bias; choose a
    threshold after training.

    >>> from pipeops import t_opt
    >>> t_opt("aum_line_search", max_steps=100)
    t_opt("aum_line_search", max_steps=100)
    """

    lr: float = real(0, default=0.001)
    max_steps: int | None = integer(1, default=None)
    denominator: Denominator = choice("rate", "count", default="rate")

    def stepper(self, network: torch.nn.Module) -> Stepper:
        """A stepper for a network that ends in a linear layer with one output."""
        return LineSearchStepper(network, self)


class LineSearchStepper(Stepper):
    """Looks at the batch that the gradients are from, through the context of the run."""

    def __init__(self, network: torch.nn.Module, item: AumLineSearch):
        self.network, self.item, self.lr = network, item, item.lr
        self.last = _last_layer(network)
        held = {id(p) for p in self.last.values()}
        self.others = [p for p in network.parameters() if id(p) not in held]
        self.batch: Any = None

    def watch(self, batch: Any) -> None:
        if batch.task.task_type != "classif":
            raise ConfigError(f"aum_line_search: needs a task with two classes, '{batch.task.id}' is {batch.task.task_type}.")
        self.batch = batch

    @torch.no_grad()
    def step(self) -> None:
        moves = {name: torch.zeros_like(p) if p.grad is None else -p.grad for name, p in self.last.items()}
        size = self._best_size(moves)
        for name, param in self.last.items():
            param.add_(moves[name], alpha=size)
        for param in self.others:
            if param.grad is not None:
                param.sub_(param.grad, alpha=self.lr)
        for param in self.network.parameters():
            param.grad = None

    def _best_size(self, moves: dict[str, torch.Tensor]) -> float:
        """The step size where AUM stops falling. With the moves as weights the network answers the direction of the scores."""
        training = self.network.training
        self.network.eval()
        pred = self.network(*self.batch.x)
        direction = torch.func.functional_call(self.network, moves, self.batch.x)
        self.network.train(training)
        return first_minimum(pred, direction, self.batch.y, self.item.max_steps, self.item.denominator)

    def object(self) -> "torch.optim.Optimizer":
        raise ConfigError("aum_line_search: has no torch.optim object, it finds its own step size; use no schedule with it.")


def _last_layer(network: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """The parameters, by full name, of the linear layer with one output that a network ends in."""
    end = network.graph.output_node().args[0] if isinstance(network, fx.GraphModule) else None
    layer = network.get_submodule(str(end.target)) if isinstance(end, fx.Node) and end.op == "call_module" else network
    if not isinstance(layer, torch.nn.Linear) or layer.out_features != 1:
        raise ConfigError(
            'aum_line_search: the network must end in a linear layer with one output, such as nn("head") on two classes, '
            f"not in {type(layer).__name__}."
        )
    name = f"{end.target}." if isinstance(end, fx.Node) else ""
    return {name + own: param for own, param in layer.named_parameters()}
