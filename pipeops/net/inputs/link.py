"""The contract between a task and a network: the shape of the output, the target that the loss sees, and the way back.

Two classes: one logit, of the positive class, against float32 `(batch, 1)` with 1 for positive. More: k logits against
int64 `(batch,)`, positions in level order. Of a regression the loss says what the outputs mean (`link_regr`); several targets
have an output each (`link_multi`).
Neighbours: tasks and predictions below; model and trainer above.
"""

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np
import torch
from torch.nn import functional

from pipeops.data import Task
from pipeops.errors import DataError, listing
from pipeops.learn.prediction.classif import PredictionClassif
from pipeops.net.inputs.link_multi import MultilabelLink, MultiRegrLink
from pipeops.net.inputs.link_regr import GaussianLink, NumberLink, QuantileLink, backend
from pipeops.saving import savable

DEEPEST = 700.0
"""Minus the logarithm of the smallest probability that is exact; below, probabilities only keep their order."""


@savable
@attrs.frozen
class ClassLink:
    """Classes in level order, the positive one of two first."""

    class_names: list[Any]
    kind = "classes"

    @property
    def width(self) -> int:
        """One output for two classes, else one for each."""
        return 1 if len(self.class_names) == 2 else len(self.class_names)

    def needs(self) -> str:
        """The output that the task needs, in words."""
        if self.width == 1:
            return f"two classes need (batch, 1), the logit of the positive class {self.class_names[0]!r}"
        return f"{self.width} classes need (batch, {self.width}), one logit for each"

    def target(self, task: Task) -> torch.Tensor:
        """What the loss sees, on the CPU."""
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

    def predict(self, output: torch.Tensor, task: Task, with_all: bool) -> PredictionClassif:
        """Classes, and probabilities where all is wanted, from outputs `(n, width)`."""
        prob = self._prob(output)
        response = None if with_all else (prob[:, 0] < 0.5).astype(np.int64) if self.width == 1 else prob.argmax(axis=1)
        return PredictionClassif.from_codes(
            task.row_ids,
            truth=self._codes(task) if task.has_target else None,
            response=response,
            prob=prob if with_all else None,
            class_names=self.class_names,
            weights=task.weights("measure"),
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


Link = ClassLink | NumberLink | GaussianLink | QuantileLink | MultiRegrLink | MultilabelLink
"""What a model knows of its task: `width` and `needs()` say what its outputs must be, `target(task)` is what the loss sees, and
`predict(output, task, with_all)` the labelled table from outputs `(n, width)`, with more than the response where that is wanted.
"""


SEVERAL: dict[str, Callable[[list[str]], Link]] = {"multiregr": MultiRegrLink, "multilabel": MultilabelLink}
"""The links of tasks with several targets."""


def link_for(class_names: Sequence[Any] | None) -> Link:
    """The link of a task with these classes; None for a regression."""
    return NumberLink() if class_names is None else ClassLink(list(class_names))


def classes_of(task: Task) -> list[Any] | None:
    """The classes of a task; None where it has none."""
    return list(task.class_names) if task.task_type == "classif" else None  # type: ignore[attr-defined]


def link_of(task: Task) -> Link:
    """The link of a task."""
    if task.task_type in SEVERAL:
        return SEVERAL[task.task_type](task.target_names)
    return link_for(classes_of(task))
