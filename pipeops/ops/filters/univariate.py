"""Filters that look at one feature at a time: anova, kruskal_test, auc, correlation, variance, information_gain.

Neighbours: `base` below; `combined` has those that look at all features at once.
"""

from typing import Any, ClassVar

import numpy as np

from pipeops.data.task import Task
from pipeops.errors import DataError
from pipeops.ops.filters.base import Array, Filter, matrix, scorer
from pipeops.params import choice, flag, integer
from pipeops.shorthand import flt


@flt.add("anova")
@scorer
class Anova(Filter):
    """How surely the means of a numeric feature differ between classes: minus log10 of the p value of the F test.

    >>> from pipeops import flt, tsk
    >>> {name: round(score, 1) for name, score in flt("anova").calculate(tsk("iris")).items()}
    {'Petal.Length': 90.5, 'Petal.Width': 84.4, 'Sepal.Length': 30.8, 'Sepal.Width': 16.3}
    """

    task_types: ClassVar[tuple[str, ...]] = ("classif",)

    def scores(self, task: Task) -> Any:
        from scipy.stats import f_oneway

        return [_surprise(f_oneway, groups) for groups in _groups(task)]


@flt.add("kruskal_test")
@scorer
class KruskalTest(Filter):
    """How surely the ranks of a numeric feature differ between classes: minus log10 of the p value of Kruskal and Wallis (1952).

    Missing values are left out; a feature that a class has no value of gets no score.

    >>> from pipeops import flt, tsk
    >>> list(flt("kruskal_test").calculate(tsk("iris")))
    ['Petal.Width', 'Petal.Length', 'Sepal.Length', 'Sepal.Width']
    """

    task_types: ClassVar[tuple[str, ...]] = ("classif",)
    takes_missing: ClassVar[bool] = True

    def scores(self, task: Task) -> Any:
        return [self._score([x[~np.isnan(x)] for x in groups]) for groups in _groups(task)]

    def _score(self, groups: list[Array]) -> float:
        from scipy.stats import kruskal

        if not all(map(len, groups)):
            return float("nan")
        return _surprise(kruskal, groups) if np.ptp(np.concatenate(groups)) else 0.0


def _groups(task: Any) -> list[list[Array]]:
    """For each feature its values by class, classes without rows left out."""
    codes, x = task.class_codes(), matrix(task)
    present = np.unique(codes)
    if len(present) < 2:
        raise DataError(f"flt: the rows of the task '{task.id}' have one class only; scores compare several.")
    return [[column[codes == k] for k in present] for column in x.T]


def _surprise(test: Any, groups: list[Array]) -> float:
    import warnings

    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scipy warns of constant features, whose p value is NaN
        return float(-np.log10(test(*groups).pvalue))


@flt.add("auc")
@scorer
class AUC(Filter):
    """How well a numeric feature alone ranks two classes: how far its area under the ROC curve is from one half.

    Missing values are left out.

    >>> from pipeops import as_task_classif, flt
    >>> task = as_task_classif({"a": [1, 2, 3, 4], "b": [1, 4, 2, 3], "y": ["n", "n", "p", "p"]}, target="y")
    >>> flt("auc").calculate(task)
    {'a': 0.5, 'b': 0.0}
    """

    task_types: ClassVar[tuple[str, ...]] = ("classif",)
    two_classes: ClassVar[bool] = True
    takes_missing: ClassVar[bool] = True

    def scores(self, task: Any) -> Any:
        positive = task.class_codes() == 0
        return [self._score(positive[known], x[known]) for x in matrix(task).T for known in [~np.isnan(x)]]

    def _score(self, positive: Any, x: Array) -> float:
        from scipy.stats import rankdata

        n, m = int(positive.sum()), int((~positive).sum())
        return abs(0.5 - (rankdata(x)[positive].sum() - n * (n + 1) / 2) / (n * m)) if n and m else 0.0


@flt.add("correlation")
@scorer
class Correlation(Filter):
    """The absolute correlation of a numeric feature with the target of a regression.

    method: pearson, spearman (of ranks) or kendall. use: "everything" gives a feature with missing values no score,
    "pairwise.complete.obs" leaves their rows out, "complete.obs" the rows in which any feature is missing.

    >>> from pipeops import as_task_regr, flt
    >>> task = as_task_regr({"a": [1, 2, 3, 5], "b": [4, 3, 2, 1], "y": [1, 2, 3, 4]}, target="y")
    >>> {name: round(score, 2) for name, score in flt("correlation").calculate(task).items()}
    {'b': 1.0, 'a': 0.98}
    """

    task_types: ClassVar[tuple[str, ...]] = ("regr",)
    takes_missing: ClassVar[bool] = True

    method: str = choice("pearson", "kendall", "spearman", default="pearson")
    use: str = choice("everything", "complete.obs", "pairwise.complete.obs", default="everything")

    def scores(self, task: Task) -> Any:
        from scipy import stats

        measure: Any = {"pearson": stats.pearsonr, "kendall": stats.kendalltau, "spearman": stats.spearmanr}[self.method]
        x, y = matrix(task), np.asarray(task.truth(), dtype=np.float64)
        whole = ~np.isnan(x).any(axis=1) if self.use == "complete.obs" else np.ones(len(x), dtype=bool)
        known = [whole & ~np.isnan(c) if self.use != "everything" else whole for c in x.T]
        return [self._score(measure, c[rows], y[rows]) for c, rows in zip(x.T, known, strict=True)]

    def _score(self, measure: Any, x: Array, y: Array) -> float:
        if len(x) < 2 or np.isnan(x).any() or not np.ptp(x) or not np.ptp(y):
            return float("nan")
        return abs(float(measure(x, y).statistic))


@flt.add("variance")
@scorer
class Variance(Filter):
    """The variance of a numeric feature. na_rm: leave missing values out instead of refusing them.

    >>> from pipeops import as_task_regr, flt
    >>> task = as_task_regr({"a": [1.0, 2.0, 3.0], "b": [0.0, 4.0, None], "y": [1, 2, 3]}, target="y")
    >>> flt("variance").calculate(task)
    {'b': 8.0, 'a': 1.0}
    """

    needs_target: ClassVar[bool] = False

    na_rm: bool = flag(True)

    @property
    def takes_missing(self) -> bool:  # type: ignore[override]
        """Whether missing values are left out."""
        return self.na_rm

    def scores(self, task: Task) -> Any:
        known = [x[~np.isnan(x)] for x in matrix(task).T]
        return [float(np.var(x, ddof=1)) if len(x) > 1 else np.nan for x in known]


@flt.add("information_gain")
@scorer
class InformationGain(Filter):
    """The mutual information of a feature and the target, in nats: how much one says about the other.

    Numbers are compared through nearest neighbours (Ross, PLoS ONE 9, 2014; Kraskov and others, Phys. Rev. E 69, 2004) by
    scikit-learn; categories are counted. n_neighbors: how many. seed: of the noise that breaks ties among neighbours.

    >>> from pipeops import flt, tsk
    >>> list(flt("information_gain").calculate(tsk("iris")))[-1]
    'Sepal.Width'
    """

    kinds: ClassVar[tuple[str, ...]] = ("numeric", "boolean", "categorical")

    n_neighbors: int = integer(1, default=3)
    seed: int = integer(0, default=0)

    def scores(self, task: Any) -> Any:
        from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

        x, kinds = matrix(task), task.feature_types
        discrete = np.array([kinds[name] != "numeric" for name in task.feature_names])
        if task.nrow <= self.n_neighbors:
            return np.full(x.shape[1], np.nan)
        rules: Any = {"classif": mutual_info_classif, "regr": mutual_info_regression}
        y = task.class_codes() if task.task_type == "classif" else task.truth()
        more = {"n_neighbors": self.n_neighbors, "random_state": self.seed}
        return rules[task.task_type](x, y, discrete_features=discrete, **more)
