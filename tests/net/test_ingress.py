"""Ingress: values beside numpy, codes beside the reference, and what is refused before training."""

import datetime as dt

import numpy as np
import polars as pl
import pytest
import torch

from pipeops import as_learner, as_task_classif, nn, po
from pipeops.errors import CompositionError, DataError
from pipeops.net import codes, compile_network, layer

FRAME = {
    "color": ["red", "blue", "red", "green"],
    "ok": [True, False, True, True],
    "x": [1.0, 2.5, -3.0, 4.0],
    "n": [1, 2, 3, 4],
    "y": ["a", "b", "b", "a"],
}
TASK = as_task_classif(FRAME, target="y", id="mixed")


def first(node, task):
    (value,), state = node.train([task])
    return value, state


def test_numeric_values_and_order():
    descriptor, state = first(po("torch_ingress_num"), TASK.select(["n", "x", "ok"]))
    source = descriptor.feed.sources["torch_ingress_num"]
    assert source.tensor().dtype == torch.float32
    assert source.tensor().tolist() == [[1, 1, 1], [2, 2.5, 0], [3, -3, 1], [4, 4, 1]]
    assert source.tensor() is source.tensor()
    assert descriptor.symbol.shape == (None, 3)
    assert state == {"layout": {"n": "numeric", "x": "numeric", "ok": "boolean"}}


def test_blocks_are_the_tensor(binary):
    node = po("torch_ingress_num")
    descriptor, state = first(node, binary)
    (feed,) = node.predict([binary], state)
    whole = descriptor.feed.sources["torch_ingress_num"].tensor()
    parts = [(start, stop, part.clone()) for start, stop, part in feed.sources["torch_ingress_num"].blocks(4)]
    assert [p[:2] for p in parts] == [(0, 4), (4, 6)]
    assert torch.equal(torch.cat([p[2] for p in parts]), whole)


def test_predict_puts_columns_in_the_order_of_training(binary):
    node = po("torch_ingress_num")
    descriptor, state = first(node, binary.select(["b", "a"]))
    (feed,) = node.predict([binary.select(["a", "b"])], state)
    assert torch.equal(feed.sources["torch_ingress_num"].tensor(), descriptor.feed.sources["torch_ingress_num"].tensor())


def test_codes_follow_the_levels():
    frame = pl.DataFrame(FRAME).with_columns(pl.col("color").cast(pl.Enum(["red", "green", "blue"])))
    task = as_task_classif(frame, target="y").select(["color", "ok"])
    descriptor, state = first(po("torch_ingress_categ"), task)
    assert descriptor.feed.sources["torch_ingress_categ"].tensor().tolist() == [[0, 1], [2, 0], [0, 1], [1, 1]]
    assert descriptor.symbol.levels == (3, 2)
    assert descriptor.symbol.dtype == torch.int64
    assert state["levels"] == {"color": ["red", "green", "blue"], "ok": [False, True]}


def test_codes_of_the_reference_counted_from_zero(reference):
    (case,) = [c for c in reference("12_torch_facts")["cases"] if c["case"] == "categ_ingress_codes"]
    data = {c["name"]: c for c in reference("tasks")["tasks"]["mixed_tr"]["data_columns"]}
    rows = [i - 1 for i in (1, 2, 4, 6, 7, 8, 12)]
    names = case["value"]["features"]
    frame = {"y": ["a", "b"] * 3 + ["a"]}
    for name in names:
        values = [data[name]["values"][i] for i in rows]
        levels = data[name].get("levels")
        frame[name] = pl.Series(name, values, dtype=pl.Enum(levels)) if levels else values
    task = as_task_classif(pl.DataFrame(frame), target="y").select(names)
    descriptor, _ = first(po("torch_ingress_categ"), task)
    codes = descriptor.feed.sources["torch_ingress_categ"].tensor() + 1
    # the reference's codes come column by column
    assert codes.reshape(-1).tolist() == case["value"]["codes"]


def test_numeric_and_categorical_side_by_side():
    def branch(columns, ingress):
        return po("select", id=f"select_{ingress}", selector=columns) >> po(f"torch_ingress_{ingress}")

    graph = [
        branch(["color", "ok"], "categ") >> nn("embedding", embedding_dim=3) >> nn("flatten"),
        branch(["x", "n"], "num"),
    ] >> nn("merge_cat") >> nn("head")  # fmt: skip
    descriptor = graph.train(TASK)
    assert descriptor.symbol.inputs[0].shape == (None, 8)
    network = compile_network(descriptor.symbol)
    assert list(network.state_dict()) == ["embedding.weight", "head.weight", "head.bias"]
    assert network.embedding.weight.shape == (5, 3)
    feed = graph.predict(TASK)
    tensors = {name: source.tensor() for name, source in feed.sources.items()}
    weight, codes = network.embedding.weight, tensors["torch_ingress_categ"]
    by_hand = torch.cat([weight[codes[:, 0]], weight[3 + codes[:, 1]], tensors["torch_ingress_num"]], dim=1)
    torch.testing.assert_close(network(**tensors), network.head(by_hand))


MISSING = as_task_classif(
    {"x": [1.0, None, float("nan")], "z": [1.0, 2.0, None], "c": ["u", None, "v"], "y": ["a", "b", "a"]}, target="y"
)


@pytest.mark.parametrize(
    ("key", "task", "parts"),
    [
        ("torch_ingress_num", MISSING.select(["x", "z"]), ["'x' (2)", "'z' (1)", 'po("imputemean")', 'po("missind")']),
        ("torch_ingress_categ", MISSING.select(["c"]), ["'c' (1)", 'po("imputemode")']),
        ("torch_ingress_num", TASK, ["'color' (categorical)", 'po("encode")', "torch_ingress_categ"]),
        ("torch_ingress_categ", TASK, ["'x' (numeric)", "torch_ingress_num", 'po("select")']),
        ("torch_ingress_num", TASK.select([]), ["no features left"]),
        ("torch_ingress_categ", TASK.select([]), ["no features left"]),
    ],
)
def test_refused_before_training(key, task, parts):
    with pytest.raises(DataError) as error:
        po(key).train([task])
    for part in [key, *parts]:
        assert part in str(error.value)


def _predict(key, columns, other):
    node = po(key)
    _, state = first(node, TASK.select(columns))
    (feed,) = node.predict([as_task_classif(other, target="y")], state)
    for _ in feed.sources[key].blocks(2):
        pass


@pytest.mark.parametrize(
    ("key", "columns", "other", "parts"),
    [
        ("torch_ingress_num", ["x", "n"], {"x": [1.0, 2.0]}, ["'n' missing"]),
        ("torch_ingress_num", ["x"], {"x": [1.0, 2.0], "w": [1, 2]}, ["'w' not there in training"]),
        ("torch_ingress_num", ["x"], {"x": ["1", "2"]}, ["'x' is categorical, was numeric"]),
        ("torch_ingress_num", ["x"], {"x": [1.0, None]}, ["'x' (1)", "imputemean"]),
        ("torch_ingress_categ", ["color"], {"color": ["red", None]}, ["'color' (1)", "imputemode"]),
    ],
)
def test_refused_at_predict(key, columns, other, parts):
    with pytest.raises(DataError) as error:
        _predict(key, columns, {**other, "y": ["a", "b"]})
    for part in [key, *parts]:
        assert part in str(error.value)


def codes_of(node, state, values):
    (feed,) = node.predict([as_task_classif({"color": values, "y": ["a", "b"]}, target="y")], state)
    return feed.sources["torch_ingress_categ"].tensor().ravel().tolist()


def test_what_training_did_not_see_has_the_code_after_all_others():
    task = TASK.select(["color"])
    node = po("torch_ingress_categ")
    descriptor, state = first(node, task)
    n = len(task.levels("color"))
    assert descriptor.symbol.levels == (n,)
    assert codes_of(node, state, ["pink", task.levels("color")[0]]) == [n, 0]


@pytest.mark.parametrize("values", [["u", None, "v"], ["u", "v", "v"]], ids=["seen", "not seen"])
def test_missing_values_have_a_code_of_their_own_if_asked(values):
    node = po("torch_ingress_categ", missing=True)
    descriptor, state = first(node, as_task_classif({"color": values, "y": ["a", "b", "a"]}, target="y"))
    seen = None in values
    assert descriptor.symbol.levels == (2 + seen,)
    assert codes_of(node, state, [None, "w"]) == [2, 2 + seen]


@pytest.mark.parametrize(
    "layer", [nn("embedding", embedding_dim=3), nn("tokenizer_categ", d_token=3)], ids=["embedding", "tokens"]
)
def test_unknown_levels_are_the_mean_of_their_column(layer):
    task = as_task_classif({"a": ["u", "v", "w"], "b": ["k", "l", "k"], "y": ["a", "b", "a"]}, target="y")
    graph = po("torch_ingress_categ") >> layer >> nn("flatten") >> nn("head")
    graph = graph >> po("torch_loss", loss="cross_entropy") >> po("torch_optimizer", lr=0.1)
    learner = as_learner(graph >> po("torch_model_classif", epochs=2, batch_size=3, seed=1, predict_type="prob")).train(task)
    module = learner.network.get_submodule(layer.id)
    table = (module if layer.id == "embedding" else module.embeddings).weight
    right = torch.stack([table[:3].mean(0), table[4]]) + (0 if layer.id == "embedding" else module.bias)
    with torch.no_grad():
        prob = torch.sigmoid(learner.network.head(right.reshape(1, -1)))
    unknown = learner.predict_newdata({"a": ["x"], "b": ["l"]})
    assert unknown.prob[0, 0] == pytest.approx(prob.item(), abs=1e-6)


class Own(torch.nn.Module):
    """An embedding of one's own for one column."""

    def __init__(self, sizes, dim: int = 2):
        super().__init__()
        self.table = torch.nn.Embedding(sizes[0], dim)

    def forward(self, codes):
        return self.table(codes[:, 0])


def test_a_layer_of_ones_own_is_told_of_the_code_for_unknown_levels():
    layer("ingress_own", Own, takes=torch.int64, sizes=codes)
    graph = po("torch_ingress_categ") >> nn("ingress_own") >> nn("head")
    graph = graph >> po("torch_loss", loss="cross_entropy") >> po("torch_optimizer")
    task = as_task_classif({"color": ["u", "v", "u"], "y": ["a", "b", "b"]}, target="y")
    learner = as_learner(graph >> po("torch_model_classif", epochs=1, batch_size=3, predict_type="prob")).train(task)
    assert np.isfinite(learner.predict_newdata({"color": ["pink"]}).prob).all()


class Tight(torch.nn.Module):
    """Has room for the levels of training, and no more."""

    def __init__(self):
        super().__init__()
        self.table = torch.nn.Embedding(2, 3)

    def forward(self, x):
        return self.table(x[:, 0])


def test_a_module_without_room_takes_unseen_levels_for_the_first():
    graph = po("torch_ingress_categ") >> nn("module", module=Tight) >> nn("head") >> po("torch_loss", loss="cross_entropy")
    model = po("torch_model_classif", epochs=1, batch_size=3, predict_type="prob", measures_valid=["classif.acc"], seed=1)
    learner = as_learner(graph >> po("torch_optimizer") >> model, validate="predefined")
    task = as_task_classif({"color": ["u", "v", "u"], "y": ["a", "b", "b"]}, target="y")
    with pytest.warns(UserWarning, match="no room for levels that training did not see"):
        learner.train(task, valid=as_task_classif({"color": ["pink", "v"], "y": ["a", "b"]}, target="y"))
    with pytest.warns(UserWarning, match="no room for levels that training did not see"):
        prob = learner.predict_newdata({"color": ["pink", "v", "u"]}).prob
    assert np.array_equal(prob[0], prob[2])
    assert not np.array_equal(prob[0], prob[1])


def test_an_ingress_may_have_nothing_to_do():
    numbers = po("torch_ingress_num") >> nn("linear", out_features=2)
    places = po("select", selector=[]) >> po("torch_ingress_categ", optional=True) >> nn("embedding", embedding_dim=2)
    graph = [numbers, places >> nn("flatten")] >> nn("merge_cat")
    task = TASK.select(["x", "n"])
    assert graph.train(task).symbol.shape == (None, 2)
    assert list(graph.predict(task).sources) == ["torch_ingress_num"]


def test_codes_in_a_linear_layer_are_refused_with_help():
    graph = po("torch_ingress_categ") >> nn("linear", out_features=2)
    with pytest.raises(DataError, match=r'linear.*nn\("embedding"'):
        graph.train(TASK.select(["color"]))


def test_branches_must_see_the_same_rows_and_target():
    graph = [po("torch_ingress_num", id="one"), po("torch_ingress_num", id="two")] >> nn("merge_sum")
    numbers = TASK.select(["x", "n"])
    for other, part in (
        (numbers.filter([0, 1]), "different rows"),
        (as_task_classif({**FRAME, "z": FRAME["y"]}, target="z"), "target"),
    ):
        with pytest.raises(DataError, match=part):
            graph.train({"one": numbers, "two": other.select(["x", "n"])})


def test_a_network_node_cannot_feed_a_task_operator():
    with pytest.raises(CompositionError, match="torch_ingress_num"):
        po("torch_ingress_num") >> po("scale")


def test_dates_are_not_sent_to_encode():
    frame = pl.DataFrame({"when": [dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 2)], "y": ["a", "b"]})
    task = as_task_classif(frame, target="y")
    with pytest.raises(DataError, match=r"'when' \(datetime\); make numbers of them first.*colapply") as caught:
        po("torch_ingress_num").train([task])
    assert "encode" not in str(caught.value)
    numbers = po("colapply", affect_columns=["when"], applicator=lambda x: x.dt.timestamp("ms")) >> po("torch_ingress_num")
    numbers.train(task)


# ---------------------------------------------------------------- infinite values


INFINITE = {"inf": float("inf"), "-inf": float("-inf"), "too large for float32": 1e300}


def with_value(value, rows=20):
    x = np.arange(rows, dtype=float)
    x[3] = value
    return as_task_classif({"x": x, "z": np.arange(rows) * 2.0, "y": ["a", "b"] * (rows // 2)}, target="y")


@pytest.mark.parametrize("value", INFINITE.values(), ids=INFINITE)
def test_infinite_values_are_refused_in_training_and_prediction(value):
    node = po("torch_ingress_num")
    with pytest.raises(DataError, match=r"torch_ingress_num: infinite values in 'x' \(1\) \(float32 .* 3.4e\+38"):
        node.train([with_value(value)])
    _, state = node.train([with_value(0.0)])
    (feed,) = node.predict([with_value(value)], state)
    for read in (lambda s: s.tensor(), lambda s: list(s.blocks(8))):
        with pytest.raises(DataError, match=r"infinite values in 'x' \(1\)"):
            read(feed.sources["torch_ingress_num"])


def test_infinite_values_of_both_signs():
    task = as_task_classif({"x": [1.0, np.inf, -np.inf], "z": [np.inf, 2.0, 0.0], "y": ["a", "b", "a"]}, target="y")
    with pytest.raises(DataError, match=r"infinite values in 'x' \(2\), 'z' \(1\)"):
        po("torch_ingress_num").train([task])


def test_missing_values_are_named_first():
    task = as_task_classif({"x": [1.0, np.inf, 2.0], "z": [None, 2.0, 0.0], "y": ["a", "b", "a"]}, target="y")
    with pytest.raises(DataError, match=r"missing values in 'z' \(1\); impute"):
        po("torch_ingress_num").train([task])


def test_finite_values_whose_sum_overflows_are_fine():
    task = as_task_classif({"x": [3e38, 3e38, 3e38], "y": ["a", "b", "a"]}, target="y")
    descriptor, _ = first(po("torch_ingress_num"), task)
    assert torch.isfinite(descriptor.feed.sources["torch_ingress_num"].tensor()).all()
