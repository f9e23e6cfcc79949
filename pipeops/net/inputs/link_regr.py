"""How the numbers of a network become predictions of a regression: a number, its exponential, a mean and variance, quantiles.

The loss says which (`TorchLoss.output`), since it gives the outputs their meaning. The target is float32 `(batch, 1)` for all.
Neighbours: link has classes, and chooses.
"""

from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
import torch

from pipeops.data import Task
from pipeops.errors import ConfigError
from pipeops.learn.prediction.regr import PredictionRegr
from pipeops.net.inputs.precision import sample, warn_of_equal
from pipeops.saving import savable


class RegrLink:
    """What all share: the target, and the table of a task's rows."""

    kind = "number"
    class_names = None

    def target(self, task: Task) -> torch.Tensor:
        """The numbers as float32 `(n, 1)`."""
        values = task.truth()
        if values.dtype.itemsize > 2 and values.dtype != np.float32:
            warn_of_equal([task.target_name], values[sample(len(values))].astype(np.float64)[:, None], "the target")
        return torch.tensor(values, dtype=torch.float32).unsqueeze(1)

    def _table(self, task: Task, **parts: Any) -> PredictionRegr:
        truth = task.truth() if task.has_target else None
        return PredictionRegr(row_ids=task.row_ids, truth=truth, weights=task.weights("measure"), backend=backend(task), **parts)


@savable
@attrs.frozen
class NumberLink(RegrLink):
    """A number as it is, or with `exponential` its exponential, as of a Poisson regression."""

    exponential: bool = False

    @property
    def width(self) -> int:
        """One output."""
        return 1

    def needs(self) -> str:
        """The output that the task needs, in words."""
        return "a regression needs (batch, 1), the predicted number"

    def predict(self, output: torch.Tensor, task: Task, with_all: bool) -> PredictionRegr:
        """Numbers, from outputs `(n, 1)`."""
        response = output[:, 0].numpy().astype(np.float64)
        return self._table(task, response=np.exp(response) if self.exponential else response)


@savable
@attrs.frozen
class GaussianLink(RegrLink):
    """The mean and the logarithm of the variance; the square root of the latter is the standard error."""

    kind = "gaussian"

    @property
    def width(self) -> int:
        """Two outputs."""
        return 2

    def needs(self) -> str:
        """The output that the task needs, in words."""
        return "a regression with standard errors needs (batch, 2), the mean and the logarithm of the variance"

    def predict(self, output: torch.Tensor, task: Task, with_all: bool) -> PredictionRegr:
        """Means, and standard errors where all is wanted, from outputs `(n, 2)`."""
        values = output.numpy().astype(np.float64)
        return self._table(task, response=values[:, 0], se=np.exp(values[:, 1] / 2) if with_all else None)


@savable
@attrs.frozen
class QuantileLink(RegrLink):
    """A quantile for each probability, in rising order; in the prediction they are sorted, so that none cross."""

    probs: tuple[float, ...]
    kind = "quantiles"

    @property
    def width(self) -> int:
        """An output for each probability."""
        return len(self.probs)

    @property
    def middle(self) -> int:
        """Where the response is: the median, or the only one."""
        return self.probs.index(0.5) if 0.5 in self.probs else 0

    def needs(self) -> str:
        """The output that the task needs, in words."""
        return f"{self.width} quantiles need (batch, {self.width}), a number for each"

    def predict(self, output: torch.Tensor, task: Task, with_all: bool) -> PredictionRegr:
        """Quantiles where all is wanted, and their median (of one quantile: itself), from outputs `(n, q)`."""
        values = np.sort(output.numpy().astype(np.float64), axis=1)
        shown = {"quantiles": values, "probs": self.probs} if with_all else {}
        return self._table(task, response=values[:, self.middle], **shown)


def quantile_link(who: str, probs: Sequence[float]) -> QuantileLink:
    """Of these probabilities; several must have 0.5 among them, whose quantile is the response."""
    levels = tuple(sorted(float(p) for p in probs))
    if not levels or len(set(levels)) < len(levels) or not all(0 < p < 1 for p in levels):
        raise ConfigError(f"{who}: quantiles are different probabilities in (0, 1), as in [0.1, 0.5, 0.9], got {list(probs)}.")
    if len(levels) > 1 and 0.5 not in levels:
        raise ConfigError(f"{who}: 0.5 must be among the quantiles {list(probs)}, since the median is the response.")
    return QuantileLink(levels)


def backend(task: Task) -> str:
    """The frame library of a task, by name."""
    return str(task.frame([]).implementation.value)
