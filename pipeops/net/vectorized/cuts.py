"""The batches of K networks: which rows, how many for each, and where they are gathered.

Neighbours: the ensemble trains on them.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch

from pipeops.net.training.trainer import Epoch

CACHE_BYTES = 1 << 18


class Segment(NamedTuple):
    """Steps in a row in which networks `start` to `stop` have a batch of `size` rows each. first: where each one's rows begin."""

    start: int
    stop: int
    size: int
    steps: int
    first: list[int]


def segments(sizes: Sequence[Sequence[int]]) -> list[Segment]:
    """All steps of an epoch, in order: neighbours whose batches have as many rows go together.

    >>> [s[:4] for s in segments([[8, 8, 3], [8, 8, 3], [8, 8, 2]])]
    [(0, 3, 8, 2), (0, 2, 3, 1), (2, 3, 2, 1)]
    """
    found: list[Segment] = []
    places = [0] * len(sizes)
    whole = False
    for step in range(max(map(len, sizes))):
        now = [each[step] if step < len(each) else 0 for each in sizes]
        starts = [k for k in range(len(now)) if k == 0 or now[k] != now[k - 1]]
        if whole and len(starts) == 1 and found[-1].size == now[0]:
            found[-1] = found[-1]._replace(steps=found[-1].steps + 1)
        else:
            ends = [*starts[1:], len(now)]
            found += [Segment(a, b, now[a], 1, places[a:b]) for a, b in zip(starts, ends, strict=True) if now[a]]
        whole = len(starts) == 1
        places = [place + size for place, size in zip(places, now, strict=True)]
    return found


class Tables:
    """The training data of K networks: one long table for each ingress and the target; each one's rows begin at `start`."""

    def __init__(self, several: Sequence[Sequence[torch.Tensor]]):
        self.tables = list(several[0]) if len(several) == 1 else [torch.cat(t) for t in zip(*several, strict=True)]
        ends = torch.tensor([0, *(len(tensors[-1]) for tensors in several)]).cumsum(0)
        self.start = ends[:-1].tolist()
        self.row_bytes = sum(t[:1].nbytes for t in self.tables)
        self.buffers: dict[tuple[int, ...], list[torch.Tensor]] = {}
        self.drawn: torch.Tensor | None = None
        self.gathered: list[torch.Tensor] = []
        self.layout: tuple[Any, torch.Tensor, torch.Tensor] = (None, torch.empty(0), torch.empty(0))

    def batches(self, cut: Sequence[Segment], epochs: Sequence[Epoch]) -> Iterator[tuple[Segment, list[torch.Tensor]]]:
        """All steps, segment by segment: `(steps, K, batch, ...)` of each table, for as many steps at once as stay in the cache.

        They are valid until the next ones.
        """
        whole = self._whole(*epochs) if len(epochs) == 1 else None
        rows, place = self._read(cut, epochs) if whole is None else None, 0
        for segment in cut:
            k = segment.stop - segment.start
            several = max(1, CACHE_BYTES // max(1, self.row_bytes * segment.size * k))
            if rows is None:
                yield from ((segment, part) for part in _views(whole or [], segment, several))
                continue
            own = rows[place : place + segment.steps * k * segment.size].view(segment.steps, k, segment.size)
            place += own.numel()
            yield from ((segment, self._gathered(part)) for part in own.split(several))

    def _whole(self, epoch: Epoch) -> list[torch.Tensor] | None:
        """All batches of an epoch behind one another, where they are so or fit into the cache."""
        rows = epoch.rows
        if rows is None:
            return self.tables
        if len(rows) * self.row_bytes > CACHE_BYTES:
            return None
        if self.drawn is not rows:
            self.drawn, self.gathered = rows, [t[0] for t in self._gathered(rows.to(self.tables[0].device).unsqueeze(0))]
        return self.gathered

    def _read(self, cut: Sequence[Segment], epochs: Sequence[Epoch]) -> torch.Tensor:
        """The rows of the tables in the order in which they are read."""
        drawn = [torch.arange(sum(e.sizes)) if e.rows is None else e.rows[: sum(e.sizes)] for e in epochs]
        if len(drawn) == 1:
            return drawn[0].to(self.tables[0].device)
        if self.layout[0] is not cut:
            self.layout = (cut, *self._layout(cut, list(map(len, drawn))))
        _, places, shifts = self.layout
        return torch.cat(drawn).take(places).add_(shifts).to(self.tables[0].device)

    def _layout(self, cut: Sequence[Segment], lengths: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Where each row that is read stands among the drawn ones of all networks, and where its network's rows begin."""
        base = [0, *itertools.accumulate(lengths)]
        places, shifts = list[torch.Tensor](), list[torch.Tensor]()
        for start, stop, size, steps, first in cut:
            begins = torch.tensor([base[k] + first[k - start] for k in range(start, stop)]).unsqueeze(1)
            own = torch.arange(0, steps * size, size).view(-1, 1, 1) + begins + torch.arange(size)
            places.append(own.flatten())
            shifts.append(torch.tensor(self.start[start:stop]).unsqueeze(1).expand_as(own).flatten())
        return torch.cat(places), torch.cat(shifts)

    def _gathered(self, rows: torch.Tensor) -> list[torch.Tensor]:
        shape = tuple(rows.shape)
        buffers = self.buffers.get(shape)
        if buffers is None:
            buffers = self.buffers[shape] = [
                torch.empty((rows.numel(), *t.shape[1:]), dtype=t.dtype, device=t.device) for t in self.tables
            ]
        flat = rows.reshape(-1)
        for table, buffer in zip(self.tables, buffers, strict=True):
            torch.index_select(table, 0, flat, out=buffer)
        return [buffer.view(*shape, *buffer.shape[1:]) for buffer in buffers]


def _views(tables: Sequence[torch.Tensor], segment: Segment, several: int) -> Iterator[list[torch.Tensor]]:
    """Some steps at a time of one network, whose batches lie behind one another."""
    first, size = segment.first[0], segment.size
    for step in range(0, segment.steps, several):
        steps = min(several, segment.steps - step)
        rows = slice(first + step * size, first + (step + steps) * size)
        yield [t[rows].view(steps, 1, size, *t.shape[1:]) for t in tables]
