"""The shelf of losses for classes: `t_loss("cross_entropy")` and its like, one class for each; those for numbers have their own.

Add one by a class made with `@loss` that answers `build(task)`. Neighbours: loss has the machinery.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch

from pipeops.data import Task
from pipeops.errors import ConfigError, UnknownKeyError, suggest
from pipeops.net.losses.aum import Denominator, Ties, aum
from pipeops.net.losses.base import LossFunction, SmoothedTarget, TorchLoss, loss
from pipeops.net.losses.imbalanced import focal, focal_classes, logistic, logistic_classes, one_against_rest
from pipeops.net.losses.ranking import hinge_pairs, square_pairs
from pipeops.net.losses.scores import Reduction
from pipeops.params import anything, choice, integer, real
from pipeops.shorthand import t_loss

NO_INDEX = -100


@t_loss.add("cross_entropy")
@loss
class CrossEntropy(TorchLoss):
    """Cross entropy: of logits and labels on k classes; on two, binary cross entropy with the logit of the positive one.

    Of a multi-label task it is the mean of the binary cross entropies of the labels, which take no class_weight.

    class_weight: for two classes a number, the weight of the positive class; else one number for each class, in level
    order or by label; or "balanced", rows over classes times rows of the class (weights in
    place of rows, where the task has some). label_smoothing: how much of a label is
    spread over all classes.

    >>> from pipeops import t_loss
    >>> t_loss("cross_entropy", class_weight={"M": 3})
    t_loss("cross_entropy", class_weight={"M": 3})
    """

    task_types: ClassVar[tuple[str, ...]] = ("classif", "multilabel")
    class_weight: Any = anything(None)
    ignore_index: int = integer(default=NO_INDEX)
    reduction: str = choice("mean", "sum", default="mean")
    label_smoothing: float = real(0, 1, default=0.0)

    def build(self, task: Task) -> LossFunction:
        """BCE-with-logits on two classes and on labels, cross entropy on more."""
        weights = self._weights(task)
        if len(getattr(task, "class_names", ())) > 2:
            return torch.nn.CrossEntropyLoss(
                weight=None if weights is None else torch.tensor(weights),
                ignore_index=self.ignore_index,
                reduction=self.reduction,
                label_smoothing=self.label_smoothing,
            )
        if self.ignore_index != NO_INDEX:
            raise ConfigError("cross_entropy: 'ignore_index' has no meaning on two classes and labels; leave it out.")
        made = _binary_cross_entropy(weights, self.reduction)
        return SmoothedTarget(made, self.label_smoothing) if self.label_smoothing else made

    def _weights(self, task: Task) -> list[float] | None:
        if task.task_type == "classif":
            return _class_weights(self.class_weight, task)
        if self.class_weight is not None:
            raise ConfigError(
                "cross_entropy: 'class_weight' is of classes; weigh labels with loss=torch.nn.BCEWithLogitsLoss, pos_weight=..."
            )
        return None


def _binary_cross_entropy(weights: Sequence[float] | None, reduction: str) -> LossFunction:
    if weights is None:
        return functools.partial(torch.nn.functional.binary_cross_entropy_with_logits, reduction=reduction)
    positive, negative = weights
    return torch.nn.BCEWithLogitsLoss(
        weight=None if negative == 1 else torch.tensor(negative),
        pos_weight=None if positive == negative else torch.tensor(positive / negative),
        reduction=reduction,
    )


def _class_weights(given: Any, task: Task) -> list[float] | None:
    """One weight for each class, in level order."""
    names = list(task.class_names)  # type: ignore[attr-defined]
    if given is None:
        return None
    if isinstance(given, str):
        return _balanced(given, task)
    if isinstance(given, Mapping):
        for label in given:
            if label not in names:
                raise UnknownKeyError(f"class_weight: no class {label!r}.{suggest(str(label), map(str, names), 'classes')}")
        return _positive([given.get(name, 1.0) for name in names], given)
    values = torch.as_tensor(given, dtype=torch.float32).reshape(-1).tolist()
    if len(names) == 2 and len(values) == 1:
        values = [*values, 1.0]
    if len(values) != len(names):
        wanted = (
            "one number, the weight of the positive class" if len(names) == 2 else f"{len(names)} numbers, one for each class"
        )
        raise ConfigError(f"class_weight: takes {wanted}, or a dictionary by label, got {given!r}.")
    return _positive(values, given)


def _balanced(given: str, task: Task) -> list[float]:
    """Weights that make all classes weigh the same: rows over classes times rows of the class."""
    if given != "balanced":
        raise ConfigError(f'class_weight: the only word is "balanced", got {given!r}; else numbers or a dictionary by label.')
    counts = np.bincount(task.class_codes(), task.weights(), len(task.class_names))  # type: ignore[attr-defined]
    return [float(counts.sum() / (len(counts) * (count or 1))) for count in counts]


def _positive(values: list[float], given: Any) -> list[float]:
    if not all(v > 0 for v in values):
        raise ConfigError(f"class_weight: weights must be greater than 0, got {given!r}.")
    return values


@t_loss.add("aum")
@loss
class AreaUnderMin(TorchLoss):
    """The area under min(FP, FN), a surrogate of the ROC curve's for unbalanced classes (Hillman & Hocking 2023).

    Of more than two classes it is the mean over each against the rest.

    denominator: "rate" divides false positives and negatives by the numbers of labels, "count" does not. ties: the gradient
    of tied scores, "shared" among them as if they moved together, or the "mean" of the one-sided derivatives, which also
    moves scores that are all equal.

    >>> from pipeops import t_loss
    >>> t_loss("aum", denominator="count")
    t_loss("aum", denominator="count")
    """

    task_types: ClassVar[tuple[str, ...]] = ("classif",)
    denominator: Denominator = choice("rate", "count", default="rate")
    ties: Ties = choice("shared", "mean", default="shared")

    def build(self, task: Task) -> LossFunction:
        """`pipeops.net.losses.aum`."""
        return _of_ranks(task, aum, denominator=self.denominator, ties=self.ties)


@t_loss.add("hinge_pairs")
@loss
class HingePairs(TorchLoss):
    """Squared hinge over all pairs of a positive and a negative row, in O(n log n) (Rust & Hocking 2023).

    Of more than two classes it is the mean over each against the rest.

    margin: how far above each negative each positive should be.

    >>> from pipeops import t_loss
    >>> t_loss("hinge_pairs", margin=0.5)
    t_loss("hinge_pairs", margin=0.5)
    """

    task_types: ClassVar[tuple[str, ...]] = ("classif",)
    margin: float = real(0, default=1.0)
    reduction: Reduction = choice("mean", "sum", default="mean")

    def build(self, task: Task) -> LossFunction:
        """`pipeops.net.losses.ranking.hinge_pairs`."""
        return _of_ranks(task, hinge_pairs, margin=self.margin, reduction=self.reduction)


@t_loss.add("square_pairs")
@loss
class SquarePairs(TorchLoss):
    """Square loss over all pairs of a positive and a negative row, in O(n) (Rust & Hocking 2023).

    Of more than two classes it is the mean over each against the rest.

    margin: how far above each negative each positive should be.

    >>> from pipeops import t_loss
    >>> t_loss("square_pairs")
    t_loss("square_pairs")
    """

    task_types: ClassVar[tuple[str, ...]] = ("classif",)
    margin: float = real(0, default=1.0)
    reduction: Reduction = choice("mean", "sum", default="mean")

    def build(self, task: Task) -> LossFunction:
        """`pipeops.net.losses.ranking.square_pairs`."""
        return _of_ranks(task, square_pairs, margin=self.margin, reduction=self.reduction)


@t_loss.add("focal")
@loss
class Focal(TorchLoss):
    """Focal loss: the logistic loss with rows that are already right weighed down (Lin et al. 2017).

    gamma: how strongly. alpha: the weight of positives, `1 - alpha` that of negatives; None weighs neither, and
    is all that more than two classes take.

    >>> from pipeops import t_loss
    >>> t_loss("focal", gamma=1.0)
    t_loss("focal", gamma=1.0)
    """

    task_types: ClassVar[tuple[str, ...]] = ("classif",)
    gamma: float = real(0, default=2.0)
    alpha: float | None = real(0, 1, default=None)
    reduction: Reduction = choice("mean", "sum", default="mean")

    def build(self, task: Task) -> LossFunction:
        """`pipeops.net.losses.imbalanced.focal`."""
        if _for_two(task):
            return functools.partial(focal, gamma=self.gamma, alpha=self.alpha, reduction=self.reduction)
        if self.alpha is not None:
            raise ConfigError("focal: 'alpha' weighs the positive one of two classes; leave it out for more.")
        return functools.partial(focal_classes, gamma=self.gamma, reduction=self.reduction)


@t_loss.add("logistic")
@loss
class Logistic(TorchLoss):
    """Logistic loss with a weight for each class.

    class_weight: by label, 1 for those left out; "balanced", the rows over twice the rows of the class in the training task;
    or a number, the weight of the positive class.

    >>> from pipeops import t_loss
    >>> t_loss("logistic", class_weight="balanced")
    t_loss("logistic", class_weight="balanced")
    """

    task_types: ClassVar[tuple[str, ...]] = ("classif",)
    class_weight: Any = anything(None)
    reduction: Reduction = choice("mean", "sum", default="mean")

    def build(self, task: Task) -> LossFunction:
        """`pipeops.net.losses.imbalanced.logistic`."""
        weights = _class_weights(self.class_weight, task) or [1.0] * len(task.class_names)  # type: ignore[attr-defined]
        function = logistic if _for_two(task) else logistic_classes
        return functools.partial(function, weight=tuple(weights), reduction=self.reduction)


def _for_two(task: Task) -> bool:
    return len(task.class_names) == 2  # type: ignore[attr-defined]


def _of_ranks(task: Task, function: Callable[..., Any], **arguments: Any) -> LossFunction:
    """A loss of ranks of two classes, and of more as the mean over each against the rest."""
    if _for_two(task):
        return functools.partial(function, **arguments)
    return functools.partial(one_against_rest, function=function, **arguments)


@t_loss.add("multi_margin")
@loss
class MultiMargin(TorchLoss):
    """Hinge between the logit of the right class and all others, for more than two classes (Crammer & Singer 2001).

    p: 1, or 2 for the squared hinge. class_weight: as of "cross_entropy".

    >>> from pipeops import t_loss
    >>> t_loss("multi_margin", margin=0.5)
    t_loss("multi_margin", margin=0.5)
    """

    task_types: ClassVar[tuple[str, ...]] = ("classif",)
    p: int = integer(1, 2, default=1)
    margin: float = real(default=1.0)
    class_weight: Any = anything(None)
    reduction: str = choice("mean", "sum", default="mean")

    def build(self, task: Task) -> LossFunction:
        """`torch.nn.MultiMarginLoss`."""
        if _for_two(task):
            raise ConfigError(f"multi_margin: takes more than two classes, the task '{task.id}' has two; use \"hinge_pairs\".")
        weights = _class_weights(self.class_weight, task)
        weight = None if weights is None else torch.tensor(weights)
        return torch.nn.MultiMarginLoss(self.p, self.margin, weight, reduction=self.reduction)
