"""Operators on predictions of classes: threshold (set by hand) and tunethreshold (chosen by a measure).

They follow a model in a graph and change the response, never the probabilities. Neighbours: `graph.pipeop` below; what a
threshold does is `PredictionClassif.set_threshold`.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from pipeops.data.supervised import TaskClassif
from pipeops.data.task import Task
from pipeops.errors import ConfigError, DataError, listing
from pipeops.graph.pipeop import Channel, PipeOp, operator
from pipeops.learn.learners.tabular import class_prediction
from pipeops.learn.measures.measure import Measure, as_measure
from pipeops.learn.prediction.classif import PredictionClassif
from pipeops.params import anything, integer
from pipeops.shorthand import po

Array = npt.NDArray[np.float64]
ROUNDS = 10
"""At most so many passes over the classes; each is taken only when it improves the score."""


@operator
class OnPrediction(PipeOp):
    """What both share: after a model, nothing flows in training and a prediction when predicting."""

    inputs: ClassVar[tuple[Channel, ...]] = (Channel("input", "None", "PredictionClassif"),)
    outputs: ClassVar[tuple[Channel, ...]] = (Channel("output", "None", "PredictionClassif"),)


@po.add("threshold")
@operator
class Threshold(OnPrediction):
    """Decide by other thresholds than the most probable class.

    thresholds: for two classes a number in [0, 1], the positive class being predicted from it on; or one number for each
    class, by label or in their order: the class with the largest ratio of probability to threshold. The model must predict
    probabilities.

    >>> from pipeops import PredictionClassif, po
    >>> prediction = PredictionClassif(prob=[0.9, 0.6], class_names=["M", "R"])
    >>> po("threshold", thresholds=0.7).predict([prediction], {})[0].response.tolist()
    ['M', 'R']
    """

    thresholds: Any = anything(0.5)

    def __attrs_post_init__(self) -> None:
        given = self.thresholds
        number = isinstance(given, int | float | np.number) and not isinstance(given, bool) and 0 <= given <= 1
        if not number and not isinstance(given, Mapping | list | tuple):
            raise ConfigError(f"{self.id}: 'thresholds' is a number in [0, 1], or one for each class by label, got {given!r}.")

    def of(self, class_names: Sequence[Any]) -> float | Mapping[Any, float]:
        """The one threshold, or those of these classes by label."""
        if not isinstance(self.thresholds, list | tuple):
            return self.thresholds
        if len(self.thresholds) != len(class_names):
            raise DataError(f"{self.id}: has {len(self.thresholds)} thresholds for the classes {listing(class_names)}.")
        return dict(zip(class_names, self.thresholds, strict=True))

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], Any]:
        """Nothing to learn."""
        return inputs, {}

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        """The prediction with the response that the thresholds give."""
        return [inputs[0].set_threshold(self.of(inputs[0].class_names))]


@po.add("tunethreshold")
@operator
class TuneThreshold(OnPrediction):
    """Choose the thresholds with the best score on the validation data, which the model before it was not fitted on.

    measure: what to optimise, a measure of the response. resolution: how many thresholds are tried: all that make a
    difference for two classes where there are no more, else quantiles of them; so many for each class in turn, from the
    most probable class on, where there are more than two. Of equally good ones the least unusual is taken. So that no
    model judges rows it was fitted on, training needs validation data: `as_learner(graph, validate=0.3)`, or stands behind
    a `learner_cv` with predict_type="prob": then the out-of-fold probabilities are judged, and a task makes the prediction.

    >>> from pipeops import PredictionClassif, po
    >>> valid = PredictionClassif(truth=["M", "M", "R"], prob=[0.9, 0.4, 0.2], class_names=["M", "R"])
    >>> po("tunethreshold", measure="classif.acc").train([None], valid=[valid])[1]
    {'thresholds': 0.30000000000000004, 'score': 1.0}
    """

    inputs: ClassVar[tuple[Channel, ...]] = (Channel("input", "*", "*"),)
    takes_valid: ClassVar[bool] = True

    measure: Any = anything("classif.ce")
    resolution: int = integer(2, default=200)

    def __attrs_post_init__(self) -> None:
        self._measure()

    def train(self, inputs: Sequence[Any], valid: Sequence[Any] | None = None) -> tuple[Sequence[Any], Any]:
        """Find the thresholds; the state holds them and their score."""
        measure = self._measure()
        if isinstance(inputs[0], Task):
            prediction = self._predicted(inputs[0])
        elif valid is None or valid[0] is None:
            raise ConfigError(
                f"{self.id}: chooses thresholds on validation data and got none; as_learner(graph, validate=0.3), "
                'train(task, valid=other), or po("learner_cv", learner) before it.'
            )
        else:
            prediction = valid[0]
        if prediction.prob is None:
            raise DataError(f"{self.id}: needs probabilities; set predict_type='prob' in the node before it.")
        tuned = (_tune_two if len(prediction.class_names) == 2 else _tune_several)(prediction, measure, self.resolution)
        return [None], tuned

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        """The prediction with the response that the chosen thresholds give."""
        prediction = self._predicted(inputs[0]) if isinstance(inputs[0], Task) else inputs[0]
        return [prediction.set_threshold(state["thresholds"])]

    def _predicted(self, task: Any) -> PredictionClassif:
        """The prediction that a task of probabilities out of `learner_cv` stands for."""
        classes = task.class_names if isinstance(task, TaskClassif) else []
        names = [name for label in classes for name in task.feature_names if name.endswith(f".prob.{label}")]
        if not names or sorted(names) != sorted(task.feature_names):
            raise DataError(
                f"{self.id}: the features of the task '{task.id}' are not the probabilities of its classes; as behind "
                'po("learner_cv", lrn("classif.lda", predict_type="prob")).'
            )
        return class_prediction(task, task.class_names, prob=task.matrix("float64", names))

    def _measure(self) -> Measure:
        measure = as_measure(self.measure)
        if measure.predict_type != "response" or measure.task_type == "regr":
            raise ConfigError(f"{self.id}: {measure.id} does not look at predicted classes, no threshold changes it.")
        if measure.minimize is None:
            raise ConfigError(f"{self.id}: neither a high nor a low {measure.id} is better; give a measure with a direction.")
        if measure.needs:
            raise ConfigError(f"{self.id}: {measure.id} needs the {measure.needs[0]}, and there is only a prediction here.")
        return measure


def _scorer(prediction: Any, measure: Measure) -> Callable[[Any], float]:
    """The score of thresholds, high is good, minus infinity where it is undefined."""

    def score(thresholds: Any) -> float:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = measure.score(prediction.set_threshold(thresholds))
        return -np.inf if np.isnan(value) else -value if measure.minimize else value

    return score


def _found(prediction: Any, measure: Measure, thresholds: float | Mapping[Any, float]) -> dict[str, Any]:
    return {"thresholds": thresholds, "score": measure.score(prediction.set_threshold(thresholds))}


def _best(candidates: Array, usual: float, score: Callable[[float], float]) -> tuple[float, float]:
    """The candidate with the best score, of equal ones the nearest to the usual; and that score."""
    ordered = candidates[np.argsort(abs(candidates - usual), kind="stable")]
    scores = [score(float(c)) for c in ordered]
    at = int(np.argmax(scores))
    return float(ordered[at]), scores[at]


def _spread(values: Array, number: int) -> Array:
    """At most so many of the sorted values, evenly spread, both ends included."""
    return values if len(values) <= number else values[np.linspace(0, len(values) - 1, number).round().astype(int)]


def _tune_two(prediction: Any, measure: Measure, resolution: int) -> dict[str, Any]:
    """Between any two neighbouring probabilities all thresholds are alike: their middles are all there is to try."""
    seen = np.unique(np.asarray(prediction.prob[:, 0], dtype=np.float64))
    middles = (seen[1:] + seen[:-1]) / 2
    candidates = np.unique(np.concatenate([[0.0, 0.5, 1.0], _spread(middles, resolution)]))
    threshold, _ = _best(candidates, 0.5, _scorer(prediction, measure))
    return _found(prediction, measure, threshold)


def _of_class(score: Callable[[Any], float], thresholds: Mapping[Any, float], name: Any) -> Callable[[float], float]:
    """The score as a function of the threshold of one class."""
    return lambda threshold: score({**thresholds, name: threshold})


def _tune_several(prediction: Any, measure: Measure, resolution: int) -> dict[str, Any]:
    """One class after the other, the thresholds of the rest held fixed, as long as the score improves."""
    names, score = prediction.class_names, _scorer(prediction, measure)
    usual = 1 / len(names)
    thresholds = dict.fromkeys(names, usual)
    candidates, best = usual * np.geomspace(0.02, 50, resolution), score(thresholds)
    for _ in range(ROUNDS):
        before = best
        for name in names:
            value, reached = _best(candidates, thresholds[name], _of_class(score, thresholds, name))
            if reached > best:
                thresholds, best = {**thresholds, name: value}, reached
        if best == before:
            break
    return _found(prediction, measure, thresholds)
