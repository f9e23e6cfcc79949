"""Losses over pairs, forward and backward, beside the sum over all pairs (small n) and beside a sort (up to a million).

Run with `OMP_NUM_THREADS=1 python benchmarks/ranking.py`. Ratios are medians over pairs run in turn.
"""

import statistics
import time
from collections.abc import Callable

import torch

from pipeops.net.losses.ranking import hinge_pairs, square_pairs

PAIRS = 9
SIZES = (1_000, 10_000, 100_000, 1_000_000)
NAIVE_UP_TO = 10_000


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def naive(score: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    return (1 - (score[label][:, None] - score[~label][None, :])).clamp(min=0).square().mean()


def sort_and_sum(score: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    return torch.sort(score)[0].cumsum(0).sum()


def ratio(one: Callable[..., torch.Tensor], other: Callable[..., torch.Tensor], rows: int) -> float:
    generator = torch.Generator().manual_seed(0)
    score = torch.randn(rows, generator=generator, requires_grad=True)
    label = torch.rand(rows, generator=generator) < 0.5

    def both(function: Callable[..., torch.Tensor]) -> float:
        score.grad = None
        return seconds(lambda: function(score, label).backward())

    return statistics.median(both(one) / both(other) for _ in range(PAIRS))


def main() -> None:
    torch.set_num_threads(1)
    for function in (hinge_pairs, square_pairs):
        for rows in SIZES:
            line = f"{function.__name__} n={rows}: {ratio(function, sort_and_sum, rows):.2f} of sort + cumsum"
            if rows <= NAIVE_UP_TO:
                line += f", {ratio(function, naive, rows):.4f} of all pairs"
            print(line)


if __name__ == "__main__":
    main()
