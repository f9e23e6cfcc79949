"""Filter: the base of what scores features, one number each, the higher the better.

A filter never changes; `calculate(task)` checks what it is given and answers the scores in descending order. A subclass is a
docstring, hyperparameters and one rule, `scores(task)`. Neighbours: `univariate`, `combined` have them; `keep` is the operator.
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, TypeVar

import attrs
import numpy as np
import numpy.typing as npt

from pipeops.data.task import Task
from pipeops.errors import DataError, listing
from pipeops.params import Configurable
from pipeops.registry import own_key
from pipeops.text import call, source

Array = npt.NDArray[np.float64]
F = TypeVar("F", bound=type)


@attrs.frozen(eq=False, repr=False, kw_only=True, slots=False)
class Filter(Configurable, ABC):
    """Base of filters; subclasses are made with `@flt.add(key)` over `@scorer`."""

    key: ClassVar[str] = ""
    shelf: ClassVar[str] = "flt"
    kinds: ClassVar[tuple[str, ...]] = ("numeric",)
    """The kinds of features that it scores."""
    task_types: ClassVar[tuple[str, ...]] = ("classif", "regr")
    two_classes: ClassVar[bool] = False
    takes_missing: ClassVar[bool] = False
    needs_target: ClassVar[bool] = True
    example: ClassVar[Any] = {}

    @abstractmethod
    def scores(self, task: Task) -> Any:
        """A number for each feature, in the order of the task's."""

    def calculate(self, task: Task) -> dict[str, float]:
        """Scores of the features that the filter can score, best first; those that have none (NaN) come last.

        Equal scores keep the order of the columns. Refused: another type of task, missing values that it cannot take.
        """
        self._check(task)
        task = task.select(self.scored(task))
        names = task.feature_names
        found = np.asarray(self.scores(task), dtype=np.float64) if names and task.nrow else np.full(len(names), np.nan)
        order = np.argsort(np.where(np.isnan(found), np.inf, -found), kind="stable")
        return {names[k]: float(found[k]) for k in order}

    def scored(self, task: Task) -> list[str]:
        """The features that it can score."""
        return [name for name, kind in task.feature_types.items() if kind in self.kinds]

    def _check(self, task: Any) -> None:
        who = f'flt("{own_key(type(self)) or type(self).__name__}")'
        if self.needs_target and task.task_type not in self.task_types:
            raise DataError(f"{who}: is for {listing(self.task_types)} tasks, the task '{task.id}' is of type {task.task_type}.")
        if self.two_classes and len(task.class_names) != 2:
            raise DataError(f"{who}: needs two classes, the task '{task.id}' has {len(task.class_names)}.")
        holed = [] if self.takes_missing else [name for name in self.scored(task) if task.missings()[name]]
        if holed:
            raise DataError(f"{who}: missing values in {listing(holed)}; impute them first.")

    def __repr__(self) -> str:
        cls, key = type(self), own_key(type(self))
        return call("flt", [source(key)], self.changed()) if key else call(cls.__name__, [], self.changed())


def scorer(cls: F) -> F:
    """Class decorator for filters: an immutable attrs class whose annotated fields are its hyperparameters."""
    return attrs.frozen(eq=False, repr=False, kw_only=True, slots=False)(cls)


def matrix(task: Task) -> Array:
    """The features as numbers `(rows, features)`, NaN where missing, categories as the positions of their levels."""
    x, kinds = np.empty((task.nrow, len(task.feature_names))), task.feature_types
    for j, name in enumerate(task.feature_names):
        x[:, j] = _codes(task, name) if kinds[name] == "categorical" else task.matrix("float64", [name])[:, 0]
    return x


def _codes(task: Task, name: str) -> Array:
    codes = task.codes(name, task.levels(name)).astype(np.float64)
    return np.where(codes < 0, np.nan, codes)
