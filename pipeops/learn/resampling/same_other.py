"""same_other_cv (SOAK): does training on other subsets of the data help to predict on one?

Neighbours: resampling (the machinery) below; the rest of the shelf is in `resamplings`.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from pipeops.data import Task
from pipeops.learn.resampling.base import Listed
from pipeops.learn.resampling.shelf import resampling
from pipeops.learn.resampling.splits import IntArray
from pipeops.params import choice, flag, integer, real
from pipeops.shorthand import rsmp

TRAIN_SUBSETS = {"A": "all", "O": "other", "S": "same"}


class _Rows(NamedTuple):
    """What each row is: the subset, the group (or its own position), the stratum and the fold, as codes."""

    subset: IntArray
    labels: list[str]
    unit: IntArray
    stratum: IntArray
    fold: IntArray


@rsmp.add("same_other_cv")
@resampling
class SameOtherCV(Listed):
    """Cross-validation by subset: test on each fold of each subset (role `subset`), train on the other folds of the same
    subset, of all other subsets, or of all of them.

    folds: each has its share of every subset. subsets: which training sets: S(ame), O(ther), A(ll). sizes: -1 trains on
    all rows there are; 0 also on as many as the smallest of the training sets of a subset has; from 1 on also on `ratio`,
    `ratio ** 2`, … of that many, `sizes` times. seeds: how often smaller sets are drawn anew. ignore_subset: one subset.
    Source: Hocking et al. 2024, "SOAK: Same/Other/All K-fold cross-validation".

    >>> from pipeops import as_task_regr, rsmp
    >>> task = as_task_regr({"s": list("aabb"), "x": [1, 2, 3, 4], "y": [1.0, 2.0, 3.0, 4.0]}, target="y")
    >>> task = task.with_roles(subset="s")
    >>> rsmp("same_other_cv", folds=2, subsets="SO").instantiate(task, seed=1)
    rsmp("same_other_cv", folds=2, subsets="SO"), instantiated on 'task':
     iteration train.subsets test.fold test.subset seed n.train.groups train test
             0         other         0           a    0              1     1    1
             1         other         0           b    0              1     1    1
             2         other         1           a    0              1     1    1
             3         other         1           b    0              1     1    1
             4          same         0           a    0              1     1    1
             5          same         0           b    0              1     1    1
             6          same         1           a    0              1     1    1
             7          same         1           b    0              1     1    1
    """

    folds: int = integer(2, default=3)
    subsets: str = choice("S", "O", "A", "SO", "SA", "SOA", default="SOA")
    sizes: int = integer(-1, default=-1)
    ratio: float = real(0, 1, default=0.5)
    seeds: int = integer(1, default=1)
    ignore_subset: bool = flag(False)

    def sets(self, task: Task, rng: np.random.Generator) -> tuple[list[IntArray], list[IntArray], Sequence[Mapping[str, Any]]]:
        rows = self._rows(task, rng)
        available = self._available(rows)
        several = len(rows.labels) > 1
        kinds = [kind for letter, kind in TRAIN_SUBSETS.items() if letter in self.subsets] if several else ["same"]
        train, test, details = [], [], []
        for kind, fold, code in product(kinds, range(self.folds), range(len(rows.labels))):
            tested = task.row_ids[(rows.subset == code) & (rows.fold == fold)]
            pool = np.flatnonzero(_subset_mask(rows.subset, code, kind) & (rows.fold != fold))
            sizes = self._train_sizes({k: available[k][code] for k in kinds}, kind)
            for seed in range(self.seeds):
                quota = _quotas(rows, pool, sizes[0], rng)
                train += [task.row_ids[pool[quota <= size]] for size in sizes]
                test += [tested] * len(sizes)
                details += [_detail(kind, fold, rows.labels[code], seed, size) for size in sizes]
        return train, test, details

    def _rows(self, task: Task, rng: np.random.Generator) -> _Rows:
        subset, group, stratum = (task.role_codes(role) for role in ("subset", "group", "stratum"))
        zeros = np.zeros(task.nrow, dtype=np.int64)
        codes, labels = (zeros, ["full"]) if subset is None or self.ignore_subset else subset
        unit = np.unique(task.row_ids, return_inverse=True)[1].reshape(-1) if group is None else group[0]
        strata = zeros if stratum is None else stratum[0]
        fold = self._folds(codes, unit, strata, rng)
        return _Rows(codes, [_text(label) for label in labels], unit, strata, fold)

    def _folds(self, subset: IntArray, unit: IntArray, stratum: IntArray, rng: np.random.Generator) -> IntArray:
        """Folds of whole groups; each part (subset and stratum) is spread over them evenly."""
        first = np.unique(unit, return_index=True)[1]
        fold_of_unit = np.empty(len(first), dtype=np.int64)
        parts = np.stack([subset[first], stratum[first]], axis=1)
        for part in np.unique(parts, axis=0):
            where = np.flatnonzero((parts == part).all(axis=1))
            fold_of_unit[where] = rng.permutation(np.arange(len(where)) % self.folds)
        return fold_of_unit[unit]

    def _available(self, rows: _Rows) -> dict[str, list[int]]:
        """About how many groups there are to train on, by kind of training set and tested subset."""
        pairs = np.unique(np.stack([rows.subset, rows.unit], axis=1), axis=0)
        same = [int(n * (self.folds - 1) / self.folds) for n in np.bincount(pairs[:, 0])]
        return {"same": same, "all": [sum(same)] * len(same), "other": [sum(same) - n for n in same]}

    def _train_sizes(self, available: Mapping[str, int], kind: str) -> list[int]:
        """The numbers of groups to train on, the full one first."""
        own, least = available[kind], min(available.values())
        if self.sizes < 0:
            return [own]
        smaller = [int(least * self.ratio**k) for k in range(1, self.sizes + 1)] if self.sizes else [least]
        wanted = {*smaller, *(available.values() if self.sizes else ())}
        return sorted({own, *(size for size in wanted if 1 <= size <= own)}, reverse=True)


def _subset_mask(subset: IntArray, code: int, kind: str) -> np.ndarray:
    if kind == "all":
        return np.ones(len(subset), dtype=bool)
    return subset == code if kind == "same" else subset != code


def _quotas(rows: _Rows, pool: IntArray, largest: int, rng: np.random.Generator) -> np.ndarray:
    """For each row of the pool the size of training set from which on it is in, so that smaller sets lie within larger ones.

    Groups enter in random order, each stratum in proportion.
    """
    unit, first = np.unique(rows.unit[pool], return_index=True)
    stratum, quota = rows.stratum[pool][first], np.empty(len(unit))
    for code in np.unique(stratum):
        where = np.flatnonzero(stratum == code)
        quota[where] = largest * (rng.permutation(len(where)) + 1) / len(where)
    return quota[np.searchsorted(unit, rows.unit[pool])]


def _detail(kind: str, fold: int, label: str, seed: int, size: int) -> dict[str, Any]:
    return {"train.subsets": kind, "test.fold": fold, "test.subset": label, "seed": seed, "n.train.groups": size}


def _text(label: Any) -> str:
    return ".".join(map(str, label)) if isinstance(label, tuple) else str(label)
