"""Wide and long tables beside scikit-learn: how many times its time each step takes.

python benchmarks/wide.py: medians of runs in pairs; 1.0 is as fast as scikit-learn, 2.0 takes twice as long.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import polars as pl
from sklearn.feature_selection import VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pipeops import as_learner, as_task_regr, lrn, po
from pipeops.data.selectors import selector_grep, selector_type

RUNS, BAR = 5, 1.0


def seconds(run: Callable[[], object]) -> float:
    """How long one run takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def ratio(name: str, ours: Callable[[], object], theirs: Callable[[], object]) -> None:
    """Print the median ratio of runs in pairs, after one of each."""
    ours(), theirs()
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(RUNS)]
    middle = statistics.median(a / b for a, b in pairs)
    print(f"{name:42} {statistics.median(a for a, _ in pairs):9.4f} s {middle:7.2f} times scikit-learn (bar {BAR})", flush=True)


def wide(rows: int, columns: int) -> tuple[dict[str, pd.DataFrame | pl.DataFrame], np.ndarray]:
    """One table of noise for each library, and its target."""
    values = np.random.default_rng(0).normal(size=(rows, columns))
    names = [f"x{j}" for j in range(columns)]
    frame = pd.DataFrame(values, columns=names)
    return {"pandas": frame, "polars": pl.DataFrame(values, schema=names)}, values.sum(axis=1)


def main() -> None:
    """All rows of the table."""
    frames, y = wide(100, 6830)
    for library, frame in frames.items():
        task = as_task_regr(frame, y)
        ratio(
            f"scale, 100 x 6830, {library}",
            lambda t=task: po("scale").train([t]),
            lambda f=frame: StandardScaler().fit_transform(f),
        )
        learner = as_learner(po("scale") >> lrn("regr.lm")).train(task)
        model = make_pipeline(StandardScaler(), LinearRegression()).fit(frame, y)
        row = frame[:1]
        ratio(
            f"predict one row of 6830 columns, {library}",
            lambda w=learner, r=row: w.predict_newdata(r),
            lambda m=model, r=row: m.predict(r),
        )
        chosen = selector_type("numeric") & ~selector_grep("9$") - selector_grep("^x1")
        ratio(
            f"select by &, ~ and -, {library}",
            lambda t=task, c=chosen: po("select", selector=c).train([t]),
            lambda f=frame: VarianceThreshold().fit_transform(f),
        )
        ratio(f"lm, 100 x 6830, {library}", lambda t=task: lrn("regr.lm").train(t), lambda f=frame: LinearRegression().fit(f, y))
    long = np.random.default_rng(1).normal(size=600_000)
    long[::10] = np.nan
    for library, frame in {"pandas": pd.DataFrame({"x": long}), "polars": pl.DataFrame({"x": long})}.items():
        task = as_task_regr(frame, np.zeros(len(long)))
        mode = SimpleImputer(strategy="most_frequent")
        ratio(
            f"imputemode, 600,000 x 1, {library}",
            lambda t=task: po("imputemode").train([t]),
            lambda f=frame, m=mode: m.fit_transform(f),
        )


if __name__ == "__main__":
    main()
