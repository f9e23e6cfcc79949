"""The shelf of regression measures: a table over scikit-learn and SciPy, one row for each key.

A function takes the truth, the response and the observation weights (None: all equal).
Neighbours: measure (the machine) below.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import attrs
import numpy as np

from pipeops.errors import ConfigError, listing
from pipeops.learn.measures.measure import INF, MeasureParams
from pipeops.learn.measures.measure_rows import row
from pipeops.params import real

Array = np.ndarray
NAN = float("nan")


def _on_arrays(p: Any, fn: Callable[..., Any], **params: Any) -> float:
    """Call `fn(truth, response, weights)` in double precision."""
    return float(fn(p.truth.astype(np.float64), p.response.astype(np.float64), p.weights, **params))


def _mse(t: Array, r: Array, w: Array | None) -> Any:
    from sklearn.metrics import mean_squared_error

    return mean_squared_error(t, r, sample_weight=w)


def _rmse(t: Array, r: Array, w: Array | None) -> Any:
    return np.sqrt(_mse(t, r, w))


def _mae(t: Array, r: Array, w: Array | None) -> Any:
    from sklearn.metrics import mean_absolute_error

    return mean_absolute_error(t, r, sample_weight=w)


def _medae(t: Array, r: Array, w: Array | None) -> Any:
    from sklearn.metrics import median_absolute_error

    return median_absolute_error(t, r)


def _medse(t: Array, r: Array, w: Array | None) -> Any:
    return np.median((t - r) ** 2)


def _maxae(t: Array, r: Array, w: Array | None) -> Any:
    from sklearn.metrics import max_error

    return max_error(t, r)


def _rsq(t: Array, r: Array, w: Array | None) -> Any:
    from sklearn.metrics import r2_score

    return NAN if (t == t[0]).all() else r2_score(t, r, sample_weight=w)


def _mape(t: Array, r: Array, w: Array | None) -> Any:
    from sklearn.metrics import mean_absolute_percentage_error

    return mean_absolute_percentage_error(t, r, sample_weight=w) if t.all() else NAN


def _smape(t: Array, r: Array, w: Array | None) -> Any:
    total = abs(t) + abs(r)
    return 2 * np.average(abs(t - r) / total, weights=w) if total.all() else NAN


def _pbias(t: Array, r: Array, w: Array | None) -> Any:
    return np.average((r - t) / abs(t), weights=w) if t.all() else NAN


def _msle(t: Array, r: Array, w: Array | None) -> Any:
    if min(t.min(), r.min()) <= -1:
        return NAN
    return np.average((np.log1p(t) - np.log1p(r)) ** 2, weights=w)


def _rmsle(t: Array, r: Array, w: Array | None) -> Any:
    return np.sqrt(_msle(t, r, w))


def _bias(t: Array, r: Array, w: Array | None) -> Any:
    return np.average(r - t, weights=w)


def _sse(t: Array, r: Array, w: Array | None) -> Any:
    return np.sum((t - r) ** 2 if w is None else w * (t - r) ** 2)


def _sae(t: Array, r: Array, w: Array | None) -> Any:
    return np.sum(abs(t - r) if w is None else w * abs(t - r))


def _ktau(t: Array, r: Array, w: Array | None) -> Any:
    from scipy.stats import kendalltau

    return NAN if (t == t[0]).all() or (r == r[0]).all() else kendalltau(t, r)[0]


def _srho(t: Array, r: Array, w: Array | None) -> Any:
    from scipy.stats import spearmanr

    return NAN if (t == t[0]).all() or (r == r[0]).all() else spearmanr(t, r)[0]


def _pinball(p: Any, alpha: float) -> float:
    from sklearn.metrics import mean_pinball_loss

    return float(mean_pinball_loss(p.truth, _quantile(p, alpha), sample_weight=p.weights, alpha=alpha))


def _rqr(p: Any, alpha: float) -> float:
    """One minus the pinball loss over that of the truth's own quantile (Koenker & Machado 1999)."""
    from sklearn.metrics import mean_pinball_loss

    naive = mean_pinball_loss(p.truth, np.full(len(p), np.quantile(p.truth, alpha)), alpha=alpha)
    return 1 - float(mean_pinball_loss(p.truth, _quantile(p, alpha), alpha=alpha)) / naive if naive else NAN


def _quantile(p: Any, alpha: float) -> Array:
    """The predicted quantile; the response where there are none."""
    if p.quantiles is None:
        return p.response
    if alpha not in p.probs:
        raise ConfigError(f"alpha={alpha:g} is none of the quantiles that were predicted, {listing(p.probs)}.")
    return p.quantiles[:, p.probs.index(alpha)]


@attrs.frozen(kw_only=True, eq=False)
class PinballParams(MeasureParams):
    """alpha: which quantile; the response stands for it in a prediction without quantiles."""

    alpha: float = real(0, 1, default=0.5)


_ZERO = "a true value is 0"
_CONSTANT = "the truth or the response is constant"
_LOG = "a value is -1 or less"
_ROWS: tuple[tuple[str, Callable[..., Any], str, tuple[float, float], bool | None, dict[str, Any]], ...] = (
    ("mse", _mse, "Mean Squared Error", (0, INF), True, {}),
    ("rmse", _rmse, "Root Mean Squared Error", (0, INF), True, {}),
    ("mae", _mae, "Mean Absolute Error", (0, INF), True, {}),
    ("medae", _medae, "Median Absolute Error", (0, INF), True, {"weighted": False}),
    ("medse", _medse, "Median Squared Error", (0, INF), True, {"weighted": False}),
    ("maxae", _maxae, "Max Absolute Error", (0, INF), True, {"weighted": False}),
    ("rsq", _rsq, "R Squared", (-INF, 1), False, {"undefined": "the truth is constant"}),
    ("mape", _mape, "Mean Absolute Percent Error", (0, INF), True, {"undefined": _ZERO}),
    ("smape", _smape, "Symmetric Mean Absolute Percent Error", (0, 2), True, {"undefined": "truth and response are both 0"}),
    ("pbias", _pbias, "Percent Bias", (-INF, INF), None, {"undefined": _ZERO}),
    ("msle", _msle, "Mean Squared Log Error", (0, INF), True, {"undefined": _LOG}),
    ("rmsle", _rmsle, "Root Mean Squared Log Error", (0, INF), True, {"undefined": _LOG}),
    ("bias", _bias, "Bias", (-INF, INF), None, {}),
    ("sse", _sse, "Sum of Squared Errors", (0, INF), True, {}),
    ("sae", _sae, "Sum of Absolute Errors", (0, INF), True, {}),
    ("ktau", _ktau, "Kendall's tau", (-1, 1), False, {"weighted": False, "undefined": _CONSTANT}),
    ("srho", _srho, "Spearman's rho", (-1, 1), False, {"weighted": False, "undefined": _CONSTANT}),
)
for _key, _fn, _label, _range, _minimize, _facts in _ROWS:
    row(f"regr.{_key}", partial(_on_arrays, fn=_fn), _label, _range, _minimize, **_facts)
row("regr.pinball", _pinball, "Average Pinball Loss", (-INF, INF), True, hyper=PinballParams)
row(
    "regr.rqr",
    _rqr,
    "R-Squared for Quantile Regression",
    (-INF, 1),
    False,
    hyper=PinballParams,
    predict_type="quantiles",
    weighted=False,
    undefined="the truth is constant",
)
