"""What users hand in becomes a task of the same kind, or an error that says what to do."""

from datetime import date

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from pipeops.data import TaskClassif, as_task_classif, as_task_regr
from pipeops.errors import ConfigError, DataError, UnknownKeyError

FRAME = pl.DataFrame(
    {
        "a": [1.5, None, 3.0, 4.0],
        "i": [1, 2, 3, 4],
        "b": [True, False, None, True],
        "s": ["x", "y", None, "x"],
        "e": pl.Series(["lo", "hi", "lo", None], dtype=pl.Enum(["lo", "mid", "hi"])),
        "y": ["n", "p", "p", "n"],
    }
)
KINDS = {
    "polars": FRAME,
    "lazy": FRAME.lazy(),
    "pandas": FRAME.to_pandas(),
    "pandas-arrow": FRAME.to_pandas(use_pyarrow_extension_array=True),
    "pandas-index": FRAME.to_pandas().set_index(pd.Index([7, 7, 3, 1])),
    "pyarrow": FRAME.to_arrow(),
    "dict": FRAME.to_dict(as_series=False),
    "narwhals": nw.from_native(FRAME),
}
NATIVE = {"pandas": pd.DataFrame, "pandas-arrow": pd.DataFrame, "pandas-index": pd.DataFrame, "pyarrow": pa.Table}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_table_makes_the_same_task(kind):
    task = as_task_classif(KINDS[kind], target="y", id="t")
    assert isinstance(task.data(), NATIVE.get(kind, pl.DataFrame))
    assert (task.nrow, task.ncol, task.feature_names) == (4, 6, ["a", "i", "b", "s", "e"])
    types = {"a": "numeric", "i": "numeric", "b": "boolean", "s": "categorical", "e": "categorical"}
    assert task.feature_types == types
    assert task.missings() == {"y": 0, "a": 1, "i": 0, "b": 1, "s": 1, "e": 1}
    assert task.class_names == ["n", "p"]
    assert task.positive == "n"
    assert task.class_codes().tolist() == [0, 1, 1, 0]
    assert task.truth().tolist() == ["n", "p", "p", "n"]
    assert task.levels("s") == ["x", "y"]
    assert task.codes("s").tolist() == [0, 1, -1, 0]
    assert task.codes("e", ["hi", "lo"]).tolist() == [1, 0, 1, -1]
    matrix = task.matrix("float64", columns=["b", "i", "a"])
    np.testing.assert_array_equal(matrix, [[1, 1, 1.5], [0, 2, np.nan], [np.nan, 3, 3], [1, 4, 4]])


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in ("dict",)])
def test_declared_level_order_is_kept_where_the_frame_has_one(kind):
    task = as_task_classif(KINDS[kind], target="y")
    assert task.levels("e") == ["lo", "mid", "hi"]


@pytest.mark.parametrize("library", ["polars", "pandas", "pyarrow"])
@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (["R", "M", "R"], ["M", "R"]),
        ([0, 1, 0], [1, 0]),
        ([-1, 1, -1], [1, -1]),
        (["0", "1", "0"], ["1", "0"]),
        ([False, True, False], [True, False]),
        ([0.0, 1.0, 0.0], [1.0, 0.0]),
        ([3, 1, 2], [1, 2, 3]),
    ],
)
def test_order_of_classes(library, values, classes):
    frame = pl.DataFrame({"x": [1, 2, 3], "y": values})
    native = {"polars": frame, "pandas": frame.to_pandas(), "pyarrow": frame.to_arrow()}[library]
    task = as_task_classif(native, target="y")
    assert task.class_names == classes
    assert [type(c) for c in task.class_names] == [type(c) for c in classes]
    assert task.class_codes().tolist() == [classes.index(v) for v in values]
    truth = task.truth()
    assert truth.tolist() == values
    assert truth.dtype == (object if isinstance(values[0], str) else np.asarray(values).dtype)


@pytest.mark.parametrize("ordered", [False, True])
def test_declared_classes_come_in_their_own_order(ordered):
    labels = pd.Categorical(["b", "a"], categories=["b", "a"], ordered=ordered)
    assert as_task_classif(pd.DataFrame({"x": [1, 2], "y": labels}), target="y").class_names == ["b", "a"]
    enum = pl.DataFrame({"x": [1, 2], "y": pl.Series(["a", "z"], dtype=pl.Enum(["z", "a"]))})
    task = as_task_classif(enum, target="y")
    assert (task.class_names, task.positive, task.class_codes().tolist()) == (["z", "a"], "z", [1, 0])
    numbers = pd.DataFrame({"x": [1, 2], "y": pd.Categorical([1, 3], categories=[3, 1], ordered=ordered)})
    assert as_task_classif(numbers, target="y").truth().tolist() == [1, 3]
    assert as_task_classif(pl.DataFrame({"y": pl.Series(["b", "a"], dtype=pl.Categorical)}), target="y").class_names == ["a", "b"]


def test_positive_overrides_and_can_be_changed():
    task = as_task_classif(FRAME, target="y", positive="p")
    assert (task.class_names, task.positive, task.negative) == (["p", "n"], "p", "n")
    assert task.with_positive("n").class_codes().tolist() == [0, 1, 1, 0]
    assert task.class_codes().tolist() == [1, 0, 0, 1]


def test_arrays_and_labels_apart():
    x = np.arange(6.0).reshape(3, 2)
    task = as_task_classif(x, ["u", "v", "u"])
    assert (task.feature_names, task.target_names) == (["V1", "V2"], ["y"])
    np.testing.assert_array_equal(task.matrix(), x)
    regr = as_task_regr(pd.DataFrame(x), pd.Series([1.0, 2.0, 3.0], index=[9, 9, 8], name="out"))
    assert (regr.feature_names, regr.target_names, regr.truth().tolist()) == (["0", "1"], ["out"], [1.0, 2.0, 3.0])
    assert as_task_regr(FRAME.select("i"), np.arange(4)[:, None], target="t").target_names == ["t"]
    mixed = as_task_classif(np.array([[1, "a"], [2, "b"]], dtype=object), [True, False])
    assert mixed.feature_types == {"V1": "numeric", "V2": "categorical"}


def test_torch_tensors():
    torch = pytest.importorskip("torch")
    x = torch.arange(6, dtype=torch.float32).reshape(3, 2).requires_grad_()
    task = as_task_classif(x, torch.tensor([0, 1, 1]))
    assert task.class_names == [1, 0]
    np.testing.assert_array_equal(task.matrix(), x.detach().numpy())
    half = as_task_regr({"x": torch.tensor([0.5, 1.0], dtype=torch.bfloat16), "y": torch.tensor([1.0, 2.0])}, target="y")
    assert half.frame()["x"].to_list() == [0.5, 1.0]


def test_columns_without_a_type_get_the_one_their_values_have():
    frame = pd.DataFrame({"b": [True, None, False], "none": [None, None, None], "y": [1.0, 2.0, 3.0]})
    task = as_task_regr(frame, target="y")
    assert task.feature_types["b"] == "boolean"
    assert (task.feature_types["none"], task.missings()["none"]) == ("numeric", 3)
    assert as_task_regr({"n": [None, None], "y": [1, 2]}, target="y").feature_types == {"n": "numeric"}


GOOD = {"x": [1, 2, 3], "y": ["a", "b", "a"]}
BAD = [
    ("target absent", lambda: as_task_classif({"x": [1], "Class": ["a"]}, target="class"), UnknownKeyError, "Class"),
    ("no target named", lambda: as_task_classif(GOOD), ConfigError, "target="),
    ("y is a name", lambda: as_task_classif(GOOD, "y"), DataError, "target='y'"),
    ("missing labels", lambda: as_task_classif({"y": ["a", None, "b", None]}, target="y"), DataError, "2 missing.*1, 3"),
    ("NaN target", lambda: as_task_regr({"y": [1.0, float("nan")]}, target="y"), DataError, "1 missing"),
    ("one class", lambda: as_task_classif({"x": [1, 2], "y": ["a", "a"]}, target="y"), DataError, "one class only"),
    ("no rows", lambda: as_task_classif({"x": [], "y": []}, target="y"), DataError, "one class only"),
    ("float classes", lambda: as_task_classif({"y": np.linspace(0, 1, 99)}, target="y"), DataError, "as_task_regr"),
    ("text regression", lambda: as_task_regr(GOOD, target="y"), DataError, "as_task_classif"),
    ("boolean regression", lambda: as_task_regr({"y": [True, False]}, target="y"), DataError, "not a number"),
    ("date classes", lambda: as_task_classif({"y": [date(2020, 1, 1)] * 2}, target="y"), DataError, "no classes"),
    ("positive unknown", lambda: as_task_classif(GOOD, target="y", positive="A"), UnknownKeyError, "'a'"),
    ("positive as text", lambda: as_task_classif({"y": [0, 1]}, target="y", positive="1"), UnknownKeyError, "write positive=1"),
    (
        "positive as text, of booleans",
        lambda: as_task_classif({"y": [True, False]}, target="y", positive="True"),
        UnknownKeyError,
        "of type bool: write positive=True",
    ),
    ("positive of three", lambda: as_task_classif({"y": ["a", "b", "c"]}, target="y", positive="a"), ConfigError, "two classes"),
    ("unequal lengths", lambda: as_task_classif({"x": [1], "y": ["a", "b"]}, target="y"), DataError, "'x' 1, 'y' 2"),
    ("X longer than y", lambda: as_task_classif(np.eye(3), ["a", "b"]), DataError, "3 rows and y has 2"),
    ("X of one dimension", lambda: as_task_classif(np.ones(3), ["a", "b", "a"]), DataError, "two dimensions"),
    ("y of two dimensions", lambda: as_task_classif(np.eye(2), np.eye(2)), DataError, "one column of labels"),
    ("X has the target", lambda: as_task_regr(pl.DataFrame({"y": [1]}), [1]), DataError, "already has a column 'y'"),
    ("pandas duplicates", lambda: as_task_regr(pd.DataFrame(np.eye(2), columns=["a", "a"]), target="a"), DataError, "'a'"),
    ("arrow duplicates", lambda: as_task_regr(pa.table([[1], [2]], names=["a", "a"]), target="a"), DataError, "Duplicate"),
    ("text for a column", lambda: as_task_regr({"x": "abc", "y": [1]}, target="y"), DataError, "'x' is str"),
    ("a number for a column", lambda: as_task_regr({"x": 3, "y": [1]}, target="y"), DataError, "'x' is int"),
    ("mixed column", lambda: as_task_regr({"x": [1, "a"], "y": [1, 2]}, target="y"), DataError, "'x'"),
    ("not a table", lambda: as_task_regr(42, target="y"), DataError, "int.*pandas"),
    ("a task", lambda: as_task_regr(as_task_classif(GOOD, target="y"), target="y"), DataError, "task already"),
    ("list column", lambda: as_task_regr({"l": [[1], [1, 2]], "y": [1, 2]}, target="y"), DataError, "'l'.*List"),
    ("abstract", lambda: __import__("pipeops.data.task").data.Task(nw.from_native(FRAME), "y"), TypeError, "as_task_classif"),
]


@pytest.mark.parametrize(("make", "error", "text"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_bad_input_is_refused_and_says_what_to_do(make, error, text):
    with pytest.raises(error, match=text):
        make()


def test_a_frame_with_the_target_only_is_a_task_without_features():
    task = as_task_classif({"y": ["a", "b"]}, target="y")
    assert isinstance(task, TaskClassif)
    assert (task.ncol, task.feature_names, task.matrix().shape) == (1, [], (2, 0))
    assert task.filter([1]).frame().columns == []
    assert task.filter([1]).newdata({"z": [1, 2]}).matrix().shape == (2, 0)


def test_a_dictionary_in_no_order_has_sorted_levels():
    table = pa.table({"e": pa.array(["lo", "hi", None]).dictionary_encode(), "y": [1, 2, 3]})
    assert as_task_regr(table, target="y").levels("e") == ["hi", "lo"]
