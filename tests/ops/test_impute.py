"""Imputation beside numpy, scikit-learn and hand calculation."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.impute import SimpleImputer

from pipeops import as_task_regr, po
from pipeops.errors import DataError
from tests.ops.test_scale import task, train, values

NAN = float("nan")
FRAMES = {"polars": lambda f: f, "pandas": lambda f: f.to_pandas(), "pyarrow": lambda f: f.to_arrow()}
KEYS = ["imputemean", "imputemedian", "imputemode", "imputeoor"]


@pytest.mark.parametrize(
    ("key", "strategy"), [("imputemean", "mean"), ("imputemedian", "median"), ("imputemode", "most_frequent")]
)
def test_numbers_agree_with_scikit_learn(key: str, strategy: str) -> None:
    numbers = np.random.default_rng(2).integers(0, 5, size=(30, 2)).astype(float)
    numbers[::4, 0] = np.nan
    made = train(po(key), task(a=numbers[:, 0], b=numbers[:, 1])).matrix("float64")
    np.testing.assert_allclose(made, SimpleImputer(strategy=strategy).fit_transform(numbers))


def test_null_and_nan_are_both_missing() -> None:
    assert values(train(po("imputemean"), task(x=[1.0, None, NAN, 3.0]))) == [1.0, 2.0, 2.0, 3.0]


def test_an_integer_column_stays_integer_and_its_mean_is_rounded_half_to_even() -> None:
    made = train(po("imputemean"), task(x=[1, 2, None], z=[2, 3, None]))
    assert (values(made), values(made, "z")) == ([1, 2, 2], [2, 3, 2])
    assert made.frame().schema["x"].is_integer()


def test_dates_and_times_are_imputed_by_their_mean() -> None:
    days = [date(2020, 1, 1), None, date(2020, 1, 4)]
    moments = [datetime(2020, 1, 1, tzinfo=UTC), None, datetime(2020, 1, 2, tzinfo=UTC)]
    zone = pl.Series(moments, dtype=pl.Datetime("us", "UTC")).dt.convert_time_zone("Europe/Berlin")
    made = train(po("imputemean"), task(d=days, t=zone))
    assert values(made, "d")[1] == date(2020, 1, 2)
    assert values(made, "t")[1] == datetime(2020, 1, 1, 13, tzinfo=ZoneInfo("Europe/Berlin"))
    assert values(train(po("imputeoor"), task(d=days)), "d")[1] == date(2019, 12, 28)


def test_the_most_frequent_value_of_every_kind_and_ties() -> None:
    levels = pl.Series(["b", "a", None], dtype=pl.Enum(["b", "a"]))
    made = train(po("imputemode"), task(e=levels, s=["z", "y", None], l=[True, None, False], n=[2.0, 1.0, None]))
    assert [values(made, n)[2 if n != "l" else 1] for n in "esln"] == ["b", "y", False, 1.0]


def test_a_column_without_any_value_gets_the_value_of_its_kind() -> None:
    data = task(
        n=pl.Series([None] * 2, dtype=pl.Float64),
        i=pl.Series([None] * 2, dtype=pl.Int64),
        e=pl.Series([None] * 2, dtype=pl.Enum(["u", "v"])),
    )
    assert [values(train(po("imputemode"), data), n)[0] for n in "nie"] == [0.0, 0, "u"]
    assert [values(train(po("imputeoor"), data), n)[0] for n in "nie"] == [0.0, 0, ".MISSING"]


def test_out_of_range_lies_below_or_above_by_offset_and_range() -> None:
    assert values(train(po("imputeoor", offset=2, multiplier=3), task(x=[1.0, None, 5.0])))[1] == 1 - (2 + 3 * 4)
    assert values(train(po("imputeoor", min=False, offset=2, multiplier=3), task(x=[1.0, None, 5.0])))[1] == 5 + (2 + 3 * 4)


def test_out_of_range_widens_integers_that_cannot_hold_it() -> None:
    data = task(x=pl.Series([0, None, 200], dtype=pl.UInt8))
    operator = po("imputeoor")
    ((made,), state) = operator.train([data])
    assert values(made) == [0, -201, 200]
    assert values(operator.predict([data], state)[0]) == [0, -201, 200]


def test_categories_without_missing_values_in_training_are_left_alone_unless_asked() -> None:
    full = task(e=pl.Series(["a", "b"], dtype=pl.Enum(["a", "b"])))
    holes = task(e=pl.Series(["a", None], dtype=pl.Enum(["a", "b"])))
    for flag, expected, levels in ((False, None, ["a", "b"]), (True, ".MISSING", ["a", "b", ".MISSING"])):
        operator = po("imputeoor", create_empty_level=flag)
        ((made,), state) = operator.train([full])
        assert made.levels("e") == levels
        assert values(operator.predict([holes], state)[0], "e")[1] == expected


@pytest.mark.parametrize("kind", FRAMES)
def test_a_constant_of_a_new_level(kind: str) -> None:
    frame = pl.DataFrame({"e": pl.Series(["b", None, "a"], dtype=pl.Enum(["b", "a"])), "y": [1.0, 2.0, 3.0]})
    made = train(po("imputeconstant", constant="new", check_levels=False), as_task_regr(FRAMES[kind](frame), target="y"))
    assert values(made, "e") == ["b", "new", "a"]
    if kind != "pyarrow":
        assert made.levels("e") == ["b", "a", "new"]


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize("key", KEYS)
def test_every_frame_library_gives_the_same(kind: str, key: str) -> None:
    frame = pl.DataFrame({"n": [1.0, None, 4.0, 4.0], "s": ["q", None, "p", "q"], "y": [1.0, 2.0, 3.0, 4.0]})
    operator = po(key)
    ((made,), state) = operator.train([as_task_regr(FRAMES[kind](frame), target="y")])
    ((expected,), learnt) = operator.train([as_task_regr(frame, target="y")])
    assert state["learnt"] == learnt["learnt"]
    assert [[None if pd.isna(v) else v for v in values(made, n)] for n in "ns"] == [values(expected, n) for n in "ns"]


@given(st.lists(st.one_of(st.none(), st.just(NAN), st.floats(-1e9, 1e9)), min_size=1, max_size=10), st.sampled_from(KEYS))
def test_nothing_is_missing_afterwards(column: list[float | None], key: str) -> None:
    data = task(x=pl.Series(column, dtype=pl.Float64))
    ((made,), state) = po(key).train([data])
    assert not any(made.missings().values())
    assert made.frame().to_native().equals(po(key).predict([data], state)[0].frame().to_native())


def test_a_named_column_of_a_kind_that_cannot_be_imputed_is_refused_with_what_can() -> None:
    data = task(flag=[True, None, False], x=[1.0, None, 3.0])
    assert values(train(po("imputemean"), data), "flag") == [True, None, False]
    with pytest.raises(DataError, match=r"imputemean: cannot impute 'flag', which is boolean.*imputemode"):
        train(po("imputemean", affect_columns=["flag", "x"]), data)
    assert values(train(po("imputemode", affect_columns=["flag"]), data), "flag")[1] is not None
