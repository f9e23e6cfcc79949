"""ColumnMaps: the base of operators that ask for numbers, learn from the answers, and answer column maps.

`ask` says which statistics of the affected columns are needed, `learn` makes a state of the answers, `maps` says what happens to
the columns. No frame is needed on the way: the answers come from blocks of numbers, and the task that an operator answers holds
the maps until someone needs a frame; `task.matrix` and the ingress of a network run neighbouring maps in one pass. The same
three rules serve lazy frames (`learn_lazy`, `change_lazy`). Neighbours: `data.maps` below; scale, impute and encode above.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import attrs
import narwhals as nw

from pipeops.data import Task
from pipeops.data.frames import View
from pipeops.data.maps import BlockStep, ColumnMap, after, run, run_lazy
from pipeops.ops import statistics as of
from pipeops.ops.base import Frame, Preprocess, Series, operator

Schema = Mapping[str, nw.dtypes.DType]
Answers = Mapping[str, Mapping[str, Any]]
"""Numbers (or levels) by what was asked and the name of the column."""


@attrs.frozen(eq=False)
class Drop(ColumnMap):
    """Columns that go."""

    joint: ClassVar[bool] = True

    takes: tuple[str, ...]  # type: ignore[assignment]

    @property
    def makes(self) -> tuple[str, ...]:
        return ()

    def types(self, schema: Schema) -> dict[str, nw.dtypes.DType]:
        return {}

    def frame(self, frame: Frame) -> Frame:
        return frame.select()

    def exprs(self, schema: Schema) -> list[nw.Expr]:
        return []

    def step(self, names: Sequence[str], schema: Schema) -> BlockStep | None:
        return lambda block: block[:0]


@attrs.frozen(eq=False)
class Rename(ColumnMap):
    """Columns as they are, under other names.

    >>> import polars as pl
    >>> Rename(("a", "b"), ("b", "a")).frame(nw.from_native(pl.DataFrame({"a": [1], "b": [2]}))).to_dict(as_series=False)
    {'b': [1], 'a': [2]}
    """

    takes: tuple[str, ...]  # type: ignore[assignment]
    makes: tuple[str, ...]  # type: ignore[assignment]

    @property
    def _new(self) -> dict[str, str]:
        return dict(zip(self.takes, self.makes, strict=True))

    def types(self, schema: Schema) -> dict[str, nw.dtypes.DType]:
        return {new: schema[name] for name, new in self._new.items()}

    def frame(self, frame: Frame) -> Frame:
        return frame.rename(self._new)

    def exprs(self, schema: Schema) -> list[nw.Expr]:
        return [nw.col(name).alias(new) for name, new in self._new.items()]

    def step(self, names: Sequence[str], schema: Schema) -> BlockStep | None:
        return lambda block: block


@operator
class ColumnMaps(Preprocess):
    """Base of operators whose effect is a list of column maps.

    A subclass that learns from more than numbers has a `fit` of its own; one that changes frames in a way of its own an `apply`.

    >>> import attrs, numpy as np
    >>> from pipeops import as_task_regr
    >>> from pipeops.data.maps import Elementwise
    >>> @operator
    ... class Center(ColumnMaps):
    ...     kinds = ("numeric",)
    ...     def ask(self, schema):
    ...         return {"mean": of.mean}
    ...     def learn(self, schema, answers, target):
    ...         return answers["mean"]
    ...     def maps(self, schema, state):
    ...         return [Elementwise(tuple(schema), lambda x, mean: x - mean, (np.array([state[name] for name in schema]),))]
    >>> (task,), state = Center().train([as_task_regr({"x": [1.0, 3.0], "y": [0.0, 1.0]}, target="y")])
    >>> task.matrix().tolist(), state["learnt"]
    ([[-1.0], [1.0]], {'x': 2.0})
    """

    def ask(self, schema: Schema) -> of.Wanted:
        """What is wanted of every affected column, by name: statistics, or their levels."""
        return {}

    def learn(self, schema: Schema, answers: Answers, target: Series | None) -> Any:
        """What is learnt from the answers, as plain data."""
        raise NotImplementedError

    @abstractmethod
    def maps(self, schema: Schema, state: Any) -> Sequence[ColumnMap]:
        """What happens to columns of these types."""

    def fit(self, frame: Frame, target: Series | None) -> Any:
        return self.learn_view(View(frame), frame.columns, target)

    def learn_view(self, view: View, names: Sequence[str], target: Series | None) -> Any:
        """What is learnt from these columns: of the answers, unless a subclass needs all numbers."""
        schema = view.types(tuple(names))
        return self.learn(schema, of.answers(view, names, self.ask(schema)), target)

    def apply(self, frame: Frame, state: Any) -> Frame:
        return run(frame, self.maps(frame.schema, state))

    def learn_lazy(self, frame: nw.LazyFrame[Any]) -> Any:
        """What is learnt from a lazy frame of the affected columns, which is read once."""
        if type(self).fit is not ColumnMaps.fit or type(self).learn_view is not ColumnMaps.learn_view:
            return self.fit(frame.collect(), None)
        schema = dict(frame.collect_schema())
        return self.learn(schema, of.lazily(frame, self.ask(schema)), None)

    def change_lazy(self, frame: nw.LazyFrame[Any], state: Any) -> nw.LazyFrame[Any]:
        """A lazy frame of the affected columns, changed; nothing is read."""
        return run_lazy(frame, self.maps(dict(frame.collect_schema()), state))

    def _learn(self, task: Task, names: list[str], target: Series | None) -> tuple[Task, Any]:
        cls = type(self)
        if cls.fit_apply is not Preprocess.fit_apply or cls.apply is not ColumnMaps.apply:
            return super()._learn(task, names, target)
        own = cls.fit is not ColumnMaps.fit
        learnt = self.fit(task.frame(names), target) if own else self.learn_view(task.view, names, target)
        return self._change(task, names, learnt), learnt

    def _change(self, task: Task, names: list[str], learnt: Any) -> Task:
        if type(self).apply is not ColumnMaps.apply:
            return super()._change(task, names, learnt)
        maps, order = self.maps(task.view.types(tuple(names)), learnt), task.feature_names
        if task.view.is_made and all(isinstance(each, Drop) for each in maps):
            return task.select(self._order(task, names, after(names, maps), order)) if maps else task
        if any(each.takes != each.makes for each in maps):
            order = self._order(task, names, after(names, maps), order)
        return task.with_maps(maps, order)
