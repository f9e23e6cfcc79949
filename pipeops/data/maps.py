"""Column maps: what an operator does to columns, told once and run in four ways.

A map takes columns and makes columns. `frame` runs it on a frame of any library, `exprs` are its narwhals expressions, which
lazy frames take too, and `step` is its form on a block of float64 numbers `(columns, rows)`: `matrix` runs neighbouring steps
block by block, in one pass over the data. `Elementwise`, `Fill` and `Lookup` are the maps that operators answer.
Neighbours: `columns` and `levels` below; `view` holds maps until someone needs a frame.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import attrs
import narwhals as nw
import numpy as np
import numpy.typing as npt

from pipeops.data.columns import codes_of, declared_levels, is_matrix, missing_mask, new_frame, small_codes
from pipeops.data.levels import with_levels

Frame = nw.DataFrame[Any]
Schema = Mapping[str, nw.dtypes.DType]
Numbers = npt.NDArray[Any]
BlockStep = Callable[[Numbers], Numbers]
"""From a block to a block; it may write into the one that it gets."""


class ColumnMap(ABC):
    """Some columns of a frame anew; the columns that it takes go, those that it makes come.

    joint: what it makes is made of all that it takes together, else each column of the one in its place (but for `Lookup`).
    """

    joint: ClassVar[bool] = False

    @property
    @abstractmethod
    def takes(self) -> tuple[str, ...]:
        """Names of the columns that it reads."""

    @property
    @abstractmethod
    def makes(self) -> tuple[str, ...]:
        """Names of the columns that it answers."""

    @abstractmethod
    def types(self, schema: Schema) -> dict[str, nw.dtypes.DType]:
        """The types of what it makes."""

    @abstractmethod
    def frame(self, frame: Frame) -> Frame:
        """What it makes of a frame of the columns that it takes."""

    @abstractmethod
    def exprs(self, schema: Schema) -> list[nw.Expr]:
        """What it makes, as expressions over a frame, lazy or not, with the columns that it takes."""

    @abstractmethod
    def step(self, names: Sequence[str], schema: Schema) -> BlockStep | None:
        """How a block of these of its columns becomes what it makes; None where only `frame` can say."""


@attrs.frozen(eq=False)
class Elementwise(ColumnMap):
    """Every column as float64, changed by a rule and numbers of its own: `rule(x, *numbers)`.

    The rule gets whatever knows arithmetic: a series, an expression, or a block and one number for each of its columns.
    on_block: the same for a block of float64 that it may write into.

    >>> import polars as pl
    >>> half = Elementwise(("x",), lambda x, by: x / by, (np.array([2.0]),))
    >>> half.frame(nw.from_native(pl.DataFrame({"x": [1, 2]}))).rows(), half.step(["x"], {})(np.array([[3.0]]))
    ([(0.5,), (1.0,)], array([[1.5]]))
    """

    takes: tuple[str, ...]  # type: ignore[assignment]
    rule: Callable[..., Any]
    numbers: tuple[npt.NDArray[np.float64], ...]
    on_block: Callable[..., Numbers] | None = None

    @property
    def makes(self) -> tuple[str, ...]:
        return self.takes

    def types(self, schema: Schema) -> dict[str, nw.dtypes.DType]:
        return dict.fromkeys(self.takes, nw.Float64())

    def frame(self, frame: Frame) -> Frame:
        if is_matrix(frame) and frame.columns:
            return self._of_matrix(frame)
        frame = as_floats(frame)
        if not frame.implementation.is_polars() or not frame.columns:
            return frame.with_columns(*self.exprs(frame.schema))
        import polars as pl

        rows = zip(frame.to_native().get_columns(), *self._lists(), strict=True)
        return nw.from_native(pl.DataFrame([self._of_polars(column, own) for column, *own in rows]), eager_only=True)

    def _of_polars(self, column: Any, own: list[float]) -> Any:
        """By numpy's arithmetic: polars multiplies by the inverse where it should divide, and is slow to be asked."""
        import polars as pl

        with np.errstate(all="ignore"):
            made = pl.Series(column.name, self.rule(column.fill_null(float("nan")).to_numpy(), *own))
        return made.set(column.is_null(), None) if column.null_count() else made

    def _of_matrix(self, frame: Frame) -> Frame:
        import pandas as pd

        with np.errstate(all="ignore"):
            made = self.rule(frame.to_native().to_numpy().astype(np.float64, copy=False), *self.numbers)
        return nw.from_native(pd.DataFrame(made, columns=frame.columns, copy=False), eager_only=True)

    def _lists(self) -> list[list[float]]:
        return [values.tolist() for values in self.numbers]

    def exprs(self, schema: Schema) -> list[nw.Expr]:
        rows = zip(self.takes, *self._lists(), strict=True)
        return [self.rule(nw.col(name).cast(nw.Float64), *own).alias(name) for name, *own in rows]

    def step(self, names: Sequence[str], schema: Schema) -> BlockStep | None:
        own = self.numbers
        if tuple(names) != self.takes:
            place = {name: i for i, name in enumerate(self.takes)}
            wanted = [place[name] for name in names]
            own = tuple(values[wanted] for values in own)
        columns = [values[:, None] for values in own]
        in_place = self.on_block or self.rule
        return lambda block: (in_place if block.dtype == np.float64 else self.rule)(block, *columns)


def as_floats(frame: Frame) -> Frame:
    """Every column as float64; Arrow would refuse whole numbers that have to be rounded."""
    if frame.implementation.is_pyarrow():
        import pyarrow as pa

        native = frame.to_native()
        fields = [pa.field(name, pa.float64()) for name in frame.columns]
        return nw.from_native(native.cast(pa.schema(fields), safe=False), eager_only=True)
    other = [name for name, dtype in frame.schema.items() if dtype != nw.Float64]
    return frame.with_columns(nw.col(*other).cast(nw.Float64)) if other else frame


@attrs.frozen(eq=False)
class Fill(ColumnMap):
    """Missing values (null and NaN) filled by one value for each column; a new text becomes a level where there are levels.

    >>> import polars as pl
    >>> Fill({"x": 0.5}).frame(nw.from_native(pl.DataFrame({"x": [1.0, None, float("nan")]}))).rows()
    [(1.0,), (0.5,), (0.5,)]
    """

    values: Mapping[str, Any]

    @property
    def takes(self) -> tuple[str, ...]:
        return tuple(self.values)

    @property
    def makes(self) -> tuple[str, ...]:
        return tuple(self.values)

    def types(self, schema: Schema) -> dict[str, nw.dtypes.DType]:
        return {name: schema[name] for name in self.values}

    def frame(self, frame: Frame) -> Frame:
        schema = frame.schema
        grown = [grow(frame.get_column(n), v) for n, v in self.values.items() if isinstance(schema[n], nw.Enum | nw.Categorical)]
        frame = frame.with_columns(*grown) if grown else frame
        column = numeric(frame)
        return frame.with_columns(column[n].fill_null(in_zone(v, schema[n])) for n, v in self.values.items())

    def exprs(self, schema: Schema) -> list[nw.Expr]:
        def present(name: str) -> nw.Expr:
            return nw.col(name).fill_nan(None) if schema[name].is_float() else nw.col(name)

        return [present(name).fill_null(in_zone(value, schema[name])) for name, value in self.values.items()]

    def step(self, names: Sequence[str], schema: Schema) -> BlockStep | None:
        exact = [_exact(self.values[name], schema[name]) for name in names]
        if None in exact:
            return None
        values = np.array(exact, dtype=np.float64)[:, None]

        def fill(block: Numbers) -> Numbers:
            holes = np.isnan(block)
            if holes.any():
                np.copyto(block, values, where=holes)
            return block

        return fill


def _exact(value: Any, dtype: nw.dtypes.DType) -> float | None:
    """The number as the type has it, where float64 holds every value of the type and the type this value; else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if dtype == nw.Float32:
        return float(np.float32(value)) if abs(value) <= np.finfo(np.float32).max else None
    small = dtype.is_integer() and "64" not in str(dtype) and "128" not in str(dtype)
    return value if dtype == nw.Float64 or (small and isinstance(value, int) and holds(dtype, value)) else None


def holds(dtype: nw.dtypes.DType, value: int) -> bool:
    """Whether an integer type has this number."""
    bits = int("".join(c for c in str(dtype) if c.isdigit()) or 64)
    low, high = (0, 2**bits) if dtype.is_unsigned_integer() else (-(2 ** (bits - 1)), 2 ** (bits - 1))
    return low <= value < high


def in_zone(value: Any, dtype: nw.dtypes.DType) -> Any:
    """A moment in the column's own time zone; a number as float32 has it, where the column is of that type."""
    from zoneinfo import ZoneInfo

    if dtype == nw.Float32 and isinstance(value, int | float):
        return float(np.float32(value)) if abs(value) <= np.finfo(np.float32).max else value
    zone = getattr(dtype, "time_zone", None)
    return value.astimezone(ZoneInfo(zone)) if zone and value.tzinfo else value


def grow(column: nw.Series[Any], level: Any) -> nw.Series[Any]:
    """The column with one more level, where its type declares levels and this is not one of them."""
    levels = declared_levels(column)
    return column if levels is None or level in levels else with_levels(column, [*levels, level])


def with_nan(frame: Frame) -> set[str]:
    """The columns with NaN beside null, found in one pass; pandas on numpy knows only one of the two."""
    floats = [name for name, dtype in frame.schema.items() if dtype.is_float()]
    if frame.implementation.is_pandas():
        plain = frame.to_native().dtypes
        floats = [name for name in floats if not isinstance(plain[name], np.dtype)]
    found = frame.select(nw.col(*floats).is_nan().any()).row(0) if floats else ()
    return {name for name, any_nan in zip(floats, found, strict=True) if any_nan}


def numeric(frame: Frame) -> dict[str, nw.Expr]:
    """Columns as expressions in which every missing value is null, so that statistics leave it out."""
    nan = with_nan(frame)
    return {name: nw.col(name).fill_nan(None) if name in nan else nw.col(name) for name in frame.columns}


@attrs.frozen(eq=False)
class Lookup(ColumnMap):
    """One categorical column as several of numbers: the row of a table that belongs to its level.

    table: `(levels, made)`; None is the unit matrix, one column for each level (one-hot, in one byte a value, float32 where
    values are missing). A missing value makes a row of NaN, and so does a level that the table does not know, but with one-hot,
    where it is a row of zeros. rest: the row that both make instead, beside a table.

    >>> import polars as pl
    >>> hot = Lookup("f", ("a", "b"), ("f.a", "f.b"), None)
    >>> hot.frame(nw.from_native(pl.DataFrame({"f": ["b", "a", "z"]}))).rows()
    [(0, 1), (1, 0), (0, 0)]
    """

    column: str
    levels: Sequence[Any]
    makes: tuple[str, ...]  # type: ignore[assignment]
    table: npt.NDArray[np.float64] | None
    holed: bool = False
    rest: npt.NDArray[np.float64] | None = None

    @property
    def takes(self) -> tuple[str, ...]:
        return (self.column,)

    def over(self, column: nw.Series[Any]) -> "Lookup":
        """The map as it is over this column, which misses values or does not."""
        return attrs.evolve(self, holed=bool(column.null_count()))

    def types(self, schema: Schema) -> dict[str, nw.dtypes.DType]:
        return dict.fromkeys(self.makes, nw.Float64() if self.table is not None else nw.Float32() if self.holed else nw.Int8())

    def frame(self, frame: Frame) -> Frame:
        if not self.makes:
            return frame.select()
        column = frame.get_column(self.column)
        codes = codes_of(column, self.levels)
        values = _one_hot(column, codes, len(self.levels)) if self.table is None else _rows(self.table, self.rest)[codes].T
        return new_frame(dict(zip(self.makes, values, strict=True)), like=frame)

    def exprs(self, schema: Schema) -> list[nw.Expr]:
        column = nw.col(self.column)
        if self.table is None:
            return [(column == level).cast(nw.Int8).alias(n) for n, level in zip(self.makes, self.levels, strict=True)]
        text, levels = column.cast(nw.String), [str(level) for level in self.levels]
        made = zip(
            self.makes, self.table.T.tolist(), [None] * len(self.makes) if self.rest is None else self.rest.tolist(), strict=True
        )
        found = [(n, text.replace_strict(levels, v, default=r, return_dtype=nw.Float64), r) for n, v, r in made]
        return [(expr if r is None else expr.fill_null(r)).alias(n) for n, expr, r in found]

    def codes(self, column: nw.Series[Any], known: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
        """A small integer for each row, which `step` takes: the level's position, then one for unknown, one for missing.

        known: the column's `small_codes`, where somebody has them.
        """
        codes = small_codes(column, self.levels) if known is None else known
        if self.holed:
            codes = np.where(missing_mask(column), np.array(len(self.levels) + 1, dtype=codes.dtype), codes)
        return codes

    def step(self, names: Sequence[str], schema: Schema) -> BlockStep | None:
        wanted = [self.makes.index(name) for name in names] if tuple(names) != self.makes else list(range(len(self.makes)))
        k = len(self.levels)
        if self.table is not None:
            table = _rows(_rows(self.table, self.rest), self.rest)[:, wanted]
            return lambda codes: table[codes[0]].T
        if not self.holed:
            return lambda codes: codes == np.array(wanted, dtype=codes.dtype)[:, None]
        return lambda codes: np.where(codes == k + 1, np.float32(np.nan), codes == np.array(wanted)[:, None])


def _rows(table: npt.NDArray[np.float64], rest: npt.NDArray[np.float64] | None) -> npt.NDArray[np.float64]:
    """The table with a last row for the code -1."""
    return np.vstack([table, np.full(table.shape[1], np.nan) if rest is None else rest])


def _one_hot(column: nw.Series[Any], codes: npt.NDArray[np.int64], k: int) -> npt.NDArray[Any]:
    """One array for each level: int8, or float32 where values are missing."""
    small = codes.astype(np.int8 if k < 127 else np.int32)
    hot = (small == np.arange(k, dtype=small.dtype)[:, None]).view(np.int8)
    if not column.null_count():
        return hot
    hot = hot.astype(np.float32)
    hot[:, missing_mask(column)] = np.nan
    return hot


def run(frame: Frame, maps: Sequence[ColumnMap]) -> Frame:
    """The frame after maps: what they take and do not make is gone, kept names keep their place, new ones come last."""
    for each in maps:
        made = each.frame(frame.select(*each.takes) if list(each.takes) != frame.columns else frame)
        gone = set(each.takes) - set(made.columns)
        if len(each.takes) == len(frame.columns):
            frame = made
            continue
        frame = frame.drop(*gone) if gone else frame
        frame = frame.with_columns(*made.iter_columns()) if made.columns else frame
    return frame


def run_lazy(frame: nw.LazyFrame[Any], maps: Sequence[ColumnMap]) -> nw.LazyFrame[Any]:
    """As `run`, without looking at the data."""
    for each in maps:
        schema = frame.collect_schema()
        gone = [name for name in each.takes if name not in set(each.makes)]
        made = each.exprs(schema)
        frame = (frame.with_columns(*made) if made else frame).drop(*gone)
    return frame


def after(names: Sequence[str], maps: Sequence[ColumnMap]) -> list[str]:
    """Names of the columns after maps, in their order."""
    order = dict.fromkeys(names)
    for each in maps:
        if each.takes == each.makes:
            continue
        kept = set(each.makes)
        for name in each.takes:
            if name not in kept:
                del order[name]
        order.update(dict.fromkeys(each.makes))
    return list(order)
