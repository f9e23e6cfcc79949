"""Batches of tensors that are read when they are asked for: the streaming loader, over `torch.utils.data.DataLoader`.

It answers what `batches.Batches` answers, with the same rows in the same batches, so that the training loop knows no
difference; only what is random is drawn anew in each epoch, from one number that the run's own generator gives, whatever
reads and with how many processes. Small columns are read once and are `Batches` then. Neighbours: `ingress_tensor` has what
is read; set-up and the model node ask `loader_for`.
"""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import attrs
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from pipeops.net.inputs.batches import Batch, Batches, Loader
from pipeops.net.inputs.ingress_tensor import TensorInput
from pipeops.net.network.descriptor import Source
from pipeops.net.tensors.reading import TensorColumn, fixed, settled
from pipeops.net.tensors.sources import Memo
from pipeops.net.training.machine import Machine

RESIDENT = 1 << 28
"""Columns of tensors that take no more bytes together are read once."""


@attrs.frozen
class Reading:
    """How tensor columns are read: "auto" reads small ones once and others in each epoch; processes that read; how far ahead."""

    loader: str = "auto"
    num_workers: int = 0
    pin_memory: bool = False
    prefetch: int = 2


class _Reads(Dataset[Any]):
    """What a process that reads does: a batch of each column, from the positions of its rows and a key for what is random."""

    def __init__(self, inputs: Sequence[TensorInput | TensorColumn]):
        self.inputs = list(inputs)

    def __getitem__(self, cut: tuple[np.ndarray, int]) -> list[torch.Tensor]:
        memo: Memo = {}
        return [each.take(*cut, memo) for each in self.inputs]


class _Cuts:
    """The batches that are to be read, a list that changes from epoch to epoch."""

    def __init__(self) -> None:
        self.cuts: list[tuple[np.ndarray, int]] = []

    def __iter__(self) -> Iterator[tuple[np.ndarray, int]]:
        return iter(self.cuts)

    def __len__(self) -> int:
        return len(self.cuts)


class Streamed:
    """The batches of one data set, read anew each time. What is in memory stays there; `tensors` has the target alone.

    inputs: for each ingress a tensor with all rows, or what is read.
    """

    def __init__(
        self,
        inputs: Sequence[torch.Tensor | TensorInput],
        target: torch.Tensor,
        size: int,
        machine: Machine,
        reading: Reading,
        weights: torch.Tensor | None = None,
    ):
        self.inputs, self.target, self.tensors, self.weights = list(inputs), target, (target,), weights
        self.n, self.size, self.machine = len(target), max(1, min(size, len(target))), machine
        read = [each for each in self.inputs if isinstance(each, TensorInput)]
        self.random = any(each.column.random for each in read)
        self._cuts = _Cuts()
        pins = reading.pin_memory and not machine.is_cpu
        self._loader: DataLoader[Any] | None = _loader(read, [each.column for each in read], self._cuts, reading, pins)

    def cut(self, rows: torch.Tensor | None, sizes: list[int], fresh: bool = False) -> Iterable[Batch]:
        """Batches of these sizes of rows (None: all in order), each in memory of its own; what is random is drawn anew."""
        seed = int(torch.randint(1 << 62, (1,))) if self.random else 0
        return self._read(torch.arange(self.n) if rows is None else rows.cpu(), sizes, seed)

    def ordered(self) -> Iterator[Batch]:
        """All rows in order."""
        return self._read(torch.arange(self.n), None, 0)

    def check(self) -> None:
        """What is written into a batch reaches nothing else."""

    def close(self) -> None:
        """Let the processes that read go."""
        self._loader = None

    def _read(self, rows: torch.Tensor, sizes: list[int] | None, seed: int) -> Iterator[Batch]:
        parts = rows.split(self.size if sizes is None else sizes)
        self._cuts.cuts = [(part.numpy(), seed + k) for k, part in enumerate(parts)]
        for part, found in zip(parts, self._started(), strict=True):
            read, chosen = iter(found), self.machine.place(part)
            inputs = tuple(
                self.machine.place(next(read)) if isinstance(each, TensorInput) else torch.index_select(each, 0, chosen)
                for each in self.inputs
            )
            weights = None if self.weights is None else torch.index_select(self.weights, 0, chosen)
            yield inputs, torch.index_select(self.target, 0, chosen), weights

    def _started(self) -> Iterator[Any]:
        assert self._loader is not None
        return _started(self._loader)


def _loader(
    read: Sequence[TensorInput | TensorColumn], columns: Sequence[TensorColumn], cuts: _Cuts, reading: Reading, pins: bool
) -> "DataLoader[Any]":
    """Torch's loader of these cuts; it has a generator of its own, so that it draws from no other."""
    number = 0 if all(column.in_memory for column in columns) else reading.num_workers
    ahead = reading.prefetch if number else None
    return DataLoader(
        _Reads(read),
        batch_size=None,
        sampler=cuts,
        num_workers=number,
        pin_memory=pins,
        generator=torch.Generator(),
        prefetch_factor=ahead,
        persistent_workers=number > 0,
    )


def _started(loader: "DataLoader[Any]") -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*multi-threaded, use of fork.*", category=DeprecationWarning)
        return iter(loader)


def _read_once(columns: Sequence[TensorColumn], reading: Reading) -> list[TensorColumn]:
    """The same columns with what does not change from one epoch to the next in memory."""
    known, cuts = fixed(columns), _Cuts()
    size, n = min(column.block() for column in known), len(known[0])
    size = max(1, min(size, n // max(1, 2 * reading.num_workers)))
    cuts.cuts = [(np.arange(start, min(start + size, n)), 0) for start in range(0, n, size)]
    blocks = list(_started(_loader(known, known, cuts, reading, False)))
    return settled(columns, [torch.cat(several) for several in zip(*blocks, strict=True)])


def loader_for(
    sources: Sequence[Source],
    target: torch.Tensor,
    size: int,
    machine: Machine,
    reading: Reading,
    weights: torch.Tensor | None = None,
    once: bool = False,
) -> Loader:
    """What cuts batches of the rows of these sources: in memory where all of them may be, else reading.

    weights: of the rows, where the loss takes some. once: whether the rows are gone through once, so that there is nothing to
    keep.
    """
    read = [source for source in sources if isinstance(source, TensorInput)]
    stays = bool(read) and not once and _stays(read, reading)
    if stays:
        columns = iter(_read_once([each.column for each in read], reading))
        sources = [attrs.evolve(s, column=next(columns)) if isinstance(s, TensorInput) else s for s in sources]
    inputs = [
        s if isinstance(s, TensorInput) and (s.column.random or not stays) else machine.place(_plain(s.tensor())) for s in sources
    ]
    target, weights = machine.place(target), machine.place(weights)
    ready = [each for each in inputs if isinstance(each, torch.Tensor)]
    if len(ready) == len(inputs):
        return Batches(ready, target, size, weights)
    return Streamed(inputs, target, size, machine, reading, weights)


def _stays(read: Sequence[TensorInput], reading: Reading) -> bool:
    """Whether columns are read once and stay in memory."""
    known = [each.column.nbytes for each in read]
    small = None not in known and sum(n or 0 for n in known) <= RESIDENT
    return reading.loader == "resident" or (reading.loader == "auto" and small)


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor that may be trained on, also where it was made in inference mode."""
    return tensor.clone() if tensor.is_inference() else tensor
