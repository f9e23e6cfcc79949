"""Learners whose hyperparameters are a flat list, and what they share: the response as a labelled table.

`FlatLearner` holds the predict type and shows the hyperparameters. Neighbours: learner and prediction below;
featureless and sklearn_learner above.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeops.data import Task
from pipeops.errors import ConfigError, DataError, listing
from pipeops.learn.learner import Learner
from pipeops.learn.prediction.classif import PredictionClassif
from pipeops.learn.prediction.regr import PredictionRegr
from pipeops.params import Setting
from pipeops.text import call, source

Array = npt.NDArray[Any]


class FlatLearner(Learner):
    """Base of learners without parts of their own."""

    key: str = ""
    """The key on the shelf `lrn`, empty for learners made by hand."""

    @abstractmethod
    def own_params(self) -> dict[str, Setting]:
        """The hyperparameters by name."""

    @abstractmethod
    def _change(self, name: str, value: Any) -> None:
        """Set a hyperparameter, whose value has been checked."""

    def _set_param(self, address: str, value: Any) -> None:
        problem = self.params.setting(address).param.problem(value)
        if problem:
            raise ConfigError(f"{self.id}: '{address}' {problem}, got {source(value)}.")
        self._change(address, value)
        self.reset()

    @property
    def predict_type(self) -> str:
        """What `predict` returns: "response", "prob" (classification) or "se" (regression)."""
        return self._predict_type

    @predict_type.setter
    def predict_type(self, value: str) -> None:
        if value not in self.predict_types:
            raise ConfigError(f"{self.id}: predict_type must be one of {listing(self.predict_types)}, got {value!r}.")
        self._predict_type = value

    def _named(self) -> dict[str, Any]:
        """What the shelf takes beside hyperparameters, where it is not the usual."""
        own = {"id": self.id} if self.id != self.key else {}
        return own | ({"predict_type": self.predict_type} if self.predict_type != "response" else {})

    def __repr__(self) -> str:
        if not self.key:
            return super().__repr__()
        changed = {n: s.value for n, s in self.own_params().items() if source(s.value) != source(s.param.default)}
        return call("lrn", [source(self.key)], {**self._named(), **changed})


def counting(task: Any) -> Any:
    """The task without the rows whose weight is 0, which count for nothing."""
    weights = task.weights()
    return task if weights is None or weights.all() else task.filter(weights > 0)


def frame_library(task: Task) -> str:
    """The frame library of a task, by name."""
    return str(task.frame([]).implementation.value)


def class_prediction(
    task: Task, class_names: Sequence[Any], *, codes: Array | None = None, prob: Array | None = None
) -> PredictionClassif:
    """The labelled table of a model that knows these classes; `codes` are positions in `class_names`."""
    return PredictionClassif.from_codes(
        task.row_ids,
        truth=truth_codes(task, class_names) if task.has_target else None,
        response=codes,
        prob=prob,
        class_names=list(class_names),
        weights=task.weights("measure"),
        backend=frame_library(task),
    )


def number_prediction(task: Task, response: Array, se: Array | None = None) -> PredictionRegr:
    """The table of a model that predicts numbers."""
    truth = task.truth() if task.has_target else None
    return PredictionRegr(
        row_ids=task.row_ids, truth=truth, response=response, se=se, weights=task.weights("measure"), backend=frame_library(task)
    )


def several_facts(task: Task, target_names: Sequence[str]) -> dict[str, Any]:
    """What the table of a model of these targets has beside what is predicted; other targets in the task are refused."""
    truth = None
    if task.has_target:
        if set(task.target_names) != set(target_names):
            raise DataError(
                f"the task '{task.id}' has the targets {listing(task.target_names)}, the model was trained on "
                f"{listing(target_names)}."
            )
        truth = task.truth()[:, [task.target_names.index(name) for name in target_names]]
    own = {"row_ids": task.row_ids, "truth": truth, "target_names": list(target_names), "weights": task.weights("measure")}
    return {**own, "backend": frame_library(task)}


def truth_codes(task: Any, class_names: Sequence[Any]) -> Array:
    """The truth as positions in the model's classes; labels that the model does not know are refused."""
    codes, names = task.class_codes(), task.class_names
    if names == list(class_names):
        return codes
    places = np.array([*(class_names.index(name) if name in class_names else -2 for name in names), -1])
    found = places[codes]
    if (found == -2).any():
        unknown = [name for name in names if name not in class_names]
        raise DataError(f"the task '{task.id}' has classes {listing(unknown)}, the model was trained on {listing(class_names)}.")
    return found
