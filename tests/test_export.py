"""Exported models, run by onnxruntime, give what the learner gives: on missing values, unseen levels, few rows and many."""

import json

import numpy as np
import polars as pl
import pytest
import torch

from pipeops import as_learner, as_task_classif, as_task_regr, lrn, nn, po, ppl, tsk
from pipeops.errors import ConfigError, NotTrainedError
from pipeops.ops import Preprocess, operator

onnxruntime = pytest.importorskip("onnxruntime")
RNG = np.random.default_rng(0)
N = 300


def frame(n=N, holes=True, unseen=False):
    rng = np.random.default_rng(n)
    a, b = rng.normal(50, 10, n), rng.normal(size=n)
    city = rng.choice(["Aix", "Bern", "Cork", *(["Dole"] if unseen else [])], n)
    data = pl.DataFrame({"a": a, "b": b, "flag": rng.random(n) < 0.5, "city": city})
    if holes:
        data = data.with_columns(
            a=pl.when(pl.int_range(n) % 7 == 0).then(None).otherwise(pl.col("a")),
            city=pl.when(pl.int_range(n) % 5 == 1).then(None).otherwise(pl.col("city")),
        )
    score = (a - 50) / 10 + b + (city == "Cork")
    three = np.where(score > 1, "high", np.where(score > -0.5, "mid", "low"))
    return data.with_columns(two=pl.Series(np.where(score > 0, "yes", "no")), three=pl.Series(three), y=pl.Series(score))


def task(target="two", **options):
    data = frame(**options)
    data = data.drop([name for name in ("two", "three", "y") if name != target])
    return as_task_regr(data, target="y") if target == "y" else as_task_classif(data, target=target)


def run(path, data):
    """What onnxruntime answers for the rows of a frame, by output."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    feed = {}
    for column in (i.name for i in session.get_inputs()):
        values = data[column]
        if values.dtype == pl.String:
            feed[column] = values.fill_null("").to_numpy().astype(object)[:, None]
        elif values.dtype == pl.Boolean:
            feed[column] = values.to_numpy()[:, None]
        else:
            feed[column] = values.cast(pl.Float64).fill_null(np.nan).to_numpy().astype(np.float32)[:, None]
    names = [o.name for o in session.get_outputs()]
    return dict(zip(names, session.run(names, feed), strict=True))


def assert_same(learner, path, tasks):
    learner.export(path)
    for other in tasks:
        data = other.data().with_columns(pl.col("a", "b").cast(pl.Float32).cast(pl.Float64))
        expected, found = learner.predict_newdata(data), run(path, data)
        if "prediction" in found:
            assert np.allclose(found["prediction"], expected.response, rtol=1e-5, atol=1e-5)
        else:
            assert found["label"].tolist() == list(expected.response)
            assert np.allclose(found["probabilities"], expected.prob, atol=1e-5)


def whole(target="two", unseen=True):
    """New data: one row, rows without holes, many rows with holes and unseen levels."""
    return [task(target, n=40, holes=False).filter([0]), task(target, n=40, holes=False), task(target, n=10_000, unseen=unseen)]


IMPUTE = po("imputemedian", id="medians") >> po("imputemode", id="modes")
ENCODE = po("encode", id="codes")
OPERATORS = {
    "imputemean": po("imputemean") >> po("imputemode") >> ENCODE,
    "imputemedian": po("imputemedian") >> po("imputemode") >> ENCODE,
    "imputeconstant": po("imputeconstant", constant=3.5, affect_columns=["a"]) >> po("imputemode") >> ENCODE,
    "imputeoor": po("imputeoor") >> ENCODE,
    "scale": IMPUTE >> po("scale") >> ENCODE,
    "robust": IMPUTE >> po("scale", robust=True) >> ENCODE,
    "scalerange": IMPUTE >> po("scalerange", lower=-1, upper=2) >> ENCODE,
    "scalemaxabs": IMPUTE >> po("scalemaxabs", maxabs=3) >> ENCODE,
    "encode_after": po("imputemedian") >> po("imputeconstant", id="none", constant="none", affect_columns=["city"]) >> ENCODE,
    "select": IMPUTE >> po("select", selector=["b", "a"]),
    "renamecolumns": IMPUTE >> po("renamecolumns", renaming={"a": "c"}) >> ENCODE,
    "removeconstants": IMPUTE >> po("removeconstants") >> ENCODE,
    "missind": [po("missind", affect_columns=["a", "city"], type="integer"), IMPUTE >> ENCODE] >> po("featureunion"),
    "missind_factor": [po("missind", affect_columns=["a", "city"]) >> po("encode", id="found"), IMPUTE >> ENCODE]
    >> po("featureunion"),
    "fixfactors": po("fixfactors", affect_columns=["city"]) >> IMPUTE >> ENCODE,
    "extra_level": po("imputemedian") >> po("encode", extra_level=True),
    "pca": IMPUTE >> ENCODE >> po("pca", scale=True, rank=3),
    "ica": IMPUTE >> po("ica", affect_columns=["a", "b"], seed=1) >> ENCODE,
    "nmf": IMPUTE >> po("scalerange") >> po("nmf", affect_columns=["a", "b"]) >> ENCODE,
    "randomprojection": IMPUTE >> po("randomprojection", rank=3, seed=1) >> ENCODE,
    "boxcox": IMPUTE >> po("boxcox", affect_columns=["a"]) >> ENCODE,
    "boxcox_missing": po("boxcox", affect_columns=["a"]) >> IMPUTE >> ENCODE,
    "yeojohnson": po("yeojohnson") >> IMPUTE >> ENCODE,
    "yeojohnson_plain": IMPUTE >> po("yeojohnson", standardize=False) >> ENCODE,
    "quantilebin": po("quantilebin", numsplits=4) >> IMPUTE >> ENCODE,
    "histbin": IMPUTE >> po("histbin", breaks=5) >> ENCODE,
    "collapsefactors": IMPUTE >> po("collapsefactors", affect_columns=["city"]) >> ENCODE,
    "filter": IMPUTE >> po("filter", "anova", nfeat=1) >> ENCODE,
    "info": IMPUTE >> ENCODE >> po("info", log_target="none"),
    "classweightsex": IMPUTE >> ENCODE >> po("classweightsex", mapping={"yes": 1, "no": 2}),
    "smotenc": IMPUTE >> po("smotenc", seed=1) >> ENCODE,
    "copy": IMPUTE >> ENCODE >> po("nop") >> po("classbalancing", seed=1),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", OPERATORS)
def test_operators_look_the_same_outside(name, tmp_path):
    learner = as_learner(OPERATORS[name] >> lrn("classif.log_reg", predict_type="prob", max_iter=1000)).train(task())
    assert_same(learner, tmp_path / "model.onnx", whole())


@pytest.mark.parametrize(
    "node",
    [po("targettrafoscalerange"), po("targetmutate"), po("targetmutate", trafo=np.exp, inverter=np.log)],
    ids=["scalerange", "identity", "log"],
)
def test_targets_come_back_outside_too(node, tmp_path):
    graph = ppl("targettrafo", IMPUTE >> ENCODE >> lrn("regr.ridge"), trafo_pipeop=node)
    data = as_task_regr(frame().drop("two", "three").with_columns(y=pl.col("y") / 50), target="y")
    learner = as_learner(graph).train(data)
    others = [data.filter([0]), data]
    assert_same(learner, tmp_path / "model.onnx", others)


def test_an_inverter_of_ones_own_has_no_form(tmp_path):
    graph = ppl("targettrafo", IMPUTE >> ENCODE >> lrn("regr.ridge"), trafo=lambda y: y, inverter=lambda y: y)
    with pytest.raises(ConfigError, match=r"inverter .* has no form in ONNX; np.exp"):
        as_learner(graph).train(task("y")).export(tmp_path / "model.onnx")


@pytest.mark.parametrize("method", ["treatment", "helmert", "poly", "sum"])
def test_contrasts_look_the_same_outside(method, tmp_path):
    graph = IMPUTE >> po("encode", method=method) >> lrn("classif.log_reg", predict_type="prob", max_iter=1000)
    assert_same(as_learner(graph).train(task()), tmp_path / "model.onnx", whole(unseen=False))


@pytest.mark.parametrize(
    ("key", "target"),
    [("classif.log_reg", "three"), ("classif.lda", "two"), ("classif.lda", "three"), ("regr.lm", "y"), ("regr.ridge", "y")],
)
def test_linear_models_look_the_same_outside(key, target, tmp_path):
    more = {"predict_type": "prob"} if key.startswith("classif") else {}
    learner = as_learner(IMPUTE >> ENCODE >> po("scale") >> lrn(key, **more)).train(task(target))
    assert_same(learner, tmp_path / "model.onnx", whole(target))


@pytest.mark.parametrize("key", ["classif.tree", "classif.random_forest"])
def test_trees_go_through_skl2onnx_where_it_is_installed(key, tmp_path):
    pytest.importorskip("skl2onnx")
    learner = as_learner(IMPUTE >> ENCODE >> lrn(key, predict_type="prob", max_depth=3, random_state=0)).train(task())
    learner.export(tmp_path / "model.onnx")
    expected, found = learner.predict(task()), run(tmp_path / "model.onnx", task().data())
    assert np.mean(np.abs(found["probabilities"] - expected.prob).max(axis=1) < 1e-5) > 0.99  # float32 at the thresholds


@pytest.mark.parametrize("thresholds", [0.8, {"yes": 0.9, "no": 0.3}], ids=["number", "labels"])
def test_thresholds_decide_outside_too(thresholds, tmp_path):
    base = IMPUTE >> ENCODE >> lrn("classif.log_reg", predict_type="prob", max_iter=1000)
    learner = as_learner(base >> po("threshold", thresholds=thresholds)).train(task())
    assert_same(learner, tmp_path / "model.onnx", whole())


def network(kind, *layers, loss=None, **model):
    numbers = po("select", id="numbers", selector=["a", "b", "flag"]) >> po("imputemean") >> po("scale")
    places = po("select", id="places", selector=["city"]) >> po("imputemode") >> po("torch_ingress_categ")
    graph = [numbers >> po("torch_ingress_num"), places >> nn("embedding", embedding_dim=2) >> nn("flatten")] >> nn("merge_cat")
    for layer in layers:
        graph = graph >> layer
    loss = loss or ("mse" if kind == "regr" else "cross_entropy")
    ending = po("torch_loss", loss=loss) >> po("torch_optimizer", optimizer="adam", lr=0.01)
    return graph >> nn("head") >> ending >> po(f"torch_model_{kind}", epochs=3, batch_size=32, seed=1, **model)


@pytest.mark.parametrize(
    ("target", "kind", "model"),
    [
        ("two", "classif", {"predict_type": "prob"}),
        ("three", "classif", {"predict_type": "prob"}),
        ("y", "regr", {}),
        ("y", "regr", {"loss": "gaussian_nll", "predict_type": "se"}),
        ("y", "regr", {"loss": "pinball", "quantiles": [0.2, 0.5, 0.6]}),
        ("y", "regr", {"loss": torch.nn.PoissonNLLLoss}),
    ],
)
def test_networks_look_the_same_outside(target, kind, model, tmp_path):
    layers = [nn("linear", out_features=8), nn("batch_norm1d"), nn("gelu"), nn("dropout")]
    learner = as_learner(network(kind, *layers, **model)).train(task(target))
    assert_same(learner, tmp_path / "model.onnx", whole(target, unseen=False))


def test_the_network_alone_in_torchs_own_format(tmp_path):
    learner = as_learner(po("torch_ingress_num") >> network_end()).train(tsk("iris"))
    learner.export(tmp_path / "net.pt2")
    program = torch.export.load(tmp_path / "net.pt2").module()
    for n in (2, 150):
        x = torch.from_numpy(tsk("iris").matrix("float32")[:n])
        assert torch.equal(program(x), learner.network(x))
    with pytest.raises(ConfigError, match="one network, this learner has 0"):
        as_learner(po("scale") >> lrn("classif.lda")).train(tsk("iris")).export(tmp_path / "none.pt2")


def network_end():
    ending = po("torch_loss", loss="cross_entropy") >> po("torch_optimizer", optimizer="adam")
    return nn("head") >> ending >> po("torch_model_classif", epochs=1, batch_size=32, seed=1)


def test_integer_classes_and_a_learner_without_a_graph(tmp_path):
    data = frame(holes=False).select("a", "b").with_columns(y=pl.Series(RNG.integers(0, 3, N)))
    learner = lrn("classif.log_reg", predict_type="prob", max_iter=1000).train(as_task_classif(data, target="y"))
    learner.export(tmp_path / "model.onnx")
    found = run(tmp_path / "model.onnx", data.drop("y").with_columns(pl.col("a", "b").cast(pl.Float32).cast(pl.Float64)))
    assert found["label"].dtype == np.int64
    assert np.allclose(found["probabilities"], learner.predict_newdata(data).prob, atol=1e-5)


def test_the_file_says_what_it_is(tmp_path):
    learner = as_learner(po("scale") >> lrn("classif.lda"), id="flowers").train(tsk("iris"))
    learner.export(tmp_path / "iris.onnx")
    meta = onnxruntime.InferenceSession(tmp_path / "iris.onnx").get_modelmeta().custom_metadata_map
    assert json.loads(meta["class_names"]) == ["setosa", "versicolor", "virginica"]
    assert list(json.loads(meta["features"])) == tsk("iris").feature_names
    assert "pipeops" in json.loads(meta["versions"])
    assert meta["id"] == "flowers"


@operator
class Squared(Preprocess):
    """An operator of one's own, without a form."""

    def apply(self, frame, state):
        return frame


def test_what_has_no_form_is_named_and_nothing_is_written(tmp_path):
    path = tmp_path / "no.onnx"
    numbers = task("y").select(["a", "b"])
    for graph, words in {
        po("imputemean") >> Squared() >> lrn("regr.lm"): "squared: a Squared has no form",
        po("imputemean") >> lrn("regr.knn"): "regr_knn: scikit-learn's KNeighborsRegressor has no form",
        po("imputemean") >> lrn("regr.featureless"): "regr_featureless: a .* has no form",
    }.items():
        with pytest.raises(ConfigError, match=words):
            as_learner(graph).train(numbers).export(path)
    with pytest.raises(NotTrainedError):
        lrn("regr.lm").export(path)
    with pytest.raises(ConfigError, match=r"exports to .*\.onnx"):
        as_learner(po("imputemean") >> lrn("regr.lm")).train(numbers).export(tmp_path / "model.joblib")
    assert list(tmp_path.iterdir()) == []


def test_the_summary_counts_parameters():
    learner = as_learner(network("classif", nn("linear", out_features=8), nn("relu"), predict_type="prob")).train(task())
    summary = learner.summary()
    assert summary.parameters == sum(p.numel() for p in learner.network.parameters())
    by_id = {row.id: row for row in summary.rows}
    assert by_id["linear"].shape == (None, 8)
    assert by_id["linear"].parameters == 8 * (3 + 2) + 8
    assert by_id["torch_ingress_num"].module == "input"
    assert "(batch, 8)" in repr(summary)
    assert f"{summary.parameters:,} parameters" in repr(summary)
    with pytest.raises(NotTrainedError, match="no node of this graph"):
        as_learner(po("scale") >> lrn("classif.lda")).train(tsk("iris")).summary()
