"""forward_cv: train on what came before, test on what comes next.

Neighbours: base (the machinery) below; the rest of the shelf is in `shelf`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeops.data import Task
from pipeops.data.columns import kind, missing_counts
from pipeops.errors import ConfigError, DataError
from pipeops.learn.resampling.base import Listed
from pipeops.learn.resampling.shelf import Planned, resampling
from pipeops.learn.resampling.splits import IntArray
from pipeops.params import flag, integer
from pipeops.shorthand import rsmp


@rsmp.add("forward_cv")
@resampling
class ForwardCV(Listed):
    """Cross-validation in time: each test set is the `horizon` that follows its training set, and the last one ends the data.

    Time is the task's role `order` (a number, a date, text or levels), else rows come in the order of the table. Sizes count
    points in time, which are rows where no time comes twice; rows of one time are never on both sides.

    folds: how many test sets. horizon: how long each is; by default the data over `folds + 1`. window: how long training sets
    are; None for all that came before. fixed: False takes `window` for the least, and all that came before for each. step: how
    far a test set begins after the last one, by default `horizon`, so that none overlap. gap: what is left out between training
    and test. Raises `DataError` where the data are too short, a time is missing, or the task has groups, which time would cut.

    >>> from pipeops import as_task_regr, rsmp
    >>> task = as_task_regr({"day": [3, 1, 2, 5, 4], "x": [0, 0, 0, 0, 0], "y": [1, 2, 3, 4, 5]}, target="y")
    >>> cv = rsmp("forward_cv", folds=2, horizon=1, window=2).instantiate(task.with_roles(order="day"))
    >>> [(cv.train_set(i).tolist(), cv.test_set(i).tolist()) for i in range(cv.iters)]
    [([2, 0], [4]), ([0, 4], [3])]
    """

    folds: int = integer(1, default=5)
    horizon: int | None = integer(1, default=None)
    window: int | None = integer(1, default=None)
    fixed: bool = flag(True)
    step: int | None = integer(1, default=None)
    gap: int = integer(0, default=0)

    def __attrs_post_init__(self) -> None:
        if self.window is None and not self.fixed:
            raise ConfigError(f"{self.id}: fixed=False needs window=, the least that a training set has.")

    def sets(self, task: Task, rng: np.random.Generator) -> Planned:
        times = self._times(task)
        order = np.argsort(times, kind="stable")
        ids, times, n = task.row_ids[order], times[order], int(times.max(initial=-1)) + 1
        horizon = self.horizon if self.horizon is not None else max(n // (self.folds + 1), 1)
        starts = n - horizon - (self.step or horizon) * np.arange(self.folds)[::-1]
        least = self.gap + (self.window or 1)
        if starts[0] < least:
            raise DataError(
                f"{self.id}: the task '{task.id}' has {n} points in time; {self.folds} test sets of {horizon} after training "
                f"sets of at least {self.window or 1} need {n + least - int(starts[0])}. "
                "Take fewer folds, or a shorter horizon or window."
            )
        train = [(times >= self._first(int(s))) & (times < s - self.gap) for s in starts]
        test = [(times >= s) & (times < s + horizon) for s in starts]
        return [ids[rows] for rows in train], [ids[rows] for rows in test], self._details()

    def _first(self, start: int) -> int:
        """The first time of the training set before a test set."""
        return 0 if self.window is None or not self.fixed else start - self.gap - self.window

    def _details(self) -> Sequence[Mapping[str, Any]]:
        return [{"fold": i} for i in range(self.folds)]

    def _times(self, task: Task) -> IntArray:
        """The point in time of each row, from 0 and without gaps."""
        if task.roles["group"]:
            raise DataError(
                f"{self.id}: time would cut the groups of the task '{task.id}'; clear them: task.with_roles(group=None)."
            )
        names = task.roles["order"]
        if not names:
            _, first, row = np.unique(task.row_ids, return_index=True, return_inverse=True)
            return first.argsort().argsort()[row.reshape(-1)]
        column = task.others().select(names)
        if missing := missing_counts(column)[names[0]]:
            raise DataError(
                f"{self.id}: {missing} values of '{names[0]}' in the task '{task.id}' are missing, and have no place in time."
            )
        ordinal = kind(column.schema[names[0]]) == "categorical"
        values = task.codes(names[0]) if ordinal else column.get_column(names[0]).to_numpy()
        return np.unique(values, return_inverse=True)[1].reshape(-1).astype(np.int64)
