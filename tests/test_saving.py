"""Saving without pickle: values, graphs and learners come back the same, in another process too; bad files are refused."""

import copy
import datetime as dt
import json
import math
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from pipeops import (
    as_learner,
    as_task_classif,
    as_task_regr,
    auto_tuner,
    load_learner,
    lrn,
    nn,
    po,
    rsmp,
    saving,
    t_loss,
    to_tune,
    tsk,
)
from pipeops.errors import FormatError
from pipeops.net import layer
from pipeops.ops import Preprocess, operator
from pipeops.params import UNSET, real
from pipeops.saving import Decoder, Encoder
from tests.hostile import altered

ROOT = Path(__file__).parents[1]


def round_trip(value: Any, trust: Any = ()) -> Any:
    encoder = Encoder()
    text = json.dumps(encoder.encode(value), allow_nan=False)
    return Decoder(encoder.arrays, trust).decode(json.loads(text))


def same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        kind = a.dtype.newbyteorder("=")
        return type(b) is np.ndarray and b.dtype == kind and b.shape == a.shape and same(a.tolist(), b.tolist())
    if isinstance(a, float) and math.isnan(a):
        return isinstance(b, float) and math.isnan(b)
    if isinstance(a, dict):
        return type(b) is dict and list(a) == list(b) and all(map(same, a.values(), b.values()))
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


# ---------------------------------------------------------------- values

dtypes = npst.boolean_dtypes() | npst.integer_dtypes() | npst.unsigned_integer_dtypes() | npst.floating_dtypes(sizes=(16, 32, 64))
leaves = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
    | st.datetimes() | st.dates() | st.timedeltas()
    | npst.arrays(dtypes, npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
    | npst.arrays(npst.unicode_string_dtypes(max_len=4), npst.array_shapes(max_side=3))
    | npst.arrays(npst.datetime64_dtypes(max_period="D", min_period="us"), npst.array_shapes(max_side=3))
    | st.frozensets(st.integers(0, 9), max_size=3).map(set)
)  # fmt: skip
keys = st.text(max_size=3) | st.integers() | st.booleans() | st.none() | st.sampled_from(["$", "$x"])


def containers(inner: Any) -> Any:
    return st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple) | st.dictionaries(keys, inner, max_size=3)


@given(st.recursive(leaves, containers, max_leaves=6))
def test_plain_values_come_back(value):
    assert same(value, round_trip(value))


TENSORS = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int8, torch.uint8, torch.bool]


@pytest.mark.parametrize("dtype", TENSORS, ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0), (2, 3)], ids=str)
def test_tensors_come_back(dtype, shape):
    value = (torch.rand(shape) * 3).to(dtype)
    back = round_trip([value, value.t() if value.ndim == 2 else value])
    assert back[0].dtype == dtype
    assert torch.equal(back[0], value)
    assert torch.equal(back[1], value.t() if value.ndim == 2 else value)


@pytest.mark.parametrize(
    "value",
    [
        po("scale", center=False),
        po("scale_2"),
        po("select", selector=re.compile("^a")),
        nn("linear", out_features=3, id="deep"),
        po("torch_model_classif", epochs=2),
        po("torch_loss", loss="cross_entropy", class_weight={"M": 3.0}),
        po("torch_optimizer", optimizer="sgd", lr=0.5, momentum=0.9),
        po("torch_optimizer", optimizer=torch.optim.NAdam, lr=0.5),
        t_loss("huber", delta=2.0),
        lrn("classif.featureless"),
        torch.nn.ReLU,
        torch.float64,
        UNSET,
    ],
    ids=repr,
)
def test_registered_things_come_back(value):
    assert repr(round_trip(value)) == repr(value)


def test_numpy_scalars_become_pythons():
    assert same(round_trip([np.int64(3), np.float32(0.5), np.bool_(True), np.str_("a")]), [3, 0.5, True, "a"])
    assert same(round_trip(np.array([1, 2], dtype=">i4")).astype("<i4"), np.array([1, 2], dtype="<i4"))


@pytest.mark.parametrize(
    "value",
    [object(), 1j, iter([]), open, lambda x: x, b"bytes"],
    ids=["object", "complex", "iterator", "open", "lambda", "bytes"],
)
def test_what_cannot_come_back_is_refused_when_written(value, tmp_path):
    if callable(value):
        with pytest.raises(FormatError, match=r"trust=|name of its own|lambda|not registered"):
            round_trip(value)
    else:
        with pytest.raises(FormatError, match=r"save: cannot save"):
            round_trip([value])
    if not callable(value):
        with pytest.raises(FormatError):
            saving.write(tmp_path / "file", "thing", value)
        assert not (tmp_path / "file").exists()


# ---------------------------------------------------------------- tasks


@pytest.mark.parametrize("library", ["polars", "pandas", "pyarrow"])
def test_prototypes_come_back(library):
    from pipeops.data.stored import prototype

    frame = pl.DataFrame(
        {
            "x": [1.5, None],
            "i": [1, 2],
            "flag": [True, False],
            "text": ["a", "b"],
            "level": pl.Series(["lo", "hi"], dtype=pl.Enum(["lo", "mid", "hi"])),
            "when": [dt.datetime(2020, 1, 1), dt.datetime(2021, 1, 1)],
            "y": ["p", "n"],
        }
    )
    native = {"polars": frame, "pandas": frame.to_pandas(), "pyarrow": frame.to_arrow()}[library]
    task = as_task_classif(native, target="y", positive="p").with_roles(stratum="y")
    back = round_trip(prototype(task))
    assert (back.nrow, back.feature_names, back.feature_types) == (0, task.feature_names, task.feature_types)
    assert (back.class_names, back.positive, back.roles, back.id) == (task.class_names, "p", task.roles, task.id)
    assert type(back.data()) is type(task.data())
    assert library == "pyarrow" or back.levels("level") == ["lo", "mid", "hi"], "an empty arrow dictionary has no levels"


# ---------------------------------------------------------------- learners


def network(output: str, *layers: Any, **model: Any) -> Any:
    loss = "cross_entropy" if output == "classif" else "mse"
    parts = [
        po("torch_ingress_num"), *layers, nn("head"), po("torch_loss", loss=loss), po("torch_optimizer", lr=0.01),
        po(f"torch_model_{output}", epochs=2, batch_size=16, seed=1, **model),
    ]  # fmt: skip
    graph = parts[0]
    for part in parts[1:]:
        graph = graph >> part
    return graph


def mixed() -> Any:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame(
        {
            "a": [None if k % 7 == 0 else float(v) for k, v in enumerate(rng.normal(size=60))],
            "b": rng.integers(0, 9, 60),
            "c": [["u", "v", None][k % 3] for k in range(60)],
            "y": [["yes", "no"][k % 2] for k in range(60)],
        }
    )
    return as_task_classif(frame, target="y", positive="yes", id="mixed")


PREPARED = po("imputemean") >> po("imputemode") >> po("encode") >> po("scale")
LAYERS = [nn("linear", out_features=8), nn("batch_norm1d"), nn("relu"), nn("dropout", p=0.2)]
BRANCHED = [[nn("linear", out_features=4), nn("linear", out_features=4) >> nn("tanh")], nn("merge_cat")]
LEARNERS = {
    "featureless": (lambda: as_learner(po("scale") >> lrn("classif.featureless")), lambda: tsk("iris")),
    "binary": (lambda: as_learner(po("scale") >> network("classif", *LAYERS, predict_type="prob")), lambda: tsk("breast_cancer")),
    "classes": (lambda: as_learner(network("classif", *BRANCHED, predict_type="prob")), lambda: tsk("wine")),
    "mixed": (lambda: as_learner(PREPARED >> network("classif", *LAYERS, predict_type="prob"), validate=0.3), mixed),
    "regr": (
        lambda: as_learner(po("scale") >> network("regr", nn("linear", out_features=4), nn("gelu"))),
        lambda: tsk("diabetes"),
    ),
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    """Every learner, trained and saved, and its predictions as columns of numbers."""
    folder = tmp_path_factory.mktemp("saved")
    for name, (make, data) in LEARNERS.items():
        learner = make().train(data())
        learner.save(folder / name)
        learner.predict(data()).to_frame().write_ipc(folder / f"{name}.arrow")
    return folder


@pytest.mark.parametrize("name", LEARNERS)
def test_learners_come_back(saved, name):
    make, data = LEARNERS[name]
    learner = load_learner(saved / name)
    assert learner.is_trained
    assert repr(learner.params) == repr(make().params)
    assert learner.predict(data()).to_frame().equals(pl.read_ipc(saved / f"{name}.arrow"), null_equal=True)
    assert learner.state.prototype.nrow == 0
    frame = data().data()
    newdata = learner.predict_newdata(frame.drop(data().target_names))
    assert newdata.response.tolist() == learner.predict(data()).response.tolist()


def test_predictions_are_bit_equal_in_another_process(saved):
    code = f"""
import sys
from pathlib import Path
import polars as pl
from pipeops import load_learner, tsk
tasks = {{"featureless": "iris", "binary": "breast_cancer", "classes": "wine", "regr": "diabetes"}}
for name, key in tasks.items():
    got = load_learner(Path(r"{saved}", name)).predict(tsk(key)).to_frame()
    assert got.equals(pl.read_ipc(Path(r"{saved}", name + ".arrow")), null_equal=True), name
assert "torch._dynamo" not in sys.modules
"""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_a_network_learner_knows_comes_back(tmp_path):
    learner = LEARNERS["mixed"][0]()
    learner.params["torch_model_classif.measures_valid"] = ["classif.acc"]
    learner.train(mixed())
    learner.save(tmp_path / "file")
    back = load_learner(tmp_path / "file")
    assert back.history.equals(learner.history)
    assert back.best_epoch == learner.best_epoch
    assert back.internal_valid_scores == learner.internal_valid_scores
    assert list(back.network.state_dict()) == list(learner.network.state_dict())
    assert all(
        torch.equal(a, b) for a, b in zip(back.network.state_dict().values(), learner.network.state_dict().values(), strict=True)
    )
    assert back.network.code == learner.network.code
    assert back.model["scale"]["learnt"] == learner.model["scale"]["learnt"]
    back.train(mixed())
    assert np.array_equal(back.predict(mixed()).prob, learner.predict(mixed()).prob), "training again gives the same"


def test_untrained_learners_come_back(tmp_path):
    learner = as_learner(po("scale") >> network("classif", nn("linear")), id="mine", validate=0.25)
    learner.save(tmp_path / "file")
    back = load_learner(tmp_path / "file")
    assert not back.is_trained
    assert (back.id, back.validate, repr(back.params)) == ("mine", 0.25, repr(learner.params))
    assert back.graph.ids() == learner.graph.ids()
    assert (po("scale") >> back.graph).ids()[1] == "scale_2", "automatic ids stay automatic"
    assert back.params["linear.out_features"] is UNSET


# ---------------------------------------------------------------- bad files


@pytest.fixture
def file(saved) -> bytes:
    return (saved / "binary").read_bytes()


def refused(content: bytes, path: Path, words: str) -> None:
    path.write_bytes(content)
    with pytest.raises(FormatError, match=words):
        load_learner(path)


def test_truncated_and_foreign_files_are_refused(file, tmp_path):
    for length in (0, 1, 7, 8, 20, len(file) // 2, len(file) - 1):
        refused(file[:length], tmp_path / "f", r"load: .*f is truncated or no pipeops file|altered")
    refused(file + b"x", tmp_path / "f", r"truncated or no pipeops file|altered")
    refused(b"hello, this is text", tmp_path / "f", r"no pipeops file")
    refused(pickle.dumps({"a": 1}), tmp_path / "f", r"no pipeops file")
    with pytest.raises(FormatError, match=r"load: cannot read .*nowhere"):
        load_learner(tmp_path / "nowhere")
    with pytest.raises(FormatError, match=r"load: cannot read"):
        load_learner(tmp_path)


def test_every_altered_byte_is_found(file, tmp_path):
    rng = np.random.default_rng(0)
    for at in [*rng.integers(8, len(file), 25), len(file) - 1, len(file) - 40]:
        changed = bytearray(file)
        changed[at] ^= 1
        refused(bytes(changed), tmp_path / "f", r"load: ")


def test_newer_formats_and_other_kinds_are_refused(file, tmp_path):
    refused(
        altered(file, lambda s: s.update(format=99)),
        tmp_path / "f",
        r"has format 99, this version reads up to \d+; update pipeops",
    )
    refused(altered(file, lambda s: s.update(kind="benchmark")), tmp_path / "f", r"holds a benchmark, not a learner")
    (tmp_path / "f").write_bytes(file)
    with pytest.raises(FormatError, match=r"holds a learner, not a benchmark"):
        saving.read(tmp_path / "f", "benchmark")


# ---------------------------------------------------------------- one's own


class Swish(torch.nn.Module):
    def __init__(self, beta: float = 1.0):
        super().__init__()
        self.beta = beta

    def forward(self, x):
        return x * torch.sigmoid(self.beta * x)


def squared(input, target):
    return ((torch.sigmoid(input) - target) ** 2).mean()


class Squared(torch.nn.Module):
    def forward(self, input, target):
        return squared(input, target)


@operator
class Shift(Preprocess):
    """Add a number."""

    kinds = ("numeric",)
    by: float = real(default=1.0)

    def apply(self, frame: Any, state: Any) -> Any:
        import narwhals as nw

        return frame.with_columns(nw.all() + self.by)


def own(loss: Any, *layers: Any) -> Any:
    return as_learner(
        po("scale") >> po("torch_ingress_num") >> nn("head") >> po("torch_loss", loss=loss) >> po("torch_optimizer")
        >> po("torch_model_classif", epochs=1, batch_size=64, seed=1, predict_type="prob")
    )  # fmt: skip


@pytest.mark.parametrize("loss", [squared, Squared])
def test_ones_own_functions_and_classes_must_be_trusted(tmp_path, loss):
    learner = own(loss).train(tsk("breast_cancer"))
    learner.save(tmp_path / "file")
    with pytest.raises(
        FormatError, match=rf"needs '{__name__}\.{loss.__name__}', which is not registered; if you trust it, pass trust="
    ):
        load_learner(tmp_path / "file")
    with pytest.raises(FormatError, match=r"pass trust="):
        load_learner(tmp_path / "file", trust=(Swish,))
    for trust in ((loss,), [loss, Swish], loss):
        back = load_learner(tmp_path / "file", trust=trust)
        assert np.array_equal(back.predict(tsk("breast_cancer")).prob, learner.predict(tsk("breast_cancer")).prob)


def test_an_operator_that_is_no_longer_registered_must_be_trusted(tmp_path):
    po.add("test_shift", Shift)
    try:
        learner = as_learner(po("test_shift", by=2.0) >> lrn("classif.featureless")).train(tsk("iris"))
        learner.save(tmp_path / "file")
        assert load_learner(tmp_path / "file").params["test_shift.by"] == 2.0
    finally:
        del po._holders["test_shift"]
    with pytest.raises(FormatError, match=r'po\("test_shift"\) is not registered here; import the module .* trust='):
        load_learner(tmp_path / "file")
    assert load_learner(tmp_path / "file", trust=(Shift,)).params["test_shift.by"] == 2.0


def test_a_layer_of_ones_own_comes_back(tmp_path):
    layer("test_swish", Swish, shape="same")
    graph = po("torch_ingress_num") >> nn("test_swish", beta=2.0) >> nn("head")
    graph = graph >> po("torch_loss", loss="cross_entropy") >> po("torch_optimizer")
    learner = as_learner(graph >> po("torch_model_classif", epochs=1, batch_size=64, seed=1)).train(tsk("iris"))
    learner.save(tmp_path / "file")
    try:
        assert load_learner(tmp_path / "file").network.test_swish.beta == 2.0
    finally:
        del nn._holders["test_swish"]
    with pytest.raises(FormatError, match=r"not registered|no layer 'test_swish'"):
        load_learner(tmp_path / "file")


def test_what_cannot_be_saved_is_said_when_saving(tmp_path):
    learner = own(lambda input, target: squared(input, target))
    with pytest.raises(FormatError, match=r"save: .*lambda"):
        learner.save(tmp_path / "file")
    assert not (tmp_path / "file").exists()


# ---------------------------------------------------------------- pickle, deepcopy, workers


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("clone", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["deepcopy", "pickle"])
def test_clones_of_learners_predict_the_same(saved, name, clone):
    learner, data = load_learner(saved / name), LEARNERS[name][1]()
    twin = clone(learner)
    assert repr(twin) == repr(learner)
    assert twin.predict(data).to_frame().equals(learner.predict(data).to_frame(), null_equal=True)
    twin.train(data.filter(range(40)))
    assert learner.predict(data).to_frame().equals(pl.read_ipc(saved / f"{name}.arrow"), null_equal=True)


def test_learners_work_in_joblib_workers(saved):
    from joblib import Parallel, delayed

    learner = load_learner(saved / "regr")
    task = tsk("diabetes").filter(range(100))
    expected = learner.predict(task).response
    trained = Parallel(n_jobs=2)(delayed(lambda one, data: one.train(data))(copy.deepcopy(learner), task) for _ in range(2))
    predicted = Parallel(n_jobs=2)(delayed(lambda one, data: one.predict(data).response)(learner, task) for _ in range(2))
    assert all(np.array_equal(p, expected) for p in predicted)
    assert np.array_equal(trained[0].predict(task).response, trained[1].predict(task).response)
    assert learner.predict(task).response.tolist() == expected.tolist()


def test_a_damaged_state_is_said_when_the_loaded_learner_predicts(tmp_path):
    task = as_task_regr({"x": [1.0, 2.0, 3.0], "y": [1.0, 2.0, 4.0]}, target="y")
    learner = as_learner(po("scale") >> lrn("regr.lm")).train(task)
    learner.state.model["scale"]["learnt"] = {"x": "no numbers"}
    learner.save(tmp_path / "damaged")
    again = load_learner(tmp_path / "damaged")
    with pytest.raises(FormatError, match="loaded from a file fails when it predicts.*Train and save"):
        again.predict(task)
    assert len(again.train(task).predict(task).response) == 3


def test_estimators_with_ranges_to_tune_travel(tmp_path):
    task, path = tsk("iris"), tmp_path / "tuner.po"
    asked = lrn("classif.svm", C=to_tune(0.5, 2.0), gamma=to_tune(["scale", "auto"]))
    asked.save(path)
    assert repr(load_learner(path).params["C"]) == repr(asked.params["C"])
    tuner = auto_tuner(as_learner(po("scale") >> asked), None, rsmp("holdout"), "classif.acc", n_trials=2, seed=1).train(task)
    tuner.save(path)
    assert load_learner(path).predict(task).to_frame().equals(tuner.predict(task).to_frame())
