"""Short cuts for wide tables give what the long way gives: types by identity, one matrix, one slice of columns."""

from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pytest

from pipeops import as_task_regr
from pipeops.data.columns import number_matrix, readable, schema_of
from pipeops.data.frames import chosen

MIXED: dict[str, Any] = {
    "a": pl.Series([1.0, None, 3.0]),
    "b": pl.Series([1, 2, None], dtype=pl.Int8),
    "c": pl.Series(["x", None, "y"]),
    "d": pl.Series(["x", "y", "x"], dtype=pl.Enum(["y", "x"])),
    "e": pl.Series(["x", "y", "x"], dtype=pl.Enum(["x", "y"])),
    "f": pl.Series([1, 2, 3], dtype=pl.Datetime("ms", "UTC")),
    "g": pl.Series([1, 2, 3], dtype=pl.Datetime("us")),
    "h": pl.Series([[1.0, 2.0]] * 3, dtype=pl.Array(pl.Float32, 2)),
    "i": pl.Series([[1.0]] * 3, dtype=pl.Array(pl.Float32, 1)),
    "j": pl.Series([True, None, False]),
}


def test_types_are_those_that_narwhals_says():
    frame = nw.from_native(pl.DataFrame(MIXED))
    assert schema_of(frame) == dict(frame.schema)


@pytest.mark.parametrize("rows", [3, 5000])
def test_one_matrix_holds_what_the_columns_hold(rows: int):
    numbers = np.random.default_rng(0).normal(size=(rows, 4))
    frame = pl.DataFrame(numbers, schema=list("abcd")).with_columns(pl.when(pl.col("b") > 0).then(pl.col("b")).alias("b"))
    for native in (frame, frame.to_pandas(), frame.with_columns(c=pl.col("c").cast(pl.Float32))):
        columns = nw.from_native(native, eager_only=True)
        for names in (["a", "b", "c", "d"], ["c", "b"], ["b", "c"], ["d"]):
            whole, each = number_matrix(columns, names), readable(columns, names)
            if whole is not None:
                assert np.array_equal(whole, np.stack([column[:] for column in each]), equal_nan=True)


def test_parts_of_a_column_with_holes_are_parts_of_the_whole():
    rng = np.random.default_rng(1)
    values = pl.Series("a", rng.normal(size=200_000)).set(pl.Series(rng.random(200_000) < 0.3), None)
    (holed,) = readable(nw.from_native(values.to_frame()), ["a"])
    whole, rows = values.to_numpy(), rng.integers(0, 200_000, 50)
    for part in (slice(0, 10), slice(5, 70_000), slice(69_990, 70_010), slice(3, 9), slice(None), slice(200_000, 200_000), rows):
        assert np.array_equal(holed[part], whole[part], equal_nan=True)


@pytest.mark.parametrize("names", [["b", "c"], ["c", "b"], ["a", "b", "c"], ["d"], ["a", "c", "d"], []])
def test_columns_are_chosen_in_the_order_asked_for(names: list[str]):
    frame = pd.DataFrame({"a": [1.0], "b": [2.0], "c": ["x"], "d": [4]})
    found = chosen(nw.from_native(frame, eager_only=True), names).to_native()
    assert list(found.columns) == names
    assert all(found[name].equals(frame[name]) for name in names)


def test_labels_apart_leave_a_wide_frame_of_pandas_in_one_piece():
    frame = pd.DataFrame(np.zeros((3, 50)), columns=[f"x{i}" for i in range(50)])
    task = as_task_regr(frame, pd.Series([1.0, 2.0, 3.0], index=[7, 8, 9], name="y"))
    assert len(task.view.frame.to_native()._mgr.blocks) == 2
    assert task.truth().tolist() == [1.0, 2.0, 3.0]
    assert list(frame.columns) == [f"x{i}" for i in range(50)]


def test_new_data_in_another_order_or_with_more_columns_is_the_same_task():
    task = as_task_regr({"a": [1.0, 2.0], "b": [3, 4], "y": [0.0, 1.0]}, target="y")
    for frame in (
        pl.DataFrame({"b": [3, 4], "a": [1.0, 2.0]}),
        pl.DataFrame({"z": ["q", "r"], "a": [1.0, 2.0], "b": [3.0, 4.0]}),
    ):
        new = task.newdata(frame)
        assert new.feature_names == ["a", "b"]
        assert new.matrix().tolist() == [[1.0, 3.0], [2.0, 4.0]]
