"""All folds at once: a 10-fold cross-validation of an MLP 60-64-1 on sonar, vectorized, beside one fold after another and skorch.

Run `python benchmarks/vectorized.py [rounds] [epochs]`. One thread; rounds are paired and the medians of the ratios are shown.
The bar is 0.04 of skorch's `cross_validate`, which is left out where skorch is not installed; beside hand loops the folds stand
in `train.py`. Batches of 32, Adam, 50 epochs; with predictions and scores (`resample`).
"""

import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import torch

from pipeops import as_learner, nn, po, resample, rsmp, tsk

BATCH, LR, FOLDS = 32, 0.01, 10
BARS = {"skorch": " (bar 0.04)"}
TASK = tsk("sonar")
SPLITS = rsmp("cv", folds=FOLDS).instantiate(TASK, 1)


def learner(epochs: int) -> object:
    return as_learner(
        po("torch_ingress_num")
        >> nn("linear", out_features=64)
        >> nn("relu")
        >> nn("head")
        >> po("torch_loss", loss="cross_entropy")
        >> po("torch_optimizer", optimizer="adam", lr=LR)
        >> po("torch_model_classif", epochs=epochs, batch_size=BATCH, predict_type="prob")
    )


def ours(epochs: int, vectorized: bool) -> Callable[[], object]:
    return lambda: resample(TASK, learner(epochs), SPLITS, seed=1, vectorized=vectorized, progress=False)


def skorchs(epochs: int) -> Callable[[], object]:
    from sklearn.model_selection import cross_validate
    from skorch import NeuralNetBinaryClassifier

    x = TASK.matrix("float32")
    y = (TASK.class_codes() == 0).astype(np.float32)

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = torch.nn.Sequential(torch.nn.Linear(60, 64), torch.nn.ReLU(), torch.nn.Linear(64, 1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layers(x).squeeze(-1)

    def run() -> object:
        net = NeuralNetBinaryClassifier(
            Network, max_epochs=epochs, lr=LR, batch_size=BATCH, optimizer=torch.optim.Adam, train_split=None,
            iterator_train__shuffle=True, verbose=0,
        )  # fmt: skip
        return cross_validate(net, x, y, cv=FOLDS, scoring="accuracy")

    return run


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main(rounds: int = 7, epochs: int = 50) -> None:
    torch.set_num_threads(1)
    runs = {"vectorized": ours(epochs, True), "one by one": ours(epochs, False)}
    try:
        runs["skorch"] = skorchs(epochs)
    except ImportError:
        print("skorch is not installed")
    for run in runs.values():
        run()
    times = [{name: seconds(run) for name, run in runs.items()} for _ in range(rounds)]
    for name in runs:
        took = statistics.median(t[name] for t in times)
        ratio = statistics.median(t["vectorized"] / t[name] for t in times)
        print(f"{name:10}  {took:6.3f} s   vectorized takes {ratio:.2f} of it{BARS.get(name, '')}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
