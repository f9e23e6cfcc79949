"""What one must know of scikit-learn estimators: their hyperparameters, and what is done to them after fitting.

Hyperparameters come from the constructor; kinds and ranges from the constraints that scikit-learn declares, where these
say one thing. Neighbours: params below; listed (how they are saved) beside it; sklearn_learner above.
"""

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar

import attrs
import numpy as np
import numpy.typing as npt

from pipeops.errors import ConfigError, PipeOpsError, TrainingError
from pipeops.params import UNSET, Param, Setting

Array = npt.NDArray[Any]
R = TypeVar("R")


def settings(estimator: Any, usual: Mapping[str, Any]) -> dict[str, Setting]:
    """The hyperparameters of an estimator and of those within it (`inner__C`); `usual` overrides defaults."""
    declared = hyperparameters(type(estimator)).copy()
    declared |= {name: attrs.evolve(declared[name], default=value) for name, value in usual.items()}
    values = estimator.get_params(deep=True)
    return {name: Setting(declared.get(name) or Param("anything", default=value), value) for name, value in values.items()}


def guarded(who: str, what: str, action: Callable[[], R]) -> R:
    """What an action of scikit-learn answers ("fit", "predict", ...); its errors are told as ours."""
    try:
        return action()
    except PipeOpsError:
        raise
    except Exception as error:
        kind = ConfigError if type(error).__name__ == "InvalidParameterError" else TrainingError
        raise kind(f"{who}: scikit-learn could not {what}: {error}") from error


@cache
def hyperparameters(cls: type) -> dict[str, Param]:
    """The constructor's arguments as hyperparameters, by name; those that are deprecated are left out."""
    constraints = getattr(cls, "_parameter_constraints", {})
    arguments = [p for p in inspect.signature(cls).parameters.values() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    kept = [p for p in arguments if not (isinstance(p.default, str) and p.default == "deprecated")]
    return {p.name: _param(constraints.get(p.name, ()), UNSET if p.default is p.empty else p.default) for p in kept}


def _param(constraints: Any, default: Any) -> Param:
    """The kind and range, where one constraint (and perhaps None) is all there is."""
    named = [c for c in constraints if c is not None] if isinstance(constraints, list) else []
    none = isinstance(constraints, list) and None in constraints
    if len(named) != 1:
        return Param("anything", default=default)
    (one,) = named
    kind = type(one).__name__
    if one == "boolean":
        return Param("flag", default=default, none=none)
    if kind == "StrOptions":
        return Param("choice", options=tuple(sorted(one.options)), default=default, none=none)
    if kind == "Interval":
        whole = one.type.__name__ == "Integral"
        low, high = one.left, one.right
        return Param("integer" if whole else "real", _closed(low), _closed(high), default=default, none=none)
    return Param("anything", default=default)


def _closed(bound: Any) -> Any:
    """A bound that a `Param` can hold (infinite ones are none); scikit-learn itself refuses the ends of open intervals."""
    return None if bound is None or bound in (float("inf"), float("-inf")) else bound


def unbiased_lda(estimator: Any, x: Array, y: Array) -> None:
    """Give a fitted discriminant analysis the reference's pooled covariance: n - k in the denominator, not n."""
    classes, means, freedom = estimator.classes_, estimator.means_, len(x) - len(estimator.classes_)
    if estimator.solver != "svd" or freedom <= 0:
        return
    centered = x - means[np.searchsorted(classes, y)]
    spread = centered.std(axis=0)
    spread[spread == 0] = 1
    scaled, means = centered / spread, means / spread
    slopes = means @ np.linalg.pinv(scaled.T @ scaled / freedom)
    intercepts = np.log(estimator.priors_) - 0.5 * (slopes * means).sum(axis=1)
    coef = slopes / spread
    if len(classes) == 2:
        coef, intercepts = coef[1:] - coef[:1], intercepts[1:] - intercepts[:1]
    estimator.coef_, estimator.intercept_ = coef, intercepts


AFTER_FIT = {"classif.lda": unbiased_lda}
"""What is done to a fitted estimator of the shelf, by key, so that it is the algorithm of that name in mlr3."""


def loglik(estimator: Any, x: Array, y: Array, weights: Array | None) -> tuple[float, int, int] | None:
    """What `aic` and `bic` ask for: of least squares (errors normal, their variance a parameter), and of a logistic regression
    without penalty. None for others, and with weights, which have no one meaning here.
    """
    name = type(estimator).__name__
    if weights is not None or len(x) == 0:
        return None
    if name == "LinearRegression" and not estimator.positive and y.ndim == 1:
        n, variance = len(y), float(np.mean((y - estimator.predict(x)) ** 2))
        value = -n / 2 * (np.log(2 * np.pi * variance) + 1) if variance > 0 else float("inf")
        return float(value), x.shape[1] + bool(estimator.fit_intercept) + 1, n
    if name == "LogisticRegression" and np.isinf(estimator.C):
        places = np.searchsorted(estimator.classes_, y)
        value = float(estimator.predict_log_proba(x)[np.arange(len(y)), places].sum())
        return value, estimator.coef_.size + bool(estimator.fit_intercept) * estimator.coef_.shape[0], len(y)
    return None
