"""calibration: predicted probabilities beside the shares that came true.

Neighbours: predictions below, plots/explained draws it.
"""

from typing import Any, Literal

import numpy as np

from pipeops.errors import ConfigError, DataError, UnknownKeyError, suggest
from pipeops.guesses import by_name


@by_name
def calibration(
    prediction: Any, *, label: Any = None, bins: int = 10, strategy: Literal["quantile", "uniform"] = "quantile"
) -> Any:
    """A frame of bins of predicted probability: predicted (mean), observed (share that is of the class), n; empty bins left out.

    prediction: with probabilities and truth. label: the class, by default the positive one of two. bins: how many. strategy:
    as in scikit-learn's `calibration_curve`, "quantile" has as many rows in each bin and "uniform" bins of one width. Weights
    count.

    >>> from pipeops import PredictionClassif, calibration
    >>> made = PredictionClassif(truth=["M", "R", "M", "R"], prob=[0.9, 0.2, 0.8, 0.3], class_names=["M", "R"])
    >>> calibration(made, bins=2)["observed"].to_list()
    [0.0, 1.0]
    """
    import polars as pl

    code = _code(prediction, label)
    if strategy not in ("quantile", "uniform") or bins < 1:
        raise ConfigError(f'calibration: strategy is "quantile" or "uniform" and bins at least 1, got {strategy!r} and {bins!r}.')
    known = ~prediction.truth_is_missing & ~np.isnan(prediction.prob[:, code])
    prob, hit = prediction.prob[known, code], prediction.truth_codes[known] == code
    if not len(prob):
        raise DataError("calibration: no row has both a truth and a probability.")
    weights = np.ones(len(prob)) if prediction.weights is None else prediction.weights[known]
    even = np.linspace(0, 1, bins + 1)
    edges = even if strategy == "uniform" else np.percentile(prob, even * 100)
    places = np.searchsorted(edges[1:-1], prob)
    rows, sums = (np.bincount(places, w, minlength=bins) for w in (None, weights))
    kept = sums > 0
    predicted, observed = (np.bincount(places, weights * v, minlength=bins)[kept] / sums[kept] for v in (prob, hit))
    return pl.DataFrame({"predicted": predicted, "observed": observed, "n": rows[kept]})


def _code(prediction: Any, label: Any) -> int:
    """The position of the class that is looked at."""
    if getattr(prediction, "prob", None) is None:
        raise DataError("calibration: needs a prediction with probabilities; predict with predict_type='prob'.")
    names = prediction.class_names
    if label is None and len(names) > 2:
        raise ConfigError(f"calibration: of {len(names)} classes say which with label=.{suggest('', map(str, names), 'classes')}")
    if label is not None and label not in names:
        raise UnknownKeyError(f"calibration: no class {label!r}.{suggest(str(label), map(str, names), 'classes')}")
    return 0 if label is None else names.index(label)
