"""The baselines of tasks with several targets: they look at the targets only. Neighbours: featureless beside it."""

from functools import partial
from typing import Literal

import attrs
import numpy as np

from pipeops.data import Task
from pipeops.learn.learners.featureless import PLAIN, FeaturelessLearner, median, restore, to_plain
from pipeops.learn.learners.tabular import Array, counting, several_facts
from pipeops.learn.prediction.multi import PredictionMultilabel, PredictionMultiRegr
from pipeops.params import Configurable, flag
from pipeops.saving import savable, saved_as
from pipeops.shorthand import lrn


@savable
@attrs.frozen(eq=False)
class Centers:
    """Where each target lies; of labels, the share of rows that have them."""

    target_names: list[str]
    values: Array


class FeaturelessMulti(FeaturelessLearner):
    """What both kinds share."""

    def _centers(self, task: Task, middle: Literal["mean", "median"]) -> Centers:
        task = counting(task)
        y, weights = task.truth().astype(np.float64), task.weights()
        if middle == "mean":
            return Centers(task.target_names, np.average(y, axis=0, weights=weights))
        w = np.ones(len(y)) if weights is None else weights
        return Centers(task.target_names, np.array([median(column, w) for column in y.T]))


@lrn.add("multiregr.featureless")
class MultiRegrFeatureless(FeaturelessMulti):
    """Predicts the mean of each target, or with `robust` its median.

    >>> from pipeops import lrn, as_task_regr
    >>> task = as_task_regr({"x": [1, 2, 3], "a": [1.0, 2.0, 6.0], "b": [0, 0, 3]}, target=["a", "b"])
    >>> lrn("multiregr.featureless").train(task).predict(task).response[0].tolist()
    [3.0, 1.0]
    """

    key = "multiregr.featureless"
    task_type = "multiregr"
    predict_types = ("response",)

    @attrs.frozen(eq=False)
    class Settings(Configurable):
        """How the middle is found."""

        robust: bool = flag(False)

    def _train(self, task: Task, valid: Task | None) -> Centers:
        return self._centers(task, "median" if self.settings.robust else "mean")

    def _predict(self, task: Task, model: Centers) -> PredictionMultiRegr:
        return PredictionMultiRegr(response=np.tile(model.values, (task.nrow, 1)), **several_facts(task, model.target_names))


@lrn.add("multilabel.featureless")
class MultilabelFeatureless(FeaturelessMulti):
    """Predicts for each label the share of rows that have it, and the label where that is half or more.

    >>> from pipeops import lrn, as_task_multilabel
    >>> task = as_task_multilabel({"x": [1, 2, 3], "a": [1, 1, 0], "b": [0, 0, 1]}, target=["a", "b"])
    >>> lrn("multilabel.featureless").train(task).predict(task).response[0].tolist()
    [True, False]
    """

    key = "multilabel.featureless"
    task_type = "multilabel"
    predict_types = ("response", "prob")

    @attrs.frozen(eq=False)
    class Settings(Configurable):
        """There are none."""

    def _train(self, task: Task, valid: Task | None) -> Centers:
        return self._centers(task, "mean")

    def _predict(self, task: Task, model: Centers) -> PredictionMultilabel:
        prob = np.tile(model.values, (task.nrow, 1))
        shown = {"prob": prob} if self.predict_type == "prob" else {"response": prob >= 0.5}
        return PredictionMultilabel(**shown, **several_facts(task, model.target_names))


for _cls in (MultiRegrFeatureless, MultilabelFeatureless):
    saved_as(_cls, partial(restore, _cls), to_plain, plain=PLAIN)
