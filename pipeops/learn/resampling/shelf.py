"""The shelf of resamplings: holdout, cross-validation and its kin, and sets of one's own.

Each draws as mlr3 does, so set sizes agree: `round(ratio * n)` with half to even, folds that differ by at most one with
the larger ones first, strata with their shares, groups never cut. Neighbours: base and splits (the machinery) below.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import attrs
import narwhals as nw
import numpy as np

from pipeops.data import Task
from pipeops.data.columns import codes_of, levels_of
from pipeops.errors import ConfigError, DataError, PipeOpsError
from pipeops.learn.resampling.base import Drawn, Listed
from pipeops.learn.resampling.splits import SLACK, IntArray, Units, dealt, rounded
from pipeops.params import anything, integer, real
from pipeops.shorthand import rsmp

Planned = tuple[list[IntArray], list[IntArray], Sequence[Mapping[str, Any]]]


C = TypeVar("C", bound=type)


def resampling(cls: C) -> C:
    """Class decorator: an immutable attrs class whose annotated fields are its hyperparameters."""
    return attrs.frozen(eq=False, repr=False, kw_only=True, slots=False)(cls)


def _ratio_draws(among: Units, ratio: float, repeats: int, rng: np.random.Generator) -> IntArray:
    """A row for each repeat with 1 for what was drawn."""
    if among.counts is not None:
        counts = among.counts[among.items]
        return np.stack([dealt(counts, (ratio, 1 - ratio), rng) == 0 for _ in range(repeats)]).astype(np.int64)
    drawn = []
    for part, size in zip(among.strata, rounded(ratio, among.strata, rng), strict=True):
        ranks = rng.random((repeats, len(part))).argsort(axis=1).argsort(axis=1)
        drawn.append(ranks < size)
    return np.concatenate(drawn, axis=1).astype(np.int64)


def _fold_draws(among: Units, folds: int, repeats: int, rng: np.random.Generator) -> IntArray:
    """A row for each repeat with the fold of each item.

    Each stratum begins with the first fold, as in mlr3, or where that makes folds too unequal where the last one ended.
    """
    if among.counts is not None:
        return np.stack([dealt(among.counts[among.items], [1 / folds] * folds, rng) for _ in range(repeats)])
    cards = [np.arange(len(part)) % folds for part in among.strata]
    dealt_out = np.bincount(np.concatenate(cards), minlength=folds)
    if (abs(dealt_out - len(among.items) / folds) >= SLACK).any() or not dealt_out.all():
        cards = np.split(np.arange(len(among.items)) % folds, np.cumsum([len(part) for part in among.strata])[:-1])
    return np.stack([np.concatenate([rng.permutation(part) for part in cards]) for _ in range(repeats)])


@rsmp.add("holdout")
@resampling
class Holdout(Drawn):
    """Train once on a share `ratio` of the rows, test on the rest.

    >>> from pipeops import rsmp, tsk
    >>> rsmp("holdout", ratio=0.5).instantiate(tsk("iris"), seed=1)
    rsmp("holdout", ratio=0.5), instantiated on 'iris':
     iteration train test
             0    75   75
    """

    ratio: float = real(0, 1, default=2 / 3)

    @property
    def iters(self) -> int:
        return 1

    def draw(self, among: Units, rng: np.random.Generator) -> IntArray:
        return _ratio_draws(among, self.ratio, 1, rng)

    def times(self, drawn: IntArray, i: int) -> IntArray:
        return drawn[i]


@rsmp.add("subsampling")
@resampling
class Subsampling(Drawn):
    """Holdout `repeats` times over.

    >>> from pipeops import rsmp
    >>> rsmp("subsampling", repeats=5).iters
    5
    """

    ratio: float = real(0, 1, default=2 / 3)
    repeats: int = integer(1, default=30)

    @property
    def iters(self) -> int:
        return self.repeats

    def draw(self, among: Units, rng: np.random.Generator) -> IntArray:
        return _ratio_draws(among, self.ratio, self.repeats, rng)

    def times(self, drawn: IntArray, i: int) -> IntArray:
        return drawn[i]


@rsmp.add("cv")
@resampling
class CV(Drawn):
    """Cross-validation: each of `folds` parts is the test set once, the others train.

    >>> from pipeops import rsmp, tsk
    >>> cv = rsmp("cv", folds=3).instantiate(tsk("iris"), seed=1)
    >>> len(cv.train_set(0)), len(cv.test_set(0))
    (100, 50)
    """

    folds: int = integer(2, default=10)

    @property
    def iters(self) -> int:
        return self.folds

    def draw(self, among: Units, rng: np.random.Generator) -> IntArray:
        return _fold_draws(among, self.folds, 1, rng)

    def times(self, drawn: IntArray, i: int) -> IntArray:
        return drawn[0] != i


@rsmp.add("repeated_cv")
@resampling
class RepeatedCV(Drawn):
    """Cross-validation `repeats` times over, repeat by repeat.

    >>> from pipeops import rsmp
    >>> rsmp("repeated_cv", folds=5, repeats=2).iters
    10
    """

    folds: int = integer(2, default=10)
    repeats: int = integer(1, default=10)

    @property
    def iters(self) -> int:
        return self.folds * self.repeats

    def draw(self, among: Units, rng: np.random.Generator) -> IntArray:
        return _fold_draws(among, self.folds, self.repeats, rng)

    def times(self, drawn: IntArray, i: int) -> IntArray:
        return drawn[i // self.folds] != i % self.folds

    def _details(self) -> Sequence[Mapping[str, Any]]:
        return [{"repeat": r, "fold": f} for r in range(self.repeats) for f in range(self.folds)]


@rsmp.add("bootstrap")
@resampling
class Bootstrap(Drawn):
    """Train on `ratio * n` rows drawn with replacement, test on those that were not drawn; `repeats` times.

    >>> from pipeops import rsmp, tsk
    >>> boot = rsmp("bootstrap", repeats=2).instantiate(tsk("iris"), seed=1)
    >>> len(boot.train_set(0))
    150
    """

    ratio: float = real(0, 1, default=1)
    repeats: int = integer(1, default=30)

    @property
    def iters(self) -> int:
        return self.repeats

    def draw(self, among: Units, rng: np.random.Generator) -> IntArray:
        sizes, drawn = rounded(self.ratio, among.strata, rng), []
        for _ in range(self.repeats):
            parts = zip(among.strata, sizes, strict=True)
            drawn.append([np.bincount(rng.integers(len(s), size=size), minlength=len(s)) for s, size in parts])
        return np.stack([np.concatenate(each) for each in drawn])

    def times(self, drawn: IntArray, i: int) -> IntArray:
        return drawn[i]


@rsmp.add("loo")
@resampling
class LOO(Drawn):
    """Leave one out: each row (or each group) is the test set once.

    >>> from pipeops import rsmp, tsk
    >>> rsmp("loo").instantiate(tsk("iris")).iters
    150
    """

    @property
    def iters(self) -> int:
        return self._instance().drawn.shape[1]

    def draw(self, among: Units, rng: np.random.Generator) -> IntArray:
        return np.zeros((1, len(among.items)), dtype=np.int64)

    def times(self, drawn: IntArray, i: int) -> IntArray:
        return np.arange(drawn.shape[1]) != i


@rsmp.add("insample")
@resampling
class Insample(Listed):
    """Train and test on all rows.

    >>> from pipeops import rsmp, tsk
    >>> len(rsmp("insample").instantiate(tsk("iris")).test_set(0))
    150
    """

    def sets(self, task: Task, rng: np.random.Generator) -> Planned:
        return [task.row_ids], [task.row_ids], ()


@rsmp.add("custom")
@resampling
class Custom(Listed):
    """Sets of one's own: lists of row ids, or of masks with a boolean for each row, as many training as test sets.

    >>> from pipeops import rsmp, tsk
    >>> rsmp("custom", train_sets=[[0, 1, 60]], test_sets=[[2, 70]]).instantiate(tsk("iris")).test_set(0).tolist()
    [2, 70]
    """

    train_sets: Any = anything(())
    test_sets: Any = anything(())

    def __attrs_post_init__(self) -> None:
        n, m = len(self.train_sets), len(self.test_sets)
        if n != m or not n:
            raise ConfigError(f"{self.id}: needs as many test sets as training sets, got {n} training and {m} test sets.")

    def sets(self, task: Task, rng: np.random.Generator) -> Planned:
        return [self._known(s, task) for s in self.train_sets], [self._known(s, task) for s in self.test_sets], ()

    def _known(self, rows: Any, task: Task) -> IntArray:
        try:
            return task.filter(rows).row_ids
        except PipeOpsError as error:
            error.add_note(f"in the sets of the resampling '{self.id}'")
            raise


@rsmp.add("custom_cv")
@resampling
class CustomCV(Listed):
    """Cross-validation with a fold for each value of a column (`col`) or of labels of one's own (`f`, one for each row).

    Rows whose label is missing are left out.

    >>> from pipeops import as_task_regr, rsmp
    >>> task = as_task_regr({"x": [1, 2, 3, 4], "y": [0.0, 1.0, 2.0, 3.0]}, target="y")
    >>> rsmp("custom_cv", f=["a", "a", "b", None]).instantiate(task).train_set(0).tolist()
    [2]
    """

    col: str | None = anything(None)
    f: Any = anything(None)

    def __attrs_post_init__(self) -> None:
        if (self.col is None) == (self.f is None):
            raise ConfigError(f"{self.id}: give either col=, a column of the task, or f=, one label for each row.")

    def sets(self, task: Task, rng: np.random.Generator) -> Planned:
        codes = task.codes(self.col) if self.col is not None else self._codes(task)
        folds = [code for code in np.unique(codes).tolist() if code >= 0]
        if len(folds) < 2:
            raise DataError(f"{self.id}: needs two or more different labels to make folds, got {len(folds)}.")
        train = [task.row_ids[(codes != fold) & (codes >= 0)] for fold in folds]
        return train, [task.row_ids[codes == fold] for fold in folds], ()

    def _codes(self, task: Task) -> IntArray:
        labels = nw.from_native(self.f, series_only=True, pass_through=True)
        if not isinstance(labels, nw.Series):
            labels = nw.new_series("f", np.asarray(self.f).tolist(), backend="polars")
        if len(labels) != task.nrow:
            raise DataError(f"{self.id}: 'f' has {len(labels)} labels for the {task.nrow} rows of the task '{task.id}'.")
        return codes_of(labels, levels_of(labels))
