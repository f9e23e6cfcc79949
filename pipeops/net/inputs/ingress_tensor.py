"""The ingress for a column of tensors: images, sequences, whatever has more dimensions than a table.

Neighbours: `ingress` has those for tables; `net/tensors` has what is read; `streams` reads in batches.
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import attrs
import numpy as np
import torch

from pipeops.data import Task
from pipeops.errors import ConfigError, DataError, listing
from pipeops.graph.pipeop import operator
from pipeops.net.inputs.ingress import Ingress
from pipeops.net.network.descriptor import Shape, Source, Symbol
from pipeops.net.tensors.reading import TensorColumn, column_from, read_all
from pipeops.net.tensors.sources import Memo
from pipeops.params import anything
from pipeops.shorthand import po

_REAL = {torch.uint8: torch.float32, torch.bool: torch.float32, torch.int8: torch.float32}


def taken_as(dtype: torch.dtype) -> torch.dtype:
    """The type in which a network takes tensors: real numbers, bytes and booleans as float32, other whole numbers as int64."""
    return torch.float32 if dtype.is_floating_point else _REAL.get(dtype, torch.int64)


@attrs.define(eq=False)
class TensorInput:
    """A column of tensors as what a network takes; read in batches."""

    column: TensorColumn
    who: str

    def tensor(self) -> torch.Tensor:
        """All rows."""
        return self.complete(read_all([self.column])[0])

    def take(self, positions: np.ndarray, key: int, memo: Memo) -> torch.Tensor:
        """Some rows."""
        return self.complete(self.column.take(positions, key, memo))

    def blocks(self, size: int) -> Iterator[tuple[int, int, torch.Tensor]]:
        """Rows in blocks of `size`."""
        for start in range(0, len(self.column), size):
            stop = min(start + size, len(self.column))
            yield start, stop, self.take(np.arange(start, stop), 0, {})

    def complete(self, values: torch.Tensor) -> torch.Tensor:
        """Values in the type that a network takes; missing and infinite ones are refused."""
        values = values.to(taken_as(values.dtype))
        if values.is_floating_point() and not bool(values.sum().isfinite()) and not bool(values.isfinite().all()):
            raise DataError(
                f"{self.who}: '{self.column.name}' has missing or infinite values in its tensors; replace them on the way, as in "
                'po("trafo_fn", fn=torch.nan_to_num).'
            )
        return values


@po.add("torch_ingress_ltnsr")
@operator
class TorchIngressTensor(Ingress):
    """A column of tensors as the input of a network: `(batch, ...)` of any rank.

    Real numbers, booleans and bytes come as float32, other whole numbers as int64. shape: what the column must have, None for
    the batch and for what is not known, as in (None, 3, 64, 64); by default what it has. Takes exactly one column, of tensors.

    >>> from pipeops import as_lazy_tensor, as_task_regr, po
    >>> task = as_task_regr({"x": as_lazy_tensor(torch.zeros(2, 3, 8)), "y": [0.5, 1.5]}, target="y")
    >>> po("torch_ingress_ltnsr").train([task])[0][0].symbol.shape
    (None, 3, 8)
    """

    kinds: ClassVar[tuple[str, ...]] = ("tensor",)
    advice: ClassVar[str] = (
        'send other columns through po("torch_ingress_num") or po("torch_ingress_categ"), side by side, each behind a '
        'po("select").'
    )
    reads_ahead: ClassVar[bool] = False

    shape: Any = anything(None)

    def learn(self, task: Task) -> dict[str, Any]:
        names = task.feature_names
        if len(names) > 1:
            raise DataError(
                f'{self.id}: takes one column of tensors, got {listing(names)}; put an ingress for each behind a po("select").'
            )
        column = column_from(task.frame().get_column(names[0]))
        shape = (None, *column.shape)
        wanted = shape if self.shape is None else self._insisted()
        self._check_shape(shape, wanted, names[0])
        known = tuple(s if w is None else w for s, w in zip(shape, wanted, strict=True))
        return {"shape": known, "dtype": str(taken_as(column.dtype)).removeprefix("torch.")}

    def _insisted(self) -> tuple[int | None, ...]:
        if not isinstance(self.shape, tuple | list) or not self.shape or self.shape[0] is not None:
            raise ConfigError(f"{self.id}: 'shape' begins with None for the batch, as in (None, 3, 64, 64), got {self.shape!r}.")
        return tuple(self.shape)

    def _check_shape(self, shape: tuple[int | None, ...], wanted: tuple[int | None, ...], name: str) -> None:
        if len(shape) != len(wanted) or any(None not in (s, w) and s != w for s, w in zip(shape, wanted, strict=True)):
            raise DataError(
                f"{self.id}: '{name}' has tensors of the shape {shape}, not {wanted}; po(\"trafo_resize\"), "
                'po("trafo_reshape") or po("trafo_pad") before it change that.'
            )

    def shape_start(self, state: Mapping[str, Any] | None) -> Shape | None:
        return tuple(state["shape"]) if state else None if self.shape is None else self._insisted()

    def start(self, state: Mapping[str, Any]) -> Symbol:
        return Symbol(str(self.id), None, (), tuple(state["shape"]), getattr(torch, state["dtype"]))

    def source(self, task: Task, state: Mapping[str, Any]) -> Source:
        (name,) = state["layout"]
        column = column_from(task.frame().get_column(name))
        if len(column):
            self._check_shape((None, *column.shape), tuple(state["shape"]), name)
            dtype = str(taken_as(column.dtype)).removeprefix("torch.")
            if dtype != state["dtype"]:
                raise DataError(f"{self.id}: '{name}' has tensors of {dtype}, in training they were {state['dtype']}.")
        return TensorInput(column, str(self.id))
