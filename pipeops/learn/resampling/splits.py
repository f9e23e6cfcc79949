"""Drawing rows: units, strata and the cutting of one task in two or three, honouring the roles `stratum` and `group`.

A *unit* is what is never cut: a row, all rows of a group, or all copies of a row that was drawn more than once. Set sizes
follow mlr3: `round(ratio * n)` (half to even), for each stratum on its own; where strata are so many that the sum would be
more than one row off, or a part empty, some are rounded the other way. Neighbours: tasks below; resampling (many splits) and
graph learners (validation data) above.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeops.data import Task
from pipeops.errors import ConfigError, DataError
from pipeops.guesses import by_name

IntArray = npt.NDArray[np.int64]
Seed = int | np.random.SeedSequence | None
SLACK = 2
"""From how many rows more or fewer than its share on a part is balanced over the strata, instead of one by one as in mlr3."""


class Partition(NamedTuple):
    """Row ids of the parts of a task, each sorted as the task is; `validation` is empty unless it was asked for."""

    train: IntArray
    test: IntArray
    validation: IntArray


class Units(NamedTuple):
    """What is drawn among: the unit of each row, the positions of units by stratum, and rows by unit and stratum.

    unit: None where each row is one. counts: (units, strata), where units are of several rows and balanced by their rows.
    """

    unit: IntArray | None
    strata: list[IntArray]
    counts: IntArray | None

    @property
    def items(self) -> IntArray:
        """The units, stratum by stratum."""
        return np.concatenate(self.strata)


def stratified(task: Task, stratify: Any) -> Task:
    """The task with the strata that are asked for: True for the target, columns by name.

    Numbers are divided by their quartiles, labels by which of them stand together; several numbers are refused.
    """
    if stratify is None or stratify is False:
        return task
    if stratify is not True:
        return task.with_roles(stratum=stratify)
    if task.task_type in ("classif", "multilabel"):
        return task.with_roles(stratum=task.target_names)
    if task.task_type == "multiregr":
        raise DataError(f"stratify: the task '{task.id}' has several numbers as targets; name columns to stratify by.")
    return task.with_roles(stratum=None)


def _strata_codes(task: Task, stratify: Any) -> IntArray | None:
    """The stratum of each row as a code from 0, or None."""
    bins = 4 if stratify is True else stratify
    if isinstance(bins, int) and bins > 0 and task.task_type == "regr":
        values = np.asarray(task.truth(), dtype=np.float64)
        cuts = np.nanquantile(values, np.arange(1, bins) / bins)
        return np.searchsorted(np.unique(cuts), values).astype(np.int64)
    if isinstance(stratify, int) and not isinstance(stratify, bool):
        raise ConfigError(
            f"stratify={stratify}: bins, two or more, are for the numbers of a regression target; the task '{task.id}' is of "
            f"type {task.task_type}. Give True for the target, or columns by name."
        )
    coded = stratified(task, stratify).role_codes("stratum")
    return None if coded is None else coded[0]


def units(task: Task, stratify: Any = None) -> Units:
    """The units of a task, in strata where it has the role or `stratify` asks for some."""
    codes, groups = _strata_codes(task, stratify), task.role_codes("group")
    unit = groups[0] if groups is not None else _copies(task)
    if unit is None:
        return Units(None, [np.arange(task.nrow)] if codes is None else _by_code(codes), None)
    n = int(unit.max(initial=-1)) + 1
    if codes is None and groups is not None:
        return Units(unit, [np.arange(n)], None)
    codes = np.zeros(task.nrow, dtype=np.int64) if codes is None else codes
    counts = np.zeros((n, int(codes.max(initial=-1)) + 1), dtype=np.int64)
    np.add.at(counts, (unit, codes), 1)
    return Units(unit, _by_code(counts.argmax(axis=1)) if counts.size else [np.arange(n)], counts)


def _copies(task: Task) -> IntArray | None:
    """The unit of each row where rows were drawn more than once."""
    seen, unit = np.unique(task.row_ids, return_inverse=True)
    return None if len(seen) == task.nrow else unit.reshape(-1).astype(np.int64)


def _by_code(codes: IntArray) -> list[IntArray]:
    """Positions by code."""
    return [np.flatnonzero(codes == code) for code in np.unique(codes)]


def rounded(ratio: float, strata: Sequence[IntArray], rng: np.random.Generator) -> IntArray:
    """How many of each stratum are a share of all, each rounded on its own as in mlr3 while their sum is less than `SLACK` off.

    Else, or where one side would be left empty, those furthest off are rounded the other way, until the sum is right too.
    """
    n = np.array([len(part) for part in strata])
    targets, wanted = ratio * n, ratio * int(n.sum())
    sizes = np.rint(targets).astype(np.int64)
    empty = sizes.sum() in (0, n.sum()) and 0 < round(wanted) < n.sum()
    if abs(sizes.sum() - wanted) < SLACK and not empty:
        return sizes
    off, order = targets - sizes, rng.permutation(len(targets))
    while abs(sizes.sum() - wanted) > 0.5:
        step = 1 if sizes.sum() < wanted else -1
        k = order[np.argmax(step * off[order])]
        sizes[k], off[k] = sizes[k] + step, off[k] - step
    return sizes


def dealt(counts: IntArray, shares: Sequence[float], rng: np.random.Generator) -> IntArray:
    """The part that each unit goes to, so that parts have their shares of all rows and of each stratum, as near as units allow.

    Units are taken from the largest to the smallest, and each goes where it leaves the smallest squared distance from the shares.
    """
    rows = np.column_stack([counts, counts.sum(axis=1)]).astype(np.float64)
    missing = np.outer(shares, rows.sum(axis=0))
    scale = 1 / rows.sum(axis=0).clip(min=1)
    part = np.zeros(len(rows), dtype=np.int64)
    order = rng.permutation(len(rows))
    for k in order[np.argsort(-rows[order, -1], kind="stable")]:
        part[k] = np.argmin(((rows[k] * (rows[k] - 2 * missing)) * scale).sum(axis=1))
        missing[part[k]] -= rows[k]
    return part


def split(task: Task, ratio: float, seed: Seed = None, *, stratify: Any = None) -> tuple[IntArray, IntArray]:
    """Row ids of two disjoint parts, the first with `ratio` of the rows (of each stratum, or of the groups), in row order."""
    rng, made = np.random.default_rng(seed), units(task, stratify)
    if made.counts is not None:
        first = dealt(made.counts, (ratio, 1 - ratio), rng) == 0
    else:
        sizes = rounded(ratio, made.strata, rng) if len(made.strata) > 1 else None
        first = np.zeros(len(made.items), dtype=bool)
        for k, part in enumerate(made.strata):
            first[rng.permutation(part)[: round(ratio * len(part)) if sizes is None else sizes[k]]] = True
    chosen = first if made.unit is None else first[made.unit]
    return task.row_ids[chosen], task.row_ids[~chosen]


@by_name
def partition(task: Task, ratio: float | Sequence[float] = 0.67, *, stratify: Any = None, seed: int | None = None) -> Partition:
    """Cut a task once into training, test and perhaps validation rows.

    ratio: the share of the training rows; with two numbers those of training and test, and the rest validates.
    stratify: columns whose combinations keep their shares, True for the target (numbers by their quartiles, or in as many bins of
    equal size as a number says); default the task's role `stratum`.
    Raises `ConfigError` for ratios that are negative or sum to 1 or more, and where a part that was asked for would be empty.

    >>> from pipeops import as_task_regr
    >>> parts = partition(as_task_regr({"x": list(range(10)), "y": list(range(10))}, target="y"), ratio=(0.6, 0.2), seed=1)
    >>> [len(part) for part in parts]
    [6, 2, 2]
    """
    shares = _shares(ratio)
    seeds = np.random.SeedSequence(seed).spawn(2)
    train, rest = split(task, shares[0], seeds[0], stratify=stratify)
    others = task.filter(rest)
    test, validation = split(others, shares[1] / (1 - shares[0]), seeds[1], stratify=stratify) if len(rest) else (rest, rest)
    asked = (*shares, 0.0 if shares[1] == 1 - shares[0] else 1 - sum(shares))
    if any(share and not len(part) for share, part in zip(asked, (train, test, validation), strict=True)):
        raise ConfigError(f"partition: the ratio {ratio!r} leaves one of the parts of {task.nrow} rows empty; take another.")
    return Partition(train, test, validation)


def _shares(ratio: float | Sequence[float]) -> tuple[float, float]:
    """The shares of training and test rows."""
    given = tuple(ratio) if isinstance(ratio, Sequence) else (ratio,)
    numeric = all(isinstance(r, int | float) and not isinstance(r, bool) and r >= 0 for r in given)
    if not numeric or len(given) not in (1, 2) or sum(given) >= 1:
        raise ConfigError(f"partition: ratio is one share or two, from 0 and in sum smaller than 1, got {ratio!r}.")
    return given[0], given[1] if len(given) == 2 else 1 - given[0]
