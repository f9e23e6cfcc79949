"""The table of layers, continued: members of an ensemble inside one network, and what the ready-made networks begin and end with.

Neighbours: `modules/members` has the modules; `learners` makes networks of them.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import torch

from pipeops.data import Task
from pipeops.errors import ConfigError
from pipeops.graph.pipeop import operator
from pipeops.net.layers.head import output_size
from pipeops.net.layers.layer import Inferred, last, layer, levels
from pipeops.net.layers.modules.members import (
    BatchEnsemble,
    Constant,
    MemberHead,
    Members,
    MemberScale,
    OneHot,
    PeriodicEmbedding,
    Pick,
)
from pipeops.net.network.descriptor import Shape, Symbol
from pipeops.net.network.node import NetworkNode
from pipeops.net.network.shape import check_rank, position
from pipeops.params import choice, integer, real
from pipeops.shorthand import nn

row = partial(layer, takes=torch.float32, bounds={"k": (1, None), "out_features": (1, None), "d_embedding": (1, None)})


def pieces(symbol: Symbol) -> tuple[int, ...] | None:
    """How many numbers each column of the table has become, in order, where that can be told."""
    if symbol.spec is None:
        return (1,) * (symbol.shape[-1] or 0)
    key, (first, *_) = symbol.spec.key, symbol.inputs
    if key == "one_hot":
        return first.levels
    if key == "flatten" and len(first.shape) == 3 and first.shape[1] and first.shape[2]:
        return (first.shape[2],) * first.shape[1]
    if key == "merge_cat":
        parts = [pieces(each) for each in symbol.inputs]
        return None if None in parts else tuple(n for part in parts for n in part or ())
    return pieces(first) if key == "members" else None


def _pieces(symbol: Symbol, given: Mapping[str, Any], who: str) -> tuple[int, ...] | None:
    found = pieces(symbol) if given["initialization"] != "ones" else None
    return found if found and sum(found) == symbol.shape[-1] else None


def _hot(shape: Shape, arguments: Mapping[str, Any], who: str) -> Shape:
    """A column for each level of each incoming one."""
    return (shape[0], sum(arguments["levels"]))


def _several(shape: Shape, arguments: Mapping[str, Any], who: str) -> Shape:
    """A new dimension 1 of size `k`."""
    return (shape[0], arguments["k"], shape[1])


def _picked(shape: Shape, arguments: Mapping[str, Any], who: str) -> Shape:
    """Without dimension `dim`."""
    at, index = position(arguments["dim"], len(shape), shape, who), arguments["index"]
    size = shape[at]
    if at == 0 or (size is not None and not -size <= index < size):
        raise ConfigError(f"{who}: there is no entry {index} along dimension {at} of {shape}.")
    return (*shape[:at], *shape[at + 1 :])


def _embedded(shape: Shape, arguments: Mapping[str, Any], who: str) -> Shape:
    """A vector of size `d_embedding` for each number."""
    return (*shape, arguments["d_embedding"])


FIRST = choice("ones", "random-signs", "normal", default="ones")
members = Inferred("dimension 1 of what comes in, the members", lambda symbol, given, who: symbol.shape[1])
chunks = Inferred("how many numbers each column of the table has become", _pieces)

layer(
    "one_hot",
    OneHot,
    levels=levels,
    shape=_hot,
    takes=torch.int64,
    rank=2,
    label="Category codes as columns of 0 and 1",
)
row("members", Members, shape=_several, rank=2, label="The same values for each member of an ensemble", example={"k": 3})
row(
    "member_scale",
    MemberScale,
    k=members,
    features=last,
    chunks=chunks,
    initialization=choice("ones", "random-signs", "normal", default="random-signs"),
    shape="same",
    rank=3,
    label="A factor of each member for each feature",
)
row(
    "batch_ensemble",
    BatchEnsemble,
    k=members,
    in_features=last,
    chunks=chunks,
    initialization=FIRST,
    shape="features",
    rank=3,
    label="Linear layers of the members of an ensemble that share their weights",
    example={"out_features": 4},
)
row(
    "periodic_embedding",
    PeriodicEmbedding,
    n_features=last,
    n_frequencies=integer(1, default=48),
    frequency_init_scale=real(0, default=0.01),
    shape=_embedded,
    rank=2,
    label="Periodic embedding of numbers",
)
layer("pick", Pick, shape=_picked, label="One entry along a dimension", example={"dim": 1, "index": -1})


@nn.add("member_head")
@operator
class EnsembleHead(NetworkNode):
    """The head of an ensemble: `(batch, k, in)` to what the task needs, for each member while training, else for all together.

    Together they predict the mean of their probabilities, or numbers; each is compared with the target by the loss.

    >>> from pipeops import nn, tsk
    >>> nn("member_head").shape_out((None, 8, 4), task=tsk("iris"))
    (None, 3)
    """

    torch_module = MemberHead
    rank: ClassVar[tuple[int, ...]] = (3,)

    def extend(self, inputs: Sequence[Symbol], task: Task | None) -> Symbol:
        (symbol,) = inputs
        size = _needed(self, task)
        check_rank(symbol.shape, self.rank, str(self.id))
        kinds = {"regr": "number", "multiregr": "number", "multilabel": "logit"}
        of = kinds.get(task.task_type if task else "") or ("logit" if size == 1 else "logits")
        sizes = {"k": symbol.shape[1], "in_features": last.take(symbol, {}, str(self.id)), "out_features": size, "of": of}
        return self.symbol(inputs, sizes, (symbol.shape[0], size))


@nn.add("constant")
@operator
class ConstantHead(NetworkNode):
    """Learnt numbers that are the same for every row, as many as the task needs: `(batch, ...) -> (batch, 1)`.

    For more than two classes one for each.

    >>> from pipeops import nn, tsk
    >>> nn("constant").shape_out((None, 4), task=tsk("iris"))
    (None, 3)
    """

    torch_module = Constant

    def extend(self, inputs: Sequence[Symbol], task: Task | None) -> Symbol:
        size = _needed(self, task)
        return self.symbol(inputs, {"out_features": size}, (inputs[0].shape[0], size))


def _needed(node: NetworkNode, task: Task | None) -> int:
    """How many numbers the task needs."""
    if task is None:
        raise ConfigError(f"{node.id}: its size follows from the task; pass one.")
    return output_size(task)
