"""What a benchmark costs a job beyond the training itself: at most 5 ms.

    python benchmarks/benchmark_overhead.py

The same folds three ways, medians of paired runs: `benchmark(...)`, the learner's own train and predict in a loop, and
for the scikit-learn learner the bare estimator on arrays that are ready. Set $PIPEOPS_DATA to the folder with sonar.csv.
"""

import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from sklearn.base import clone

from pipeops import as_learner, benchmark, benchmark_grid, lrn, nn, po, rsmp, tsk

RUNS, FOLDS, LIMIT_MS = 15, 10, 5.0


def network():
    graph = (
        po("scale")
        >> po("torch_ingress_num")
        >> nn("linear", out_features=16)
        >> nn("relu")
        >> nn("head")
        >> po("torch_loss", loss="cross_entropy")
        >> po("torch_optimizer", optimizer="adam", lr=0.01)
        >> po("torch_model_classif", epochs=5, batch_size=32, predict_type="prob")
    )
    return as_learner(graph, id="mlp")


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def per_job(ways: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Milliseconds a job: medians over runs that take turns, and of what the first costs beyond the last in each run."""
    runs = [{name: seconds(way) for name, way in ways.items()} for _ in range(RUNS + 2)][2:]
    first, last = next(iter(ways)), next(reversed(ways))
    found = {name: statistics.median(run[name] for run in runs) for name in ways}
    found["overhead"] = statistics.median(run[first] - run[last] for run in runs)
    return {name: value * 1000 / FOLDS for name, value in found.items()}


def main() -> int:
    task = tsk("sonar")
    cv = rsmp("cv", folds=FOLDS).instantiate(task, seed=1)
    folds = [(cv.train_set(i), cv.test_set(i)) for i in range(FOLDS)]
    x, y = task.matrix("float64"), task.truth().astype(str)
    worst = 0.0
    for learner in (lrn("classif.featureless"), lrn("classif.log_reg", predict_type="prob"), network()):
        grid = benchmark_grid(task, learner, cv)

        def by_hand(learner=learner):
            return [learner.clone().train(task, rows=train).predict(task, rows=test) for train, test in folds]

        ways = {"benchmark": lambda grid=grid: benchmark(grid, seed=1), "by hand": by_hand}
        if hasattr(learner, "estimator"):
            ways["estimator"] = lambda e=learner.estimator: [
                clone(e).fit(x[train], y[train]).predict_proba(x[test]) for train, test in folds
            ]
        found = per_job(ways)
        worst = max(worst, found["overhead"])
        text = ", ".join(f"{name} {ms:.2f}" for name, ms in found.items())
        print(f"{learner.id:22} ms a job: {text}")
    print(f"worst overhead {worst:.2f} ms a job, at most {LIMIT_MS:.0f} wanted: {'ok' if worst <= LIMIT_MS else 'TOO SLOW'}")
    return int(not np.isfinite(worst) or worst > LIMIT_MS)


if __name__ == "__main__":
    raise SystemExit(main())
