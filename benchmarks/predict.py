"""Predicting a million rows to the labelled table, the way from the frame included, beside a loop over a ready tensor.

Run `python benchmarks/predict.py [rows] [rounds]`. One thread; the median of paired ratios. The hand-written loop runs in
`inference_mode` over batches of 8192 of a tensor that is ready, and takes the sigmoid. The same network is measured behind
imputation and scaling in the graph, too; the hand-written loop then has nothing to impute or scale.
"""

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import polars as pl
import torch

from pipeops import as_learner, as_task_classif, nn, po

COLUMNS = 60
BARS = {"the network alone": 1.15, "impute and scale before it": 1.4}


def by_hand(network: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return torch.sigmoid(torch.cat([network(part) for part in x.split(8192)]))


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main(rows: int = 1_000_000, rounds: int = 7) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    x = torch.randn(rows, COLUMNS)
    frame = pl.from_numpy(x.numpy()).with_columns(pl.Series("y", (x[:, 0] > 0).numpy())).rechunk()
    task = as_task_classif(frame, target="y")
    before = {"the network alone": po("nop"), "impute and scale before it": po("imputemean") >> po("scale")}
    for name, bar in BARS.items():
        learner = as_learner(before[name] >> network()).train(task, rows=range(1000))
        pairs = [
            (seconds(lambda w=learner: w.predict(task)), seconds(lambda w=learner: by_hand(w.network, x))) for _ in range(rounds)
        ]
        ratio = statistics.median(ours / hand for ours, hand in pairs)
        print(f"predict {rows}x{COLUMNS} to the labelled table, {name}: {ratio:.2f} (bar {bar})", flush=True)


def network() -> Any:
    """A small network with one hidden layer."""
    return (
        po("torch_ingress_num")
        >> nn("linear", out_features=64)
        >> nn("relu")
        >> nn("head")
        >> po("torch_loss", loss="cross_entropy")
        >> po("torch_optimizer")
        >> po("torch_model_classif", epochs=1, batch_size=256, predict_type="prob", seed=1)
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
