"""Columns into one contiguous array, with one copy that stays in the cache.

A block of rows is gathered column by column into a small column-major buffer, which changes types on the way, and the
buffer is then written out transposed. Reading whole columns one after another instead touches every cache line of the
result once for each column (six times slower at 110 columns). Neighbours: `columns` below, `task` above.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from pipeops.data.columns import TENSOR_ADVICE, IntArray, number_matrix, readable
from pipeops.data.frames import View
from pipeops.data.maps import BlockStep, ColumnMap, Lookup, Schema
from pipeops.errors import DataError, listing

BUFFER_BYTES = 1_000_000
ROWS = 8192
CACHED = 1 << 17
"""Numbers that are changed at a time; they and what is made of them stay in the cache."""
TILE = 256
"""Rows of a buffer that are written out at a time; their transposed lines stay in the innermost cache."""
PAD = 16
"""Extra entries in a buffer row: a stride that is a power of two costs a third."""


@attrs.frozen(eq=False)
class MatrixPart:
    """Neighbouring columns of the result that are read, and changed, together.

    columns: arrays (several, or one `(columns, rows)`) over the whole frame, or over the rows in use alone when `own`.
    steps: from a block of them in float64 (codes as they are) to a block of the result; none when the columns are copied.
    inner: parts that make the block which is changed, in the place of columns.
    """

    columns: Any
    names: tuple[str, ...]
    steps: tuple[BlockStep, ...] = ()
    own: bool = False
    inner: "tuple[MatrixPart, ...]" = ()

    def write(self, out: npt.NDArray[Any], rows: Any, positions: Any) -> None:
        """Some rows into a block `(columns, rows)`, changed on the way: by their place in the frame, and among those in use."""
        if not self.steps:
            self._copy(out, rows)
            return
        n = out.shape[1]
        for i in range(0, n, ROWS):
            some = slice(i, min(i + ROWS, n))
            out[:, some] = self._changed(some.stop - i, _part_of(rows, some), _part_of(positions, some))

    def _changed(self, n: int, rows: Any, positions: Any) -> npt.NDArray[Any]:
        block = self.columns[0][positions][None] if self.own else self._numbers(n, rows, positions)
        with np.errstate(all="ignore"):
            for step in self.steps:
                block = step(block)
        return block

    def _numbers(self, n: int, rows: Any, positions: Any) -> npt.NDArray[np.float64]:
        block = np.empty((sum(len(part.names) for part in self.inner) or len(self.columns), n))
        if not self.inner:
            self._copy(block, rows)
        for part, place in zip(self.inner, _places(self.inner), strict=True):
            part.write(block[place], rows, positions)
        return block

    def _copy(self, out: npt.NDArray[Any], rows: Any) -> None:
        if isinstance(self.columns, np.ndarray):
            out[:] = self.columns[:, rows]
            return
        for row, column in zip(out, self.columns, strict=True):
            row[:] = column[rows]


def _part_of(rows: Any, some: slice) -> Any:
    """Some of these rows, which are a slice or positions."""
    if not isinstance(rows, slice):
        return rows[some]
    first = rows.start or 0
    return slice(first + some.start, first + some.stop)


def _places(parts: Sequence[MatrixPart]) -> Iterator[slice]:
    """Where parts that follow each other stand."""
    start = 0
    for part in parts:
        yield slice(start, start + len(part.names))
        start += len(part.names)


@attrs.frozen(eq=False)
class MatrixColumns:
    """Columns as parts that follow each other, and the rows of the whole frame to take (all when None)."""

    parts: tuple[MatrixPart, ...]
    names: tuple[str, ...]
    rows: IntArray | None
    nrow: int


def source(view: View, names: Sequence[str], nrow: int, dtype: npt.DTypeLike) -> MatrixColumns:
    """Numeric and boolean columns of a view; others are refused by name."""
    kinds = view.kinds(tuple(names))
    other = [f"'{n}' ({view.schema[n]})" for n, found in kinds.items() if found not in ("numeric", "boolean")]
    if other:
        hint = TENSOR_ADVICE if "tensor" in kinds.values() else ""
        raise DataError(
            f"matrix: {', '.join(other[:8])} {'is' if len(other) == 1 else 'are'} not numeric; encode text and categories with "
            f'po("encode") first, or select other columns{hint}.'
        )
    lazily = not view.is_made and names and np.dtype(dtype).kind == "f"
    through = _through_maps(view, names) if lazily else None
    if through is not None:
        return MatrixColumns(through, tuple(names), view.below.rows, nrow)
    return MatrixColumns((_copied(view, names),) if names else (), tuple(names), view.rows, nrow)


def _copied(view: View, names: Sequence[str]) -> MatrixPart:
    whole = number_matrix(view.frame, names)
    return MatrixPart(readable(view.frame, names) if whole is None else whole, tuple(names))


def _through_maps(view: View, names: Sequence[str]) -> tuple[MatrixPart, ...] | None:
    """Parts that read the columns below and change them on the way; None where a map can only be run on frames."""
    stages = _stages(view)
    if all(each.takes == tuple(names) == each.makes and not each.joint for each in view.maps):
        return _split(view, list(names), list(names), view.maps, stages)
    cells = _cells(view)
    return _parts(view, [(name, *cells[name]) for name in names], stages)


def _parts(view: View, wanted: "list[tuple[str, Any, Way]]", stages: dict[int, Schema]) -> tuple[MatrixPart, ...] | None:
    """Neighbouring columns that come one way together."""
    parts: list[MatrixPart] = []
    for _, group in groupby(wanted, key=lambda one: (_own(one[1], one[2]), one[2])):
        run = list(group)
        found = _split(view, [name for name, *_ in run], [came for _, came, _ in run], run[0][2], stages)
        if found is None:
            return None
        parts += found
    return tuple(parts)


def _split(
    view: View, names: list[str], came: list[Any], maps: "Way", stages: dict[int, Schema]
) -> tuple[MatrixPart, ...] | None:
    """Columns that come one way, a few at a time where each is changed alone, so that they stay in the cache."""
    whole = not maps or maps[0].joint or isinstance(maps[0], Lookup)
    size = len(names) if whole else max(4, CACHED // max(1, min(view.nrow, ROWS)))
    parts = [_part(view, names[i : i + size], came[i : i + size], maps, stages) for i in range(0, len(names), size or 1)]
    return None if None in parts else tuple(part for part in parts if part is not None)


def _part(view: View, names: list[str], came: list[Any], maps: "Way", stages: dict[int, Schema]) -> MatrixPart | None:
    if not maps:
        return _copied(view.below, came)
    found = _steps(names, maps, stages)
    if found is None:
        return None
    if maps[0].joint:
        inner = _parts(view, [(name, *cell) for name, cell in zip(maps[0].takes, came[0], strict=True)], stages)
        return None if inner is None else MatrixPart((), tuple(names), found, inner=inner)
    if isinstance(maps[0], Lookup):
        known = view.below.codes(came[0], maps[0].levels)
        return MatrixPart((maps[0].codes(view.below.column(came[0]), known),), tuple(names), found, own=True)
    return attrs.evolve(_copied(view.below, came), names=tuple(names), steps=found)


def _steps(names: list[str], maps: "Way", stages: dict[int, Schema]) -> tuple[BlockStep, ...] | None:
    """The maps on a way as steps; None where one can only be run on frames, as a look-up of what another map made."""
    steps: list[BlockStep] = []
    for each in reversed(maps):
        step = each.step(names, stages[id(each)])
        if step is None or (isinstance(each, Lookup) and each is not maps[0]):
            return None
        steps.append(step)
        if each is not maps[0] and each.takes != each.makes:
            names = [each.takes[each.makes.index(name)] for name in names]
    return tuple(reversed(steps))


def _stages(view: View) -> dict[int, Schema]:
    """The types of all columns before each of the maps."""
    schema = view.below.types(view.names)
    stages: dict[int, Schema] = {}
    for each in view.maps:
        stages[id(each)] = schema
        schema = {**schema, **each.types(schema)}
    return stages


Way = tuple[ColumnMap, ...]
Cell = tuple[Any, Way]
"""What a column comes from, and the maps on its way: the name of a column below, or all cells that a joint map takes."""


def _cells(view: View) -> dict[str, Cell]:
    cells: dict[str, Cell] = {name: (name, ()) for name in view.names}
    for each in view.maps:
        came = [cells.pop(name) for name in each.takes]
        if each.joint:
            cells.update(dict.fromkeys(each.makes, (tuple(came), (each,))))
            continue
        ways: dict[int, Way] = {}  # one tuple for all columns that came one way
        came = came * len(each.makes) if isinstance(each, Lookup) else came
        for name, (first, before) in zip(each.makes, came, strict=True):
            cells[name] = first, ways.setdefault(id(before), (*before, each))
    return cells


def _own(came: Any, way: Way) -> Any:
    """What a column is made of together with its neighbours: the codes of a column, the cells of a joint map."""
    return came if way and isinstance(way[0], Lookup) else id(came) if isinstance(came, tuple) else None


def fill(src: MatrixColumns, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """The columns as one C-contiguous array (rows, columns)."""
    out = np.empty((src.nrow, len(src.names)), dtype=dtype)
    size = min(max(BUFFER_BYTES // max(1, len(src.names) * out.itemsize), 256), ROWS)
    order = _memory_order(src.rows) if src.nrow > size else None
    for start, stop, block in blocks(src, size, dtype, order):
        for i in range(0, stop - start, TILE):
            some = slice(start + i, min(start + i + TILE, stop))
            out[some if order is None else order[some]] = block[i : i + TILE]
    return out


def _memory_order(rows: IntArray | None) -> IntArray | None:
    """The order in which to read rows so that memory is walked through once, None when they are in it (random reads: 5 times)."""
    return None if rows is None or (rows[1:] >= rows[:-1]).all() else np.argsort(rows)


def blocks(
    src: MatrixColumns, size: int, dtype: npt.DTypeLike, order: IntArray | None = None
) -> Iterator[tuple[int, int, npt.NDArray[Any]]]:
    """`(start, stop, block)`: the rows in blocks of `size` as transposed views of one column-major buffer, in an order."""
    _refuse_unfit(src, np.dtype(dtype))
    size = max(1, min(size, src.nrow))
    buffer = np.empty((len(src.names), size + PAD), dtype=dtype)
    for start in range(0, src.nrow, size):
        stop = min(start + size, src.nrow)
        _write(buffer[:, : stop - start], src, slice(start, stop) if order is None else order[start:stop])
        yield start, stop, buffer[:, : stop - start].T


def columns(view: View, names: Sequence[str], size: int) -> Iterator[tuple[list[str], npt.NDArray[np.float64]]]:
    """Names and all values of up to `size` columns at a time: float64 `(columns, rows)`, NaN where missing."""
    for i in range(0, len(names), size):
        some = list(names[i : i + size])
        block = np.empty((len(some), view.nrow))
        _write(block, source(view, some, view.nrow, np.float64), slice(None))
        yield some, block


def _write(buffer: npt.NDArray[Any], src: MatrixColumns, positions: Any) -> None:
    """Rows of all columns into the buffer; a number beyond what a float type holds is refused."""
    rows = positions if src.rows is None else src.rows[positions]
    for part, place in zip(src.parts, _places(src.parts), strict=True):
        try:
            with np.errstate(over="raise"):
                part.write(buffer[place], rows, positions)
        except FloatingPointError:
            _refuse_beyond(part, rows, positions, buffer[place])


def _refuse_beyond(part: MatrixPart, rows: Any, positions: Any, out: npt.NDArray[Any]) -> None:
    limit, block = np.finfo(out.dtype).max, np.empty(out.shape)
    part.write(block, rows, positions)
    beyond = [name for name, values in zip(part.names, block, strict=True) if _beyond(values, limit)]
    raise DataError(
        f"matrix: infinite values in {listing(beyond)} ({out.dtype} holds numbers up to {limit:.1e}); scale them, for "
        'example with po("scale"), or take dtype "float64".'
    )


def _beyond(values: npt.NDArray[Any], limit: Any) -> bool:
    return bool((np.abs(values.astype(np.float64)[np.isfinite(values)]) > float(limit)).any())


def _refuse_unfit(src: MatrixColumns, dtype: np.dtype[Any]) -> None:
    """Refuse values that a type without fractions, or with a small range, would change."""
    if dtype.kind not in "iub":
        return
    found = [pair for part in src.parts for pair in zip(part.names, part.columns, strict=True)]
    columns = [(n, c[:] if src.rows is None else c[src.rows]) for n, c in found]
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
