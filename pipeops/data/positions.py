"""Which rows: from what a user passes to positions in a task. Neighbours: `task` above."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeops.data.columns import IntArray
from pipeops.errors import DataError, UnknownKeyError, listing

Rows = Sequence[int] | Sequence[bool] | npt.NDArray[Any]


def positions_of(rows: Any, ids: IntArray | None, nrow: int, task_id: str) -> IntArray:
    """Positions of row ids (which may repeat), or of the True ones of one boolean for each row.

    `ids` are the ids of the rows in use, None when they are 0 to `nrow` - 1; an id that occurs more than once is its first row.
    """
    wanted = np.asarray(rows)
    if wanted.dtype == bool:
        if wanted.shape != (nrow,):
            raise DataError(f"filter: booleans of shape {wanted.shape} for the {nrow} rows of the task '{task_id}'.")
        return np.flatnonzero(wanted)
    if wanted.size == 0:
        return np.empty(0, dtype=np.int64)
    if wanted.ndim != 1 or wanted.dtype.kind not in "iu":
        raise DataError(f"filter: rows are row ids or one boolean for each row, got {wanted.dtype} of shape {wanted.shape}.")
    return _find(wanted.astype(np.int64), ids, nrow, task_id)


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
