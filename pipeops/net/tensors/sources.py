"""Where the tensors of a column come from: a data set that is read row by row, an array in memory, or another source with
steps behind it.

`as_lazy_tensor` makes a column of any of the first two; the `trafo_` and `augment_` nodes make the third. Rows that were
read of a small data set stay in memory. Neighbours: `data/tensors` has the columns; `reading` reads them in batches;
`trafo` has the steps.
"""

import math
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import torch

from pipeops.data.columns import IntArray
from pipeops.data.incoming import describe, is_array
from pipeops.data.tensors import LazyTensor, Shape, TensorSource
from pipeops.errors import ConfigError, DataError
from pipeops.net.tensors.image_files import Files, files_in, image

KEPT = 1 << 28
"""Data sets of at most so many bytes stay in memory once they are read."""
Memo = dict[tuple[int, int], Any]
"""What was read for one batch, by data set and row, so that columns which share a data set read it once."""
RowTensors = torch.Tensor | list[torch.Tensor]
"""Rows as one tensor, or one by one where their shapes differ."""


class TensorStep(Protocol):
    """Something that is done to tensors, a batch at a time: a `trafo_` or `augment_` node. random: whether it draws."""

    random: ClassVar[bool]

    @property
    def id(self) -> str:
        """What errors call it, and what its draws follow from."""
        ...

    def transform(self, x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
        """Rows `(n, ...)` as they come out; what is random draws from `draws`."""
        ...


class Origin(TensorSource):
    """A source that reads. dtype: of what it reads."""

    dtype: torch.dtype
    steps: tuple[TensorStep, ...] = ()

    @property
    def origin(self) -> "Origin":
        """Itself; of a source with steps, where they begin."""
        return self

    @property
    def nbytes(self) -> int | None:
        """What all rows take; None where that is not known."""
        return size_of(len(self), self.shape, self.dtype)

    def read(self, rows: IntArray, memo: Memo) -> RowTensors:
        """These rows."""
        raise NotImplementedError


def size_of(n: int, shape: Shape, dtype: torch.dtype) -> int | None:
    """Bytes of n rows of a shape."""
    known = [size for size in shape if size is not None]
    return n * math.prod(known) * dtype.itemsize if len(known) == len(shape) else None


def fits(shape: Shape, sizes: tuple[int, ...]) -> bool:
    """Whether a row has a shape."""
    return len(shape) == len(sizes) and all(s in (None, n) for s, n in zip(shape, sizes, strict=True))


class InMemory(Origin):
    """An array in memory, `(n, ...)`."""

    def __init__(self, values: torch.Tensor):
        super().__init__()
        self.values, self.shape, self.dtype = values, tuple(values.shape[1:]), values.dtype

    def __len__(self) -> int:
        return len(self.values)

    def identity(self) -> Any:
        return self.values

    def read(self, rows: IntArray, memo: Memo) -> torch.Tensor:
        return torch.index_select(self.values, 0, torch.from_numpy(rows))


class Items(Origin):
    """A data set: anything with a length that answers an item for each index.

    part: which part of an item that is a tuple or a dictionary. keep: whether rows stay in memory once they were read.
    """

    def __init__(self, dataset: Any, shape: Shape | None, part: Any, keep: bool | None):
        super().__init__()
        self.dataset, self.part, self.size = dataset, part, len(dataset)
        if not self.size:
            raise DataError(f"as_lazy_tensor: {describe(dataset)} is empty, so that there is nothing to take a shape from.")
        first = self._tensor(self._items([0], {})[0], 0)
        self.shape, self.dtype = tuple(first.shape) if shape is None else shape, first.dtype
        self._check(first, 0)
        nbytes = self.nbytes
        self.keep = nbytes is not None and (nbytes <= KEPT if keep is None else keep)
        self._forget()
        if self._kept is not None:
            self._remember(self._kept, np.array([0]), [first])

    def _forget(self) -> None:
        sizes = [size or 0 for size in self.shape]  # all are known where rows are kept
        self._kept = torch.empty((self.size, *sizes), dtype=self.dtype) if self.keep else None
        self._known = np.zeros(self.size, dtype=bool)

    def __getstate__(self) -> dict[str, Any]:
        return {name: v for name, v in vars(self).items() if name not in ("_kept", "_known")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._forget()

    def __len__(self) -> int:
        return self.size

    def identity(self) -> Any:
        stamps = getattr(self.dataset, "stamps", None)
        return [self.dataset, None if stamps is None else stamps(), self.part, self.shape]

    def read(self, rows: IntArray, memo: Memo) -> RowTensors:
        new = np.unique(rows[~self._known[rows]])
        values = [self._tensor(item, row) for item, row in zip(self._items(new.tolist(), memo), new.tolist(), strict=True)]
        for value, row in zip(values, new.tolist(), strict=True):
            self._check(value, row)
        if self._kept is not None:
            self._remember(self._kept, new, values)
            return self._kept[torch.from_numpy(rows)]
        return together([values[place] for place in np.searchsorted(new, rows)], self)

    def _remember(self, kept: torch.Tensor, rows: IntArray, values: list[torch.Tensor]) -> None:
        """Keep rows; threads that read the same at once write the same."""
        if len(rows):
            kept[torch.from_numpy(rows)] = torch.stack(values)
            self._known[rows] = True

    def _items(self, rows: list[int], memo: Memo) -> list[Any]:
        """The items of these rows, each read once for a memo."""
        key = id(self.dataset)
        new = [row for row in rows if (key, row) not in memo]
        several = getattr(self.dataset, "__getitems__", None)
        try:
            found = several(new) if several and new else [self.dataset[row] for row in new]
        except Exception as error:
            raise DataError(
                f"The rows {new[0]} to {new[-1]} of {describe(self.dataset)} cannot be read: {type(error).__name__}: {error}"
            ) from error
        memo |= {(key, row): item for row, item in zip(new, found, strict=True)}
        return [memo[key, row] for row in rows]

    def _tensor(self, item: Any, row: int) -> torch.Tensor:
        if self.part is not None:
            item = item[self.part]
        elif isinstance(item, tuple | list | dict):
            parts = list(item) if isinstance(item, dict) else list(range(len(item)))
            raise ConfigError(
                f"as_lazy_tensor: an item of {describe(self.dataset)} is a {type(item).__name__}; say which part of it is the "
                f"tensor, part= one of {parts}."
            )
        if is_array(item) or hasattr(item, "dtype") or isinstance(item, int | float):
            return torch.as_tensor(item).detach()
        if hasattr(item, "getbands"):
            return image(item)
        raise DataError(f"Row {row} of {describe(self.dataset)} is {describe(item)}; it must be a tensor, an array or an image.")

    def _check(self, value: torch.Tensor, row: int) -> None:
        if not fits(self.shape, tuple(value.shape)) or value.dtype != self.dtype:
            was = f"{self.shape} {str(self.dtype).removeprefix('torch.')}"
            raise DataError(
                f"Row {row} of {describe(self.dataset)} has the shape {tuple(value.shape)} and the type "
                f"{str(value.dtype).removeprefix('torch.')}, not {was}; where shapes differ, say so: as_lazy_tensor(..., "
                "shape=...) with None for the rows and for each size that differs."
            )


class Mapped(TensorSource):
    """Another source with one more step behind it."""

    def __init__(self, base: "Origin | Mapped", step: TensorStep):
        super().__init__()
        self.origin: Origin = base.origin
        self.steps: tuple[TensorStep, ...] = (*base.steps, step)
        self.shape, self.dtype = outcome(step, base.shape, base.dtype)

    def __len__(self) -> int:
        return len(self.origin)

    def identity(self) -> Any:
        return [self.origin.identity(), list(self.steps)]


Readable = Origin | Mapped


def apply(steps: Sequence[TensorStep], x: RowTensors, key: int) -> RowTensors:
    """Rows after some steps; what is random follows from the key and the step's id."""
    for step in steps:
        generator = torch.Generator()
        if step.random:
            generator.manual_seed((key + zlib.crc32(str(step.id).encode())) % (1 << 63))
        if isinstance(x, torch.Tensor):
            x = step.transform(x, generator)
        else:
            x = _joined([step.transform(row[None], generator)[0] for row in x])
    return x


def together(rows: list[torch.Tensor], source: TensorSource) -> RowTensors:
    """Rows as one tensor where the shape of the source says that they are alike."""
    return _joined(rows) if rows or None in source.shape else torch.empty((0, *source.shape))  # type: ignore[arg-type]


def _joined(rows: list[torch.Tensor]) -> RowTensors:
    return torch.stack(rows) if len({row.shape for row in rows}) == 1 else rows


FILLINGS = (521, 769)
"""What unknown sizes are taken to be when a step is tried."""


def outcome(step: TensorStep, shape: Shape, dtype: torch.dtype) -> tuple[Shape, torch.dtype]:
    """Shape and type of a row behind a step, found by trying it on rows of zeros; refused where it does not take them."""
    several = FILLINGS if None in shape else (0,)
    tried = [_tried(step, [size if s is None else s for s in shape], dtype, shape) for size in several]
    sizes = zip(*(t.shape for t in tried), strict=True)
    return tuple(s[0] if len(set(s)) == 1 else None for s in sizes), tried[0].dtype


def _tried(step: TensorStep, sizes: list[int], dtype: torch.dtype, shape: Shape) -> torch.Tensor:
    who = f"{step.id}: tensors of the shape {(None, *shape)}"
    try:
        with torch.inference_mode(False), torch.no_grad():
            found = step.transform(torch.zeros((2, *sizes), dtype=dtype), torch.Generator().manual_seed(0))
    except DataError:
        raise
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).split("\n")[0].rstrip(".")
        raise DataError(f"{who} cannot be taken: {reason}.") from error
    if not isinstance(found, torch.Tensor) or found.ndim < 1 or len(found) != 2:
        got = tuple(found.shape) if isinstance(found, torch.Tensor) else describe(found)
        raise DataError(f"{who}: 2 of them became {got}; it must answer a tensor with as many rows.")
    return found[0]


def as_lazy_tensor(
    data: Any,
    shape: Shape | None = None,
    *,
    read: Callable[[Any], Any] | None = None,
    part: Any = None,
    n: int | None = None,
    keep: bool | None = None,
) -> LazyTensor:
    """A column of tensors that are read when they are needed.

    data: a `torch.utils.data.Dataset` or whatever has a length and answers an item for each index, a function of an index
    (with `n`, how many there are), an array or tensor `(n, ...)`, paths of files (each read with `read`, by default as an
    image, extra `images`), or the path of a folder of images. An item is a tensor, an array, a number or a Pillow image
    (which becomes uint8 `(channels, height, width)`), and the same each time: what is to differ is for `augment_` nodes.
    shape: of the column, None for the rows and for what differs between them; by default as the first row has it. part: which
    part of an item that is a tuple or a dictionary; columns that share one data set read it once a batch. keep: whether rows
    stay in memory once they were read, by default where all together take at most 256 MB.

    Raises DataError for what is empty or cannot be read, ConfigError for contradictions.

    >>> as_lazy_tensor(torch.zeros(10, 3, 8, 8)).shape
    (None, 3, 8, 8)
    >>> as_lazy_tensor(lambda i: torch.full((2,), i), n=4)
    <LazyTensor> 4 x (2,)
    """
    if isinstance(data, LazyTensor):
        return data
    row = _row_shape(shape)
    if is_array(data):
        return LazyTensor(_held(data, row))
    return LazyTensor(Items(_dataset(data, read, n), row, part, keep))


def _row_shape(shape: Shape | None) -> Shape | None:
    if shape is None:
        return None
    if not isinstance(shape, tuple | list) or not shape or shape[0] is not None:
        raise ConfigError(f"as_lazy_tensor: 'shape' begins with None for the rows, as in (None, 3, 64, 64), got {shape!r}.")
    return tuple(shape[1:])


def _held(data: Any, row: Shape | None) -> InMemory:
    values = torch.as_tensor(np.array(data) if isinstance(data, np.ndarray) else data.detach().cpu())
    if not values.ndim or not (row is None or fits(row, tuple(values.shape[1:]))):
        raise DataError(f"as_lazy_tensor: the array has the shape {tuple(values.shape)}, not {(None, *(row or ()))}.")
    return InMemory(values)


class Function:
    """A function of an index as a data set."""

    def __init__(self, function: Callable[[int], Any], n: int):
        self.function, self.n = function, n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, row: int) -> Any:
        return self.function(row)


def _dataset(data: Any, read: Callable[[Any], Any] | None, n: int | None) -> Any:
    if isinstance(data, str | Path):
        return Files(files_in(Path(data), anything=read is not None), read)
    if isinstance(data, list | tuple) and data and all(isinstance(path, str | Path) for path in data):
        return Files(data, read)
    if read is not None:
        raise ConfigError(f"as_lazy_tensor: 'read' reads paths, got {describe(data)}.")
    if hasattr(data, "__getitem__") and hasattr(data, "__len__"):
        return data
    if callable(data) and n is not None:
        return Function(data, n)
    hint = "say how many rows there are, n=..." if callable(data) else "it needs a length and an item for each index"
    raise ConfigError(f"as_lazy_tensor: cannot read {describe(data)}; {hint}.")
