"""Tasks with several targets: numbers and labels, through everything that a task can do."""

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from pipeops import TaskMultilabel, TaskMultiRegr, as_task_classif, as_task_multilabel, as_task_regr, partition, po, rsmp
from pipeops.data.stored import prototype
from pipeops.errors import ConfigError, DataError
from pipeops.saving import read, write

COLUMNS = {"x": [1.0, 2.0, 3.0, 4.0], "f": ["u", "v", "u", "v"], "a": [0.5, 1.5, 2.5, 3.5], "b": [4, 3, 2, 1]}
LABELS = {"x": [1.0, 2.0, 3.0, 4.0], "red": [True, False, True, True], "big": [0, 1, 0, 1]}
MAKERS = [pd.DataFrame, pl.DataFrame, pa.table, dict]


def numbers(make=pl.DataFrame):
    return as_task_regr(make(COLUMNS), target=["a", "b"], id="numbers")


def labels(make=pl.DataFrame):
    return as_task_multilabel(make(LABELS), target=["red", "big"], id="labels")


@pytest.mark.parametrize("make", MAKERS)
def test_truth_is_an_array_of_rows_and_targets(make):
    task, other = numbers(make), labels(make)
    assert (type(task), task.task_type, task.target_names, task.feature_names) == (
        TaskMultiRegr, "multiregr", ["a", "b"], ["x", "f"],
    )  # fmt: skip
    assert task.truth().dtype == np.float64
    assert task.truth().tolist() == [[0.5, 4], [1.5, 3], [2.5, 2], [3.5, 1]]
    assert (type(other), other.task_type) == (TaskMultilabel, "multilabel")
    assert other.truth().dtype == bool
    assert other.truth([3, 0]).tolist() == [[True, True], [True, False]]


@pytest.mark.parametrize("make", MAKERS)
def test_rows_columns_and_roles(make):
    task = numbers(make)
    part = task.filter([2, 0])
    assert part.truth().tolist() == [[2.5, 2], [0.5, 4]]
    assert task.select(["x"]).cbind({"w": [1, 2, 3, 4]}).with_roles(weight="w").weights().tolist() == [1, 2, 3, 4]
    assert part.rbind(make({"x": [0.0], "f": ["v"], "a": [9.0], "b": [8]})).truth().tolist() == [[2.5, 2], [0.5, 4], [9, 8]]
    assert task.with_roles(target=["b", "a"]).truth()[0].tolist() == [4, 0.5]
    assert task.missings() == dict.fromkeys(("a", "b", "x", "f"), 0)
    assert list(nw.from_native(task.data(), eager_only=True).columns) == ["a", "b", "x", "f"] if make is not dict else True
    assert "Targets: a, b" in str(task)
    assert task.ncol == 4


@pytest.mark.parametrize("given", [["a", "b"], ("a", "b")])
def test_targets_apart(given):
    table = pl.DataFrame(COLUMNS)
    apart = as_task_regr(table.select("x"), table.select("a", "b"))
    assert apart.target_names == ["a", "b"]
    array = as_task_regr(np.eye(4), table.select("a", "b").to_numpy(), target=given)
    assert array.truth().tolist() == apart.truth().tolist()
    assert array.target_names == ["a", "b"]
    assert as_task_multilabel(np.eye(2), np.array([[1, 0], [0, 1]])).target_names == ["y1", "y2"]
    with pytest.raises(DataError, match="y has 2 columns, target= names 3"):
        as_task_regr(np.eye(4), np.ones((4, 2)), target=["a", "b", "c"])
    with pytest.raises(DataError, match="as_task_multilabel"):
        as_task_classif(np.eye(2), np.array([[1, 0], [0, 1]]))


def test_one_name_in_a_list_is_still_a_table():
    task = as_task_regr(COLUMNS, target=["a"])
    assert (task.task_type, task.truth().shape) == ("multiregr", (4, 1))


@pytest.mark.parametrize("make", MAKERS)
def test_new_data_without_targets_or_one_of_them(make):
    for task, missing in ((numbers(make), np.nan), (labels(make), None)):
        features = {name: values[:1] for name, values in {**COLUMNS, **LABELS}.items() if name in task.feature_names}
        first, *_ = task.target_names
        for new in (task.newdata(features), task.newdata({**features, first: [1.0]}), prototype(task).newdata(features)):
            assert not new.has_target
            np.testing.assert_array_equal(new.truth(), np.full((1, 2), missing))
            assert "(absent)" in str(new)
            with pytest.raises(DataError, match="without its target column"):
                new.targets()


@pytest.mark.parametrize("make", MAKERS[:3])
@pytest.mark.parametrize("made", [numbers, labels])
def test_saved_and_loaded(make, made, tmp_path):
    task = made(make).filter([3, 1])
    write(tmp_path / "task", "task", task)
    again = read(tmp_path / "task", "task")
    assert type(again) is type(task)
    assert (again.roles, again.row_ids.tolist(), again.truth().tolist()) == (
        task.roles, task.row_ids.tolist(), task.truth().tolist(),
    )  # fmt: skip


def test_what_is_no_target_is_refused():
    with pytest.raises(DataError, match="'f' is String, not a number"):
        as_task_regr(pl.DataFrame(COLUMNS), target=["a", "f"])
    with pytest.raises(DataError, match="other values than 0 and 1"):
        as_task_multilabel(COLUMNS, target=["a", "b"])
    with pytest.raises(DataError, match="'a' of the task 'task' has 1 missing"):
        as_task_regr({"x": [1, 2], "b": [1.0, 2.0], "a": [None, 1.0]}, target=["b", "a"])
    with pytest.raises(DataError, match="a name twice"):
        as_task_regr(COLUMNS, target=["a", "a"])
    with pytest.raises(ConfigError, match="takes one column, got 'a', 'b'"):
        as_task_regr(COLUMNS, target="a").with_roles(target=["a", "b"])
    with pytest.raises(ConfigError, match="as_task_multilabel"):
        as_task_classif(COLUMNS, target=["a", "b"])
    with pytest.raises(DataError, match="other values than 0 and 1"):
        labels().rbind({"x": [1.0], "red": [True], "big": [2]})
    with pytest.raises(DataError, match="target's name 'b'"):
        numbers().cbind({"b": [1, 2, 3, 4]})
    for what in (lambda task: task.target_name, lambda task: task.target_series()):
        with pytest.raises(DataError, match="with the targets 'a', 'b'"):
            what(numbers())


def test_strata():
    task = as_task_multilabel({"x": range(40), "p": [1, 0] * 20, "q": [1, 1, 0, 0] * 10}, target=["p", "q"])
    folds = rsmp("cv", folds=5, stratify=True).instantiate(task, seed=1)
    for i in range(5):
        rows, counts = np.unique(task.truth(folds.test_set(i)), axis=0, return_counts=True)
        assert (len(rows), set(counts.tolist())) == (4, {2})
    with pytest.raises(DataError, match="several numbers"):
        partition(numbers(), stratify=True)


@pytest.mark.parametrize("key", ["scale", "encode", "imputemedian", "pca", "nop", "select", "histbin", "fixfactors", "subsample"])
@pytest.mark.parametrize("made", [numbers, labels])
def test_operators_on_features_go_before_them(key, made):
    task = made()
    node = po(key)
    (out,), state = node.train([task])
    assert type(out) is type(task)
    np.testing.assert_array_equal(out.truth(), task.truth(out.row_ids))
    assert node.predict([task], state)[0].target_names == task.target_names


@pytest.mark.parametrize(
    "node",
    [lambda: po("encodeimpact"), lambda: po("encodetarget"), lambda: po("encodelmer"), lambda: po("update_target")],
)
def test_operators_on_the_target_are_refused_by_name(node):
    made = node()
    with pytest.raises(DataError, match=rf"{made.id}: learns from the one target .* of type multiregr .*'a', 'b'"):
        made.train([numbers()])


@pytest.mark.parametrize("key", ["smote", "classbalancing", "classweights", "targetmutate"])
def test_operators_of_other_tasks_are_refused_by_the_graph(key):
    from pipeops import Graph

    with pytest.raises(Exception, match=f"{key}.*TaskMultilabel"):
        Graph().extend(po(key)).train(labels())
