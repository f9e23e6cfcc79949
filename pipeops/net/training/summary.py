"""What a trained network is made of: a row for each module with the shape that comes out and its parameters.

Neighbours: `state` has the network and its symbols; `learner.summary()` shows this.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from pipeops.display import Block
from pipeops.net.network.descriptor import Shape, Symbol


class SummaryRow(NamedTuple):
    """One module: its id, its class, the shape that comes out with None for the batch, and the sizes of its parameters."""

    id: str
    module: str
    shape: Shape
    parameters: int
    trainable: int


class Summary:
    """The modules of a network in order; prints as a table. `rows` and `parameters` (all, as a number) can be read."""

    def __init__(self, rows: Sequence[SummaryRow], notes: dict[str, Any]):
        self.rows, self.notes = list(rows), notes

    @property
    def parameters(self) -> int:
        """How many numbers the network has learnt or holds as parameters."""
        return sum(row.parameters for row in self.rows)

    @property
    def trainable(self) -> int:
        """How many of them training changes."""
        return sum(row.trainable for row in self.rows)

    def __repr__(self) -> str:
        rows = [(row.id, row.module, _shape(row.shape), f"{row.parameters:,}") for row in self.rows]
        total = f"{self.parameters:,} parameters, {self.trainable:,} of them trainable"
        notes = [f"{name}: {value}" for name, value in self.notes.items()]
        return Block("", ("node", "module", "output shape", "parameters"), rows, notes=["; ".join([total, *notes])]).text()


def _shape(shape: Shape) -> str:
    sizes = ["batch", *("?" if size is None else str(size) for size in shape[1:])]
    return f"({', '.join(sizes)})"


def summarize(network: torch.nn.Module, symbol: Symbol, **notes: Any) -> Summary:
    """The summary of a compiled network; notes are printed at the end."""
    counted = set[str]()
    return Summary([_row(network, each, counted) for each in symbol.ancestors()], notes)


def _row(network: torch.nn.Module, symbol: Symbol, counted: set[str]) -> SummaryRow:
    """The row of a value; a module that is called several times is counted once."""
    if symbol.spec is None:
        return SummaryRow(symbol.id, "input", symbol.shape, 0, 0)
    module = network.get_submodule(symbol.id)
    sizes = [] if symbol.id in counted else [(p.numel(), p.requires_grad) for p in module.parameters()]
    counted.add(symbol.id)
    trainable = sum(size for size, learns in sizes if learns)
    return SummaryRow(symbol.id, type(module).__name__, symbol.shape, sum(size for size, _ in sizes), trainable)
