"""scale, scalerange, scalemaxabs beside scikit-learn, hand calculation and properties that hold for every input."""

import math
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler

from pipeops import as_task_regr, po
from pipeops.errors import DataError

FINITE = st.floats(-1e6, 1e6, allow_subnormal=False)
COLUMN = st.lists(st.one_of(st.none(), FINITE), min_size=1, max_size=12)


def task(**columns: Any) -> Any:
    rows = len(next(iter(columns.values())))
    return as_task_regr(pl.DataFrame({**columns, "y": [float(i) for i in range(rows)]}, strict=False), target="y")


def train(operator: Any, data: Any) -> Any:
    return operator.train([data])[0][0]


def values(made: Any, name: str = "x") -> list[Any]:
    return made.frame().get_column(name).to_list()


def test_scale_uses_the_sample_standard_deviation() -> None:
    numbers = np.array([[1.0, 10.0], [2.0, 0.0], [4.0, -3.0], [8.0, 5.0]])
    made = train(po("scale"), task(a=numbers[:, 0], b=numbers[:, 1])).matrix("float64")
    np.testing.assert_allclose(made, (numbers - numbers.mean(axis=0)) / numbers.std(axis=0, ddof=1))


def test_constants_are_only_centered_even_when_their_mean_is_not_exact() -> None:
    assert values(train(po("scale"), task(x=[0.1] * 7))) == [0.0] * 7
    assert values(train(po("scale"), task(x=[3])))[0] == 0.0


def test_missing_values_pass_through_scale_as_null_or_nan() -> None:
    made = values(train(po("scale"), task(x=[1.0, None, float("nan"), 3.0])))
    assert made[1] is None
    assert math.isnan(made[2])
    assert [made[0], made[3]] == pytest.approx([-math.sqrt(0.5), math.sqrt(0.5)])


def test_what_was_learnt_from_nothing_is_missing() -> None:
    empty = pl.Series([None, None], dtype=pl.Float64)
    for key in ("scale", "scalerange", "scalemaxabs"):
        for data in (task(x=empty), task(x=[1.0, 2.0]).filter([])):
            state = po(key).train([data])[1]
            made = po(key).predict([task(x=[1.0, 5.0])], state)[0].matrix("float64")
            assert np.isnan(made).all(), key


def test_scale_without_centering_divides_by_the_root_mean_square() -> None:
    made = values(train(po("scale", center=False), task(x=[3.0, 4.0])))
    assert made == pytest.approx([0.6, 0.8])
    assert values(train(po("scale", scale=False), task(x=[3.0, 4.0]))) == [-0.5, 0.5]


def test_robust_scale_uses_median_and_mad() -> None:
    made = values(train(po("scale", robust=True), task(x=[1.0, 2.0, 3.0, 4.0, 100.0])))
    assert made == pytest.approx([v / 1.4826 for v in (-2, -1, 0, 1, 97)])


def test_integers_neither_overflow_nor_truncate() -> None:
    small = pl.Series([-128, 127, 0], dtype=pl.Int8)
    numbers = small.to_numpy().astype(float)
    made = values(train(po("scale"), task(x=small)))
    assert made == pytest.approx(list((numbers - numbers.mean()) / numbers.std(ddof=1)))
    assert values(train(po("scalemaxabs"), task(x=small)))[0] == -1.0


def test_range_scalers_agree_with_scikit_learn() -> None:
    numbers = np.random.default_rng(1).normal(size=(20, 2))
    data = task(a=numbers[:, 0], b=numbers[:, 1])
    np.testing.assert_allclose(train(po("scalerange"), data).matrix("float64"), MinMaxScaler().fit_transform(numbers))
    wide = train(po("scalerange", lower=-2, upper=5), data).matrix("float64")
    np.testing.assert_allclose(wide, MinMaxScaler((-2, 5)).fit_transform(numbers))
    np.testing.assert_allclose(train(po("scalemaxabs"), data).matrix("float64"), MaxAbsScaler().fit_transform(numbers))


def test_a_constant_becomes_the_lower_bound() -> None:
    assert values(train(po("scalerange", lower=-1, upper=1), task(x=[4.0, 4.0]))) == [-1.0, -1.0]


@given(COLUMN)
def test_scaled_columns_have_mean_zero_and_standard_deviation_one(column: list[float | None]) -> None:
    known = [v for v in column if v is not None]
    made = [v for v in values(train(po("scale"), task(x=pl.Series(column, dtype=pl.Float64)))) if v is not None]
    if len(set(known)) > 1 and np.std(known) > 1e-6 * max(map(abs, known)):
        assert np.mean(made) == pytest.approx(0, abs=1e-6)
        assert np.std(made, ddof=1) == pytest.approx(1)


@given(COLUMN, st.floats(-5, 0), st.floats(1, 5))
def test_scalerange_stays_within_its_bounds(column: list[float | None], lower: float, upper: float) -> None:
    data = task(x=pl.Series(column, dtype=pl.Float64))
    made = [v for v in values(train(po("scalerange", lower=lower, upper=upper), data)) if v is not None and v == v]
    assert all(lower - 1e-9 <= v <= upper + 1e-9 for v in made)


@pytest.mark.parametrize("value", [float("inf"), float("-inf")])
@pytest.mark.parametrize("node", [po("scale"), po("scale", center=False), po("scale", scale=False), po("scalerange")])
def test_infinite_values_are_named(node, value):
    task = as_task_regr({"x": [1.0, 2.0, value], "z": [1.0, 2.0, 4.0], "y": [0.0, 1.0, 2.0]}, target="y")
    with pytest.raises(DataError, match=rf"{node.id}: infinite values in 'x', "):
        node.train([task])
    others = node.train([task.select(["z"])])[0][0]
    assert np.isfinite(others.matrix()).all()


def test_infinite_values_where_they_do_not_matter():
    """The largest finite value is what scalemaxabs learns, and a middle is not moved by one of three."""
    task = as_task_regr({"x": [1.0, 2.0, float("inf")], "y": [0.0, 1.0, 2.0]}, target="y")
    assert po("scalemaxabs").train([task])[0][0].matrix().ravel().tolist() == [0.5, 1.0, np.inf]
    assert po("scale", robust=True).train([task])[0][0].matrix()[1] == 0
    half = as_task_regr({"x": [1.0, np.inf, np.inf], "y": [0.0, 1.0, 2.0]}, target="y")
    with pytest.raises(DataError, match="infinite values in 'x'"):
        po("scale", robust=True).train([half])
