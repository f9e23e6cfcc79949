"""Imputation: imputemean, imputemedian, imputemode, imputeconstant, imputeoor; missing means null or NaN.

Each learns one value for each column (`values`); `Impute` fills it in. Where a column had no value to learn from, the value
is 0, the empty text, the first level, False or 1970-01-01, as in the reference. Neighbours: `levels` for new categories.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from math import isfinite
from numbers import Integral, Real
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import narwhals as nw
import numpy as np

from pipeops.data.columns import declared_levels, kind, levels_of, missing_counts
from pipeops.data.frames import View
from pipeops.data.levels import mode, with_levels
from pipeops.data.maps import ColumnMap, Fill, holds
from pipeops.errors import ConfigError, DataError, listing
from pipeops.ops import statistics as of
from pipeops.ops.base import Frame, Preprocess, Series, one_task, operator
from pipeops.ops.column_maps import Answers, ColumnMaps, Schema
from pipeops.params import UNSET, anything, flag, real
from pipeops.shorthand import po

NEW_LEVEL = ".MISSING"
DType = nw.dtypes.DType


@operator
class Imputer(Preprocess):
    """Base of all imputers: columns of kinds that they cannot treat pass as they are, but are refused where they were named."""

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], dict[str, Any]]:
        """Learn from a task, as `Preprocess` does."""
        types, given = one_task(self, inputs).feature_types, self.affect_columns
        named = [given] if isinstance(given, str) else given if isinstance(given, list | tuple) else []
        others = [name for name in named if name in types and types[name] not in self.kinds]
        if others:
            key = "imputemode" if "boolean" in (types[name] for name in others) else "imputeoor"
            raise DataError(
                f"{self.id}: cannot impute '{others[0]}', which is {types[others[0]]}; it treats {listing(self.kinds)} columns. "
                f'po("{key}", affect_columns={others!r}) can.'
            )
        return super().train(inputs)


@operator
class Filling(Imputer, ColumnMaps):
    """Base of imputers: fill each column's missing values with the one value learnt for it."""

    kinds: ClassVar[tuple[str, ...]] = ("numeric", "boolean", "categorical", "datetime")
    finite: ClassVar[bool] = True
    """Whether an infinite value is refused."""

    def refuse_infinite(self, learnt: Mapping[str, Any]) -> None:
        """Refuse columns whose infinite values leave no number to impute."""
        beyond = [name for name, value in learnt.items() if isinstance(value, float) and not isfinite(value)]
        if beyond and self.finite:
            raise DataError(
                f"{self.id}: infinite values in {listing(beyond)}, which leave no number to impute; replace them, or make them "
                'missing: po("colapply", affect_columns=["x"], applicator=lambda x: np.where(np.isinf(x), np.nan, x)).'
            )

    def maps(self, schema: Schema, state: Mapping[str, Any]) -> list[ColumnMap]:
        return [Fill(state)] if state else []


@operator
class Impute(Filling):
    """Base of imputers that look at the columns themselves."""

    @abstractmethod
    def values(self, frame: Frame) -> Mapping[str, Any]:
        """A value for each column to impute; None where there was nothing to learn from."""

    def fit(self, frame: Frame, target: Series | None) -> dict[str, Any]:
        learnt = self.values(frame)
        self.refuse_infinite(learnt)
        return {name: _nothing(frame, name) if value is None else value for name, value in learnt.items()}


@operator
class ImputeNumber(Filling):
    """Base of imputers of numbers and moments by one of their statistics."""

    kinds: ClassVar[tuple[str, ...]] = ("numeric", "datetime")
    statistic: ClassVar[of.Statistic]

    def ask(self, schema: Schema) -> Mapping[str, of.Statistic]:
        return {"value": self.statistic, "count": of.count}

    def learn(self, schema: Schema, answers: Answers, target: Series | None) -> dict[str, Any]:
        known = {name: value if answers["count"][name] else 0.0 for name, value in answers["value"].items()}
        self.refuse_infinite(known)
        return {name: as_type(schema[name], value) for name, value in known.items()}


def _nothing(frame: Frame, name: str) -> Any:
    """The value for a column without any value, by its type."""
    dtype = frame.schema[name]
    if kind(dtype) == "categorical":
        return next(iter(levels_of(frame.get_column(name))), "")
    return as_type(dtype, 0)


def as_type(dtype: DType, number: float) -> Any:
    """A number in a column's own terms: rounded for integers, microseconds since 1970 for dates."""
    if dtype == nw.Boolean:
        return bool(number)
    if kind(dtype) != "datetime":
        return round(number) if dtype.is_integer() else float(number)
    moment = datetime(1970, 1, 1) + timedelta(microseconds=number)
    if dtype == nw.Date:
        return moment.date()
    zone = getattr(dtype, "time_zone", None)
    return moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)) if zone else moment


def within(dtype: DType, number: float) -> Any:
    """A number as `as_type` has it, the nearest one that an integer column can hold."""
    value = as_type(dtype, number)
    if not dtype.is_integer() or holds(dtype, value):
        return value
    ends = np.iinfo(str(dtype).lower())
    return int(ends.max if value > 0 else ends.min)


def numbers(frame: Frame, statistic: of.Statistic) -> dict[str, float | None]:
    """One statistic of each numeric or datetime column (in microseconds), None where all is missing."""
    found = of.statistics(View(frame), frame.columns, {"value": statistic, "count": of.count})
    return {name: found["value"][name] if found["count"][name] else None for name in frame.columns}


@po.add("imputemean")
@operator
class ImputeMean(ImputeNumber):
    """Impute numeric and datetime columns by their mean, rounded for integer columns.

    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"x": [1, None, 2, 6], "y": [0, 0, 1, 1]}, target="y")
    >>> po("imputemean").train([task])[0][0].data()["x"].to_list()
    [1, 3, 2, 6]
    """

    statistic: ClassVar[of.Statistic] = of.mean


@po.add("imputemedian")
@operator
class ImputeMedian(ImputeNumber):
    """Impute numeric and datetime columns by their median, rounded for integer columns.

    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"x": [1.0, None, 2.0, 6.0], "y": [0, 0, 1, 1]}, target="y")
    >>> po("imputemedian").train([task])[0][0].data()["x"].to_list()
    [1.0, 2.0, 2.0, 6.0]
    """

    statistic: ClassVar[of.Statistic] = of.median


@po.add("imputemode")
@operator
class ImputeMode(Impute):
    """Impute columns of any kind by their most frequent value; of equally frequent ones the first level or smallest.

    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"x": ["b", None, "b", "a"], "y": [0, 0, 1, 1]}, target="y")
    >>> po("imputemode").train([task])[0][0].data()["x"].to_list()
    ['b', 'b', 'b', 'a']
    """

    finite: ClassVar[bool] = False

    def values(self, frame: Frame) -> Mapping[str, Any]:
        return {column.name: mode(column) for column in frame.iter_columns()}


@po.add("imputeconstant")
@operator
class ImputeConstant(Impute):
    """Impute columns by one value, which must fit their types.

    constant: the value. check_levels: refuse a text that is no level of a categorical column; else it becomes one.

    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"x": [1.5, None], "y": [0, 1]}, target="y")
    >>> po("imputeconstant", constant=-1).train([task])[0][0].data()["x"].to_list()
    [1.5, -1.0]
    """

    finite: ClassVar[bool] = False
    example: ClassVar[Mapping[str, Any]] = {"constant": 0, "affect_columns": "missing"}

    constant: Any = anything(UNSET)
    check_levels: bool = flag(True)

    def values(self, frame: Frame) -> Mapping[str, Any]:
        if self.constant is UNSET:
            raise ConfigError(f"{self.id}: set 'constant' before training.")
        for column in frame.iter_columns():
            self._check(column)
        whole = {name for name, dtype in frame.schema.items() if dtype.is_integer()}
        return {name: int(self.constant) if name in whole else self.constant for name in frame.columns}

    def _check(self, column: Series) -> None:
        wanted = _wanted(column.dtype)
        if isinstance(self.constant, bool) != (wanted is bool) or not isinstance(self.constant, wanted):
            raise DataError(
                f"{self.id}: the constant {self.constant!r} does not fit the column '{column.name}' ({column.dtype}); choose "
                "other columns with affect_columns, or another constant."
            )
        levels = declared_levels(column)
        if self.check_levels and levels is not None and self.constant not in levels:
            raise DataError(
                f"{self.id}: the constant {self.constant!r} is no level of the column '{column.name}' ({listing(levels)}); "
                "choose one of them, or check_levels=False to add it."
            )


def _wanted(dtype: DType) -> type:
    """The Python type of one value of a column."""
    if dtype == nw.Date:
        return date
    types = {"boolean": bool, "categorical": str, "datetime": datetime, "numeric": Integral if dtype.is_integer() else Real}
    return types[kind(dtype)]


@po.add("imputeoor")
@operator
class ImputeOOR(Impute):
    """Impute out of range: numbers beyond the smallest or largest one, categories by the new level ".MISSING".

    min: below the minimum, else above the maximum. The distance is `offset + multiplier * range` (in days for dates, seconds
    for times). create_empty_level: add the new level also to categorical columns that miss nothing in training, and make
    categories of text columns, which have no levels otherwise; without it those that miss nothing are left alone.

    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"x": [1, None, 5], "f": ["a", "b", None], "y": [0, 0, 1]}, target="y")
    >>> po("imputeoor").train([task])[0][0].data(columns=["x", "f"]).rows()
    [(1, 'a'), (-4, 'b'), (5, '.MISSING')]
    """

    kinds: ClassVar[tuple[str, ...]] = ("numeric", "categorical", "datetime")

    min: bool = flag(True)
    offset: float = real(0, default=1.0)
    multiplier: float = real(0, default=1.0)
    create_empty_level: bool = flag(False)

    def values(self, frame: Frame) -> Mapping[str, Any]:
        schema = frame.schema
        others = [name for name, dtype in schema.items() if kind(dtype) != "categorical"]
        beyond = self._beyond(frame.select(*others)) if others else {}
        texts = frame.select(*(name for name in schema if name not in beyond))
        return {**beyond, **self._levels(texts)}

    def _beyond(self, frame: Frame) -> dict[str, Any]:
        schema, value = frame.schema, {}
        low, high = numbers(frame, of.low), numbers(frame, of.high)
        for name, first in low.items():
            last, unit = high[name], _unit(schema[name])
            if first is None or last is None:
                value[name] = None
            else:
                distance = self.offset * unit + self.multiplier * (last - first)
                beyond = first - distance if self.min else last + distance
                value[name] = as_type(schema[name], beyond) if isfinite(beyond) else beyond
        return value

    def _levels(self, frame: Frame) -> dict[str, Any]:
        missing, schema = missing_counts(frame), frame.schema
        text = {name for name, dtype in schema.items() if dtype == nw.String}
        empty = {name for name in text if missing[name] == len(frame)}
        wanted = [name for name in schema if name in text or missing[name] or self.create_empty_level]
        value: dict[str, Any] = {name: "" if name in empty else NEW_LEVEL for name in wanted}
        if self.create_empty_level:
            value |= {name: {"levels": [*levels_of(frame.get_column(name)), NEW_LEVEL]} for name in text}
        return value

    def apply(self, frame: Frame, state: dict[str, Any]) -> Frame:
        texts = {name: value["levels"] for name, value in state.items() if isinstance(value, Mapping)}
        frame = frame.with_columns(_categories(frame.get_column(name), levels) for name, levels in texts.items())
        state = {name: NEW_LEVEL if name in texts else value for name, value in state.items()}
        schema = frame.schema
        whole = [name for name in state if schema[name].is_integer() and not holds(schema[name], state[name])]
        return Fill(state).frame(frame.with_columns(nw.col(*whole).cast(nw.Int64)) if whole else frame) if state else frame


def _categories(column: Series, levels: list[str]) -> Series:
    """A text column as categories: the levels of training, then what else occurs."""
    return with_levels(column, list(dict.fromkeys([*levels, *levels_of(column)])))


def _unit(dtype: DType) -> float:
    """What an offset of 1 is, in a column's own unit."""
    return 1.0 if kind(dtype) != "datetime" else 86_400e6 if dtype == nw.Date else 1e6
