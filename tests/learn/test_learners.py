"""Learners over scikit-learn predict what scikit-learn predicts; what they cannot handle is refused by name."""

import numpy as np
import polars as pl
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from pipeops import as_learner, as_task_classif, as_task_regr, load_learner, lrn, msr, po, tsk
from pipeops.errors import (
    CompositionError,
    ConfigError,
    DataError,
    FormatError,
    NotTrainedError,
    TrainingError,
    UnknownKeyError,
    UnknownParameterError,
)

CLASSIF = ["log_reg", "log_reg_cv", "svm", "tree", "random_forest", "hist_gradient_boosting", "knn", "naive_bayes", "lda", "qda"]
REGR = ["lm", "ridge", "lasso_cv", "svm", "tree", "random_forest", "hist_gradient_boosting", "knn"]
CHEAP = {"log_reg_cv": {"Cs": 3, "cv": 3}, "random_forest": {"n_estimators": 5}, "hist_gradient_boosting": {"max_iter": 5}}
UNSAVABLE = ("tree", "random_forest", "hist_gradient_boosting")


def made(kind, name, **options):
    return lrn(f"{kind}.{name}", **CHEAP.get(name, {}), **options).seeded(1)


@pytest.fixture(scope="module")
def iris():
    return tsk("iris").filter(np.arange(0, 150, 2))


@pytest.fixture(scope="module")
def diabetes():
    return tsk("diabetes").filter(np.arange(0, 442, 4))


@pytest.mark.parametrize("name", CLASSIF)
def test_classifiers_are_those_of_scikit_learn(name, iris):
    learner = made("classif", name).train(iris)
    y = np.array([iris.class_names[c] for c in iris.class_codes()])
    x = iris.matrix("float64")
    own = clone(learner.estimator).fit(x, y)
    if name == "lda":  # scikit-learn divides the covariance by n, not by n - k
        own.coef_, own.intercept_ = own.coef_ * 72 / 75, (own.intercept_ - np.log(own.priors_)) * 72 / 75 + np.log(own.priors_)
    assert learner.predict(iris).response.tolist() == own.predict(x).tolist()
    learner.predict_type = "prob"
    if name == "svm":
        own = CalibratedClassifierCV(clone(learner.estimator), ensemble=False).fit(x, y)
    assert np.allclose(learner.train(iris).predict(iris).prob, own.predict_proba(x))


@pytest.mark.parametrize("name", REGR)
def test_regressors_are_those_of_scikit_learn(name, diabetes):
    learner = made("regr", name).train(diabetes)
    x = diabetes.matrix("float64")
    assert np.allclose(learner.predict(diabetes).response, clone(learner.estimator).fit(x, diabetes.truth()).predict(x))


@pytest.mark.parametrize(("kind", "name"), [("classif", n) for n in CLASSIF] + [("regr", n) for n in REGR])
def test_saving_without_pickle(kind, name, iris, diabetes, tmp_path):
    task = iris if kind == "classif" else diabetes
    learner = made(kind, name, predict_type="prob" if kind == "classif" and name != "svm" else "response")
    learner.save(tmp_path / "plain")
    assert load_learner(tmp_path / "plain").params == learner.params
    learner.train(task)
    if name in UNSAVABLE:
        with pytest.raises(FormatError, match="without pickle"):
            learner.save(tmp_path / "trained")
        return
    learner.save(tmp_path / "trained")
    back = load_learner(tmp_path / "trained")
    assert repr(back) == repr(learner)
    assert back.predict(task).to_frame().equals(learner.predict(task).to_frame())


def test_positive_class_comes_first_and_unseen_classes_have_probability_0():
    columns = {"x": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], "y": ["c", "c", "a", "a", "b", "b"]}
    task = as_task_classif(columns, target="y")
    prob = lrn("classif.log_reg", predict_type="prob").train(task, rows=[0, 1, 4, 5]).predict(task).prob
    assert (prob[:, 0] == 0).all()
    assert prob[0, 2] > 0.5 > prob[5, 2]
    binary = as_task_classif({"x": [0, 1, 2, 3], "y": [0, 0, 1, 1]}, target="y")
    prediction = lrn("classif.log_reg", predict_type="prob").train(binary).predict(binary)
    assert prediction.class_names == [1, 0]
    assert prediction.response.tolist() == [0, 0, 1, 1]
    assert prediction.prob[3, 0] > 0.5


def test_hyperparameters_come_from_the_constructor_and_are_validated(iris):
    learner = lrn("classif.log_reg", C=0.5)
    assert learner.params["C"] == 0.5
    assert repr(learner) == 'lrn("classif.log_reg", C=0.5)'
    assert repr(lrn("classif.log_reg")) == 'lrn("classif.log_reg")'
    own = as_learner(RidgeClassifier(alpha=2.0), id="ridge")
    assert repr(own) == 'as_learner(sklearn.linear_model.RidgeClassifier(alpha=2.0), id="ridge")'
    learner.train(iris).params["C"] = 2.0
    assert not learner.is_trained
    assert learner.estimator.C == 2.0
    with pytest.raises(UnknownParameterError, match="max_iter"):
        lrn("classif.log_reg", max_itr=3)
    with pytest.raises(UnknownParameterError, match="no hyperparameter 'CC'"):
        learner.params["CC"] = 1
    with pytest.raises(ConfigError, match="'fit_intercept' must be True or False"):
        lrn("classif.log_reg", fit_intercept=3)
    with pytest.raises(ConfigError, match="'C'"):
        lrn("classif.log_reg", C=-1.0).train(iris)
    with pytest.raises(ConfigError, match="predict_type"):
        lrn("regr.ridge", predict_type="prob")


def test_class_weights_go_by_label():
    task = as_task_classif({"x": [0.0, 1.0, 2.0, 3.0], "y": ["n", "p", "n", "p"]}, target="y")
    heavy = lrn("classif.log_reg", class_weight={"p": 100.0, "n": 1.0}).train(task).predict(task)
    assert heavy.response.tolist() == ["p"] * 4


def test_weights_are_used_or_refused(diabetes):
    weights = np.where(np.arange(diabetes.nrow) < 20, 5.0, 1.0)
    task = as_task_regr(diabetes.data().with_columns(w=weights), target="progression").with_roles(weight="w")
    x, y = task.matrix("float64"), task.truth()
    own = LinearRegression().fit(x, y, sample_weight=weights).predict(x)
    assert np.allclose(lrn("regr.lm").train(task).predict(task).response, own)
    with pytest.raises(DataError, match="cannot use the weights"):
        lrn("regr.knn").train(task)


def test_missing_values_are_refused_by_column_unless_handled():
    frame = pl.DataFrame({"a": [1.0, None, 3.0, 4.0], "b": [1.0, 2.0, 3.0, 4.0], "y": ["p", "n", "p", "n"]})
    task = as_task_classif(frame, target="y")
    with pytest.raises(DataError, match=r"'a' has missing values; impute"):
        lrn("classif.log_reg").train(task)
    learner = lrn("classif.log_reg").train(task, rows=[0, 2, 3])
    with pytest.raises(DataError, match="'a' has missing values"):
        learner.predict(task)
    tree = lrn("classif.tree").train(task)
    assert tree.predict(task).response.tolist() == task.truth().tolist()
    with pytest.raises(TrainingError, match="infinity"):
        lrn("classif.log_reg").train(as_task_classif(frame.with_columns(a=pl.col("b") / 0), target="y"))


def test_categories_are_refused_unless_handled_and_unseen_levels_are_missing_ones():
    rng = np.random.default_rng(1)
    level = rng.choice(["u", "v", "w"], 200)
    y = np.where((level == "v") ^ (rng.random(200) < 0.1), "p", "n")
    task = as_task_classif(pl.DataFrame({"k": level, "x": rng.random(200), "y": y}), target="y")
    with pytest.raises(DataError, match=r"'k' must be numbers; encode"):
        lrn("classif.log_reg").train(task)
    learner = lrn("classif.hist_gradient_boosting", max_iter=20, predict_type="prob").train(task)
    codes = np.column_stack([task.codes("k"), task.matrix("float64", ["x"])]).astype(float)
    own = HistGradientBoostingClassifier(max_iter=20, categorical_features=[True, False]).fit(codes, y)
    assert np.allclose(learner.predict(task).prob, own.predict_proba(codes)[:, [0, 1]])
    unseen = learner.predict_newdata(pl.DataFrame({"k": ["z", "v"], "x": [0.5, 0.5]}))
    assert np.allclose(unseen.prob, own.predict_proba([[np.nan, 0.5], [1, 0.5]]))


def test_features_are_found_by_name_and_kind(iris):
    learner = lrn("classif.lda").train(iris)
    turned = iris.select(iris.feature_names[::-1])
    assert learner.predict(turned).response.tolist() == learner.predict(iris).response.tolist()
    as_text = iris.data().with_columns(pl.col("Petal.Width").cast(pl.String))
    with pytest.raises(DataError, match=r"'Petal.Width' is categorical, was numeric"):
        learner.predict(as_task_classif(as_text, target="Species"))
    with pytest.raises(UnknownKeyError, match=r"no feature 'Petal.Width'"):
        learner.predict(iris.select(iris.feature_names[:3]))
    with pytest.raises(DataError, match="no features"):
        lrn("classif.lda").train(iris.select([]))


def test_any_estimator_is_a_learner(iris, tmp_path):
    template = make_pipeline(StandardScaler(), LogisticRegression())
    learner = as_learner(template, id="piped").train(iris)
    assert not hasattr(template[-1], "coef_")
    learner.params["logisticregression__C"] = 0.1
    own = make_pipeline(StandardScaler(), LogisticRegression(C=0.1)).fit(iris.matrix("float64"), iris.truth().astype(str))
    assert learner.train(iris).predict(iris).response.tolist() == own.predict(iris.matrix("float64")).tolist()
    assert template[-1].C == 1.0
    learner.save(tmp_path / "piped")
    assert load_learner(tmp_path / "piped").predict(iris).response.tolist() == learner.predict(iris).response.tolist()
    assert as_learner(SVC()).id == "SVC"
    assert as_learner(RidgeClassifier()).predict_types == ("response", "prob")
    for wrong in (LogisticRegression, StandardScaler()):
        with pytest.raises((ConfigError, CompositionError)):
            as_learner(wrong)


def test_what_scikit_learn_refuses_is_told_with_the_learner(iris):
    with pytest.raises(TrainingError, match="classif.log_reg: scikit-learn could not fit"):
        lrn("classif.log_reg").train(iris.filter(np.arange(0, 40, 2)))


def test_predict_types_that_were_not_trained_for(diabetes, iris):
    lm = lrn("regr.lm").train(diabetes)
    lm.predict_type = "se"
    with pytest.raises(NotTrainedError, match="standard errors"):
        lm.predict(diabetes)
    svm = lrn("classif.svm").train(iris)
    svm.predict_type = "prob"
    with pytest.raises(NotTrainedError, match="probabilities"):
        svm.predict(iris)


def test_selected_features(diabetes):
    lasso = lrn("regr.lasso_cv", cv=3, alphas=[1.0]).train(diabetes)
    kept = np.array(diabetes.feature_names)[lasso.model.estimator.coef_ != 0].tolist()
    assert lasso.selected_features() == kept
    assert 0 < len(kept) < 10
    assert lrn("regr.featureless").selected_features() == []


def test_seeded_fills_only_what_is_unset(iris):
    forest = lrn("classif.random_forest", n_estimators=3)
    one, two = (forest.clone().seeded(5).train(iris).predict(iris).response for _ in range(2))
    assert one.tolist() == two.tolist()
    assert forest.params["random_state"] is None
    assert lrn("classif.tree", random_state=3).seeded(5).params["random_state"] == 3
    own = RandomForestClassifier(3, random_state=5).fit(iris.matrix("float64"), iris.truth().astype(str))
    assert one.tolist() == own.predict(iris.matrix("float64")).tolist()


def test_featureless_classifiers():
    task = as_task_classif({"x": [1, 2, 3, 4, 5, 6], "y": ["a", "b", "b", "c", "c", "c"]}, target="y")
    mode = lrn("classif.featureless", predict_type="prob").train(task).predict(task)
    assert set(mode.response) == {"c"}
    assert np.allclose(mode.prob, np.array([1, 2, 3]) / 6)
    drawn = lrn("classif.featureless", method="weighted.sample", seed=1).train(task)
    many = task.filter(np.zeros(3000, dtype=int))
    shares = np.unique(drawn.predict(many).response, return_counts=True)[1] / 3000
    assert np.allclose(shares, [1 / 6, 2 / 6, 3 / 6], atol=0.05)
    drawn.predict_type = "prob"
    assert set(drawn.predict(many).prob.ravel()) == {0.0, 1.0}
    equal = lrn("classif.featureless", method="sample", seed=1).train(task, rows=[0, 1, 2])
    shares = np.unique(equal.predict(many).response, return_counts=True)[1] / 3000
    assert np.allclose(shares, [1 / 2, 1 / 2], atol=0.05)


def test_featureless_regressors():
    y = [1.0, 2.0, 4.0, 9.0]
    task = as_task_regr({"x": [1, 2, 3, 4], "w": [1.0, 1.0, 1.0, 3.0], "y": y}, target="y")
    plain = lrn("regr.featureless", predict_type="se").train(task).predict(task)
    assert plain.response.tolist() == [4.0] * 4
    assert np.allclose(plain.se, np.std(y, ddof=1))
    robust = lrn("regr.featureless", robust=True, predict_type="se").train(task).predict(task)
    assert robust.response[0] == 3.0
    assert np.isclose(robust.se[0], 1.4826 * 1.5)
    weighted = lrn("regr.featureless").train(task.with_roles(weight="w")).predict(task)
    assert np.isclose(weighted.response[0], (1 + 2 + 4 + 27) / 6)


def test_featureless_takes_any_features(tmp_path):
    frame = pl.DataFrame({"k": ["u", None, "v"], "x": [None, 1.0, 2.0], "y": ["a", "b", "b"]})
    task = as_task_classif(frame, target="y")
    learner = lrn("classif.featureless").train(task)
    learner.save(tmp_path / "none")
    assert load_learner(tmp_path / "none").predict(task).response.tolist() == ["b"] * 3


def test_a_learner_is_a_node(iris):
    log_reg = lrn("classif.log_reg", C=0.5)
    graph = po("scale") >> log_reg
    assert graph.ids() == ["scale", "classif_log_reg"]
    assert graph.train(iris) is None
    scaled = po("scale").train([iris])[0][0]
    assert graph.predict(iris).response.tolist() == log_reg.train(scaled).predict(scaled).response.tolist()
    graph.params["classif_log_reg.C"] = 3.0
    assert (graph.params["classif_log_reg.C"], log_reg.params["C"]) == (3.0, 0.5)
    log_reg.params["C"] = 7.0
    assert (po("scale") >> log_reg).params["classif_log_reg.C"] == 7.0
    node = po("learner", log_reg, id="own")
    log_reg.params["C"] = 8.0
    assert node.params["C"] == 7.0
    learner = as_learner(graph)
    learner.predict_type = "prob"
    assert learner.train(iris).predict(iris).predict_types == ["response", "prob"]
    with pytest.raises(CompositionError, match="PredictionClassif|NoneType|None"):
        graph >> lrn("regr.lm")


def test_a_learner_in_a_graph_is_saved(iris, tmp_path):
    learner = as_learner(po("scale") >> lrn("classif.lda", predict_type="prob")).train(iris)
    learner.save(tmp_path / "graph")
    assert np.array_equal(load_learner(tmp_path / "graph").predict(iris).prob, learner.predict(iris).prob)


def test_clones_share_nothing(iris):
    learner = as_learner(po("scale") >> lrn("classif.lda")).train(iris)
    copy = learner.clone()
    copy.params["scale.center"] = False
    assert learner.is_trained
    assert learner.params["scale.center"] is True
    assert not copy.is_trained


class Strange(ClassifierMixin, BaseEstimator):
    """Answers the same probabilities, and perhaps a label, whatever comes."""

    def __init__(self, row=(0.5, 0.5), label=None):
        self.row, self.label = row, label

    def fit(self, x, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, x):
        return np.tile(self.row, (len(x), 1))

    def predict(self, x):
        return np.array([self.label] * len(x))


@pytest.mark.parametrize("row", [(1.3, 1.4), (-0.5, 1.5), (0.2, 0.3), (1.0,)])
def test_probabilities_that_are_none_are_refused_by_name(row):
    task = as_task_classif({"x": np.arange(4.0), "y": ["a", "b"] * 2}, target="y")
    learner = as_learner(Strange(row), id="strange")
    learner.predict_type = "prob"
    with pytest.raises(TrainingError, match="strange: .*prob"):
        learner.train(task).predict(task)
    with pytest.raises(TrainingError, match="strange: .*'c', which is no class"):
        as_learner(Strange(label="c"), id="strange").train(task).predict(task)


def test_probabilities_that_an_estimator_does_not_know_are_missing():
    task = as_task_classif({"x": np.arange(4.0), "y": ["a", "b"] * 2}, target="y")
    learner = as_learner(Strange((np.nan, np.nan)), id="strange")
    learner.predict_type = "prob"
    assert learner.train(task).predict(task).missing.tolist() == [0, 1, 2, 3]


@pytest.mark.filterwarnings("ignore:Some inputs do not have OOB scores")
@pytest.mark.parametrize("key", ["classif", "regr"])
def test_out_of_bag_errors_are_the_estimators_own(key):
    task = tsk("iris") if key == "classif" else as_task_regr({"x": np.arange(60.0), "y": np.arange(60.0)}, target="y")
    forest = lrn(f"{key}.random_forest", n_estimators=60, oob_score=True, random_state=1).train(task)
    assert msr("oob_error").score(learner=forest) == 1 - forest.model.estimator.oob_score_
    graph = as_learner(po("scale") >> lrn(f"{key}.random_forest", n_estimators=60, oob_score=True, random_state=1)).train(task)
    assert 0 < msr("oob_error").score(learner=graph) < 1
    with pytest.warns(UserWarning, match="does not have it"):
        assert np.isnan(msr("oob_error").score(learner=lrn(f"{key}.random_forest", n_estimators=2).train(task)))


WEIGHTED = [
    lrn("regr.lm", predict_type="se"),
    lrn("regr.tree", min_samples_leaf=3),
    lrn("regr.featureless", robust=True),
    lrn("regr.featureless", predict_type="se"),
]


@pytest.mark.parametrize("learner", WEIGHTED, ids=repr)
def test_rows_of_weight_0_count_for_nothing(learner):
    rng = np.random.default_rng(0)
    columns = {"x": rng.normal(size=14), "y": rng.normal(size=14), "w": np.repeat([1.0, 0.0], 7)}
    task = as_task_regr(columns, target="y").with_roles(weight="w")
    given = learner.clone().train(task).predict(task)
    right = learner.clone().train(task.filter(np.arange(7))).predict(task)
    np.testing.assert_array_equal(given.response, right.response)
    if learner.predict_type == "se":
        np.testing.assert_array_equal(given.se, right.se)


@pytest.mark.parametrize("weights", [[1.0, np.inf, 1.0, 1.0], [0.0] * 4])
@pytest.mark.parametrize("key", ["classif.featureless", "classif.tree"])
def test_useless_weights_are_refused_with_their_column(key, weights):
    columns = {"x": np.arange(4.0), "w": weights, "y": ["a", "b"] * 2}
    learners = [lrn(key), as_learner(po("nop") >> lrn(key))]
    for learner in learners:
        with pytest.raises(DataError, match="'w'"):
            learner.train(as_task_classif(columns, target="y").with_roles(weight="w"))


def test_the_prototype_of_a_learner_keeps_the_roles():
    data = {"x": [1.0, 2, 3, 4], "w": [1.0, 2, 1, 2], "g": list("aabb"), "y": [1.0, 2, 3, 4]}
    task = as_task_regr(data, target="y").with_roles(weight="w", group="g")
    assert dict(lrn("regr.featureless").train(task).state.prototype.roles) == dict(task.roles)
