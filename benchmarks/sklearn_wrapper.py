"""What scikit-learn's wrapper costs: `cross_val_score` of `PipeOpsClassifier` beside `resample(vectorized=False)`.

The bar is 1.15. Both train the same network on the same folds; the median of the ratios of runs in turn is printed.
"""

import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.model_selection import KFold, cross_val_score

from pipeops import PipeOpsClassifier, as_learner, as_task_classif, nn, po, resample, rsmp

ROUNDS, ROWS, FEATURES = 7, 5000, 20


def network() -> Any:
    return (
        po("scale")
        >> po("torch_ingress_num")
        >> nn("linear", out_features=32)
        >> nn("relu")
        >> nn("head")
        >> po("torch_loss", loss="cross_entropy")
        >> po("torch_optimizer", optimizer="adam", lr=0.01)
        >> po("torch_model_classif", epochs=10, batch_size=64, seed=1, predict_type="prob")
    )


def seconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, FEATURES)).astype(np.float32)
    y = np.where(x[:, 0] + rng.normal(size=ROWS) > 0, "yes", "no")
    task = as_task_classif(x, y)
    cut = KFold(5, shuffle=True, random_state=0)
    sets = [list(rows) for rows in zip(*cut.split(x), strict=True)]
    same = rsmp("custom", train_sets=sets[0], test_sets=sets[1])
    learner, wrapped = as_learner(network()), PipeOpsClassifier(network())
    ours = lambda: resample(task, learner, same, "classif.acc", vectorized=False, seed=1, progress=False).aggregate()  # noqa: E731
    theirs = lambda: cross_val_score(wrapped, x, y, cv=cut)  # noqa: E731
    warnings.simplefilter("ignore")
    ours(), theirs()
    ratios = [seconds(theirs) / seconds(ours) for _ in range(ROUNDS)]
    print(f"cross_val_score / resample(vectorized=False): {statistics.median(ratios):.2f} (bar 1.15)")


if __name__ == "__main__":
    main()
