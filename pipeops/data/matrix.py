"""Columns into one contiguous array, with one copy that stays in the cache.

A block of rows is gathered column by column into a small column-major buffer, which changes types on the way, and the
buffer is then written out transposed. Reading whole columns one after another instead touches every cache line of the
result once for each column (six times slower at 110 columns). Neighbours: `columns` below, `task` above.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from pipeops.data.columns import TENSOR_ADVICE, IntArray, kind, number_arrays
from pipeops.data.frames import View
from pipeops.errors import DataError, listing

BUFFER_BYTES = 2_000_000
PAD = 16
"""Extra entries in a buffer row: a stride that is a power of two costs a third."""


@attrs.frozen(eq=False)
class Source:
    """Columns as numpy arrays over the whole frame, and the rows of them to take (all when None)."""

    columns: tuple[npt.NDArray[Any], ...]
    names: tuple[str, ...]
    rows: IntArray | None
    nrow: int


def source(view: View, names: Sequence[str], nrow: int) -> Source:
    """Numeric and boolean columns of a view; others are refused by name."""
    schema = view.schema
    other = [f"'{n}' ({schema[n]})" for n in names if kind(schema[n]) not in ("numeric", "boolean")]
    if other:
        hint = TENSOR_ADVICE if any(kind(schema[n]) == "tensor" for n in names) else ""
        raise DataError(
            f"matrix: {', '.join(other[:8])} {'is' if len(other) == 1 else 'are'} not numeric; encode text and categories with "
            f'po("encode") first, or select other columns{hint}.'
        )
    return Source(tuple(number_arrays(view.frame, names)), tuple(names), view.rows, nrow)


def fill(src: Source, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """The columns as one C-contiguous array (rows, columns)."""
    out = np.empty((src.nrow, len(src.columns)), dtype=dtype)
    size = min(max(BUFFER_BYTES // max(1, len(src.columns) * out.itemsize), 256), 8192)
    order = _memory_order(src.rows) if src.nrow > size else None
    if order is not None and src.rows is not None:
        src = attrs.evolve(src, rows=src.rows[order])
    for start, stop, block in blocks(src, size, dtype):
        out[slice(start, stop) if order is None else order[start:stop]] = block
    return out


def _memory_order(rows: IntArray | None) -> IntArray | None:
    """The order in which to read rows so that memory is walked through once, None when they are in it (random reads: 5 times)."""
    return None if rows is None or (rows[1:] >= rows[:-1]).all() else np.argsort(rows)


def blocks(src: Source, size: int, dtype: npt.DTypeLike) -> Iterator[tuple[int, int, npt.NDArray[Any]]]:
    """`(start, stop, block)`: the rows in blocks of `size` as transposed views of one column-major buffer."""
    _refuse_unfit(src, np.dtype(dtype))
    size = max(1, min(size, src.nrow))
    buffer = np.empty((len(src.columns), size + PAD), dtype=dtype)
    for start in range(0, src.nrow, size):
        stop = min(start + size, src.nrow)
        part = slice(start, stop) if src.rows is None else src.rows[start:stop]
        _copy(buffer[:, : stop - start], src, part)
        yield start, stop, buffer[:, : stop - start].T


def _copy(buffer: npt.NDArray[Any], src: Source, part: Any) -> None:
    """Rows of all columns into the buffer; a number beyond what a float type holds is refused."""
    try:
        with np.errstate(over="raise"):
            for row, column in zip(buffer, src.columns, strict=True):
                row[:] = column[part]
    except FloatingPointError:
        limit = np.finfo(buffer.dtype).max
        beyond = [n for n, c in zip(src.names, src.columns, strict=True) if _beyond(c[part], limit)]
        raise DataError(
            f"matrix: infinite values in {listing(beyond)} ({buffer.dtype} holds numbers up to {limit:.1e}); scale them, for "
            'example with po("scale"), or take dtype "float64".'
        ) from None


def _beyond(values: npt.NDArray[Any], limit: Any) -> bool:
    return bool((np.abs(values.astype(np.float64)[np.isfinite(values)]) > float(limit)).any())


def _refuse_unfit(src: Source, dtype: np.dtype[Any]) -> None:
    """Refuse values that a type without fractions, or with a small range, would change."""
    if dtype.kind not in "iub":
        return
    columns = [(n, c if src.rows is None else c[src.rows]) for n, c in zip(src.names, src.columns, strict=True)]
    holes = [n for n, c in columns if c.dtype.kind == "f" and np.isnan(c).any()]
    if holes:
        raise DataError(f"matrix: {listing(holes)} have missing values, which {dtype} cannot hold; take a float dtype or impute.")
    unfit = [n for n, c in columns if len(c) and not _fits(c, dtype)]
    if unfit:
        raise DataError(f'matrix: {listing(unfit)} have values that {dtype} cannot hold; take a wider dtype, as "float64".')


def _fits(values: npt.NDArray[Any], dtype: np.dtype[Any]) -> bool:
    """Whether every value is a number of this integer (or boolean) type."""
    low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    if values.dtype.kind == "f":
        return bool(
            np.isfinite(values).all()
            and (values % 1 == 0).all()
            and float(low) <= values.min()
            and values.max() < float(high) + 1
        )
    return low <= int(values.min()) and int(values.max()) <= high
