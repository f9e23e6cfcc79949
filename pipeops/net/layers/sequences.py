"""The table of layers, continued: what works on `(batch, time or tokens, features)`, and what makes tokens of a table.

Rows as in `table`, whose bounds are those of torch's argument names. Neighbours: `modules` has the modules, `attention` the
node with one to three inputs.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from operator import ge
from typing import Any

import torch

from pipeops.errors import ConfigError, DataError
from pipeops.net.layers.layer import Inferred, last, layer, levels
from pipeops.net.layers.modules.encoders import FTTransformerBlock
from pipeops.net.layers.modules.recurrent import GRU, LSTM, RNN
from pipeops.net.layers.modules.tokens import CategoricalTokenizer, ClassToken, NumericTokenizer
from pipeops.net.network.descriptor import Shape, Symbol
from pipeops.net.network.shape import text
from pipeops.params import anything, choice, integer, real

BOUNDS: Mapping[str, tuple[float | None, float | None]] = {
    "dropout": (0, 1),
    "hidden_size": (1, None),
    "num_layers": (1, None),
    "proj_size": (0, None),
    "d_token": (1, None),
    "attention_n_heads": (1, None),
    "attention_dropout": (0, 1),
    "ffn_dropout": (0, 1),
    "residual_dropout": (0, 1),
}

row = partial(layer, bounds=BOUNDS, takes=torch.float32)
recurrent = partial(row, rank=3, input_size=last, example={"hidden_size": 4})


def _recurrent(shape: Shape, arguments: Mapping[str, Any], who: str) -> Shape:
    """`hidden_size` features (twice as many in two directions) of the last step, or with `return_sequences` of each one."""
    size = (arguments.get("proj_size") or arguments["hidden_size"]) * (1 + arguments["bidirectional"])
    return (shape[0], shape[1], size) if arguments["return_sequences"] else (shape[0], size)


def _cardinalities(symbol: Symbol, given: Mapping[str, Any], who: str) -> tuple[int, ...]:
    """How many levels each column has: as stated, or as the ingress says."""
    stated = given["cardinalities"]
    if stated is None:
        return levels.take(symbol, given, who)
    sizes = tuple(stated) if isinstance(stated, Sequence) else ()
    whole = all(isinstance(n, int) and n >= 1 for n in sizes)
    enough = symbol.levels is None or (len(sizes) == len(symbol.levels) and all(map(ge, sizes, symbol.levels)))
    if not sizes or not whole or symbol.shape[1] not in (None, len(sizes)) or not enough:
        raise DataError(
            f"{who}: 'cardinalities' says how many levels each column has, got {stated!r} for {text(symbol.shape)}"
            + (f" with levels {symbol.levels}." if symbol.levels else ".")
        )
    return sizes


def _tokens(shape: Shape, arguments: Mapping[str, Any], who: str) -> Shape:
    """A vector of size `d_token` for each column."""
    known = arguments.get("levels")
    return (shape[0], shape[1] if known is None else len(known), arguments["d_token"])


def _one_more(shape: Shape, arguments: Mapping[str, Any], who: str) -> Shape:
    """One more token."""
    return (shape[0], None if shape[1] is None else shape[1] + 1, shape[2])


def _asked(shape: Shape, arguments: Mapping[str, Any], who: str) -> Shape:
    """The same shape, or with `query_idx` so many tokens."""
    d, heads, asked = arguments["d_token"], arguments["attention_n_heads"], arguments["query_idx"]
    if d % heads:
        raise DataError(f"{who}: 'attention_n_heads' must divide the size of a token, got {heads} for {d}.")
    if arguments["ffn_d_hidden"] is not None and arguments["ffn_d_hidden_multiplier"] is not None:
        raise ConfigError(f"{who}: set one of 'ffn_d_hidden' and 'ffn_d_hidden_multiplier', not both.")
    if asked is None:
        return shape
    places: Sequence[int] = [asked] if isinstance(asked, int) else list(asked)
    n = shape[1]
    if not places or (n is not None and any(not -n <= k < n for k in places)):
        raise ConfigError(f"{who}: 'query_idx' says which tokens ask (from 0, or from the end), got {asked!r} for {text(shape)}.")
    return (shape[0], len(places), shape[2])


recurrent("rnn", RNN, shape=_recurrent, nonlinearity=choice("tanh", "relu", default="tanh"), label="Recurrent layer")
recurrent("gru", GRU, shape=_recurrent, label="Gated recurrent units")
recurrent("lstm", LSTM, shape=_recurrent, label="Long short-term memory")

START = {"initialization": choice("uniform", "normal", default="uniform")}
row(
    "tokenizer_num",
    NumericTokenizer,
    n_features=last,
    shape=_tokens,
    rank=2,
    label="A token for each number",
    example={"d_token": 4},
    **START,
)
row(
    "tokenizer_categ",
    CategoricalTokenizer,
    levels=Inferred("how many levels each incoming column has, or `cardinalities`", _cardinalities),
    cardinalities=anything(None),
    shape=_tokens,
    takes=torch.int64,
    rank=2,
    label="A token for each category",
    example={"d_token": 4},
    **START,
)
row("ft_cls", ClassToken, d_token=last, shape=_one_more, rank=3, label="The class token behind the others", **START)
row(
    "ft_transformer_block",
    FTTransformerBlock,
    d_token=last,
    shape=_asked,
    rank=3,
    attention_initialization=choice("kaiming", "xavier", default="kaiming"),
    ffn_d_hidden=integer(1, default=None),
    ffn_d_hidden_multiplier=real(0, default=None),
    label="Block of the FT-Transformer",
    example={"attention_n_heads": 2},
)
