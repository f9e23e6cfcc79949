"""Preprocess: the base of every operator that learns from a task's features and changes them.

A subclass is a docstring, hyperparameters and two rules on narwhals frames: `fit(frame, target)` answers what was learnt,
as plain data, and `apply(frame, state)` the new columns. The base picks the columns (`affect_columns`, `kinds`), remembers
the layout and refuses another one at predict, and puts the result back into the task, which itself never changes.
Neighbours: `graph.pipeop` and `data` below; the shelf is one file for each family beside this one.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import narwhals as nw

from pipeops.data.columns import KINDS
from pipeops.data.frames import chosen
from pipeops.data.selectors import resolve
from pipeops.data.several import TaskMulti
from pipeops.data.task import Task
from pipeops.errors import CompositionError, DataError, UnknownKeyError, listing, suggest
from pipeops.graph.pipeop import Channel, PipeOp, operator
from pipeops.params import anything

Frame = nw.DataFrame[Any]
Series = nw.Series[Any]


@operator
class Preprocess(PipeOp):
    """Base of operators that change features.

    affect_columns: which features to treat, all when None: names, a regular expression, a narwhals selector, or a function
    from the frame of features (narwhals) to names. `kinds` says which kinds the operator can treat; features of other kinds
    pass untouched.

    >>> import narwhals as nw
    >>> from pipeops.data import as_task_regr
    >>> @operator
    ... class Center(Preprocess):
    ...     kinds = ("numeric",)
    ...     def fit(self, frame, target):
    ...         return {c: frame[c].mean() for c in frame.columns}
    ...     def apply(self, frame, state):
    ...         return frame.with_columns(nw.col(c) - mean for c, mean in state.items())
    >>> (task,), state = Center().train([as_task_regr({"x": [1.0, 3.0], "y": [0.0, 1.0]}, target="y")])
    >>> task.matrix().tolist(), state["learnt"]
    ([[-1.0], [1.0]], {'x': 2.0})
    """

    inputs: ClassVar[tuple[Channel, ...]] = (Channel("input", "Task", "Task"),)
    outputs: ClassVar[tuple[Channel, ...]] = (Channel("output", "Task", "Task"),)
    kinds: ClassVar[tuple[str, ...]] = KINDS
    predict_equals_train: ClassVar[bool] = True
    """Whether predict on the training data gives what train gave."""

    affect_columns: Any = anything(None)

    def __init_subclass__(cls, **options: Any):
        super().__init_subclass__(**options)
        stated: Any = () if isinstance(cls.kinds, property) else cls.kinds  # a property answers for each node
        for kind in (stated,) if isinstance(stated, str) else stated:
            if kind not in KINDS:
                raise UnknownKeyError(f"{cls.__name__}: there is no kind '{kind}' of columns.{suggest(kind, KINDS, 'kinds')}")

    def fit(self, frame: Frame, target: Series | None) -> Any:
        """What is learnt from the affected columns, as plain data; nothing, unless a subclass says otherwise."""
        return {}

    @abstractmethod
    def apply(self, frame: Frame, state: Any) -> Frame:
        """The affected columns anew, with as many rows."""

    def fit_apply(self, frame: Frame, target: Series | None) -> tuple[Frame, Any]:
        """What training does: fit, then apply. For operators whose training output differs from `apply`."""
        state = self.fit(frame, target)
        return self.apply(frame, state), state

    def seen_target(self, task: Task) -> Series | None:
        """The target as `fit` sees it; one that does not use it is shown none of several."""
        if isinstance(task, TaskMulti) and not self.target:
            return None
        return one_target(self, task).target_series()

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], dict[str, Any]]:
        """Learn from a task: the changed task, and `{"layout", "columns", "learnt"}`."""
        task = one_task(self, inputs)
        types = task.feature_types
        chosen = list(types) if self.affect_columns is None else resolve(self.affect_columns, task)
        names = [name for name in chosen if types[name] in self.kinds]
        state = {"layout": types, "columns": names, "learnt": {}}
        if names:
            target = self.seen_target(task) if task.has_target or self.target else None
            task, state["learnt"] = self._learn(task, names, target)
        return (task,), state

    def _learn(self, task: Task, names: list[str], target: Series | None) -> tuple[Task, Any]:
        """The task with the affected columns as training changes them, and what was learnt."""
        full = task.frame()
        out, learnt = self.fit_apply(chosen(full, names), target)
        return self._put_back(task, full, names, out, task.feature_names), learnt

    def predict(self, inputs: Sequence[Any], state: Mapping[str, Any]) -> Sequence[Any]:
        """Apply what was learnt to a task of the same layout; reordered features are put back in order."""
        task = one_task(self, inputs)
        types, layout, names = task.feature_types, state["layout"], state["columns"]
        self._check_layout(types, state)
        if list(types) != list(layout):
            order = [*layout, *(name for name in types if name not in layout)]
            task = task.select([name for name in order if name in types])
        return (self._change(task, names, state["learnt"]) if names else task,)

    def _change(self, task: Task, names: list[str], learnt: Any) -> Task:
        """The task with the affected columns as prediction changes them."""
        full = task.frame()
        return self._put_back(task, full, names, self.apply(chosen(full, names), learnt), task.feature_names)

    def _check_layout(self, types: Mapping[str, str], state: Mapping[str, Any]) -> None:
        """Refuse a missing column, another kind and, when all features are affected, a new column."""
        layout, everything = state["layout"], self.affect_columns is None
        expected = layout if everything else {name: layout[name] for name in state["columns"]}
        if everything and types == layout:
            return
        absent = [name for name in expected if name not in types]
        other = [f"'{n}' is {types[n]}, was {k}" for n, k in expected.items() if n in types and types[n] != k]
        new = [name for name in types if name not in layout] if everything else []
        problems = [f"no column {listing(absent)}"] * bool(absent) + other[:8] + [f"new column {listing(new)}"] * bool(new)
        if problems:
            raise DataError(
                f"{self.id}: the features are not those of training: {'; '.join(problems)}. Predict on the columns that it was "
                "trained on."
            )

    def _put_back(self, task: Task, full: Frame, names: list[str], out: Any, order: list[str]) -> Task:
        """The task with the affected columns replaced: kept names keep their place, new ones come last."""
        if not isinstance(out, nw.DataFrame):
            raise DataError(f"{self.id}: apply must return a narwhals DataFrame, got {type(out).__name__}.")
        if out.columns and len(out) != task.nrow:
            raise DataError(f"{self.id}: apply returned {len(out)} rows for the {task.nrow} of the task; it must keep every row.")
        order = self._order(task, names, out.columns, order)
        return task.with_features(out if len(names) == len(full.columns) else chosen(_join(full, out), order))

    def _order(self, task: Task, names: Sequence[str], made: Sequence[str], order: Sequence[str]) -> list[str]:
        """The features after these are replaced by those: kept names keep their place, new ones come last; none twice."""
        affected, kept = set(names), set(made)
        others = [name for name in order if name not in affected]
        roles = (column for role, columns in task.roles.items() if role != "feature" for column in columns)
        taken = {*others, *roles} - affected
        if not taken.isdisjoint(kept):
            twice = [name for name in made if name in taken]
            raise DataError(f"{self.id}: {listing(twice)} would stand twice among the columns of the task; rename one of them.")
        return [*(n for n in order if n not in affected or n in kept), *(n for n in made if n not in affected)]


def one_task(node: PipeOp, inputs: Sequence[Any]) -> Any:
    """The task that is a node's only input."""
    if not isinstance(inputs, list | tuple) or len(inputs) != 1:
        got = f"{len(inputs)} of them" if isinstance(inputs, list | tuple) else type(inputs).__name__
        raise CompositionError(f"{node.id}: takes a list with one task, as in train([task]), got {got}.")
    if not isinstance(inputs[0], Task):
        raise DataError(f"{node.id}: takes a task, got {type(inputs[0]).__name__}; as_task_classif or as_task_regr makes one.")
    return inputs[0]


def one_target(node: PipeOp, task: Any) -> Any:
    """The task, refused where it has several targets."""
    if isinstance(task, TaskMulti):
        raise DataError(
            f"{node.id}: learns from the one target of a task, '{task.id}' is of type {task.task_type} {task.targets_told()}."
        )
    return task


def _join(frame: Frame, columns: Frame) -> Frame:
    return frame.with_columns(*columns.iter_columns()) if columns.columns else frame
