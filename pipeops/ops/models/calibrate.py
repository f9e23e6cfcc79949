"""calibrate: probabilities that mean what they say, learnt on predictions of rows that the model was not fitted on.

Neighbours: `learn.explain` shows how well probabilities are calibrated; `threshold` above this folder changes the response alone.
"""

import re
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from pipeops.errors import CompositionError, ConfigError, DataError
from pipeops.graph.graph_learner import as_learner
from pipeops.graph.learner_node import HoldsLearner
from pipeops.graph.pipeop import AutoId, Channel, PipeOp, operator
from pipeops.learn.learner import Learner
from pipeops.learn.prediction.base import Prediction
from pipeops.ops.base import one_task
from pipeops.params import Setting, choice, hyperparameters, integer
from pipeops.shorthand import lrn, po, rsmp
from pipeops.text import call

Curve = dict[str, Any]
"""What was learnt of one class: slope and intercept, or the corners `x` and `y` of a step."""


@po.add("calibrate")
@operator
class Calibrate(HoldsLearner, PipeOp):
    """Calibrate the probabilities of a classifier, by Platt's logistic curve or isotonic regression.

    learner: a learner, graph or estimator that predicts probabilities; each row is predicted by a model of the other folds, the
    curve is fitted to these, and the model that predicts is trained on all rows. Without a learner the node stands behind a
    model, as tunethreshold does, and is fitted on its validation data: `as_learner(graph, validate=0.3)`. method: "platt" (a
    logistic curve of the log-odds, targets smoothed; Platt 1999) or "isotonic" (Zadrozny and Elkan 2002; better with a thousand
    rows or more). folds, seed: of the cross-fitting; None draws one. predict_type: with or without the probabilities. Three
    classes or more are calibrated against the rest each, and made to sum to 1. Row weights count.

    >>> from pipeops import lrn, po, tsk
    >>> node = po("calibrate", lrn("classif.naive_bayes"), method="isotonic", seed=1)
    >>> task = tsk("breast_cancer")
    >>> round(node.predict([task], node.train([task])[1])[0].score("classif.logloss"), 2) < 0.2
    True
    """

    takes_valid: ClassVar[bool] = True
    target: ClassVar[bool] = True
    any_rows: ClassVar[bool] = False
    example: ClassVar[Any] = staticmethod(lambda: {"learner": lrn("classif.featureless"), "seed": 0})

    learner: Learner | None = None
    method: str = choice("platt", "isotonic", default="platt")
    folds: int = integer(2, default=5)
    seed: int | None = integer(0, default=None)
    predict_type: str = choice("response", "prob", default="prob")

    def __init__(self, learner: Any = None, *, id: str | None = None, **settings: Any):
        made = None if learner is None else _probabilistic(as_learner(learner))
        own = "calibrate" if made is None else re.sub(r"\W", "_", made.id)
        self.__attrs_init__(id=AutoId(own) if id is None else id, learner=made, **settings)  # type: ignore[attr-defined]

    @property
    def inputs(self) -> tuple[Channel, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        if self.learner is None:
            return (Channel("input", "None", "PredictionClassif"),)
        return (Channel("input", "TaskClassif", "TaskClassif"),)

    @property
    def outputs(self) -> tuple[Channel, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return (Channel("output", "None", "PredictionClassif"),)

    def own_params(self) -> dict[str, Setting]:
        """The node's own; behind a model only the method."""
        own = {name: Setting(param, getattr(self, name)) for name, param in hyperparameters(type(self)).items()}
        return own if self.learner is not None else {"method": own["method"]}

    def train(self, inputs: Sequence[Any], valid: Sequence[Any] | None = None) -> tuple[Sequence[Any], dict[str, Any]]:
        """Nothing comes out; the state has a curve for each class (of two the first), and the learner's."""
        if self.learner is None:
            return [None], {"curves": self._curves(self._validated(valid)), "learner": None}
        task = one_task(self, inputs)
        if task.nrow < self.folds:
            raise DataError(f"{self.id}: {task.nrow} rows cannot be cut into {self.folds} folds; set fewer 'folds'.")
        cut = rsmp("cv", folds=self.folds).instantiate(task, seed=self.seed)
        parts = [self._out_of_fold(task, np.isin(task.row_ids, cut.test_set(k))) for k in range(cut.iters)]
        curves = self._curves(Prediction.combine(parts))
        return [None], {"curves": curves, "learner": self.learner.clone().train(task).state}

    def _out_of_fold(self, task: Any, test: Any) -> Any:
        assert self.learner is not None
        return self.learner.clone().train(task.filter(~test)).predict(task.filter(test))

    def _validated(self, valid: Sequence[Any] | None) -> Any:
        if valid is None or valid[0] is None:
            raise ConfigError(
                f"{self.id}: without a learner it calibrates on validation data and got none; as_learner(graph, validate=0.3), "
                'or po("calibrate", learner) for cross-fitting.'
            )
        return valid[0]

    def _curves(self, prediction: Any) -> list[Curve]:
        """What maps the probability of each class; of two classes only the first has one."""
        prob, codes = _prob(self, prediction), prediction.truth_codes
        known = (codes >= 0) & ~np.isnan(prob).any(axis=1)
        weights = (np.ones(len(codes)) if prediction.weights is None else prediction.weights)[known]
        if not weights.any():
            raise DataError(f"{self.id}: there is no row with a truth and probabilities to calibrate on.")
        classes = range(1 if prob.shape[1] == 2 else prob.shape[1])
        fit = _platt if self.method == "platt" else _isotonic
        return [fit(prob[known, k], codes[known] == k, weights) for k in classes]

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        """The prediction with calibrated probabilities, and the response that follows from them."""
        prediction = inputs[0]
        if self.learner is not None:
            prediction = self.learner.with_state(state["learner"]).predict(one_task(self, inputs))
        made = prediction._with(
            {**prediction._parts(), "response": None, "prob": _mapped(_prob(self, prediction), state["curves"])}
        )
        if self.predict_type == "prob":
            return [made]
        return [made._with({**made._parts(), "response": made.response_codes, "prob": None})]

    def __repr__(self) -> str:
        named = {} if isinstance(self.id, AutoId) else {"id": str(self.id)}
        holder = ['"calibrate"'] if self.learner is None else ['"calibrate"', repr(self.learner)]
        return call("po", holder, {**named, **self.changed()})


def _probabilistic(learner: Any) -> Learner:
    """A copy that predicts probabilities."""
    if learner.task_type != "classif" or "prob" not in learner.predict_types:
        raise CompositionError(f'po("calibrate"): takes a classifier that predicts probabilities, {learner.id} does not.')
    copied = learner.clone()
    copied.predict_type = "prob"
    return copied


def _prob(node: PipeOp, prediction: Any) -> Any:
    if prediction.prob is None:
        raise DataError(f"{node.id}: needs probabilities; set predict_type='prob' in the node before it.")
    return np.asarray(prediction.prob, dtype=np.float64)


def _log_odds(prob: Any) -> Any:
    inside = np.clip(prob, 1e-12, 1 - 1e-12)
    return np.log(inside) - np.log1p(-inside)


def _platt(prob: Any, hit: Any, weights: Any) -> Curve:
    """Logistic regression of smoothed targets on the log-odds: each row counts as a hit in part, and in part as none."""
    from sklearn.linear_model import LogisticRegression

    hits, others = weights[hit].sum(), weights[~hit].sum()
    target = np.where(hit, (hits + 1) / (hits + 2), 1 / (others + 2))
    x = np.tile(_log_odds(prob), 2)[:, None]
    y, w = np.repeat([1, 0], len(prob)), np.concatenate([weights * target, weights * (1 - target)])
    model = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000).fit(x, y, sample_weight=w)
    return {"slope": float(model.coef_[0, 0]), "intercept": float(model.intercept_[0])}


def _isotonic(prob: Any, hit: Any, weights: Any) -> Curve:
    from sklearn.isotonic import IsotonicRegression

    counts = weights > 0
    model = IsotonicRegression(y_min=0, y_max=1).fit(prob[counts], hit[counts].astype(np.float64), weights[counts])
    return {"x": np.asarray(model.X_thresholds_), "y": np.asarray(model.y_thresholds_)}


def _mapped(prob: Any, curves: Sequence[Curve]) -> Any:
    """Probabilities `(rows, classes)` through the curves; each row sums to 1, and is even where every curve says 0."""
    columns = np.stack([_through(curve, prob[:, k]) for k, curve in enumerate(curves)], axis=1)
    if len(curves) == 1:
        return np.concatenate([columns, 1 - columns], axis=1)
    sums = columns.sum(axis=1, keepdims=True)
    return np.divide(columns, sums, out=np.full_like(columns, 1 / len(curves)), where=~(sums == 0))


def _through(curve: Curve, values: Any) -> Any:
    from scipy.special import expit

    if "slope" in curve:
        return expit(curve["slope"] * _log_odds(values) + curve["intercept"])
    return np.interp(values, curve["x"], curve["y"])
