"""The head: the linear layer that ends a network and sizes itself from the task. Neighbours: `node` below, `model` above."""

from collections.abc import Sequence

import torch

from pipeops.data import Task, TaskClassif
from pipeops.errors import ConfigError
from pipeops.graph.pipeop import operator
from pipeops.net.layers.layer import last
from pipeops.net.network.descriptor import Symbol
from pipeops.net.network.node import NetworkNode
from pipeops.net.network.shape import check_rank, check_type
from pipeops.net.rules import dense
from pipeops.params import flag
from pipeops.shorthand import nn


def output_size(task: Task) -> int:
    """How many numbers a row a network must answer: one for two classes, else one for each class, or each target."""
    classes = len(task.class_names) if isinstance(task, TaskClassif) else 0
    return classes if classes > 2 else len(task.target_names)


@nn.add("head")
@operator
class Head(NetworkNode):
    """Linear layer with as many outputs as the task needs: `(batch, in) -> (batch, 1)`, or `(batch, classes)` for more than two.

    Several targets and labels have an output each.

    >>> from pipeops import nn, tsk
    >>> nn("head").shape_out((None, 4), task=tsk("iris"))
    (None, 3)
    """

    torch_module = torch.nn.Linear
    rule = dense.linear

    bias: bool = flag(True)

    def extend(self, inputs: Sequence[Symbol], task: Task | None) -> Symbol:
        (symbol,) = inputs
        if task is None:
            raise ConfigError(f"{self.id}: its size follows from the task; pass one.")
        check_type(symbol.dtype, torch.float32, self.id)
        check_rank(symbol.shape, (2,), self.id)
        size = output_size(task)
        arguments = {"in_features": last.take(symbol, {}, self.id), "out_features": size, "bias": self.bias}
        return self.symbol(inputs, arguments, (symbol.shape[0], size))
