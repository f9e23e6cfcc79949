"""Confidence intervals of scores, and scores on the training rows."""

import numpy as np
import pytest
from scipy import stats
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.naive_bayes import GaussianNB

from pipeops import as_learner, load_benchmark, lrn, msr, resample, rsmp, tsk
from pipeops.errors import ConfigError

BOTH = ("train", "test")


@pytest.fixture(scope="module")
def result():
    return resample(tsk("iris"), lrn("classif.qda"), rsmp("subsampling", repeats=8, ratio=0.8), seed=1, predict_sets=BOTH)


def bounds(result, **options):
    row = result.aggregate(msr("ci", measure="classif.acc", **options)).row(0, named=True)
    assert list(row)[-3:] == ["classif.acc", "classif.acc.lower", "classif.acc.upper"]
    return row["classif.acc.lower"], row["classif.acc.upper"]


@pytest.mark.parametrize(("method", "factor"), [("naive", 1 / 8), ("corrected_t", 1 / 8 + 30 / 120)])
def test_t_intervals_are_those_of_scipy(result, method, factor):
    scores = result.score("classif.acc")["classif.acc"].to_numpy()
    right = stats.t.interval(0.9, 7, loc=scores.mean(), scale=scores.std(ddof=1) * factor**0.5)
    assert bounds(result, method=method, level=0.9) == pytest.approx(right)
    assert bounds(result, method=method, level=0.9) == pytest.approx(bounds(load(result), method=method, level=0.9))


def load(result):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        result.measures = [msr("ci", measure="classif.acc", level=0.9)]
        result.save(Path(folder) / "r.safetensors")
        again = load_benchmark(Path(folder) / "r.safetensors")
    assert repr(again.measures) == repr(result.measures)
    result.measures = None
    return again


def test_the_bootstrap_is_as_wide_as_a_share_varies():
    result = resample(tsk("iris"), lrn("classif.featureless"), rsmp("holdout", ratio=0.4), seed=1)
    share = result.aggregate("classif.acc")["classif.acc"][0]
    low, high = bounds(result, method="bootstrap", repeats=2000)
    right = stats.binom.ppf([0.025, 0.975], 90, share) / 90
    np.testing.assert_allclose([low, high], right, atol=0.012)
    assert bounds(result, method="bootstrap", repeats=2000) == (low, high)
    assert np.isnan(bounds(result)).all()


def test_scores_on_the_training_rows(result):
    table = result.score(
        ["classif.acc", msr("classif.acc", predict_sets="train", id="train"), msr("classif.acc", predict_sets=BOTH, id="all")]
    )
    task = tsk("iris")
    for i, row in enumerate(table.rows(named=True)):
        test = result.predictions_by_fold()[i].row_ids
        train = np.setdiff1d(task.row_ids, test)
        fitted = QuadraticDiscriminantAnalysis().fit(task.matrix("float64", rows=train), task.truth(train))
        assert row["train"] == pytest.approx(fitted.score(task.matrix("float64", rows=train), task.truth(train)))
        assert row["classif.acc"] == pytest.approx(fitted.score(task.matrix("float64", rows=test), task.truth(test)))
        assert row["all"] == pytest.approx((120 * row["train"] + 30 * row["classif.acc"]) / 150)


def test_sets_that_were_not_predicted_are_refused():
    result = resample(tsk("iris"), lrn("classif.lda"), rsmp("holdout"), seed=1)
    on_train = msr("classif.acc", predict_sets="train")
    with pytest.raises(ConfigError, match=r"only those on 'test'; use resample"):
        result.score(on_train)
    with pytest.raises(ConfigError, match=r"only those on 'test'; use resample"):
        resample(tsk("iris"), lrn("classif.lda"), rsmp("holdout"), on_train, seed=1)
    with pytest.raises(ConfigError, match="'train', 'test' or both"):
        resample(tsk("iris"), lrn("classif.lda"), rsmp("holdout"), seed=1, predict_sets="valid")
    with pytest.raises(ConfigError, match="name what is scored"):
        msr("ci")


def test_a_fallback_predicts_on_both_sets():
    learner = as_learner(GaussianNB(priors=[1.0]))
    learner.fallback = lrn("classif.featureless")
    result = resample(tsk("iris"), learner, rsmp("holdout"), seed=1, predict_sets=BOTH, errors="keep")
    assert result.errors().height == 1
    assert result.aggregate(msr("classif.acc", predict_sets="train"))["classif.acc"][0] >= 1 / 3
