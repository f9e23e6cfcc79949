"""Training beside a minimal hand-written loop: `learner.train` whole, set-up included, as a ratio.

Run `python benchmarks/train.py [cases] [rounds]`, for example `python benchmarks/train.py ab 7`. One thread; runs are
paired and the median of the ratios is shown. The hand loop permutes once an epoch, slices batches by index and uses the
torch optimizer as it comes.
"""

import statistics
import sys
import time
from collections.abc import Callable

import polars as pl
import torch

from pipeops import as_learner, as_task_classif, nn, po

CASES = {"a": (208, 60, 32, 100), "b": (50_000, 60, 256, 5), "c": (1_000_000, 20, 4096, 1)}
HAND = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
BARS = {"a": (0.60, 0.60, 0.80), "b": (0.65, 0.65, 0.80), "c": (0.85, 0.85, 0.95)}
LR = 0.01


def by_hand(x: torch.Tensor, y: torch.Tensor, batch: int, epochs: int, optimizer: str) -> None:
    """The loop that one would write."""
    torch.manual_seed(1)
    model = torch.nn.Sequential(torch.nn.Linear(x.shape[1], 64), torch.nn.ReLU(), torch.nn.Linear(64, 1))
    stepper, loss = HAND[optimizer](model.parameters(), lr=LR), torch.nn.BCEWithLogitsLoss()
    for _ in range(epochs):
        order = torch.randperm(len(x))
        for start in range(0, len(x), batch):
            rows = order[start : start + batch]
            stepper.zero_grad()
            loss(model(x[rows]), y[rows]).backward()
            stepper.step()


def learner(batch: int, epochs: int, optimizer: str) -> object:
    graph = (
        po("torch_ingress_num")
        >> nn("linear", out_features=64)
        >> nn("relu")
        >> nn("head")
        >> po("torch_loss", loss="cross_entropy")
        >> po("torch_optimizer", optimizer=optimizer, lr=LR)
        >> po("torch_model_classif", epochs=epochs, batch_size=batch, seed=1)
    )
    return as_learner(graph)


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main(cases: str = "abc", rounds: int = 7) -> None:
    torch.set_num_threads(1)
    for case in cases:
        n, p, batch, epochs = CASES[case]
        torch.manual_seed(0)
        x = torch.randn(n, p)
        y = (x[:, :1] + torch.randn(n, 1) > 0).float()
        frame = pl.from_numpy(x.numpy()).with_columns(pl.Series("y", y[:, 0].numpy() > 0))
        task = as_task_classif(frame, target="y")
        for optimizer, bar in zip(HAND, BARS[case], strict=True):
            ours, ratios = learner(batch, epochs, optimizer), []
            for _ in range(rounds):
                hand = seconds(lambda: by_hand(x, y, batch, epochs, optimizer))  # noqa: B023 - called at once
                ratios.append(seconds(lambda: ours.train(task)) / hand)  # noqa: B023 - called at once
            print(f"({case}) {n}x{p}, batch {batch}, {epochs} epochs, {optimizer}: {statistics.median(ratios):.2f} (bar {bar})")


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:3]))
