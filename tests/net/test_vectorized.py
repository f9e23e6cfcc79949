"""Networks trained as one equal networks trained one by one; what may not be is trained alone, silently."""

import functools
import warnings

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeops import as_learner, as_task_classif, as_task_regr, nn, po
from pipeops.data.selectors import selector_type
from pipeops.learn.fits import drive
from pipeops.net import Callback, StratifiedBatches, WeightedBatches, last, layer, torch_callback

N = 46
rng = np.random.default_rng(3)
X = rng.normal(size=(N, 6)).astype("float32")
SCORE = X[:, 0] - X[:, 1] + 0.5 * rng.normal(size=N)
COLOURS = rng.choice(["red", "green", "blue"], size=N)
TWO = np.where(SCORE > 0, "yes", "no")
THREE = np.where(SCORE > 0.7, "high", np.where(SCORE < -0.7, "low", "mid"))
FRAME = pl.from_numpy(X, schema=list("abcdef"))


def task(kind="two"):
    if kind == "regr":
        return as_task_regr(FRAME.with_columns(y=pl.Series(SCORE)), target="y")
    if kind == "mixed":
        frame = FRAME.with_columns(y=pl.Series(TWO), colour=pl.Series(COLOURS, dtype=pl.Enum(["red", "green", "blue"])))
        return as_task_classif(frame, target="y", positive="yes")
    labels, positive = (TWO, "yes") if kind == "two" else (THREE, None)
    return as_task_classif(FRAME.with_columns(y=pl.Series(labels)), target="y", positive=positive)


def folds(whole, k=3):
    """Training and test rows of k folds; the sizes differ by one."""
    ids = np.asarray(whole.row_ids)
    return [whole.filter(ids[np.arange(N) % k != i]) for i in range(k)], [
        whole.filter(ids[np.arange(N) % k == i]) for i in range(k)
    ]


LAYERS = nn("linear", out_features=8) >> nn("relu") >> nn("head")


def learner(layers=LAYERS, loss="cross_entropy", optimizer="adam", model="classif", callbacks=(), ingress=None, **settings):
    own = {k.removeprefix("o_"): settings.pop(k) for k in list(settings) if k.startswith("o_")}
    more = {k.removeprefix("l_"): settings.pop(k) for k in list(settings) if k.startswith("l_")}
    settings = {"epochs": 4, "batch_size": 8, **settings}
    if model == "classif":
        settings = {"predict_type": "prob", **settings}
    graph = (
        (po("torch_ingress_num") >> layers if ingress is None else ingress)
        >> po("torch_loss", loss=loss, **more)
        >> po("torch_optimizer", optimizer=optimizer, **{"lr": 0.02, **own})
        >> po("torch_callbacks", callbacks=list(callbacks))
        >> po(f"torch_model_{model}", **settings)
    )
    return as_learner(graph)


def state(trained):
    return next(s for name, s in trained.model.items() if name.startswith("torch_model"))


def train(learners, tasks, valids=None, alone=False):
    valids = valids or [None] * len(tasks)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        runs = [one.training(t, v) for one, t, v in zip(learners, tasks, valids, strict=True)]
        return [made for run in runs for made in drive([run])] if alone else drive(runs)


def equal(one, other, whole):
    a, b = state(one), state(other)
    named = dict(b.network.state_dict())
    assert a.network.state_dict().keys() == named.keys()
    for name, value in a.network.state_dict().items():
        torch.testing.assert_close(value, named[name], rtol=1e-4, atol=2e-6, equal_nan=True)
    assert (a.epochs, a.best_epoch, a.seed, a.class_names) == (b.epochs, b.best_epoch, b.seed, b.class_names)
    assert a.history.keys() == b.history.keys()
    for column, values in a.history.items():
        assert values == pytest.approx(b.history[column], abs=1e-5), column
    assert a.internal_valid_scores == pytest.approx(b.internal_valid_scores, abs=1e-5)
    first, second = one.predict(whole), other.predict(whole)
    if whole.task_type == "classif":
        np.testing.assert_allclose(first.prob, second.prob, atol=2e-6)
    else:
        np.testing.assert_allclose(first.response, second.response, atol=2e-5)


def check(learners, kind="two", together=3, valid=False, tasks=None):
    """Train each learner alone and all together: equal, and so many in each stack. A single one is seeded for each fold."""
    whole = task(kind)
    trains, tests = folds(whole)
    tasks = tasks or trains
    if not isinstance(learners, list):
        learners = [learners.clone().seeded(10 + i) for i in range(len(tasks))]
    valids = tests if valid else None
    alone = train([one.clone() for one in learners], tasks, valids, alone=True)
    made = train([one.clone() for one in learners], tasks, valids)
    for one, other in zip(alone, made, strict=True):
        assert isinstance(one, Exception) == isinstance(other, Exception), (one, other)
        if isinstance(one, Exception):
            assert str(one) == str(other)
        else:
            equal(one, other, whole)
    assert all(state(one).vectorized == 1 for one in alone if not isinstance(one, Exception))
    assert {state(one).vectorized for one in made if not isinstance(one, Exception)} == {together}
    return made


# ---------------------------------------------------------------- networks

NETWORKS = {
    "mlp": LAYERS,
    "head": nn("head"),
    "no bias": nn("linear", out_features=8, bias=False) >> nn("tanh") >> nn("head", bias=False),
    "gelu": nn("linear", out_features=8) >> nn("gelu") >> nn("linear", out_features=8) >> nn("silu") >> nn("head"),
    "in place": nn("relu", inplace=True) >> nn("linear", out_features=8) >> nn("leaky_relu", inplace=True) >> nn("head"),
    "dropout": nn("linear", out_features=8) >> nn("relu") >> nn("dropout", p=0.4) >> nn("head"),
    "dropout first": nn("dropout", p=0.2) >> nn("linear", out_features=8) >> nn("elu") >> nn("dropout", p=0.5) >> nn("head"),
    "dropout of all": nn("linear", out_features=8) >> nn("dropout", p=1.0) >> nn("head"),
    "layer norm": nn("linear", out_features=8) >> nn("layer_norm", dims=1) >> nn("relu") >> nn("head"),
    "plain layer norm": nn("linear", out_features=8) >> nn("layer_norm", dims=1, elementwise_affine=False) >> nn("head"),
    "rms norm": nn("linear", out_features=8) >> nn("rms_norm", dims=1) >> nn("relu") >> nn("head"),
    "prelu": nn("linear", out_features=8) >> nn("prelu", num_parameters=8) >> nn("head"),
    "gated": nn("linear", out_features=8) >> nn("geglu") >> nn("head"),
    "softmax": nn("linear", out_features=8) >> nn("softmax", dim=-1) >> nn("head"),
    "conv": nn("unsqueeze", dim=1) >> nn("conv1d", out_channels=3, kernel_size=3) >> nn("relu") >> nn("flatten") >> nn("head"),
    "pool": nn("unsqueeze", dim=1)
    >> nn("conv1d", out_channels=4, kernel_size=3)
    >> nn("avg_pool1d", kernel_size=2)
    >> nn("flatten")
    >> nn("head"),
    "group norm": nn("linear", out_features=8) >> nn("group_norm", num_groups=2) >> nn("relu") >> nn("head"),
    "deep linear": nn("reshape", shape=(-1, 2, 3)) >> nn("linear", out_features=4) >> nn("relu") >> nn("flatten") >> nn("head"),
    "function": nn("fn", fn=torch.sin) >> nn("head"),
    "batch norm": nn("linear", out_features=8) >> nn("batch_norm1d") >> nn("relu") >> nn("head"),
    "batch norm that keeps nothing": nn("linear", out_features=8) >> nn("batch_norm1d", track_running_stats=False) >> nn("head"),
    "alpha dropout": nn("linear", out_features=8) >> nn("selu") >> nn("alpha_dropout", p=0.3) >> nn("head"),
    "softmax over the batch": nn("linear", out_features=8) >> nn("softmax", dim=0) >> nn("head"),
    "branches": [nn("linear", out_features=4) >> nn("relu"), nn("linear", out_features=4, id="other") >> nn("tanh")]
    >> nn("merge_sum")
    >> nn("head"),
    "product": [nn("linear", out_features=4), nn("linear", out_features=1, id="gate") >> nn("sigmoid")]
    >> nn("merge_prod")
    >> nn("head"),
    "random leak": nn("linear", out_features=8) >> nn("rrelu") >> nn("head"),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_vectorized_network_is_each_network(name):
    noisy = "batch" in name  # a bias before a mean over the batch has rounding for a gradient, which Adam makes steps of
    check(learner(NETWORKS[name], **({"optimizer": "sgd", "o_lr": 0.1} if noisy else {})))


@pytest.mark.parametrize("merge", ["cat", "sum"])
def test_categories_and_numbers_meet(merge):
    numbers = po("select", selector=selector_type("numeric"), id="numbers")
    category = po("select", selector=["colour"], id="category")
    ends = {"cat": nn("merge_cat"), "sum": nn("merge_sum")}
    graph = [
        numbers >> po("torch_ingress_num") >> nn("linear", out_features=4) >> nn("relu"),
        category >> po("torch_ingress_categ") >> nn("embedding", embedding_dim=4) >> nn("flatten"),
    ] >> (ends[merge] >> nn("linear", out_features=5, id="after") >> nn("relu", id="last") >> nn("head"))
    check(learner(ingress=graph), "mixed")


REFUSED = {
    "batch norm of series": nn("unsqueeze", dim=1)
    >> nn("conv1d", out_channels=3, kernel_size=3)
    >> nn("instance_norm1d", track_running_stats=True)
    >> nn("flatten")
    >> nn("head"),
    "function of one's own": nn("fn", fn=lambda x: x * 2) >> nn("head"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_vectorized_is_trained_one_by_one(name):
    check(learner(REFUSED[name]), together=1)


class Branching(torch.nn.Module):
    """Looks at values."""

    def __init__(self, in_features):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(in_features))

    def forward(self, x):
        return x * self.weight if x.sum() > 0 else x


class Remembering(torch.nn.Module):
    """Scales by how often it was called."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return x / self.calls


class Turned(torch.nn.Module):
    """Has gradients that lie in memory otherwise than its weights."""

    def __init__(self, in_features, out_features):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(in_features, out_features))
        self.unused = torch.nn.Parameter(torch.randn(3))

    def forward(self, x):
        return torch.nn.functional.linear(x, self.weight.t())


class Frozen(torch.nn.Linear):
    """Does not train its weights."""

    def __init__(self, in_features, out_features):
        super().__init__(in_features, out_features)
        self.weight.requires_grad_(False)


class Said(Turned):
    """Says that it keeps nothing."""

    only_reads = True

    def __init__(self, in_features, out_features):
        super().__init__(in_features, out_features)
        del self.unused


layer("branching_for_tests", Branching, in_features=last, shape="same")
layer("remembering_for_tests", Remembering, shape="same")
layer("turned_for_tests", Turned, in_features=last, shape="features", example={"out_features": 2})
layer("said_for_tests", Said, in_features=last, shape="features", example={"out_features": 2})
layer("frozen_for_tests", Frozen, in_features=last, shape="features", example={"out_features": 2})


@pytest.mark.parametrize("key", ["branching_for_tests", "remembering_for_tests"])
def test_modules_of_ones_own_are_alone(key):
    check(learner(nn(key) >> nn("head")), together=1)


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop"])
@pytest.mark.parametrize("key", ["turned_for_tests", "said_for_tests", "frozen_for_tests"])
def test_modules_of_ones_own_are_vectorized_when_they_say_that_they_may_be(key, optimizer):
    network = nn(key, out_features=5) >> nn("relu") >> nn("head")
    check(learner(network, optimizer=optimizer, o_weight_decay=0.1), together=3 if key == "said_for_tests" else 1)


# ---------------------------------------------------------------- losses

LOSSES = {
    "two classes": ("two", {"loss": "cross_entropy"}, "rules"),
    "sum": ("two", {"loss": "cross_entropy", "l_reduction": "sum", "o_lr": 0.001}, "rules"),
    "weight": ("two", {"loss": "cross_entropy", "l_class_weight": {"yes": 3.0, "no": 0.5}}, "rules"),
    "balanced": ("two", {"loss": "cross_entropy", "l_class_weight": "balanced"}, "rules"),
    "smoothed": ("two", {"loss": "cross_entropy", "l_label_smoothing": 0.1}, "rules"),
    "weighted and smoothed": (
        "two",
        {"loss": "cross_entropy", "l_label_smoothing": 0.1, "l_class_weight": {"yes": 3.0, "no": 0.5}},
        "rules",
    ),
    "three classes": ("three", {"loss": "cross_entropy"}, "rules"),
    "three weights": ("three", {"loss": "cross_entropy", "l_class_weight": [1.0, 2.0, 3.0]}, "rules"),
    "three balanced": ("three", {"loss": "cross_entropy", "l_class_weight": "balanced"}, "rules"),
    "three smoothed": ("three", {"loss": "cross_entropy", "l_label_smoothing": 0.1}, "rules"),
    "ignored": ("three", {"loss": "cross_entropy", "l_ignore_index": 1}, "rules"),
    "logistic": ("two", {"loss": "logistic", "l_class_weight": "balanced"}, "rules"),
    "aum": ("two", {"loss": "aum", "optimizer": "sgd"}, "rules"),
    "aum of ties": ("two", {"loss": "aum", "l_ties": "mean", "l_denominator": "count", "optimizer": "sgd"}, "rules"),
    "focal": ("two", {"loss": "focal"}, "autograd"),
    "hinge": ("two", {"loss": "hinge_pairs", "optimizer": "sgd"}, "rules"),
    "square": ("two", {"loss": "square_pairs", "optimizer": "sgd"}, "rules"),
    "mse": ("regr", {"loss": "mse", "model": "regr"}, "rules"),
    "l1": ("regr", {"loss": "l1", "model": "regr"}, "rules"),
    "huber": ("regr", {"loss": "huber", "l_delta": 0.5, "model": "regr"}, "rules"),
    "class": ("regr", {"loss": torch.nn.SmoothL1Loss, "model": "regr"}, "autograd"),
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_vectorized_loss_is_each_loss(name):
    kind, settings, engine = LOSSES[name]
    made = check(learner(**settings), kind)
    assert {state(one).engine for one in made} == {engine}


def looking(input, target):
    return (input - target).pow(2).mean() * (2 if input.sum() > 0 else 1)


def quiet(input, target):
    return (input - target).pow(2).mean()


quiet.only_reads = True


def test_losses_of_ones_own_are_vectorized_when_they_say_that_they_may_be():
    check(learner(loss=looking, model="regr"), "regr", together=1)
    check(learner(loss=quiet, model="regr"), "regr")


# ---------------------------------------------------------------- optimizers and hyperparameters


@pytest.mark.parametrize(
    ("optimizer", "settings"),
    [
        ("adam", {"weight_decay": 0.1}),
        ("adam", {"amsgrad": True}),
        ("adamw", {}),
        ("sgd", {"lr": 0.1}),
        ("sgd", {"momentum": 0.9, "nesterov": True}),
        ("rmsprop", {}),
        ("adagrad", {"lr_decay": 0.1}),
        (torch.optim.NAdam, {}),
    ],
)
def test_optimizers(optimizer, settings):
    together = 1 if optimizer is torch.optim.NAdam else 3
    check(learner(optimizer=optimizer, **{f"o_{k}": v for k, v in settings.items()}), together=together)


@pytest.mark.parametrize(
    ("optimizer", "settings"),
    [
        ("adam", {"amsgrad": True}),
        ("adamw", {}),
        ("sgd", {"momentum": 0.9}),
        ("rmsprop", {"momentum": 0.5, "centered": True}),
        ("adagrad", {"lr_decay": 0.1}),
        ("sgd", {"maximize": True}),
        ("rmsprop", {"maximize": True}),
    ],
)
def test_numeric_hyperparameters_may_differ(optimizer, settings):
    layers = nn("linear", out_features=8) >> nn("relu") >> nn("dropout", p=0.5) >> nn("head")
    made = []
    for i, (lr, decay, p) in enumerate([(0.05, 0.0, 0.5), (0.01, 0.1, 0.0), (0.02, 0.3, 0.2)]):
        one = learner(layers, optimizer=optimizer, seed=i, epochs=3 + i, **{f"o_{n}": v for n, v in settings.items()})
        one.params["torch_optimizer.lr"], one.params["torch_optimizer.weight_decay"] = lr, decay
        one.params["dropout.p"] = p
        made.append(one)
    check(made)


class Falling(Callback):
    """Changes the rate between epochs, faster for some networks than for others."""

    sets_rates = True

    def on_epoch_end(self, ctx):
        ctx.lr *= 0.5 if ctx.mean_loss < 0.68 else 0.9


class Inherits(Falling):
    """Does not say so itself."""


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_callbacks_that_say_that_they_set_rates_are_vectorized(optimizer):
    made = check(learner(optimizer=optimizer, o_weight_decay=0.1, o_lr=0.1, callbacks=[Falling()]))
    assert {state(one).engine for one in made} == {"rules"}
    check(learner(optimizer=optimizer, callbacks=[Inherits()]), together=1)


def test_other_shapes_go_apart():
    narrow, wide = learner(seed=1), learner(nn("linear", out_features=9) >> nn("relu") >> nn("head"), seed=1)
    trains, _ = folds(task())
    made = train([narrow, wide, narrow.clone(), wide.clone()], [*trains, trains[0]])
    assert [state(m).vectorized for m in made] == [2, 2, 2, 2]


def test_line_search_looks_at_the_batch_and_so_is_alone():
    check(learner(optimizer="aum_line_search", loss="aum", batch_size=16), together=1)


# ---------------------------------------------------------------- batches


@pytest.mark.parametrize("size", [1, 5, 8, 16, 30, 31, 100])
def test_ragged_last_batches_and_jobs_without_one(size):
    """30 and 31 rows: with batches of 5 and 30 one job has a batch more than the others."""
    for optimizer in ("adam", "sgd"):
        check(learner(batch_size=size, optimizer=optimizer, epochs=3, **({"o_momentum": 0.9} if optimizer == "sgd" else {})))


@pytest.mark.parametrize("settings", [{"shuffle": False}, {"drop_last": True}, {"shuffle": False, "drop_last": True}])
def test_order_and_leftovers(settings):
    check(learner(NETWORKS["dropout"], **settings))


@pytest.mark.parametrize("sampler", [StratifiedBatches(min_per_stratum=2), WeightedBatches(batch_size=7, weights={"yes": 2.0})])
def test_samplers(sampler):
    check(sampled(sampler))


def sampled(sampler):
    graph = (
        po("torch_ingress_num")
        >> NETWORKS["dropout"]
        >> po("torch_loss", loss="cross_entropy")
        >> po("torch_optimizer", optimizer="adam", lr=0.02)
        >> po("torch_model_classif", epochs=3, batch_sampler=sampler, predict_type="prob", measures_train=["classif.ce"])
    )
    return as_learner(graph)


def uneven(task, generator):
    """Batches of random sizes, as many as there happen to be."""
    order, rows = torch.randperm(task.nrow, generator=generator), []
    while len(order):
        size = int(torch.randint(1, 9, (1,), generator=generator))
        rows, order = [*rows, order[:size]], order[size:]
    return rows


uneven.only_reads = True


class Counting:
    """Draws differently each time, whoever asks."""

    def __init__(self):
        self.calls = 0

    def __call__(self, task, generator):
        self.calls += 1
        return np.array_split(np.arange(task.nrow), 3 + self.calls)


def test_a_sampler_of_ones_own_with_uneven_batches():
    check(sampled(uneven))


def test_a_sampler_of_ones_own_is_alone_unless_it_says_that_it_keeps_nothing():
    trains, _ = folds(task())
    alone, together = (train([one.clone().seeded(i) for i in range(3)], trains, alone=a) for a, one in (
        (True, sampled(Counting())), (False, sampled(Counting()))
    ))  # fmt: skip
    assert [state(m).vectorized for m in together] == [1, 1, 1]
    for one, other in zip(alone, together, strict=True):
        equal(one, other, task())


def test_a_class_that_is_patched_or_wrapped_is_ones_own(monkeypatch):
    trains, _ = folds(task())
    forward = torch.nn.Linear.forward
    monkeypatch.setattr(torch.nn.Linear, "forward", lambda self, x: forward(self, x) * 2)
    made = train([learner(seed=1).clone() for _ in trains], trains)
    assert {(state(m).vectorized, state(m).engine) for m in made} == {(1, "autograd")}


class Wrapped(Remembering):
    """Is given another class by torch."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(2, 2))
        torch.nn.utils.parametrizations.orthogonal(self, "scale")


layer("wrapped_for_tests", Wrapped, shape="same")


def test_what_torch_makes_of_ones_own_class_is_ones_own():
    check(learner(nn("wrapped_for_tests") >> nn("head"), o_weight_decay=0.1, optimizer="sgd"), together=1)


def test_much_smaller_data_is_not_joined_with_larger():
    whole = task()
    ids = np.asarray(whole.row_ids)
    tasks = [whole.filter(ids[:40]), whole.filter(ids[:20]), whole.filter(ids[:38]), whole.filter(ids[:19])]
    check(learner(), tasks=tasks, together=2)


@pytest.mark.parametrize("limit", ["LIMIT", "CACHED"])
def test_what_is_large_is_not_joined(monkeypatch, limit):
    monkeypatch.setattr(f"pipeops.net.vectorized.groups.{limit}", 200)
    check(learner(), together=1)


@given(
    st.lists(st.integers(1, 9), max_size=3),
    st.integers(1, 33),
    st.sampled_from(["adam", "adamw", "sgd"]),
    st.sampled_from(["relu", "tanh", "gelu", "softplus"]),
    st.lists(st.floats(1e-3, 0.1), min_size=3, max_size=3),
    st.integers(0, 100),
)
def test_any_small_network(widths, size, optimizer, activation, rates, seed):
    layers = nn("identity")
    for i, width in enumerate(widths):
        layers = layers >> nn("linear", out_features=width, id=f"linear{i}") >> nn(activation, id=f"act{i}")
    made = [learner(layers >> nn("head"), optimizer=optimizer, batch_size=size, seed=seed + i, epochs=2) for i in range(3)]
    for one, rate in zip(made, rates, strict=True):
        one.params["torch_optimizer.lr"] = rate
    check(made)


# ---------------------------------------------------------------- scores, stopping, callbacks

WATCHED = {"measures_valid": ["classif.logloss", "classif.ce"], "measures_train": ["classif.ce"]}


def test_history_and_best_epochs():
    made = check(learner(**WATCHED), valid=True)
    assert made[0].history.columns == ["epoch", "train.classif.ce", "train.loss", "valid.classif.logloss", "valid.classif.ce"]
    assert made[0].history.height == 4


@pytest.mark.parametrize("restore", [False, True])
@pytest.mark.parametrize("layers", ["mlp", "dropout"])
def test_each_stops_for_itself(layers, restore):
    settings = {**WATCHED, "patience": 2, "restore_best_weights": restore, "epochs": 40, "o_lr": 0.05}
    made = check(learner(NETWORKS[layers], **settings), valid=True)
    assert len({state(one).epochs for one in made}) > 1
    assert max(state(one).epochs for one in made) < 40


def test_scores_now_and_then():
    check(learner(**WATCHED, eval_freq=3, epochs=5), valid=True)


def test_a_ratio_of_the_rows_validates():
    one = as_learner(learner(**WATCHED, patience=1, seed=4).graph, validate=0.3)
    check(one)


def test_one_that_diverges_fails_alone():
    made = [learner(optimizer="sgd", loss="mse", model="regr", seed=i, epochs=6) for i in range(3)]
    made[1].params["torch_optimizer.lr"] = 1e12
    trained = check(made, "regr")
    assert [isinstance(one, Exception) for one in trained] == [False, True, False]
    assert "the loss became" in str(trained[1])
    assert "in node 'torch_model_regr', training" in trained[1].__notes__
    assert made[1].state is None


def test_bad_data_fails_alone():
    whole = task()
    trains, _ = folds(whole)
    holed = FRAME.with_columns(y=pl.Series(TWO), a=pl.when(pl.int_range(N) < 5).then(None).otherwise(pl.col("a")))
    trains[1] = as_task_classif(holed, target="y", positive="yes")
    made = train([learner(seed=i) for i in range(3)], trains)
    assert "missing values" in str(made[1])
    assert [state(made[i]).vectorized for i in (0, 2)] == [2, 2]


class Note(Callback):
    """Reads what a callback may read at the end of an epoch."""

    only_reads = True
    seen: list = []

    def on_epoch_end(self, ctx):
        shapes = (ctx.x[0].shape, ctx.y.shape, ctx.y_hat.shape)
        last = (round(ctx.last_loss, 4), torch.rand(1).item(), ctx.lr, len(ctx.optimizer.param_groups))
        Note.seen.append((ctx.epoch, ctx.step, ctx.global_step, shapes, *last))


def test_callbacks_that_only_read_see_their_own_run():
    trains, _ = folds(task())
    Note.seen.clear()
    train([learner(callbacks=[Note()], seed=i) for i in range(3)], trains, alone=True)
    expected = Note.seen.copy()
    Note.seen.clear()
    made = train([learner(callbacks=[Note()], seed=i) for i in range(3)], trains)
    assert state(made[0]).vectorized == 3
    assert sorted(Note.seen) == sorted(expected)
    assert len(expected) == 12


class Heir(Note):
    """Says nothing itself."""


@pytest.mark.parametrize("callback", [torch_callback("epoch", on_epoch_end=lambda ctx: None), Heir()])
def test_callbacks_of_ones_own_are_alone(callback):
    check(learner(callbacks=[callback]), together=1)


def test_schedules_over_the_torch_object():
    own = {}

    def begin(ctx):
        own[id(ctx)] = torch.optim.lr_scheduler.StepLR(ctx.optimizer, 1, gamma=0.5)

    def end(ctx):
        own[id(ctx)].step()

    for optimizer in ("adam", "sgd"):
        callback = torch_callback("schedule", on_begin=begin, on_epoch_end=end)
        check(learner(callbacks=[callback], optimizer=optimizer), together=1)


def test_callbacks_within_epochs_are_alone():
    check(learner(callbacks=[torch_callback("batch", on_batch_end=lambda ctx: None)]), together=1)


class Failing(Callback):
    only_reads = True

    def on_epoch_end(self, ctx):
        if ctx.epoch == 2 and ctx.task.nrow == 31:
            raise ValueError("enough")


def test_a_callback_that_fails_stops_its_run_only():
    made = check(learner(callbacks=[Failing()]))
    assert [isinstance(one, Exception) for one in made] == [False, True, True]


def test_an_error_of_the_engine_is_made_good(monkeypatch):
    from pipeops.net.vectorized.ensemble import Ensemble

    train_segment, calls = Ensemble._train, []

    def breaks(self, *given):
        if len(self.courses) > 1:
            calls.append(1)
        if len(calls) == 5:
            calls.append(1)
            raise RuntimeError("out of memory")
        return train_segment(self, *given)

    monkeypatch.setattr(Ensemble, "_train", breaks)
    check(learner(), together=1)
    assert len(calls) == 6


def test_global_generators_are_left_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    train([learner(NETWORKS["dropout"], seed=i) for i in range(3)], folds(task())[0])
    assert torch.equal(before, torch.get_rng_state())


def test_states_share_no_memory():
    made = train([learner(seed=i) for i in range(3)], folds(task())[0])
    for one in made:
        assert all(p.untyped_storage().nbytes() == p.nbytes for p in one.network.parameters())
        assert not one.network.training


def test_equal_seeds_and_rows_give_bit_equal_networks():
    whole = task()
    made = train([learner(NETWORKS["dropout"], seed=1) for _ in range(2)], [whole, whole])
    pairs = zip(made[0].network.parameters(), made[1].network.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_no_epochs_at_all():
    check(learner(epochs=0))


def test_functools_partial_of_one_function_counts_as_one_loss():
    def scaled(input, target, scale):
        return scale * (input - target).pow(2).mean()

    scaled.only_reads = True
    check(learner(loss=functools.partial(scaled, scale=2.0), model="regr"), "regr", together=1)
