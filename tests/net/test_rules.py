"""Every rule against autograd: values and gradients of each of K networks, in both precisions, and of every loss."""

import functools

import pytest
import torch

from pipeops import as_learner, as_task_classif, nn, po, t_loss
from pipeops.net import Callback, last, layer
from pipeops.net.layers import contract
from pipeops.net.layers.against_autograd import agrees
from pipeops.net.layers.modules.merges import Concatenation, Product, Sum
from pipeops.net.losses.rules import loss_rule
from pipeops.net.losses.weighted import by_rows
from pipeops.net.rules import dense, reshaping
from pipeops.net.rules.base import Call, Made

K, BATCH = 3, 5
RULED = sorted(key for key in nn if getattr(nn[key], "rule", None) is not None and hasattr(nn[key], "row"))


def modules_of(key, dtype):
    node, (symbol, *_) = contract.example(key)
    made = [node.row.wraps(**node.arguments(symbol)).to(dtype) for _ in range(K)]
    with torch.no_grad():
        for p in [p for module in made for p in module.parameters()]:
            p.add_(0.3 * torch.randn_like(p))
    shape = tuple(3 if n is None else n for n in symbol.shape[1:])
    if symbol.dtype == torch.int64:
        return made, torch.stack([torch.randint(0, n, (K, BATCH)) for n in symbol.levels], -1)
    return made, torch.randn(K, BATCH, *shape, dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("key", RULED)
def test_a_rule_is_autograd(key, dtype):
    torch.manual_seed(1)
    modules, x = modules_of(key, dtype)
    agrees(nn[key].rule, modules, [x])


SETTINGS = [
    ("linear", torch.nn.Linear, {"in_features": 4, "out_features": 2, "bias": False}, (4,)),
    ("linear", torch.nn.Linear, {"in_features": 4, "out_features": 2}, (3, 4)),
    ("layer_norm", torch.nn.LayerNorm, {"normalized_shape": (3, 4), "bias": False}, (3, 4)),
    ("layer_norm", torch.nn.LayerNorm, {"normalized_shape": 4, "elementwise_affine": False}, (3, 4)),
    ("rms_norm", torch.nn.RMSNorm, {"normalized_shape": 4, "elementwise_affine": False, "eps": 0.1}, (4,)),
    ("batch_norm1d", torch.nn.BatchNorm1d, {"num_features": 4, "affine": False}, (4,)),
    ("batch_norm1d", torch.nn.BatchNorm1d, {"num_features": 4, "momentum": None}, (4, 3)),
    ("batch_norm1d", torch.nn.BatchNorm1d, {"num_features": 4, "track_running_stats": False}, (4,)),
    ("prelu", torch.nn.PReLU, {"num_parameters": 4}, (4, 3)),
    ("softmax", torch.nn.Softmax, {"dim": 0}, (4,)),
    ("glu", torch.nn.GLU, {"dim": 1}, (4, 3)),
    ("dropout", torch.nn.Dropout, {"p": 1.0}, (4,)),
    ("dropout", torch.nn.Dropout, {"p": 0.0}, (4,)),
    ("gelu", torch.nn.GELU, {"approximate": "tanh"}, (4,)),
]


@pytest.mark.parametrize(("key", "module", "settings", "shape"), SETTINGS)
def test_settings_and_ranks(key, module, settings, shape):
    torch.manual_seed(2)
    agrees(nn[key].rule, [module(**settings) for _ in range(K)], [torch.randn(K, BATCH, *shape)])


@pytest.mark.parametrize("mode", ["eval", "frozen"])
def test_norms_in_eval_mode_and_frozen_parameters(mode):
    made = [torch.nn.BatchNorm1d(4) for _ in range(K)]
    for module in made:
        module.running_mean.add_(1.0)
        module.train(mode == "frozen")
    agrees(nn["batch_norm1d"].rule, made, [torch.randn(K, BATCH, 4)], ("weight",) if mode == "frozen" else ())


@pytest.mark.parametrize(
    ("rule", "module"),
    [(reshaping.added, Sum()), (reshaping.multiplied, Product()), (reshaping.concatenated, Concatenation(-1))],
)
def test_merges(rule, module):
    last_of_second = 4 if isinstance(module, Concatenation) else 1
    inputs = [torch.randn(K, BATCH, 4), torch.randn(K, BATCH, last_of_second), torch.randn(K, BATCH, 4)]
    agrees(rule, [module] * K, inputs)


LOSSES = {
    "two": t_loss("cross_entropy"),
    "two weighted": t_loss("cross_entropy", class_weight={"a": 3, "b": 0.5}, label_smoothing=0.1),
    "two summed": t_loss("cross_entropy", class_weight=2, reduction="sum"),
    "logistic": t_loss("logistic", class_weight={"a": 3, "b": 0.5}),
    "aum": t_loss("aum"),
    "aum counts": t_loss("aum", denominator="count", ties="mean"),
    "hinge": t_loss("hinge_pairs"),
    "square": t_loss("square_pairs", reduction="sum"),
    "mse": t_loss("mse"),
    "l1": t_loss("l1"),
    "huber": t_loss("huber", delta=0.3, reduction="sum"),
    "three": t_loss("cross_entropy"),
    "three weighted": t_loss("cross_entropy", class_weight=[1.0, 2.0, 3.0], label_smoothing=0.2),
    "three summed": t_loss("cross_entropy", label_smoothing=0.2, reduction="sum"),
    "three ignoring": t_loss("cross_entropy", ignore_index=1),
}


@pytest.mark.parametrize("rows", [8, 1, 5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", LOSSES)
def test_a_rule_of_a_loss_is_autograd(name, dtype, rows):
    torch.manual_seed(3)
    three = name.startswith("three")
    task = as_task_classif(
        {"x": range(6), "y": [*("abcabc" if three else "ababab")]}, target="y", **({} if three else {"positive": "a"})
    )
    losses = [LOSSES[name].build(task) for _ in range(K)]
    losses = [one.to(dtype) if isinstance(one, torch.nn.Module) else one for one in losses]
    output = torch.randn(K, rows, 3 if three else 1, dtype=dtype)
    target = torch.randint(0, 3, (K, rows)) if three else (torch.rand(K, rows, 1) < 0.5).to(dtype)
    rule, slope = loss_rule(losses, output.shape[-1], target[0]), torch.empty_like(output)
    value = rule.slope(output, target, slope)
    values = rule.values(output.unsqueeze(0), target.unsqueeze(0))[0] if value is None else value
    tolerance = {"rtol": 1e-4, "atol": 1e-6} if dtype == torch.float32 else {"rtol": 1e-9, "atol": 1e-11}
    for k, loss in enumerate(losses):
        leaf = output[k].clone().requires_grad_()
        expected = loss(leaf, target[k])
        expected.backward()
        torch.testing.assert_close(values[k], expected.detach(), equal_nan=True, **tolerance)
        torch.testing.assert_close(slope[k], leaf.grad, equal_nan=True, **tolerance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", [name for name in LOSSES if name not in ("aum", "aum counts", "hinge", "square")])
def test_a_rule_with_row_weights_is_autograd(name, dtype):
    """One network has no weight at all in this batch, one of each has no weight in some rows."""
    torch.manual_seed(4)
    three = name.startswith("three")
    task = as_task_classif(
        {"x": range(6), "y": [*("abcabc" if three else "ababab")]}, target="y", **({} if three else {"positive": "a"})
    )
    losses = [by_rows(LOSSES[name], LOSSES[name].build(task), task).to(dtype) for _ in range(K)]
    output = torch.randn(K, 5, 3 if three else 1, dtype=dtype)
    target = torch.randint(0, 3, (K, 5)) if three else (torch.rand(K, 5, 1) < 0.5).to(dtype)
    weights = torch.rand(K, 5, dtype=dtype) * torch.tensor([0.0, 1, 3, 1, 1], dtype=dtype)
    weights[-1] = 0.0
    rule, slope = loss_rule(losses, output.shape[-1], target[0]), torch.empty_like(output)
    assert rule.slope(output, (target, weights), slope) is None
    values = rule.values(output.unsqueeze(0), (target.unsqueeze(0), weights.unsqueeze(0)))[0]
    tolerance = {"rtol": 1e-4, "atol": 1e-6} if dtype == torch.float32 else {"rtol": 1e-9, "atol": 1e-11}
    for k, loss in enumerate(losses):
        leaf = output[k].clone().requires_grad_()
        expected = loss(leaf, target[k], weights[k])
        expected.backward()
        torch.testing.assert_close(values[k], expected.detach(), **tolerance)
        torch.testing.assert_close(slope[k], leaf.grad, **tolerance)


@pytest.mark.parametrize("name", ["aum", "hinge", "square"])
def test_gradients_of_losses_of_ranks_sum_to_zero_but_for_rounding(name):
    task = as_task_classif({"x": range(6), "y": [*"ababab"]}, target="y", positive="a")
    loss, generator = LOSSES[name].build(task), torch.Generator().manual_seed(0)
    for rows in (2, 33, 257, 4096):
        score = torch.randn(rows, 1, generator=generator).requires_grad_()
        loss(score, (torch.rand(rows, 1, generator=generator) < 0.2).float()).backward()
        assert abs(score.grad.sum().item()) <= 1e-6 * score.grad.abs().sum().item()


def test_losses_that_do_not_fit_have_no_rule():
    task = as_task_classif({"x": range(6), "y": [*"abcabc"]}, target="y")
    several = t_loss("cross_entropy").build(task)
    assert loss_rule([several], 1, torch.zeros(4, 1)) is None
    assert loss_rule([functools.partial(torch.nn.functional.mse_loss, reduction="none")], 1, torch.zeros(4, 1)) is None
    assert loss_rule([lambda i, t: i.sum()], 1, torch.zeros(4, 1)) is None


# ---------------------------------------------------------------- whole networks

X = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
TASK = as_task_classif({**{f"x{i}": X[:, i].tolist() for i in range(4)}, "y": (X[:, 0] > X[:, 1]).tolist()}, target="y")


def trained(layers, engine, callbacks=(), **settings):
    graph = po("torch_ingress_num") >> layers >> po("torch_loss", loss="cross_entropy") >> po("torch_optimizer", lr=0.02)
    graph = graph >> po("torch_callbacks", callbacks=list(callbacks))
    model = po("torch_model_classif", epochs=4, batch_size=12, seed=1, engine=engine, measures_train=["classif.ce"], **settings)
    return as_learner(graph >> model).train(TASK)


MEETING = [nn("linear", out_features=4, id="a") >> nn("tanh"), nn("linear", out_features=4, id="b"), nn("identity")]
NETWORKS = {
    "branches that meet again": nn("linear", out_features=4) >> (MEETING >> nn("merge_prod")) >> nn("head"),
    "dropout": nn("linear", out_features=6) >> nn("relu") >> nn("dropout", p=0.4) >> nn("head"),
    "no bias": nn("linear", out_features=6, bias=False) >> nn("layer_norm", dims=1) >> nn("silu") >> nn("head", bias=False),
}


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_by_rules_is_the_network_by_autograd(name, shuffle):
    rules, general = (trained(NETWORKS[name], engine, shuffle=shuffle) for engine in ("auto", "autograd"))
    states = [one.model["torch_model_classif"] for one in (rules, general)]
    assert [state.engine for state in states] == ["rules", "autograd"]
    for p, q in zip(rules.network.parameters(), general.network.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-4, atol=1e-6)
        assert p.untyped_storage().nbytes() == p.nbytes
        assert p.grad is None
    assert states[0].history["train.loss"] == pytest.approx(states[1].history["train.loss"], rel=1e-5)


def twice_rule(call: Call, x: torch.Tensor) -> Made:
    return Made(x * 2, lambda x: x * 2, lambda slope, x: (slope * 2 if call.wanted[0] else None,))


class Twice(torch.nn.Module):
    def forward(self, x):
        return x * 2


layer("twice_by_rule", Twice, shape="same", rule=twice_rule)
layer("linear_by_rule", torch.nn.Linear, in_features=last, shape="features", rule=dense.linear, example={"out_features": 2})


def test_layers_of_ones_own_may_bring_a_rule():
    network = nn("twice_by_rule") >> nn("linear_by_rule", out_features=3) >> nn("head")
    rules, general = (trained(network, engine) for engine in ("auto", "autograd"))
    assert rules.model["torch_model_classif"].engine == "rules"
    torch.testing.assert_close(rules.network.head.weight, general.network.head.weight, rtol=1e-4, atol=1e-6)


class Hooked(Callback):
    def on_epoch_begin(self, ctx):
        if ctx.epoch == 3:
            ctx.network.linear.register_forward_hook(lambda module, args, out: out * 0.5)


def wrong_rule(call: Call, x: torch.Tensor) -> Made:
    return Made(x * 2, lambda x: x * 2, lambda slope, x: (slope * 3,))


def test_the_contract_finds_a_wrong_rule():
    layer("twice_wrong", Twice, shape="same", rule=wrong_rule)
    try:
        contract.check_layer("twice_by_rule")
        with pytest.raises(AssertionError, match="twice_wrong: its rule is not what autograd computes: gradient of input 0"):
            contract.check_layer("twice_wrong")
    finally:
        del nn._holders["twice_wrong"]


def test_what_a_callback_changes_between_epochs_chooses_the_engine_anew():
    rules, general = (trained(NETWORKS["dropout"], engine, [Hooked()]) for engine in ("auto", "autograd"))
    assert rules.model["torch_model_classif"].engine == "autograd and rules"
    for p, q in zip(rules.network.parameters(), general.network.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-4, atol=1e-6)
