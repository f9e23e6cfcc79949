"""Drawing rows: the one place where a task is cut in two, honouring the roles `stratum` and `group`.

Set sizes follow mlr3: `round(ratio * n)` rows (half to even), for each stratum on its own, or that many whole groups.
"""

import numpy as np
import numpy.typing as npt

from pipeops.data import Task
from pipeops.errors import DataError

IntArray = npt.NDArray[np.int64]


def strata(task: Task) -> list[IntArray]:
    """Positions of the rows of each stratum (each combination, where there are several columns), or all rows as one."""
    coded = task.role_codes("stratum")
    if coded is None:
        return [np.arange(task.nrow)]
    codes = coded[0]
    return [np.flatnonzero(codes == code) for code in np.unique(codes)]


def refuse_strata_with_groups(task: Task, who: str) -> None:
    """Strata and groups contradict each other, as in mlr3."""
    if task.roles["group"] and task.roles["stratum"]:
        raise DataError(f"{who}: the task '{task.id}' has both roles 'stratum' and 'group'; they cannot be honoured together.")


def split(task: Task, ratio: float, seed: int) -> tuple[IntArray, IntArray]:
    """Row ids of two disjoint parts, the first with `ratio` of the rows (of each stratum, or of the groups), both sorted."""
    refuse_strata_with_groups(task, "split")
    rng = np.random.default_rng(seed)
    groups = task.role_codes("group")
    if groups is not None:
        first = np.isin(groups[0], _draw(rng, np.unique(groups[0]), ratio))
    else:
        first = np.zeros(task.nrow, dtype=bool)
        for rows in strata(task):
            first[_draw(rng, rows, ratio)] = True
    return task.row_ids[first], task.row_ids[~first]


def _draw(rng: np.random.Generator, items: IntArray, ratio: float) -> IntArray:
    return rng.permutation(items)[: round(ratio * len(items))]
