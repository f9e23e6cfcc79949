"""How the numbers of a network become predictions of several targets: numbers, or labels each of which a row has or has not.

An output for each target, in the order of training; the loss sees float32 `(batch, targets)`. Neighbours: link chooses.
"""

from typing import ClassVar

import attrs
import numpy as np
import torch

from pipeops.data import Task
from pipeops.learn.learners.tabular import several_facts
from pipeops.learn.prediction.multi import PredictionMultilabel, PredictionMultiRegr
from pipeops.net.inputs.precision import sample, warn_of_equal
from pipeops.saving import savable


@attrs.frozen
class MultiLink:
    """What both kinds share."""

    target_names: list[str]
    kind: ClassVar[str] = ""
    class_names: ClassVar[None] = None

    @property
    def width(self) -> int:
        """An output for each target."""
        return len(self.target_names)

    def target(self, task: Task) -> torch.Tensor:
        """Numbers, or 1 and 0, as float32 `(n, targets)`."""
        values = several_facts(task, self.target_names)["truth"].astype(np.float64)
        warn_of_equal(self.target_names, values[sample(len(values))], "the targets")
        return torch.tensor(values, dtype=torch.float32)


@savable
@attrs.frozen
class MultiRegrLink(MultiLink):
    """Numbers as they are, or with `exponential` their exponentials, as of a Poisson regression."""

    exponential: bool = False
    kind = "numbers"

    def needs(self) -> str:
        """The output that the task needs, in words."""
        return f"{self.width} targets need (batch, {self.width}), a number for each"

    def predict(self, output: torch.Tensor, task: Task, with_all: bool) -> PredictionMultiRegr:
        """Numbers, from outputs `(n, targets)`."""
        values = output.numpy().astype(np.float64)
        response = np.exp(values) if self.exponential else values
        return PredictionMultiRegr(response=response, **several_facts(task, self.target_names))


@savable
@attrs.frozen
class MultilabelLink(MultiLink):
    """Logits of the labels."""

    kind = "labels"

    def needs(self) -> str:
        """The output that the task needs, in words."""
        return f"{self.width} labels need (batch, {self.width}), a logit for each"

    def predict(self, output: torch.Tensor, task: Task, with_all: bool) -> PredictionMultilabel:
        """Labels of probability 0.5 or more, and the probabilities where all is wanted, from outputs `(n, labels)`."""
        prob = torch.sigmoid(output.detach().to(torch.float64)).numpy()
        shown = {"prob": prob} if with_all else {"response": prob >= 0.5}
        return PredictionMultilabel(**shown, **several_facts(task, self.target_names))
