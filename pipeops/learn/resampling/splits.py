"""Drawing rows: strata, groups and the cutting of one task in two, honouring the roles `stratum` and `group`.

Set sizes follow mlr3: `round(ratio * n)` rows (half to even), for each stratum on its own, or that many whole groups.
Neighbours: tasks below; resampling (many splits) and graph learners (validation data) above.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeops.data import Task
from pipeops.errors import ConfigError, DataError

IntArray = npt.NDArray[np.int64]
Seed = int | np.random.SeedSequence | None


class Partition(NamedTuple):
    """Row ids of the parts of a task, each sorted as the task is; `validation` is empty unless it was asked for."""

    train: IntArray
    test: IntArray
    validation: IntArray


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


def split(task: Task, ratio: float, seed: Seed = None) -> tuple[IntArray, IntArray]:
    """Row ids of two disjoint parts, the first with `ratio` of the rows (of each stratum, or of the groups), in row order."""
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


def partition(task: Task, ratio: float | Sequence[float] = 0.67, *, stratify: Any = None, seed: int | None = None) -> Partition:
    """Cut a task once into training, test and perhaps validation rows.

    ratio: the share of the training rows; with two numbers those of training and test, and the rest validates.
    stratify: columns whose combinations keep their shares, True for the target; default the task's role `stratum`.
    Raises `ConfigError` for ratios that are negative or sum to 1 or more.

    >>> from pipeops import as_task_regr
    >>> parts = partition(as_task_regr({"x": list(range(10)), "y": list(range(10))}, target="y"), ratio=(0.6, 0.2), seed=1)
    >>> [len(part) for part in parts]
    [6, 2, 2]
    """
    shares = _shares(ratio)
    columns = task.target_names if stratify is True else stratify
    task = task if columns is None or columns is False else task.with_roles(stratum=columns)
    seeds = np.random.SeedSequence(seed).spawn(2)
    train, rest = split(task, shares[0], seeds[0])
    test, validation = split(task.filter(rest), shares[1] / (1 - shares[0]), seeds[1])
    return Partition(train, test, validation)


def _shares(ratio: float | Sequence[float]) -> tuple[float, float]:
    """The shares of training and test rows."""
    given = tuple(ratio) if isinstance(ratio, Sequence) else (ratio,)
    numeric = all(isinstance(r, int | float) and not isinstance(r, bool) and r >= 0 for r in given)
    if not numeric or len(given) not in (1, 2) or sum(given) >= 1:
        raise ConfigError(f"partition: ratio is one share or two, from 0 and in sum smaller than 1, got {ratio!r}.")
    return given[0], given[1] if len(given) == 2 else 1 - given[0]
