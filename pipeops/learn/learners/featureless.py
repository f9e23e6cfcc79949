"""Featureless learners, the baselines: they look at the target only. Neighbours: tabular below,
featureless_multi beside it.
"""

from abc import abstractmethod
from typing import Any, ClassVar

import attrs
import numpy as np

from pipeops.data import Task
from pipeops.learn.learner import SAVED_PARTS, saved_parts, with_saved_parts
from pipeops.learn.learners.tabular import Array, FlatLearner, class_prediction, counting, number_prediction
from pipeops.params import Configurable, Setting, choice, flag, integer
from pipeops.saving import savable, saved_as
from pipeops.shorthand import lrn

MAD = 1.4826
"""The factor that makes the median absolute deviation of a normal sample its standard deviation."""


@savable
@attrs.frozen(eq=False)
class ClassShares:
    """The sum of weights of each class in training."""

    class_names: list[Any]
    counts: Array


@savable
@attrs.frozen(eq=False)
class Location:
    """Where the target of a regression lies, and how far it spreads."""

    center: float
    spread: float


class FeaturelessLearner(FlatLearner):
    """What both kinds share. Settings: the class of their hyperparameters; settings: their values."""

    Settings: ClassVar[type[Configurable]]
    takes_missing: bool = True
    takes_categories: bool = True

    def __init__(self, *, id: str | None = None, predict_type: str = "response", **hyperparameters: Any):
        super().__init__(self.key if id is None else id)
        self.predict_type = predict_type
        self.settings: Any = self.Settings()
        for name, value in hyperparameters.items():
            self.params[name] = value

    def own_params(self) -> dict[str, Setting]:
        return dict(self.settings.own_params())

    def _change(self, name: str, value: Any) -> None:
        self.settings = self.settings.with_own(name, value)

    def selected_features(self) -> list[str]:
        """The features that the model uses: none."""
        return []

    @abstractmethod
    def _train(self, task: Task, valid: Task | None) -> Any: ...


@lrn.add("classif.featureless")
class ClassifFeatureless(FeaturelessLearner):
    """Predicts from the shares of the classes in training.

    method: "mode" predicts the most frequent class (the first of equals) with the shares as probabilities, "sample" any
    class that was seen, "weighted.sample" one drawn with the shares. seed: of the drawing.

    >>> from pipeops import lrn, tsk
    >>> learner = lrn("classif.featureless", predict_type="prob").train(tsk("iris"))
    >>> learner.predict(tsk("iris")).prob[0].round(2).tolist()
    [0.33, 0.33, 0.33]
    """

    key = "classif.featureless"
    task_type = "classif"
    predict_types = ("response", "prob")

    @attrs.frozen(eq=False)
    class Settings(Configurable):
        """How classes are predicted."""

        method: str = choice("mode", "sample", "weighted.sample", default="mode")
        seed: int | None = integer(default=None)

    def _train(self, task: Any, valid: Task | None) -> ClassShares:
        names = task.class_names
        return ClassShares(names, np.bincount(task.class_codes(), weights=task.weights(), minlength=len(names)).astype(float))

    def _predict(self, task: Task, model: ClassShares) -> Any:
        shares, method = model.counts / model.counts.sum(), self.settings.method
        if method == "sample":
            shares = (model.counts > 0) / (model.counts > 0).sum()
        if method == "mode":
            codes = np.full(task.nrow, shares.argmax())
        else:
            codes = np.random.default_rng(self.settings.seed).choice(len(shares), size=task.nrow, p=shares)
        if self.predict_type == "response":
            return class_prediction(task, model.class_names, codes=codes)
        prob = np.eye(len(shares))[codes] if method == "weighted.sample" else np.tile(shares, (task.nrow, 1))
        return class_prediction(task, model.class_names, codes=codes, prob=prob)


@lrn.add("regr.featureless")
class RegrFeatureless(FeaturelessLearner):
    """Predicts the mean of the target, or with `robust` its median; the standard deviation (or MAD) as standard error.

    >>> from pipeops import lrn, as_task_regr
    >>> task = as_task_regr({"x": [1, 2, 3], "y": [1.0, 2.0, 6.0]}, target="y")
    >>> lrn("regr.featureless").train(task).predict(task).response.tolist()
    [3.0, 3.0, 3.0]
    """

    key = "regr.featureless"
    task_type = "regr"
    predict_types = ("response", "se")

    @attrs.frozen(eq=False)
    class Settings(Configurable):
        """How the middle is found."""

        robust: bool = flag(False)

    def _train(self, task: Task, valid: Task | None) -> Location:
        task = counting(task)
        y, weights = task.truth().astype(np.float64), task.weights()
        w = np.ones(len(y)) if weights is None else weights
        if self.settings.robust:
            center = median(y, w)
            return Location(center, MAD * median(np.abs(y - center), w))
        center = float(np.average(y, weights=w))
        freedom = w.sum() - (w**2).sum() / w.sum()
        return Location(center, float(np.sqrt((w * (y - center) ** 2).sum() / freedom)) if freedom > 0 else float("nan"))

    def _predict(self, task: Task, model: Location) -> Any:
        se = np.full(task.nrow, model.spread) if self.predict_type == "se" else None
        return number_prediction(task, np.full(task.nrow, model.center), se)


def median(values: Array, weights: Array) -> float:
    """The smallest value with at least half of the weight up to it, or the mean of two where the weight splits evenly."""
    order = np.argsort(values)
    values, share = values[order], np.cumsum(weights[order]) / weights.sum()
    i = int(np.searchsorted(share, 0.5))
    return float((values[i] + values[i + 1]) / 2) if share[i] == 0.5 and i + 1 < len(values) else float(values[i])


def to_plain(learner: FeaturelessLearner) -> dict[str, Any]:
    """What a file holds of a featureless learner."""
    return {**saved_parts(learner), "predict_type": learner.predict_type, "values": dict(learner.params.items())}


def restore(cls: type[FeaturelessLearner], plain: dict[str, Any]) -> Any:
    """Version 0.1.0 called the predict type by the attribute that holds it."""
    predict_type = plain.get("predict_type") or plain["_predict_type"]
    return with_saved_parts(cls(id=plain["id"], predict_type=predict_type, **plain["values"]), plain)


PLAIN = SAVED_PARTS | {"predict_type": str, "_predict_type": str, "values": dict[str, Any]}
saved_as(ClassifFeatureless, lambda plain: restore(ClassifFeatureless, plain), to_plain, plain=PLAIN)
saved_as(RegrFeatureless, lambda plain: restore(RegrFeatureless, plain), to_plain, plain=PLAIN)
