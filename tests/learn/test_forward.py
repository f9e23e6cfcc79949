"""Resampling in time, beside scikit-learn's TimeSeriesSplit; strata of numbers."""

import datetime

import numpy as np
import polars as pl
import pytest
from sklearn.model_selection import TimeSeriesSplit

from pipeops import as_task_classif, as_task_regr, lrn, partition, resample, rsmp, rsmps, tsk
from pipeops.errors import ConfigError, DataError


def timed(times, **columns):
    return as_task_regr({"t": times, "x": list(range(len(times))), "y": np.arange(len(times)) * 0.5, **columns}, target="y")


@pytest.mark.parametrize("gap", [0, 2])
@pytest.mark.parametrize("window", [None, 3])
@pytest.mark.parametrize("horizon", [None, 2])
def test_folds_are_those_of_scikit_learn(gap, window, horizon):
    n = 23
    order = np.random.default_rng(1).permutation(n)
    task = timed(order).with_roles(order="t")
    cv = rsmp("forward_cv", folds=4, horizon=horizon, window=window, gap=gap).instantiate(task)
    right = list(TimeSeriesSplit(4, max_train_size=window, test_size=horizon, gap=gap).split(np.arange(n)))
    assert cv.iters == len(right)
    for i, (train, test) in enumerate(right):
        np.testing.assert_array_equal(order[cv.train_set(i)], train)
        np.testing.assert_array_equal(order[cv.test_set(i)], test)


def test_what_order_may_be():
    days = [datetime.date(2024, 1, d) for d in (3, 1, 2, 4)]
    levels = pl.Series(["mid", "low", "low2", "top"], dtype=pl.Enum(["low", "low2", "mid", "top"]))
    for times in (days, [3.0, 1.0, 2.0, 4.0], ["c", "a", "b", "d"], levels):
        task = timed(times).with_roles(order="t")
        assert "t" not in task.feature_names
        assert "ordered" in task.properties
        cv = rsmp("forward_cv", folds=1, horizon=1).instantiate(task)
        assert (cv.train_set(0).tolist(), cv.test_set(0).tolist()) == ([1, 2, 0], [3])


def test_rows_of_one_time_stay_together():
    task = timed([0, 0, 1, 1, 1, 2, 3, 3]).with_roles(order="t")
    cv = rsmp("forward_cv", folds=2, horizon=1, window=1).instantiate(task)
    assert [cv.train_set(i).tolist() for i in range(2)] == [[2, 3, 4], [5]]
    assert [cv.test_set(i).tolist() for i in range(2)] == [[5], [6, 7]]


def test_least_window_step_and_copies():
    task = timed(list(range(9)))
    cv = rsmp("forward_cv", folds=2, horizon=3, window=4, fixed=False, step=1).instantiate(task)
    assert [(len(cv.train_set(i)), cv.test_set(i).tolist()) for i in range(2)] == [(5, [5, 6, 7]), (6, [6, 7, 8])]
    copied = rsmp("forward_cv", folds=1, horizon=1).instantiate(task.filter([2, 0, 2, 1]))
    assert (copied.train_set(0).tolist(), copied.test_set(0).tolist()) == ([2, 2, 0], [1])


def test_what_cannot_be_ordered_is_refused():
    with pytest.raises(DataError, match="5 points in time; 3 test sets of 2 after training sets of at least 1 need 7"):
        rsmp("forward_cv", folds=3, horizon=2).instantiate(timed([1, 2, 3, 4, 5]))
    with pytest.raises(DataError, match="1 values of 't'"):
        rsmp("forward_cv", folds=1).instantiate(timed([1.0, None, 3.0]).with_roles(order="t"))
    with pytest.raises(DataError, match="groups"):
        rsmp("forward_cv", folds=1).instantiate(timed([1, 2, 3], g=[1, 1, 2]).with_roles(group="g"))
    with pytest.raises(ConfigError, match="fixed=False needs window="):
        rsmp("forward_cv", fixed=False)


def test_numbers_in_bins_keep_their_shares():
    task = as_task_regr({"x": list(range(60)), "y": np.arange(60.0)}, target="y")
    cv = rsmp("cv", folds=3, stratify=10).instantiate(task, seed=1)
    for i in range(3):
        np.testing.assert_array_equal(np.bincount(cv.test_set(i) // 6, minlength=10), 2)
    assert np.bincount(partition(task, 0.5, stratify=5, seed=1).train // 12).tolist() == [6] * 5
    with pytest.raises(ConfigError, match="bins, two or more"):
        rsmp("cv", stratify=3).instantiate(as_task_classif({"x": [1, 2], "y": ["a", "b"]}, target="y"))


def test_predictions_by_fold():
    assert [one.folds for one in rsmps(["cv", "repeated_cv"], folds=4)] == [4, 4]
    cv = rsmp("cv", folds=3).instantiate(tsk("iris"), seed=1)
    result = resample(tsk("iris"), lrn("classif.lda"), cv, seed=1)
    folds = result.predictions_by_fold()
    assert [set(one.row_ids) for one in folds] == [set(cv.test_set(i)) for i in range(3)]
    scores = result.score("classif.acc")["classif.acc"].to_list()
    assert [one.score("classif.acc") for one in folds] == scores
    two = result.combine(resample(tsk("iris"), lrn("classif.featureless"), cv, seed=1))
    with pytest.raises(ConfigError, match="predictions_by_fold: 2 resampling runs fit"):
        two.predictions_by_fold()
