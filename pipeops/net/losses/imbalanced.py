"""Losses that weigh rows: the focal loss and the logistic loss with a weight for each class; and one class against the rest.

Both are means of terms, one for each row, so they stay what they are when folds are trained side by side.
Neighbours: `scores` below, `losses` registers them and resolves class weights by label.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from pipeops.errors import ConfigError
from pipeops.net.losses.scores import Reduction, check_reduction, flat_scores

SMALLEST = 1e-12
"""Below this the probability of all other classes counts as this, so that any power of it has a gradient."""


def focal(input: Tensor, target: Tensor, gamma: float = 2.0, alpha: float | None = None, reduction: Reduction = "mean") -> Tensor:
    """Focal loss: the logistic loss of each row times `(1 - p)^gamma`, p the probability of its own class; a scalar.

    `input` logits of the positive class, `target` 1 (or anything above 0) for positives, both (n,) or (n, 1). `alpha`
    weighs positives and `1 - alpha` negatives; None weighs neither. The factor is formed in logarithms, so gradients
    stay finite at any logit and any gamma from 0. Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017. O(n).

    >>> focal(torch.tensor([0.0]), torch.tensor([1]), gamma=2)  # log(2) / 4
    tensor(0.1733)
    """
    check_reduction("focal", reduction, "none")
    if not gamma >= 0 or not (alpha is None or 0 <= alpha <= 1):
        raise ConfigError(f"focal: gamma must be at least 0 and alpha in [0, 1] or None, got {gamma!r} and {alpha!r}.")
    score, positive = flat_scores("focal", input, target)
    own = torch.where(positive, score, -score)
    terms = -functional.logsigmoid(own) * torch.exp(gamma * functional.logsigmoid(-own))
    if alpha is not None:
        terms = terms * _by_class(score, positive, alpha, 1 - alpha)
    return _reduced(terms, reduction)


def logistic(input: Tensor, target: Tensor, weight: tuple[float, float] = (1.0, 1.0), reduction: Reduction = "mean") -> Tensor:
    """Logistic loss with a weight for positive and one for negative rows; a scalar.

    `input` logits of the positive class, `target` 1 (or anything above 0) for positives, both (n,) or (n, 1). The mean is
    over rows, not over weights, so that the sum over batches does not depend on how rows were dealt to them. O(n).

    >>> logistic(torch.tensor([0.0, 0.0]), torch.tensor([1, 0]), weight=(10, 1))  # 5.5 log(2)
    tensor(3.8123)
    """
    check_reduction("logistic", reduction, "none")
    score, positive = flat_scores("logistic", input, target)
    own = torch.where(positive, score, -score)
    return _reduced(-functional.logsigmoid(own) * _by_class(score, positive, *weight), reduction)


def focal_classes(input: Tensor, target: Tensor, gamma: float = 2.0, reduction: Reduction = "mean") -> Tensor:
    """The focal loss of more than two classes: the cross entropy of each row times `(1 - p)^gamma`, p that of its own class.

    `input` logits (n, k), `target` positions of classes (n,).

    >>> focal_classes(torch.zeros(1, 4), torch.tensor([2]), gamma=1)  # log(4) * 3/4
    tensor(1.0397)
    """
    log = functional.log_softmax(input, dim=1).gather(1, target.unsqueeze(1)).squeeze(1)
    return _reduced(-log * (-torch.expm1(log)).clamp(min=SMALLEST) ** gamma, reduction)


def logistic_classes(input: Tensor, target: Tensor, weight: Sequence[float], reduction: Reduction = "mean") -> Tensor:
    """Cross entropy of more than two classes with a weight for each; the mean is over rows, not over weights.

    `input` logits (n, k), `target` positions of classes (n,), `weight` (k).

    >>> logistic_classes(torch.zeros(2, 4), torch.tensor([0, 3]), (2.0, 1.0, 1.0, 1.0))  # 1.5 log(4)
    tensor(2.0794)
    """
    given = torch.tensor(weight, dtype=input.dtype, device=input.device)
    return _reduced(functional.cross_entropy(input, target, given, reduction="none"), reduction)


def one_against_rest(input: Tensor, target: Tensor, function: Callable[..., Tensor], **arguments: Any) -> Tensor:
    """A loss of two classes for more: the mean over all classes of the loss of each against the rest.

    `input` scores (n, k), `target` positions of classes (n,). function: `(scores (n,), labels (n,), **arguments)`. A class that
    is absent gives what the function gives for it (the losses of ranks: 0).

    >>> from pipeops.net.losses.aum import aum
    >>> one_against_rest(torch.eye(3), torch.tensor([0, 1, 2]), aum)
    tensor(0.)
    """
    parts = [function(scores, target == k, **arguments) for k, scores in enumerate(input.unbind(1))]
    return torch.stack(parts).mean()


one_against_rest.shift_invariant = True  # type: ignore[attr-defined] - as the losses of ranks that it is for


def _by_class(score: Tensor, positive: Tensor, yes: float, no: float) -> Tensor:
    """One number for positives and one for the others, in the precision of the scores."""
    return torch.where(positive, score.new_full((), yes), score.new_full((), no))


def _reduced(terms: Tensor, reduction: Reduction) -> Tensor:
    """Mean, sum, or the terms themselves; the mean of no terms is 0."""
    if reduction == "none":
        return terms
    return terms.sum() / max(len(terms), 1) if reduction == "mean" else terms.sum()
