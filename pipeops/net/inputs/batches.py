"""Batches of tensors that lie in memory: slices when the order is kept, gathered into a reused buffer when it is not.

Gathering is done for as many batches at once as stay in the cache, and the views of the buffer are made once, so that a
shuffled batch costs little more than a slice. Neighbours: samplers choose rows; trainer asks for epochs.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import attrs
import numpy as np
import torch

from pipeops.data import Task
from pipeops.errors import DataError, TrainingError

Batch = tuple[tuple[torch.Tensor, ...], torch.Tensor, torch.Tensor | None]
"""Inputs, target, and the weights of the rows where there are some."""
Draw = Callable[[Task, torch.Generator], Iterable[Any]]
CACHE_BYTES = 1 << 18


class Loader(Protocol):
    """What cuts the rows of one data set into batches.

    tensors: what lies in memory, the target last. weights: of the rows, where the loss takes some. size: rows in a batch.
    """

    tensors: tuple[torch.Tensor, ...]
    weights: torch.Tensor | None
    n: int
    size: int

    def cut(self, rows: torch.Tensor | None, sizes: list[int], fresh: bool = False) -> Iterable[Batch]:
        """Batches of these sizes of rows (None: all in order). fresh: each in memory of its own, to keep and to write into."""
        ...

    def ordered(self) -> Iterator[Batch]:
        """All rows in order."""
        ...

    def check(self) -> None:
        """Refuse to go on when something wrote into the data."""
        ...

    def close(self) -> None:
        """Let go of what reading has begun."""
        ...


class Batches:
    """The batches of one data set. inputs: one tensor for each ingress; target: as the loss takes it; weights: of the rows, if
    the loss takes them; all with n rows.

    Rows in order are views of the data, unless what gets them writes into them, which the first batch shows: it is a copy.
    spoiled: whether it does, None before the first batch.
    """

    def __init__(self, inputs: Sequence[torch.Tensor], target: torch.Tensor, size: int, weights: torch.Tensor | None = None):
        self.tensors, self.weights, self.spoiled = (*inputs, target), weights, None
        self._held = self.tensors if weights is None else (*self.tensors, weights)
        self.n, self.size = len(target), max(1, min(size, len(target)))
        self.versions = [t._version for t in self._held]
        self._ordered: list[Batch] = []
        self._buffers: dict[int, tuple[list[torch.Tensor], list[Batch]]] = {}

    def cut(self, rows: torch.Tensor | None, sizes: list[int], fresh: bool = False) -> Iterable[Batch]:
        """Batches of these sizes of rows (None: all in order). fresh: each in memory of its own, to keep and to write into."""
        if rows is None:
            return map(_copied, self._views()) if fresh else self.ordered()
        rows = rows.to(self.tensors[-1].device)
        even = all(size == self.size for size in sizes[:-1]) and sizes[-1] <= self.size
        return self._gathered(rows) if even and not fresh else self._chosen(rows.split(sizes))

    def ordered(self) -> Iterator[Batch]:
        """All rows in order."""
        batches = iter(self._views())
        if self.spoiled is None:
            first = _copied(next(batches))
            before = [t._version for t in (*first[0], first[1])]
            yield first
            self.spoiled = before != [t._version for t in (*first[0], first[1])]
        yield from map(_copied, batches) if self.spoiled else batches

    def check(self) -> None:
        """Refuse to go on when something wrote into the data."""
        if self.versions != [t._version for t in self._held]:
            raise TrainingError(
                "a layer, the loss or a callback writes in place into the rows or labels that it is given, and by that into the "
                "data; let it work on a copy (x.clone())."
            )

    def close(self) -> None:
        """Nothing was begun."""

    def _views(self) -> list[Batch]:
        if not self._ordered:
            self._ordered = self._split(self._held)
        return self._ordered

    def _gathered(self, order: torch.Tensor) -> Iterator[Batch]:
        """The rows in this order; a batch is valid until the buffer is filled again."""
        row_bytes = sum(t[:1].nbytes for t in self._held)
        rows = self.size * max(1, CACHE_BYTES // max(1, row_bytes * self.size))
        for part in order.split(rows):
            buffers, batches = self._buffer(len(part))
            for tensor, buffer in zip(self._held, buffers, strict=True):
                torch.index_select(tensor, 0, part, out=buffer)
            yield from batches

    def _buffer(self, rows: int) -> tuple[list[torch.Tensor], list[Batch]]:
        if rows not in self._buffers:
            buffers = [torch.empty((rows, *t.shape[1:]), dtype=t.dtype, device=t.device) for t in self._held]
            self._buffers[rows] = (buffers, self._split(buffers))
        return self._buffers[rows]

    def _chosen(self, parts: Iterable[torch.Tensor]) -> Iterator[Batch]:
        """One batch for each tensor of row positions."""
        for part in parts:
            yield self._batch([torch.index_select(t, 0, part) for t in self._held])

    def _split(self, tensors: Sequence[torch.Tensor]) -> list[Batch]:
        return [self._batch(parts) for parts in zip(*(t.split(self.size) for t in tensors), strict=True)]

    def _batch(self, parts: Sequence[torch.Tensor]) -> Batch:
        *inputs, target, weights = (*parts, None) if self.weights is None else parts
        return tuple(inputs), target, weights  # type: ignore[return-value]


def _copied(batch: Batch) -> Batch:
    inputs, target, weights = batch
    return tuple(x.clone() for x in inputs), target.clone(), weights if weights is None else weights.clone()


class Epochs:
    """Which rows each batch of an epoch has: in order, shuffled, or as a sampler says.

    sizes: how many rows each batch of the latest epoch has.
    """

    def __init__(self, batches: Loader, task: Task, *, shuffle: bool, drop_last: bool, sampler: Any = None):
        self.batches, self.task, self.shuffle = batches, task, shuffle
        full, rest = divmod(batches.n, batches.size)
        self.sizes = [batches.size] * full + [rest] * (rest > 0 and not drop_last)
        self.used = sum(self.sizes)
        self.sampler, self.draw = sampler, None if sampler is None else _drawing(sampler)

    def draws(self, generator: torch.Generator) -> torch.Tensor | None:
        """The row positions of one epoch, batch after batch; None for all in order."""
        if self.draw is not None:
            parts = _positions(self.draw(self.task, generator), self.batches.n)
            self.sizes = [len(part) for part in parts]
            return torch.cat(parts)
        if self.shuffle:
            return torch.randperm(self.batches.n, generator=generator)[: self.used]
        return None if self.used == self.batches.n else torch.arange(self.used)


def draws_rows(sampler: Any) -> bool:
    """Whether this can be a sampler: it has `batches`, can be called with task and generator, or is gone through each epoch."""
    return hasattr(sampler, "batches") or callable(sampler) or (isinstance(sampler, Iterable) and not isinstance(sampler, str))


def _drawing(sampler: Any) -> Draw:
    if hasattr(sampler, "batches"):
        return sampler.batches
    given: Any = sampler
    return given if callable(sampler) else lambda task, generator: given


@attrs.frozen(eq=False)
class CutOrder:
    """An order of rows, from `sampler`, cut into batches of `size`; a last one that is not full is left out with `drop_last`."""

    sampler: Any
    size: int
    drop_last: bool

    def batches(self, task: Task, generator: torch.Generator) -> list[torch.Tensor]:
        """The batches of one epoch."""
        order = torch.as_tensor([int(row) for row in _drawing(self.sampler)(task, generator)], dtype=torch.int64)
        parts = list(order.split(self.size))
        return parts[:-1] if self.drop_last and parts and len(parts[-1]) < self.size else parts


def _positions(parts: Iterable[Any], n: int) -> list[torch.Tensor]:
    rows = [torch.as_tensor(np.asarray(part), dtype=torch.int64).reshape(-1) for part in parts]
    if not rows:
        raise DataError("sampler: gave no batches for an epoch.")
    for number, part in enumerate(rows, 1):
        if len(part) == 0 or int(part.min()) < 0 or int(part.max()) >= n:
            raise DataError(f"sampler: batch {number} is empty or has row positions outside 0..{n - 1}.")
    return rows
