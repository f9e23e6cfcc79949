"""The transformer encoder layer as a node, which may be given masks beside the tokens.

Neighbours: `modules/encoders` has the module; `attention` is alike.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch

from pipeops.data import Task
from pipeops.errors import ConfigError, DataError
from pipeops.graph.pipeop import Channel, operator
from pipeops.net.layers.layer import TYPES, last
from pipeops.net.layers.modules.encoders import TransformerEncoderLayer
from pipeops.net.network.descriptor import Symbol
from pipeops.net.network.node import NetworkNode
from pipeops.net.network.shape import check_rank, check_type
from pipeops.params import anything, flag, integer, real
from pipeops.shorthand import nn

MASKS = {"src_mask": 3, "src_key_padding_mask": 2}


@nn.add("transformer_encoder_layer")
@operator
class EncoderLayer(NetworkNode):
    """Transformer encoder layer over `(batch, tokens, features)`, batch first: the same shape comes out.

    The hyperparameters are those of `torch.nn.TransformerEncoderLayer`; nhead divides the features. is_causal: a token attends
    to itself and to those before it. src_mask: a second edge says, where it is not 0, which tokens `(batch, tokens, tokens)`
    (which asks, which is asked) do not attend to each other. src_key_padding_mask: one more edge says, where it is not 0, which
    tokens `(batch, tokens)` nobody attends to.

    Source: Vaswani et al. (2017), "Attention Is All You Need".

    >>> from pipeops import nn
    >>> nn("transformer_encoder_layer", nhead=2).shape_out((None, 5, 4))
    (None, 5, 4)
    >>> nn("transformer_encoder_layer", nhead=2, src_key_padding_mask=True).shape_out((None, 5, 4), (None, 5))
    (None, 5, 4)
    """

    torch_module = TransformerEncoderLayer
    rank: ClassVar[tuple[int, ...]] = (3,)
    example: ClassVar[Mapping[str, Any]] = {"nhead": 2}
    decided: ClassVar[Mapping[str, str]] = {
        "d_model": "follows from what comes in: it is the last dimension that comes in",
        "batch_first": "is always True",
    }

    nhead: int = integer(1)
    dim_feedforward: int = integer(1, default=2048)
    dropout: float = real(0, 1, default=0.1)
    activation: Any = anything("relu")
    layer_norm_eps: float = real(0, default=1e-5)
    norm_first: bool = flag(False)
    bias: bool = flag(True)
    is_causal: bool = flag(False)
    src_mask: bool = flag(False)
    src_key_padding_mask: bool = flag(False)

    @property
    def masks(self) -> tuple[str, ...]:
        """The masks that come in, in the order of the edges."""
        return tuple(name for name in MASKS if getattr(self, name))

    @property
    def inputs(self) -> tuple[Channel, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return tuple(Channel(name, *TYPES) for name in ("input", *self.masks))

    def extend(self, inputs: Sequence[Symbol], task: Task | None) -> Symbol:
        who, (tokens, *masks) = str(self.id), inputs
        if self.is_causal and self.src_mask:
            raise ConfigError(f"{who}: set one of 'is_causal' and 'src_mask', not both.")
        for symbol, rank in zip(inputs, (3, *(MASKS[name] for name in self.masks)), strict=True):
            check_rank(symbol.shape, (rank,), who)
        check_type(tokens.dtype, torch.float32, who)
        _check_lengths(who, tokens, masks)
        size = last.take(tokens, {}, who)
        if size % self.nhead:
            raise DataError(f"{who}: 'nhead' must divide the features, got {self.nhead} for {size}.")
        own = {name: value for name, value in self.params.items() if name not in MASKS}
        return self.symbol(inputs, {"d_model": size, **own, "masks": self.masks}, tokens.shape)


def _check_lengths(who: str, tokens: Symbol, masks: Sequence[Symbol]) -> None:
    lengths = {n for symbol in masks for n in symbol.shape[1:]} - {None, tokens.shape[1]}
    if lengths and tokens.shape[1] is not None:
        raise DataError(f"{who}: a mask is as long as there are tokens, {tokens.shape[1]}, got {sorted(map(str, lengths))[0]}.")
