"""Columns of tensors as a task holds them: each cell says which source its tensor comes from, and which row of it.

A frame of any library holds such a column as two whole numbers a cell (`columns.LAZY`), so that filtering, selecting,
renaming and binding read nothing. A source is found by its number as long as something keeps it: the task whose frame
mentions it (`frames.View` claims what it mentions), or whoever holds the `LazyTensor`. Eager columns (fixed-size arrays)
hold their numbers themselves. Nothing here knows torch. Neighbours: `columns` below, `incoming` takes `LazyTensor`s;
`net/tensors` has the sources and reads.
"""

import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, Self
from weakref import WeakValueDictionary

import narwhals as nw
import numpy as np

from pipeops.data.columns import LAZY, ROW, SOURCE, IntArray, schema_of
from pipeops.errors import DataError

Shape = tuple[int | None, ...]


class TensorSource(ABC):
    """Where the tensors of a column come from. shape: of one row, None where it is not known or differs between rows."""

    shape: Shape

    def __init__(self) -> None:
        self.number = secrets.randbits(62)

    @abstractmethod
    def __len__(self) -> int:
        """How many rows there are."""

    @abstractmethod
    def identity(self) -> Any:
        """What decides the tensors, for fingerprints."""

    def __deepcopy__(self, memo: Any) -> Self:
        return self


class _Sources:
    """The sources of this process by number.

    fresh: those that no task has claimed yet, which nothing else may keep alive. kept: those that a frame mentions which was
    handed to the user.
    """

    def __init__(self) -> None:
        self._alive = WeakValueDictionary[int, TensorSource]()
        self._fresh, self._kept = dict[int, TensorSource](), dict[int, TensorSource]()

    def add(self, source: TensorSource) -> TensorSource:
        """Make a source known; one that is known under its number is answered in its place."""
        found = self._alive.get(source.number)
        if found is None:
            self._alive[source.number] = self._fresh[source.number] = source
        return found or source

    def adopt(self, sources: Iterable[TensorSource]) -> list[TensorSource]:
        """Sources that came from another process, or their twins here."""
        return [self._claimed(self.add(source)) for source in sources]

    def of(self, column: nw.Series[Any]) -> dict[int, TensorSource]:
        """The sources that a column mentions."""
        numbers = (column.drop_nulls() if column.null_count() else column).struct.field(SOURCE).to_numpy()
        return {number: self._found(number, column.name) for number in np.unique(numbers).tolist()}

    def claim(self, frame: nw.DataFrame[Any]) -> list[TensorSource]:
        """The sources that a frame mentions; whoever asks keeps them alive."""
        return [self._claimed(source) for column in self._columns(frame) for source in self.of(column).values()]

    def keep(self, frame: nw.DataFrame[Any]) -> None:
        """Keep what a frame mentions as long as the process lives."""
        self._kept |= {source.number: source for source in self.claim(frame)}

    def _columns(self, frame: nw.DataFrame[Any]) -> list[nw.Series[Any]]:
        if not self._alive:
            return []
        return [frame.get_column(name) for name, dtype in schema_of(frame).items() if dtype == LAZY]

    def _claimed(self, source: TensorSource) -> TensorSource:
        self._fresh.pop(source.number, None)
        return source

    def _found(self, number: int, name: str) -> TensorSource:
        if number not in self._alive:
            raise DataError(
                f"The tensors of the column '{name}' are no longer there: nothing holds the task that they came with; hold on to "
                "the task, or make the column anew with as_lazy_tensor."
            )
        return self._alive[number]


sources = _Sources()


class LazyTensor:
    """A column of tensors that are read when they are needed, made by `as_lazy_tensor`; goes into a table as a column.

    `shape` has None for the rows and for what is not known; `column[rows]` is some of them, in that order.
    """

    def __init__(self, source: TensorSource, rows: Any = None):
        self.source = source
        self.rows: IntArray = np.arange(len(source)) if rows is None else np.asarray(rows, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> Shape:
        """None for the rows, and the shape of one."""
        return (None, *self.source.shape)

    def __getitem__(self, rows: Any) -> "LazyTensor":
        return LazyTensor(self.source, np.atleast_1d(self.rows[rows]))

    def __repr__(self) -> str:
        return f"<LazyTensor> {len(self)} x {self.source.shape}"

    def column(self, name: str) -> nw.Series[Any]:
        """As a column of polars."""
        return lazy_column(name, [self.source], np.zeros(len(self), dtype=np.int64), self.rows, nw.Implementation.POLARS)


def lazy_column(name: str, held: list[Any], which: IntArray, rows: IntArray, library: nw.Implementation) -> nw.Series[Any]:
    """A column of tensors: for each cell the place of its source among `held`, and the source's row."""
    numbers = np.array([sources.add(source).number for source in held] or [0], dtype=np.int64)[which]
    return structs(name, numbers, rows, library)


def moved_lazy(column: nw.Series[Any], library: nw.Implementation) -> nw.Series[Any]:
    """The same column in another library; none of its cells is missing."""
    numbers, rows = (column.struct.field(part).to_numpy() for part in (SOURCE, ROW))
    return structs(column.name, numbers, rows, library)


def structs(name: str, numbers: Any, rows: Any, library: nw.Implementation) -> nw.Series[Any]:
    """A column of a library: for each cell the number of its source and the source's row."""
    if library.is_polars():
        import polars as pl

        return nw.from_native(pl.DataFrame({SOURCE: numbers, ROW: rows}).to_struct(name), series_only=True)
    import pyarrow as pa

    made: Any = pa.chunked_array([pa.StructArray.from_arrays([pa.array(numbers), pa.array(rows)], [SOURCE, ROW])])
    if library.is_pandas():
        import pandas as pd

        made = pd.Series(pd.arrays.ArrowExtensionArray(made), name=name)  # type: ignore[attr-defined]
    return nw.from_native(made, series_only=True).alias(name)
