"""Every operator beside its scikit-learn counterpart: trained on 200,000 rows, and what comes out as a float64 array.

`POLARS_MAX_THREADS=1 OMP_NUM_THREADS=1 python benchmarks/operators.py [rows] [key ...]`. The ratio is our time over
scikit-learn's, the median of runs in pairs on the same polars frame; 1.0 is as fast, less is faster.
"""

import statistics
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
from sklearn.decomposition import NMF, PCA
from sklearn.feature_selection import VarianceThreshold
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.preprocessing import (
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.random_projection import GaussianRandomProjection

from pipeops import as_task_regr, po

PAIRS, BAR = 3, 1.0
WHOLE, HOLED, POSITIVE, TEXT = "whole", "holed", "positive", "text"


def frames(rows: int) -> dict[str, pl.DataFrame]:
    """Ten columns of noise, the same with 5 % missing, positive ones, and five columns of texts."""
    rng = np.random.default_rng(0)
    values = rng.normal(3, 2, size=(rows, 10))
    names = [f"x{i}" for i in range(10)]
    whole = pl.DataFrame(values, schema=names)
    holed = whole.select(pl.when(pl.Series(rng.random(rows)) > 0.05).then(pl.col(n)).alias(n) for n in names)
    levels = pl.Series([f"level {i:02}" for i in range(20)])
    text = pl.DataFrame([levels.gather(rng.integers(0, 20, rows)).alias(f"f{i}") for i in range(5)])
    return {WHOLE: whole, HOLED: holed, POSITIVE: whole.select(pl.all().abs() + 0.1), TEXT: text}


CASES: list[tuple[str, dict[str, Any], str, Any]] = [
    ("scale", {}, WHOLE, StandardScaler()),
    ("scale", {"robust": True}, WHOLE, RobustScaler()),
    ("scalerange", {}, WHOLE, MinMaxScaler()),
    ("scalemaxabs", {}, WHOLE, MaxAbsScaler()),
    ("imputemean", {}, HOLED, SimpleImputer()),
    ("imputemedian", {}, HOLED, SimpleImputer(strategy="median")),
    ("imputemode", {}, HOLED, SimpleImputer(strategy="most_frequent")),
    ("imputeconstant", {"constant": 0.0}, HOLED, SimpleImputer(strategy="constant", fill_value=0.0)),
    ("missind", {"type": "logical"}, HOLED, MissingIndicator()),
    ("encode", {}, TEXT, OneHotEncoder(sparse_output=False)),
    ("encode", {"method": "treatment"}, TEXT, OneHotEncoder(sparse_output=False, drop="first")),
    ("encodetarget", {}, TEXT, TargetEncoder()),
    ("removeconstants", {}, WHOLE, VarianceThreshold()),
    ("histbin", {}, WHOLE, KBinsDiscretizer(19, encode="ordinal", strategy="uniform")),
    (
        "quantilebin",
        {"numsplits": 8},
        WHOLE,
        KBinsDiscretizer(8, encode="ordinal", strategy="quantile", quantile_method="averaged_inverted_cdf"),
    ),
    ("splines", {}, WHOLE, SplineTransformer()),
    ("spatialsign", {}, WHOLE, Normalizer()),
    ("pca", {}, WHOLE, PCA()),
    ("randomprojection", {"rank": 4}, WHOLE, GaussianRandomProjection(4)),
    ("quantiletransform", {}, WHOLE, QuantileTransformer()),
    ("yeojohnson", {}, WHOLE, PowerTransformer()),
    ("boxcox", {}, POSITIVE, PowerTransformer("box-cox")),
    ("nmf", {"rank": 2, "method": "lee"}, POSITIVE, NMF(2)),
]


def seconds(run: Callable[[], object]) -> float:
    """How long one run takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main(rows: int = 200_000, *keys: str) -> None:
    """The table, or the rows of some keys."""
    warnings.simplefilter("ignore")
    tables, y = frames(rows), np.random.default_rng(1).normal(size=rows)
    tasks = {kind: as_task_regr(table, y) for kind, table in tables.items()}
    for key, arguments, kind, other in CASES:
        if keys and key not in keys:
            continue
        ratio, mine = beside(key, arguments, tasks[kind], lambda o=other, k=kind: o.fit_transform(tables[k], y))
        named = ", ".join([repr(key), *(f"{name}={value!r}" for name, value in arguments.items())])
        name = f"po({named})"
        print(f"{name:52} {mine:8.3f} s {ratio:6.2f} of {type(other).__name__} (bar {BAR})", flush=True)


def beside(key: str, arguments: dict[str, Any], task: Any, theirs: Callable[[], object]) -> tuple[float, float]:
    """The median ratio, and our time."""

    def ours() -> None:
        (made,), _ = po(key, **arguments).train([task])
        if all(found in ("numeric", "boolean") for found in made.feature_types.values()):
            made.matrix("float64")

    ours()
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(PAIRS)]
    return statistics.median(a / b for a, b in pairs), statistics.median(a for a, _ in pairs)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]), *sys.argv[2:])
