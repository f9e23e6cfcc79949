"""Whether a table has the columns, and a target the values, that a task needs. Neighbours: `columns` below, `task` above."""

import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from operator import is_
from typing import Any

import narwhals as nw

from pipeops.data.columns import IntArray, declared_levels, kind, levels_of, missing_mask, new_frame, schema_of
from pipeops.data.incoming import moved
from pipeops.data.levels import with_levels
from pipeops.errors import DataError, listing, suggest

Schema = Mapping[str, nw.dtypes.DType]


def holds(present: Schema, schema: Schema) -> bool:
    """Whether all columns are there in the very types; False may only mean that nobody looked closely."""
    return all(map(is_, map(present.get, schema), schema.values()))


def like(frame: nw.DataFrame[Any], schema: Schema) -> nw.DataFrame[Any]:
    """The frame with columns that came all missing, and so without a kind, in the types of `schema`."""
    present = schema_of(frame)
    loose = {n: t for n, t in schema.items() if n in present and kind(present[n]) != kind(t)}
    empty = [n for n in loose if frame.get_column(n).null_count() == len(frame)]
    return frame.with_columns(frame.get_column(n).cast(loose[n]) for n in empty) if empty else frame


def refuse_other_layout(frame: nw.DataFrame[Any], schema: Schema, who: str) -> None:
    """Refuse a frame that lacks columns of `schema` or has them in another kind, naming them."""
    present = schema_of(frame)
    absent = [name for name in schema if name not in present]
    if absent:
        hint = suggest(absent[0], [c for c in present if c not in schema], "other columns that came")
        raise DataError(f"{who}: no column {listing(absent)}.{hint} It needs every feature of the task.")
    changed = [
        f"'{n}' is {kind(present[n])} ({present[n]}), not {kind(t)}" for n, t in schema.items() if kind(present[n]) != kind(t)
    ]
    if changed:
        raise DataError(f"{who}: {'; '.join(changed[:8])}. Give each column the type it had.")


def without_useless(
    frame: nw.DataFrame[Any], names: Sequence[str], usable: Callable[[nw.Series[Any]], bool]
) -> nw.DataFrame[Any]:
    """The frame without those of these columns in which every value is missing or empty; warned of, where none is usable."""
    there = [frame.get_column(name) for name in names if name in frame.columns and len(frame)]
    empty = [column.name for column in there if _is_empty(column)]
    useless = [column.name for column in there if column.name not in empty and not usable(column)]
    if useless:
        warnings.warn(
            f"newdata: no value of the target {listing(useless)} is one of the task's; it counts as absent.", stacklevel=4
        )
    return frame.drop(*empty, *useless) if empty or useless else frame


def _is_empty(column: nw.Series[Any]) -> bool:
    if column.dtype == nw.String:
        return bool((column.drop_nulls().str.strip_chars() == "").all())
    return bool(missing_mask(column).all())


def same_library(frame: nw.DataFrame[Any], other: nw.DataFrame[Any]) -> nw.DataFrame[Any]:
    """The frame in the library of `other`."""
    if frame.implementation == other.implementation:
        return frame
    return new_frame({column.name: moved(column, other.implementation) for column in frame.iter_columns()}, like=other)


def joined(own: nw.DataFrame[Any], new: nw.DataFrame[Any], who: str) -> nw.DataFrame[Any]:
    """One frame above the other, each column in a type that holds the values of both; refused where there is none."""
    pairs = {name: _alike(own.get_column(name), new.get_column(name), who) for name in own.columns}
    upper, lower = (new_frame({name: pair[i] for name, pair in pairs.items()}, like=own) for i in (0, 1))
    if own.implementation.is_pyarrow():  # which has several types of text
        lower = nw.from_native(lower.to_native().cast(upper.to_native().schema), eager_only=True)
    return nw.concat([upper, lower])


def _alike(own: nw.Series[Any], new: nw.Series[Any], who: str) -> tuple[nw.Series[Any], nw.Series[Any]]:
    """Two columns in one type: the first one's, else a wider one."""
    levels = declared_levels(own)
    if levels is not None:
        both = list(dict.fromkeys([*levels, *levels_of(new)]))
        return with_levels(own, both), with_levels(new, both)
    for dtype in (own.dtype, *([nw.Int64(), nw.Float64()] if kind(own.dtype) == "numeric" else [new.dtype])):
        upper, lower = _exact(own, dtype), _exact(new, dtype)
        if upper is not None and lower is not None:
            return upper, lower
    raise DataError(
        f"{who}: '{own.name}' is {own.dtype} and comes as {new.dtype}, with values that no type holds beside the others; give it "
        "the type it had."
    )


def _exact(column: nw.Series[Any], dtype: nw.dtypes.DType) -> nw.Series[Any] | None:
    """The column in another type, None where that changes a value."""
    if column.dtype == dtype:
        return column
    if isinstance(dtype, nw.Datetime) and (dtype.time_zone is None) != (getattr(column.dtype, "time_zone", None) is None):
        return None
    try:
        found = column.cast(dtype)
        kept = (found.cast(column.dtype) == column).fill_null(True).all()  # type: ignore[union-attr]
    except Exception:  # each library has errors of its own for what a type cannot hold
        return None
    return found if kept and (missing_mask(found) == missing_mask(column)).all() else None


def refuse_missing(targets: Sequence[nw.Series[Any]], row_ids: IntArray, task_id: str) -> None:
    """Refuse a target with missing values, saying how many and in which rows first."""
    for target in targets:
        holes = missing_mask(target)
        if holes.any():
            raise DataError(
                f"The target '{target.name}' of the task '{task_id}' has {holes.sum()} missing values, first in rows "
                f"{listing(row_ids[holes].tolist(), 5)}; drop those rows before making a task."
            )


def refuse_absent(targets: Sequence[str], present: Collection[str], task_id: str) -> None:
    """Refuse to answer targets that new data came without."""
    absent = [name for name in targets if name not in present]
    if absent:
        raise DataError(f"The task '{task_id}' is new data without its target column {listing(absent)}.")
