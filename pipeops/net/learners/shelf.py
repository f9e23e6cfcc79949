"""The shelf of ready-made networks: an architecture for each, with the defaults of mlr3torch and of the papers.

Preprocessing is left to the user (`po("scale") >> lrn("classif.mlp", ...)`). Categorical columns go where the architecture
takes them. Neighbours: recipe and network_learner below; own_module makes learners of modules.
"""

import numbers
from collections.abc import Mapping
from typing import Any

import attrs

from pipeops.data.selectors import selector_type
from pipeops.errors import ConfigError
from pipeops.graph.graph import Graph, chain
from pipeops.net.learners.network_learner import register
from pipeops.net.learners.recipe import Architecture, architecture
from pipeops.params import Token, anything, choice, flag, hyperparameters, integer, real
from pipeops.saving import savable
from pipeops.shorthand import nn, po

CATEGORIES = selector_type("categorical", "boolean")


def numbers_in(selector: Any = None) -> Graph:
    """The columns that are no categories, or a column of tensors; nothing where there are none."""
    chosen = ~CATEGORIES if selector is None else selector
    return po("select", id="numbers", selector=chosen) >> po("torch_ingress", optional=True)


def categories_in(selector: Any = None, levels: Any = None) -> Graph:
    """The categorical and boolean columns, nothing where there are none; or a column of tensors, codes of so many levels."""
    if selector is not None:
        return po("select", id="categories", selector=selector) >> po("torch_ingress_ltnsr", levels=levels)
    return po("select", id="categories", selector=CATEGORIES) >> po("torch_ingress_categ", optional=True)


def activated(activation: Any, arguments: Any = None) -> Any:
    """The node of an activation: a key of `nn`, or a class of modules."""
    if isinstance(activation, str):
        return nn(activation, **(arguments or {}))
    return nn("fn", fn=activation, arguments=arguments)


def _check_neurons(owner: Any, attribute: Any, value: Any) -> None:
    sizes = value if isinstance(value, tuple | list) else (value,)
    whole = all(isinstance(n, numbers.Integral) and not isinstance(n, bool) and int(n) >= 1 for n in sizes)
    if not whole and not isinstance(value, Token):
        raise ConfigError(f"mlp: 'neurons' is the size of each hidden layer, as in [64, 32], got {value!r}.")


def _neurons() -> Any:
    field = anything(())
    field.validator(_check_neurons)
    return field


@architecture
class MLP(Architecture):
    """Multilayer perceptron: linear layers, each with an activation and dropout behind it, and a head.

    neurons: the size of each hidden layer, none by default; n_layers repeats a single one. p: the rate of dropout. activation:
    a key of `nn` or a class of modules, made with activation_args. Numeric and boolean columns, or a column of tensors
    `(batch, features)`; shape=(None, 5) insists on its shape.
    """

    name = "mlp"
    label = "Multilayer Perceptron"

    neurons: Any = _neurons()
    n_layers: int | None = integer(1, default=None)
    p: float = real(0, 1, default=0.1)
    activation: Any = anything("relu")
    activation_args: Any = anything(None)
    shape: Any = anything(None)

    def sizes(self) -> list[int]:
        """The sizes of the hidden layers."""
        sizes = list(self.neurons) if isinstance(self.neurons, tuple | list) else [self.neurons]
        if self.n_layers is not None and len(sizes) != 1:
            raise ConfigError(f"mlp: 'n_layers' repeats the one number in 'neurons', got {self.neurons!r}.")
        return [int(n) for n in sizes] * (self.n_layers or 1)

    def network(self) -> Graph:
        hidden = [
            nn("linear", out_features=n) >> activated(self.activation, self.activation_args) >> nn("dropout", p=self.p)
            for n in self.sizes()
        ]
        return chain([po("torch_ingress", shape=self.shape), *hidden, nn("head")])


@architecture
class TabResNet(Architecture):
    """Residual network for tables (Gorishniy et al. 2021): a linear layer, blocks with a skip, and a head behind a batch norm.

    d_block: the width; d_hidden, or d_hidden_multiplier times d_block (2 by default): the width inside a block. dropout1: the
    rate of dropout inside, dropout2: at the end of a block. Numeric and boolean columns, or a column of tensors
    `(batch, features)`; shape=(None, 5) insists on its shape.
    """

    name = "tab_resnet"
    label = "Tabular ResNet"

    n_blocks: int = integer(0, default=2)
    d_block: int = integer(1, default=192)
    d_hidden: int | None = integer(1, default=None)
    d_hidden_multiplier: float | None = real(0, default=None)
    dropout1: float = real(0, 1, default=0.15)
    dropout2: float = real(0, 1, default=0.0)
    shape: Any = anything(None)

    def hidden(self) -> int:
        """The width inside a block."""
        if self.d_hidden is not None and self.d_hidden_multiplier is not None:
            raise ConfigError("tab_resnet: set one of 'd_hidden' and 'd_hidden_multiplier', not both.")
        factor = 2.0 if self.d_hidden_multiplier is None else self.d_hidden_multiplier
        return max(1, int(self.d_block * factor)) if self.d_hidden is None else self.d_hidden

    def network(self) -> Graph:
        inside = chain(
            [
                nn("batch_norm1d"),
                nn("linear", id="linear_first", out_features=self.hidden()),
                nn("relu"),
                nn("dropout", id="dropout_first", p=self.dropout1),
                nn("linear", id="linear_second", out_features=self.d_block),
                nn("dropout", id="dropout_second", p=self.dropout2),
            ]
        )
        blocks = nn("block", block=[inside, nn("identity")] >> nn("merge_sum"), n_blocks=self.n_blocks)
        first = po("torch_ingress", shape=self.shape) >> nn("linear", out_features=self.d_block)
        return first >> blocks >> nn("batch_norm1d") >> nn("relu") >> nn("head")


@savable
@attrs.frozen
class Ends:
    """What is different in the first and the last of `n` blocks: no normalization before it, and only the class token asks."""

    n: int

    def __call__(self, i: int, params: dict[str, Any]) -> dict[str, Any]:
        place = "ft_transformer_block"
        last = {f"{place}.query_idx": -1} if i == self.n - 1 else {}
        return {f"{place}.is_first_layer": i == 0, **last}


def _check_names(owner: Any, attribute: Any, value: Any) -> None:
    fits = isinstance(value, Mapping) and value and set(value) <= {"num", "categ"}
    if not (value is None or fits or isinstance(value, Token)):
        raise ConfigError(
            'ft_transformer: \'ingress\' names columns of tensors, as in {"num": "x", "categ": "z"} or with one of them, '
            f"got {value!r}."
        )


def _tensor_names() -> Any:
    field = anything(None)
    field.validator(_check_names)
    return field


@architecture
class FTTransformer(Architecture):
    """Feature tokenizer and transformer (Gorishniy et al. 2021): a token for each column and one for the class, attention.

    Numeric, categorical and boolean columns, or a column of tensors `(batch, features)`. d_token: the size of a token;
    n_blocks; init_token: how tokens begin; the others are those of `nn("ft_transformer_block")`.

    ingress: which columns of tensors hold numbers and which codes of categories, as in {"num": "x", "categ": "z"} or with one of
    them; cardinalities: how many levels each column of categories has, needed for codes (from 0) in tensors.
    """

    name = "ft_transformer"
    label = "FT-Transformer"
    takes_categories = True

    n_blocks: int = integer(0, default=3)
    d_token: int = integer(1, default=192)
    init_token: str = choice("uniform", "normal", default="uniform")
    ingress: Any = _tensor_names()
    cardinalities: Any = anything(None)
    attention_n_heads: int = integer(1, default=8)
    attention_dropout: float = real(0, 1, default=0.2)
    attention_initialization: str = choice("kaiming", "xavier", default="kaiming")
    attention_normalization: Any = anything("layer_norm")
    ffn_d_hidden: int | None = integer(1, default=None)
    ffn_d_hidden_multiplier: float | None = real(0, default=None)
    ffn_dropout: float = real(0, 1, default=0.1)
    ffn_activation: Any = anything("reglu")
    ffn_normalization: Any = anything("layer_norm")
    residual_dropout: float = real(0, 1, default=0.0)
    prenormalization: bool = flag(True)
    attention_bias: bool = flag(True)
    ffn_bias_first: bool = flag(True)
    ffn_bias_second: bool = flag(True)

    def columns(self) -> list[Any]:
        """The tokens of numbers and of categories, each where there are some."""
        tokens = {"d_token": self.d_token, "initialization": self.init_token}
        names = self.ingress or {"num": None, "categ": None}
        ways: list[Any] = []
        if "num" in names:
            ways.append(numbers_in(names["num"]) >> nn("tokenizer_num", **tokens))
        if "categ" in names:
            codes = categories_in(names["categ"], self.cardinalities)
            ways.append(codes >> nn("tokenizer_categ", cardinalities=self.cardinalities, **tokens))
        return ways

    def network(self) -> Graph:
        own = hyperparameters(nn["ft_transformer_block"])
        block = nn("ft_transformer_block", **{name: value for name, value in self.params.items() if name in own})
        return chain(
            [
                self.columns(),
                nn("merge_cat", dim=1),
                nn("ft_cls"),
                nn("block", block=block, n_blocks=self.n_blocks, trafo=Ends(self.n_blocks)),
                nn("pick", dim=1, index=-1),
                nn("layer_norm", dims=1),
                nn("relu"),
                nn("head"),
            ]
        )


@architecture
class TabM(Architecture):
    """Ensemble of k perceptrons that share most weights, as one network (Gorishniy et al. 2025); predicts their mean.

    Numeric columns, categorical and boolean ones as columns of 0 and 1. arch_type: "tabm", or "tabm-mini", whose members differ
    in factors of the features alone. n_blocks: 3, or 2 with num_embeddings. start_scaling_init: "random-signs", or "normal"
    with num_embeddings.

    num_embeddings: "none", "linear_relu", "periodic" or "piecewise_linear", of size d_embedding (32, 24 or 16); n_frequencies,
    frequency_init_scale and lite are those of `nn("periodic_embedding")`, n_bins of `nn("piecewise_linear_embedding")`, and
    embedding_activation of both.
    """

    name = "tabm"
    label = "TabM"
    takes_categories = True

    arch_type: str = choice("tabm", "tabm-mini", default="tabm")
    k: int = integer(1, default=32)
    n_blocks: int | None = integer(1, default=None)
    d_block: int = integer(1, default=512)
    dropout: float = real(0, 1, default=0.1)
    activation: Any = anything("relu")
    start_scaling_init: str | None = choice("random-signs", "normal", None, default=None)
    num_embeddings: str = choice("none", "linear_relu", "periodic", "piecewise_linear", default="none")
    d_embedding: int | None = integer(1, default=None)
    n_frequencies: int = integer(1, default=48)
    frequency_init_scale: float = real(0, default=0.01)
    lite: bool = flag(False)
    embedding_activation: bool | None = choice(True, False, None, default=None)
    n_bins: int = integer(2, default=48)

    def columns(self) -> Graph:
        """The numbers, as they are or embedded."""
        if self.num_embeddings == "linear_relu":
            return (
                numbers_in() >> nn("tokenizer_num", d_token=self.d_embedding or 32) >> nn("relu", id="relu_in") >> nn("flatten")
            )
        if self.num_embeddings == "none":
            return numbers_in()
        periodic = self.num_embeddings == "periodic"
        activation = periodic if self.embedding_activation is None else self.embedding_activation
        size = {"d_embedding": self.d_embedding or (24 if periodic else 16), "activation": activation}
        if not periodic:
            return numbers_in() >> nn("piecewise_linear_embedding", n_bins=self.n_bins, **size) >> nn("flatten")
        waves = {"n_frequencies": self.n_frequencies, "frequency_init_scale": self.frequency_init_scale, "lite": self.lite}
        return numbers_in() >> nn("periodic_embedding", **waves, **size) >> nn("flatten")

    def network(self) -> Graph:
        embedded = self.num_embeddings != "none"
        start = self.start_scaling_init or ("normal" if embedded else "random-signs")
        mini = self.arch_type == "tabm-mini"
        blocks: list[Any] = [nn("member_scale", initialization=start)] if mini else []
        for i in range(self.n_blocks or (2 if embedded else 3)):
            own = {} if i else {"initialization": start}
            layer = nn("linear", out_features=self.d_block) if mini else nn("batch_ensemble", out_features=self.d_block, **own)
            blocks += [layer, activated(self.activation), nn("dropout", p=self.dropout)]
        columns = [self.columns(), categories_in() >> nn("one_hot")]
        return chain([columns, nn("merge_cat"), nn("members", k=self.k), *blocks, nn("member_head")])


@architecture
class Featureless(Architecture):
    """Learnt numbers that are the same for every row: the base line of a network. Looks at no column."""

    name = "torch_featureless"
    label = "Featureless Network"
    takes_missing = True
    takes_categories = True

    def network(self) -> Graph:
        return po("torch_ingress_rows") >> nn("constant")


for _cls in (MLP, TabResNet, FTTransformer, TabM, Featureless):
    register(_cls)
