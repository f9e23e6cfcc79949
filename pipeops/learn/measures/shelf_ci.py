"""The shelf of confidence intervals: `msr("ci", measure=...)` scores as its measure does, and aggregates to an interval too.

Neighbours: measure (the machine) below; results ask for the bounds.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal

import attrs
import numpy as np

from pipeops.errors import ConfigError
from pipeops.learn.measures.measure import Measure, MeasureParams, MeasureWarning, as_measure
from pipeops.params import anything, choice, integer, real
from pipeops.shorthand import msr

Interval = tuple[float, float]
Sizes = Sequence[tuple[int, int] | None]
NAN = float("nan")


@attrs.frozen(kw_only=True, eq=False)
class IntervalParams(MeasureParams):
    """measure: what is scored. method: how the interval is made. level: how often it shall hold the truth. repeats, seed: of
    the bootstrap."""

    measure: Any = anything(None)
    method: str = choice("naive", "corrected_t", "bootstrap", default="corrected_t")
    level: float = real(0, 1, default=0.95)
    repeats: int = integer(1, default=500)
    seed: int = integer(0, default=0)


def ci(
    *,
    measure: Any = None,
    method: Literal["naive", "corrected_t", "bootstrap"] = "corrected_t",
    level: float = 0.95,
    repeats: int = 500,
    seed: int = 0,
    id: str | None = None,
) -> Measure:
    """A measure whose aggregate has a confidence interval: columns `<id>`, `<id>.lower` and `<id>.upper`.

    measure: what is scored, a key or a measure; its id is the default of `id`. method: "corrected_t" (two or more folds) is the t
    interval of the scores of the folds, whose variance is 1/folds + test rows/training rows times theirs, since folds share
    training rows; "naive" takes 1/folds alone and is too short; "bootstrap" draws test rows within each fold, `repeats` times by
    `seed`, and takes quantiles: it knows of test rows, not of training sets. level: how often the interval shall hold the truth.
    Source: Nadeau and Bengio 2003, "Inference for the generalization error".

    >>> from pipeops import lrn, msr, resample, rsmp, tsk
    >>> result = resample(tsk("iris"), lrn("classif.lda"), rsmp("subsampling", repeats=10), seed=1)
    >>> result.aggregate(msr("ci", measure="classif.acc")).columns[-3:]
    ['classif.acc', 'classif.acc.lower', 'classif.acc.upper']
    """
    if measure is None:
        raise ConfigError('ci: name what is scored, as in msr("ci", measure="classif.acc").')
    inner = as_measure(measure)
    if inner.across is not None or inner.interval is not None:
        raise ConfigError(f"ci: {inner.id} has no scores of single folds that an interval could be made of.")
    hyper = IntervalParams(key="ci", measure=inner, method=method, level=level, repeats=repeats, seed=seed)
    name = inner.id if id is None else id
    return attrs.evolve(inner, key="ci", id=name, fn=_inner, hyper=hyper, interval=_interval)


msr.add("ci", ci)


def _inner(prediction: Any, *, measure: Measure, **given: Any) -> float:
    """The score by the measure within, which has hyperparameters of its own."""
    return measure.fn(prediction, **{name: given[name] for name in measure.needs}, **measure.params)


def _interval(scores: Sequence[float], sizes: Sizes, predictions: Sequence[Any], *, method: str, **options: Any) -> Interval:
    return _METHODS[method](scores, sizes, predictions, **options)


def _t(scores: Sequence[float], level: float, factor: float) -> Interval:
    """The t interval of a mean whose variance is `factor` times that of the scores."""
    from scipy.stats import t

    if len(scores) < 2:
        return NAN, NAN
    half = float(t.ppf((1 + level) / 2, len(scores) - 1) * np.sqrt(factor) * np.std(scores, ddof=1))
    return float(np.mean(scores)) - half, float(np.mean(scores)) + half


def _naive(scores: Sequence[float], sizes: Sizes, predictions: Any, *, level: float, **unused: Any) -> Interval:
    return _t(scores, level, 1 / len(scores))


def _corrected(scores: Sequence[float], sizes: Sizes, predictions: Any, *, level: float, **unused: Any) -> Interval:
    known = [size for size in sizes if size is not None]
    if len(known) < len(sizes):
        raise ConfigError('ci: this result does not know the sizes of its sets, so "corrected_t" cannot be told; resample again.')
    train, test = np.sum(known, axis=0)
    return _t(scores, level, 1 / len(scores) + float(test / train))


def _bootstrap(
    scores: Sequence[float], sizes: Sizes, predictions: Sequence[Any], *, measure: Measure, level: float, repeats: int, seed: int
) -> Interval:
    if measure.needs or measure.predict_type is None or any(one is None or len(one.missing) for one in predictions):
        return NAN, NAN
    rng = np.random.default_rng(seed)
    with warnings.catch_warnings(action="ignore", category=MeasureWarning):
        drawn = [
            measure.aggregate([one.take(rng.integers(len(one), size=len(one))) for one in predictions]) for _ in range(repeats)
        ]
    low, high = np.nanquantile(drawn, [(1 - level) / 2, (1 + level) / 2]) if np.isfinite(drawn).any() else (NAN, NAN)
    return float(low), float(high)


_METHODS: dict[str, Callable[..., Interval]] = {"naive": _naive, "corrected_t": _corrected, "bootstrap": _bootstrap}
