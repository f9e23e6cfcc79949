"""Which rows and columns: from what a user passes to positions and names in a task. Neighbours: `task` above."""

from collections.abc import Iterable, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from pipeops.data.columns import IntArray
from pipeops.errors import ConfigError, DataError, UnknownKeyError, listing

Names = str | int | Iterable[str | int]
Rows = Sequence[int] | Sequence[bool] | npt.NDArray[Any]


def names_of(given: Any) -> list[str]:
    """Names of columns, from one or several; whole numbers name the columns of a frame that had no names.

    >>> names_of(0), names_of(["a", 1])
    (['0'], ['a', '1'])
    """
    several = [given] if isinstance(given, str | int | np.integer) or not isinstance(given, Iterable) else list(given)
    if set(map(type, several)) <= {str}:
        return cast("list[str]", several)
    strange = [name for name in several if isinstance(name, bool) or not isinstance(name, str | int | np.integer)]
    if strange:
        raise ConfigError(f"Columns go by name, got {strange[0]!r:.80}.")
    return [str(name) for name in several]


def positions_of(rows: Any, ids: IntArray | None, nrow: int, task_id: str) -> IntArray:
    """Positions of row ids (which may repeat), or of the True ones of one boolean for each row.

    `ids` are the ids of the rows in use, None when they are 0 to `nrow` - 1; an id that occurs more than once is its first row.
    """
    wanted = row_choice(rows, nrow, f"filter: the task '{task_id}'")
    if wanted.dtype == bool:
        return np.flatnonzero(wanted)
    if wanted.size == 0:
        return np.empty(0, dtype=np.int64)
    if wanted.ndim != 1 or wanted.dtype.kind not in "iu":
        raise DataError(f"filter: rows are row ids or one boolean for each row, got {wanted.dtype} of shape {wanted.shape}.")
    return _find(wanted.astype(np.int64), ids, nrow, task_id)


def row_choice(rows: Any, nrow: int, who: str) -> npt.NDArray[Any]:
    """Row ids or a mask as an array; a mask is bool whatever held it, has a value for each row and none missing."""
    wanted = np.asarray(rows)
    kinds = {type(v).__name__ for v in wanted.ravel()} if wanted.dtype == object else set[str]()
    if kinds & {"bool", "bool_"} and kinds <= {"bool", "bool_"}:
        wanted = wanted.astype(bool)
    elif kinds & {"bool", "bool_"}:
        raise DataError(f"{who}: a mask holds True or False for each row, none of them missing, got {listing(sorted(kinds))}.")
    if wanted.dtype == bool and wanted.shape != (nrow,):
        raise DataError(f"{who}: booleans of shape {wanted.shape} for {nrow} rows.")
    return wanted


def _find(wanted: IntArray, ids: IntArray | None, nrow: int, task_id: str) -> IntArray:
    if ids is None:
        found, known = wanted, (wanted >= 0) & (wanted < nrow)
    elif nrow == 0:
        found, known = wanted, np.zeros(len(wanted), dtype=bool)
    else:
        order = np.argsort(ids, kind="stable")
        found = order[np.searchsorted(ids, wanted, sorter=order).clip(max=nrow - 1)]
        known = ids[found] == wanted
    if not known.all():
        strange = np.unique(wanted[~known]).tolist()
        raise UnknownKeyError(
            f"filter: the task '{task_id}' with {nrow} rows has no row id {listing(strange)}; see task.row_ids."
        )
    return found
