"""Pictures of one prediction: `prediction.plot("roc")` and its like. All take `ax` and return it.

Add one by a function `(prediction, ax, **options)` and a row in `KINDS`. Neighbours: figures, measures and curves below; the
method is in prediction/base.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pipeops.errors import ConfigError, DataError, suggest
from pipeops.learn.measures.measure import as_measures
from pipeops.learn.plots.explained import plot_calibration
from pipeops.learn.plots.figures import COLOURS, QUIET, finish, legend, new_axes, style, unit
from pipeops.learn.plots.overlays import prc_overlay, roc_overlay

SLANTED = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"}


def _roc(prediction: Any, ax: Any) -> Any:
    return roc_overlay({"": prediction}, ax)


def _prc(prediction: Any, ax: Any) -> Any:
    return prc_overlay({"": prediction}, ax)


def _confusion(prediction: Any, ax: Any) -> Any:
    """Counts, coloured by the share of the true class (the column), so that small classes are seen."""
    table = prediction.confusion
    counts, labels = table.counts, ["missing" if label is None else str(label) for label in table.labels]
    k = len(labels)
    ax = new_axes(ax, max(4.2, 1.6 + 0.62 * k), max(3.6, 1.2 + 0.55 * k))
    totals = counts.sum(axis=0, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    size = "medium" if k <= 6 else "small" if k <= 12 else "x-small"
    for (i, j), count in np.ndenumerate(counts):
        text = f"{count}\n{shares[i, j]:.0%}" if k <= 6 else f"{count}"
        ax.text(j, i, text, ha="center", va="center", fontsize=size, color=_ink(count, float(shares[i, j])))
    long = max(map(len, labels)) * k > 40
    ax.set_xticks(range(k), labels, fontsize=size, **(SLANTED if long else {}))
    ax.set_yticks(range(k), labels, fontsize=size)
    finish(ax, x="truth", y="response", grid="")
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    return ax


def _ink(count: int, share: float) -> str:
    return "white" if share > 0.55 else "black" if count else "#A0A0A0"


def _threshold(
    prediction: Any, ax: Any, measures: Any = ("classif.bacc", "classif.sensitivity", "classif.specificity", "classif.precision")
) -> Any:
    """Measures of the response against the threshold, on 101 of them; gaps where a measure is undefined."""
    _two_classes(prediction, "threshold")
    several, grid = as_measures(measures), np.linspace(0, 1, 101)
    wrong = [m.id for m in several if m.predict_type != "response"]
    if wrong:
        raise ConfigError(f'plot("threshold"): {wrong[0]} does not look at predicted classes, no threshold changes it.')
    ax = new_axes(ax, 4.6, 4.0, [m.label for m in several])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # undefined scores are gaps
        scores = [[m.score(p) for m in several] for p in map(prediction.set_threshold, grid.tolist())]
    for k, (m, values) in enumerate(zip(several, np.transpose(scores), strict=True)):
        ax.plot(grid, values, label=m.label or m.id, **style(k))
    finish(ax, x=f"threshold of class '{prediction.positive}'", y=several[0].label if len(several) == 1 else "score")
    unit(ax, y=all(m.range == (0, 1) for m in several))
    if len(several) > 1:
        legend(ax)
    return ax


def _histogram(prediction: Any, ax: Any, bins: int = 20) -> Any:
    """How the predictions spread, within each true class: probabilities of the positive class (of two), or of the true one.

    Of a regression: the residuals.
    """
    ax = new_axes(ax)
    if prediction.task_type == "regr":
        _with_truth(prediction, "histogram")
        ax.hist(prediction.truth - prediction.response, bins=bins, color=COLOURS[0], edgecolor="white")
        return finish(ax, x="residual (truth - response)", y="rows", grid="y")
    _with_prob(prediction, "histogram")
    edges, two = np.linspace(0, 1, bins + 1), len(prediction.class_names) == 2
    codes = prediction.truth_codes
    for code, label in enumerate(prediction.class_names):
        values = prediction.prob[codes == code, 0 if two else code]
        if len(values):
            _share(ax, values, edges, f"{label} ({len(values)})", code, two)
    if (codes < 0).any() and two:
        _share(ax, prediction.prob[codes < 0, 0], edges, f"truth unknown ({(codes < 0).sum()})", len(prediction.class_names), two)
    of = f"'{prediction.positive}'" if two else "the true class"
    finish(ax, x=f"predicted probability of {of}", y="share of the rows of a class", grid="y")
    unit(ax, y=False)
    legend(ax, title="truth")
    return ax


def _share(ax: Any, values: Any, edges: Any, label: str, k: int, fill: bool) -> None:
    share = np.histogram(values, edges)[0] / len(values)
    if fill:
        ax.stairs(share, edges, fill=True, color=COLOURS[k % len(COLOURS)], alpha=0.25)
    ax.stairs(share, edges, label=label, linewidth=1.4, **style(k))


def _scatter(prediction: Any, ax: Any) -> Any:
    """Response against truth, with the line where they are equal."""
    _with_truth(prediction, "scatter")
    ax = new_axes(ax, 4.6, 4.4)
    ax.axline((float(np.nanmean(prediction.truth)),) * 2, slope=1, color=QUIET, linestyle="--", linewidth=1)
    _points(ax, prediction.truth, prediction.response)
    return finish(ax, x="truth", y="response")


def _residuals(prediction: Any, ax: Any) -> Any:
    """Truth minus response against the response."""
    _with_truth(prediction, "residuals")
    ax = new_axes(ax)
    ax.axhline(0, color=QUIET, linestyle="--", linewidth=1)
    _points(ax, prediction.response, prediction.truth - prediction.response)
    return finish(ax, x="response", y="residual (truth - response)")


def _calibration(prediction: Any, ax: Any, label: Any = None, bins: int = 10, strategy: str = "quantile") -> Any:
    """Observed shares against predicted probabilities: of the positive class, or each class of several against the rest."""
    from pipeops.learn.explain.reliability import calibration

    _with_prob(prediction, "calibration")
    several = len(prediction.class_names) > 2 and label is None
    labels = prediction.class_names if several else [prediction.positive if label is None else label]
    cut: Any = {"bins": bins, "strategy": strategy}
    return plot_calibration({str(one): calibration(prediction, label=one, **cut) for one in labels}, ax)


def _points(ax: Any, x: Any, y: Any) -> None:
    """Fainter points the more there are."""
    n = max(len(x), 1)
    ax.scatter(x, y, s=18 if n < 2000 else 6, alpha=float(np.clip(120 / n**0.8, 0.08, 0.75)), color=COLOURS[0], linewidths=0)


def _with_truth(prediction: Any, kind: str) -> None:
    if prediction.truth_is_missing.all():
        raise DataError(f'plot("{kind}"): this prediction has no truth to compare with.')


def _with_prob(prediction: Any, kind: str) -> None:
    if prediction.prob is None:
        raise DataError(f"plot(\"{kind}\"): this prediction has no probabilities; predict with predict_type='prob'.")


def _two_classes(prediction: Any, kind: str) -> None:
    _with_prob(prediction, kind)
    if len(prediction.class_names) != 2:
        raise DataError(f'plot("{kind}"): is for two classes, this prediction has {len(prediction.class_names)}.')


KINDS: dict[str, dict[str, Callable[..., Any]]] = {
    "classif": {
        "confusion": _confusion,
        "roc": _roc,
        "prc": _prc,
        "threshold": _threshold,
        "histogram": _histogram,
        "calibration": _calibration,
    },
    "regr": {"scatter": _scatter, "residuals": _residuals, "histogram": _histogram},
}


def plot_prediction(prediction: Any, kind: str | None, ax: Any, **options: Any) -> Any:
    """Draw a prediction; the first kind for its task type when none is named."""
    kinds = KINDS.get(prediction.task_type)
    if kinds is None:
        raise ConfigError(f"plot: there is none of a {type(prediction).__name__}; to_frame() has a column for each target.")
    chosen: Sequence[str] = list(kinds)
    if kind is not None and kind not in kinds:
        raise ConfigError(f"plot: no kind '{kind}' for a {type(prediction).__name__}.{suggest(str(kind), chosen, 'kinds')}")
    if not len(prediction):
        raise DataError("plot: the prediction has no rows.")
    return kinds[kind or chosen[0]](prediction, ax, **options)
