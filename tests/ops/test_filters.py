"""Scores of features beside scikit-learn, scipy and loops by hand; what the operator keeps."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import kruskal
from sklearn.datasets import load_iris
from sklearn.feature_selection import f_classif, mutual_info_classif
from sklearn.metrics import roc_auc_score

from pipeops import (
    as_learner,
    as_task_classif,
    as_task_regr,
    auto_tuner,
    flt,
    load_learner,
    lrn,
    po,
    rsmp,
    selector_grep,
    to_tune,
    tsk,
)
from pipeops.errors import CompositionError, ConfigError, DataError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
CANCER = tsk("breast_cancer")


def regression(**more):
    columns = dict(zip("abc", X.T, strict=True))
    return as_task_regr(pl.DataFrame({**columns, **more, "y": X[:, 0] - 0.5 * X[:, 1] + 0.1 * X[:, 2]}), target="y")


def in_order(task, found):
    return [found[name] for name in task.feature_names]


def test_anova_is_that_of_scikit_learn():
    x, y = load_iris(return_X_y=True)
    task = as_task_classif(pl.DataFrame({**{f"x{j}": x[:, j] for j in range(4)}, "y": [f"c{k}" for k in y]}), target="y")
    np.testing.assert_allclose(in_order(task, flt("anova").calculate(task)), -np.log10(f_classif(x, y)[1]))
    mutual = mutual_info_classif(x, y, random_state=3)
    np.testing.assert_allclose(in_order(task, flt("information_gain", seed=3).calculate(task)), mutual)


def test_auc_is_the_distance_from_chance_also_with_missing_values():
    x = CANCER.matrix("float64")
    auc = [roc_auc_score(CANCER.class_codes() == 0, column) for column in x.T]
    np.testing.assert_allclose(in_order(CANCER, flt("auc").calculate(CANCER)), np.abs(0.5 - np.array(auc)))
    holed = as_task_classif({"x": [1.0, None, 2.0, 3.0], "y": ["a", "a", "a", "b"]}, target="y")
    assert flt("auc").calculate(holed) == {"x": 0.5}


@pytest.mark.parametrize("method", ["pearson", "spearman", "kendall"])
def test_correlations_are_those_of_pandas(method):
    task = regression()
    wanted = task.data().to_pandas().corr(method=method)["y"].abs()
    found = flt("correlation", method=method).calculate(task)
    np.testing.assert_allclose([found[n] for n in "abc"], [wanted[n] for n in "abc"])
    assert list(found.values()) == sorted(found.values(), reverse=True)


def test_missing_values_in_correlations_and_variances():
    task = regression(d=[None, *X[1:, 0]])
    assert np.isnan(flt("correlation").calculate(task)["d"])
    assert list(flt("correlation").calculate(task))[-1] == "d"
    known = np.corrcoef(X[1:, 0], task.truth()[1:])[0, 1]
    assert flt("correlation", use="pairwise.complete.obs").calculate(task)["d"] == pytest.approx(abs(known))
    assert flt("variance").calculate(task)["d"] == pytest.approx(np.var(X[1:, 0], ddof=1))
    for refusing in (flt("variance", na_rm=False), flt("information_gain")):
        with pytest.raises(DataError, match="missing values in 'd'"):
            refusing.calculate(task)


def test_a_cutoff_of_find_correlation_leaves_no_pair_above_it():
    x = np.c_[X, X[:, 0] + 0.1 * RNG.normal(size=40), X[:, 1] + 0.5 * RNG.normal(size=40)]
    task = as_task_regr(pl.DataFrame({**{f"x{j}": x[:, j] for j in range(5)}, "y": x[:, 0]}), target="y")
    for bound in (0.5, 0.8, 0.95):
        kept = po("filter", flt("find_correlation"), cutoff=1 - bound).train([task])[0][0]
        r = np.abs(np.corrcoef(kept.matrix("float64"), rowvar=False)) - np.eye(kept.ncol - 1)
        assert r.max() <= bound
        dropped = 6 - kept.ncol
        pairs = (np.triu(np.abs(np.corrcoef(x, rowvar=False)), 1) > bound).sum()
        assert bool(dropped) == bool(pairs)


def test_relief_is_the_loop_of_its_definition():
    task = CANCER.filter(CANCER.row_ids[:30]).select(CANCER.feature_names[:3])
    x, codes = task.matrix("float64"), task.class_codes()
    x = (x - x.min(0)) / np.ptp(x, axis=0)
    share, wanted = np.bincount(codes) / 30, np.zeros(3)
    for i in range(30):
        for k in (0, 1):
            others = sorted((j for j in range(30) if j != i and codes[j] == k), key=lambda j: np.abs(x[i] - x[j]).sum())[:4]
            factor = -1 if k == codes[i] else share[k] / (1 - share[codes[i]])
            wanted += factor * np.abs(x[others] - x[i]).mean(0) / 30
    np.testing.assert_allclose(in_order(task, flt("relief", neighboursCount=4, sampleSize=99).calculate(task)), wanted)


def test_relief_of_numbers_ranks_what_the_target_follows():
    found = flt("relief", sampleSize=40).calculate(regression(f=["u", "v"] * 20))
    assert list(found)[:2] == ["a", "b"]
    assert found["a"] > 0.05 > found["f"]


def test_importances_are_those_of_the_estimator():
    from sklearn.tree import DecisionTreeClassifier

    tree = DecisionTreeClassifier(random_state=0, max_depth=2).fit(CANCER.matrix("float64"), CANCER.truth().astype(str))
    found = flt("importance", lrn("classif.tree", random_state=0, max_depth=2)).calculate(CANCER)
    np.testing.assert_allclose(in_order(CANCER, found), tree.feature_importances_)
    assert list(flt("importance", lrn("regr.lm")).calculate(regression())) == ["a", "b", "c"]
    with pytest.raises(ConfigError, match="says nothing of its features"):
        flt("importance", lrn("classif.knn")).calculate(CANCER)


def test_features_are_kept_by_number_share_cutoff_or_chance():
    task = regression(text=["u", "v"] * 20, big=1000 * X[:, 2])
    variance = flt("variance").calculate(task)

    def kept(**settings):
        return po("filter", flt("variance"), **settings).train([task])[0][0].feature_names

    assert kept(nfeat=1) == ["text", "big"]
    assert kept(nfeat=0) == ["text"]
    assert kept(nfeat=99) == task.feature_names
    assert kept(frac=0.5) == [n for n in task.feature_names if n in [*list(variance)[:2], "text"]]
    assert kept(cutoff=100) == ["text", "big"]
    chosen = po("filter", flt("correlation"), permuted=2, seed=1).train([regression()])[0][0].feature_names
    assert chosen[:2] == ["a", "b"]
    node = po("filter", "variance", nfeat=1)
    (made,), state = node.train([task])
    assert node.predict([task.filter(task.row_ids[:3])], state)[0].feature_names == made.feature_names


def test_wrong_settings_are_refused():
    with pytest.raises(ConfigError, match="set one of"):
        po("filter", flt("variance")).train([CANCER])
    with pytest.raises(ConfigError, match="not nfeat and frac"):
        po("filter", flt("variance"), nfeat=1, frac=0.5)
    with pytest.raises(CompositionError, match="takes a filter"):
        po("filter", po("scale"))
    with pytest.raises(DataError, match="is for 'regr' tasks"):
        flt("correlation").calculate(CANCER)
    with pytest.raises(DataError, match="needs two classes"):
        flt("auc").calculate(tsk("iris"))


def test_a_filter_is_tuned_and_saved_with_its_learner(tmp_path):
    graph = po("filter", flt("importance", lrn("classif.tree", random_state=0)), nfeat=2) >> lrn("classif.lda")
    graph.params["importance.max_depth"] = 3
    tuner = auto_tuner(as_learner(graph), {"importance.nfeat": to_tune(1, 4)}, rsmp("holdout"), "classif.ce", n_trials=3, seed=1)
    learner = tuner.train(CANCER)
    assert 1 <= learner.best_params["importance.nfeat"] <= 4
    plain = as_learner(po("filter", flt("anova"), nfeat=3) >> lrn("classif.lda")).train(CANCER)
    plain.save(tmp_path / "f.pipeops")
    again = load_learner(tmp_path / "f.pipeops")
    assert again.predict(CANCER).response.tolist() == plain.predict(CANCER).response.tolist()


def test_a_filter_may_be_about_some_features_only():
    node = po("filter", flt("variance"), nfeat=1, affect_columns=selector_grep("Sepal"))
    (made,), state = node.train([tsk("iris")])
    assert made.feature_names == ["Sepal.Length", "Petal.Length", "Petal.Width"]
    assert list(state["scores"]) == ["Sepal.Length", "Sepal.Width"]
    assert node.predict([tsk("iris")], state)[0].feature_names == made.feature_names


def test_ranks_do_without_missing_values():
    x = [1.0, 2.0, None, 5.0, 6.0, 7.0]
    task = as_task_classif({"x": x, "z": [1.0, 2.0, 3.0, None, None, None], "y": list("aaabbb")}, target="y")
    found = flt("kruskal_test").calculate(task)
    assert found["x"] == pytest.approx(-np.log10(kruskal([1, 2], [5, 6, 7]).pvalue))
    assert np.isnan(found["z"])
