"""Ingress: where columns of a task become tensors and a network begins.

Training makes the first symbol of a network and checks the data, before anything is trained: kinds of columns, missing
values, no columns at all. Predicting makes the feed that a trained network reads, for the same columns. Several ingresses
may meet in one network, each behind a po("select"). Neighbours: `descriptor` below; `merge` joins, `model` reads.
"""

import math
from abc import abstractmethod
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import attrs
import narwhals as nw
import numpy as np
import torch

from pipeops.data import Task
from pipeops.data.columns import TENSOR_ADVICE
from pipeops.errors import DataError, listing, suggest
from pipeops.graph.kinds import INACTIVE
from pipeops.graph.pipeop import Channel, PipeOp, operator
from pipeops.net.inputs.precision import sample, warn_of_equal
from pipeops.net.network.descriptor import Feed, ModelDescriptor, Shape, Source, Symbol
from pipeops.net.network.node import check_id
from pipeops.params import flag
from pipeops.shorthand import po

NO_NUMBERS = (
    'make numbers of them first, in the frame or as in po("colapply", affect_columns=["when"], '
    'applicator=lambda x: x.dt.timestamp("ms")), or leave them out with po("select").'
)

FLOAT32 = np.finfo(np.float32)
WIDE = (nw.Float64, nw.Int32, nw.Int64, nw.UInt32, nw.UInt64)
"""Types with values that float32 has not."""


@attrs.define(eq=False)
class NumericSource:
    """Numeric and boolean columns as float32 `(n, columns)`; missing and infinite values are refused when they are met."""

    task: Task
    columns: tuple[str, ...]
    who: str
    _tensor: torch.Tensor | None = None

    def tensor(self) -> torch.Tensor:
        """All rows; the same tensor each time."""
        if self._tensor is None:
            self._tensor = self._complete(torch.from_numpy(self._matrix()))
        return self._tensor

    def _matrix(self) -> np.ndarray:
        with self._explained():
            return self.task.matrix("float32", self.columns)

    @contextmanager
    def _explained(self) -> Generator[None]:
        """What float32 cannot hold is refused with how many values that are."""
        try:
            yield
        except DataError as error:
            self._refuse_infinite()
            raise DataError(f"{self.who}: {error}") from None

    def blocks(self, size: int) -> Iterator[tuple[int, int, torch.Tensor]]:
        """Rows in blocks of `size`, each a view of one buffer that is used again."""
        blocks = self.task.blocks(self.columns, size)
        while True:
            with self._explained():
                found = next(blocks, None)
            if found is None:
                return
            start, stop, block = found
            yield start, stop, self._complete(torch.from_numpy(block))

    def _complete(self, values: torch.Tensor) -> torch.Tensor:
        """One sum finds NaN and infinite values; what and where they are is only asked then (finite values may overflow it)."""
        if not math.isfinite(values.sum().item()) and not bool(values.isfinite().all()):
            refuse_missing(self.task, self.columns, self.who)
            self._refuse_infinite()
        return values

    def _refuse_infinite(self) -> None:
        beyond = np.abs(self.task.matrix("float64", self.columns)) > FLOAT32.max
        counts = dict(zip(self.columns, beyond.sum(axis=0).tolist(), strict=True))
        if any(counts.values()):
            raise DataError(
                f"{self.who}: infinite values in {_counted(counts)} (float32 holds numbers up to {FLOAT32.max:.1e}); scale "
                "large numbers, replace infinite ones, or make them missing and impute them."
            )


@attrs.define(eq=False)
class CategoricalSource:
    """Categorical and boolean columns as int64 codes `(n, columns)`, from 0 in the order of the levels seen in training.

    missing: the columns whose missing values have a code of their own, the one after the levels; None where missing values are
    refused. Whatever training did not see has the code after all others.
    """

    task: Task
    levels: Mapping[str, Sequence[Any]]
    who: str
    missing: Sequence[str] | None = None
    _tensor: torch.Tensor | None = None

    def tensor(self) -> torch.Tensor:
        """All rows; the same tensor each time."""
        if self._tensor is None:
            self._tensor = torch.from_numpy(np.stack([self._codes(c, known) for c, known in self.levels.items()], axis=1))
        return self._tensor

    def blocks(self, size: int) -> Iterator[tuple[int, int, torch.Tensor]]:
        """Rows in blocks of `size`."""
        codes = self.tensor()
        for start in range(0, len(codes), size):
            stop = min(start + size, len(codes))
            yield start, stop, codes[start:stop]

    def _codes(self, column: str, known: Sequence[Any]) -> np.ndarray:
        codes = self.task.codes(column, known)
        if (codes >= 0).all():
            return codes
        if self.missing is None:
            refuse_missing(self.task, self.levels, self.who)
        own = column in (self.missing or ())
        nothing = np.asarray(self.task.frame([column])[column].is_null().to_numpy(), dtype=bool)
        return np.where(codes >= 0, codes, np.where(nothing & own, len(known), len(known) + own))


def refuse_missing(task: Task, columns: Sequence[str] | Mapping[str, Any], who: str) -> None:
    """Refuse missing values in these columns, saying how many and what helps."""
    wanted = set(columns)
    counts = {c: n for c, n in task.missings().items() if c in wanted}
    if any(counts.values()):
        types = task.feature_types
        imputer = "imputemean" if all(types[c] == "numeric" for c, n in counts.items() if n) else "imputemode"
        raise DataError(
            f'{who}: missing values in {_counted(counts)}; impute them first, for example with po("{imputer}"); '
            'po("missind") keeps where they were.'
        )


def _counted(counts: Mapping[str, int]) -> str:
    """The columns that have some, with how many: `'a' (1), 'b' (3)`."""
    found = [f"'{c}' ({n})" for c, n in counts.items() if n]
    return ", ".join(found[:8]) + (f" and {len(found) - 8} more columns" if len(found) > 8 else "")


@operator
class Ingress(PipeOp):
    """A node that turns the features of a task into the input of a network."""

    inputs: ClassVar[tuple[Channel, ...]] = (Channel("input", "Task", "Task"),)
    outputs: ClassVar[tuple[Channel, ...]] = (Channel("output", "ModelDescriptor", "Feed"),)
    kinds: ClassVar[tuple[str, ...]]
    advice: ClassVar[str]
    reads_ahead: ClassVar[bool] = True
    """Whether all values are read, and so checked, before the network is built."""

    optional: bool = flag(False)

    def __attrs_post_init__(self) -> None:
        check_id(self)

    @abstractmethod
    def source(self, task: Task, state: Mapping[str, Any]) -> Source:
        """The data of a task for what was seen in training."""

    def learn(self, task: Task) -> dict[str, Any]:
        """What of the columns must be remembered beside their kinds."""
        return {}

    def warn(self, task: Task) -> None:
        """Warn of what the network will not see of the values."""

    def start(self, state: Mapping[str, Any]) -> Symbol:
        """The first value of the network."""
        return Symbol(str(self.id), None, (), (None, len(state["layout"])))

    def shape_start(self, state: Mapping[str, Any] | None) -> Shape | None:
        """The shape that a network begins with here, as far as it is known: without a state, before any data."""
        return self.start(state).shape if state else (None, None)

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], Any]:
        task: Task = inputs[0]
        if self.optional and not task.feature_names:
            return [INACTIVE], {"layout": {}}
        self._check_kinds(task)
        state = {"layout": dict(task.feature_types), **self.learn(task)}
        source = self.source(task, state)
        if self.reads_ahead:
            source.tensor()
        self.warn(task)
        return [ModelDescriptor(self.start(state), Feed({str(self.id): source}, task))], state

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        task: Task = inputs[0]
        self._check_layout(task.feature_types, state["layout"])
        if not state["layout"]:
            return [INACTIVE]
        return [Feed({str(self.id): self.source(task, state)}, task)]

    def _check_kinds(self, task: Task) -> None:
        types = task.feature_types
        if not types:
            raise DataError(f"{self.id}: the task '{task.id}' has no features left; a network needs at least one column.")
        strange = [f"'{name}' ({kind})" for name, kind in types.items() if kind not in self.kinds]
        if strange:
            rest = f" and {len(strange) - 8} more" if len(strange) > 8 else ""
            advice = self._advice(set(types.values()) - set(self.kinds))
            raise DataError(f"{self.id}: takes {' and '.join(self.kinds)} columns, got {', '.join(strange[:8])}{rest}; {advice}")

    def _advice(self, strange: set[str]) -> str:
        """What to do about columns of other kinds."""
        if strange & {"numeric", "categorical"} or self.kinds == ("tensor",):
            return self.advice
        return TENSOR_ADVICE.removeprefix("; ") + "." if "tensor" in strange else NO_NUMBERS

    def _check_layout(self, types: Mapping[str, str], layout: Mapping[str, str]) -> None:
        if types == layout:
            return
        missing = [c for c in layout if c not in types]
        new = [c for c in types if c not in layout]
        changed = [f"'{c}' is {types[c]}, was {kind}" for c, kind in layout.items() if types.get(c, kind) != kind]
        if missing or new or changed:
            problems = [f"{listing(missing)} missing.{suggest(missing[0], new)}"] if missing else []
            problems += [f"{listing(new)} not there in training."] if new else []
            problems += [", ".join(changed[:8]) + "."] if changed else []
            raise DataError(f"{self.id}: other columns than in training: {' '.join(problems)}")


@po.add("torch_ingress_num")
@operator
class TorchIngressNumeric(Ingress):
    """Numeric columns as the input of a network: float32 `(batch, columns)`; booleans are 0 and 1.

    Refuses other kinds of columns, missing and infinite values and a task without features (with `optional`, nothing comes out
    of one, and a merge goes on without it).

    >>> from pipeops import po, tsk
    >>> po("torch_ingress_num").train([tsk("iris")])[0][0].symbol.shape
    (None, 4)
    """

    kinds: ClassVar[tuple[str, ...]] = ("numeric", "boolean")
    advice: ClassVar[str] = (
        'po("encode") before it makes numbers of categories, or send them through po("torch_ingress_categ"), '
        'or leave them out with po("select").'
    )

    def warn(self, task: Task) -> None:
        fine = [name for name, dtype in task.schema.items() if isinstance(dtype, WIDE)]
        if fine:
            warn_of_equal(fine, task.filter(task.row_ids[sample(task.nrow)]).matrix("float64", fine), str(self.id))

    def source(self, task: Task, state: Mapping[str, Any]) -> Source:
        return NumericSource(task, tuple(state["layout"]), str(self.id))


@po.add("torch_ingress_categ")
@operator
class TorchIngressCategorical(Ingress):
    """Categorical and boolean columns as the input of a network: int64 codes `(batch, columns)` from 0, in level order.

    A level that training did not see has the code after those of its column; embeddings and tokenizers take it for the mean of
    the column. missing: missing values are a level too, with a code of their own where training has some; else they are refused.
    Refuses other kinds of columns and a task without features (with `optional`, nothing comes out of one).

    >>> from pipeops import as_task_classif, po
    >>> task = as_task_classif({"color": ["red", "blue", "red"], "y": ["a", "b", "b"]}, target="y")
    >>> po("torch_ingress_categ").train([task])[0][0].feed.sources["torch_ingress_categ"].tensor().tolist()
    [[1], [0], [1]]
    """

    kinds: ClassVar[tuple[str, ...]] = ("categorical", "boolean")
    advice: ClassVar[str] = (
        'send numeric columns through po("torch_ingress_num"), side by side, each behind a po("select") of its columns.'
    )

    missing: bool = flag(False)

    def learn(self, task: Task) -> dict[str, Any]:
        if not self.missing:
            refuse_missing(task, task.feature_names, str(self.id))
        types, counts = task.feature_types, task.missings()
        levels = {c: [False, True] if types[c] == "boolean" else task.levels(c) for c in types}
        return {"levels": levels, "missing": [c for c in types if counts[c]] if self.missing else None}

    def start(self, state: Mapping[str, Any]) -> Symbol:
        levels = tuple(len(known) + (c in (state["missing"] or ())) for c, known in state["levels"].items())
        return Symbol(str(self.id), None, (), (None, len(levels)), torch.int64, levels)

    def source(self, task: Task, state: Mapping[str, Any]) -> Source:
        return CategoricalSource(task, state["levels"], str(self.id), state.get("missing"))


@attrs.define(eq=False)
class RowSource:
    """Rows without columns, float32 `(n, 0)`."""

    task: Task

    def tensor(self) -> torch.Tensor:
        """All rows."""
        return torch.empty((self.task.nrow, 0))

    def blocks(self, size: int) -> Iterator[tuple[int, int, torch.Tensor]]:
        """Rows in blocks of `size`."""
        for start in range(0, self.task.nrow, size):
            stop = min(start + size, self.task.nrow)
            yield start, stop, torch.empty((stop - start, 0))


@po.add("torch_ingress_rows")
@operator
class TorchIngressRows(Ingress):
    """No column at all as the input of a network: float32 `(batch, 0)`, whatever the task has; for `nn("constant")`.

    >>> from pipeops import po, tsk
    >>> po("torch_ingress_rows").train([tsk("iris")])[0][0].symbol.shape
    (None, 0)
    """

    kinds: ClassVar[tuple[str, ...]] = ()
    advice: ClassVar[str] = ""

    def shape_start(self, state: Mapping[str, Any] | None) -> Shape:
        return (None, 0)

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], Any]:
        task: Task = inputs[0]
        symbol = Symbol(str(self.id), None, (), (None, 0))
        return [ModelDescriptor(symbol, Feed({str(self.id): self.source(task, {})}, task))], {"layout": {}}

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        return [Feed({str(self.id): self.source(inputs[0], {})}, inputs[0])]

    def source(self, task: Task, state: Mapping[str, Any]) -> Source:
        return RowSource(task)
