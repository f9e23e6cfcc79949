"""AUM, forward and backward, beside `torch.sort` and cumsum, forward and backward; bar 1.3 at 100,000 rows.

Run with `OMP_NUM_THREADS=1 python benchmarks/aum.py [rows]`. Ratios are medians over pairs run in turn.
"""

import statistics
import sys
import time
from collections.abc import Callable

import torch

from pipeops.net.losses.aum import aum

PAIRS = 51


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def sorted_sum(score: torch.Tensor) -> None:
    ordered, _ = torch.sort(score)
    ordered.cumsum(0).sum().backward()
    score.grad = None


def main(rows: int) -> None:
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    label = torch.rand(rows, generator=generator) < 0.02
    for dtype in (torch.float32, torch.float64):
        score = torch.randn(rows, generator=generator, dtype=dtype, requires_grad=True)
        for ties in ("shared", "mean"):

            def ours(score: torch.Tensor = score, ties: str = ties) -> None:
                aum(score, label, ties=ties).backward()  # type: ignore[arg-type]
                score.grad = None

            ratios = [seconds(ours) / seconds(lambda score=score: sorted_sum(score)) for _ in range(PAIRS)]
            print(
                f"aum n={rows} {str(dtype).removeprefix('torch.')} ties={ties}: {statistics.median(ratios):.2f} of sort + cumsum"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
