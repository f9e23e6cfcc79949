"""Operators on categories and dates, against scikit-learn, Python's calendar and hand calculation."""

from datetime import datetime, timedelta
from math import log, pi, sin

import numpy as np
import polars as pl
import pytest
from sklearn.model_selection import KFold
from sklearn.preprocessing import TargetEncoder
from sklearn.tree import DecisionTreeRegressor

from pipeops import as_task_classif, as_task_regr, po, tsk
from pipeops.errors import CompositionError, ConfigError, DataError

LEVELS = np.random.default_rng(0).choice(["a", "b", "c"], 60)
Y = np.random.default_rng(1).normal(size=60) + (LEVELS == "a")
TASK = as_task_regr({"f": LEVELS, "y": Y}, target="y")


def test_impact_is_a_difference_of_logits_or_means():
    task = as_task_classif({"f": ["a", "a", "b", None], "y": ["p", "q", "q", "p"]}, target="y")
    (out,), state = po("encodeimpact", smoothing=1).train([task])
    logit = {("a", "p"): (1 + 1) / (2 + 2), ("b", "p"): 1 / 3, "p": 3 / 6}
    wanted = log(logit["b", "p"] / (1 - logit["b", "p"])) - log(logit["p"] / (1 - logit["p"]))
    values = out.frame()["f.p"].to_list()
    assert values[:3] == pytest.approx([0, 0, wanted])
    assert np.isnan(values[3])
    new = task.newdata({"f": ["unseen", "a"]})
    assert np.isnan(po("encodeimpact").predict([new], state)[0].frame()["f.p"][0])
    zero = po("encodeimpact", impute_zero=True)
    assert zero.predict([new], zero.train([task])[1])[0].frame()["f.p"][0] == 0


def test_classes_that_are_numbers_are_classes():
    task = as_task_classif({"f": ["a", "b", "a", "b"], "y": [1, 0, 1, 0]}, target="y")
    assert po("encodeimpact").train([task])[0][0].feature_names == ["f.0", "f.1"]


def test_target_encoding_is_that_of_scikit_learn():
    codes = np.searchsorted(["a", "b", "c"], LEVELS)[:, None].astype(float)
    theirs = TargetEncoder(target_type="continuous", cv=KFold(5, shuffle=True, random_state=3))
    (out,), state = po("encodetarget", seed=3).train([TASK])
    np.testing.assert_allclose(out.frame()["f"].to_numpy(), theirs.fit_transform(codes, Y)[:, 0])
    np.testing.assert_allclose(
        po("encodetarget").predict([TASK], state)[0].frame()["f"].to_numpy(), theirs.transform(codes)[:, 0]
    )
    unseen = po("encodetarget").predict([TASK.newdata({"f": ["z"]})], state)[0].frame()["f"][0]
    assert unseen == pytest.approx(Y.mean())


def test_trees_find_the_bins_of_scikit_learn_pruned_by_the_errors():
    iris = tsk("iris")
    x, y = (iris.frame()[name].to_numpy() for name in ("Sepal.Length", "Petal.Length"))
    theirs = DecisionTreeRegressor(min_samples_split=20, min_samples_leaf=7, ccp_alpha=0.01 * y.var(), random_state=0)
    found = theirs.fit(x[:, None], y).tree_
    task = as_task_regr({"x": x, "y": y}, target="y")
    borders = po("encodepltree").train([task])[1]["learnt"]["x"]
    assert borders[1:-1] == pytest.approx(sorted(set(found.threshold[found.feature >= 0])))
    assert (borders[0], borders[-1]) == (x.min(), x.max())
    state = po("encodepltree", task_type="TaskClassif").train([iris.select(["Petal.Length", "Petal.Width"])])[1]
    assert state["learnt"]["Petal.Length"] == pytest.approx([1, 2.45, 4.75, 6.9])  # as rpart has it (Therneau and Atkinson)
    assert state["learnt"]["Petal.Width"] == pytest.approx([0.1, 0.8, 1.75, 2.5])
    with pytest.raises(CompositionError):
        po("smote") >> po("encodepltree", task_type="TaskRegr")


def test_quantiles_of_bins_are_of_nine_kinds():
    task = as_task_regr({"x": [1.0, 2.0, 3.0, 10.0], "y": range(4)}, target="y")
    middle = [po("encodeplquantiles", numsplits=3, type=k).train([task])[1]["learnt"]["x"][1] for k in range(1, 10)]
    assert middle == pytest.approx([2, 2, 1, 4 / 3, 11 / 6, 5 / 3, 2, 16 / 9, 43 / 24])


def test_piecewise_values_go_from_0_to_1_within_their_bin():
    task = as_task_regr({"x": [0.0, 1.0, 2.0, 4.0, 8.0], "y": [0, 1, 2, 3, 4]}, target="y")
    _, state = po("encodeplquantiles").train([task])
    new = task.newdata({"x": [-1.0, 1.5, 5.0, 9.0, None]})
    out = po("encodeplquantiles").predict([new], state)[0].matrix("float64")
    np.testing.assert_allclose(out, [[0, 0], [0.75, 0], [1, 0.5], [1, 1], [np.nan, np.nan]])


def test_rare_levels_join_the_rarest_that_is_kept_and_unseen_ones_stay():
    f = pl.Series(list("aaaabbbccd"), dtype=pl.Enum("abcd"))
    task = as_task_regr(pl.DataFrame({"f": f, "y": range(10)}), target="y")
    node = po("collapsefactors", no_collapse_above_absolute=1, target_level_count=2)
    (out,), state = node.train([task])
    assert "".join(out.frame()["f"].to_list()) == "aaaabbbccc"
    new = pl.DataFrame({"f": pl.Series(["d", "e", None], dtype=pl.Enum("abcde"))})
    assert node.predict([task.newdata(new)], state)[0].frame()["f"].to_list() == ["c", "e", None]


def test_a_level_is_kept_above_a_prevalence_and_not_at_it():
    f = pl.Series(list("aaaabbbccd"), dtype=pl.Enum("abcd"))
    task = as_task_regr(pl.DataFrame({"f": f, "y": range(10)}), target="y")
    made = [po("collapsefactors", no_collapse_above_prevalence=share).train([task])[0][0].levels("f") for share in (0.2, 0.19)]
    assert made == [["a", "b"], ["a", "b", "c"]]


def test_decode_turns_encode_round():
    task = tsk("iris").select([]).cbind({"f": ["u", "v", "w"] * 50})
    for method, more in (("one-hot", {}), ("treatment", {"treatment_encoding": True, "ref_name": "u"})):
        coded = po("encode", method=method).train([task])[0][0]
        out = po("decode", **more).train([coded])[0][0]
        assert out.frame()["f"].to_list() == ["u", "v", "w"] * 50
    taken = as_task_regr({"f.ref": [1, 0], "f.b": [0, 0], "y": [0, 1]}, target="y")
    assert po("decode", treatment_encoding=True).train([taken])[0][0].frame()["f"].to_list() == ["ref", "ref.1"]
    last = as_task_regr({"f.a": [1], "f.b": [1], "y": [0]}, target="y")
    assert po("decode", ties_method="last").train([last])[0][0].frame()["f"].to_list() == ["b"]
    with pytest.raises(ConfigError, match="needs a group"):
        po("decode", group_pattern="x")
    with pytest.raises(DataError, match="no name for the new column"):
        po("decode", group_pattern="^([^.]*)f").train([last])


def test_parts_of_dates_are_those_of_the_calendar():
    moments = [datetime(1969, 12, 28, 5, 59, 58) + timedelta(days=37 * k, hours=7 * k, seconds=k) for k in range(400)]
    task = as_task_regr({"t": moments, "y": np.arange(400.0)}, target="y")
    frame = po("datefeatures", cyclic=True, is_month_end=True, is_year_start=True).train([task])[0][0].frame()
    assert frame["t.year"].to_list() == [m.year for m in moments]
    assert frame["t.quarter"].to_list() == [(m.month + 2) // 3 for m in moments]
    assert frame["t.week_of_year"].to_list() == [m.isocalendar().week for m in moments]
    assert frame["t.day_of_year"].to_list() == [m.timetuple().tm_yday for m in moments]
    assert frame["t.day_of_week"].to_list() == [m.isoweekday() % 7 + 1 for m in moments]
    assert frame["t.second"].to_list() == [m.second for m in moments]
    assert frame["t.is_day"].to_list() == [6 <= m.hour <= 20 for m in moments]
    assert frame["t.is_month_end"].to_list() == [(m + timedelta(days=1)).day == 1 for m in moments]
    assert frame["t.month_sin"].to_list() == pytest.approx([sin(2 * pi * (m.month - 1) / 12) for m in moments])


def test_times_are_those_of_their_zone():
    frame = pl.DataFrame({"t": [datetime(2024, 6, 30, 23, 30)], "y": [0]})
    task = as_task_regr(
        frame.with_columns(pl.col("t").dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Berlin")), target="y"
    )
    out = po("datefeatures").train([task])[0][0].frame()
    assert (out["t.month"][0], out["t.hour"][0]) == (7, 1)
