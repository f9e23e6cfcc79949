"""A task without its rows: what a trained learner remembers of its data, and how a task is saved.

Neighbours: `task` and `supervised` below; learners keep a prototype so that `predict_newdata` can read a bare frame.
"""

from typing import Any

import narwhals as nw

from pipeops.data.supervised import TaskClassif, TaskRegr
from pipeops.data.task import Task
from pipeops.saving import saved_as

_TYPES = (TaskClassif, TaskRegr)


def prototype(task: Task) -> Any:
    """The same task without rows: features and their types, target, classes, roles, kind of frame.

    >>> from pipeops import as_task_regr
    >>> prototype(as_task_regr({"x": [1, 2], "y": [0.5, 1.5]}, target="y")).nrow
    0
    """
    return task.without_rows()


def _to_plain(task: Task) -> dict[str, Any]:
    return {
        "id": task.id,
        "features": _columns(task.frame()),
        "rest": _columns(task.others()),
        "roles": {role: names for role, names in task.roles.items() if names and role != "feature"},
        "library": task.frame().implementation.value,
        "rows": task.row_ids,
        "classes": tuple(task.class_names) if isinstance(task, TaskClassif) else None,
    }


def _columns(frame: nw.DataFrame[Any]) -> list[list[Any]]:
    return [[name, _type(dtype), frame.get_column(name).to_list()] for name, dtype in frame.schema.items()]


def _type(dtype: nw.dtypes.DType) -> list[Any]:
    """A type as its name and arguments."""
    if isinstance(dtype, nw.Enum):
        return ["Enum", list(dtype.categories)]
    if isinstance(dtype, nw.Datetime):
        return ["Datetime", dtype.time_unit, dtype.time_zone]
    if isinstance(dtype, nw.Array):
        return ["Array", _type(dtype.inner), list(dtype.shape)]  # type: ignore[arg-type]
    return [type(dtype).__name__]


def _dtype(plain: list[Any]) -> Any:
    name, *arguments = plain
    if name == "Array":
        return nw.Array(_dtype(arguments[0]), tuple(arguments[1]))
    return getattr(nw, name)(*arguments)


def _frame(columns: list[list[Any]], library: Any) -> nw.DataFrame[Any]:
    made = [nw.new_series(name, values, _dtype(dtype), backend=library) for name, dtype, values in columns]
    return made[0].to_frame().with_columns(*made[1:]) if made else nw.from_dict({}, backend=library)


def _from_plain(cls: type[Task], plain: dict[str, Any]) -> Any:
    features, others = (_frame(plain[part], plain["library"]) for part in ("features", "rest"))
    return cls.restored(plain["id"], features, others, plain["roles"], plain["rows"], plain["classes"])


for _cls in _TYPES:
    saved_as(_cls, _to_plain, lambda plain, cls=_cls: _from_plain(cls, plain))
