"""The contract between a task and a network: the shape of the output, the target that the loss sees, and the way back.

Two classes: one logit, of the positive class, against float32 `(batch, 1)` with 1 for positive. More: k logits against
int64 `(batch,)`, positions in level order. Regression: one number against float32 `(batch, 1)`. The link follows from the
task, never from the loss. Neighbours: tasks and predictions below; model and trainer above.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch.nn import functional

from pipeops.data import Task
from pipeops.errors import DataError, listing
from pipeops.learn.prediction.classif import PredictionClassif
from pipeops.learn.prediction.regr import PredictionRegr
from pipeops.net.inputs.precision import sample, warn_of_equal

DEEPEST = 700.0
"""Minus the logarithm of the smallest probability that is exact; below, probabilities only keep their order."""


class Link(Protocol):
    """What a model knows of its task."""

    width: int
    """Columns of the output."""

    def needs(self) -> str:
        """The output that the task needs, in words."""
        ...

    def target(self, task: Task) -> torch.Tensor:
        """What the loss sees, on the CPU."""
        ...

    def predict(self, output: torch.Tensor, task: Task, with_prob: bool) -> Any:
        """The labelled table from outputs `(n, width)` for the rows of a task."""
        ...


class ClassLink:
    """Classes in level order, the positive one of two first."""

    def __init__(self, class_names: Sequence[Any]):
        self.class_names = list(class_names)
        self.width = 1 if len(self.class_names) == 2 else len(self.class_names)

    def needs(self) -> str:
        if self.width == 1:
            return f"two classes need (batch, 1), the logit of the positive class {self.class_names[0]!r}"
        return f"{self.width} classes need (batch, {self.width}), one logit for each"

    def target(self, task: Task) -> torch.Tensor:
        codes = self._codes(task)
        if self.width == 1:
            return torch.from_numpy((codes == 0).astype(np.float32)).unsqueeze(1)
        return torch.tensor(codes)

    def _codes(self, task: Task) -> np.ndarray:
        """Positions in this link's classes, -1 for what is not known."""
        codes: np.ndarray = task.class_codes()  # type: ignore[attr-defined]
        names = list(task.class_names)  # type: ignore[attr-defined]
        if names == self.class_names or not task.has_target:
            return codes
        unknown = [name for name in names if name not in self.class_names]
        present = [name for name in unknown if (codes == names.index(name)).any()]
        if present:
            raise DataError(
                f"the task '{task.id}' has classes {listing(present)}, the model was trained on {listing(self.class_names)}."
            )
        places = [-1 if name in unknown else self.class_names.index(name) for name in names]
        return np.array([*places, -1])[codes]

    def predict(self, output: torch.Tensor, task: Task, with_prob: bool) -> PredictionClassif:
        prob = self._prob(output)
        response = None if with_prob else (prob[:, 0] < 0.5).astype(np.int64) if self.width == 1 else prob.argmax(axis=1)
        return PredictionClassif.from_codes(
            task.row_ids,
            truth=self._codes(task) if task.has_target else None,
            response=response,
            prob=prob if with_prob else None,
            class_names=self.class_names,
            weights=task.weights(),
            backend=backend(task),
        )

    def _prob(self, output: torch.Tensor) -> np.ndarray:
        """`(n, k)` float64: each class's own tail is computed, so that small probabilities keep what the logits say."""
        logits = output.detach().to(torch.float64)
        if self.width == 1:
            logits = logits[:, :1]
            parts = torch.cat([logits, -logits], dim=1)
            return _kept(torch.sigmoid(parts), parts, lambda: functional.logsigmoid(parts))
        return _kept(torch.softmax(logits, dim=1), logits, lambda: torch.log_softmax(logits, dim=1))


def _kept(prob: torch.Tensor, logits: torch.Tensor, logarithm: Callable[[], torch.Tensor]) -> np.ndarray:
    """Probabilities, of which those below the range of numbers keep their order, too."""
    if len(logits) and float(logits.abs().max()) > DEEPEST / 2:
        log = logarithm()
        deep = torch.exp(log.clamp(min=-DEEPEST)) / (1 + (-DEEPEST - log).clamp(min=0))
        prob = torch.where(log < -DEEPEST, deep, prob)
    return prob.numpy()


class NumberLink:
    """A number as it is."""

    width = 1

    def needs(self) -> str:
        return "a regression needs (batch, 1), the predicted number"

    def target(self, task: Task) -> torch.Tensor:
        values = task.truth()
        if values.dtype.itemsize > 2 and values.dtype != np.float32:
            warn_of_equal([task.target_name], values[sample(len(values))].astype(np.float64)[:, None], "the target")
        return torch.tensor(values, dtype=torch.float32).unsqueeze(1)

    def predict(self, output: torch.Tensor, task: Task, with_prob: bool) -> PredictionRegr:
        response = output[:, 0].numpy().astype(np.float64)
        truth = task.truth() if task.has_target else None
        return PredictionRegr(row_ids=task.row_ids, truth=truth, response=response, weights=task.weights(), backend=backend(task))


def link_for(class_names: Sequence[Any] | None) -> Link:
    """The link of a task with these classes; None for a regression."""
    return NumberLink() if class_names is None else ClassLink(class_names)


def classes_of(task: Task) -> list[Any] | None:
    """The classes of a task; None for a regression."""
    return list(task.class_names) if task.task_type == "classif" else None  # type: ignore[attr-defined]


def link_of(task: Task) -> Link:
    """The link of a task."""
    return link_for(classes_of(task))


def backend(task: Task) -> str:
    """The frame library of a task, by name."""
    return str(task.frame([]).implementation.value)
