"""Rows, columns and roles of a task: nothing changes in place, row ids survive, views agree with the frame."""

import copy
import pickle

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeops import lrn
from pipeops.data import as_task_classif, as_task_regr
from pipeops.data.columns import label_array
from pipeops.errors import ConfigError, DataError, UnknownKeyError

FRAME = pl.DataFrame(
    {
        "a": [float(i) for i in range(10)],
        "b": [i * i for i in range(10)],
        "g": list("uuvvwwuuvv"),
        "w": [1.0, 2.0] * 5,
        "y": list("pqpqpqpppp"),
    }
)
LIBRARIES = {"polars": FRAME, "pandas": FRAME.to_pandas(), "pyarrow": FRAME.to_arrow()}
SETTINGS = settings(max_examples=25, deadline=None, derandomize=True, database=None)


@pytest.fixture(params=LIBRARIES)
def task(request):
    return as_task_classif(LIBRARIES[request.param], target="y", id="demo")


def rows_of(native):
    return nw.from_native(native).rows()


def test_filter_takes_ids_in_any_order_more_than_once(task):
    view = task.filter([7, 2, 2]).filter([2, 7])
    assert view.row_ids.tolist() == [2, 7]
    assert view.row_ids.dtype == np.int64
    assert task.filter([7, 2, 2]).row_ids.tolist() == [7, 2, 2]
    assert task.filter([7, 2, 2]).truth().tolist() == ["p", "p", "p"]
    assert task.row_ids.tolist() == list(range(10))
    assert task.filter(task.truth() == "q").row_ids.tolist() == [1, 3, 5]
    assert task.filter([]).nrow == 0
    assert task.filter([]).class_names == ["p", "q"]


@pytest.mark.parametrize("rows", [[10], [-1], [3, 99]])
def test_unknown_row_ids_are_named(task, rows):
    with pytest.raises(UnknownKeyError, match=str(rows[-1])):
        task.filter(rows)


def test_ids_outside_a_view_are_unknown(task):
    with pytest.raises(UnknownKeyError, match="3"):
        task.filter([1, 2]).filter([3])
    with pytest.raises(UnknownKeyError, match="0"):
        task.filter([]).filter([0])
    with pytest.raises(DataError, match="booleans"):
        task.filter([True, False])
    with pytest.raises(DataError, match="float64"):
        task.filter([0.5])


@SETTINGS
@given(st.lists(st.integers(0, 9), max_size=12), st.data())
def test_filter_and_select_commute_and_agree_with_the_frame(ids, data):
    names = data.draw(st.permutations(["a", "b"]))
    for native in LIBRARIES.values():
        task = as_task_classif(native, target="y")
        view = task.filter(ids).select(names)
        assert rows_of(view.data(columns=names)) == rows_of(task.select(names).filter(ids).data(columns=names))
        assert rows_of(view.data()) == FRAME[ids].select("y", *names).rows()
        again = data.draw(st.lists(st.sampled_from(ids), max_size=5)) if ids else []
        assert view.filter(again).row_ids.tolist() == again
        assert view.filter(again).truth().tolist() == FRAME[again]["y"].to_list()


def test_select_keeps_the_given_order_and_refuses_others(task):
    assert task.select(["b", "a"]).feature_names == ["b", "a"]
    assert task.select([]).feature_names == []
    with pytest.raises(UnknownKeyError, match="'aa'"):
        task.select(["aa"])
    with pytest.raises(UnknownKeyError, match="'y'"):
        task.select(["y"])
    with pytest.raises(DataError, match="twice"):
        task.select(["a", "a"])


def test_roles(task):
    new = task.with_roles(stratum=["y", "g"], weight="w")
    assert task.properties == ["twoclass"]
    assert new.properties == ["twoclass", "strata", "weights"]
    assert new.feature_names == ["a", "b", "g"]
    assert new.roles["stratum"] == ["y", "g"]
    np.testing.assert_array_equal(new.filter([1, 0]).weights(), [2.0, 1.0])
    codes, labels = new.role_codes("stratum")
    assert [labels[c] for c in codes] == list(zip(FRAME["y"], FRAME["g"], strict=True))
    assert task.role_codes("group") is None
    assert task.weights() is None
    grouped = task.with_roles(group="g", feature=["a", "g"])
    assert grouped.feature_names == ["a", "g"]
    assert grouped.with_roles(group=None).properties == ["twoclass"]
    assert grouped.role_codes("group")[1] == ["u", "v", "w"]


def test_bad_roles(task):
    with pytest.raises(UnknownKeyError, match="stratum"):
        task.with_roles(strata="y")
    with pytest.raises(UnknownKeyError, match="'z'"):
        task.with_roles(stratum="z")
    with pytest.raises(ConfigError, match="one column"):
        task.with_roles(group=["g", "w"])
    with pytest.raises(ConfigError, match="one column"):
        task.with_roles(target=None)
    with pytest.raises(DataError, match="weights"):
        as_task_regr({"w": [1.0, -1.0], "y": [1, 2]}, target="y").with_roles(weight="w").weights()
    with pytest.raises(DataError, match="weights"):
        task.with_roles(weight="g").weights()


def test_another_target_makes_other_classes(task):
    new = task.with_roles(target="g")
    assert new.class_names == ["u", "v", "w"]
    assert new.positive is None
    assert "g" not in new.feature_names
    assert "y" not in new.feature_names


def test_operators_replace_features_and_leave_the_rest(task):
    view = task.with_roles(weight="w", stratum="g").filter([4, 1])
    frame = view.frame(["a"]).with_columns(nw.col("a") * 2, c=nw.col("a"))
    new = view.with_features(frame)
    assert new.feature_names == ["a", "c"]
    assert rows_of(new.data()) == [("p", 8.0, 4.0), ("q", 2.0, 1.0)]
    assert new.row_ids.tolist() == [4, 1]
    assert new.weights().tolist() == [1.0, 2.0]
    assert new.filter([1]).role_codes("stratum")[1] == ["u"]
    assert new.filter([1]).matrix().tolist() == [[2.0, 1.0]]
    assert view.with_features(view.frame([])).ncol == 1
    with pytest.raises(DataError, match=r"2 rows|10 rows"):
        view.with_features(task.frame())
    with pytest.raises(DataError, match="target"):
        view.with_features(frame.rename({"a": "y"}))


def test_features_dropped_by_an_operator_can_come_back_as_they_were(task):
    new = task.with_features(task.frame(["a"])).with_roles(feature=["b", "a"])
    assert rows_of(new.filter([3]).data()) == [("q", 9, 3.0)]


def test_new_data_needs_features_only(task):
    new = task.select(["a"]).newdata({"a": [1.0, 2.0], "other": ["x", "y"]})
    assert (new.has_target, new.nrow, new.ncol) == (False, 2, 2)
    assert new.truth().tolist() == [None, None]
    assert new.class_codes().tolist() == [-1, -1]
    assert new.class_names == ["p", "q"]
    assert "absent" in str(new)
    labelled = task.select(["a"]).newdata({"a": [1.0, 2.0], "y": ["q", None]})
    assert labelled.truth().tolist() == ["q", None]
    assert task.newdata(FRAME.with_columns(g=None)).feature_types["g"] == "categorical"
    with pytest.raises(DataError, match="'b', 'g', 'w'"):
        task.newdata({"a": [1.0]})
    with pytest.raises(DataError, match=r"'a' is categorical.*not numeric"):
        task.newdata(FRAME.with_columns(a=pl.lit("x")))
    with pytest.raises(DataError, match="'z'"):
        task.newdata(FRAME.with_columns(y=pl.Series(["z", *"qqqqqqqqq"]))).truth()
    regr = as_task_regr({"x": [1, 2], "y": [0.5, 1.0]}, target="y").newdata({"x": [3]})
    assert np.isnan(regr.truth()).all()


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table, dict])
def test_a_useless_target_does_not_stop_predict(make):
    classes = as_task_classif(make({"x": [1.0, 2.0], "y": ["a", "b"]}), target="y")
    numbers = as_task_regr(make({"x": [1.0, 2.0], "y": [1.0, 2.0]}), target="y")
    for task in (classes, numbers):
        for empty in ([None, None], ["", " "]):
            assert not task.newdata(make({"x": [1.0, 2.0], "y": empty})).has_target
        with pytest.warns(UserWarning, match="no value of the target 'y'"):
            assert not task.newdata(make({"x": [1.0, 2.0], "y": ["?", "?"]})).has_target
        assert task.newdata(make({"x": [1.0, 2.0], "y": task.truth().tolist()})).has_target


def test_more_columns_and_more_rows(task):
    wide = task.cbind({"c": list(range(10)), "a": [0.5] * 10})
    assert wide.feature_names == ["a", "b", "g", "w", "c"]
    assert wide.matrix(columns=["a", "c"])[3].tolist() == [0.5, 3.0]
    long = task.filter([2, 8]).rbind({"a": [7], "b": [1], "g": ["u"], "w": [1.0], "y": ["q"]})
    assert long.row_ids.tolist() == [2, 8, 9]
    assert long.truth().tolist() == ["p", "p", "q"]
    assert isinstance(long.data(), type(task.data()))
    with pytest.raises(DataError, match="1 rows"):
        task.cbind({"c": [1]})
    with pytest.raises(DataError, match="'y'"):
        task.rbind(FRAME.drop("y"))


def test_a_target_can_be_replaced():
    task = as_task_regr(FRAME.select("a", "b"), target="b")
    new = task.filter([3, 2]).with_target(task.filter([3, 2]).target_series().alias("root").cast(nw.Float64).sqrt())
    assert (new.target_names, new.truth().tolist(), new.feature_names) == (["root"], [3.0, 2.0], ["a"])
    assert new.row_ids.tolist() == [3, 2]


def test_data_head_and_unknown_columns(task):
    assert isinstance(task.head(), type(task.data()))
    assert rows_of(task.head(2)) == FRAME.select("y", "a", "b", "g", "w").rows()[:2]
    assert rows_of(task.data(rows=[3], columns=["b", "y"])) == [(9, "q")]
    with pytest.raises(UnknownKeyError, match="column 'bb'"):
        task.data(columns=["bb"])
    with pytest.raises(UnknownKeyError, match="'zz'"):
        task.codes("zz")


def test_positions_are_the_only_index():
    frame = LIBRARIES["pandas"].set_index(np.arange(10)[::-1])
    task = as_task_classif(frame, target="y")
    assert task.data().index.tolist() == list(range(10))
    assert task.filter([4, 1]).data().index.tolist() == [0, 1]


def test_printout():
    task = as_task_classif(FRAME, target="y", id="demo").with_roles(stratum="y", weight="w")
    assert str(task).splitlines() == [
        "<TaskClassif:demo> (10 x 4)",
        "* Target: y",
        "* Target classes: p (positive class, 70%), q (30%)",
        "* Properties: twoclass, strata, weights",
        "* Features (3):",
        "  - numeric (2): a, b",
        "  - categorical (1): g",
        "* Strata: y",
        "* Weights: w",
    ]
    assert "<TaskClassif:demo> (0 x 4)" in str(task.filter([]))


def test_pickle_and_deepcopy(task):
    view = task.filter([4, 1, 1]).with_roles(stratum="y")
    for again in (pickle.loads(pickle.dumps(view)), copy.deepcopy(view)):
        assert rows_of(again.data()) == rows_of(view.data())
        assert again.roles == view.roles
        assert again.class_codes().tolist() == view.class_codes().tolist()


def test_views_share_one_frame():
    task = as_task_classif(FRAME, target="y")
    assert task.filter([1]).with_roles(stratum="y")._x.frame is task._x.frame


def test_a_task_does_not_follow_what_its_user_writes_later():
    numbers = np.zeros(2)
    frames = [pl.DataFrame({"a": [0.0, 0.0], "y": ["p", "q"]}), pd.DataFrame({"a": [0.0, 0.0], "y": ["p", "q"]})]
    tasks = [as_task_classif(data, target="y") for data in (*frames, {"a": numbers, "y": ["p", "q"]})]
    frames[0][0, "a"] = frames[1].loc[0, "a"] = numbers[0] = 9.0
    assert [task.matrix().max() for task in tasks] == [0, 0, 0]
    with pytest.raises(AttributeError):
        tasks[0].id = "other"
    with pytest.raises(ValueError, match="read-only"):
        tasks[0].filter([1]).row_ids[0] = 7


def test_a_view_does_not_follow_the_array_it_was_made_with(task):
    rows = np.array([4, 1])
    view = task.filter(rows)
    rows[:] = 0
    assert view.row_ids.tolist() == [4, 1]
    assert view.data(columns=["a"]).equals(task.data(rows=[4, 1], columns=["a"]))
    view.class_codes()[:] = 7
    assert view.class_codes().tolist() == [0, 1]


def test_labels_of_codes():
    np.testing.assert_array_equal(label_array([0.5, 1.5], np.array([1, -1])), [1.5, np.nan])
    assert label_array([True, False], np.array([1, 0])).dtype == bool
    assert label_array([3, 1], np.array([1, -1])).tolist() == [1, None]


def test_of_many_classes_the_largest_are_printed():
    labels = [f"c{i:02}" for i in range(12) for _ in range(1 + (i in (3, 7)))]
    shown = " ".join(repr(as_task_classif({"x": range(14), "y": labels}, target="y")).split())
    assert "classes: c03 (14%), c07 (14%), c00 (7%)" in shown
    assert "c09 (7%), and 2 more * Prop" in shown


def test_counts_of_missing_values_are_plain_integers():
    for frame in (pl.DataFrame, pd.DataFrame):
        counts = as_task_regr(frame({"a": [1.0, None], "b": ["u", None], "y": [0, 1]}), target="y").missings()
        assert counts == {"y": 0, "a": 1, "b": 1}
        assert {type(n) for n in counts.values()} == {int}


def test_weights_for_learners_and_for_measures_are_apart():
    frame = {"x": [0.0, 1.0, 2.0, 3.0], "y": [1.0, 2.0, 3.0, 9.0], "w": [1.0, 0.0, 1.0, 2.0], "v": [0.0, 0.0, 1.0, 1.0]}
    task = as_task_regr(frame, target="y")
    both = task.with_roles(weight="w")
    assert both.weights("learner").tolist() == both.weights("measure").tolist() == frame["w"]
    apart = both.with_roles(weights_measure="v")
    assert apart.weights().tolist() == frame["w"]
    assert apart.weights("measure").tolist() == frame["v"]
    assert apart.feature_names == ["x"]
    prediction = lrn("regr.featureless").train(apart).predict(apart)
    assert prediction.response.tolist() == [(1 + 3 + 2 * 9) / 4] * 4
    assert prediction.score("regr.mae") == pytest.approx(((5.5 - 3) + (9 - 5.5)) / 2)
    learners = task.with_roles(weights_learner="w")
    assert learners.weights("measure") is None
    assert lrn("regr.featureless").train(learners).predict(learners).weights is None
    assert "Weights for learners: w" in str(learners)


def test_the_codes_of_classes_are_the_callers_own():
    task = as_task_classif({"x": [1, 2, 3], "y": ["a", "b", "a"]}, target="y")
    codes = task.class_codes()
    codes[:] = 9
    assert task.class_codes().tolist() == [0, 1, 0]
