"""Predictions, measures and baselines of several targets, beside scikit-learn's numbers."""

import numpy as np
import polars as pl
import pytest
from sklearn import metrics

from pipeops import (
    Prediction,
    PredictionMultilabel,
    PredictionMultiRegr,
    as_learner,
    as_task_multilabel,
    as_task_regr,
    auto_tuner,
    benchmark,
    benchmark_grid,
    load_learner,
    lrn,
    measure,
    msr,
    po,
    resample,
    rsmp,
    to_tune,
)
from pipeops.errors import ConfigError, DataError
from pipeops.learn.measures.measure import MeasureWarning
from pipeops.saving import read, write

RNG = np.random.default_rng(0)
T, R, W = RNG.normal(size=(30, 3)), RNG.normal(size=(30, 3)), RNG.integers(0, 4, 30).astype(float)
L, P = RNG.random((30, 3)) < 0.4, RNG.random((30, 3))
NAMES = ["a", "b", "c"]


def numbers(weights=None):
    return PredictionMultiRegr(truth=T, response=R, target_names=NAMES, weights=weights)


def labels(weights=None):
    return PredictionMultilabel(truth=L, prob=P, target_names=NAMES, weights=weights)


def tasks():
    columns = {"x": RNG.normal(size=30), "z": RNG.normal(size=30), "w": W}
    return (
        as_task_regr(pl.DataFrame({**columns, "a": T[:, 0], "b": T[:, 1]}), target=["a", "b"], id="numbers"),
        as_task_multilabel(pl.DataFrame({**columns, "p": L[:, 0], "q": L[:, 1]}), target=["p", "q"], id="labels"),
    )


@pytest.mark.parametrize("weights", [None, W])
def test_measures_of_numbers_are_scikit_learns_means(weights):
    expected = {
        "multiregr.mse": metrics.mean_squared_error(T, R, sample_weight=weights),
        "multiregr.rmse": metrics.root_mean_squared_error(T, R, sample_weight=weights),
        "multiregr.mae": metrics.mean_absolute_error(T, R, sample_weight=weights),
        "multiregr.rsq": metrics.r2_score(T, R, sample_weight=weights),
    }
    assert numbers(weights).score(list(expected)) == pytest.approx(expected, rel=1e-12)
    assert numbers(weights).score() == pytest.approx(expected["multiregr.mse"])


@pytest.mark.parametrize("weights", [None, W])
def test_measures_of_labels_are_scikit_learns(weights):
    given, response = {"sample_weight": weights}, P >= 0.5
    each = [metrics.log_loss(L[:, j], P[:, j], **given) for j in range(3)]
    expected = {
        "multilabel.hamming": metrics.hamming_loss(L, response, **given),
        "multilabel.acc": metrics.accuracy_score(L, response, **given),
        "multilabel.f1": metrics.f1_score(L, response, average="macro", **given),
        "micro": metrics.f1_score(L, response, average="micro", **given),
        "multilabel.logloss": np.mean(each),
        "multilabel.auc": metrics.roc_auc_score(L, P, average="macro", **given),
    }
    several = [msr("multilabel.f1", mean="micro", id="micro") if key == "micro" else key for key in expected]
    assert labels(weights).score(several) == pytest.approx(expected, rel=1e-12)
    assert labels(weights).score() == pytest.approx(expected["multilabel.hamming"])


def test_undefined_scores_are_nan_and_say_why():
    bare = PredictionMultilabel(truth=[[1, 0], [0, 0]], prob=[[0.9, 0.1], [0.1, 0.2]])
    for key in ("multilabel.auc", "multilabel.f1"):
        with pytest.warns(MeasureWarning, match="a label is in"):
            assert np.isnan(bare.score(key))
    assert bare.score(msr("multilabel.f1", mean="micro")) == 1
    with pytest.warns(MeasureWarning, match="a target is constant"):
        assert np.isnan(PredictionMultiRegr(truth=[[1, 2], [1, 3]], response=[[1, 2], [1, 3]]).score("multiregr.rsq"))


def test_measures_of_other_predictions_are_refused():
    with pytest.raises(ConfigError, match="scores regr predictions, got a PredictionMultiRegr"):
        numbers().score("regr.mse")
    with pytest.raises(ConfigError, match="needs probabilities"):
        PredictionMultilabel(truth=L, response=L).score("multilabel.auc")
    with pytest.raises(DataError, match="truth of 1 of 1 rows is missing"):
        PredictionMultilabel(response=L[:1]).score()
    own = measure("own", lambda truth, prob: (truth - prob).mean(), minimize=None, predict_type="prob", task_type="multilabel")
    assert labels().score(own) == pytest.approx((L - P).mean())


def test_what_a_table_shows():
    frame = labels(W).to_frame()
    assert frame.columns == [
        "row_ids",
        *(f"{part}.{name}" for part in ("truth", "response", "prob") for name in NAMES),
        "weights",
    ]
    assert frame["response.b"].to_list() == (P[:, 1] >= 0.5).tolist()
    assert numbers().to_frame()["truth.c"].to_list() == T[:, 2].tolist()
    assert PredictionMultilabel(response=[[1, 0]]).to_frame()["truth.y1"].to_list() == [None]
    assert str(labels()).splitlines()[1].split()[:3] == ["row_ids", "truth.a", "truth.b"]
    assert "PredictionMultiRegr for 30 observations" in numbers()._repr_html_()


@pytest.mark.parametrize("whole", [numbers(W), labels(W)], ids=["numbers", "labels"])
def test_rows_are_taken_joined_and_saved(whole, tmp_path):
    parts = [whole.filter([5, 1]), whole.take(np.arange(10, 30))]
    both = Prediction.combine([*parts, parts[0]], keep_duplicates=False)
    assert sorted(both.row_ids.tolist()) == [1, 5, *range(10, 30)]
    assert both.filter([5]).response.tolist() == whole.response[[5]].tolist()
    write(tmp_path / "it", "thing", both)
    again = read(tmp_path / "it", "thing")
    assert again.to_frame().equals(both.to_frame())
    other = type(whole)(truth=whole.truth, response=whole.response)
    with pytest.raises(DataError, match="differ in"):
        Prediction.combine([whole, other])


def test_thresholds():
    assert labels().set_threshold(0.9).response.tolist() == (P >= 0.9).tolist()
    by_label = labels().set_threshold({"a": 0.1, "b": 0.5, "c": 0.9})
    assert by_label.response.tolist() == (P >= [0.1, 0.5, 0.9]).tolist()
    for wrong in (1.5, "x", {"a": 0.5}, [0.1, 0.2, 0.3], {"a": 0.1, "b": 0.5, "c": 2}):
        with pytest.raises(DataError, match="set_threshold"):
            labels().set_threshold(wrong)


def test_what_does_not_fit_is_refused():
    for wrong, words in (
        ({"truth": T[:, :2]}, "'truth' has the shape"),
        ({"response": R[:, 0]}, "is a table"),
        ({"response": None}, "give the response"),
        ({"target_names": ["a", "a", "b"]}, "different target_names"),
        ({"row_ids": [1]}, "'row_ids' has 1"),
        ({"response": [["u"]]}, "must be numbers"),
    ):
        with pytest.raises(DataError, match=words):
            PredictionMultiRegr(**{"truth": T, "response": R, **wrong})
    for given, words in (({"prob": P + 1}, "from 0 to 1"), ({"response": P}, "true or false"), ({}, "give a response")):
        with pytest.raises(DataError, match=words):
            PredictionMultilabel(**given)


def test_baselines_predict_means_medians_and_shares():
    task, other = (t.with_roles(weight="w") for t in tasks())
    mean = lrn("multiregr.featureless").train(task).predict(task)
    np.testing.assert_allclose(mean.response[0], np.average(T[:, :2], axis=0, weights=W))
    plain = tasks()[0]
    robust = lrn("multiregr.featureless", robust=True).train(plain).predict(plain)
    np.testing.assert_allclose(robust.response[3], np.median(T[:, :2], axis=0))
    prob = lrn("multilabel.featureless", predict_type="prob").train(other).predict(other)
    shares = np.average(L[:, :2], axis=0, weights=W)
    np.testing.assert_allclose(prob.prob[0], shares)
    assert prob.response[0].tolist() == (shares >= 0.5).tolist()
    assert prob.weights.tolist() == W.tolist()


@pytest.mark.parametrize("k", [0, 1])
def test_learners_in_graphs_resampling_tuning_and_files(k, tmp_path):
    task = tasks()[k]
    key = ("multiregr.featureless", "multilabel.featureless")[k]
    graph = as_learner(po("scale") >> po("pca") >> lrn(key))
    assert graph.task_type == task.task_type
    folds = rsmp("cv", folds=3)
    result = benchmark(benchmark_grid(task, [graph, lrn(key)], folds))
    measured = result.score().columns[-1]
    assert measured == ("multiregr.mse", "multilabel.hamming")[k]
    assert resample(task, graph, folds).score()[measured].is_not_null().all()
    graph.train(task).save(tmp_path / "graph.pipeops")
    loaded = load_learner(tmp_path / "graph.pipeops")
    new = loaded.predict_newdata({"x": [0.0], "z": [1.0], "w": [1.0]})
    assert new.truth_is_missing.tolist() == [True]
    np.testing.assert_array_equal(new.response[0], graph.predict(task).response[0])
    tuner = auto_tuner(as_learner(po("pca", rank=to_tune(1, 2)) >> lrn(key)), resampling=folds, n_trials=2, seed=1)
    assert measured in tuner.train(task).archive.columns


def test_learners_of_other_tasks_are_refused():
    with pytest.raises(DataError, match="is a regr learner"):
        lrn("regr.lm").train(tasks()[0])
    with pytest.raises(DataError, match="is a multiregr learner"):
        as_learner(po("scale") >> lrn("multiregr.featureless")).train(
            as_task_regr({"x": [1.0, 2.0], "y": [1.0, 2.0]}, target="y")
        )
    with pytest.raises(ConfigError, match="none of a PredictionMultiRegr"):
        numbers().plot()
