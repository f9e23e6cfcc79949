"""Impute, scale and one-hot a million rows to a float32 matrix, beside scikit-learn's ColumnTransformer on the same data.

10 numeric columns with 5 % missing and 5 categorical ones with 20 levels. Run with
`POLARS_MAX_THREADS=1 OMP_NUM_THREADS=1 python benchmarks/preprocess.py [rows]`. The ratio is the median over pairs run in
turn; memory is the growth of the peak resident size in a fresh process, in outputs (rows x 110 float32).
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

PAIRS = 5
BARS, MEMORY = {"polars": 9.0, "enum": 9.0, "pandas": 7.0}, 1.2
NUMERIC = [f"x{i}" for i in range(10)]
CATEGORICAL = [f"f{i}" for i in range(5)]
LEVELS = [f"level {i:02}" for i in range(20)]


def frame(rows: int, kind: str) -> Any:
    """The data as polars (text columns), polars with Enum columns, or pandas."""
    import polars as pl

    rng = np.random.default_rng(0)
    columns: dict[str, Any] = {}
    for name in NUMERIC:
        values = pl.Series(name, rng.normal(3, 2, size=rows))
        columns[name] = values.set(pl.Series(rng.random(rows) < 0.05), None)
    levels = pl.Series(LEVELS, dtype=pl.Enum(LEVELS) if kind == "enum" else pl.String)
    columns |= {name: levels.gather(rng.integers(0, 20, rows)).alias(name) for name in CATEGORICAL}
    made = pl.DataFrame({**columns, "y": rng.normal(size=rows)})
    return made.to_pandas() if kind == "pandas" else made


def ours(data: Any) -> Callable[[], Any]:
    from pipeops import as_task_regr, chain, po

    task = as_task_regr(data, target="y")
    return lambda: chain([po("imputemean"), po("scale"), po("encode")]).train(task).matrix(dtype="float32")


def theirs(data: Any) -> Callable[[], Any]:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    features = data.drop(columns="y") if hasattr(data, "iloc") else data.drop("y")
    numeric, categorical = make_pipeline(SimpleImputer(), StandardScaler()), OneHotEncoder(sparse_output=False)
    both = ColumnTransformer([("numeric", numeric, NUMERIC), ("categorical", categorical, CATEGORICAL)])
    return lambda: both.fit_transform(features).astype(np.float32)


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def peak() -> int:
    """The largest resident size so far, in bytes (`ru_maxrss` would begin with the parent's)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def memory(rows: int, kind: str, whose: str) -> float:
    """Growth of the peak while running once, in outputs, measured in a process of its own."""
    command = [sys.executable, __file__, str(rows), kind, whose]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def grow(rows: int, kind: str, whose: str) -> None:
    run = {"ours": ours, "theirs": theirs}
    small, large = frame(1000, kind), frame(rows, kind)
    run[whose](small)()
    go = run[whose](large)
    before = peak()
    go()
    print((peak() - before) / (rows * 110 * 4))


def main(rows: int) -> None:
    for kind in ("polars", "enum", "pandas"):
        data = frame(rows, kind)
        mine, other = ours(data), theirs(data)
        assert np.allclose(mine(), other(), atol=1e-4)
        copy = mine()
        pairs = [(seconds(mine), seconds(other), seconds(copy.copy)) for _ in range(PAIRS)]
        ratio = statistics.median(b / a for a, b, _ in pairs)
        copies = [statistics.median(p[i] / p[2] for p in pairs) for i in (0, 1)]
        grown = [memory(rows, kind, whose) for whose in ("ours", "theirs")]
        print(
            f"{kind:7} {ratio:5.1f} times as fast as scikit-learn (bar {BARS[kind]}); "
            f"in copies of the output: {copies[0]:.2f} and {copies[1]:.2f}; "
            f"memory in outputs: {grown[0]:.2f} (bar {MEMORY}) and {grown[1]:.2f}"
        )


if __name__ == "__main__":
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    if len(sys.argv) > 2:
        grow(size, sys.argv[2], sys.argv[3])
    else:
        main(size)
