"""xgboost and lightgbm as learners: their numbers, validation, early stopping, internal tuning, categories and missing values."""

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import ElasticNet

from pipeops import as_learner, as_task_classif, as_task_regr, auto_tuner, load_learner, lrn, po, resample, rsmp, to_tune, tsk
from pipeops.errors import ConfigError, DataError, FormatError
from pipeops.testing import contract_checks, example_tasks

xgboost = pytest.importorskip("xgboost")
lightgbm = pytest.importorskip("lightgbm")
LIBRARIES = ("xgboost", "lightgbm")
TASK = {"classif.xgboost": "numbers", "regr.lightgbm": "numbers_regr"}


@pytest.fixture(scope="module")
def noisy():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 3))
    label = np.where(x[:, 0] + rng.normal(size=120) > 0, "yes", "no")
    return as_task_classif({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "y": label}, target="y", positive="yes", id="noisy")


@pytest.mark.parametrize("library", LIBRARIES)
def test_numbers_are_the_librarys_own(library, noisy):
    cls = {"xgboost": xgboost.XGBClassifier, "lightgbm": lightgbm.LGBMClassifier}[library]
    learner = lrn(f"classif.{library}", n_estimators=7, learning_rate=0.3, predict_type="prob").train(noisy)
    x, y = noisy.matrix("float64"), (noisy.truth() == "yes").astype(int)
    own = {"verbosity": -1} if library == "lightgbm" else {}
    right = cls(n_estimators=7, learning_rate=0.3, n_jobs=1, **own).fit(x, 1 - y).predict_proba(x)[:, 0]
    np.testing.assert_allclose(learner.predict(noisy).prob[:, 0], right, rtol=1e-5)
    assert next(iter(learner.importance())) == "a"
    assert learner.predict(noisy).score("classif.acc") > 0.7


@pytest.mark.parametrize("library", LIBRARIES)
def test_early_stopping_keeps_the_best_round(library, noisy):
    train, valid = noisy.filter(np.arange(80)), noisy.filter(np.arange(80, 120))
    options = {"n_estimators": 60, "learning_rate": 0.5, "predict_type": "prob"}
    learner = lrn(f"classif.{library}", validate="predefined", early_stopping_rounds=5, **options).train(train, valid=valid)
    best = learner.internal_tuned_values["n_estimators"]
    assert best < 60
    score = learner.internal_valid_scores["classif.logloss"]
    assert score == pytest.approx(min(learner.model.history))
    assert learner.predict(valid).score("classif.logloss") == pytest.approx(score, abs=1e-5)
    alone = lrn(f"classif.{library}", **{**options, "n_estimators": best}).train(train)
    np.testing.assert_allclose(learner.predict(valid).prob, alone.predict(valid).prob, rtol=1e-5)


@pytest.mark.parametrize("library", LIBRARIES)
def test_rounds_are_tuned_internally(library, noisy):
    learner = lrn(f"classif.{library}", validate="test", n_estimators=to_tune(high=20, internal=True), learning_rate=0.5)
    tuner = auto_tuner(learner, resampling=rsmp("cv", folds=2), measure="classif.ce", n_trials=1, seed=1,
                       search_space={"max_depth": to_tune([1])}, pruner="median")  # fmt: skip
    tuner.train(noisy)
    assert 1 <= tuner.best_params["n_estimators"] < 20
    assert tuner.learner.validate is None
    assert tuner.learner.internal_valid_scores == {}
    result = resample(noisy, learner.with_param("n_estimators", 10), rsmp("cv", folds=2), "internal_valid_score", seed=1)
    assert 0 < result.aggregate()["internal_valid_score"][0] < 2


@pytest.mark.parametrize("library", LIBRARIES)
def test_categories_and_missing_values_are_taken(library):
    rng = np.random.default_rng(0)
    colour = rng.choice(["red", "green", "blue", None], 200, p=[0.3, 0.3, 0.3, 0.1])
    y = np.array([{"red": 5.0, "green": 0.0, "blue": 4.0, None: -3.0}[c] for c in colour])
    frame = pl.DataFrame({"colour": pl.Series(colour.tolist(), dtype=pl.Enum(["blue", "green", "red"])), "y": y})
    learner = lrn(f"regr.{library}", n_estimators=50, learning_rate=0.5, validate=0.2).train(as_task_regr(frame, target="y"))
    new = learner.predict_newdata(pl.DataFrame({"colour": ["red", "green", "blue", None]})).response
    np.testing.assert_allclose(new, [5, 0, 4, -3], atol=0.3)
    assert learner.internal_valid_scores["regr.rmse"] < 0.5
    assert (learner.takes_categories, learner.takes_missing) == (True, True)


@pytest.mark.parametrize("library", LIBRARIES)
def test_three_classes_of_which_one_was_not_seen(library):
    task = tsk("iris")
    learner = lrn(f"classif.{library}", n_estimators=5, predict_type="prob").train(task, rows=task.class_codes() != 1)
    found = learner.predict(task)
    assert (found.prob[:, 1] == 0).all()
    assert found.score("classif.acc") > 0.6


def test_what_does_not_fit_is_refused(tmp_path, noisy):
    learner = lrn("classif.xgboost", max_depth=2, validate=0.3, id="own")
    learner.save(tmp_path / "l")
    again = load_learner(tmp_path / "l")
    assert (again.id, again.validate, again.params["max_depth"]) == ("own", 0.3, 2)
    with pytest.raises(FormatError, match="cannot be saved without pickle"):
        learner.train(noisy).save(tmp_path / "m")
    with pytest.raises(ConfigError, match="validate is a ratio"):
        lrn("classif.lightgbm", validate=3)
    with pytest.raises(DataError, match="needs the data"):
        lrn("classif.lightgbm", validate="test").train(noisy)


def test_elastic_net_is_scikit_learns():
    task = tsk("diabetes")
    learner = lrn("regr.elastic_net", alpha=0.01, l1_ratio=0.7).train(task)
    right = ElasticNet(alpha=0.01, l1_ratio=0.7).fit(task.matrix("float64"), task.truth())
    np.testing.assert_allclose(learner.predict(task).response, right.predict(task.matrix("float64")))
    assert learner.importance() == pytest.approx(dict(zip(task.feature_names, abs(right.coef_), strict=True)))
    assert list(learner.importance().values()) == sorted(abs(right.coef_), reverse=True)


@pytest.mark.parametrize("library", LIBRARIES)
def test_in_a_graph_the_preprocessed_validation_data_come_to_the_booster(library, noisy):
    options = {"n_estimators": 60, "learning_rate": 0.5, "early_stopping_rounds": 5, "predict_type": "prob"}
    train, valid = noisy.filter(np.arange(80)), noisy.filter(np.arange(80, 120))
    graph = po("pca", rank=2) >> lrn(f"classif.{library}", **options)
    learner = as_learner(graph, validate="predefined").train(train, valid=valid)
    node = f"classif_{library}"
    pca = po("pca", rank=2)
    (made,), state = pca.train([train])
    (made_valid,) = pca.predict([valid], state)
    alone = lrn(f"classif.{library}", validate="predefined", **options).train(made, valid=made_valid)
    assert learner.model[node].model.history == alone.model.history
    assert learner.internal_tuned_values == {f"{node}.n_estimators": alone.internal_tuned_values["n_estimators"]}
    assert learner.internal_valid_scores == alone.internal_valid_scores
    np.testing.assert_array_equal(learner.predict(valid).prob, alone.predict(made_valid).prob)
    assert as_learner(graph).train(train).internal_valid_scores == {}


def test_rounds_in_a_graph_are_tuned_internally_and_stopped(noisy):
    learner = as_learner(po("scale") >> lrn("classif.xgboost", learning_rate=0.5, random_state=1), validate="test")
    ranges = {"classif_xgboost.n_estimators": to_tune(high=20, internal=True), "classif_xgboost.max_depth": to_tune([1, 2])}
    tuner = auto_tuner(learner, ranges, rsmp("cv", folds=2), "classif.ce", 2, seed=1, pruner="median").train(noisy)
    assert 1 <= tuner.best_params["classif_xgboost.n_estimators"] < 20
    assert [len(fold) for fold in tuner.archive["history"][0]] == [20, 20]
    assert tuner.learner.internal_valid_scores == {}
    one, two = (as_learner(learner, validate=0.3).clone().train(noisy) for _ in range(2))
    assert one.internal_valid_scores == two.internal_valid_scores != {}


@pytest.mark.filterwarnings("ignore:[\\s\\S]*Empty dataset:UserWarning")
@pytest.mark.parametrize("key", ["classif.xgboost", "regr.lightgbm"])
def test_boosters_keep_the_contract_of_nodes(key):
    node = po("learner", lrn(key, n_estimators=2, validate=0.5))
    for check in contract_checks(po("learner", lrn(key, n_estimators=2)), {"numbers": example_tasks()[TASK[key]]}):
        if check.name not in ("state_copies", "fresh_process", "docstring"):
            check()
    assert repr(node) == f'po("learner", lrn("{key}", validate=0.5, n_estimators=2))'
