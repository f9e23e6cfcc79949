"""The built-in tasks say what they are; files are found, downloaded once, or asked for."""

import os
import warnings
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from pipeops.data import datasets
from pipeops.errors import DataError
from pipeops.shorthand import tsk

SHIPPED = {
    "iris": (150, 5, ["setosa", "versicolor", "virginica"], None),
    "wine": (178, 14, ["class_0", "class_1", "class_2"], None),
    "breast_cancer": (569, 31, ["malignant", "benign"], "malignant"),
    "digits": (1797, 65, list(range(10)), None),
}
needs_data = pytest.mark.skipif("PIPEOPS_DATA" not in os.environ, reason="PIPEOPS_DATA names no folder with sonar.csv")


@pytest.mark.parametrize("key", SHIPPED)
def test_shipped_sets(key):
    task = tsk(key)
    assert (task.nrow, task.ncol, task.class_names, task.positive) == SHIPPED[key]
    assert task.id == key
    assert sum(task.missings().values()) == 0
    assert set(task.feature_types.values()) == {"numeric"}


def test_iris_numbers():
    task = tsk("iris")
    assert task.feature_names == ["Sepal.Length", "Sepal.Width", "Petal.Length", "Petal.Width"]
    assert task.matrix()[0].tolist() == pytest.approx([5.1, 3.5, 1.4, 0.2])
    assert np.bincount(task.class_codes()).tolist() == [50, 50, 50]


def test_breast_cancer_counts_and_diabetes():
    assert np.bincount(tsk("breast_cancer").class_codes()).tolist() == [212, 357]
    diabetes = tsk("diabetes")
    assert (diabetes.task_type, diabetes.nrow, diabetes.truth()[:2].tolist()) == ("regr", 442, [151.0, 75.0])


@needs_data
def test_sonar_and_mammography():
    sonar = tsk("sonar")
    assert (sonar.nrow, len(sonar.feature_names), sonar.class_names, sonar.positive) == (208, 60, ["M", "R"], "M")
    assert np.bincount(sonar.class_codes()).tolist() == [111, 97]
    mammography = tsk("mammography")
    assert (mammography.nrow, mammography.class_names, mammography.positive) == (11183, [1, -1], 1)
    assert np.bincount(mammography.class_codes()).tolist() == [260, 10923]


@pytest.fixture
def empty_places(monkeypatch, tmp_path):
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("PIPEOPS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("PIPEOPS_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_the_folder_of_the_user_comes_before_the_cache(empty_places):
    (empty_places / "cache").mkdir()
    pl.DataFrame({"V1": [1.0, 2.0], "Class": ["R", "M"]}).write_csv(empty_places / "cache" / "sonar.csv")
    assert tsk("sonar").nrow == 2
    pl.DataFrame({"V1": [1.0, 2.0, 3.0], "Class": ["R", "M", "R"]}).write_csv(empty_places / "data" / "sonar.csv")
    assert tsk("sonar").nrow == 3


@pytest.mark.parametrize(
    ("name", "labels", "classes"), [("sonar", ["Rock", "Mine"], ["M", "R"]), ("mammography", ["'-1'", "1"], [1, -1])]
)
def test_a_set_is_downloaded_once(empty_places, monkeypatch, name, labels, classes):
    calls = []

    def fetch(data_id, **kwargs):
        calls.append(data_id)
        return SimpleNamespace(data=np.arange(4.0).reshape(2, 2), target=np.array(labels, dtype=object))

    monkeypatch.setattr("sklearn.datasets.fetch_openml", fetch)
    first, second = tsk(name), tsk(name)
    assert calls == [datasets.OPENML[name]]
    for task in (first, second):
        assert task.class_names == classes
        np.testing.assert_array_equal(task.matrix(), [[0, 1], [2, 3]])


def test_offline_and_absent_says_what_to_put_where(empty_places, monkeypatch):
    def fetch(**kwargs):
        warnings.warn("a network error occurred, retrying", UserWarning, stacklevel=2)
        raise OSError("no network")

    monkeypatch.setattr("sklearn.datasets.fetch_openml", fetch)
    with pytest.raises(DataError, match=r"PIPEOPS_DATA.*cache.*no network.*OpenML data set 40.*sonar\.csv") as caught:
        tsk("sonar")
    assert caught.value.__suppress_context__, "the traceback through urllib says nothing more"
