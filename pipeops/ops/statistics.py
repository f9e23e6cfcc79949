"""Numbers of each numeric column (smallest, mean, spread, median, ...) in float64, the same for every frame library.

A `Statistic` says what is asked in two ways. Columns of a task are looked at in blocks of one matrix, each divided by a power
of two where its numbers are so large or small that squares of them would not fit; a lazy frame answers expressions, all in one
`select`. Missing values are left out; moments count in microseconds since 1970.
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
from pipeops.data.matrix import columns

Array = npt.NDArray[np.float64]
BLOCK = 1 << 19
"""At most so many numbers in a block."""
SAFE = 2.0**400
"""Squares and sums of numbers up to here fit into float64, and of their inverses too."""


@attrs.frozen
class Statistic:
    """One number of a column: from a block `(columns, rows)` with NaN where missing, and as an expression of a column.

    after: another statistic, whose numbers `of_block` gets beside the block.
    """

    of_block: Callable[..., Array]
    of_column: Callable[[nw.Expr], nw.Expr]
    after: "Statistic | None" = None

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
    levels = {key: {name: levels_of(view.column(name)) for name in names} for key in wanted if key not in numbers}
    return {**levels, **statistics(view, names, numbers)}


def statistics(view: View, names: Sequence[str], wanted: Mapping[str, Statistic]) -> dict[str, dict[str, float]]:
    """Each statistic of each column, by their names; NaN where a column has no value.

    >>> import polars as pl
    >>> statistics(View(nw.from_native(pl.DataFrame({"x": [1e200, 3e200]}))), ["x"], {"mean": mean, "spread": spread})
    {'mean': {'x': 2e+200}, 'spread': {'x': 1.414213562373095e+200}}
    """
    found: dict[str, dict[str, float]] = {key: {} for key in wanted}
    for some, block in blocks(view, names) if wanted else ():
        unit = _unit(block)
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # numpy warns of columns without a value
            small = block / unit[:, None] if (unit != 1).any() else block
            known: dict[Statistic, Array] = {}
            for key, statistic in wanted.items():
                found[key].update(zip(some, (statistic.of(small, known) * unit).tolist(), strict=True))
    return {key: {name: values[name] for name in names} for key, values in found.items()}


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

low = Statistic(_either(np.min, np.nanmin), lambda x: x.min())
high = Statistic(_either(np.max, np.nanmax), lambda x: x.max())
mean = Statistic(_either(np.mean, np.nanmean), lambda x: x.mean())
median = Statistic(_median, lambda x: x.median())
count = Statistic(_count, lambda x: x.count())
"""How many values are not missing."""
spread = Statistic(_spread, lambda x: x.std(), after=mean)
"""The standard deviation, with divisor n - 1; NaN for fewer than two values."""
root_mean_square = Statistic(_root_mean_square, _root_mean_square_of)
"""The root of the sum of squares over n - 1."""
deviation = Statistic(
    lambda block, middle: _median(np.abs(block - middle[:, None])), lambda x: (x - x.median()).abs().median(), after=median
)
"""The median of the distances from the median."""
median_size = Statistic(lambda block: _median(np.abs(block)), lambda x: x.abs().median())
size = Statistic(_size, lambda x: nw.when(x.is_finite()).then(x.abs()).max())
"""The largest finite absolute value."""
