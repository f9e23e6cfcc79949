"""Exact line search for the area under min(FPR, FNR): its value at every step size along a direction in score space.

Along a line each score is a linear function of the step, so AUM is piecewise linear and bends only where two neighbours
in the ranking cross. Walking from crossing to crossing with a queue costs O(log n) each: the neighbours swap, one count
changes, and the slope with it. Published in Fowler and Hocking, "Efficient line search for optimizing Area Under the ROC
Curve in gradient descent" (2024, arXiv 2410.08635). Neighbours: `aum` has the value that this follows.
"""

import heapq
from typing import NamedTuple

import numpy as np
import torch

from pipeops.errors import ConfigError, DataError
from pipeops.net.aum import Denominator
from pipeops.net.scores import flat_scores

ROUNDING = 1e-12


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
    if denominator not in ("rate", "count"):
        raise ConfigError(f'line_search: denominator must be "rate" or "count", got {denominator!r}.')
    if max_steps is not None and max_steps < 0:
        raise ConfigError(f"line_search: max_steps must be at least 0, got {max_steps!r}.")
    score, positive = flat_scores("line_search", pred, label)
    slope, _ = flat_scores("line_search", direction, label)
    start, speed = (t.detach().double().cpu().numpy() for t in (score, slope))
    if not (np.isfinite(start).all() and np.isfinite(speed).all()):
        raise DataError("line_search: scores and directions must be finite.")
    walk = _Walk(start, speed, positive.cpu().numpy(), denominator == "rate")
    walk.run(len(start) if max_steps is None else max_steps)
    steps, values = np.array(walk.steps), np.maximum(walk.values, 0.0)
    near = values <= values.min() + ROUNDING * values.max()
    return LineSearch(torch.from_numpy(steps), torch.from_numpy(values), float(steps[near.argmax()]))


class _Walk:
    """The ranking at one step size, and the queue of crossings ahead.

    Place k is between the rows ranked k-1 and k; `true[k]` counts the positives above it and `height[k]` is min(FPR, FNR)
    there. Rows that are tied at the start stand in the order that they have just after it.
    """

    def __init__(self, start: np.ndarray, speed: np.ndarray, positive: np.ndarray, rate: bool):
        order = np.lexsort((-speed, -start))
        true = np.concatenate([[0], positive[order].cumsum()])
        self.positives, negatives = int(true[-1]), len(order) - int(true[-1])
        self.per_fp, self.per_fn = (max(negatives, 1), max(self.positives, 1)) if rate else (1, 1)
        height = np.minimum((np.arange(len(true)) - true) / self.per_fp, (self.positives - true) / self.per_fn)
        self.steps, self.values = [0.0], [float(-np.diff(start[order]) @ height[1:-1])]
        self.slope = float(-np.diff(speed[order]) @ height[1:-1])
        self.start, self.speed, self.positive = start.tolist(), speed.tolist(), positive.tolist()
        self.order, self.true, self.height = order.tolist(), true.tolist(), height.tolist()
        self.queue: list[tuple[float, int, int, int]] = []
        for place in range(1, len(order)):
            self._expect(place)

    def run(self, max_steps: int) -> None:
        """Walk until so many steps are noted or no rows cross any more."""
        while self.queue:
            step, place, upper, lower = heapq.heappop(self.queue)
            if self.order[place - 1] != upper or self.order[place] != lower:
                continue
            if step > self.steps[-1]:
                if len(self.steps) > max_steps:
                    return
                self.values.append(self.values[-1] + self.slope * (step - self.steps[-1]))
                self.steps.append(step)
            self._swap(place, upper, lower)

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
        after = min((place - true) / self.per_fp, (self.positives - true) / self.per_fn)
        self.height[place] = after
        around = self.height[place - 1] + self.height[place + 1]
        self.slope += (self.speed[lower] - self.speed[upper]) * (before + after - around)
        if place > 1:
            self._expect(place - 1)
        if place + 1 < len(self.order):
            self._expect(place + 1)
