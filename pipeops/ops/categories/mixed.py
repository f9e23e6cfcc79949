"""encodelmer: categories as the intercepts of a model with random ones.

Neighbours: `impact` has the other encodings by the target, and the base.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from pipeops.data.columns import codes_of, levels_of
from pipeops.data.levels import from_codes
from pipeops.data.supervised import TaskClassif
from pipeops.data.task import Task
from pipeops.ops.base import Frame, Series, one_target, operator
from pipeops.ops.categories.impact import ByTarget
from pipeops.params import flag
from pipeops.shorthand import po

Values = npt.NDArray[np.float64]


@po.add("encodelmer")
@operator
class EncodeLmer(ByTarget):
    """Encode categories by what a model with a random intercept for each of them says of the target.

    Regression, `<column>`: the mean of the level, shrunk towards that of all, by REML. Two classes, `<column>`: the log odds of
    the second one, by Laplace's approximation; more: `<column>.<class>`, each against the others. Levels with few rows shrink
    most. Missing and unseen levels are missing. fast_optim: search to a lower precision. Source: Bates and others, Fitting linear
    mixed-effects models using lme4, Journal of Statistical Software 67 (2015).

    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"f": ["a", "a", "b", "b"], "y": [1.0, 3.0, 7.0, 9.0]}, target="y")
    >>> po("encodelmer").train([task])[0][0].matrix("float64").ravel().round(2).tolist()
    [2.17, 2.17, 7.83, 7.83]
    """

    fast_optim: bool = flag(True)

    def seen_target(self, task: Task) -> Series:
        """The classes as categories in the task's order; numbers of a regression task as they are."""
        series = one_target(self, task).target_series()
        if not isinstance(task, TaskClassif):
            return series
        return from_codes(series.name, task.class_codes(), [str(label) for label in task.class_names], series.to_frame())

    def fit(self, frame: Frame, target: Series | None) -> dict[str, Any]:
        classes = None if target is None or target.dtype.is_numeric() else _present(target)
        learnt: dict[str, Any] = {}
        for column in frame.iter_columns():
            levels = levels_of(column)
            codes = codes_of(column, levels)
            names = [column.name] if classes is None or len(classes) < 3 else [f"{column.name}.{label}" for label in classes]
            table = np.column_stack([self._fitted(codes, len(levels), y) for y in _targets(target, classes)])
            learnt[column.name] = {"levels": levels, "names": names, "table": np.vstack([table, np.full(len(names), np.nan)])}
        return learnt

    def _fitted(self, codes: Any, k: int, y: Any) -> Values:
        """A coefficient for each level; the common one for those without rows."""
        there = codes >= 0
        codes, y = codes[there], y[there]
        if not len(y):
            return np.full(k, np.nan)
        sizes, sums = np.bincount(codes, minlength=k), np.bincount(codes, y, k)
        precision = 1e-6 if self.fast_optim else 1e-10
        rule = laplace if y.dtype == bool else reml
        return rule(sizes.astype(np.float64), sums.astype(np.float64), float((y.astype(np.float64) ** 2).sum()), precision)


def _present(target: Series) -> list[str]:
    """The classes that some row has, in their order."""
    levels = levels_of(target)
    codes = codes_of(target, levels)
    return [level for k, level in enumerate(levels) if (codes == k).any()]


def _targets(target: Series | None, classes: list[str] | None) -> list[Any]:
    """The target as numbers, or as whether it is a class: the second of two, each of more."""
    if target is None:
        return [np.zeros(0)]
    if classes is None:
        return [target.to_numpy().astype(np.float64)]
    codes = codes_of(target, classes)
    return [codes == k for k in range(len(classes))] if len(classes) > 2 else [codes == 1]


def reml(sizes: Values, sums: Values, squares: float, precision: float) -> Values:
    """Intercepts of groups by restricted maximum likelihood, from their sizes, sums, and the sum of all squares."""
    from scipy.optimize import minimize_scalar

    has, n = sizes > 0, sizes.sum()
    size, mean = sizes[has], sums[has] / sizes[has]
    within = max(squares - float(size @ mean**2), 0.0)
    spread = float(np.ptp(mean)) if len(mean) else 0.0
    if spread == 0:
        return np.full(len(sizes), mean[0])

    def center(ratio: float) -> float:
        weight = size / (1 + size * ratio)
        return float(weight @ mean / weight.sum())

    def deviance(log_ratio: float) -> float:
        ratio = np.exp(log_ratio)
        weight = size / (1 + size * ratio)
        rest = within + weight @ (mean - center(ratio)) ** 2
        return (n - 1) * np.log(rest) + np.log1p(size * ratio).sum() + np.log(weight.sum())

    found: Any = minimize_scalar(deviance, bounds=(-30, 30), method="bounded", options={"xatol": precision})
    ratio = float(np.exp(found.x)) if found.fun < deviance(-60) else 0.0
    mu, made = center(ratio), np.full(len(sizes), center(ratio))
    made[has] = mu + size * ratio / (1 + size * ratio) * (mean - mu)
    return made


def laplace(sizes: Values, hits: Values, squares: float, precision: float) -> Values:
    """Log odds of groups by Laplace's approximation of the likelihood, from their sizes and numbers of hits."""
    from scipy.optimize import minimize

    share = (hits.sum() + 0.5) / (sizes.sum() + 1)
    if hits.sum() in (0, sizes.sum()):
        return np.full(len(sizes), np.log(share / (1 - share)))

    def deviance(at: Values) -> float:
        mu, sigma = at
        u = _modes(sizes, hits, mu, sigma)
        eta = mu + sigma * u
        p = 1 / (1 + np.exp(-eta))
        loglik = hits @ eta - sizes @ np.logaddexp(0, eta) - u @ u / 2 - np.log1p(sigma**2 * sizes * p * (1 - p)).sum() / 2
        return -2 * float(loglik)

    common = np.log(hits.sum() / (sizes.sum() - hits.sum()))  # the best one where groups do not differ
    options = {"xatol": precision, "fatol": precision, "maxiter": 2000}
    found: Any = minimize(
        deviance, [np.log(share / (1 - share)), 1.0], method="Nelder-Mead", bounds=[(-30, 30), (0, 30)], options=options
    )
    mu, sigma = found.x if found.fun < deviance(np.array([common, 0.0])) else (common, 0.0)
    return mu + sigma * _modes(sizes, hits, mu, sigma)


def _modes(sizes: Values, hits: Values, mu: float, sigma: float) -> Values:
    """The most likely standardized intercept of each group, by Newton's method.

    Steps of log odds are at most 1: within that distance curvatures differ so little that no step overshoots for ever.
    """
    u, longest = np.zeros(len(sizes)), 1 / max(sigma, 0.5)
    for _ in range(200):
        p = 1 / (1 + np.exp(-(mu + sigma * u)))
        step = (sigma * (hits - sizes * p) - u) / (1 + sigma**2 * sizes * p * (1 - p))
        u = u + np.clip(step, -longest, longest)
        if np.abs(step).max(initial=0) < 1e-10:
            break
    return u
