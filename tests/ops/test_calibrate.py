"""Calibrated probabilities: beside scikit-learn's isotonic regression and the likelihood written out."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, logit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.isotonic import IsotonicRegression
from sklearn.model_selection import PredefinedSplit
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

from pipeops import as_learner, as_task_classif, benchmark, benchmark_grid, load_learner, lrn, po, resample, rsmp, tsk
from pipeops.errors import CompositionError, ConfigError, DataError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 2))
Y = np.where(RNG.random(120) < expit(2 * X[:, 0]), "yes", "no")
TASK = as_task_classif({"a": X[:, 0], "b": X[:, 1], "y": Y}, target="y", positive="yes")
BAYES = lrn("classif.naive_bayes", predict_type="prob")


def out_of_fold(task, folds, seed):
    cut = rsmp("cv", folds=folds).instantiate(task, seed=seed)
    prob = np.zeros((task.nrow, len(task.class_names)))
    for k in range(folds):
        model = BAYES.clone().train(task, cut.train_set(k)).predict(task, cut.test_set(k))
        prob[model.row_ids] = model.prob
    return prob, cut


def test_isotonic_is_scikit_learns_on_the_same_folds():
    _, cut = out_of_fold(TASK, 3, 1)
    fold = np.zeros(120, dtype=int)
    for k in range(3):
        fold[cut.test_set(k)] = k
    theirs = CalibratedClassifierCV(GaussianNB(), method="isotonic", cv=PredefinedSplit(fold), ensemble=False).fit(X, Y)
    ours = as_learner(po("calibrate", BAYES, method="isotonic", folds=3, seed=1)).train(TASK).predict(TASK)
    np.testing.assert_allclose(ours.prob[:, 0], theirs.predict_proba(X)[:, 1], atol=1e-7)
    assert (ours.response == np.where(ours.prob[:, 0] >= 0.5, "yes", "no")).all()


@pytest.mark.parametrize("weighted", [False, True])
def test_platt_has_the_largest_likelihood_of_smoothed_targets(weighted):
    w = RNG.integers(1, 4, size=120).astype(float) if weighted else np.ones(120)
    frame = {"a": X[:, 0], "b": X[:, 1], "w": w, "y": Y}
    task = as_task_classif(frame, target="y", positive="yes").with_roles(weight="w")
    _, state = po("calibrate", BAYES, folds=3, seed=1).train([task])
    prob, _ = out_of_fold(task, 3, 1)
    z, hit = logit(prob[:, 0]), Y == "yes"
    target = np.where(hit, (w[hit].sum() + 1) / (w[hit].sum() + 2), 1 / (w[~hit].sum() + 2))

    def cost(c):
        p = expit(c[0] * z + c[1])
        return -(w * (target * np.log(p) + (1 - target) * np.log1p(-p))).sum()

    best = minimize(cost, [1.0, 0.0], tol=1e-10).x
    np.testing.assert_allclose([state["curves"][0]["slope"], state["curves"][0]["intercept"]], best, atol=1e-4)


def test_several_classes_are_calibrated_against_the_rest_and_sum_to_one():
    task = tsk("iris")
    ours = as_learner(po("calibrate", BAYES, method="isotonic", folds=3, seed=1)).train(task).predict(task)
    prob, _ = out_of_fold(task, 3, 1)
    whole = BAYES.clone().train(task).predict(task).prob
    columns = [
        IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(prob[:, k], task.class_codes() == k).predict(whole[:, k])
        for k in range(3)
    ]
    by_hand = np.transpose(columns)
    np.testing.assert_allclose(ours.prob, by_hand / by_hand.sum(axis=1, keepdims=True), atol=1e-12)


def test_behind_a_model_it_learns_from_validation_data():
    graph = po("scale") >> BAYES >> po("calibrate", method="isotonic")
    learner = as_learner(graph, validate="predefined").train(TASK, range(80), valid=TASK.filter(range(80, 120)))
    before = as_learner(po("scale") >> BAYES).train(TASK, range(80))
    valid, new = before.predict(TASK, range(80, 120)).prob[:, 0], before.predict(TASK).prob[:, 0]
    step = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(valid, Y[80:] == "yes")
    np.testing.assert_allclose(learner.predict(TASK).prob[:, 0], step.predict(new))
    with pytest.raises(ConfigError, match=r'on validation data and got none.*po\("calibrate", learner\)'):
        as_learner(graph).train(TASK)
    with pytest.raises(DataError, match="needs probabilities"):
        as_learner(lrn("classif.naive_bayes") >> po("calibrate"), validate=0.3).train(TASK)


def test_it_is_a_learner_like_others(tmp_path):
    tree = DecisionTreeClassifier(random_state=0)
    learners = [as_learner(po("calibrate", inner, id="c", seed=1), id=name) for name, inner in
                {"tree": tree, "graph": po("scale") >> lrn("classif.lda")}.items()]  # fmt: skip
    bare = lrn("classif.tree", predict_type="prob", id="bare")
    result = benchmark(benchmark_grid(TASK, [*learners, bare], rsmp("cv", folds=3)), seed=1, measures="classif.logloss")
    scores = dict(zip(*result.aggregate().select("learner_id", "classif.logloss").to_dict(as_series=False).values(), strict=True))
    assert scores["tree"] < 1 < scores["bare"]
    graph = learners[1]
    assert "c.classif_lda.shrinkage" in graph.params or any(a.startswith("c.classif_lda.") for a in graph.params)
    graph.train(TASK)
    graph.save(tmp_path / "c")
    np.testing.assert_array_equal(load_learner(tmp_path / "c").predict(TASK).prob, graph.predict(TASK).prob)
    labels = graph.predict(TASK).response
    graph.predict_type = "response"
    assert graph.is_trained
    assert graph.predict(TASK).prob is None
    assert (graph.predict(TASK).response == labels).all()


def test_what_cannot_be_calibrated_is_refused():
    with pytest.raises(CompositionError, match="predicts probabilities, regr.lm does not"):
        po("calibrate", lrn("regr.lm"))
    with pytest.raises(DataError, match="3 rows cannot be cut into 5 folds"):
        po("calibrate", BAYES).train([TASK.filter([0, 1, 2])])
    with pytest.raises(ConfigError, match="method"):
        po("calibrate", BAYES, method="beta")
    assert resample(TASK, as_learner(po("calibrate", BAYES, folds=2)), rsmp("holdout"), seed=1).errors().height == 0
