"""The shelf of measures that look at the learner, not at what it predicted: a row for each key.

`loss` is that of a network, for its measures_train and measures_valid only. The others read `learner.timings`,
`internal_valid_scores`, `selected_features()` and `oob_error`; what a learner does not have is NaN.
Neighbours: measure (the machine) below.
"""

from functools import partial
from typing import Any

import attrs

from pipeops.errors import DataError
from pipeops.learn.measures.measure import INF, MeasureParams
from pipeops.learn.measures.measure_rows import row
from pipeops.params import anything, flag

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
