"""A million rows of 10 numeric and 100 one-hot columns to a float32 array, beside one copy of the result.

Run with `POLARS_MAX_THREADS=1 python benchmarks/matrix.py [rows]`. Ratios are medians over pairs run in turn.
"""

import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import polars as pl

from pipeops.data import as_task_classif

PAIRS = 5


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main(rows: int) -> None:
    rng = np.random.default_rng(0)
    numeric = {f"x{i}": rng.normal(size=rows) for i in range(10)}
    one_hot = {f"d{i}": rng.integers(0, 2, rows).astype(np.uint8) for i in range(100)}
    labels = np.array(["no", "yes"])[rng.integers(0, 2, rows)]
    frame = pl.DataFrame({**numeric, **one_hot, "y": labels})
    task, features = as_task_classif(frame, target="y"), frame.drop("y")
    shuffled = task.filter(rng.permutation(rows))
    ready = task.matrix()
    native = task.data().drop("y").to_pandas()
    runs: dict[str, Callable[[], object]] = {
        "task.matrix()": task.matrix,
        "task.matrix() of shuffled rows": shuffled.matrix,
        "task.blocks(), nothing kept": lambda: [block.shape for _, _, block in task.blocks()],
        "polars to_numpy, then float32": lambda: features.to_numpy().astype(np.float32, order="C"),
        "polars cast, then to_numpy(order='c')": lambda: features.cast(pl.Float32).to_numpy(order="c"),
        "pandas to_numpy(float32)": lambda: np.ascontiguousarray(native.to_numpy(np.float32)),
    }
    print(f"{rows:,} rows x {ready.shape[1]} columns; 1.00 is one copy of the result; the bar is the best of the other libraries")
    for name, run in runs.items():
        ratios = [seconds(run) / seconds(ready.copy) for _ in range(PAIRS)]
        print(f"{statistics.median(ratios):6.2f}  {name}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
