"""encode beside scikit-learn and R's contrast matrices written out."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import OneHotEncoder

from pipeops import as_task_regr, po
from pipeops.errors import DataError
from tests.ops.test_impute import FRAMES
from tests.ops.test_scale import task, train

LEVELS = ["lo", "mid", "hi"]
CONTRASTS = {
    "treatment": [[0, 0], [1, 0], [0, 1]],
    "helmert": [[-1, -1], [1, -1], [0, 2]],
    "sum": [[1, 0], [0, 1], [-1, -1]],
    "poly": [[-(0.5**0.5), 6**-0.5], [0, -2 * 6**-0.5], [0.5**0.5, 6**-0.5]],
}


def enum(values: list[str | None], levels: list[str] = LEVELS) -> pl.Series:
    return pl.Series(values, dtype=pl.Enum(levels))


@pytest.mark.parametrize("kind", FRAMES)
def test_one_hot_agrees_with_scikit_learn(kind: str) -> None:
    texts = np.random.default_rng(3).choice(["u", "v", "w"], size=25)
    frame = pl.DataFrame({"f": texts.tolist(), "y": np.zeros(25)})
    made = train(po("encode"), as_task_regr(FRAMES[kind](frame), target="y"))
    assert made.feature_names == ["f.u", "f.v", "f.w"]
    np.testing.assert_array_equal(made.matrix(), OneHotEncoder(sparse_output=False).fit_transform(texts[:, None]))


@pytest.mark.parametrize("method", CONTRASTS)
def test_contrasts_are_those_of_the_textbook(method: str) -> None:
    made = train(po("encode", method=method), task(f=enum(LEVELS)))
    np.testing.assert_allclose(made.matrix("float64"), CONTRASTS[method], atol=1e-12)
    assert made.feature_names == (["f.mid", "f.hi"] if method == "treatment" else ["f.1", "f.2"])


def test_columns_follow_the_levels_and_come_last() -> None:
    made = train(po("encode"), task(f=enum(["hi", "lo"]), x=[1.0, 2.0]))
    assert made.feature_names == ["x", "f.lo", "f.mid", "f.hi"]


@pytest.mark.parametrize("kind", FRAMES)
def test_unseen_levels_give_zeros_and_missing_values_a_missing_row(kind: str) -> None:
    seen, new = pl.DataFrame({"f": ["a", "b"], "y": [0.0, 1.0]}), pl.DataFrame({"f": ["z", None], "y": [0.0, 1.0]})
    state = po("encode").train([as_task_regr(FRAMES[kind](seen), target="y")])[1]
    made = po("encode").predict([as_task_regr(FRAMES[kind](new), target="y")], state)[0].matrix()
    np.testing.assert_array_equal(made, [[0, 0], [np.nan, np.nan]])


def test_an_unseen_level_is_a_missing_row_for_contrasts() -> None:
    state = po("encode", method="treatment").train([task(f=["a", "b"])])[1]
    assert np.isnan(po("encode", method="treatment").predict([task(f=["z", "a"])], state)[0].matrix()[:, 0]).tolist() == [
        True,
        False,
    ]


def test_one_byte_columns_count_as_numbers() -> None:
    made = train(po("encode"), task(f=["a", "b", "a"]))
    scaled = train(po("scale"), made).matrix("float64")
    np.testing.assert_allclose(scaled[:, 0], np.array([1, -2, 1]) / 3 / np.std([1, 0, 1], ddof=1))


def test_names_that_would_stand_twice_are_refused() -> None:
    with pytest.raises(DataError, match=r"'a\.b\.c' would stand twice"):
        po("encode").train([task(**{"a": ["b.c", "d"], "a.b": ["c", "e"]})])
    with pytest.raises(DataError, match=r"'a\.b' would stand twice"):
        po("encode").train([task(**{"a": ["b", "c"], "a.b": [1.0, 2.0]})])


@pytest.mark.parametrize("method", CONTRASTS)
def test_contrasts_of_a_single_level_are_refused(method: str) -> None:
    with pytest.raises(DataError, match="'f' has 1 level"):
        po("encode", method=method).train([task(f=["a", "a"])])


@given(st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=12))
def test_rows_sum_to_one_where_nothing_is_missing(column: list[str | None]) -> None:
    data = task(f=pl.Series(column, dtype=pl.String))
    ((made,), state) = po("encode").train([data])
    matrix: Any = made.matrix()
    if matrix.shape[1]:
        sums = matrix.sum(axis=1)
        assert [None if np.isnan(s) else s for s in sums] == [None if v is None else 1 for v in column]
    np.testing.assert_array_equal(matrix, po("encode").predict([data], state)[0].matrix())
