"""Reading a column of tensors: rows of it as one tensor, in a batch or all at once.

Neighbours: `sources` reads; ingress and loaders ask for batches; `task.tensor` asks for all.
"""

from collections.abc import Sequence
from typing import Any

import narwhals as nw
import numpy as np
import torch

from pipeops.data.columns import LAZY, ROW, SOURCE, IntArray
from pipeops.data.incoming import as_array
from pipeops.data.tensors import Shape, lazy_column, sources
from pipeops.errors import DataError
from pipeops.net.tensors.sources import InMemory, Mapped, Memo, Readable, RowTensors, TensorStep, apply, size_of

BLOCK_BYTES = 1 << 26
"""So many bytes are read at once where everything is read."""


class TensorColumn:
    """A column of tensors: for each row which source and which row of it; mostly there is one source.

    shape, dtype: of a row; None where the sources differ.
    """

    def __init__(self, name: str, held: Sequence[Readable], which: IntArray, rows: IntArray):
        self.name, self.held, self.which, self.rows = name, list(held), which, rows
        self.shape, self.dtype = _common(name, self.held)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"<TensorColumn> '{self.name}', {len(self)} x {self.shape} {str(self.dtype).removeprefix('torch.')}"

    @property
    def nbytes(self) -> int | None:
        """What all rows take; None where that is not known."""
        return size_of(len(self), self.shape, self.dtype)

    @property
    def random(self) -> bool:
        """Whether rows come out otherwise each time."""
        return any(step.random for source in self.held for step in source.steps)

    @property
    def in_memory(self) -> bool:
        """Whether nothing has to be read from elsewhere."""
        return all(isinstance(source.origin, InMemory) for source in self.held)

    def block(self) -> int:
        """How many rows are read at once where many are."""
        sizes = [size_of(1, s.shape, s.dtype) for part in self.held for s in (part, part.origin)]
        return max(1, min(8192, BLOCK_BYTES // max(1, *(1 << 18 if size is None else size for size in sizes))))

    def take(self, positions: IntArray, key: int = 0, memo: Memo | None = None) -> torch.Tensor:
        """The rows at these positions, `(n, ...)`. key: what is random follows from it. memo: what this batch has read."""
        with torch.inference_mode(False), torch.no_grad():
            return self._stacked(self._read(positions, key, {} if memo is None else memo))

    def _read(self, positions: IntArray, key: int, memo: Memo) -> RowTensors:
        which, rows = self.which[positions], self.rows[positions]
        if len(self.held) == 1:
            return _read_one(self.held[0], rows, key, memo)
        found: list[Any] = [None] * len(rows)
        for k, source in enumerate(self.held):
            places = np.flatnonzero(which == k)
            read = _read_one(source, rows[places], key, memo) if len(places) else ()
            for place, row in zip(places.tolist(), read, strict=True):
                found[place] = row
        return found

    def _stacked(self, rows: RowTensors) -> torch.Tensor:
        if isinstance(rows, torch.Tensor):
            return rows
        if not rows:
            return torch.empty((0, *(size or 0 for size in self.shape)), dtype=self.dtype)
        shapes = sorted({tuple(row.shape) for row in rows})
        if len(shapes) > 1:
            raise DataError(
                f"'{self.name}': tensors of different shapes ({shapes[0]}, {shapes[-1]}) make no batch; "
                'po("trafo_resize", size=(64, 64)) makes images alike.'
            )
        return torch.stack(rows)


def _read_one(source: Readable, rows: IntArray, key: int, memo: Memo) -> RowTensors:
    return apply(source.steps, source.origin.read(rows, memo), key)


def _common(name: str, held: Sequence[Readable]) -> tuple[Shape, torch.dtype]:
    ranks = {len(source.shape) for source in held}
    if len(ranks) > 1 or len({source.dtype for source in held}) > 1:
        kinds = [f"{(None, *source.shape)} {str(source.dtype).removeprefix('torch.')}" for source in held]
        raise DataError(f"'{name}': holds tensors of different kinds: {', '.join(sorted(set(kinds)))}.")
    sizes = zip(*(source.shape for source in held), strict=True)
    return tuple(s[0] if len(set(s)) == 1 else None for s in sizes), held[0].dtype


def column_from(column: nw.Series[Any]) -> TensorColumn:
    """A column of a frame, lazy or of fixed-size arrays; refused where cells are missing."""
    if column.null_count():
        raise DataError(f"'{column.name}': {column.null_count()} tensors are missing; leave those rows out (task.filter).")
    if column.dtype != LAZY:
        held = InMemory(torch.from_numpy(_array(column)))
        return TensorColumn(column.name, [held], np.zeros(len(held), dtype=np.int64), np.arange(len(held)))
    numbers, rows = (np.array(column.struct.field(part).to_numpy(), dtype=np.int64) for part in (SOURCE, ROW))
    found: dict[int, Any] = sources.of(column) or {0: InMemory(torch.empty(0, 0))}
    known, which = np.unique(numbers, return_inverse=True)
    return TensorColumn(column.name, [found[n] for n in known.tolist()] or list(found.values()), which, rows)


def _array(column: nw.Series[Any]) -> np.ndarray:
    """A column of fixed-size arrays as one array `(n, ...)`, a copy."""
    import polars as pl

    native: Any = column.to_native() if column.implementation.is_polars() else pl.from_arrow(column.to_arrow())
    values = np.array(as_array(native.to_numpy()))
    return values.reshape(len(column), *column.dtype.shape)  # type: ignore[attr-defined]


def read(column: nw.Series[Any]) -> torch.Tensor:
    """All rows of a column."""
    return read_all([column_from(column)])[0]


def read_all(columns: Sequence[TensorColumn], key: int = 0) -> list[torch.Tensor]:
    """All rows of some columns, a block at a time; what they share is read once."""
    n, size = len(columns[0]), min(column.block() for column in columns)
    found: list[list[torch.Tensor]] = [[] for _ in columns]
    for start in range(0, max(n, 1), size):
        memo: Memo = {}
        for column, several in zip(columns, found, strict=True):
            several.append(column.take(np.arange(start, min(start + size, n)), key, memo))
    return [torch.cat(several) if len(several) > 1 else several[0] for several in found]


def fixed(columns: Sequence[TensorColumn]) -> list[TensorColumn]:
    """The same columns without the steps that change from one epoch to the next, nor those behind."""
    return [TensorColumn(c.name, [_without_random(s) for s in c.held], c.which, c.rows) for c in columns]


def settled(columns: Sequence[TensorColumn], values: Sequence[torch.Tensor]) -> list[TensorColumn]:
    """The same columns with what `fixed` says in memory."""
    return [_held(column, rows) for column, rows in zip(columns, values, strict=True)]


def _steps(source: Readable) -> tuple[Sequence[TensorStep], Sequence[TensorStep]]:
    """The steps of a source: those before the first random one, and the others."""
    first = next((k for k, step in enumerate(source.steps) if step.random), len(source.steps))
    return source.steps[:first], source.steps[first:]


def _behind(source: Readable, steps: Sequence[TensorStep]) -> Readable:
    for step in steps:
        source = Mapped(source, step)
    return source


def _without_random(source: Readable) -> Readable:
    return _behind(source.origin, _steps(source)[0]) if any(step.random for step in source.steps) else source


def _held(column: TensorColumn, values: torch.Tensor) -> TensorColumn:
    base = InMemory(values)
    return TensorColumn(column.name, [_behind(base, _steps(s)[1]) for s in column.held], column.which, np.arange(len(values)))


def mapped(column: nw.Series[Any], step: TensorStep | None) -> nw.Series[Any]:
    """The same column, lazily, with one more step behind its tensors (None: as they are)."""
    if not len(column) or (step is None and column.dtype == LAZY):
        return column
    known = column_from(column)
    held = known.held if step is None else [Mapped(source, step) for source in known.held]
    return lazy_column(column.name, held, known.which, known.rows, column.implementation)
