"""Attention, recurrent layers and tokens beside torch and the formulas of the papers."""

import math

import pytest
import torch
from torch.nn import functional

from pipeops import as_learner, as_task_regr, nn, po
from pipeops.errors import ConfigError, DataError, PipeOpsError
from pipeops.net import Symbol, compile_network

X = torch.linspace(-1, 1, 3 * 5 * 4).reshape(3, 5, 4)


def network(node, *inputs, output=0):
    """The compiled network of a node over values of these shapes."""
    symbols = [Symbol(f"x{k}", None, (), (None, *x.shape[1:])) for k, x in enumerate(inputs)]
    made = compile_network(node.values(symbols, None)[output])
    return made.eval()


@pytest.mark.parametrize("others", [(), (X[:, :2, :3],), (X[:, :2, :3], X[:, :2, 1:3])], ids=["self", "cross", "general"])
def test_attention_is_softmax_of_products(others):
    node = nn("multihead_attention", num_heads=2)
    made = network(node, X, *others)
    a = made.multihead_attention
    key, value = (others[0] if others else X), (others[-1] if others else X)
    ways = a.in_proj_weight.chunk(3) if a.in_proj_weight is not None else (a.q_proj_weight, a.k_proj_weight, a.v_proj_weight)
    q, k, v = (
        functional.linear(x, w, b).unflatten(-1, (2, 2)).transpose(1, 2)
        for x, w, b in zip((X, key, value), ways, a.in_proj_bias.chunk(3), strict=True)
    )
    heads = ((q @ k.transpose(-1, -2) / math.sqrt(2)).softmax(-1) @ v).transpose(1, 2).flatten(-2)
    torch.testing.assert_close(made(X, *others), a.out_proj(heads), rtol=1e-5, atol=1e-6)
    assert node.shape_out(*((None, *x.shape[1:]) for x in (X, *others))) == (None, 5, 4)


@pytest.mark.parametrize(("average", "shape"), [(True, (None, 5, 2)), (False, (None, 2, 5, 2))])
def test_weights_of_attention_are_a_second_output(average, shape):
    node = nn("multihead_attention", num_heads=2, need_weights=True, avg_weights=average)
    assert [c.name for c in node.outputs] == ["output", "weights"]
    symbols = [Symbol("x", None, (), (None, 5, 4)), Symbol("y", None, (), (None, 2, 4))]
    assert node.values(symbols, None)[1].shape == shape
    weights = network(node, X, X[:, :2], output=1)(X, X[:, :2])
    assert weights.shape[1:] == shape[1:]
    torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))


def test_attention_refuses_what_does_not_fit():
    for shapes, part in (([(None, 5, 3)], "must divide"), ([(None, 3)], "3-dimensional"), ([(None, 5, 4)] * 4, "got 4")):
        with pytest.raises(DataError, match=part):
            nn("multihead_attention", num_heads=2).shape_out(*shapes)
    with pytest.raises(DataError, match="as long"):
        nn("multihead_attention", num_heads=2).shape_out((None, 5, 4), (None, 2, 4), (None, 3, 4))


def test_masks_of_the_encoder_layer():
    make, x = nn["transformer_encoder_layer"].torch_module, torch.randn(3, 5, 4)
    own = make(4, 2, dropout=0.0, is_causal=True)
    torchs = torch.nn.TransformerEncoderLayer(4, 2, dropout=0.0, batch_first=True)
    torchs.load_state_dict(own.state_dict())
    before = torch.ones(5, 5).triu(1)
    torch.testing.assert_close(own(x), torchs(x, src_mask=before.bool()))
    masked = make(4, 2, dropout=0.0, masks=("src_mask", "src_key_padding_mask"))
    masked.load_state_dict(own.state_dict())
    padding = torch.zeros(3, 5)
    padding[:, 3:] = 1
    one = masked(x, before.expand(3, 5, 5), padding)
    torch.testing.assert_close(one[:, :3], torchs(x[:, :3], src_mask=before[:3, :3].bool()))


def test_the_encoder_layer_refuses_what_does_not_fit():
    both = nn("transformer_encoder_layer", nhead=2, src_key_padding_mask=True)
    assert both.shape_out((None, 5, 4), (None, 5)) == (None, 5, 4)
    for node, shapes, message in (
        (both, [(None, 5, 4), (None, 6)], "as long as there are tokens, 5"),
        (nn("transformer_encoder_layer", nhead=3), [(None, 5, 4)], "must divide the features"),
        (nn("transformer_encoder_layer", nhead=2, src_mask=True, is_causal=True), [(None, 5, 4), (None, 5, 5)], "not both"),
    ):
        with pytest.raises(PipeOpsError, match=message):
            node.shape_out(*shapes)


@pytest.mark.parametrize(("key", "module"), [("rnn", torch.nn.RNN), ("gru", torch.nn.GRU), ("lstm", torch.nn.LSTM)])
@pytest.mark.parametrize("both", [False, True], ids=["forwards", "both"])
def test_recurrent_layers_are_torchs(key, module, both):
    right = module(4, 3, num_layers=2, batch_first=True, bidirectional=both)
    steps, _ = right(X)
    backwards = module(4, 3, num_layers=2, batch_first=True, bidirectional=both)
    backwards.load_state_dict(right.state_dict())
    last = torch.cat([steps[:, -1, :3], steps[:, 0, 3:]], -1)
    for all_steps, expected in ((False, last), (True, steps)):
        node = nn(key, hidden_size=3, num_layers=2, bidirectional=both, return_sequences=all_steps)
        made = network(node, X)
        made.get_submodule(key).load_state_dict(right.state_dict())
        torch.testing.assert_close(made(X), expected)
        assert node.shape_out((None, 5, 4)) == (None, *expected.shape[1:])


def test_numbers_become_tokens():
    x = torch.tensor([[1.0, -2.0]])
    tokens = nn["tokenizer_num"].torch_module(2, 3)
    torch.testing.assert_close(tokens(x)[0], tokens.weight * x.T + tokens.bias)
    assert tokens.weight.abs().max() <= 3**-0.5
    assert nn["tokenizer_num"].torch_module(2, 3, bias=False).bias is None
    torch.manual_seed(0)
    assert nn["ft_cls"].torch_module(400, "normal").weight.std().item() == pytest.approx(1 / 20, rel=0.1)


def test_cardinalities_may_be_stated():
    assert nn("tokenizer_categ", d_token=3, cardinalities=(2, 4)).shape_out((None, 2)) == (None, 2, 3)
    assert nn("tokenizer_categ", d_token=3, cardinalities=(2, 4)).shape_out((None, None)) == (None, 2, 3)
    for stated in ((2,), (2, 0), "ab"):
        with pytest.raises(DataError, match="'cardinalities'"):
            nn("tokenizer_categ", d_token=3, cardinalities=stated).shape_out((None, 2))


def normed(x):
    return (x - x.mean(-1, keepdim=True)) / (x.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()


@pytest.mark.parametrize("prenorm", [True, False])
@pytest.mark.parametrize("asks", [None, -1])
def test_the_block_of_the_ft_transformer(prenorm, asks):
    """Gorishniy et al. (2021), section 3.3: residual connections around attention and around two linear layers with ReGLU."""
    block = nn["ft_transformer_block"].torch_module(4, 2, prenormalization=prenorm, query_idx=asks).eval()
    attend = torch.nn.MultiheadAttention(4, 2, batch_first=True)
    attend.load_state_dict(block.attention.state_dict())
    x = normed(X) if prenorm else X
    asking, residual = (x, X) if asks is None else (x[:, -1:], X[:, -1:])
    x = residual + attend(asking, x, x)[0]
    x = x if prenorm else normed(x)
    a, b = block.ffn.linear_first(normed(x) if prenorm else x).chunk(2, -1)
    x = x + block.ffn.linear_second(a * b.relu())
    torch.testing.assert_close(block(X), x if prenorm else normed(x), rtol=1e-4, atol=1e-5)


def test_initial_weights_and_sizes_of_the_block():
    first = nn["ft_transformer_block"].torch_module(192, is_first_layer=True)
    assert not hasattr(first, "attention_normalization")
    assert first.ffn.linear_second.in_features == 256
    assert first.attention.in_proj_weight.abs().max() <= 192**-0.5
    xavier = nn["ft_transformer_block"].torch_module(192, attention_initialization="xavier").attention.in_proj_weight
    assert 0.9 * (bound := (6 / 384 / 2) ** 0.5) < xavier.abs().max() <= bound
    plain = nn["ft_transformer_block"].torch_module(8, 2, ffn_activation=torch.nn.GELU, ffn_d_hidden=5)
    assert plain.ffn.linear_first.out_features == 5
    assert nn("ft_transformer_block", attention_n_heads=2, query_idx=[0, -1]).shape_out((None, 5, 4)) == (None, 2, 4)
    for arguments in ({"query_idx": 5}, {"ffn_d_hidden": 2, "ffn_d_hidden_multiplier": 2.0}):
        with pytest.raises(ConfigError):
            nn("ft_transformer_block", attention_n_heads=2, **arguments).shape_out((None, 5, 4))


def test_a_module_in_fn_keeps_its_weights_and_is_copied():
    task = as_task_regr({"a": [1.0, 2.0, 3.0, 4.0], "b": [1.0, 0.0, 1.0, 0.0], "y": [1.0, 2.0, 2.0, 1.0]}, target="y")
    own = torch.nn.Linear(2, 3)
    before = own.weight.detach().clone()
    ending = nn("head") >> po("torch_loss", loss="mse") >> po("torch_optimizer", lr=0.1)

    def trained(epochs):
        graph = po("torch_ingress_num") >> nn("fn", fn=own) >> ending
        return as_learner(graph >> po("torch_model_regr", epochs=epochs, batch_size=2, seed=1)).train(task).network

    assert torch.equal(trained(0).fn.weight, before)
    assert not torch.equal(trained(2).fn.weight, before)
    assert torch.equal(own.weight, before)
    made = nn("fn", fn=torch.nn.Linear, arguments={"in_features": 2, "out_features": 5})
    assert made.shape_out((None, 2)) == (None, 5)
    with pytest.raises(ConfigError, match="made already"):
        nn("fn", fn=own, arguments={"out_features": 5})


def test_reshape_takes_a_function_of_the_shape():
    node = nn("reshape", shape=lambda shape: (shape[0], -1, 2))
    assert node.shape_out((None, 5, 4)) == (None, 10, 2)
    assert network(node, X)(X).shape == (3, 10, 2)
    with pytest.raises(DataError, match="reshape"):
        nn("reshape", shape=lambda shape: (shape[0], 7)).shape_out((None, 4))
