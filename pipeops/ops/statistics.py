"""Numbers of each numeric column (smallest, mean, spread, median, ...) in float64, the same for every frame library.

A `Statistic` says what is asked in three ways. What adds up is found in one pass over blocks of rows that stay in the cache
(`Sums`). Else, and where numbers are so large or small that squares of them would not fit, whole columns are looked at, divided
by a power of two then. A lazy frame answers expressions, all in one `select`.
Missing values are left out; moments count in microseconds since 1970.
Neighbours: `column_maps` asks; scale and impute say what.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import attrs
import narwhals as nw
import numpy as np
import numpy.typing as npt

from pipeops.data.columns import kind, levels_of
from pipeops.data.frames import View
from pipeops.data.matrix import blocks as row_blocks
from pipeops.data.matrix import columns, source

Array = npt.NDArray[np.float64]
BLOCK = 1 << 19
"""At most so many numbers in a block."""
ROWS, COLUMNS = 1 << 12, 16
"""A block of so many rows and columns stays in the cache."""
SAFE = 2.0**400
"""Squares and sums of numbers up to here fit into float64, and of their inverses too."""


@attrs.frozen
class Sums:
    """What is known of each column after one pass: how many values, their range, mean, and squared distances from the mean."""

    count: Array
    low: Array
    high: Array
    mean: Array
    squares: Array

    @property
    def are_safe(self) -> bool:
        """Whether all numbers are finite, and their squares neither too large nor too small for float64."""
        size = np.maximum(np.abs(self.low), np.abs(self.high))
        return bool((np.isnan(size) | (size == 0) | ((size >= 1 / SAFE) & (size <= SAFE))).all())


@attrs.frozen
class Statistic:
    """One number of a column: from a block `(columns, rows)` with NaN where missing, and as an expression of a column.

    after: another statistic, whose numbers `of_block` gets beside the block. of_sums: the number from what adds up, where that
    is enough. has_unit: whether it is in the unit of the column.
    """

    of_block: Callable[..., Array]
    of_column: Callable[[nw.Expr], nw.Expr]
    after: "Statistic | None" = None
    of_sums: Callable[[Sums], Array] | None = None
    has_unit: bool = True

    def of(self, block: Array, known: dict["Statistic", Array]) -> Array:
        """The numbers of a block, `known` holding those that were asked for already."""
        if self not in known:
            known[self] = self.of_block(block, *([self.after.of(block, known)] if self.after else []))
        return known[self]


@attrs.frozen
class Levels:
    """The levels of a column in their order, asked for beside statistics."""


LEVELS = Levels()
Wanted = Mapping[str, Statistic | Levels]
Answers = dict[str, dict[str, Any]]
"""Numbers (or levels) by what was wanted and the name of the column."""


def blocks(view: View, names: Sequence[str]) -> Iterator[tuple[list[str], Array]]:
    """Names and values of some columns at a time: float64 `(columns, rows)`, NaN where missing."""
    kinds = view.kinds(tuple(names))
    moments = [name for name in names if kinds[name] == "datetime"]
    numbers = [name for name in names if kinds[name] != "datetime"] if moments else names
    yield from columns(view, numbers, max(1, BLOCK // max(1, view.nrow)))
    for name in moments:
        yield [name], view.column(name).dt.timestamp("us").cast(nw.Float64).to_numpy()[None]


def answers(view: View, names: Sequence[str], wanted: Wanted) -> Answers:
    """What is wanted of each column, by name."""
    numbers = {key: one for key, one in wanted.items() if isinstance(one, Statistic)}
    levels = {key: {name: view.levels(name) for name in names} for key in wanted if key not in numbers}
    return {**levels, **statistics(view, names, numbers)}


def statistics(view: View, names: Sequence[str], wanted: Mapping[str, Statistic]) -> dict[str, dict[str, float]]:
    """Each statistic of each column, by their names; NaN where a column has no value.

    >>> import polars as pl
    >>> statistics(View(nw.from_native(pl.DataFrame({"x": [1e200, 3e200]}))), ["x"], {"mean": mean, "spread": spread})
    {'mean': {'x': 2e+200}, 'spread': {'x': 1.414213562373095e+200}}
    """
    kinds = view.kinds(tuple(names))
    numbers = [name for name in names if kinds[name] != "datetime"]
    size, found = max(COLUMNS, BLOCK // max(1, view.nrow)), {}
    if wanted and all(one.of_sums for one in wanted.values()):
        for i in range(0, len(numbers), size):
            found.update(_of_sums(view, numbers[i : i + size], wanted))
    found.update(_of_columns(view, [name for name in names if name not in found], wanted))
    return {key: {name: found[name][key] for name in names} for key in wanted}


Found = dict[str, dict[str, float]]
"""Statistics of each column."""


def _of_sums(view: View, names: list[str], wanted: Mapping[str, Statistic]) -> Found:
    """Statistics in one pass over blocks of rows; none where numbers are not safe."""
    squares = any(one in (spread, root_mean_square) for one in wanted.values())
    src = source(view, names, view.nrow, np.float64)
    with np.errstate(all="ignore"):
        parts = [_sums(block.T, squares) for _, _, block in row_blocks(src, ROWS, np.float64)]
        sums = _added(parts) if parts else None
        if sums is None or not sums.are_safe:
            return {}
        made = {key: one.of_sums(sums).tolist() for key, one in wanted.items() if one.of_sums}
    return {
        name: dict(zip(made, values, strict=True)) for name, values in zip(names, zip(*made.values(), strict=True), strict=True)
    }


def _sums(block: Array, squares: bool) -> Sums:
    """The sums of one block, which is written into."""
    low, high = np.fmin.reduce(block, axis=1), np.fmax.reduce(block, axis=1)
    count, total = np.full(len(block), float(block.shape[1])), block.sum(axis=1)
    holes = np.isnan(block) if np.isnan(total).any() else None
    if holes is not None:
        count -= holes.sum(axis=1)
        np.copyto(block, 0.0, where=holes)
        total = block.sum(axis=1)
    mean = total / count
    if not squares:
        return Sums(count, low, high, mean, mean)
    block -= mean[:, None]
    if holes is not None:
        np.copyto(block, 0.0, where=holes)
    block *= block
    return Sums(count, low, high, mean, block.sum(axis=1))


def _added(parts: list[Sums]) -> Sums:
    """The sums of several blocks together (Chan and others 1983)."""
    count, low, high, mean, squares = (np.stack(field) for field in zip(*(attrs.astuple(part) for part in parts), strict=True))
    n, there = count.sum(axis=0), count > 0
    middle = np.where(there, mean * count, 0.0).sum(axis=0) / n
    around = np.where(there, squares + count * (mean - middle) ** 2, 0.0).sum(axis=0)
    return Sums(n, np.fmin.reduce(low), np.fmax.reduce(high), middle, around)


def _of_columns(view: View, names: list[str], wanted: Mapping[str, Statistic]) -> Found:
    """Statistics of whole columns, divided by a power of two where their squares would not fit."""
    found: Found = {name: {} for name in names}
    for some, block in blocks(view, names) if wanted else ():
        unit = _unit(block)
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # numpy warns of columns without a value
            small = block / unit[:, None] if (unit != 1).any() else block
            known: dict[Statistic, Array] = {}
            for key, statistic in wanted.items():
                for name, value in zip(some, statistic.of(small, known) * (unit if statistic.has_unit else 1.0), strict=True):
                    found[name][key] = float(value)
    return found


def lazily(frame: nw.LazyFrame[Any], wanted: Wanted) -> Answers:
    """The same of a lazy frame, all numbers in one `select`; levels that its types do not state are a look at each column."""
    schema = dict(frame.collect_schema())
    found: Answers = {key: {} for key in wanted}
    asked = [(key, one, name) for key, one in wanted.items() if isinstance(one, Statistic) for name in schema]
    exprs = [one.of_column(_number(name, schema[name])).alias(str(i)) for i, (_, one, name) in enumerate(asked)]
    values = frame.select(*exprs).collect().row(0) if exprs else ()
    for (key, _, name), value in zip(asked, values, strict=True):
        found[key][name] = float("nan") if value is None else float(value)
    for key in (key for key, one in wanted.items() if isinstance(one, Levels)):
        found[key] = {name: _levels(frame, name, dtype) for name, dtype in schema.items()}
    return found


def _levels(frame: nw.LazyFrame[Any], name: str, dtype: nw.dtypes.DType) -> list[Any]:
    column = frame.select(nw.col(name))
    rows = column.head(1) if isinstance(dtype, nw.Enum) else column.unique()
    return levels_of(rows.collect().get_column(name))


def _number(name: str, dtype: nw.dtypes.DType) -> nw.Expr:
    """A column as float64, null where missing."""
    column = nw.col(name).dt.timestamp("us") if kind(dtype) == "datetime" else nw.col(name)
    return column.cast(nw.Float64).fill_nan(None)


def _unit(block: Array) -> Array:
    """For each column 1, or where its largest number is huge or tiny the power of two below it."""
    if not block.shape[1]:
        return np.ones(len(block))
    low, high = np.fmin.reduce(block, axis=1), np.fmax.reduce(block, axis=1)
    size = np.maximum(np.abs(low), np.abs(high))
    odd = np.isfinite(size) & (size > 0) & ((size > SAFE) | (size < 1 / SAFE))
    return np.where(odd, np.exp2(np.floor(np.log2(np.where(odd, size, 1.0)))), 1.0)


def _complete(block: Array) -> bool:
    return not bool(np.isnan(block.sum())) or not np.isnan(block).any()


def _either(full: Callable[..., Any], holed: Callable[..., Any]) -> Callable[[Array], Array]:
    """The function for complete blocks, or the slower one that leaves missing values out."""

    def of_block(block: Array) -> Array:
        if not block.shape[1]:
            return np.full(len(block), np.nan)
        return (full if _complete(block) else holed)(block, axis=1)

    return of_block


def _count(block: Array) -> Array:
    return np.full(len(block), float(block.shape[1])) if _complete(block) else (~np.isnan(block)).sum(axis=1).astype(float)


def _spread(block: Array, middle: Array) -> Array:
    n, around = _count(block), block - middle[:, None]
    around *= around
    total = np.sum if _complete(block) else np.nansum
    return np.where(n > 1, np.sqrt(total(around, axis=1) / np.maximum(n - 1, 1)), np.nan)


def _size(block: Array) -> Array:
    found = np.maximum(np.abs(low.of_block(block)), np.abs(high.of_block(block)))
    return found if np.isfinite(found).all() else _either(np.max, np.nanmax)(np.where(np.isinf(block), np.nan, np.abs(block)))


def _root_mean_square(block: Array) -> Array:
    return np.sqrt(np.nansum(block * block, axis=1) / np.maximum(_count(block) - 1, 1))


def _root_mean_square_of(x: nw.Expr) -> nw.Expr:
    n = x.count()
    return ((x * x).sum() / nw.when(n > 1).then(n - 1).otherwise(nw.lit(1))).sqrt()


_median = _either(np.median, np.nanmedian)


def _spread_of(sums: Sums) -> Array:
    return np.where(sums.count > 1, np.sqrt(sums.squares / np.maximum(sums.count - 1, 1)), np.nan)


def _root_of(sums: Sums) -> Array:
    return np.sqrt((sums.squares + sums.count * sums.mean**2) / np.maximum(sums.count - 1, 1))


low = Statistic(_either(np.min, np.nanmin), lambda x: x.min(), of_sums=lambda s: s.low)
high = Statistic(_either(np.max, np.nanmax), lambda x: x.max(), of_sums=lambda s: s.high)
mean = Statistic(_either(np.mean, np.nanmean), lambda x: x.mean(), of_sums=lambda s: s.mean)
median = Statistic(_median, lambda x: x.median())
count = Statistic(_count, lambda x: x.count(), of_sums=lambda s: s.count, has_unit=False)
"""How many values are not missing."""
spread = Statistic(_spread, lambda x: x.std(), after=mean, of_sums=_spread_of)
"""The standard deviation, with divisor n - 1; NaN for fewer than two values."""
root_mean_square = Statistic(_root_mean_square, _root_mean_square_of, of_sums=_root_of)
"""The root of the sum of squares over n - 1."""
deviation = Statistic(
    lambda block, middle: _median(np.abs(block - middle[:, None])), lambda x: (x - x.median()).abs().median(), after=median
)
"""The median of the distances from the median."""
median_size = Statistic(lambda block: _median(np.abs(block)), lambda x: x.abs().median())
size = Statistic(
    _size, lambda x: nw.when(x.is_finite()).then(x.abs()).max(), of_sums=lambda s: np.maximum(np.abs(s.low), np.abs(s.high))
)
"""The largest finite absolute value."""
