"""Numbers of each numeric column (smallest, mean, spread, median, ...) in float64, the same for every frame library.

Columns are looked at in blocks of one matrix, each divided by a power of two where its numbers are so large or small that
squares of them would not fit. Missing values are left out. Neighbours: scale and impute ask for them.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from pipeops.data.columns import number_arrays

Array = npt.NDArray[np.float64]
Frame = nw.DataFrame[Any]
Statistic = Callable[[Array], Array]
BLOCK = 1 << 19
"""At most so many numbers in a block."""
SAFE = 2.0**400
"""Squares and sums of numbers up to here fit into float64, and of their inverses too."""


def plain(frame: Frame) -> bool:
    """Whether this is a pandas frame over numpy's own types, whose columns are one matrix."""
    return frame.implementation.is_pandas() and all(isinstance(dtype, np.dtype) for dtype in frame.to_native().dtypes)


def blocks(frame: Frame) -> Iterator[tuple[list[str], Array]]:
    """Names and values of some columns at a time: float64 `(columns, rows)`, NaN where missing."""
    names, size = frame.columns, max(1, BLOCK // max(1, len(frame)))
    if plain(frame):
        whole = frame.to_native().to_numpy().T
        yield from ((names[i : i + size], whole[i : i + size].astype(np.float64)) for i in range(0, len(names), size))
        return
    for start in range(0, len(names), size):
        some = names[start : start + size]
        block = np.empty((len(some), len(frame)))
        for row, column in zip(block, number_arrays(frame, some), strict=True):
            row[:] = column
        yield some, block


def statistics(frame: Frame, **wanted: Statistic) -> list[dict[str, float]]:
    """One number of each column by name for each statistic; NaN where a column has no value.

    >>> import polars as pl
    >>> statistics(nw.from_native(pl.DataFrame({"x": [1e200, 3e200]})), mean=mean, spread=spread)
    [{'x': 2e+200}, {'x': 1.414213562373095e+200}]
    """
    found: list[dict[str, float]] = [{} for _ in wanted]
    for names, block in blocks(frame):
        unit = _unit(block)
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # numpy warns of columns without a value
            small = block / unit[:, None] if (unit != 1).any() else block
            for numbers, statistic in zip(found, wanted.values(), strict=True):
                numbers.update(zip(names, (statistic(small) * unit).tolist(), strict=True))
    return found


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


def _either(full: Callable[..., Any], holed: Callable[..., Any]) -> Statistic:
    """The function for complete blocks, or the slower one that leaves missing values out."""

    def statistic(block: Array) -> Array:
        if not block.shape[1]:
            return np.full(len(block), np.nan)
        return (full if _complete(block) else holed)(block, axis=1)

    return statistic


def _spread(block: Array, middle: Callable[..., Any], total: Callable[..., Any], n: Any) -> Array:
    around = block - middle(block, axis=1)[:, None]
    around *= around
    return np.sqrt(total(around, axis=1) / np.maximum(n - 1, 1))


low = _either(np.min, np.nanmin)
high = _either(np.max, np.nanmax)
mean = _either(np.mean, np.nanmean)
median = _either(np.median, np.nanmedian)


def count(block: Array) -> Array:
    """How many values are not missing."""
    return np.full(len(block), float(block.shape[1])) if _complete(block) else (~np.isnan(block)).sum(axis=1).astype(float)


def spread(block: Array) -> Array:
    """The standard deviation, with divisor n - 1; NaN for fewer than two values."""
    n = count(block)
    complete = _complete(block) and block.shape[1]
    found = _spread(block, np.mean, np.sum, n) if complete else _spread(block, np.nanmean, np.nansum, n)
    return np.where(n > 1, found, np.nan)


def root_mean_square(block: Array) -> Array:
    """The root of the sum of squares over n - 1."""
    return np.sqrt(np.nansum(block * block, axis=1) / np.maximum(count(block) - 1, 1))


def deviation(block: Array) -> Array:
    """The median of the distances from the median."""
    return median(np.abs(block - median(block)[:, None]))


def size(block: Array) -> Array:
    """The largest finite absolute value."""
    return _either(np.max, np.nanmax)(np.where(np.isinf(block), np.nan, np.abs(block)))


def changed(frame: Frame, rule: Callable[..., Any], *numbers: Mapping[str, float]) -> Frame:
    """Every column changed by a rule and numbers of its own: as one matrix where the frame is one, else column by column."""
    if plain(frame) and frame.columns:
        import pandas as pd

        values = [np.array([known[name] for name in frame.columns]) for known in numbers]
        with np.errstate(all="ignore"):
            made = rule(frame.to_native().to_numpy().astype(np.float64, copy=False), *values)
        return nw.from_native(pd.DataFrame(made, columns=frame.columns, copy=False), eager_only=True)
    frame = _floats(frame)
    if frame.implementation.is_polars() and frame.columns:  # an expression for each column takes a hundred times as long
        import polars as pl

        made = [rule(column, *(known[column.name] for known in numbers)) for column in frame.to_native().get_columns()]
        return nw.from_native(pl.DataFrame(made), eager_only=True)
    return frame.with_columns(rule(nw.col(n), *(known[n] for known in numbers)).alias(n) for n in frame.columns)


def _floats(frame: Frame) -> Frame:
    """Every column as float64; Arrow would refuse whole numbers that have to be rounded."""
    if frame.implementation.is_pyarrow():
        import pyarrow as pa

        native = frame.to_native()
        fields = [pa.field(name, pa.float64()) for name in frame.columns]
        return nw.from_native(native.cast(pa.schema(fields), safe=False), eager_only=True)
    other = [name for name, dtype in frame.schema.items() if dtype != nw.Float64]
    return frame.with_columns(nw.col(*other).cast(nw.Float64)) if other else frame
