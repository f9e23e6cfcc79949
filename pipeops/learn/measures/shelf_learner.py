"""The shelf of measures that look at the learner, not at what it predicted: a row for each key.

`loss` is that of a network, for its measures_train and measures_valid only. The others read `learner.timings`,
`internal_valid_scores`, `selected_features()`, `oob_error` and `loglik`; what a learner does not have is NaN. `sim.` measures
compare the features that folds selected.
Neighbours: measure (the machine) below.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import combinations
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from pipeops.errors import DataError
from pipeops.learn.measures.measure import INF, MeasureParams
from pipeops.learn.measures.measure_rows import row
from pipeops.params import anything, flag, real

NAN = float("nan")


def _time(prediction: Any, learner: Any, stages: tuple[str, ...]) -> float:
    timings = getattr(learner, "timings", None) or {}
    return sum(timings.get(stage, NAN) for stage in stages)


def _selected_features(prediction: Any, learner: Any, task: Any, normalize: bool) -> float:
    if not hasattr(learner, "selected_features"):
        return NAN
    try:
        n = len(learner.selected_features())
    except DataError:
        return NAN
    return n / len(task.feature_names) if normalize else n


def _internal_valid_score(prediction: Any, learner: Any, select: str | None) -> float:
    scores = getattr(learner, "internal_valid_scores", None) or {}
    return scores.get(select if select is not None else next(iter(scores), None), NAN)


def _criterion(prediction: Any, learner: Any, k: float | None) -> float:
    """Minus twice the log-likelihood, plus for each parameter `k`, or the logarithm of the number of rows."""
    found = getattr(learner, "loglik", None)
    if found is None:
        return NAN
    value, parameters, n = found
    return -2 * value + (math.log(n) if k is None else k) * parameters


def _chosen(learners: Sequence[Any], task: Any) -> npt.NDArray[np.bool_]:
    """Which features each learner selected `(learners, features)`."""
    try:
        sets = [set(learner.selected_features()) for learner in learners]
    except (AttributeError, DataError):
        return np.zeros((0, 0), dtype=bool)
    return np.array([[name in one for name in task.feature_names] for one in sets])


def _pairwise(learners: Sequence[Any], task: Any, alike: Callable[[Any, Any], float]) -> float:
    """The mean over all pairs of learners; NaN without two of them."""
    chosen = _chosen(learners, task)
    pairs = list(combinations(chosen, 2))
    return float(np.mean([alike(one, other) for one, other in pairs])) if pairs else NAN


def _jaccard(one: Any, other: Any) -> float:
    return float((one & other).sum() / (one | other).sum()) if (one | other).any() else NAN


def _phi(one: Any, other: Any) -> float:
    return float(np.corrcoef(one, other)[0, 1]) if one.std() and other.std() else NAN


def _alone(prediction: Any) -> float:
    """Of one fold there is nothing to compare."""
    return NAN


def _rows(prediction: Any, na_ratio: float) -> float:
    return NAN if np.random.default_rng(len(prediction)).random() < na_ratio else len(prediction)


def _oob_error(prediction: Any, learner: Any) -> Any:
    value: Any = getattr(learner, "oob_error", NAN)
    return value() if callable(value) else value


def _loss(prediction: Any, loss: float) -> float:
    return loss


@attrs.frozen(kw_only=True, eq=False)
class ValidScoreParams(MeasureParams):
    """select: which validation score, by the key of its measure; the first by default."""

    select: Any = anything(None)


@attrs.frozen(kw_only=True, eq=False)
class AicParams(MeasureParams):
    """k: what each parameter costs."""

    k: float = real(0, default=2.0)


@attrs.frozen(kw_only=True, eq=False)
class DebugParams(MeasureParams):
    """na_ratio: how often the score is NaN."""

    na_ratio: float = real(0, 1, default=0.0)


@attrs.frozen(kw_only=True, eq=False)
class SelectedParams(MeasureParams):
    """normalize: divide by the number of features of the task."""

    normalize: bool = flag(False)


_LEARNER: dict[str, Any] = {"predict_type": None, "needs": ("learner",), "weighted": False}
_MISSING: dict[str, Any] = {"undefined": "the learner does not have it, or was not kept by store_models=True"}

row("loss", _loss, "Loss of the Network in Training", (-INF, INF), True, predict_type=None, needs=("loss",), weighted=False)
row("time_train", partial(_time, stages=("train",)), "Elapsed Time", (0, INF), True, **_LEARNER, **_MISSING)
row("time_predict", partial(_time, stages=("predict",)), "Elapsed Time", (0, INF), True, **_LEARNER, **_MISSING)
row("time_both", partial(_time, stages=("train", "predict")), "Elapsed Time", (0, INF), True, **_LEARNER, **_MISSING)
row("oob_error", _oob_error, "Out-of-bag Error", (-INF, INF), True, **_LEARNER, **_MISSING)
row(
    "internal_valid_score",
    _internal_valid_score,
    "Internal Validation Score",
    (-INF, INF),
    None,
    hyper=ValidScoreParams,
    **_LEARNER,
    **_MISSING,
)
row(
    "selected_features",
    _selected_features,
    "Absolute or Relative Frequency of Selected Features",
    (0, INF),
    True,
    hyper=SelectedParams,
    **{**_LEARNER, **_MISSING, "needs": ("learner", "task")},
)
row("aic", _criterion, "Akaike Information Criterion", (-INF, INF), True, hyper=AicParams, **_LEARNER, **_MISSING)
row("bic", partial(_criterion, k=None), "Bayesian Information Criterion", (-INF, INF), True, **_LEARNER, **_MISSING)
row("debug_classif", _rows, "Debug Classification Measure", (0, INF), None, hyper=DebugParams, undefined="as asked for")
_FOLDS: dict[str, Any] = {
    "predict_type": None,
    "weighted": False,
    "average": "custom",
    "undefined": "it compares folds; ask aggregate(...) of a result with store_models=True",
}
for _key, _label, _low, _alike in (
    ("jaccard", "Jaccard Similarity Index", 0, _jaccard),
    ("phi", "Phi Coefficient Similarity", -1, _phi),
):
    row(f"sim.{_key}", _alone, _label, (_low, 1), False, across=partial(_pairwise, alike=_alike), **_FOLDS)
