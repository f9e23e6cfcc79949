"""Graphs as scikit-learn estimators, held against scikit-learn's own checks and tools; transformers and functions as nodes."""

import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.cross_decomposition import PLSRegression
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import StackingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.kernel_approximation import RBFSampler
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, TunedThresholdClassifierCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, PowerTransformer, StandardScaler, TargetEncoder
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import check_estimator

from pipeops import (
    PipeOpsClassifier,
    PipeOpsRegressor,
    PipeOpsTransformer,
    as_learner,
    as_task_classif,
    as_task_regr,
    lrn,
    nn,
    po,
    tsk,
)
from pipeops.errors import ConfigError, DataError, PipeOpsError, UnknownParameterError


def network(**model):
    return (
        po("scale")
        >> po("torch_ingress_num")
        >> nn("linear", out_features=8)
        >> nn("relu")
        >> nn("head")
        >> po("torch_loss", loss="cross_entropy")
        >> po("torch_optimizer", optimizer="adam", lr=0.01)
        >> po("torch_model_classif", **{"epochs": 5, "batch_size": 32, "seed": 1, **model})
    )


def log_reg():
    return po("scale") >> lrn("classif.log_reg")


X, Y = load_breast_cancer(return_X_y=True, as_frame=True)
LABELS = Y.map({0: "malignant", 1: "benign"})


@pytest.mark.parametrize(
    "estimator",
    [
        PipeOpsClassifier(log_reg()),
        PipeOpsClassifier(po(lrn("classif.tree"))),
        PipeOpsRegressor(po("scale") >> lrn("regr.ridge")),
        PipeOpsTransformer(po("scale")),
        pytest.param(PipeOpsClassifier(network(epochs=100)), marks=pytest.mark.slow),
    ],
    ids=["graph", "node", "regression", "transformer", "network"],
)
@pytest.mark.filterwarnings("default")
def test_scikit_learns_own_checks_pass(estimator):
    check_estimator(estimator, on_fail="raise")


def test_predictions_are_those_of_scikit_learn():
    ours = PipeOpsClassifier(po("scale") >> lrn("classif.log_reg", C=0.5)).fit(X, LABELS)
    theirs = make_pipeline(StandardScaler(), LogisticRegression(C=0.5)).fit(X * np.sqrt(568 / 569), LABELS)
    assert list(ours.classes_) == ["benign", "malignant"] == list(theirs.classes_)
    scaled = (X - X.mean()) / X.std()
    by_hand = LogisticRegression(C=0.5, max_iter=1000).fit(scaled, LABELS)
    assert np.allclose(ours.predict_proba(X), by_hand.predict_proba(scaled), atol=1e-3)
    assert np.array_equal(ours.predict(X), ours.classes_[ours.predict_proba(X).argmax(1)])


@pytest.mark.parametrize("labels", [[0, 1], [True, False], ["b", "a"], [2.0, 1.0], [-1, 1], [3, 7, 5]], ids=str)
def test_classes_come_back_as_what_they_are(labels):
    rng = np.random.default_rng(0)
    codes = rng.integers(len(labels), size=90)
    y, x = np.asarray(labels)[codes], np.eye(len(labels))[codes] + 0.01 * rng.normal(size=(90, len(labels)))
    fitted = PipeOpsClassifier(lrn("classif.tree")).fit(x, y)
    assert np.array_equal(fitted.classes_, np.unique(y))
    assert fitted.classes_.dtype == np.unique(y).dtype
    assert np.array_equal(fitted.predict(x), y)
    assert np.array_equal(fitted.predict_proba(x).argmax(1), np.searchsorted(np.unique(y), y))


def test_hyperparameters_by_scikit_learns_names_leave_the_graph_alone():
    graph = log_reg()
    estimator = PipeOpsClassifier(graph, random_state=3)
    assert estimator.get_params()["classif_log_reg__C"] == 1.0
    assert set(estimator.get_params(deep=False)) == {"graph", "random_state", "validate"}
    estimator.set_params(classif_log_reg__C=0.25, random_state=4)
    assert graph.params["classif_log_reg.C"] == 1.0
    assert estimator.graph.params["classif_log_reg.C"] == 0.25
    again = clone(estimator)
    assert again.get_params()["classif_log_reg__C"] == 0.25
    assert again.random_state == 4
    with pytest.raises(UnknownParameterError, match="no parameter 'classif_log_reg__D'.*classif_log_reg__C"):
        estimator.set_params(classif_log_reg__D=1)


def test_model_selection_of_scikit_learn():
    grid = GridSearchCV(PipeOpsClassifier(network()), {"linear__out_features": [4, 16]}, cv=3).fit(X, LABELS)
    assert grid.best_score_ > 0.9
    assert grid.best_estimator_.network_.linear.out_features in (4, 16)
    estimator = PipeOpsClassifier(log_reg())
    assert cross_val_score(estimator, X, LABELS, cv=3).mean() > 0.95
    assert cross_val_predict(estimator, X, LABELS, cv=3, method="predict_proba").shape == (569, 2)
    stack = StackingClassifier([("ours", estimator), ("tree", DecisionTreeClassifier(max_depth=2))], cv=3).fit(X, LABELS)
    assert stack.score(X, LABELS) > 0.95
    tuned = TunedThresholdClassifierCV(estimator, cv=3).fit(X, LABELS)
    assert 0 < tuned.best_threshold_ < 1


def test_weights_count_rows():
    rng = np.random.default_rng(0)
    x, y, w = rng.normal(size=(60, 2)), rng.integers(2, size=60), rng.integers(0, 4, size=60)
    learner = lrn("classif.log_reg")
    weighted = PipeOpsClassifier(learner).fit(x, y, sample_weight=w)
    repeated = PipeOpsClassifier(learner).fit(x.repeat(w, axis=0), y.repeat(w))
    assert np.allclose(weighted.predict_proba(x), repeated.predict_proba(x), atol=1e-4)
    scored = cross_val_score(PipeOpsClassifier(learner), x, y, params={"sample_weight": np.ones(60)}, cv=3)
    assert np.allclose(scored, cross_val_score(PipeOpsClassifier(learner), x, y, cv=3))
    with pytest.raises(DataError, match="sample_weight"):
        PipeOpsClassifier(lrn("classif.knn")).fit(x, y, sample_weight=w)
    with pytest.raises(TypeError, match="no argument 'sample_weigth'.*sample_weight"):
        PipeOpsClassifier(learner).fit(x, y, sample_weigth=w)


def test_validation_data_is_scored_and_not_fitted_on():
    estimator = PipeOpsClassifier(network(epochs=30, patience=2, measures_valid=["classif.logloss"]))
    estimator.fit(X[:400], LABELS[:400], X_val=X[400:], y_val=LABELS[400:])
    assert "valid.classif.logloss" in estimator.history_.columns
    assert estimator.learner_.best_epoch >= 1
    share = PipeOpsClassifier(network(measures_valid=["classif.auc"]), validate=0.3).fit(X, LABELS)
    assert share.history_["valid.classif.auc"].is_finite().all()
    with pytest.raises(DataError, match="X_val and y_val, or neither"):
        estimator.fit(X, LABELS, X_val=X)
    with pytest.raises(DataError, match="'other'.*none of"):
        estimator.fit(X, LABELS, X_val=X, y_val=["other"] * 569)


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame])
def test_frames_keep_their_kinds_and_missing_values(library):
    rng = np.random.default_rng(0)
    city = rng.choice(["Aix", "Bern"], 80)
    frame = library({"age": np.where(rng.random(80) < 0.1, np.nan, rng.normal(size=80)), "city": city})
    fitted = PipeOpsClassifier(po("imputemedian") >> po("encode") >> lrn("classif.tree")).fit(frame, city == "Bern")
    assert fitted.score(frame, city == "Bern") == 1.0
    assert list(fitted.feature_names_in_) == ["age", "city"]
    assert fitted.n_features_in_ == 2


def test_arrays_after_frames_and_frames_after_arrays():
    on_frame = PipeOpsClassifier(log_reg()).fit(X, LABELS)
    on_array = PipeOpsClassifier(log_reg()).fit(X.to_numpy(), LABELS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of names that are absent or new
        assert np.array_equal(on_frame.predict(X.to_numpy()), on_array.predict(X))


def test_bad_input_is_refused():
    estimator = PipeOpsClassifier(log_reg())
    with pytest.raises(NotFittedError):
        estimator.predict(X)
    with pytest.raises(DataError, match="contains NaN"):
        estimator.fit(np.array([[np.nan], [1.0], [2.0]]), [0, 1, 0])
    with pytest.raises(DataError, match="3 rows and y has 2"):
        estimator.fit([[1.0], [2.0], [3.0]], [0, 1])
    with pytest.raises(ConfigError, match="graph is a graph, a node or a learner"):
        PipeOpsClassifier("log_reg").fit(X, LABELS)
    with pytest.raises(PipeOpsError):
        PipeOpsClassifier(po("scale")).fit(X, LABELS)


def test_pickled_estimators_predict_the_same():
    fitted = PipeOpsClassifier(network()).fit(X, LABELS)
    again = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(again.predict_proba(X), fitted.predict_proba(X))


def test_random_state_seeds_what_has_no_seed():
    one, other, third = (
        PipeOpsClassifier(network(seed=None, epochs=1), random_state=s).fit(X, LABELS).predict_proba(X) for s in (1, 1, 2)
    )
    assert np.array_equal(one, other)
    assert not np.array_equal(one, third)


def test_transformers_in_scikit_learns_pipelines():
    frame = pd.DataFrame({"a": [1.0, np.nan, 3.0], "c": ["x", "y", "x"]})
    fitted = PipeOpsTransformer(po("imputemean") >> po("encode")).fit(frame)
    out = fitted.transform(frame)
    assert list(out.columns) == list(fitted.get_feature_names_out())
    assert out["a"].tolist() == [1.0, 2.0, 3.0]
    columns = ColumnTransformer([("ours", PipeOpsTransformer(po("scale")), ["a"])]).set_output(transform="pandas")
    assert np.allclose(columns.fit_transform(frame.dropna())["ours__a"], [-np.sqrt(0.5), np.sqrt(0.5)])
    with pytest.raises(ConfigError, match="must end in one task"):
        PipeOpsTransformer(lrn("regr.featureless")).fit(np.eye(3), [1.0, 2.0, 3.0])


# ---------------------------------------------------------------- and back


def test_a_transformer_is_a_node():
    task = tsk("breast_cancer")
    graph = po(PowerTransformer(), id="power") >> po(PCA(n_components=4)) >> lrn("classif.log_reg")
    learner = as_learner(graph).train(task)
    assert learner.graph.ids() == ["power", "pca", "classif_log_reg"]
    theirs = make_pipeline(PowerTransformer(), PCA(n_components=4)).fit_transform(task.matrix("float64"))
    (ours,), _ = po(PCA(n_components=4)).train(po(PowerTransformer()).train([task])[0])
    assert np.allclose(ours.matrix("float64"), theirs)
    assert ours.feature_names == ["pca0", "pca1", "pca2", "pca3"]
    graph.params["pca.n_components"] = 2
    assert graph.params["pca.n_components"] == 2
    assert repr(graph["pca"]) == 'po("transformer", PCA(n_components=2))'
    with pytest.raises(UnknownParameterError, match="no argument 'n_component'.*n_components"):
        po(PCA(), n_component=2)
    with pytest.raises(PipeOpsError, match="scikit-learn could not fit"):
        po(PCA(n_components=99)).train([task])
    with pytest.raises(ConfigError, match="not the class"):
        po("transformer", PCA)


def test_a_transformer_of_categories_text_and_target():
    frame = pl.DataFrame(
        {"c": ["x", "y", "x", "z"] * 10, "t": ["aa bb", "bb", "bb bb", ""] * 10, "n": range(40), "y": [0.0, 1, 2, 3] * 10}
    )
    task = as_task_regr(frame, target="y")
    (coded,), _ = po(OneHotEncoder(sparse_output=False), affect_columns=["c"]).train([task])
    assert coded.feature_names == ["t", "n", "c_x", "c_y", "c_z"]
    assert coded.data()["c_y"].to_list()[:4] == [0, 1, 0, 0]
    with pytest.warns(UserWarning, match="made dense"):
        (counted,), _ = po(CountVectorizer(), affect_columns=["t"]).train([task.select(["t"])])
    assert counted.feature_names == ["aa", "bb"]
    assert counted.matrix()[:4].tolist() == [[1, 1], [0, 1], [0, 2], [0, 0]]
    encoder = TargetEncoder(cv=KFold(3, shuffle=True, random_state=0))
    (encoded,), _ = po(encoder, affect_columns=["c"]).train([task.select(["c"])])
    theirs = TargetEncoder(cv=KFold(3, shuffle=True, random_state=0)).fit_transform(
        np.array([frame["c"].to_list()], dtype=object).T, frame["y"].to_numpy()
    )
    assert np.allclose(encoded.matrix("float64"), theirs)
    with pytest.raises(DataError, match="reads one column of text"):
        po(CountVectorizer()).train([task.select(["c", "t"])])


def test_a_supervised_transformer_sees_classes():
    task = tsk("iris")
    (made,), _ = po("transformer", LinearDiscriminantAnalysis(n_components=1), id="lda").train([task])
    x, y = load_iris(return_X_y=True)
    theirs = LinearDiscriminantAnalysis(n_components=1).fit(x, y).transform(x)
    assert np.allclose(np.abs(made.matrix("float64")), np.abs(theirs))


def test_functions_estimators_learners_and_nodes_are_nodes():
    task = tsk("diabetes")
    (rooted,), _ = po(np.exp, id="exp", affect_columns=["bmi"]).train([task])
    assert np.allclose(rooted.data()["bmi"].to_numpy(), np.exp(task.data()["bmi"].to_numpy()))
    assert po(np.exp).id == "exp"
    assert po(po("scale"), id="other").id == "other"
    assert po(lrn("regr.ridge"), alpha=2.0).params["alpha"] == 2.0
    assert as_learner(po(DecisionTreeClassifier(max_depth=1))).train(tsk("iris")).is_trained
    with pytest.raises(ConfigError, match="takes a key, a node, a graph, a learner"):
        po(3)
    with pytest.raises(ConfigError, match="takes a key, a node, a graph, a learner"):
        po(PCA)


def test_as_task_and_regression_agree_with_scikit_learn():
    x, y = load_diabetes(return_X_y=True)
    assert PipeOpsRegressor(po("scale") >> lrn("regr.lm")).fit(x, y).score(x, y) == pytest.approx(0.5177, abs=1e-4)
    assert as_task_classif({"a": [1, 2], "y": ["p", "n"]}, target="y").nrow == 2


SKEWED = as_task_classif(
    {"m": [1.0, 2.0, 3.0, 4.5] * 3, "k": [0, 1, 5] * 4, "f": ["a", "b", "a", "c"] * 3, "y": ["u", "v", "v"] * 4}, target="y"
)
BY_NAME = ColumnTransformer([("s", StandardScaler(), ["m"]), ("h", OneHotEncoder(sparse_output=False), ["f"])])


@pytest.mark.parametrize(
    ("transformer", "names", "values"),
    [
        (BY_NAME, ["s__m", "h__f_a", "h__f_b", "h__f_c"], BY_NAME),
        (make_pipeline(BY_NAME, PCA(2)), ["pca0", "pca1"], make_pipeline(BY_NAME, PCA(2))),
        (PLSRegression(1), ["plsregression0"], None),
        (SelectKBest(k=1), ["k"], None),
        (KMeans(2, random_state=0, n_init=1), ["kmeans0", "kmeans1"], KMeans(2, random_state=0, n_init=1)),
        (SimpleImputer(add_indicator=True), ["m", "k"], SimpleImputer()),
        (RBFSampler(n_components=2, random_state=0), ["rbfsampler0", "rbfsampler1"], RBFSampler(n_components=2, random_state=0)),
        (FunctionTransformer(np.log1p), ["m", "k"], FunctionTransformer(np.log1p)),
        (make_union(PCA(1), StandardScaler()), ["pca__pca0", "standardscaler__m", "standardscaler__k"], None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_transformers_of_every_kind_are_nodes(transformer, names, values):
    task = SKEWED
    if isinstance(transformer, PLSRegression):
        task = as_task_regr(SKEWED.data().with_columns(y=pl.Series(range(12))), target="y")
    node = po(transformer)
    (made,), state = node.train([task])
    later = node.predict([task], state)[0]
    new = [name for name in made.feature_names if name not in ("m", "k", "f") or name in names]
    assert new == names
    assert np.allclose(made.matrix("float64", names), later.matrix("float64", names))
    assert node.predict([task.filter([])], state)[0].feature_names == made.feature_names
    if values is not None:
        whole = SKEWED.data().to_pandas()[["m", "k", "f"] if "ColumnTransformer" in repr(values) else ["m", "k"]]
        assert np.allclose(made.matrix("float64", names), values.fit_transform(whole))


@pytest.mark.parametrize("library", ["to_pandas", "to_arrow"])
def test_transformers_choose_columns_of_frames_of_other_libraries(library):
    task = as_task_classif(getattr(SKEWED.data(), library)(), target="y")
    (made,), _ = po(BY_NAME).train([task])
    assert np.allclose(
        made.matrix("float64", ["s__m", "h__f_a"]), po(BY_NAME).train([SKEWED])[0][0].matrix("float64", ["s__m", "h__f_a"])
    )
