"""Losses over all pairs of a positive and a negative score, without visiting the pairs.

Both ask that each positive score is above each negative one by a margin, and so approach the area under the ROC curve.
They do not see a constant added to all scores: a last bias has the gradient zero, and stays as it was; choose a threshold
after training.
Published in Rust and Hocking, "A Log-linear Gradient Descent Algorithm for Unbalanced Binary Classification using the
All Pairs Squared Hinge Loss" (2023, arXiv 2302.11062). Neighbours: `scores` below, `losses` registers them.
"""

import torch
from torch import Tensor

from pipeops.net.losses.scores import Reduction, check_reduction, flat_scores, with_slope


def hinge_pairs(input: Tensor, target: Tensor, margin: float = 1.0, reduction: Reduction = "mean") -> Tensor:
    """All-pairs squared hinge: `max(0, margin - (positive - negative))²` over pairs, as their mean or sum; a scalar.

    `input` real scores, `target` 1 (or anything above 0) for positives, both (n,) or (n, 1). 0 with zero gradient when a
    class is absent. O(n log n) time, O(n) memory: with the margin added to negatives and all sorted, a pair costs when
    its negative is above its positive, and distances to all positives below grow from each place to the next. Only sums
    of terms of one sign are taken, so single precision suffices for millions of rows.

    >>> hinge_pairs(torch.tensor([2.0, 0.0, 1.5, -3.0]), torch.tensor([1, 1, 0, 0]), reduction="sum")
    tensor(6.5000)
    """
    check_reduction("hinge_pairs", reduction)
    score, positive = flat_scores("hinge_pairs", input, target)
    return with_slope(*hinge_slope(score.detach(), positive, margin, reduction), score)


hinge_pairs.shift_invariant = True  # type: ignore[attr-defined] - a constant added to all scores changes nothing


def hinge_slope(score: Tensor, positive: Tensor, margin: float = 1.0, reduction: Reduction = "mean") -> tuple[Tensor, Tensor]:
    """The loss of scores (n,) with boolean labels (n,), and its gradient (n,)."""
    ordered, order = torch.sort(score + margin * ~positive)
    hit = positive[order].to(score.dtype)
    miss = 1 - hit
    zero = score.new_zeros(1)[: len(score)]
    gap = torch.cat([zero, ordered.diff()])
    below = hit.cumsum(0) - hit
    distance = (gap * below).cumsum(0)
    earlier = torch.cat([zero, distance[:-1]])
    squared = (gap * (earlier + distance)).cumsum(0)
    ahead = gap * miss.flip(0).cumsum(0).flip(0)
    distance_above = torch.cat([ahead[1:], zero]).flip(0).cumsum(0).flip(0)
    scale = 1 / (hit.sum() * miss.sum()).clamp(min=1) if reduction == "mean" else 1
    slope = torch.zeros_like(gap).scatter(0, order, 2 * (miss * distance - hit * distance_above))
    return (miss * squared).sum() * scale, slope * scale


def square_pairs(input: Tensor, target: Tensor, margin: float = 1.0, reduction: Reduction = "mean") -> Tensor:
    """All-pairs square: `(margin - (positive - negative))²` over pairs, as their mean or sum; a scalar.

    `input` real scores, `target` 1 (or anything above 0) for positives, both (n,) or (n, 1). 0 with zero gradient when a
    class is absent. O(n): the mean over pairs is the variance in each class plus `(margin - difference of means)²`.

    >>> square_pairs(torch.tensor([2.0, 0.0, -1.0]), torch.tensor([1, 1, 0]))
    tensor(2.)
    """
    check_reduction("square_pairs", reduction)
    score, positive = flat_scores("square_pairs", input, target)
    return with_slope(*square_slope(score.detach(), positive, margin, reduction), score)


square_pairs.shift_invariant = True  # type: ignore[attr-defined] - as above


def square_slope(score: Tensor, positive: Tensor, margin: float = 1.0, reduction: Reduction = "mean") -> tuple[Tensor, Tensor]:
    """The loss of scores (n,) with boolean labels (n,), and its gradient (n,)."""
    hit = positive.to(score.dtype)
    miss = 1 - hit
    pairs = hit.sum() * miss.sum()
    (high, high_spread), (low, low_spread) = _moments(score, hit), _moments(score, miss)
    short = margin - (high - low)
    times = pairs.clamp(max=1) if reduction == "mean" else pairs
    above = hit * (score - high - short) / hit.sum().clamp(min=1)
    below = miss * (score - low + short) / miss.sum().clamp(min=1)
    return (high_spread + low_spread + short**2) * times, 2 * times * (above + below)


def _moments(score: Tensor, member: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance (over n) of the scores that are members (1 rather than 0); 0 and 0 when there are none."""
    size = member.sum().clamp(min=1)
    mean = (score * member).sum() / size
    return mean, ((score - mean) ** 2 * member).sum() / size
