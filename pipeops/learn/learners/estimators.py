"""What one must know of scikit-learn estimators: their hyperparameters, and how a fitted one is saved without pickle.

Hyperparameters come from the constructor; kinds and ranges from the constraints that scikit-learn declares, where these
say one thing. A fitted estimator is saved by its class, its constructor arguments and its fitted attributes, as long as
all of them are plain data, arrays or further estimators. Neighbours: params and saving below; sklearn_learner above.
"""

import inspect
from collections.abc import Mapping
from functools import cache
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from pipeops.errors import FormatError
from pipeops.params import UNSET, Param, Setting

Array = npt.NDArray[Any]

REFITTED = ("KNeighborsClassifier", "KNeighborsRegressor")
"""Estimators that memorise their data, and are fitted again when loaded."""


def settings(estimator: Any, usual: Mapping[str, Any]) -> dict[str, Setting]:
    """The hyperparameters of an estimator and of those within it (`inner__C`); `usual` overrides defaults."""
    declared = hyperparameters(type(estimator)).copy()
    declared |= {name: attrs.evolve(declared[name], default=value) for name, value in usual.items()}
    values = estimator.get_params(deep=True)
    return {name: Setting(declared.get(name) or Param("anything", default=value), value) for name, value in values.items()}


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


def to_plain(estimator: Any) -> dict[str, Any]:
    """Class, constructor arguments and fitted attributes; `FormatError` where something in it is not plain data."""
    arguments = estimator.get_params(deep=False)
    fitted = {name: value for name, value in vars(estimator).items() if name not in arguments}
    plain = {"class": type(estimator), "arguments": _plain(arguments)}
    if type(estimator).__name__ in REFITTED and "_fit_X" in fitted:
        y = fitted["_y"] if "classes_" not in fitted else fitted["classes_"][fitted["_y"]]
        return {**plain, "refit": [fitted["_fit_X"], y]}
    return {**plain, "fitted": _plain(fitted)}


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _one(value) for name, value in values.items()}


def _one(value: Any) -> Any:
    if hasattr(value, "get_params") and not isinstance(value, type):
        return {"estimator": to_plain(value)}
    if isinstance(value, list | tuple) and any(hasattr(v, "get_params") or isinstance(v, list | tuple) for v in value):
        return type(value)(_one(v) for v in value)
    if type(value).__module__.startswith("scipy.sparse"):
        raise FormatError("save: a sparse matrix cannot be saved; use dense data.")
    return value


def from_plain(plain: Mapping[str, Any]) -> Any:
    """The estimator that `to_plain` was given. Only estimator classes are constructed."""
    cls = plain["class"]
    if not (isinstance(cls, type) and hasattr(cls, "get_params") and hasattr(cls, "fit")):
        raise FormatError(f"load: {cls!r} is no estimator.")
    estimator = cls(**_restored(plain["arguments"]))
    if "refit" in plain:
        return estimator.fit(*plain["refit"])
    for name, value in _restored(plain["fitted"]).items():
        setattr(estimator, name, value)
    return estimator


def _restored(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _back(value) for name, value in values.items()}


def _back(value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"estimator"}:
        return from_plain(value["estimator"])
    if isinstance(value, list | tuple):
        return type(value)(_back(v) for v in value)
    return value


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
