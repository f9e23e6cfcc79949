"""Filters that look at all features at once: find_correlation, importance, relief.

Neighbours: `base` below; `univariate` has those that look at one feature at a time.
"""

from typing import Any, ClassVar

import numpy as np

from pipeops.data.columns import KINDS
from pipeops.data.task import Task
from pipeops.errors import ConfigError, DataError
from pipeops.graph.learner_node import HoldsLearner
from pipeops.learn.learner import Learner
from pipeops.ops.filters.base import Array, Filter, matrix, scorer
from pipeops.params import Setting, choice, integer
from pipeops.shorthand import flt, lrn


@flt.add("find_correlation")
@scorer
class FindCorrelation(Filter):
    """How little a numeric feature repeats others: one minus its largest correlation with a feature that repeats less.

    Of two correlated features, the one that has the larger mean correlation with all is the worse. A cutoff of 1 - c leaves no
    pair correlated above c. method: pearson, spearman (of ranks) or kendall.

    >>> from pipeops import flt, tsk
    >>> {name: round(score, 2) for name, score in flt("find_correlation").calculate(tsk("iris")).items()}
    {'Sepal.Width': 1.0, 'Sepal.Length': 0.88, 'Petal.Width': 0.18, 'Petal.Length': 0.04}
    """

    needs_target: ClassVar[bool] = False

    method: str = choice("pearson", "kendall", "spearman", default="pearson")

    def scores(self, task: Task) -> Any:
        r = np.abs(self._correlations(matrix(task)))
        order = np.argsort(-r.mean(axis=0), kind="stable")
        lower = np.tril(r[np.ix_(order, order)], k=-1)
        found = np.empty(len(order))
        found[order] = 1 - lower.max(axis=0)
        return found

    def _correlations(self, x: Array) -> Array:
        from scipy import stats

        if self.method == "kendall":
            tau: Any = stats.kendalltau
            pairs = [[tau(a, b).statistic for a in x.T] for b in x.T]
            return np.asarray(pairs, dtype=np.float64)
        ranks = x if self.method == "pearson" else np.apply_along_axis(stats.rankdata, 0, x)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.atleast_2d(np.corrcoef(ranks, rowvar=False)) if len(x) > 1 else np.full((x.shape[1],) * 2, np.nan)


@flt.add("importance")
@scorer
class LearnerImportance(HoldsLearner, Filter):
    """What a learner says of its features: the importances of trees, or the absolute coefficients of a linear model.

    learner: is copied and trained on the task; its hyperparameters are the filter's. Coefficients are compared as they are, so
    that features of different units should be scaled before; of several classes the mean counts.

    >>> from pipeops import flt, lrn, tsk
    >>> list(flt("importance", lrn("classif.tree", random_state=0)).calculate(tsk("iris")))[:2]
    ['Petal.Width', 'Petal.Length']
    """

    kinds: ClassVar[tuple[str, ...]] = KINDS
    example: ClassVar[Any] = staticmethod(lambda: {"learner": lrn("classif.tree", random_state=0)})

    learner: Learner

    def __init__(self, learner: Any):
        from pipeops.graph.graph_learner import as_learner

        self.__attrs_init__(learner=as_learner(learner).clone())  # type: ignore[attr-defined]

    @property
    def task_types(self) -> tuple[str, ...]:  # type: ignore[override]
        """That of the learner."""
        return (str(self.learner.task_type),)

    @property
    def takes_missing(self) -> bool:  # type: ignore[override]
        """Whether the learner does."""
        return self.learner.takes_missing

    def own_params(self) -> dict[str, Setting]:
        """None beside those of the learner."""
        return {}

    def scores(self, task: Task) -> Any:
        trained = self.learner.clone().train(task)
        found = importances(trained)
        return [found.get(name, 0.0) for name in task.feature_names]

    def __repr__(self) -> str:
        return f'flt("importance", {self.learner!r})'


def importances(learner: Learner) -> dict[str, float]:
    """Importance of each feature of a trained learner over one scikit-learn estimator; refused for others."""
    try:
        return learner.importance()  # type: ignore[attr-defined]
    except (AttributeError, DataError):
        raise ConfigError(f'flt("importance"): {learner.id} says nothing of its features; trees and linear models do.') from None


@flt.add("relief")
@scorer
class Relief(Filter):
    """How much a feature differs between near rows of different targets rather than of like ones (Kononenko 1994).

    ReliefF for classes, RReliefF for numbers (Robnik-Sikonja and Kononenko, Machine Learning 53, 2003). neighboursCount: nearest
    rows of each class that a row is compared with. sampleSize: how many rows are, drawn by seed.

    >>> from pipeops import as_task_classif, flt
    >>> x = [k % 7 for k in range(20)]
    >>> task = as_task_classif({"x": x, "z": [k // 10 for k in range(20)], "y": ["a"] * 10 + ["b"] * 10}, target="y")
    >>> list(flt("relief").calculate(task))
    ['z', 'x']
    """

    kinds: ClassVar[tuple[str, ...]] = ("numeric", "boolean", "categorical")

    neighboursCount: int = integer(1, default=5)  # noqa: N815 - the reference's name
    sampleSize: int = integer(1, default=10)  # noqa: N815 - the reference's name
    seed: int = integer(0, default=0)

    def scores(self, task: Any) -> Any:
        x, kinds = matrix(task), task.feature_types
        nominal = np.array([kinds[name] == "categorical" for name in task.feature_names])
        span = np.ptp(x, axis=0)
        x = x / np.where(nominal | (span == 0), 1.0, span)
        drawn = np.random.default_rng(self.seed).permutation(task.nrow)[: self.sampleSize]
        if task.nrow < 2:
            return np.full(x.shape[1], np.nan)
        score = self._classes if task.task_type == "classif" else self._numbers
        return score(x, nominal, np.sort(drawn), task.class_codes() if task.task_type == "classif" else task.truth())

    def _nearest(self, differences: Array, rows: Any) -> Any:
        """The nearest of these rows, by the sum of their differences."""
        order = np.argsort(differences[rows].sum(axis=1), kind="stable")
        return rows[order[: self.neighboursCount]]

    def _classes(self, x: Array, nominal: Any, drawn: Any, codes: Any) -> Array:
        weights, shares = np.zeros(x.shape[1]), np.bincount(codes) / len(codes)
        for row in drawn:
            differences = _differences(x, x[row], nominal)
            for k in np.unique(codes):
                near = self._nearest(differences, np.flatnonzero((codes == k) & (np.arange(len(x)) != row)))
                own = k == codes[row]
                factor = -1.0 if own else shares[k] / (1 - shares[codes[row]])
                weights += factor * differences[near].mean(axis=0) if len(near) else 0.0
        return weights / len(drawn)

    def _numbers(self, x: Array, nominal: Any, drawn: Any, y: Array) -> Array:
        span = float(np.ptp(y)) or 1.0
        target, each, both = 0.0, np.zeros(x.shape[1]), np.zeros(x.shape[1])
        for row in drawn:
            differences = _differences(x, x[row], nominal)
            near = self._nearest(differences, np.flatnonzero(np.arange(len(x)) != row))
            apart = np.abs(y[near] - y[row]) / span / len(near)
            target += apart.sum()
            each += differences[near].mean(axis=0)
            both += apart @ differences[near]
        with np.errstate(invalid="ignore", divide="ignore"):
            return both / target - (each - both) / (len(drawn) - target)


def _differences(x: Array, row: Array, nominal: Any) -> Array:
    """How far each row is from one, by feature, from 0 to 1."""
    return np.where(nominal, x != row, np.abs(x - row))
