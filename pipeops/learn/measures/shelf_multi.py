"""The shelf of measures of several targets: of numbers (`multiregr.`) the mean over the targets, and of labels (`multilabel.`).

scikit-learn's, with observation weights. What is undefined is NaN; the row says when.
Neighbours: measure (the machine) below; shelf_regr and shelf_classif have those of one target.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import attrs
import numpy as np

from pipeops.learn.measures.measure import INF, MeasureParams
from pipeops.learn.measures.measure_rows import row
from pipeops.params import choice

Array = np.ndarray
NAN = float("nan")
EPS = 1e-15
"""Probabilities in the log loss stay this far from 0 and 1."""


def _of_numbers(p: Any, fn: Callable[..., Any]) -> float:
    """The mean over the targets of `fn(truth, response, weights)`, which answers a number for each."""
    return float(np.mean(fn(p.truth.astype(np.float64), p.response.astype(np.float64), p.weights)))


def _mse(t: Array, r: Array, w: Array | None) -> Any:
    from sklearn.metrics import mean_squared_error

    return mean_squared_error(t, r, sample_weight=w, multioutput="raw_values")


def _rmse(t: Array, r: Array, w: Array | None) -> Any:
    return np.sqrt(_mse(t, r, w))


def _mae(t: Array, r: Array, w: Array | None) -> Any:
    from sklearn.metrics import mean_absolute_error

    return mean_absolute_error(t, r, sample_weight=w, multioutput="raw_values")


def _rsq(t: Array, r: Array, w: Array | None) -> Any:
    from sklearn.metrics import r2_score

    return NAN if (t == t[0]).all(axis=0).any() else r2_score(t, r, sample_weight=w, multioutput="raw_values")


def _hamming(p: Any) -> float:
    """By hand, since scikit-learn's takes a single label for classes."""
    return float(np.average((p.truth != p.response).mean(axis=1), weights=p.weights))


def _acc(p: Any) -> float:
    return float(np.average((p.truth == p.response).all(axis=1), weights=p.weights))


def _f1(p: Any, mean: Literal["macro", "micro"]) -> float:
    """By cells: scikit-learn's zeros for labels that are in neither truth nor response are NaN here."""
    weights = np.ones(len(p)) if p.weights is None else p.weights
    hits, wrong = weights @ (p.truth & p.response), weights @ (p.truth != p.response)
    if mean == "micro":
        hits, wrong = hits.sum(), wrong.sum()
    total = 2 * hits + wrong
    return float(np.mean(2 * hits / total)) if np.all(total) else NAN


def _logloss(p: Any) -> float:
    prob = np.clip(p.prob.astype(np.float64), EPS, 1 - EPS)
    return float(np.average(-np.log(np.where(p.truth, prob, 1 - prob)).mean(axis=1), weights=p.weights))


def _auc(p: Any) -> float:
    from sklearn.metrics import roc_auc_score

    if (p.truth == p.truth[0]).all(axis=0).any():
        return NAN
    return float(np.mean([roc_auc_score(t, s, sample_weight=p.weights) for t, s in zip(p.truth.T, p.prob.T, strict=True)]))


@attrs.frozen(kw_only=True, eq=False)
class F1Params(MeasureParams):
    """mean: "macro", the mean of the labels' scores, or "micro", the score of all rows and labels at once."""

    mean: str = choice("macro", "micro", default="macro")


for _key, _fn, _label, _range, _minimize, _undefined in (
    ("mse", _mse, "Mean Squared Error", (0, INF), True, ""),
    ("rmse", _rmse, "Root Mean Squared Error", (0, INF), True, ""),
    ("mae", _mae, "Mean Absolute Error", (0, INF), True, ""),
    ("rsq", _rsq, "R Squared", (-INF, 1), False, "the truth of a target is constant"),
):
    row(
        f"multiregr.{_key}",
        partial(_of_numbers, fn=_fn),
        f"Mean over Targets: {_label}",
        _range,
        _minimize,
        undefined=_undefined,
    )
row("multilabel.hamming", _hamming, "Hamming Loss", (0, 1), True)
row("multilabel.acc", _acc, "Subset Accuracy", (0, 1), False)
row(
    "multilabel.f1",
    _f1,
    "F1 over Labels",
    (0, 1),
    False,
    hyper=F1Params,
    undefined="a label is in no row of truth and response",
)
row("multilabel.logloss", _logloss, "Mean over Labels: Log Loss", (0, INF), True, predict_type="prob")
row(
    "multilabel.auc",
    _auc,
    "Mean over Labels: Area Under the ROC Curve",
    (0, 1),
    False,
    predict_type="prob",
    undefined="a label is in all rows or in none",
)
