"""Tasks with several targets, numbers (`TaskMultiRegr`) or labels that a row has or has not (`TaskMultilabel`), or with none.

The truth is an array (rows, targets), columns in the order of `target_names`. Operators that change features take these tasks
as any other; what needs the one target of a task (`target_name`, `target_series`) is refused.
Neighbours: `task` below; `supervised` makes them.
"""

from functools import partial
from typing import Any, ClassVar, Never, Self

import narwhals as nw
import numpy as np
import numpy.typing as npt

from pipeops.data.columns import kind
from pipeops.data.frames import read_table
from pipeops.data.positions import Rows
from pipeops.data.stored import PLAIN, from_plain, to_plain
from pipeops.data.task import Task
from pipeops.errors import DataError, listing
from pipeops.guesses import by_name
from pipeops.saving import saved_as

Array = npt.NDArray[Any]


class TaskMulti(Task):
    """What both kinds share; abstract."""

    __slots__ = ()
    one_target: ClassVar[bool] = False

    @property
    def target_name(self) -> Never:
        """There is none: `target_names` has them all."""
        raise self._refusal()

    def target_series(self) -> Never:
        """There is none: `targets()` has them all."""
        raise self._refusal()

    def _refusal(self) -> DataError:
        return DataError(
            f"The task '{self.id}' is of type {self.task_type}, {self.targets_told()}; what needs one target does not take it "
            "(target_names, targets() and truth() have all of them)."
        )

    def targets_told(self) -> str:
        """Which targets it has, in words."""
        return f"with the targets {listing(self.target_names)}" if self.target_names else "without a target"

    def _check_target(self) -> None:
        if len(set(self.target_names)) < len(self.target_names):
            raise DataError(f"The targets {listing(self.target_names)} of the task '{self.id}' have a name twice.")
        for column in self.targets():
            self._check_column(column)

    def _check_column(self, column: nw.Series[Any]) -> None:
        """Refuse a column that is no target of this kind."""
        raise NotImplementedError


class TaskMultiRegr(TaskMulti):
    """A task with several numeric targets.

    >>> from pipeops import as_task_regr
    >>> as_task_regr({"x": [1, 2], "a": [0.5, 1.5], "b": [3, 4]}, target=["a", "b"]).truth()
    array([[0.5, 3. ],
           [1.5, 4. ]])
    """

    __slots__ = ()
    task_type: ClassVar[str] = "multiregr"

    def _check_column(self, column: nw.Series[Any]) -> None:
        if kind(column.dtype) != "numeric":
            raise DataError(
                f"The target '{column.name}' is {column.dtype}, not a number; make it numeric, or a task of labels with "
                "as_task_multilabel."
            )

    def _usable(self, target: nw.Series[Any]) -> bool:
        return kind(target.dtype) == "numeric"

    def truth(self, rows: Rows | None = None) -> Array:
        """The targets of each row, float64 (rows, targets); NaN for new data without one of them."""
        task = self if rows is None else self.filter(rows)
        if not task.has_target:
            return np.full((task.nrow, len(task.target_names)), np.nan)
        return np.column_stack([column.cast(nw.Float64).to_numpy() for column in task.targets()])


class TaskMultilabel(TaskMulti):
    """A task of labels, any number of which a row may have; each is a column of booleans, or of 0 and 1.

    >>> from pipeops import as_task_multilabel
    >>> as_task_multilabel({"x": [1, 2], "red": [True, False], "big": [1, 1]}, target=["red", "big"]).truth()
    array([[ True,  True],
           [False,  True]])
    """

    __slots__ = ()
    task_type: ClassVar[str] = "multilabel"

    def _check_column(self, column: nw.Series[Any]) -> None:
        if not _is_label(column):
            raise DataError(
                f"The label '{column.name}' is {column.dtype} with other values than 0 and 1; make it boolean, or a task of "
                "numbers with as_task_regr, of classes with as_task_classif."
            )

    def _usable(self, target: nw.Series[Any]) -> bool:
        return _is_label(target.drop_nulls())

    def truth(self, rows: Rows | None = None) -> Array:
        """Whether each row has each label, bool (rows, labels); None for new data without one of them."""
        task = self if rows is None else self.filter(rows)
        if not task.has_target:
            return np.full((task.nrow, len(task.target_names)), None, dtype=object)
        columns = task.targets()
        for column in columns:
            self._check_column(column)
        return np.column_stack([column.cast(nw.Float64).to_numpy() == 1 for column in columns])


class TaskUnsupervised(TaskMulti):
    """A task without a target, for operators that look at features alone; made by `as_task_unsupervised`."""

    __slots__ = ()
    task_type: ClassVar[str] = "unsupervised"

    @classmethod
    def restored(cls, *parts: Any) -> Self:
        """A task from its parts, none of which is a target."""
        id, features, others, roles, row_ids = parts[:5]
        return super().restored(id, features, others if others.columns else features, {"target": (), **roles}, row_ids)

    @property
    def has_target(self) -> bool:
        """Never."""
        return False

    def truth(self, rows: Rows | None = None) -> Never:
        """There is none."""
        raise self._refusal()

    def _check_target(self) -> None:
        if self.target_names:
            raise DataError(
                f"The task '{self.id}' has no target; to give it {listing(self.target_names)} make a task with "
                "as_task_classif or as_task_regr."
            )


@by_name
def as_task_unsupervised(data: Any, *, id: str | None = None) -> TaskUnsupervised:
    """A task without a target: of a table, a dictionary, an array (rows, features), or of another task, without its target.

    Graphs of operators train on it and predict; learners, and operators that learn from a target, refuse it.

    >>> from pipeops import as_task_unsupervised, po
    >>> task = as_task_unsupervised({"x": [1.0, 3.0], "z": [2.0, 2.0]})
    >>> (po("scale") >> po("removeconstants")).train(task).feature_names
    ['x']
    """
    if not isinstance(data, Task):
        return TaskUnsupervised(read_table(data), (), id)
    roles = {role: names for role, names in data.roles.items() if role not in ("feature", "target")}
    kept = {name for names in roles.values() for name in names}
    others = data.others()
    parts = (data.frame(), others.select([name for name in others.columns if name in kept]), roles, data.row_ids)
    return TaskUnsupervised.restored(data.id if id is None else id, *parts)


def _is_label(column: nw.Series[Any]) -> bool:
    return column.dtype == nw.Boolean or (kind(column.dtype) == "numeric" and bool(((column == 0) | (column == 1)).all()))


saved_as(TaskUnsupervised, partial(from_plain, TaskUnsupervised), to_plain, plain=PLAIN)
saved_as(TaskMultiRegr, partial(from_plain, TaskMultiRegr), to_plain, plain=PLAIN)
saved_as(TaskMultilabel, partial(from_plain, TaskMultilabel), to_plain, plain=PLAIN)
