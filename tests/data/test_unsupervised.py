"""Tasks without a target: what they hold, what takes them and what refuses them."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from pipeops import Graph, as_task_unsupervised, gunion, lrn, po, rsmp, tsk
from pipeops.errors import CompositionError, DataError
from pipeops.saving import read, write

TABLE = {"a": [1.0, 2.0, 6.0, 7.0], "b": ["x", "y", "x", "x"], "w": [1.0, 1.0, 2.0, 1.0]}


@pytest.mark.parametrize("library", [pl.DataFrame, pd.DataFrame, pa.table], ids=["polars", "pandas", "pyarrow"])
def test_it_is_a_task_like_others_but_for_the_target(library):
    task = as_task_unsupervised(library(TABLE), id="plain")
    assert (task.nrow, task.ncol, task.task_type, task.has_target, task.target_names) == (4, 3, "unsupervised", False, [])
    assert str(task).split("\n")[0] == "<TaskUnsupervised:plain> (4 x 3)"
    assert "Target" not in str(task)
    assert task.filter([2, 0]).matrix(columns=["a"]).tolist() == [[6.0], [1.0]]
    assert type(task.data()) is type(library(TABLE))
    assert task.rbind(task.head(2)).nrow == 6
    weighted = task.with_roles(weight="w", stratum="b")
    assert weighted.feature_names == ["a", "b"]
    assert weighted.strata["n"].to_list() == [3, 1]
    assert task.newdata(library(TABLE)).feature_names == ["a", "b", "w"]


def test_a_task_loses_its_target():
    iris = tsk("iris").with_roles(stratum="Species").filter([3, 70, 120])
    task = as_task_unsupervised(iris)
    assert task.feature_names == iris.feature_names
    np.testing.assert_array_equal(task.row_ids, iris.row_ids)
    assert task.strata["stratum"].to_list() == iris.strata["stratum"].to_list()
    np.testing.assert_array_equal(task.matrix(), iris.matrix())
    np.testing.assert_array_equal(as_task_unsupervised(np.eye(2)).matrix(), np.eye(2))


def test_graphs_of_operators_train_on_it_as_on_the_features_of_others():
    iris = tsk("iris")
    graph = gunion([po("pca", rank=2), po("select", selector=["Sepal.Width"])]) >> po("featureunion") >> po("scale")
    other = Graph().extend(graph)
    np.testing.assert_array_equal(graph.train(as_task_unsupervised(iris)).matrix(), other.train(iris).matrix())
    np.testing.assert_array_equal(graph.predict(as_task_unsupervised(iris)).matrix(), other.predict(iris).matrix())
    assert len(rsmp("cv", folds=3).instantiate(as_task_unsupervised(iris), 1).test_set(0)) == 50


def test_it_is_saved(tmp_path):
    task = as_task_unsupervised(tsk("iris")).with_roles(stratum="Petal.Width").filter([1, 2])
    write(tmp_path / "task", "task", task)
    loaded = read(tmp_path / "task", "task")
    assert str(loaded) == str(task)
    np.testing.assert_array_equal(loaded.matrix(), task.matrix())


def test_what_needs_a_target_refuses_it():
    task = as_task_unsupervised(TABLE, id="plain")
    for call in (
        lambda: lrn("regr.lm").train(task),
        lambda: po("encodeimpact").train([task]),
        lambda: task.truth(),
        lambda: task.target_name,
        task.target_series,
    ):
        with pytest.raises(DataError, match="unsupervised"):
            call()
    with pytest.raises(DataError, match="as_task_classif or as_task_regr"):
        task.with_roles(target="a")
    with pytest.raises((DataError, CompositionError), match="TaskUnsupervised|unsupervised"):
        (po("scale") >> po("classbalancing")).train(task)
