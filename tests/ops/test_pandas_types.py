"""pandas has several types for one thing: nullable, Arrow-backed, categorical over Arrow. Operators treat them alike."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipeops import as_task_classif, po

PLAIN = {"num": [1.0, None, 3.0, 8.0], "empty": [None] * 4, "text": ["a", None, "b", "a"], "y": ["n", "p", "n", "p"]}
TYPES = {
    "numpy": {"num": "float64", "empty": "float64", "text": "category"},
    "nullable": {"num": "Float64", "empty": "Int64", "text": "string"},
    "arrow": {"num": "double[pyarrow]", "empty": "int64[pyarrow]", "text": pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))},
}
KEYS = ["scale", "scalerange", "scalemaxabs", "imputemean", "imputemedian", "imputeoor", "imputemode", "fixfactors", "encode"]


def task(types):
    return as_task_classif(pd.DataFrame(PLAIN).astype(types), target="y")


def numbers(task):
    names = [n for n, kind in task.feature_types.items() if kind == "numeric"]
    return names, task.matrix(dtype="float64", columns=names)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("types", ["nullable", "arrow"])
def test_every_type_gives_what_numpy_types_give(key, types):
    (expected,), _ = po(key).train([task(TYPES["numpy"])])
    (got,), state = po(key).train([task(TYPES[types])])
    names, matrix = numbers(expected)
    assert numbers(got)[0] == names
    np.testing.assert_allclose(numbers(got)[1], matrix, equal_nan=True)
    (again,) = po(key).predict([task(TYPES[types])], state)
    np.testing.assert_allclose(numbers(again)[1], matrix, equal_nan=True)


@pytest.mark.parametrize("types", list(TYPES))
def test_scaling_by_hand(types):
    (scaled,), _ = po("scale").train([task(TYPES[types])])
    sd = np.std([1.0, 3.0, 8.0], ddof=1)
    np.testing.assert_allclose(scaled.matrix(dtype="float64", columns=["num"])[:, 0], (np.array([1, np.nan, 3, 8]) - 4) / sd)
