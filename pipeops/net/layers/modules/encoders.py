"""Attention over tokens: multi-head attention that answers one tensor, and the block of the FT-Transformer.

Vaswani et al. (2017), "Attention Is All You Need", https://arxiv.org/abs/1706.03762; Gorishniy et al. (2021), "Revisiting Deep
Learning Models for Tabular Data", https://arxiv.org/abs/2106.11959.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from pipeops.net.layers.modules.gated import GEGLU, ReGLU
from pipeops.shorthand import nn

Maker = str | Callable[..., torch.nn.Module]


def maker(given: Maker) -> Callable[..., torch.nn.Module]:
    """What makes a module: a class or function as it is, or the module of a key of `nn`."""
    return nn[given].torch_module if isinstance(given, str) else given


class MultiheadAttention(torch.nn.MultiheadAttention):
    """Attention of a query `(batch, n, embed_dim)` over keys and values `(batch, m, ...)`.

    One input attends to itself, two are query, and keys that are values too, three are query, keys and values. With
    `need_weights` the weights `(batch, n, m)`, or of each head `(batch, heads, n, m)` without `avg_weights`, come out as well.

    >>> MultiheadAttention(4, 2)(torch.zeros(3, 5, 4)).shape
    torch.Size([3, 5, 4])
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        avg_weights: bool = True,
        need_weights: bool = False,
    ):
        super().__init__(embed_dim, num_heads, dropout, bias, add_bias_kv, add_zero_attn, kdim, vdim, batch_first=True)
        self.avg_weights, self.need_weights = avg_weights, need_weights

    def forward(self, query: torch.Tensor, *others: torch.Tensor) -> Any:  # type: ignore[override]
        key = others[0] if others else query
        value = others[-1] if others else query
        found = super().forward(query, key, value, need_weights=self.need_weights, average_attn_weights=self.avg_weights)
        return found if self.need_weights else found[0]


class TransformerEncoderLayer(torch.nn.TransformerEncoderLayer):
    """Torch's layer, batch first, that makes a causal mask or is given masks, in which whatever is not 0 is masked.

    masks: the names of those that `forward` is given behind the tokens, "src_mask" `(batch, n, n)` and "src_key_padding_mask"
    `(batch, n)`.

    >>> TransformerEncoderLayer(4, 2, is_causal=True)(torch.zeros(3, 5, 4)).shape
    torch.Size([3, 5, 4])
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Any = "relu",
        layer_norm_eps: float = 1e-5,
        norm_first: bool = False,
        bias: bool = True,
        is_causal: bool = False,
        masks: Sequence[str] = (),
    ):
        super().__init__(
            d_model,
            nhead,
            dim_feedforward,
            dropout,
            activation,
            layer_norm_eps,
            batch_first=True,
            norm_first=norm_first,
            bias=bias,
        )
        self.nhead, self.is_causal, self.masks = nhead, is_causal, tuple(masks)

    def forward(self, tokens: torch.Tensor, *masks: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        given = {name: mask != 0 for name, mask in zip(self.masks, masks, strict=True)}
        if "src_mask" in given:
            given["src_mask"] = given["src_mask"].repeat_interleave(self.nhead, 0)
        if self.is_causal:
            n = tokens.shape[1]
            given["src_mask"] = torch.ones(n, n, dtype=torch.bool, device=tokens.device).triu(1)
        return super().forward(tokens, given.get("src_mask"), given.get("src_key_padding_mask"))


class FeedForward(torch.nn.Module):
    """Two linear layers with an activation and dropout between them; a gated activation gets twice as many values."""

    def __init__(self, d_token: int, d_hidden: int, bias_first: bool, bias_second: bool, dropout: float, activation: Maker):
        super().__init__()
        make = maker(activation)
        twice = 2 if make in (ReGLU, GEGLU, torch.nn.GLU) else 1
        self.linear_first = torch.nn.Linear(d_token, d_hidden * twice, bias_first)
        self.activation = make()
        self.dropout = torch.nn.Dropout(dropout)
        self.linear_second = torch.nn.Linear(d_hidden, d_token, bias_second)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear_second(self.dropout(self.activation(self.linear_first(x))))


class FTTransformerBlock(torch.nn.Module):
    """Attention, then a feed-forward network, each beside a residual connection: `(batch, n, d_token)` to the same.

    query_idx: the tokens (from 0, negative from the end) that ask and go on, as the last block only needs the class token;
    None for all. is_first_layer: no normalization before the first attention (with `prenormalization`). The width of the
    feed-forward network is `ffn_d_hidden`, or `ffn_d_hidden_multiplier` times d_token, 4/3 by default.

    >>> FTTransformerBlock(8, attention_n_heads=2, query_idx=-1)(torch.zeros(3, 5, 8)).shape
    torch.Size([3, 1, 8])
    """

    def __init__(
        self,
        d_token: int,
        attention_n_heads: int = 8,
        attention_dropout: float = 0.2,
        attention_initialization: str = "kaiming",
        attention_normalization: Any = "layer_norm",
        ffn_d_hidden: int | None = None,
        ffn_d_hidden_multiplier: float | None = None,
        ffn_dropout: float = 0.1,
        ffn_activation: Any = "reglu",
        ffn_normalization: Any = "layer_norm",
        residual_dropout: float = 0.0,
        prenormalization: bool = True,
        is_first_layer: bool = False,
        query_idx: Any = None,
        attention_bias: bool = True,
        ffn_bias_first: bool = True,
        ffn_bias_second: bool = True,
    ):
        super().__init__()
        self.prenormalization = prenormalization
        self.query_idx = [query_idx] if isinstance(query_idx, int) else query_idx and list(query_idx)
        if not (is_first_layer and prenormalization):
            self.attention_normalization = maker(attention_normalization)(d_token)
        self.ffn_normalization = maker(ffn_normalization)(d_token)
        self.attention = MultiheadAttention(d_token, attention_n_heads, attention_dropout, attention_bias)
        _start_projections(self.attention.in_proj_weight, attention_initialization)
        hidden = hidden_size(d_token, ffn_d_hidden, ffn_d_hidden_multiplier)
        self.ffn = FeedForward(d_token, hidden, ffn_bias_first, ffn_bias_second, ffn_dropout, ffn_activation)
        self.attention_residual_dropout = torch.nn.Dropout(residual_dropout)
        self.ffn_residual_dropout = torch.nn.Dropout(residual_dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self._before("attention_normalization", x)
        asking = tokens if self.query_idx is None else tokens[:, self.query_idx]
        x = x if self.query_idx is None else x[:, self.query_idx]
        x = x + self.attention_residual_dropout(self.attention(asking, tokens))
        x = self._after("attention_normalization", x)
        x = x + self.ffn_residual_dropout(self.ffn(self._before("ffn_normalization", x)))
        return self._after("ffn_normalization", x)

    def _before(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return getattr(self, name)(x) if self.prenormalization and hasattr(self, name) else x

    def _after(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return x if self.prenormalization else getattr(self, name)(x)


def hidden_size(d_token: int, size: int | None, multiplier: float | None) -> int:
    """The width of a feed-forward network: stated, or as a multiple of d_token."""
    if size is not None and multiplier is not None:
        raise ValueError("set one of 'ffn_d_hidden' and 'ffn_d_hidden_multiplier', not both")
    return size if size is not None else max(1, round((4 / 3 if multiplier is None else multiplier) * d_token))


def _start_projections(weight: torch.Tensor, initialization: str) -> None:
    """Draw the projections of query, key and value, each by itself."""
    d = weight.shape[1]
    with torch.no_grad():
        parts: Sequence[torch.Tensor] = [torch.empty(d, d, device=weight.device) for _ in range(3)]
        for part in parts:
            if initialization == "kaiming":
                torch.nn.init.kaiming_uniform_(part, a=math.sqrt(5))
            else:
                torch.nn.init.xavier_uniform_(part, gain=1 / math.sqrt(2))
        weight.copy_(torch.cat(list(parts)))
