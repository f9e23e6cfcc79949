"""The built-in tasks say what they are; files are found, downloaded once, or asked for."""

import os
import warnings
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from pipeops.data import as_task_classif, datasets
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


def downloaded(data, target, names=None, categories=None):
    """What scikit-learn's fetch_openml answers."""
    names = names or [f"x{j}" for j in range(data.shape[1])]
    return SimpleNamespace(data=data, target=np.array(target, dtype=object), feature_names=names, categories=categories or {})


@pytest.mark.parametrize(
    ("name", "labels", "classes"), [("sonar", ["Rock", "Mine"], ["M", "R"]), ("mammography", ["'-1'", "1"], [1, -1])]
)
def test_a_set_is_downloaded_once(empty_places, monkeypatch, name, labels, classes):
    calls = []

    def fetch(data_id, **kwargs):
        calls.append(data_id)
        return downloaded(np.arange(4.0).reshape(2, 2), labels)

    monkeypatch.setattr("sklearn.datasets.fetch_openml", fetch)
    first, second = tsk(name), tsk(name)
    assert calls == [datasets.OPENML[name].number]
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


NAN = float("nan")
STANDINS = {
    "german_credit": (np.zeros((2, 20)), ["good", "bad"], {"x0": ["<0", ">=200"]}, ["good", "bad"]),
    "pima": (np.array([[0.0] * 8, [1.0] * 8]), ["tested_negative", "tested_positive"], {}, ["pos", "neg"]),
    "spam": (np.zeros((2, 57)), ["0", "1"], {}, ["spam", "nonspam"]),
    "zoo": (np.array([[0.0, 0], [1, 1]]), ["bird", "fish"], {"x0": ["no", "yes"]}, ["bird", "fish"]),
    "penguins": (
        np.array([[0, 39.1, 18.7, 181, 3750, 0], [1, NAN, 17, 180, 3700, NAN]]),
        ["Adelie", "Gentoo"],
        {"x0": ["Biscoe", "Dream"], "x5": ["FEMALE", "MALE"]},
        ["Adelie", "Gentoo"],
    ),
    "california_housing": (np.array([[1.0, 0], [2, 1]]), ["452600.0", "3.5"], {"x1": ["INLAND", "ISLAND"]}, None),
    "boston_housing": (np.zeros((2, 13)), ["24.0", "21.6"], {}, None),
}


@pytest.mark.parametrize("name", STANDINS)
def test_sets_of_the_book_have_its_names(empty_places, monkeypatch, name):
    data, target, categories, classes = STANDINS[name]
    monkeypatch.setattr("sklearn.datasets.fetch_openml", lambda **kwargs: downloaded(data, target, None, categories))
    for task in (tsk(name), tsk(name)):
        if classes is None:
            assert task.truth().tolist() == [float(v) for v in target]
        else:
            assert task.class_names == classes
        for place, levels in categories.items():
            assert set(task.levels(task.feature_names[int(place[1:])])) <= set(levels)
    missing = {name: count for name, count in task.missings().items() if count}
    if name == "pima":
        assert missing == dict.fromkeys(("glucose", "pressure", "triceps", "insulin", "mass"), 1)
    if name == "penguins":
        assert missing == {"bill_length": 1, "sex": 1}
    if name == "spam":
        assert (task.feature_names[48], task.feature_names[-1]) == ("charSemicolon", "capitalTotal")


def test_mtcars_gives_the_slope_that_everyone_knows():
    task = tsk("mtcars")
    slope, intercept = np.polyfit(task.matrix("float64", ["wt"])[:, 0], task.truth(), 1)
    assert (round(slope, 4), round(intercept, 4)) == (-5.3445, 37.2851)
    means = {
        "disp": 230.721875,
        "hp": 146.6875,
        "drat": 3.5965625,
        "qsec": 17.84875,
        "gear": 3.6875,
        "carb": 2.8125,
        "vs": 0.4375,
    }
    for column, mean in means.items():
        assert task.matrix("float64", [column]).mean() == pytest.approx(mean), column


def test_strata_and_levels():
    levels = pl.Series(["a", "b", "a"], dtype=pl.Enum(["z", "b", "a"]))
    frame = pl.DataFrame({"s": ["u", "v", "u"], "c": levels, "y": ["p", "q", "r"]})
    task = as_task_classif(frame, target="y").with_roles(stratum="s")
    assert task.strata.to_dict(as_series=False) == {"stratum": ["u", "v"], "n": [2, 1], "row_ids": [[0, 2], [1]]}
    assert task.with_roles(stratum=None).strata is None
    fewer = task.filter([0, 2]).droplevels()
    assert (fewer.levels("c"), fewer.class_names, fewer.truth().tolist()) == (["a"], ["p", "r"], ["p", "r"])
    assert as_task_classif(frame.to_pandas(), target="y").droplevels(["c"]).levels("c") == ["b", "a"]
    with pytest.raises(DataError, match="one class only"):
        task.filter([0]).droplevels()
