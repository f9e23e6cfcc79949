"""What users hand in keeps values, missing ones, types and the order of categories, whichever library holds it."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeops import as_task_classif, as_task_regr, lrn, po
from pipeops.data.selectors import resolve, selector_grep, selector_type
from pipeops.data.stored import prototype
from pipeops.errors import ConfigError, DataError, UnknownKeyError

MAKERS = [pd.DataFrame, pl.DataFrame, pa.table, dict]
Y = [0.0, 1.0, 2.0]


@pytest.mark.parametrize("make", MAKERS)
def test_an_empty_target_is_an_absent_one(make):
    task = as_task_classif(make({"x": [1.0, 2.0], "y": ["a", "b"]}), target="y")
    assert not task.newdata(make({"x": [1.0], "y": [None]})).has_target


def test_new_rows_may_be_dictionaries():
    task = as_task_regr({"x": [1.0, 2.0, 3.0], "f": ["a", "b", "a"], "y": Y}, target="y")
    assert task.newdata([{"x": 4, "f": "b"}, {"f": "a", "x": None}]).matrix("float64", ["x"])[0, 0] == 4
    assert task.newdata({"x": 4.5, "f": "b"}).frame().rows() == [(4.5, "b")]


@pytest.mark.parametrize(
    "values",
    [
        [4, 3.9, 1],
        pd.array([4, None, 1], dtype="Int64"),
        [Decimal("1.5"), Decimal(2), 3],
        np.ma.masked_array([1, 2, 3], [0, 1, 0]),
        torch.tensor([1.0, 2.0, 3.0], dtype=torch.float16),
        pa.array([1, None, 2]),
    ],
)
def test_any_column_of_a_dictionary(values):
    found = as_task_regr({"x": values, "y": Y}, target="y").matrix("float64").ravel()
    right = [
        np.nan if v is None or v is pd.NA or v is np.ma.masked else float(v)
        for v in (
            values.tolist() if hasattr(values, "tolist") else values.to_pylist() if hasattr(values, "to_pylist") else values
        )
    ]
    np.testing.assert_array_equal(found, right)


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
def test_decimals_are_numbers(make):
    task = as_task_regr(make({"x": Y, "y": [Decimal("1.5"), Decimal("2.5"), Decimal("3")]}), target="y")
    assert task.truth().dtype == np.float64
    assert task.truth().tolist() == [1.5, 2.5, 3.0]


def test_the_order_of_categories_crosses_libraries():
    labels = pd.Series(["low", "high"], dtype=pd.CategoricalDtype(["low", "high", "none"]))
    for y in (labels, pl.Series(labels.tolist(), dtype=pl.Enum(["low", "high", "none"])), labels.array):
        for x in (np.eye(2), torch.eye(2), {"a": [1, 2]}, pd.DataFrame({"a": [1, 2]}), pa.table({"a": [1, 2]})):
            assert as_task_classif(x, y).class_names == ["low", "high", "none"]


@pytest.mark.parametrize("labels", [[-1, 1], [-1.0, 1.0], ["-1", "1"], ["0", "1"], [0, 1], [False, True]])
def test_one_is_positive(labels):
    assert as_task_classif({"x": [1, 2], "y": labels}, target="y").positive == labels[1]


def test_minus_zero_is_zero_and_chunks_are_one_column():
    codes, labels = as_task_regr(pa.table({"g": [-0.0, 0.0, 1.0], "y": Y}), target="y").with_roles(group="g").role_codes("group")
    assert (codes.tolist(), labels) == ([0, 0, 1], [0.0, 1.0])
    chunks = pa.chunked_array([pa.array([w], pa.string()).dictionary_encode() for w in ("b", "a", None)])
    task = as_task_regr(pa.table({"f": chunks, "y": Y}), target="y")
    assert (task.levels("f"), task.codes("f").tolist()) == (["a", "b"], [1, 0, -1])


@pytest.mark.parametrize(
    ("y", "error"),
    [
        (pd.DataFrame({"a": [0, 1], "b": [1, 0]}), "2 columns"),
        ({"a": [0, 1], "b": [1, 0]}, "2 columns"),
        ({1, 2}, "set"),
        (3, "int"),
    ],
)
def test_labels_that_are_none_are_refused(y, error):
    with pytest.raises(DataError, match=error):
        as_task_classif(np.eye(2), y)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "bool", "float16"])
def test_a_matrix_that_cannot_hold_the_numbers_is_refused(dtype):
    task = as_task_regr({"x": [300, -1, 2**40], "y": Y}, target="y")
    with pytest.raises(DataError, match="'x'"):
        task.matrix(dtype)
    assert task.matrix("int64").ravel().tolist() == [300, -1, 2**40]
    with pytest.raises(DataError, match="'x'"):
        as_task_regr({"x": [0.5, 1.0, 2.0], "y": Y}, target="y").matrix("int64")


@pytest.mark.parametrize("make", MAKERS)
def test_joined_rows_keep_their_values(make):
    task = as_task_regr(make({"x": [1, 2], "y": [10, 20]}), target="y").rbind(make({"x": [3.7], "y": [40.9]}))
    assert (task.matrix("float64")[-1, 0], task.truth()[-1]) == (3.7, 40.9)
    with pytest.raises(DataError, match="'x'"):
        as_task_regr(make({"x": [2**60 + 1], "y": [10]}), target="y").rbind(make({"x": [0.5], "y": [1]}))


def test_joined_rows_may_bring_levels_but_no_classes():
    frame = pd.DataFrame({"f": pd.Categorical(["a", "b"]), "y": ["n", "p"]})
    task = as_task_classif(frame, target="y")
    assert task.rbind(pd.DataFrame({"f": ["c"], "y": ["n"]})).levels("f") == ["a", "b", "c"]
    with pytest.raises(DataError, match="'q'"):
        task.rbind(pd.DataFrame({"f": ["a"], "y": ["q"]}))


def test_numbers_name_columns():
    task = as_task_regr(pd.DataFrame({0: [1, 2], 1: [3, 4], 2: [0.5, 1.5]}), target=2)
    assert task.with_roles(group=0).roles["group"] == ["0"]
    assert task.select([1]).feature_names == resolve(1, task) == ["1"]
    assert task.levels(0) == [1, 2]
    assert task.data(columns=[2, np.int64(0)]).columns.tolist() == ["2", "0"]


@pytest.mark.parametrize("name", ["*", "^a.*$"])
def test_a_name_that_polars_reads_as_a_pattern_is_refused(name):
    with pytest.raises(DataError, match="pattern"):
        as_task_regr(pl.DataFrame({name: Y, "y": Y}), target="y")
    assert as_task_regr(pd.DataFrame({name: Y, "y": Y}), target="y").feature_names == [name]


def test_a_caret_alone_is_text():
    task = as_task_regr({"^V": Y, "V1": Y, "y": Y}, target="y")
    assert resolve("^V", task) == ["^V"]
    with pytest.raises(UnknownKeyError):
        resolve("^V", task.select(["V1"]))


def test_class_codes_are_the_callers_own():
    task = as_task_classif({"x": Y, "y": ["a", "b", "a"]}, target="y")
    task.class_codes()[:] = 7
    assert task.class_codes().tolist() == [0, 1, 0]


def test_a_prototype_keeps_roles():
    task = as_task_classif({"x": Y, "w": [1.0, 2.0, 3.0], "s": ["u", "v", "u"], "y": ["a", "b", "a"]}, target="y")
    roles = task.with_roles(weight="w", stratum="s").roles
    made = prototype(task.with_roles(weight="w", stratum="s"))
    assert made.roles == roles
    assert made.newdata({"x": [1.0], "s": ["u"], "w": [4.0]}).weights().tolist() == [4.0]


@pytest.mark.parametrize("weights", [[1.0, np.inf, 1.0], [0.0] * 3, [1.0, None, 1.0], [-1.0, 1.0, 1.0]])
def test_useless_weights_are_named(weights):
    with pytest.raises(DataError, match="'w'"):
        as_task_regr({"x": Y, "w": weights, "y": Y}, target="y").with_roles(weight="w")


def test_values_are_no_names():
    task = as_task_regr({"x": Y, "y": Y}, target="y")
    with pytest.raises(ConfigError, match="names of columns"):
        task.with_roles(weight=np.ones(3))


def test_an_empty_class_is_named():
    kinds = pd.Categorical(["b", "c"], categories=["a", "b", "c"])
    with pytest.raises(ConfigError, match="'a' of them in no row"):
        as_task_classif(pd.DataFrame({"x": [1, 2], "kind": kinds}), target="kind", positive="b")


@pytest.mark.parametrize("zone", ["America/New_York", "America/Port-au-Prince", "Etc/GMT+5", dt.timezone(dt.timedelta(hours=5))])
def test_any_time_zone(zone):
    when = pd.Series(pd.date_range("2024-01-01", periods=3, tz=zone))
    task = as_task_regr(pd.DataFrame({"t": when.where([True, False, True]), "y": Y}), target="y")
    assert task.feature_types == {"t": "datetime"}
    assert pd.Timestamp(po("imputemean").train([task])[0][0].frame()["t"].to_list()[1]) == when[1]


@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=False, width=64)), min_size=2, max_size=8))
def test_scaling_is_the_same_in_every_library(values):
    known = [v for v in values if v is not None]
    data = {"x": values, "y": [0.0] * len(values)}
    found = []
    for make in (pd.DataFrame, pl.DataFrame, pa.table):
        try:
            found.append(po("scale").train([as_task_regr(make(data), target="y")])[0][0].matrix("float64").ravel())
        except DataError:
            assert any(np.isinf(known))
            return
    np.testing.assert_allclose(found[0], found[1], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found[0], found[2], rtol=1e-12, atol=1e-12)
    assert np.isfinite(found[0][[v is not None for v in values]]).all()


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(
    "values",
    [
        np.float32([1e20, 2e20, 3e20]),
        np.array([1e307, 2e307, 3e307]),
        np.array([-1e308, 0, 1e308]),
        np.array([1e-300, 2e-300, 3e-300]),
        2**60 + 2**40 * np.arange(3),
    ],
)
def test_numbers_of_any_size_are_scaled(make, values):
    task = as_task_regr(make({"x": values, "y": Y}), target="y")
    np.testing.assert_allclose(po("scale").train([task])[0][0].matrix("float64").ravel(), [-1, 0, 1], atol=1e-9)
    np.testing.assert_allclose(po("scalerange").train([task])[0][0].matrix("float64").ravel(), [0, 0.5, 1], atol=1e-9)


@pytest.mark.parametrize("key", ["imputemean", "imputeoor"])
def test_infinity_is_not_imputed(key):
    with pytest.raises(DataError, match="'x'"):
        po(key).train([as_task_regr({"x": [1.0, np.inf, None], "y": Y}, target="y")])


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
def test_the_empty_level_of_texts_is_known_before_it_is_needed(make):
    node = po("imputeoor", create_empty_level=True)
    (made,), state = node.train([as_task_regr(make({"f": ["a", "b", "a"], "y": Y}), target="y")])
    assert made.levels("f") == ["a", "b", ".MISSING"]
    new = node.predict([as_task_regr(make({"f": ["b", None], "y": [0.0, 1.0]}), target="y")], state)[0]
    assert new.codes("f", made.levels("f")).tolist() == [1, 2]


def test_one_hot_of_very_many_levels_is_refused():
    task = as_task_regr({"f": [f"v{i}" for i in range(10_001)], "y": np.zeros(10_001)}, target="y")
    with pytest.raises(DataError, match="10,001 levels"):
        po("encode").train([task])
    assert po("select", selector=~selector_type("categorical")).train([task])[0][0].feature_names == []


def test_selectors_of_many_columns_are_sets():
    task = as_task_regr(pl.DataFrame({f"x{j}": [1.0] for j in range(10_000)} | {"y": [1.0]}), target="y")
    assert len(resolve(~selector_grep("9$") & selector_type("numeric") - selector_grep("^x1"), task)) == 8000


def test_fractions_may_be_classes():
    stars = np.array([0.5, 1.0, 1.5] * 5)
    task = as_task_classif({"x": stars, "y": stars}, target="y")
    assert lrn("classif.tree").train(task).predict(task).response.tolist() == stars.tolist()


LARGE = pl.Series([1, None, 2**70], dtype=pl.Int128)


def arrow(values, dtype):
    return pa.table({"x": pa.array(values, dtype), "y": [1.0, 2.0, 3.0]})


@pytest.mark.parametrize(
    ("make", "kind", "values"),
    [
        (lambda: arrow([Decimal("1.5"), None, Decimal(2)], pa.decimal256(50, 2)), "numeric", [1.5, None, 2.0]),
        (lambda: arrow(["a", None, "b"], pa.string_view()), "categorical", ["a", None, "b"]),
        (lambda: arrow([dt.date(2024, 1, 1), None, dt.date(2024, 1, 2)], pa.date64()), "datetime", None),
        (
            lambda: pl.DataFrame({"x": pl.Series([1, None, 2**70], dtype=pl.Int128), "y": [1.0, 2, 3]}),
            "numeric",
            [1.0, None, 2.0**70],
        ),
    ],
    ids=["long decimals", "views of texts", "days in milliseconds", "128 bits"],
)
def test_types_with_another_one_for_the_same_are_read_as_that(make, kind, values):
    task = as_task_regr(make(), target="y")
    assert task.feature_types == {"x": kind}
    assert task.missings()["x"] == 1
    found = next(iter(task.frame().iter_columns())).to_list()
    assert found == (values or [dt.date(2024, 1, 1), None, dt.date(2024, 1, 2)])
    if kind == "categorical":
        assert po("imputeoor").train([task])[0][0].levels("x") == [".MISSING", "a", "b"]
