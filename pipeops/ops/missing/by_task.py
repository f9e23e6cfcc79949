"""ImputeByTask: the base of imputers that need more than the column: the ids of the rows, or the other features.

A subclass answers two rules: `learn(task, names)`, what is learnt of these columns as plain data, and `fill(task, learnt)`, the
columns without missing values. Neighbours: `impute` beside this folder fills in one value; `draws` and `impute_learner` are made
from this.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import narwhals as nw
import numpy as np

from pipeops.data.columns import codes_of, declared_levels, missing_mask
from pipeops.data.levels import from_codes
from pipeops.data.task import Task
from pipeops.ops.base import Frame, Series, operator
from pipeops.ops.impute import Imputer


@operator
class ImputeByTask(Imputer):
    """Base of imputers that look at a whole task."""

    kinds: ClassVar[tuple[str, ...]] = ("numeric", "boolean", "categorical", "datetime")

    @abstractmethod
    def learn(self, task: Task, names: Sequence[str]) -> dict[str, Any]:
        """What is learnt about each of these columns."""

    @abstractmethod
    def fill(self, task: Task, learnt: Mapping[str, Any]) -> list[Series]:
        """The columns that had missing values, without them."""

    def apply(self, frame: Frame, state: Any) -> Frame:
        return frame

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], dict[str, Any]]:
        """Learn from a task: the filled task, and `{"layout", "columns", "learnt"}`."""
        (task,), state = super().train(inputs)
        state["learnt"] = self.learn(task, state["columns"])
        return (self._filled(task, state["learnt"]),), state

    def predict(self, inputs: Sequence[Any], state: Mapping[str, Any]) -> Sequence[Any]:
        """Fill what is missing by what was learnt."""
        (task,) = super().predict(inputs, state)
        return (self._filled(task, state["learnt"]),)

    def _filled(self, task: Task, learnt: Mapping[str, Any]) -> Task:
        columns = self.fill(task, learnt)
        return task.with_features(task.frame().with_columns(*columns)) if columns else task


def filled(column: Series, values: Sequence[Any], positions: Any) -> Series:
    """The column with `values[positions[i]]` for its i-th missing value; new levels are added at the end.

    >>> import polars as pl
    >>> column = nw.from_native(pl.Series("f", ["a", None, None]), series_only=True)
    >>> filled(column, ["a", "b"], [1, 0]).to_list()
    ['a', 'b', 'a']
    """
    missing = missing_mask(column)
    if not missing.any() or not len(values):
        return column
    declared = declared_levels(column)
    if declared is not None:
        levels = [*declared, *dict.fromkeys(value for value in values if value not in declared)]
        codes = codes_of(column, levels).copy()
        codes[missing] = np.array([levels.index(value) for value in values])[positions]
        return from_codes(column.name, codes, levels, column)
    place = np.zeros(len(column), dtype=np.int64)
    place[missing] = positions
    others = nw.new_series(column.name, list(values), column.dtype, backend=column.implementation)[place]
    return column.zip_with(nw.new_series("there", ~missing, nw.Boolean, backend=column.implementation), others)
