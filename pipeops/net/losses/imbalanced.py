"""Losses that weigh rows: the focal loss and the logistic loss with a weight for each class.

Both are means of terms, one for each row, so they stay what they are when folds are trained side by side.
Neighbours: `scores` below, `losses` registers them and resolves class weights by label.
"""

import torch
from torch import Tensor
from torch.nn import functional

from pipeops.errors import ConfigError
from pipeops.net.losses.scores import Reduction, check_reduction, flat_scores


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


def _by_class(score: Tensor, positive: Tensor, yes: float, no: float) -> Tensor:
    """One number for positives and one for the others, in the precision of the scores."""
    return torch.where(positive, score.new_full((), yes), score.new_full((), no))


def _reduced(terms: Tensor, reduction: Reduction) -> Tensor:
    """Mean, sum, or the terms themselves; the mean of no terms is 0."""
    if reduction == "none":
        return terms
    return terms.sum() / max(len(terms), 1) if reduction == "mean" else terms.sum()
