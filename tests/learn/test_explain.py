"""Explanations: beside scikit-learn's inspection and calibration, hand calculations, and on frames of every library."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy.stats import t
from sklearn.calibration import calibration_curve
from sklearn.inspection import partial_dependence as sk_dependence
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression, Ridge

from pipeops import (
    PredictionClassif,
    PredictionRegr,
    as_learner,
    as_task_classif,
    as_task_regr,
    calibration,
    fairness,
    importance,
    lrn,
    partial_dependence,
    po,
    rsmp,
    tsk,
)
from pipeops.errors import ConfigError, DataError, NotTrainedError, UnknownKeyError
from pipeops.learn.explain.importance import interval

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 3))
TARGET = 3 * X[:, 0] + X[:, 1] + 0.3 * RNG.normal(size=90)
FRAME = {"a": X[:, 0], "b": X[:, 1], "noise": X[:, 2], "y": TARGET}
TASK = as_task_regr(FRAME, target="y")
RIDGE = lrn("regr.ridge", alpha=1.0)


def test_shuffling_in_each_fold_is_permutation_importance():
    cut = rsmp("cv", folds=3).instantiate(TASK, 1)
    ours = importance(RIDGE, TASK, resampling=cut, repeats=30, seed=2)
    for i in range(3):
        train, test = cut.train_set(i), cut.test_set(i)
        model = Ridge(alpha=1.0).fit(X[train], TARGET[train])
        theirs = permutation_importance(
            model, X[test], TARGET[test], scoring="neg_mean_squared_error", n_repeats=30, random_state=0
        )
        for name, mean, sd in zip("ab", theirs.importances_mean, theirs.importances_std, strict=False):
            assert abs(ours.values[name][i] - mean) < 5 * sd / 30**0.5 * 2**0.5
    frame = ours.to_frame()
    assert frame["feature"].to_list() == ["a", "b", "noise"]
    assert frame["lower"][0] > 0
    assert frame["n"].to_list() == [3] * 3
    assert importance(RIDGE, TASK, resampling=cut, repeats=1, seed=2).to_frame().equals(
        importance(RIDGE, TASK, resampling=cut, repeats=1, seed=2).to_frame()
    )  # fmt: skip


def test_dropping_is_training_without():
    cut = rsmp("cv", folds=3).instantiate(TASK, 1)
    ours = importance(RIDGE, TASK, "drop", resampling=cut, measure="regr.rmse", seed=1)
    for i in range(3):
        train, test = cut.train_set(i), cut.test_set(i)

        def rmse(columns, train=train, test=test):
            model = Ridge(alpha=1.0).fit(X[train][:, columns], TARGET[train])
            return np.sqrt(np.mean((model.predict(X[test][:, columns]) - TARGET[test]) ** 2))

        np.testing.assert_allclose(ours.values["a"][i], rmse([1, 2]) - rmse([0, 1, 2]))


def test_higher_is_better_measures_and_groups_of_features():
    task = tsk("iris")
    one = importance(lrn("classif.lda"), task, measure="classif.acc", seed=1, resampling=3)
    other = importance(lrn("classif.lda"), task, measure="classif.ce", seed=1, resampling=3)
    for name in task.feature_names:
        np.testing.assert_allclose(one.values[name], other.values[name])
    petals = {"petal": ["Petal.Length", "Petal.Width"], "sepal": ["Sepal.Length"]}
    grouped = importance(lrn("classif.lda"), task, features=petals, seed=1).to_frame()
    assert grouped["feature"].to_list() == ["petal", "sepal"]
    assert grouped["importance"][0] > 0.5


def test_intervals_are_wider_by_the_rows_that_folds_share():
    found = interval(np.array([1.0, 2.0, 4.0]), 0.9, 0.5)
    half = t.ppf(0.95, 2) * np.std([1, 2, 4], ddof=1) * np.sqrt(1 / 3 + 0.5)
    np.testing.assert_allclose([found["lower"], found["upper"]], [7 / 3 - half, 7 / 3 + half])
    assert np.isnan(interval(np.array([1.0]), 0.9, 0.5)["lower"])


@pytest.mark.parametrize("library", [pl.DataFrame, pd.DataFrame, pa.table])
def test_every_kind_of_frame_and_column(library):
    city = RNG.choice(["Aix", "Bern", "Cork"], 60).tolist()
    frame = library({"city": city, "n": RNG.integers(9, size=60), "flag": RNG.random(60) < 0.5, "y": [c == "Bern" for c in city]})
    if library is pd.DataFrame:
        frame.index = range(100, 160)
    task = as_task_classif(frame, target="y")
    learner = as_learner(po("encode") >> lrn("classif.tree", predict_type="prob")).train(task)
    found = importance(learner, task, resampling=None, measure="classif.acc", seed=1).to_frame()
    assert found["feature"][0] == "city"
    assert found["importance"].to_list()[1:] == [0.0, 0.0]
    curve = partial_dependence(learner, task, "city")
    assert curve.values == (["Aix", "Bern", "Cork"],)
    assert curve.means.ravel().tolist() == [0, 1, 0]
    assert partial_dependence(learner, task, ["flag", "n"], grid=3).means.shape[0] == 6
    assert curve.to_frame()["label"].to_list() == [True] * 3


def test_dependence_is_scikit_learns_brute_force():
    theirs = LogisticRegression().fit(X, TARGET > 0)
    task = as_task_classif({**{k: FRAME[k] for k in "ab"}, "noise": X[:, 2], "y": TARGET > 0}, target="y")
    learner = lrn("classif.log_reg", predict_type="prob").train(task)
    ours = partial_dependence(learner, task, "b", grid=7, individual=4)
    grid = np.array(ours.values[0])
    assert 2 <= len(grid) <= 7
    assert set(grid) <= set(X[:, 1])
    assert abs(grid[0] - np.quantile(X[:, 1], 0.05)) < 0.1
    brute = sk_dependence(theirs, X, [1], custom_values={1: grid}, method="brute", kind="both", response_method="predict_proba")
    np.testing.assert_allclose(ours.means[:, 0], brute["average"][0], atol=1e-4)
    np.testing.assert_allclose(ours.each[:, 0, 0], brute["individual"][0, 0], atol=1e-4)
    pair = partial_dependence(learner, task, ["a", "b"], grid=4)
    for k, (a, b) in enumerate((a, b) for a in pair.values[0] for b in pair.values[1]):
        fixed = np.c_[np.full(90, a), np.full(90, b), X[:, 2]]
        np.testing.assert_allclose(pair.means[k, 0], theirs.predict_proba(fixed)[:, 1].mean(), atol=1e-4)


def test_dependence_weighs_rows_and_counts_responses():
    task = as_task_regr({"a": [0.0, 1, 2, 3], "b": [1.0, 2, 3, 9], "w": [1.0, 1, 1, 0], "y": [0.0, 1, 2, 3]}, target="y")
    task = task.with_roles(weight="w")
    learner = lrn("regr.lm").train(task)
    model = learner.predict(task.with_features(task.frame().with_columns(a=task.frame()["a"] * 0))).response
    np.testing.assert_allclose(partial_dependence(learner, task, "a").means[0, 0], model[:3].mean(), atol=1e-6)
    iris = tsk("iris")
    shares = partial_dependence(lrn("classif.lda").train(iris), iris, "Petal.Width", grid=4)
    np.testing.assert_allclose(shares.means.sum(axis=1), 1)
    assert shares.y == "share of responses"


def test_missing_values_have_no_place_on_a_grid():
    task = as_task_regr({"a": [None, 1.0, 2.0, float("nan")], "c": ["x", None, "y", "x"], "y": [0.0, 1, 2, 3]}, target="y")
    graph = po("imputemean") >> po("imputeoor") >> po("encode") >> lrn("regr.tree")
    learner = as_learner(graph).train(task)
    assert partial_dependence(learner, task, "a").values == ([1.0, 2.0],)
    assert partial_dependence(learner, task, "c").values == (["x", "y"],)
    dates = pl.DataFrame({"d": pl.Series(["2024-01-01", "2024-03-01", None]).str.to_date(), "y": [1.0, 2.0, 3.0]})
    dated = as_task_regr(dates, target="y")
    found = partial_dependence(lrn("regr.featureless").train(dated), dated, "d")
    assert [str(d) for d in found.values[0]] == ["2024-01-01", "2024-03-01"]


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_calibration_is_scikit_learns_curve(strategy):
    prob = RNG.random(200)
    truth = np.where(RNG.random(200) < prob**2, "M", "R")
    made = PredictionClassif(truth=truth, prob=prob, class_names=["M", "R"])
    ours = calibration(made, bins=7, strategy=strategy)
    observed, predicted = calibration_curve(truth == "M", prob, n_bins=7, strategy=strategy)
    np.testing.assert_allclose(ours["observed"], observed)
    np.testing.assert_allclose(ours["predicted"], predicted)
    assert ours["n"].sum() == 200
    other = calibration(made, label="R", bins=7, strategy="uniform")
    mirrored, _ = calibration_curve(truth == "R", 1 - prob, n_bins=7)
    np.testing.assert_allclose(other["observed"], mirrored)


def test_calibration_weighs_rows():
    once = PredictionClassif(truth=["M", "R", "R"], prob=[0.7, 0.8, 0.1], class_names=["M", "R"], weights=[3, 1, 0])
    assert calibration(once, bins=2, strategy="uniform").rows() == [(pytest.approx(0.725), 0.75, 2)]


def test_fairness_is_the_score_by_group():
    truth, group = np.where(RNG.random(120) < 0.5, "M", "R"), RNG.choice(["x", "y", "z"], 120)
    response = np.where(RNG.random(120) < 0.8, truth, "M")
    made = PredictionClassif(truth=truth, response=response, class_names=["M", "R"])
    found = fairness(made, group)
    for name, n, acc, tpr, *_, selected in found.to_frame().iter_rows():
        mine = group == name
        assert n == mine.sum()
        assert acc == pytest.approx((truth == response)[mine].mean())
        assert tpr == pytest.approx((response == "M")[mine & (truth == "M")].mean())
        assert selected == pytest.approx((response == "M")[mine].mean())
    gaps = found.gaps()
    accuracies = [(truth == response)[group == g].mean() for g in "xyz"]
    assert gaps["difference"][0] == pytest.approx(max(accuracies) - min(accuracies))
    assert gaps["ratio"][0] == pytest.approx(min(accuracies) / max(accuracies))
    assert gaps["lowest_in"][0] == "xyz"[int(np.argmin(accuracies))]
    assert found.overall["classif.acc"] == pytest.approx((truth == response).mean())
    assert "Gaps" in repr(found)


def test_they_show_themselves():
    found = importance(RIDGE, TASK, seed=1, resampling=2)
    assert repr(found).splitlines()[0] == "Importance by permutation: regr.mse lost, intervals at 0.95"
    assert "<table>" in found._repr_html_()
    assert "PartialDependence of a" in repr(partial_dependence(RIDGE.clone().train(TASK), TASK, "a", grid=2))


REGR = PredictionRegr(truth=[1.0], response=[1.0])
THREE = PredictionClassif(truth=["a", "b", "c"], prob=np.eye(3), class_names=["a", "b", "c"])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: importance(po("scale") >> RIDGE, TASK), ConfigError, "got Graph and TaskRegr.*as_learner"),
        (lambda: importance(RIDGE, TASK, "shap"), ConfigError, '"permutation" or "drop", got \'shap\''),
        (lambda: importance(RIDGE, TASK, resampling=None), ConfigError, "looks at a trained learner"),
        (lambda: importance(RIDGE, TASK, resampling="cv"), ConfigError, "a number of folds, rsmp"),
        (lambda: importance(RIDGE, TASK, features="nois"), UnknownKeyError, "no feature 'nois'.*noise"),
        (lambda: importance(RIDGE, TASK, features=[]), DataError, "no feature to look at"),
        (lambda: importance(RIDGE, TASK, measure="selected_features"), ConfigError, "a direction"),
        (lambda: importance(RIDGE, TASK, "drop", features={"all": ["a", "b", "noise"]}), DataError, "nothing is left"),
        (lambda: importance(RIDGE, TASK, repeats=0), ConfigError, "repeats is at least 1"),
        (lambda: partial_dependence(RIDGE.clone(), TASK, "a"), NotTrainedError, "train it"),
        (lambda: partial_dependence(RIDGE.clone().train(TASK), TASK, "c"), UnknownKeyError, "no feature 'c'"),
        (lambda: partial_dependence(RIDGE.clone().train(TASK), TASK, ["a", "b", "noise"]), ConfigError, "one or two features"),
        (lambda: calibration(REGR), DataError, "needs a prediction with probabilities"),
        (lambda: calibration(THREE), ConfigError, "say which with label="),
        (lambda: calibration(THREE, label="d"), UnknownKeyError, "no class 'd'"),
        (lambda: calibration(THREE, label="a", strategy="even"), ConfigError, "strategy"),
        (lambda: fairness(REGR, ["a", "b"]), DataError, "'by' has 2 rows"),
    ],
)
def test_what_cannot_be_explained_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
