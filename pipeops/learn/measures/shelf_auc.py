"""The shelf of measures that rank by probability: areas under curves, of two and of many classes, and the AUM.

Neighbours: measure (the machine) below; shelf_classif holds the other classification measures.
"""

from functools import partial
from itertools import combinations, permutations
from typing import Any

import attrs
import numpy as np

from pipeops.learn.measures.measure import INF, MeasureParams
from pipeops.learn.measures.measure_rows import row
from pipeops.params import choice

EPS = 1e-15
"""Probabilities stay this far from 0 and 1 before they become logits."""

NEAR = 1e-6
"""So near to 1 a probability is less exact than what is left for the other classes."""

NAN = float("nan")


def _area(positive: np.ndarray, score: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The area under the ROC curve; NaN when a class is absent."""
    from sklearn.metrics import roc_auc_score

    if positive.all() or not positive.any():
        return NAN
    return float(roc_auc_score(positive, score, sample_weight=weights))


def ranks(prob: np.ndarray, j: int) -> np.ndarray:
    """What orders rows by the probability of class j: next to 1, where probabilities differ by less than numbers can say, by
    what is left for the other classes."""
    score = prob[:, j]
    if not (score > 1 - NEAR).any():
        return score
    rest = np.delete(prob, j, axis=1).sum(axis=1)
    rest = np.where((score > 1 - NEAR) & (rest < NEAR), rest, 0.0)
    order = np.lexsort((-rest, score))
    new = np.diff(score[order], prepend=np.nan) != 0
    new |= np.diff(rest[order], prepend=np.nan) != 0
    found = np.empty(len(score))
    found[order] = np.cumsum(new)
    return found


def _auc(p: Any) -> float:
    return _area(p.truth_codes == 0, ranks(p.prob, 0), p.weights)


def _prauc(p: Any) -> float:
    from sklearn.metrics import average_precision_score

    positive = p.truth_codes == 0
    if positive.all() or not positive.any():
        return NAN
    return float(average_precision_score(positive, ranks(p.prob, 0), sample_weight=p.weights))


def _shares(p: Any) -> np.ndarray:
    """The share of each class in the truth, of the weights where there are some."""
    counts = np.bincount(p.truth_codes, weights=p.weights, minlength=len(p.class_names))
    return counts / counts.sum()


def _one_vs_rest(p: Any, weighted: bool) -> float:
    """Fawcett (2001): the mean area of each class against the rest, each class equally or by its share."""
    shares = _shares(p)
    if not weighted and not shares.all():
        return NAN
    areas = [_area(p.truth_codes == j, ranks(p.prob, j), p.weights) if share else 0.0 for j, share in enumerate(shares)]
    return float(np.average(areas, weights=shares if weighted else None))


def _one_vs_one(p: Any, weighted: bool) -> float:
    """Hand & Till (2001), by share Ferri et al. (2009): the mean area over ordered pairs of classes."""
    k, shares = len(p.class_names), _shares(p)
    if not shares.all():
        return NAN
    areas = np.zeros((k, k))
    for i, j in permutations(range(k), 2):
        areas[i, j] = _pair(p, i, j, ranks(p.prob, i))
    return float(((areas + areas.T) * (shares[:, None] if weighted else 1 / k)).sum() / (2 * (k - 1)))


def _mu(p: Any) -> float:
    """Kleiman & Page (2019): the mean over pairs of classes of the area of the difference of their probabilities."""
    k = len(p.class_names)
    if not _shares(p).all():
        return NAN
    return float(np.mean([_pair(p, i, j, p.prob[:, i] - p.prob[:, j]) for i, j in combinations(range(k), 2)]))


def _pair(p: Any, i: int, j: int, score: np.ndarray) -> float:
    """The area of class i against class j, other rows left out."""
    rows = (p.truth_codes == i) | (p.truth_codes == j)
    return _area(p.truth_codes[rows] == i, score[rows], None if p.weights is None else p.weights[rows])


def _aum(p: Any, scale: str) -> float:
    """Hillman & Hocking (2023): the area under min(FPR, FNR) while a constant added to all scores runs over the line.

    Between two neighbouring scores both rates are constant, so the area is a sum over gaps; tied scores have gap zero.
    """
    positive = p.truth_codes == 0
    if positive.all() or not positive.any():
        return NAN
    score = p.prob[:, 0].astype(np.float64)
    if scale == "logit":
        score = np.clip(score, EPS, 1 - EPS)
        score = np.log(score) - np.log1p(-score)
    order = np.argsort(-score)
    weights = np.ones(len(score)) if p.weights is None else p.weights
    fpr, tpr = (np.cumsum((weights * mask)[order]) / (weights * mask).sum() for mask in (~positive, positive))
    return float((np.minimum(fpr, 1 - tpr)[:-1] * -np.diff(score[order])).sum())


_TWO: dict[str, Any] = {"predict_type": "prob", "two_classes": True, "undefined": "the truth is one class only"}
_MANY: dict[str, Any] = {"predict_type": "prob", "undefined": "a class does not occur in the truth"}


@attrs.frozen(kw_only=True, eq=False)
class AumParams(MeasureParams):
    """scale: of what ranks, probabilities or their logits."""

    scale: str = choice("prob", "logit", default="prob")


row("classif.auc", _auc, "Area Under the ROC Curve", (0, 1), False, **_TWO)
row("classif.prauc", _prauc, "Precision-Recall Curve", (0, 1), False, **_TWO)
row("classif.aum", _aum, "Area Under min(FPR, FNR) of probabilities or logits", (0, INF), True, hyper=AumParams, **_TWO)
row("classif.mauc_aunu", partial(_one_vs_rest, weighted=False), "Average 1 vs. rest multiclass AUC", (0, 1), False, **_MANY)
row(
    "classif.mauc_aunp",
    partial(_one_vs_rest, weighted=True),
    "Weighted average 1 vs. rest multiclass AUC",
    (0, 1),
    False,
    **_MANY,
)
row("classif.mauc_au1u", partial(_one_vs_one, weighted=False), "Average 1 vs. 1 multiclass AUC", (0, 1), False, **_MANY)
row("classif.mauc_au1p", partial(_one_vs_one, weighted=True), "Weighted average 1 vs. 1 multiclass AUC", (0, 1), False, **_MANY)
row("classif.mauc_mu", _mu, "Multiclass mu AUC", (0, 1), False, **_MANY)
