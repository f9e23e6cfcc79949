"""The shelf of classification measures that look at classes, and the proper scores: a row for each key.

A function takes the prediction and reads `truth_codes` and `response_codes` (0 is the first, positive class), `prob`
and `weights`. Shares and rates come from the table of counts, the rest from scikit-learn where it has them. What is undefined is
NaN, as in mlr3; the row says when.
Neighbours: measure (the machine) below; shelf_auc holds those that rank by probability.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import attrs
import numpy as np

from pipeops.errors import ConfigError, listing
from pipeops.learn.measures.measure import INF, MeasureParams
from pipeops.learn.measures.measure_rows import row
from pipeops.params import UNSET, anything, flag, real

EPS = 1e-15
"""Probabilities in the log loss stay this far from 0 and 1."""

NAN = float("nan")
CELLS = {"tp": (0, 0), "fp": (0, 1), "fn": (1, 0), "tn": (1, 1)}


def _counts(p: Any) -> np.ndarray:
    """Counts (or sums of weights) by response (rows) and truth (columns)."""
    k = len(p.class_names)
    counts = np.bincount(p.response_codes.astype(np.int64) * k + p.truth_codes, weights=p.weights, minlength=k * k)
    return counts.reshape(k, k).astype(np.float64)


def _ratio(top: float, bottom: float) -> float:
    return float(top) / float(bottom) if bottom else NAN


def _cell(p: Any, cell: str) -> float:
    return float(_counts(p)[CELLS[cell]])


def _rate(p: Any, cell: str, other: str) -> float:
    counts = _counts(p)
    return _ratio(counts[CELLS[cell]], counts[CELLS[cell]] + counts[CELLS[other]])


def _dor(p: Any) -> float:
    counts = _counts(p)
    return _ratio(counts[0, 0] * counts[1, 1], counts[0, 1] * counts[1, 0])


def _acc(p: Any) -> float:
    counts = _counts(p)
    return float(np.trace(counts) / counts.sum())


def _ce(p: Any) -> float:
    return 1 - _acc(p)


def _bacc(p: Any) -> float:
    """Mean recall over the classes that occur in the truth."""
    counts = _counts(p)
    return float(np.nanmean([_ratio(counts[j, j], counts[:, j].sum()) for j in range(len(counts))]))


def _one_class(p: Any) -> bool:
    """Whether truth and response are the same one class throughout."""
    return bool((p.truth_codes == p.truth_codes[0]).all() and (p.response_codes == p.truth_codes[0]).all())


def _mcc(p: Any) -> float:
    from sklearn.metrics import matthews_corrcoef

    if _one_class(p):
        return 0.0
    return matthews_corrcoef(p.truth_codes, p.response_codes, sample_weight=p.weights)


def _kappa(p: Any) -> float:
    from sklearn.metrics import cohen_kappa_score

    if _one_class(p):
        return NAN
    return cohen_kappa_score(p.truth_codes, p.response_codes, sample_weight=p.weights)


def _fbeta(p: Any, beta: float) -> float:
    from sklearn.metrics import fbeta_score

    truth, response = p.truth_codes == 0, p.response_codes == 0
    if not truth.any() or not response.any():
        return NAN
    return float(fbeta_score(truth, response, beta=beta, sample_weight=p.weights))


def _logloss(p: Any) -> float:
    """Mean negative log probability of the true class; scikit-learn's clips at the precision of the array instead."""
    of_truth = np.take_along_axis(p.prob, p.truth_codes[:, None], axis=1)[:, 0].astype(np.float64)
    return float(np.average(-np.log(np.clip(of_truth, EPS, 1 - EPS)), weights=p.weights))


def _bbrier(p: Any) -> float:
    from sklearn.metrics import brier_score_loss

    return brier_score_loss(p.truth_codes == 0, p.prob[:, 0].astype(np.float64), sample_weight=p.weights)


def _mbrier(p: Any) -> float:
    """Squared distance of the probabilities from the truth, summed over the classes."""
    truth = p.truth_codes[:, None] == np.arange(len(p.class_names))
    return float(np.average(((p.prob.astype(np.float64) - truth) ** 2).sum(axis=1), weights=p.weights))


def _costs(p: Any, costs: Any, normalize: bool) -> float:
    counts = _counts(p)
    total = float((counts * _cost_matrix(costs, p.class_names)).sum())
    return total / float(counts.sum()) if normalize else total


def _cost_matrix(costs: Any, class_names: list[Any]) -> np.ndarray:
    """Costs as an array in level order, from `{response: {truth: cost}}`, a pandas frame like it, or such an array."""
    if hasattr(costs, "columns"):
        if not hasattr(costs, "index"):
            raise ConfigError(
                "classif.costs: a frame must be pandas', whose index names responses; give {response: {truth: cost}}."
            )
        costs = costs.to_dict("index")
    if isinstance(costs, Mapping):
        rows = [costs, *costs.values()]
        if any(not isinstance(r, Mapping) or set(r) != set(class_names) for r in rows):
            raise ConfigError(f"classif.costs: needs a cost for each response and each truth of {listing(class_names)}.")
        costs = [[costs[response][truth] for truth in class_names] for response in class_names]
    matrix = np.asarray(costs, dtype=np.float64)
    if matrix.shape != (len(class_names), len(class_names)) or not np.isfinite(matrix).all():
        raise ConfigError(f"classif.costs: needs a {len(class_names)} x {len(class_names)} matrix of numbers, got {costs!r}.")
    return matrix


@attrs.frozen(kw_only=True, eq=False)
class FbetaParams(MeasureParams):
    """beta: how much more recall counts than precision."""

    beta: float = real(0, default=1)


@attrs.frozen(kw_only=True, eq=False)
class CostsParams(MeasureParams):
    """costs: of each response (rows) and truth (columns). normalize: by the number of rows."""

    costs: Any = anything(UNSET)
    normalize: bool = flag(True)


_NO_POSITIVE = "no row is positive, in truth or in response"

row("classif.acc", _acc, "Classification Accuracy", (0, 1), False)
row("classif.ce", _ce, "Classification Error", (0, 1), True)
row("classif.bacc", _bacc, "Balanced Accuracy", (0, 1), False)
row("classif.mcc", _mcc, "Matthews Correlation Coefficient", (-1, 1), False)
row("classif.kappa", _kappa, "Cohen's Kappa", (-1, 1), False, undefined="truth and response are one class")
row("classif.costs", _costs, "Cost-sensitive Classification", (-INF, INF), True, hyper=CostsParams)
row("classif.fbeta", _fbeta, "F-beta score", (0, 1), False, hyper=FbetaParams, two_classes=True, undefined=_NO_POSITIVE)
row("classif.logloss", _logloss, "Log Loss", (0, INF), True, predict_type="prob")
row("classif.mbrier", _mbrier, "Multiclass Brier Score", (0, 2), True, predict_type="prob")
row("classif.bbrier", _bbrier, "Binary Brier Score", (0, 1), True, predict_type="prob", two_classes=True)
row(
    "classif.dor",
    _dor,
    "Diagnostic Odds Ratio",
    (0, INF),
    False,
    two_classes=True,
    undefined="there are no false positives or no false negatives",
)

_RATES = (
    ("sensitivity", "Sensitivity", "tp", "fn", False),
    ("recall", "Recall", "tp", "fn", False),
    ("tpr", "True Positive Rate", "tp", "fn", False),
    ("specificity", "Specificity", "tn", "fp", False),
    ("tnr", "True Negative Rate", "tn", "fp", False),
    ("precision", "Precision", "tp", "fp", False),
    ("ppv", "Positive Predictive Value", "tp", "fp", False),
    ("npv", "Negative Predictive Value", "tn", "fn", False),
    ("fpr", "False Positive Rate", "fp", "tn", True),
    ("fnr", "False Negative Rate", "fn", "tp", True),
    ("fdr", "False Discovery Rate", "fp", "tp", True),
    ("fomr", "False Omission Rate", "fn", "tn", True),
)
for _key, _label, _top, _other, _minimize in _RATES:
    _fn = partial(_rate, cell=_top, other=_other)
    _when = f"{_top} + {_other} is 0"
    row(f"classif.{_key}", _fn, _label, (0, 1), _minimize, two_classes=True, undefined=_when)

_CELLS = (
    ("tp", "True Positives", False),
    ("fp", "False Positives", True),
    ("tn", "True Negatives", False),
    ("fn", "False Negatives", True),
)
for _key, _label, _minimize in _CELLS:
    row(f"classif.{_key}", partial(_cell, cell=_key), _label, (0, INF), _minimize, two_classes=True)
