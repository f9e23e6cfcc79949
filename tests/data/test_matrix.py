"""The matrix equals the frame, for all libraries, types, views and block sizes."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeops.data import as_task_regr
from pipeops.data import matrix as arrays
from pipeops.errors import DataError

DTYPES = [pl.Float64, pl.Float32, pl.Int64, pl.Int8, pl.UInt8, pl.UInt32, pl.Boolean]


def columns(n):
    value = st.one_of(st.none(), st.integers(0, 1))
    column = st.tuples(st.sampled_from(DTYPES), st.lists(value, min_size=n, max_size=n))
    return st.lists(column, min_size=1, max_size=4)


@settings(max_examples=30, deadline=None, derandomize=True, database=None)
@given(st.integers(0, 7).flatmap(columns), st.data())
def test_matrix_is_the_frame(drawn, data):
    series = [pl.Series(f"c{i}", values).cast(dtype) for i, (dtype, values) in enumerate(drawn)]
    frame = pl.DataFrame(series).with_columns(y=pl.lit(1.0))
    expected = frame.drop("y").cast(pl.Float64).to_numpy().astype("float32")
    ids = data.draw(st.lists(st.integers(0, len(frame) - 1), max_size=9)) if len(frame) else []
    for native in (frame, frame.to_pandas(), frame.to_pandas(use_pyarrow_extension_array=True), frame.to_arrow()):
        task = as_task_regr(native, target="y")
        matrix = task.matrix()
        assert matrix.flags.c_contiguous
        assert matrix.dtype == np.float32
        np.testing.assert_array_equal(matrix, expected)
        np.testing.assert_array_equal(task.matrix(rows=ids), expected[ids])
        size = data.draw(st.integers(1, 9))
        parts = [(start, stop, block.copy()) for start, stop, block in task.filter(ids).blocks(size=size)]
        assert [p[:2] for p in parts] == [(s, min(s + size, len(ids))) for s in range(0, len(ids), size)]
        if parts:
            np.testing.assert_array_equal(np.concatenate([p[2] for p in parts]), expected[ids])


def test_several_blocks_and_rows_out_of_order(monkeypatch):
    monkeypatch.setattr(arrays, "BUFFER_BYTES", 1)  # blocks of 256 rows
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1000, 3))
    task = as_task_regr(x, np.zeros(1000))
    np.testing.assert_array_equal(task.matrix("float64"), x)
    for rows in (rng.permutation(1000), rng.integers(0, 1000, 700), np.arange(0, 1000, 2)):
        np.testing.assert_array_equal(task.filter(rows).matrix("float64"), x[rows])


def test_a_block_is_a_view_of_a_column_major_buffer():
    task = as_task_regr(np.ones((10, 3)), np.zeros(10))
    blocks = [block for _, _, block in task.blocks(size=4)]
    assert [b.shape for b in blocks] == [(4, 3), (4, 3), (2, 3)]
    assert blocks[0].strides == (4, 4 * (4 + arrays.PAD))
    assert blocks[0].base is blocks[1].base


def test_columns_in_the_given_order():
    task = as_task_regr({"a": [1, 2], "b": [3, 4], "y": [0, 0]}, target="y")
    assert task.matrix("int64", columns=["b", "a"]).tolist() == [[3, 1], [4, 2]]
    assert task.select(["b", "a"]).matrix("int64").tolist() == [[3, 1], [4, 2]]


def test_what_has_no_number_is_refused():
    task = as_task_regr({"s": ["u", "v"], "n": [1, None], "y": [0, 0]}, target="y")
    with pytest.raises(DataError, match=r"'s'.*encode"):
        task.matrix()
    with pytest.raises(DataError, match=r"'n' have missing values.*int64"):
        task.matrix("int64", columns=["n"])
    assert task.filter([0]).matrix("int64", columns=["n"]).tolist() == [[1]]


def test_decimals_become_floats():
    frame = pl.DataFrame({"d": pl.Series([1, None, 3]).cast(pl.Decimal(10, 2)), "y": [0, 0, 0]})
    for native in (frame, frame.to_arrow()):
        np.testing.assert_array_equal(as_task_regr(native, target="y").matrix("float64"), [[1], [np.nan], [3]])
