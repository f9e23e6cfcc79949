"""Exact line search for the area under min(FPR, FNR): its value at every step size along a direction in score space.

Along a line each score is a linear function of the step, so AUM is piecewise linear and bends only where two neighbours
in the ranking cross. Walking from crossing to crossing with a queue costs O(log n) each: the neighbours swap, one count
changes, and the slope with it. Published in Fowler and Hocking, "Efficient line search for optimizing Area Under the ROC
Curve in gradient descent" (2024, arXiv 2410.08635). Neighbours: `aum` has the value that this follows.
"""

import heapq
import math
from typing import NamedTuple

import attrs
import numpy as np
import numpy.typing as npt
import torch

from pipeops.errors import ConfigError, DataError
from pipeops.net.losses.aum import Denominator
from pipeops.net.losses.scores import flat_scores

ROUNDING = 1e-12
HALVINGS = 100

Floats = npt.NDArray[np.float64]


class LineSearch(NamedTuple):
    """What `line_search` found: float64 `(k,)` step sizes from 0 with the AUM at each, and the step where it is least."""

    step_size: torch.Tensor
    aum: torch.Tensor
    best: float


def line_search(
    pred: torch.Tensor,
    direction: torch.Tensor,
    label: torch.Tensor,
    max_steps: int | None = None,
    denominator: Denominator = "rate",
) -> LineSearch:
    """The AUM of `pred + step * direction` at step 0 and at each of the first `max_steps` steps where rows cross.

    `pred` and `direction` real, `label` 1 (or anything above 0) for positives, all (n,) or (n, 1). Between two answered
    steps AUM is linear; `max_steps` defaults to n (all crossings would be up to n(n-1)/2). `best` is the smallest step
    among the answered ones with the least AUM. O((n + crossings) log n) on the CPU, in double precision.

    >>> found = line_search(torch.tensor([-10.0, 10.0]), torch.tensor([1.0, -1.0]), torch.tensor([1, 0]))
    >>> found.step_size.tolist(), found.aum.tolist(), found.best
    ([0.0, 10.0], [20.0, 0.0], 10.0)
    """
    lines = _lines(pred, direction, label, max_steps, denominator)
    walk = _Walk(lines)
    walk.run(len(lines.start) if max_steps is None else max_steps, math.inf)
    values = np.maximum(walk.values, 0.0)
    return LineSearch(torch.tensor(walk.steps, dtype=torch.float64), torch.from_numpy(values), walk.best())


def first_minimum(
    pred: torch.Tensor,
    direction: torch.Tensor,
    label: torch.Tensor,
    max_steps: int | None = None,
    denominator: Denominator = "rate",
) -> float:
    """The step at which AUM stops falling for the first time; 0 where it does not fall at all.

    Arguments as in `line_search`. If AUM still falls after `max_steps` steps, by default n, the answer is a later local
    minimum, found by halving an interval at whose ends AUM falls and does not. O((n + crossings) log n).

    >>> first_minimum(torch.tensor([-10.0, 10.0]), torch.tensor([1.0, -1.0]), torch.tensor([1, 0]))
    10.0
    """
    lines = _lines(pred, direction, label, max_steps, denominator)
    flat = ROUNDING * float(np.abs(lines.speed).sum())
    walk = _Walk(lines)
    walk.run(len(lines.start) if max_steps is None else max_steps, flat)
    return _halve(lines, walk.steps[-1], flat) if walk.slope < -flat else walk.best()


def _halve(lines: "_Lines", low: float, flat: float) -> float:
    """The end of a fall that lasts at least until `low`: a step where AUM falls before and not after."""
    high = max(2 * low, float(np.ptp(lines.start) / np.ptp(lines.speed)), np.finfo(float).tiny)
    while lines.slope(high) < -flat:
        low, high = high, 2 * high
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        low, high = (middle, high) if lines.slope(middle) < -flat else (low, middle)
    return high


@attrs.frozen(eq=False)
class _Lines:
    """The scores of n rows as functions of the step, `start + step * speed`, and which rows are positive.

    `per_fp` and `per_fn` divide the counts of errors.
    """

    start: Floats
    speed: Floats
    positive: npt.NDArray[np.bool_]
    per_fp: int
    per_fn: int

    def order(self, step: float) -> npt.NDArray[np.int64]:
        """Rows from the highest score down, tied ones in the order that they have just after the step."""
        return np.lexsort((-self.speed, -(self.start + step * self.speed)))

    def counts(self, order: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], Floats]:
        """For the n + 1 places between ranked rows: the positives above, and min(FPR, FNR)."""
        true = np.concatenate([[0], self.positive[order].cumsum()])
        return true, np.minimum((np.arange(len(true)) - true) / self.per_fp, (true[-1] - true) / self.per_fn)

    def slope(self, step: float) -> float:
        """The derivative of AUM just after the step."""
        order = self.order(step)
        return float(-np.diff(self.speed[order]) @ self.counts(order)[1][1:-1])


def _lines(
    pred: torch.Tensor, direction: torch.Tensor, label: torch.Tensor, max_steps: int | None, denominator: Denominator
) -> _Lines:
    if denominator not in ("rate", "count"):
        raise ConfigError(f'line_search: denominator must be "rate" or "count", got {denominator!r}.')
    if max_steps is not None and max_steps < 0:
        raise ConfigError(f"line_search: max_steps must be at least 0, got {max_steps!r}.")
    score, positive = flat_scores("line_search", pred, label)
    slope, _ = flat_scores("line_search", direction, label)
    start, speed = (t.detach().double().cpu().numpy() for t in (score, slope))
    if not (np.isfinite(start).all() and np.isfinite(speed).all()):
        raise DataError("line_search: scores and directions must be finite.")
    hit = positive.cpu().numpy()
    rate = denominator == "rate"
    return _Lines(start, speed, hit, max(int((~hit).sum()), 1) if rate else 1, max(int(hit.sum()), 1) if rate else 1)


class _Walk:
    """The ranking at one step size, and the queue of crossings ahead.

    Place k is between the rows ranked k-1 and k; `true[k]` counts the positives above it and `height[k]` is min(FPR, FNR)
    there.
    """

    def __init__(self, lines: _Lines):
        order = lines.order(0.0)
        true, height = lines.counts(order)
        self.lines, self.slope = lines, lines.slope(0.0)
        self.steps, self.values = [0.0], [float(-np.diff(lines.start[order]) @ height[1:-1])]
        self.start, self.speed, self.positive = lines.start.tolist(), lines.speed.tolist(), lines.positive.tolist()
        self.order, self.true, self.height = order.tolist(), true.tolist(), height.tolist()
        self.queue: list[tuple[float, int, int, int]] = []
        for place in range(1, len(order)):
            self._expect(place)

    def run(self, max_steps: int, steepest: float) -> None:
        """Walk until so many steps are noted, no rows cross any more, or AUM rises more steeply than this."""
        while self.queue:
            step, place, upper, lower = heapq.heappop(self.queue)
            if self.order[place - 1] != upper or self.order[place] != lower:
                continue
            if step > self.steps[-1]:
                if len(self.steps) > max_steps or self.slope > steepest:
                    return
                self.values.append(self.values[-1] + self.slope * (step - self.steps[-1]))
                self.steps.append(step)
            self._swap(place, upper, lower)

    def best(self) -> float:
        """The smallest step with the least AUM, up to rounding."""
        near = np.array(self.values) <= min(self.values) + ROUNDING * max(self.values)
        return self.steps[int(near.argmax())]

    def _expect(self, place: int) -> None:
        """Put the crossing of the two rows at a place into the queue, if they approach each other."""
        upper, lower = self.order[place - 1], self.order[place]
        approach = self.speed[lower] - self.speed[upper]
        if approach > 0:
            heapq.heappush(self.queue, ((self.start[upper] - self.start[lower]) / approach, place, upper, lower))

    def _swap(self, place: int, upper: int, lower: int) -> None:
        """Let two neighbours change places: one count changes, and with it the slope ahead."""
        self.order[place - 1], self.order[place] = lower, upper
        self.true[place] += self.positive[lower] - self.positive[upper]
        true, before = self.true[place], self.height[place]
        after = min((place - true) / self.lines.per_fp, (self.true[-1] - true) / self.lines.per_fn)
        self.height[place] = after
        around = self.height[place - 1] + self.height[place + 1]
        self.slope += (self.speed[lower] - self.speed[upper]) * (before + after - around)
        if place > 1:
            self._expect(place - 1)
        if place + 1 < len(self.order):
            self._expect(place + 1)
