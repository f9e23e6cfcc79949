"""Tuning a network: trials x folds trained together (`n_parallel=`) beside one by one, the same trials and scores.

`python benchmarks/tuning.py` prints seconds and the ratio for 16 trials x 3 folds of a 60-64-1 network, 208 rows, batches of
32, 100 epochs; medians of runs that alternate.
"""

from statistics import median
from time import perf_counter

import numpy as np

from pipeops import as_learner, as_task_classif, auto_tuner, nn, po, rsmp, to_tune

RUNS, TRIALS = 3, 16


def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(208, 60))
    return as_task_classif(x, np.where(x[:, 0] + x[:, 1] + rng.normal(size=208) > 0, "a", "b"))


def tuner(n_parallel):
    graph = po("torch_ingress_num") >> nn("linear", out_features=64) >> nn("relu") >> nn("head")
    graph = graph >> po("torch_loss", loss="cross_entropy")
    graph = graph >> po("torch_optimizer", optimizer="adam", lr=to_tune(1e-4, 1e-2, log=True))
    learner = as_learner(graph >> po("torch_model_classif", epochs=100, batch_size=32, predict_type="prob"))
    options = {"n_trials": TRIALS, "seed": 1, "sampler": "random", "n_parallel": n_parallel}
    return auto_tuner(learner, None, rsmp("cv", folds=3), "classif.logloss", **options)


if __name__ == "__main__":
    task, seconds, scores = data(), {1: [], 8: [], 16: []}, {}
    for n_parallel in list(seconds) * RUNS:
        start = perf_counter()
        trained = tuner(n_parallel).train(task)
        seconds[n_parallel].append(perf_counter() - start)
        scores[n_parallel] = trained.archive["classif.logloss"].to_numpy()
    for n_parallel, found in seconds.items():
        gap = abs(scores[n_parallel] - scores[1]).max()
        ratio = median(found) / median(seconds[1])
        print(f"n_parallel={n_parallel:2}: {median(found):.2f} s, {ratio:.2f}, scores within {gap:.1g}")
