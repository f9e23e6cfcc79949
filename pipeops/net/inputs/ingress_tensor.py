"""The ingress for a column of tensors: images, sequences, whatever has more dimensions than a table.

Neighbours: `ingress` has those for tables; `net/tensors` has what is read; `streams` reads in batches.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import attrs
import numpy as np
import torch

from pipeops.data import Task
from pipeops.errors import ConfigError, DataError, listing
from pipeops.graph.pipeop import operator
from pipeops.net.inputs.ingress import Ingress, TorchIngressNumeric
from pipeops.net.network.descriptor import Feed, Shape, Source, Symbol
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
    """A column of tensors as what a network takes; read in batches.

    levels: how many codes each position of a row has, for codes of categories; others are refused, or with `unseen` become the
    code after all.
    """

    column: TensorColumn
    who: str
    levels: Sequence[int] | None = None
    unseen: bool = False

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
        return values if self.levels is None else self._codes(values, values.new_tensor(self.levels))

    def _codes(self, values: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
        strange = (values < 0) | (values >= levels)
        if self.unseen or not bool(strange.any()):
            return torch.where(strange, levels, values)
        raise DataError(
            f"{self.who}: '{self.column.name}' has codes from {values.amin(0).tolist()} to {values.amax(0).tolist()}; of "
            f"{levels.tolist()} levels they run from 0 to one less."
        )


@po.add("torch_ingress_ltnsr")
@operator
class TorchIngressTensor(Ingress):
    """A column of tensors as the input of a network: `(batch, ...)` of any rank.

    Real numbers, booleans and bytes come as float32, other whole numbers as int64. shape: what the column must have, None for
    the batch and for what is not known, as in (None, 3, 64, 64); by default what it has. levels: for whole numbers
    `(batch, columns)` that are codes of categories from 0, how many each column has, as in [3, 2]; embeddings, tokenizers and
    `one_hot` take them then. Takes exactly one column, of tensors.

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
    levels: Any = anything(None)

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
        self._check_levels(known, column)
        return {"shape": known, "dtype": str(taken_as(column.dtype)).removeprefix("torch.")}

    def _check_levels(self, shape: Shape, column: TensorColumn) -> None:
        if self.levels is None:
            return
        sizes = list(self.levels) if isinstance(self.levels, Sequence) else []
        whole = bool(sizes) and all(isinstance(n, int) and n >= 1 for n in sizes)
        if not whole or len(shape) != 2 or shape[1] not in (None, len(sizes)) or taken_as(column.dtype) != torch.int64:
            raise DataError(
                f"{self.id}: 'levels' says how many codes each column has, as in [3, 2], of whole numbers (batch, columns); got "
                f"{self.levels!r} for '{column.name}', {column.dtype} of the shape {shape}."
            )

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
        levels = None if self.levels is None else tuple(self.levels)
        return Symbol(str(self.id), None, (), tuple(state["shape"]), getattr(torch, state["dtype"]), levels)

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        (found,) = super().predict(inputs, state)
        for source in found.sources.values() if isinstance(found, Feed) else ():
            assert isinstance(source, TensorInput)
            source.unseen = True
        return [found]

    def source(self, task: Task, state: Mapping[str, Any]) -> Source:
        (name,) = state["layout"]
        column = column_from(task.frame().get_column(name))
        if len(column):
            self._check_shape((None, *column.shape), tuple(state["shape"]), name)
            dtype = str(taken_as(column.dtype)).removeprefix("torch.")
            if dtype != state["dtype"]:
                raise DataError(f"{self.id}: '{name}' has tensors of {dtype}, in training they were {state['dtype']}.")
        return TensorInput(column, str(self.id), self.levels)


@po.add("torch_ingress")
@operator
class TorchIngress(TorchIngressTensor):
    """Whatever numbers a task has as the input of a network: numeric columns, or one column of tensors.

    It is `torch_ingress_ltnsr` where the features are tensors or a hyperparameter of it is given, else `torch_ingress_num`.

    >>> from pipeops import as_task_regr, po, tsk
    >>> po("torch_ingress").train([tsk("iris")])[0][0].symbol.shape
    (None, 4)
    >>> task = as_task_regr({"x": torch.zeros(2, 8), "y": [0.5, 1.5]}, target="y")
    >>> po("torch_ingress").train([task])[0][0].symbol.shape
    (None, 8)
    """

    kinds: ClassVar[tuple[str, ...]] = ("numeric", "boolean", "tensor")

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], Any]:
        return self._fitting(inputs[0].feature_types).train(inputs)

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        return self._fitting(state["layout"]).predict(inputs, state)

    def shape_start(self, state: Mapping[str, Any] | None) -> Shape | None:
        return self._fitting(state["layout"] if state else {}).shape_start(state)

    def _fitting(self, types: Mapping[str, str]) -> Ingress:
        """The ingress for columns of these kinds."""
        if self.shape is not None or self.levels is not None or set(types.values()) == {"tensor"}:
            return TorchIngressTensor(id=self.id, optional=self.optional, shape=self.shape, levels=self.levels)
        return TorchIngressNumeric(id=self.id, optional=self.optional)
