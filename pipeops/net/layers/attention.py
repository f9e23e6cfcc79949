"""Multi-head attention as a node: its edges say what asks and what is asked. Neighbours: `node` and `shape` below."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import attrs
import torch

from pipeops.data import Task
from pipeops.errors import DataError
from pipeops.graph.pipeop import Channel, operator
from pipeops.net.layers.layer import TYPES, last
from pipeops.net.layers.modules.encoders import MultiheadAttention
from pipeops.net.network.descriptor import Shape, Symbol
from pipeops.net.network.node import NetworkNode
from pipeops.net.network.shape import check_rank, check_type, text
from pipeops.params import flag, integer, real
from pipeops.shorthand import nn


@nn.add("multihead_attention")
@operator
class Attention(NetworkNode):
    """Multi-head attention over `(batch, tokens, features)`, batch first: the shape of the query comes out.

    One edge attends to itself, two are query and key (which is value too), three are query, key and value, in order. num_heads
    divides the features of the query; key and value may have others. need_weights: a second output, the weights
    `(batch, queries, keys)`, or of each head `(batch, heads, queries, keys)` with avg_weights=False.

    Source: Vaswani et al. (2017), "Attention Is All You Need".

    >>> from pipeops import nn
    >>> nn("multihead_attention", num_heads=2).shape_out((None, 5, 4))
    (None, 5, 4)
    """

    torch_module = MultiheadAttention
    rank: ClassVar[tuple[int, ...]] = (3,)
    inputs: ClassVar[tuple[Channel, ...]] = (Channel("...", *TYPES, many=True),)
    example: ClassVar[Mapping[str, Any]] = {"num_heads": 2}
    decided: ClassVar[Mapping[str, str]] = {
        "embed_dim": "follows from what comes in: it is the last dimension of the query",
        "kdim": "follows from what comes in: it is the last dimension of the key",
        "vdim": "follows from what comes in: it is the last dimension of the value",
        "batch_first": "is always True",
    }

    num_heads: int = integer(1)
    dropout: float = real(0, 1, default=0.0)
    bias: bool = flag(True)
    add_bias_kv: bool = flag(False)
    add_zero_attn: bool = flag(False)
    avg_weights: bool = flag(True)
    need_weights: bool = flag(False)

    @property
    def outputs(self) -> tuple[Channel, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return tuple(Channel(name, *TYPES) for name in ("output", "weights")[: 1 + bool(self.need_weights)])

    def extend(self, inputs: Sequence[Symbol], task: Task | None) -> Symbol:
        return self.values(inputs, task)[0]

    def values(self, inputs: Sequence[Symbol], task: Task | None) -> Sequence[Symbol]:
        who, dims = str(self.id), self._dims(inputs)
        if dims[0] % self.num_heads:
            raise DataError(f"{who}: 'num_heads' must divide the features of the query, got {self.num_heads} for {dims[0]}.")
        sizes = {"embed_dim": dims[0], "kdim": dims[1], "vdim": dims[2]}
        call = self.symbol(inputs, {**sizes, **self.params}, inputs[0].shape)
        if not self.need_weights:
            return [call]
        output, weights = (attrs.evolve(call, port=(k,)) for k in range(2))
        return [output, attrs.evolve(weights, shape=self._weights([s.shape for s in inputs]))]

    def _dims(self, inputs: Sequence[Symbol]) -> tuple[int, int, int]:
        """The features of query, key and value."""
        if not 1 <= len(inputs) <= 3:
            raise DataError(f"{self.id}: takes one edge, two (query, key) or three (query, key, value), got {len(inputs)}.")
        for symbol in inputs:
            check_type(symbol.dtype, torch.float32, str(self.id))
            check_rank(symbol.shape, self.rank, str(self.id))
        lengths = {s.shape[1] for s in inputs[1:]} - {None}
        if len(lengths) > 1:
            raise DataError(f"{self.id}: key and value must be as long, got {' and '.join(text(s.shape) for s in inputs[1:])}.")
        query, key, value = (last.take(s, {}, str(self.id)) for s in (inputs[0], inputs[1 % len(inputs)], inputs[-1]))
        return query, key, value

    def _weights(self, shapes: Sequence[Shape]) -> Shape:
        """The shape of the attention weights."""
        queries, keys = shapes[0][1], shapes[-1][1]
        asked = None if keys is None else keys + self.add_bias_kv + self.add_zero_attn
        return (shapes[0][0], queries, asked) if self.avg_weights else (shapes[0][0], self.num_heads, queries, asked)
