"""Measures: what scores a prediction, and what a score means (range, direction, what it needs).

`Measure` is the machine: it checks the prediction, calls its function and turns undefined cases into NaN with a warning
that names it. `measure` makes one of a function of one's own; `as_measures` takes keys, measures and functions alike. The
shelves (`shelf_classif` and its like) have one row for each key.
Neighbours: params and shorthand below; measure_rows, grouping and predictions above. A prediction comes in as an argument,
never as an import.
"""

import inspect
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, Self

import attrs
import numpy as np

from pipeops.display import Block, Shown, params_block
from pipeops.errors import ConfigError, DataError, listing
from pipeops.params import UNSET, Configurable, Setting
from pipeops.saving import saved_as
from pipeops.shorthand import msr
from pipeops.text import call, source

PredictType = Literal["response", "prob", "quantiles"]
AverageKind = Literal["macro", "micro", "custom"]
INF = math.inf
DEFAULTS = {
    "classif": "classif.ce",
    "regr": "regr.mse",
    "multiregr": "multiregr.mse",
    "multilabel": "multilabel.hamming",
}
"""What scores a prediction of each type of task when nothing is said."""


class MeasureWarning(UserWarning):
    """A score is undefined for this prediction and came out as NaN."""


def _one_of(*options: str) -> Any:
    def check(owner: "Measure", attribute: Any, value: Any) -> None:
        if value not in options:
            raise ConfigError(f"{owner.key}: '{attribute.name}' must be one of {listing(options)}, got {value!r}.")

    return check


def as_sets(who: str, given: Any) -> tuple[str, ...]:
    """The sets of a resampling by name: "train", "test" or both."""
    names = tuple(dict.fromkeys([given] if isinstance(given, str) else given))
    if not names or not set(names) <= {"train", "test"}:
        raise ConfigError(f"{who}: predict_sets are 'train', 'test' or both, got {given!r}.")
    return names


def _of_function(fn: Callable[..., float]) -> Any:
    """What makes two functions the same: a partial one is, with the same function and arguments."""
    return (fn.func, fn.args, tuple(sorted(fn.keywords.items()))) if isinstance(fn, partial) else fn


@attrs.frozen(kw_only=True, eq=False)
class MeasureParams(Configurable):
    """Base of the hyperparameters of a measure: those that its function takes. key: of the measure, for errors."""

    key: str = ""


@attrs.frozen(kw_only=True, repr=False, slots=False)
class Measure(Configurable, Shown):
    """A score with what one must know to read it.

    key: its name in the registry; id: its name in results (the key unless set). hyper: its hyperparameters, which `params` shows
    and `with_param` changes. fn: `fn(prediction, **params)`, with
    `task=`, `learner=` and `loss=` too for those in `needs`. range: lowest and highest value. minimize: the direction, None
    where neither is better. predict_type: "response", "prob", or None when only the learner is looked at. task_type: "classif",
    "regr", "multiregr", "multilabel", or None for any. average: "macro" scores each fold and takes the mean, "micro" scores the
    joined predictions. weighted: whether it can use observation weights. use_weights: "use" or "ignore" those of the prediction.
    predict_sets: the rows of a resampling that are scored, "train", "test" or both. undefined: when
    the score is NaN, in words. across: for what compares folds, `across(learners, task)`: the score of several trained
    learners in place of a mean. interval: of confidence intervals, `interval(scores, sizes, predictions, **params)`: the
    bounds.

    >>> auc = msr("classif.auc")
    >>> auc.range, auc.minimize, auc.predict_type
    ((0, 1), False, 'prob')
    """

    key: str
    fn: Callable[..., float] = attrs.field(eq=_of_function)
    label: str = ""
    range: tuple[float, float] = (-INF, INF)
    minimize: bool | None = None
    predict_type: PredictType | None = "response"
    task_type: str | None = None
    two_classes: bool = False
    weighted: bool = True
    needs: tuple[str, ...] = ()
    undefined: str = ""
    across: Callable[[Sequence[Any], Any], float] | None = None
    interval: Callable[..., tuple[float, float]] | None = attrs.field(default=None, eq=False)
    hyper: MeasureParams = attrs.field(factory=MeasureParams, eq=repr)
    id: str = attrs.field(default=attrs.Factory(lambda self: self.key, takes_self=True))
    average: AverageKind = attrs.field(default="macro", validator=_one_of("macro", "micro", "custom"))
    use_weights: Literal["use", "ignore"] = attrs.field(default="use", validator=_one_of("use", "ignore"))
    predict_sets: tuple[str, ...] = attrs.field(default=("test",), converter=lambda given: as_sets("a measure", given))

    def own_params(self) -> Mapping[str, Setting]:
        """What its function takes."""
        return self.hyper.own_params()

    def with_own(self, name: str, value: Any) -> Self:
        """A copy with one hyperparameter changed."""
        return attrs.evolve(self, hyper=self.hyper.with_own(name, value))

    def score(self, prediction: Any = None, *, task: Any = None, learner: Any = None, loss: float | None = None) -> float:
        """The score of a prediction; NaN and a `MeasureWarning` where it is undefined.

        Raises `ConfigError` when the prediction is of another kind or lacks what the measure needs, `DataError` when
        it has no rows, or truth or response are missing (or a number predicted is infinite).
        """
        given = {"task": task, "learner": learner, "loss": loss}
        self._check_given(given)
        if self.predict_type is not None:
            prediction = self._checked(prediction)
        try:
            value = float(self.fn(prediction, **{name: given[name] for name in self.needs}, **self.params))
        except Exception as error:
            error.add_note(f"This happened in measure '{self.id}'.")
            raise
        return self._undefined(self.undefined) if math.isnan(value) else value

    @property
    def bounds(self) -> tuple[str, ...]:
        """The columns of a confidence interval, where it is one."""
        return () if self.interval is None else (f"{self.id}.lower", f"{self.id}.upper")

    def check_sets(self, predicted: Sequence[str]) -> None:
        """Refuse sets that nothing was predicted on."""
        if not set(self.predict_sets) <= set(predicted):
            raise ConfigError(
                f"{self.id}: scores predictions on {listing(self.predict_sets)}, and there are only those on {listing(predicted)}"
                '; use resample(..., predict_sets=("train", "test")), or the same of benchmark.'
            )

    def _undefined(self, reason: str) -> float:
        """NaN, with a warning that says why."""
        text = f"{self.id}: undefined for this prediction{f' ({reason})' if reason else ''}, the score is NaN."
        warnings.warn(text, MeasureWarning, stacklevel=3)
        return math.nan

    def aggregate(self, predictions: Sequence[Any], **given: Any) -> float:
        """One number for several predictions (folds): the mean score (macro) or the score of all rows at once (micro)."""
        if self.average == "micro" and self.predict_type is not None:
            return self.score(predictions[0].combine(predictions), **given)
        return float(np.mean([self.score(p, **given) for p in predictions]))

    def _check_given(self, given: Mapping[str, Any]) -> None:
        for name, value in self.params.items():
            if value is UNSET:
                raise ConfigError(f"{self.id}: set '{name}' before scoring: msr('{self.key}', {name}=...).")
        for name in self.needs:
            if given[name] is None:
                raise ConfigError(f"{self.id}: needs the {name}; call score(..., {name}={name}).")

    def _checked(self, prediction: Any) -> Any:
        """The prediction, with weights only where they are to be used; refused when this measure cannot score it."""
        if not hasattr(prediction, "predict_types"):
            raise ConfigError(f"{self.id}: scores a prediction, got {type(prediction).__name__}.")
        problem = self._mismatch(prediction)
        if problem:
            raise ConfigError(f"{self.id}: {problem}")
        _check_complete(self, prediction)
        if prediction.weights is None or self.use_weights == "ignore":
            return prediction if prediction.weights is None else prediction.with_weights(None)
        if not self.weighted:
            raise ConfigError(f"{self.id}: cannot use observation weights; use_weights='ignore' leaves them out.")
        if not prediction.weights.any():
            raise DataError(f"{self.id}: all observation weights are 0.")
        return prediction if prediction.weights.all() else prediction.take(prediction.weights > 0)

    def _mismatch(self, prediction: Any) -> str | None:
        if self.task_type not in (None, prediction.task_type):
            return f"scores {self.task_type} predictions, got a {type(prediction).__name__}."
        if self.predict_type not in prediction.predict_types:
            what = {"prob": "probabilities"}.get(str(self.predict_type), str(self.predict_type))
            return f'needs {what}, and this prediction has only responses; predict with predict_type="{self.predict_type}".'
        if self.two_classes and len(prediction.class_names) != 2:
            return f"is defined for two classes, this prediction has {len(prediction.class_names)}."
        return None

    @property
    def options(self) -> dict[str, Any]:
        """The arguments that `msr(key, ...)` needs to make this measure again."""
        usual = {"id": self.key, "average": "macro", "use_weights": "use", "predict_sets": ("test",)}
        usual = usual if self.interval is None else {"id": self.key}
        own = {name: value for name, default in usual.items() if (value := getattr(self, name)) != default}
        if self.minimize is not None and self.key in msr and "minimize" in inspect.signature(msr[self.key]).parameters:
            own["minimize"] = self.minimize
        return {name: value for name, value in self.params.items() if value is not UNSET} | own

    def _blocks(self) -> list[Block]:
        """Its range, its direction and what it needs."""
        better = {True: "lower is better", False: "higher is better", None: "neither direction is better"}[self.minimize]
        facts = [
            ("measures", self.label or self.key),
            ("range", f"[{self.range[0]:g}, {self.range[1]:g}], {better}"),
            ("of", f"{self.task_type or 'any'} predictions: {self.predict_type or 'looks at the learner only'}"),
            ("average", self.average),
        ]
        facts += [("undefined", f"when {self.undefined}")] if self.undefined else []
        return [Block(f"Measure {self.id}", ("", ""), facts), *([params_block(self.params)] if self.params else [])]

    def __str__(self) -> str:
        return self._blocks()[0].text()

    def __repr__(self) -> str:
        if isinstance(self.fn, OfTruth):
            return call("measure", [source(self.key), source(self.fn.fn)], {"minimize": self.minimize, **self.options})
        return call("msr", [source(self.key)], self.options)


def _check_complete(measure: Measure, prediction: Any) -> None:
    if len(prediction) == 0:
        raise DataError(f"{measure.id}: the prediction has no rows to score.")
    for what, count in (("truth", int(prediction.truth_is_missing.sum())), ("response", len(prediction.missing))):
        if count:
            raise DataError(f"{measure.id}: the {what} of {count} of {len(prediction)} rows is missing; filter them out first.")


@attrs.frozen
class OfTruth:
    """Calls a user's function on what a prediction shows: the truth, and the response or the probabilities.

    Beside these two the function may name any of `weights`, `class_names`, `positive`, `task` and `learner`.
    """

    fn: Callable[..., float]
    predict_type: PredictType
    extras: tuple[str, ...]

    def __call__(self, prediction: Any, **given: Any) -> float:
        named = {name: given[name] if name in given else getattr(prediction, name) for name in self.extras}
        return self.fn(prediction.truth, getattr(prediction, self.predict_type), **named)


OPTIONS = ("id", "average", "use_weights", "predict_sets")
EXTRAS = ("weights", "class_names", "positive", "task", "learner")


def measure(
    key: str,
    fn: Callable[..., float],
    *,
    minimize: bool | None,
    predict_type: PredictType = "response",
    task_type: str | None = None,
    range: tuple[float, float] = (-INF, INF),
    label: str = "",
    average: AverageKind = "macro",
) -> Measure:
    """A measure from a function of one's own.

    fn: called as `fn(truth, response)` or, with `predict_type="prob"`, as `fn(truth, prob)`: exactly what
    `prediction.truth`, `.response` and `.prob` are, so labels, and an array (n, k) with columns in `class_names` order,
    the positive class first. It may also name `weights`, `class_names`, `positive`, `task` or `learner`.
    minimize: whether lower is better.

    >>> from pipeops.learn.prediction.regr import PredictionRegr
    >>> worst = measure("worst", lambda truth, response: abs(truth - response).max(), minimize=True)
    >>> PredictionRegr(truth=[1.0, 2.0], response=[1.0, 5.0]).score(worst)
    3.0
    """
    if not callable(fn):
        raise ConfigError(f"measure '{key}': needs a function (truth, response), got {fn!r}.")
    if predict_type not in ("response", "prob"):
        raise ConfigError(f"measure '{key}': predict_type must be 'response' or 'prob', got {predict_type!r}.")
    extras = _extras(fn)
    return Measure(
        key=key,
        fn=OfTruth(fn, predict_type, extras),
        label=label or key,
        range=range,
        minimize=minimize,
        predict_type=predict_type,
        task_type="classif" if predict_type == "prob" and task_type is None else task_type,
        weighted="weights" in extras,
        needs=tuple(name for name in ("task", "learner") if name in extras),
        average=average,
    )


def _to_plain(one: Measure) -> dict[str, Any]:
    if not isinstance(one.fn, OfTruth):
        return {"key": one.key, "options": one.options}
    names = ("key", "minimize", "predict_type", "task_type", "range", "label", "average")
    return {"fn": one.fn.fn, **{name: getattr(one, name) for name in names}}


def _from_plain(plain: dict[str, Any]) -> Measure:
    if "fn" in plain:
        return measure(**plain)
    if not all(v is None or isinstance(v, str | int | float | tuple | list | Measure) for v in plain["options"].values()):
        raise ConfigError(f"measure '{plain['key']}': its options are plain values.")
    return msr(plain["key"], **plain["options"])


saved_as(
    Measure,
    _from_plain,
    _to_plain,
    plain={
        "key": str,
        "options": dict[str, Any],
        "fn": Callable[..., Any],
        "minimize": bool | None,
        "predict_type": str,
        "task_type": str | None,
        "range": tuple[float, float],
        "label": str,
        "average": str,
    },
)


def _extras(fn: Callable[..., Any]) -> tuple[str, ...]:
    """Which of the further arguments a function names."""
    try:
        names = inspect.signature(fn).parameters
    except (TypeError, ValueError):
        return ()
    return tuple(name for name in EXTRAS if name in names)


def as_measure(thing: Any) -> Measure:
    """A measure from a key, a measure or a function `(truth, response)`.

    >>> as_measure("classif.acc").label
    'Classification Accuracy'
    """
    if isinstance(thing, Measure):
        return thing
    if isinstance(thing, str):
        return msr(thing)
    if callable(thing):
        fn: Callable[..., Any] = thing
        return measure(getattr(thing, "__name__", type(thing).__name__), fn, minimize=None)
    raise ConfigError(f"A measure is a key such as 'classif.auc', msr(...), or a function (truth, response), got {thing!r}.")


def as_measures(things: Any) -> list[Measure]:
    """A list of measures from one or several; two with one id are refused.

    >>> [m.key for m in as_measures(["regr.mse", "regr.mae"])]
    ['regr.mse', 'regr.mae']
    """
    several = [as_measure(thing) for thing in (things if isinstance(things, list | tuple) else [things])]
    ids = [m.id for m in several]
    for name in ids:
        if ids.count(name) > 1:
            raise ConfigError(f"Two measures are called '{name}'; give one another name with id=.")
    return several
