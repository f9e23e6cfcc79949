"""Training beside a minimal hand-written loop and scikit-learn's MLPClassifier: `learner.train` whole, with set-up, as a ratio.

Run `python benchmarks/train.py [rounds] [words of rows]`, for example `python benchmarks/train.py 7 50,000`. One thread; runs are
paired and the medians of the ratios are shown. The hand loop permutes once an epoch, slices batches by index and uses the torch
optimizer as it comes. Below 1 we are faster.
"""

import statistics
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import torch
from sklearn.neural_network import MLPClassifier

from pipeops import as_learner, as_task_classif, nn, po, resample, rsmp

HAND = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
LR, HIDDEN = 0.01, 64


class Case(NamedTuple):
    """One row of the table. bar: the ratio to the hand loop that it is to stay below."""

    rows: int
    features: int
    batch: int
    epochs: int
    optimizer: str
    bar: float
    network: str = "one hidden layer"
    classes: int = 2
    folds: int = 0
    engine: str = "auto"

    def name(self) -> str:
        """What it is, in words."""
        more = f", {self.folds} folds at once" if self.folds else ""
        kind = f"{self.network}, {self.classes} classes" if self.classes > 2 else self.network
        more += ", by autograd" if self.engine == "autograd" else ""
        return f"{self.rows:,} x {self.features}, batch {self.batch}, {self.epochs} epochs, {kind}, {self.optimizer}{more}"


SMALL, MIDDLE, LARGE = (208, 60, 32, 100), (50_000, 60, 256, 5), (1_000_000, 20, 4096, 1)
BARS = {"adam": (0.25, 0.36, 0.70), "adamw": (0.25, 0.36, 0.70), "sgd": (0.40, 0.50, 0.75)}
CASES = [Case(*size, name, bar) for name, bars in BARS.items() for size, bar in zip((SMALL, MIDDLE, LARGE), bars, strict=True)]
CASES += [
    Case(*MIDDLE, "adam", 0.57, "two with batch norm and dropout"),
    Case(*MIDDLE, "adam", 0.40, classes=3),
    Case(208, 60, 32, 50, "adam", 0.10, folds=10),
    Case(208, 60, 32, 50, "adam", 0.09, folds=50),
    Case(*SMALL, "adam", 0.54, engine="autograd"),
    Case(*MIDDLE, "adam", 0.55, engine="autograd"),
]


def module(case: Case) -> torch.nn.Module:
    """The network by hand."""
    wide, out = case.features, 1 if case.classes == 2 else case.classes
    if case.network == "one hidden layer":
        return torch.nn.Sequential(torch.nn.Linear(wide, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, out))
    layers: list[torch.nn.Module] = []
    for incoming in (wide, HIDDEN):
        layers += [torch.nn.Linear(incoming, HIDDEN), torch.nn.BatchNorm1d(HIDDEN), torch.nn.ReLU(), torch.nn.Dropout(0.2)]
    return torch.nn.Sequential(*layers, torch.nn.Linear(HIDDEN, out))


def by_hand(case: Case, x: torch.Tensor, y: torch.Tensor) -> None:
    """The loop that one would write."""
    torch.manual_seed(1)
    model = module(case)
    stepper = HAND[case.optimizer](model.parameters(), lr=LR)
    loss = torch.nn.BCEWithLogitsLoss() if case.classes == 2 else torch.nn.CrossEntropyLoss()
    for _ in range(case.epochs):
        order = torch.randperm(len(x))
        for start in range(0, len(x), case.batch):
            rows = order[start : start + case.batch]
            stepper.zero_grad()
            loss(model(x[rows]), y[rows]).backward()
            stepper.step()


def learner(case: Case) -> Any:
    """The same as a pipeline."""
    layers = nn("linear", out_features=HIDDEN) >> nn("relu")
    if case.network != "one hidden layer":
        layers = nn("linear", out_features=HIDDEN) >> nn("batch_norm1d") >> nn("relu") >> nn("dropout", p=0.2)
        layers = layers >> nn("linear", out_features=HIDDEN) >> nn("batch_norm1d") >> nn("relu") >> nn("dropout", p=0.2)
    graph = po("torch_ingress_num") >> layers >> nn("head") >> po("torch_loss", loss="cross_entropy")
    graph = graph >> po("torch_optimizer", optimizer=case.optimizer, lr=LR)
    return as_learner(graph >> po("torch_model_classif", epochs=case.epochs, batch_size=case.batch, seed=1, engine=case.engine))


def peer(case: Case, x: np.ndarray, y: np.ndarray) -> Callable[[], object] | None:
    """scikit-learn's, where it has such a network."""
    if case.folds or case.network != "one hidden layer" or case.optimizer == "adamw" or case.engine == "autograd":
        return None
    settings = {"solver": case.optimizer, "learning_rate_init": LR, "batch_size": case.batch, "max_iter": case.epochs}
    made = MLPClassifier((HIDDEN,), alpha=0.0, tol=0.0, n_iter_no_change=case.epochs + 1, momentum=0.0, **settings)
    return lambda: made.fit(x, y)


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def runs(case: Case) -> tuple[Callable[[], object], Callable[[], object], Callable[[], object] | None]:
    """Ours, the hand loop, and scikit-learn's."""
    torch.manual_seed(0)
    x = torch.randn(case.rows, case.features)
    score = x[:, 0] + torch.randn(case.rows)
    codes = (score > 0).long() if case.classes == 2 else torch.bucketize(score, torch.tensor([-0.5, 0.5]))
    y = codes.float().unsqueeze(1) if case.classes == 2 else codes
    task = as_task_classif(pl.from_numpy(x.numpy()).with_columns(pl.Series("y", [str(c) for c in codes.tolist()])), target="y")
    ours = learner(case)
    if not case.folds:
        return lambda: ours.train(task), lambda: by_hand(case, x, y), peer(case, x.numpy(), codes.numpy())
    splits = rsmp("cv", folds=case.folds).instantiate(task, 1)
    rows = [torch.as_tensor(np.asarray(splits.train_set(i))) for i in range(case.folds)]
    return lambda: resample(task, ours, splits, seed=1, progress=False), lambda: [by_hand(case, x[r], y[r]) for r in rows], None


def measured(case: Case, rounds: int) -> str:
    """A row of the table."""
    ours, hand, other = runs(case)
    ours()
    times = [(seconds(ours), seconds(hand), seconds(other) if other else float("nan")) for _ in range(rounds)]
    ratio, peers = (statistics.median(t[0] / t[i] for t in times) for i in (1, 2))
    return f"| {case.name()} | {ratio:.2f} | {case.bar:.2f} | {'' if other is None else f'{peers:.2f}'} |"


def main(rounds: int = 5, *words: str) -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    print("| | of a hand loop | bar | of scikit-learn's MLPClassifier |\n| --- | --- | --- | --- |")
    for case in CASES:
        if all(word in case.name() for word in words):
            print(measured(case, rounds), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]), *sys.argv[2:])
