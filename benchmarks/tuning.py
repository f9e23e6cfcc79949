"""Tuning a network: trials x folds trained together (`n_parallel=`) beside one by one, and beside skorch's.

Run `python benchmarks/tuning.py [rounds] [epochs]`. 16 trials x 3 folds of a 60-64-1 network, 208 rows, batches of 32, Adam, 100
epochs; one thread, paired rounds, medians of ratios. Bars: 0.25 of one by one, with the same trials and scores, and 0.05 of
`GridSearchCV` over skorch, which is left out where skorch is not installed.
"""

import sys
from statistics import median
from time import perf_counter

import numpy as np
import torch

from pipeops import as_learner, as_task_classif, auto_tuner, nn, po, rsmp, to_tune

TRIALS, FOLDS, BATCH = 16, 3, 32
BARS = {"one by one": 0.25, "skorch": 0.05}


def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(208, 60))
    return x, np.where(x[:, 0] + x[:, 1] + rng.normal(size=208) > 0, "a", "b")


def tuner(n_parallel, epochs):
    graph = po("torch_ingress_num") >> nn("linear", out_features=64) >> nn("relu") >> nn("head")
    graph = graph >> po("torch_loss", loss="cross_entropy")
    graph = graph >> po("torch_optimizer", optimizer="adam", lr=to_tune(1e-4, 1e-2, log=True))
    learner = as_learner(graph >> po("torch_model_classif", epochs=epochs, batch_size=BATCH, predict_type="prob"))
    options = {"n_trials": TRIALS, "seed": 1, "sampler": "random", "n_parallel": n_parallel}
    return auto_tuner(learner, None, rsmp("cv", folds=FOLDS), "classif.logloss", **options)


def skorchs(epochs):
    from sklearn.model_selection import GridSearchCV
    from skorch import NeuralNetBinaryClassifier

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = torch.nn.Sequential(torch.nn.Linear(60, 64), torch.nn.ReLU(), torch.nn.Linear(64, 1))

        def forward(self, x):
            return self.layers(x).squeeze(-1)

    x, y = data()
    net = NeuralNetBinaryClassifier(
        Network, max_epochs=epochs, batch_size=BATCH, optimizer=torch.optim.Adam, train_split=None,
        iterator_train__shuffle=True, verbose=0,
    )  # fmt: skip
    search = GridSearchCV(net, {"lr": np.geomspace(1e-4, 1e-2, TRIALS).tolist()}, scoring="neg_log_loss", cv=FOLDS)
    return lambda: search.fit(x.astype(np.float32), (y == "a").astype(np.float32))


def main(rounds=3, epochs=100):
    torch.set_num_threads(1)
    task, scores = as_task_classif(*data()), {}

    def ours(n_parallel):
        trained = tuner(n_parallel, epochs).train(task)
        scores[n_parallel] = trained.archive["classif.logloss"].to_numpy()

    runs = {"n_parallel=8": lambda: ours(8), "n_parallel=16": lambda: ours(16), "one by one": lambda: ours(1)}
    try:
        runs["skorch"] = skorchs(epochs)
    except ImportError:
        print("skorch is not installed")
    seconds = {name: [] for name in runs}
    for name in list(runs) * rounds:
        start = perf_counter()
        runs[name]()
        seconds[name].append(perf_counter() - start)
    for name, bar in BARS.items():
        for together in ("n_parallel=8", "n_parallel=16") if name in runs else ():
            ratio = median(a / b for a, b in zip(seconds[together], seconds[name], strict=True))
            print(f"{together:13} {median(seconds[together]):.2f} s, {ratio:.3f} of {name} (bar {bar:.2f})")
    for n_parallel in (8, 16):
        print(f"n_parallel={n_parallel}: scores within {abs(scores[n_parallel] - scores[1]).max():.1g} of one by one")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
