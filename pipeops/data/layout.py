"""Whether a table has the columns, and a target the values, that a task needs. Neighbours: `columns` below, `task` above."""

from collections.abc import Mapping
from typing import Any

import narwhals as nw

from pipeops.data.columns import IntArray, kind, missing_mask, new_frame
from pipeops.errors import DataError, listing, suggest

Schema = Mapping[str, nw.dtypes.DType]


def like(frame: nw.DataFrame[Any], schema: Schema) -> nw.DataFrame[Any]:
    """The frame with columns that came all missing, and so without a kind, in the types of `schema`."""
    present = frame.schema
    loose = {n: t for n, t in schema.items() if n in present and kind(present[n]) != kind(t)}
    empty = [n for n in loose if frame.get_column(n).null_count() == len(frame)]
    return frame.with_columns(frame.get_column(n).cast(loose[n]) for n in empty) if empty else frame


def refuse_other_layout(frame: nw.DataFrame[Any], schema: Schema, who: str) -> None:
    """Refuse a frame that lacks columns of `schema` or has them in another kind, naming them."""
    present = frame.schema
    absent = [name for name in schema if name not in present]
    if absent:
        hint = suggest(absent[0], [c for c in present if c not in schema], "other columns that came")
        raise DataError(f"{who}: no column {listing(absent)}.{hint} It needs every feature of the task.")
    changed = [
        f"'{n}' is {kind(present[n])} ({present[n]}), not {kind(t)}" for n, t in schema.items() if kind(present[n]) != kind(t)
    ]
    if changed:
        raise DataError(f"{who}: {'; '.join(changed[:8])}. Give each column the type it had.")


def same_library(frame: nw.DataFrame[Any], other: nw.DataFrame[Any]) -> nw.DataFrame[Any]:
    """The frame in the library of `other`."""
    if frame.implementation == other.implementation:
        return frame
    return new_frame({column.name: column.to_list() for column in frame.iter_columns()}, like=other)


def refuse_missing(target: nw.Series[Any], row_ids: IntArray, task_id: str) -> None:
    """Refuse a target with missing values, saying how many and in which rows first."""
    holes = missing_mask(target)
    if holes.any():
        raise DataError(
            f"The target '{target.name}' of the task '{task_id}' has {holes.sum()} missing values, first in rows "
            f"{listing(row_ids[holes].tolist(), 5)}; drop those rows before making a task."
        )
