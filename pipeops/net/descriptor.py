"""What flows between torch nodes: a network under construction while training, a feed of data when predicting.

A network is a graph of immutable `Symbol`s, each hanging on the ones it reads, so that branches share ancestors by
identity and nothing is copied. `ModelDescriptor` points at the last symbol and carries the data and the training
configuration along. No weights exist before `network.compile_network`. Neighbours: `ingress` makes the first symbol,
`layer` and its like add one, `model` compiles and trains.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any, Protocol

import attrs
import numpy as np
import torch

from pipeops.data import Task
from pipeops.errors import DataError

Shape = tuple[int | None, ...]
"""A shape with `None` for what is unknown; the first dimension is the batch."""

_serial = count()


@attrs.frozen(eq=False)
class Spec:
    """How to make one module: the key of its layer, the module's class (or any maker) and its arguments, sizes filled in."""

    key: str
    module: Callable[..., torch.nn.Module]
    arguments: Mapping[str, Any]

    def build(self) -> torch.nn.Module:
        """A new module with new weights."""
        return self.module(**self.arguments)


@attrs.frozen(eq=False)
class Symbol:
    """One value in a network: which module makes it (`None` for an ingress) from which other values.

    `serial` grows in the order in which symbols are made, which is the order of `graph.ids()`.
    """

    id: str
    spec: Spec | None
    inputs: tuple["Symbol", ...]
    shape: Shape
    dtype: torch.dtype = torch.float32
    serial: int = attrs.field(factory=_serial.__next__)

    def ancestors(self) -> list["Symbol"]:
        """This symbol and all that it hangs on, in the order of the graph."""
        found: dict[int, Symbol] = {}
        todo = [self]
        while todo:
            symbol = todo.pop()
            if id(symbol) not in found:
                found[id(symbol)] = symbol
                todo += symbol.inputs
        return sorted(found.values(), key=lambda s: s.serial)


class Source(Protocol):
    """The data behind one ingress: some columns of a task as a tensor."""

    def tensor(self) -> torch.Tensor:
        """All rows, contiguous, `(n, ...)`."""
        ...

    def blocks(self, size: int) -> Iterator[tuple[int, int, torch.Tensor]]:
        """`(start, stop, rows start..stop)` in order; a tensor is valid until the next one is asked for."""
        ...


@attrs.frozen(eq=False)
class Feed:
    """The data for a network: a source for each ingress id, and the task whose rows they all are."""

    sources: Mapping[str, Source]
    task: Task

    def merge(self, other: "Feed", who: str) -> "Feed":
        """Both feeds side by side; they must have the same rows."""
        if self.task is not other.task and not np.array_equal(self.task.row_ids, other.task.row_ids):
            raise DataError(
                f"{who}: its inputs have different rows ({self.task.nrow} and {other.task.nrow}); "
                "the branches of a network must see the same rows."
            )
        return attrs.evolve(self, sources={**self.sources, **other.sources})


@attrs.frozen(eq=False)
class ModelDescriptor:
    """A network under construction: its last symbol, the training data, and how it will be trained."""

    symbol: Symbol
    feed: Feed
    loss: Any = None
    optimizer: Any = None
    callbacks: tuple[Any, ...] = ()
