"""The area under min(false positive rate, false negative rate), and the ROC curve behind it, in O(n log n).

Adding a constant to all scores moves along the ROC curve; AUM is the integral of min(FPR, FNR) over that constant. It is
0 exactly when the classes are separated, and minimising it tends to maximise the area under the curve. Published in
Hillman and Hocking, "Optimizing ROC Curves with a Sort-Based Surrogate Loss for Binary Classification and Changepoint
Detection", JMLR 24 (2023). Nothing here depends on data in its shapes: tied scores make intervals of width zero.

Known weaknesses. The intercept is not identified: AUM is the same when a constant is added, so a threshold has to be
chosen afterwards. The value scales with the scores, so shrinking them lowers it as well as ordering them does. Where
all scores are equal nothing pulls them apart unless `ties="mean"`.
Neighbours: `scores` below; `losses` registers it, `line_search` follows it along a line.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from pipeops.errors import ConfigError
from pipeops.net.losses.scores import flat_scores, with_slope

Denominator = Literal["rate", "count"]
Ties = Literal["shared", "mean"]


class Ranking(NamedTuple):
    """Scores sorted downwards, `score` and `order` (n,), the `gap` between neighbours, and the n + 1 places around them.

    `place` numbers them and `tp` counts the positives above. A place inside a group of tied scores is no threshold: `low`
    and `high` are the nearest places at or above, and at or below, that are one.
    """

    score: Tensor
    order: Tensor
    gap: Tensor
    place: Tensor
    tp: Tensor
    low: Tensor
    high: Tensor


def rank(score: Tensor, positive: Tensor) -> Ranking:
    """Sort scores (n,) with boolean labels (n,) and count what is above each place; O(n log n)."""
    n = score.shape[0]
    ordered, order = torch.sort(score, descending=True)
    gap = ordered[:-1] - ordered[1:]
    place = torch.arange(n + 1, dtype=torch.int32, device=score.device)
    tp = torch.cat([score.new_zeros(1), positive.index_select(0, order).cumsum(0, dtype=score.dtype)])
    end = torch.ones(1, dtype=torch.bool, device=score.device)
    threshold = torch.cat([end, gap != 0, end[:n]])
    low = (place * threshold).cummax(0).values
    high = n - ((n - place) * threshold).flip(0).cummax(0).values.flip(0)
    return Ranking(ordered, order, gap, place, tp, low, high)


def roc_curve(pred: Tensor, label: Tensor) -> dict[str, Tensor]:
    """The ROC curve as a function of a constant added to all scores.

    `pred` real scores, `label` 1 (or anything above 0) for positives, both (n,) or (n, 1). Each entry of the answer is
    `(n + 1,)`: `FPR`, `FNR`, `TPR`, `min(FPR,FNR)` and the interval of constants, `min_constant` to `max_constant`, in
    which they hold, from all predicted negative to all positive. Tied scores give intervals of width zero that repeat the
    point before the tie, so the curve does not depend on the order of rows. The rate of a class that is absent is 0.
    Gradients flow through the constants. O(n log n).

    >>> roc = roc_curve(torch.tensor([2.0, -3.5, -1.0, 1.5]), torch.tensor([0, 0, 1, 1]))
    >>> roc["FPR"].tolist(), roc["max_constant"].tolist()
    ([0.0, 0.5, 0.5, 0.5, 1.0], [-2.0, -1.5, 1.0, 3.5, inf])
    """
    score, positive = flat_scores("roc_curve", pred, label)
    ranking = rank(score, positive)
    tp = ranking.tp[ranking.low]
    fp = ranking.low - tp
    negatives, positives = fp[-1].clamp(min=1), tp[-1].clamp(min=1)
    fpr, tpr, fnr = fp / negatives, tp / positives, (tp[-1] - tp) / positives
    infinity = score.new_full((1,), torch.inf)
    return {
        "FPR": fpr,
        "FNR": fnr,
        "TPR": tpr,
        "min(FPR,FNR)": torch.minimum(fpr, fnr),
        "min_constant": torch.cat([-infinity, -ranking.score]),
        "max_constant": torch.cat([-ranking.score, infinity]),
    }


def aum(pred: Tensor, label: Tensor, denominator: Denominator = "rate", ties: Ties = "shared") -> Tensor:
    """Area under min(FPR, FNR), or with `denominator="count"` under min(FP, FN); a scalar.

    `pred` real scores, `label` 1 (or anything above 0) for positives, both (n,) or (n, 1). One class only, or no rows,
    gives 0 with zero gradient. O(n log n). The value is continuous in the scores and linear between ties; its gradient in
    one score is the change in min(FPR, FNR) across that score. Where scores are tied the value needs no rule (their
    intervals have width zero) and the gradient follows `ties`:

    - "shared": tied scores move as one; the derivative of that joint move is shared equally among them. This is what
      automatic differentiation over distinct thresholds gives, made independent of the order of rows. All scores equal
      is then a stationary point.
    - "mean": for each score the mean of its derivatives from the left and from the right, all others held still. All
      scores equal is then no stationary point: positives are pulled up, negatives down.

    Without ties both are the gradient.

    >>> pred = torch.tensor([2.0, -3.5, -1.0, 1.5], requires_grad=True)
    >>> value = aum(pred, torch.tensor([0, 0, 1, 1]))
    >>> value.backward()
    >>> value.item(), pred.grad.tolist()
    (1.5, [0.5, 0.0, -0.5, 0.0])
    """
    if denominator not in ("rate", "count"):
        raise ConfigError(f'aum: denominator must be "rate" or "count", got {denominator!r}.')
    if ties not in ("shared", "mean"):
        raise ConfigError(f'aum: ties must be "shared" or "mean", got {ties!r}.')
    score, positive = flat_scores("aum", pred, label)
    return with_slope(*aum_slope(score.detach(), positive, denominator, ties), score)


aum.shift_invariant = True  # type: ignore[attr-defined] - a constant added to all scores changes nothing


def aum_slope(score: Tensor, positive: Tensor, denominator: Denominator = "rate", ties: Ties = "shared") -> tuple[Tensor, Tensor]:
    """The area of scores (n,) with boolean labels (n,), and its gradient (n,)."""
    ranking = rank(score, positive)
    smaller = _smaller_error(ranking, denominator)
    height = smaller(ranking.place, ranking.tp)
    value = (ranking.gap * height[1:-1]).sum()  # torch.dot loses four digits over a million rows
    change = _shared_change(ranking, height) if ties == "shared" else _mean_change(ranking, height, smaller)
    return value, torch.zeros_like(change).scatter(0, ranking.order, change)


def _smaller_error(ranking: Ranking, denominator: Denominator) -> Callable[[Tensor, Tensor], Tensor]:
    """The function from a number of scores and the positives among them to min(FPR, FNR), or to min(FP, FN), above them."""
    positives, negatives = ranking.tp[-1], ranking.place[-1] - ranking.tp[-1]
    if denominator == "count":
        return lambda place, tp: torch.minimum(place - tp, positives - tp)
    per_fp, per_fn = negatives.clamp(min=1), positives.clamp(min=1)
    return lambda place, tp: torch.minimum((place - tp).div_(per_fp), (positives - tp).div_(per_fn))


def _shared_change(ranking: Ranking, height: Tensor) -> Tensor:
    """How the height changes across each sorted score, a change across tied ones divided among them."""
    first, last = ranking.low[:-1], ranking.high[1:]
    return height.index_select(0, last).sub_(height.index_select(0, first)).div_(last - first)


def _mean_change(ranking: Ranking, height: Tensor, smaller: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """The mean of the changes when a sorted score alone leaves those it is tied with, upwards and downwards."""
    first, last, hit = ranking.low[:-1], ranking.high[1:], ranking.tp.diff()
    up = smaller(first + 1, ranking.tp.index_select(0, first).add_(hit)).sub_(height.index_select(0, first))
    down = smaller(last - 1, ranking.tp.index_select(0, last).sub_(hit)).sub_(height.index_select(0, last))
    return up.sub_(down).div_(2)
