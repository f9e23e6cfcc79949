"""The shelf of losses for numbers: `t_loss("mse")` and its like, one class for each.

`output` says what the outputs of the network mean to a loss, and so how they become predictions (`inputs/link_regr`).
Neighbours: base has the machinery, numbers the functions.
"""

import functools
from typing import Any, ClassVar

import attrs
import torch

from pipeops.data import Task
from pipeops.errors import DataError
from pipeops.net.losses.base import LossFunction, TorchLoss, loss
from pipeops.net.losses.numbers import gaussian_nll, pinball
from pipeops.net.losses.scores import Reduction
from pipeops.params import anything, choice, flag, real
from pipeops.shorthand import t_loss


@t_loss.add("mse")
@loss
class MeanSquaredError(TorchLoss):
    """Mean squared error.

    >>> from pipeops import t_loss
    >>> t_loss("mse")
    t_loss("mse")
    """

    task_types: ClassVar[tuple[str, ...]] = ("regr", "multiregr")
    output = "number"
    reduction: str = choice("mean", "sum", default="mean")

    def build(self, task: Task) -> LossFunction:
        """`torch.nn.MSELoss`."""
        return torch.nn.MSELoss(reduction=self.reduction)


@t_loss.add("l1")
@loss
class AbsoluteError(TorchLoss):
    """Mean absolute error.

    >>> from pipeops import t_loss
    >>> t_loss("l1", reduction="sum")
    t_loss("l1", reduction="sum")
    """

    task_types: ClassVar[tuple[str, ...]] = ("regr", "multiregr")
    output = "number"
    reduction: str = choice("mean", "sum", default="mean")

    def build(self, task: Task) -> LossFunction:
        """`torch.nn.L1Loss`."""
        return torch.nn.L1Loss(reduction=self.reduction)


@t_loss.add("huber")
@loss
class Huber(TorchLoss):
    """Huber's loss: squared up to `delta`, linear beyond (Huber 1964).

    >>> from pipeops import t_loss
    >>> t_loss("huber", delta=2.0)
    t_loss("huber", delta=2.0)
    """

    task_types: ClassVar[tuple[str, ...]] = ("regr", "multiregr")
    output = "number"
    reduction: str = choice("mean", "sum", default="mean")
    delta: float = real(0, default=1.0)

    def build(self, task: Task) -> LossFunction:
        """`torch.nn.HuberLoss`."""
        return torch.nn.HuberLoss(reduction=self.reduction, delta=self.delta)


@t_loss.add("smooth_l1")
@loss
class SmoothAbsoluteError(TorchLoss):
    """Absolute error, squared within `beta` of the truth (Girshick 2015): Huber's loss over `beta`.

    >>> from pipeops import t_loss
    >>> t_loss("smooth_l1", beta=0.5)
    t_loss("smooth_l1", beta=0.5)
    """

    task_types: ClassVar[tuple[str, ...]] = ("regr", "multiregr")
    output = "number"
    reduction: str = choice("mean", "sum", default="mean")
    beta: float = real(0, default=1.0)

    def build(self, task: Task) -> LossFunction:
        """`torch.nn.SmoothL1Loss`."""
        return torch.nn.SmoothL1Loss(reduction=self.reduction, beta=self.beta)


@t_loss.add("poisson_nll")
@loss
class PoissonLikelihood(TorchLoss):
    """Negative log-likelihood of counts; the network puts out the logarithm of the rate, predictions are the rate.

    full: with Stirling's approximation of the constant. Targets are at least 0.

    >>> from pipeops import t_loss
    >>> t_loss("poisson_nll")
    t_loss("poisson_nll")
    """

    task_types: ClassVar[tuple[str, ...]] = ("regr", "multiregr")
    output = "exponential"
    reduction: str = choice("mean", "sum", default="mean")
    full: bool = flag(False)

    def build(self, task: Task) -> LossFunction:
        """`torch.nn.PoissonNLLLoss` of the logarithm."""
        if (task.truth() < 0).any():  # type: ignore[attr-defined]
            raise DataError(f"poisson_nll: counts are at least 0, the target of '{task.id}' has negative ones.")
        return torch.nn.PoissonNLLLoss(log_input=True, full=self.full, reduction=self.reduction)


@t_loss.add("gaussian_nll")
@loss
class GaussianLikelihood(TorchLoss):
    """Negative log-likelihood of a normal distribution whose variance is learnt too; `predict_type="se"` shows it.

    >>> from pipeops import t_loss
    >>> t_loss("gaussian_nll")
    t_loss("gaussian_nll")
    """

    task_types: ClassVar[tuple[str, ...]] = ("regr",)
    output = "gaussian"
    reduction: Reduction = choice("mean", "sum", default="mean")

    def build(self, task: Task) -> LossFunction:
        """`pipeops.net.losses.numbers.gaussian_nll`."""
        return functools.partial(gaussian_nll, reduction=self.reduction)


@t_loss.add("pinball")
@loss
class Pinball(TorchLoss):
    """Pinball loss of quantiles (Koenker & Bassett 1978).

    quantiles: different probabilities between 0 and 1; those of the model node where they are left out here.

    >>> from pipeops import t_loss
    >>> t_loss("pinball", quantiles=[0.1, 0.5, 0.9])
    t_loss("pinball", quantiles=[0.1, 0.5, 0.9])
    """

    task_types: ClassVar[tuple[str, ...]] = ("regr",)
    output = "quantiles"
    quantiles: Any = anything(None)
    reduction: Reduction = choice("mean", "sum", default="mean")

    def for_outputs(self, link: Any) -> TorchLoss:
        """With the quantiles of the network's outputs, in their order."""
        return attrs.evolve(self, quantiles=link.probs)

    def build(self, task: Task) -> LossFunction:
        """`pipeops.net.losses.numbers.pinball`."""
        return functools.partial(pinball, quantiles=tuple(self.quantiles), reduction=self.reduction)
