"""How a task stands in a file: its columns, with types from a table, and its roles.

Neighbours: `task` below; `supervised` and `several` register the kinds of tasks, learners keep a prototype of theirs.
"""

import re
from collections.abc import Callable
from typing import Any, Literal

import narwhals as nw
import numpy as np

from pipeops.data.columns import LAZY
from pipeops.data.task import Task
from pipeops.errors import FormatError, listing
from pipeops.saving.declared import fits


def prototype(task: Task) -> Any:
    """A task without its rows, what a trained learner remembers: features and their types, targets, classes, roles, library.

    >>> from pipeops import as_task_regr
    >>> prototype(as_task_regr({"x": [1, 2], "y": [0.5, 1.5]}, target="y")).nrow
    0
    """
    return task.without_rows()


def to_plain(task: Task) -> dict[str, Any]:
    """A task as plain data: columns with their types and values, roles, rows, classes."""
    return {
        "id": task.id,
        "features": _columns(task.frame()),
        "rest": _columns(task.others()),
        "roles": {role: names for role, names in task.roles.items() if names and role != "feature"},
        "library": task.frame().implementation.value,
        "rows": task.row_ids,
        "classes": tuple(task.class_names) if task.task_type == "classif" else None,  # type: ignore[attr-defined]
    }


def _columns(frame: nw.DataFrame[Any]) -> list[list[Any]]:
    lazy = [name for name, dtype in frame.schema.items() if dtype == LAZY and len(frame)]
    if lazy:
        raise FormatError(
            f"save: {listing(lazy)} holds tensors that are read from elsewhere, which are not saved; leave them out, or save a "
            "learner, which remembers no rows."
        )
    return [[name, _type(dtype), frame.get_column(name).to_list()] for name, dtype in frame.schema.items()]


def _type(dtype: nw.dtypes.DType) -> list[Any]:
    """A type as its name and arguments."""
    if dtype == LAZY:
        return ["LazyTensor"]
    if isinstance(dtype, nw.Enum):
        return ["Enum", list(dtype.categories)]
    if isinstance(dtype, nw.Datetime):
        return ["Datetime", dtype.time_unit, dtype.time_zone]
    if isinstance(dtype, nw.Array):
        return ["Array", _type(dtype.inner), list(dtype.shape)]  # type: ignore[arg-type]
    return [type(dtype).__name__]


_SIMPLE = (
    "Int8", "Int16", "Int32", "Int64", "Int128", "UInt8", "UInt16", "UInt32", "UInt64", "UInt128", "Float16", "Float32",
    "Float64", "Boolean", "String", "Categorical", "Date", "Time", "Binary", "Object", "Decimal", "Unknown",
)  # fmt: skip
"""The types of columns that have no arguments, by name."""
_TYPE: dict[str, Callable[..., nw.dtypes.DType]] = {name: getattr(nw, name) for name in _SIMPLE if hasattr(nw, name)}
_TYPE["LazyTensor"] = lambda: LAZY
_OFFSET = re.compile(r"[+-]\d\d:\d\d")
Unit = Literal["ns", "us", "ms", "s"]


def _enum(levels: list[str]) -> Any:
    if not fits(levels, list[str]) or len(set(levels)) < len(levels):
        raise FormatError("load: the levels of a column are different texts.")
    return nw.Enum(levels)


def _datetime(unit: Unit, zone: str | None = None) -> Any:
    """A point in time; zones are those that this machine knows."""
    from zoneinfo import available_timezones

    known = zone is None or (isinstance(zone, str) and (_OFFSET.fullmatch(zone) or zone in available_timezones()))
    if not fits(unit, Unit) or not known:
        raise FormatError(f"load: no type of a column: Datetime({unit!r}, {zone!r}).")
    return nw.Datetime(unit, zone)


def _array(inner: list[Any], shape: list[int]) -> Any:
    if not (fits(shape, list[int]) and 0 < len(shape) < 32 and all(0 <= n < 1 << 31 for n in shape)):
        raise FormatError("load: no shape of a column of tensors.")
    return nw.Array(_dtype(inner), tuple(shape))


_TYPE.update({"Enum": _enum, "Datetime": _datetime, "Duration": lambda unit="us": nw.Duration(unit), "Array": _array})


def _dtype(plain: list[Any]) -> Any:
    """A type from the table, by its name."""
    if not plain or not isinstance(plain[0], str) or plain[0] not in _TYPE or (plain[0] in _SIMPLE and len(plain) > 1):
        raise FormatError(f"load: no type of a column: {str(plain)[:80]}.")
    return _TYPE[plain[0]](*plain[1:])


def _frame(columns: list[list[Any]], library: Any) -> nw.DataFrame[Any]:
    names = [name for name, *_ in columns]
    if not all(fits(c, list) and len(c) == 3 and fits(c[0], str) and fits(c[2], list) for c in columns) or len(set(names)) < len(
        names
    ):
        raise FormatError("load: no columns of a task.")
    made = [nw.new_series(name, values, _dtype(dtype), backend=library) for name, dtype, values in columns]
    return made[0].to_frame().with_columns(*made[1:]) if made else nw.from_dict({}, backend=library)


def from_plain(cls: type[Task], plain: dict[str, Any]) -> Any:
    """The task that `to_plain` was given; columns, rows and roles must fit each other."""
    features, others = (_frame(plain[part], plain["library"]) for part in ("features", "rest"))
    heights = {len(values) for part in ("features", "rest") for *_, values in plain[part]}
    wanted = {name for names in plain["roles"].values() for name in names}
    if heights - {len(plain["rows"])} or not wanted <= {*features.columns, *others.columns}:
        raise FormatError(f"load: the rows or the roles of the task '{plain['id']}' are not those of its columns.")
    return cls.restored(plain["id"], features, others, plain["roles"], plain["rows"], plain["classes"])


PLAIN: dict[str, Any] = {
    "id": str,
    "features": list[list],
    "rest": list[list],
    "roles": dict[str, list[str]],
    "library": Literal["polars", "pandas", "pyarrow"],
    "rows": np.ndarray,
    "classes": tuple | list | None,
}
"""What the plain data of a task must be, see `saving.saved_as`."""
