"""What came out of a node as columns of plain values, whatever frame library it came in, and how two such tables differ.

Neighbours: parts.py and surroundings.py compare with this; `content` in samples.py is the strict form, types and all.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import narwhals as nw

from pipeops.data import Task
from pipeops.data.columns import LAZY, kind

Table = dict[str, list[Any]]
TOLERANCE = 1e-5
"""Relative: networks compute in float32, and how many rows are multiplied at once changes the last digits."""


def is_table(value: Any) -> bool:
    """Whether a value has rows with ids: a task or a prediction."""
    return isinstance(value, Task) or hasattr(value, "predict_types")


def columns(value: Any) -> Table:
    """Features of a task and its weights, or what a prediction predicts, by name."""
    if isinstance(value, Task):
        found = {name: plain(values) for name, values in lists(value).items()}
        weights = value.weights()
        return found | ({} if weights is None else {"(weights)": plain(weights.tolist())})
    frame = nw.from_native(value.to_frame(), eager_only=True)
    return {
        c.name: plain(c.to_list()) for c in frame.iter_columns() if c.name != "row_ids" and not re.match(r"truth(\.|$)", c.name)
    }


def lists(task: Task) -> dict[str, list[Any]]:
    """The values of each feature, tensors read, as nested lists."""
    lazy = [name for name, dtype in task.schema.items() if dtype == LAZY]
    return {c.name: task.tensor(c.name).tolist() if c.name in lazy else c.to_list() for c in task.frame().iter_columns()}


def truth(value: Any) -> list[Any]:
    """The true values of a task or prediction, one for each row; [] where there are none."""
    found: Any = value.truth() if callable(value.truth) else value.truth
    return found.tolist() if getattr(value, "has_target", True) else []


def kinds(task: Task) -> dict[str, str]:
    """The kind of each feature; tensors with their shape."""
    return {name: str(dtype) if kind(dtype) == "tensor" else kind(dtype) for name, dtype in task.schema.items()}


def plain(values: Sequence[Any]) -> list[Any]:
    """Numbers as floats, dates as text, None for everything missing."""
    return [_value(value) for value in values]


def _value(value: Any) -> Any:
    if value is None or type(value).__name__ in ("NAType", "NaTType") or value != value:
        return None
    if isinstance(value, list | tuple):
        return plain(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    try:
        return float(value)
    except (TypeError, ValueError):
        return str(value)


def rows_of(table: Mapping[str, Sequence[Any]], positions: Sequence[int]) -> Table:
    """Some rows of a table, in this order."""
    return {name: [values[i] for i in positions] for name, values in table.items()}


def difference(got: Mapping[str, Sequence[Any]], wanted: Mapping[str, Sequence[Any]]) -> str:
    """The first difference between two tables in words, "" without any; numbers may differ by rounding."""
    if set(got) != set(wanted):
        return f"columns {sorted(got)} instead of {sorted(wanted)}"
    for name, values in wanted.items():
        if len(got[name]) != len(values):
            return f"'{name}' has {len(got[name])} values instead of {len(values)}"
        for row, (a, b) in enumerate(zip(got[name], values, strict=True)):
            if not close(a, b):
                return f"'{name}' has {a!r} instead of {b!r} in row {row}"
    return ""


def close(a: Any, b: Any) -> bool:
    """Whether two values are the same, numbers up to rounding."""
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(close, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=1e-7)
    return bool(a == b)
