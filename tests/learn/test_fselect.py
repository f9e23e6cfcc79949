"""Searching for features: which sets are tried, which one wins, what is seen of the data, saving."""

import numpy as np
import pytest
from sklearn.feature_selection import RFE
from sklearn.linear_model import LinearRegression

from pipeops import as_learner, as_task_regr, auto_fselector, load_learner, lrn, po, resample, rsmp
from pipeops.errors import ConfigError
from pipeops.learn.learners.sklearn_learner import SklearnLearner
from pipeops.learn.tuning.on_features import OnFeatures


@pytest.fixture(scope="module")
def task():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(40, 4))
    y = 3 * x[:, 1] + 2 * x[:, 3] + x[:, 0] + 0.1 * rng.normal(size=40)
    return as_task_regr({**dict(zip("abcd", x.T.tolist(), strict=True)), "y": y.tolist()}, target="y", id="four")


def selector(learner=None, **options):
    return auto_fselector(learner or lrn("regr.lm"), rsmp("holdout"), "regr.mse", **{"seed": 1, **options})


@pytest.mark.parametrize(
    ("options", "sizes"),
    [
        ({"method": "forward"}, [1] * 4 + [2] * 3 + [3] * 2 + [4]),
        ({"method": "forward", "max_features": 2}, [1] * 4 + [2] * 3),
        ({"method": "backward"}, [4] + [3] * 4 + [2] * 3 + [1] * 2),
        ({"method": "backward", "min_features": 3}, [4] + [3] * 4),
        ({"method": "exhaustive", "max_features": 2}, [1] * 4 + [2] * 6),
        ({"method": "rfe"}, [4, 2, 1]),
        ({"method": "rfe", "step": 1, "min_features": 2}, [4, 3, 2]),
        ({"method": "forward", "n_trials": 3}, [1] * 3),
    ],
)
def test_which_sets_are_tried(task, options, sizes):
    archive = selector(**options).train(task).archive
    assert archive["n_features"].to_list() == sizes
    assert archive["features"].list.len().to_list() == sizes
    assert len({tuple(s) for s in archive["features"].to_list()}) == len(sizes)


@pytest.mark.parametrize(("method", "step"), [("forward", 1), ("backward", -1)])
def test_each_batch_goes_on_from_the_best_of_the_one_before(task, method, step):
    archive = selector(method=method).train(task).archive
    for batch in range(1, archive["batch"].max() + 1):
        before, now = (archive.filter(archive["batch"] == b) for b in (batch - 1, batch))
        best = set(before.sort("regr.mse")["features"][0])
        for features in map(set, now["features"].to_list()):
            assert len(features ^ best) == 1
            assert len(features) - len(best) == step


def test_recursive_elimination_is_that_of_scikit_learn(task):
    made = selector(method="rfe", step=1).train(task)
    train = rsmp("holdout").instantiate(task, int(np.random.SeedSequence(1).generate_state(3)[1] // 2)).train_set(0)
    rows = task.filter(train)
    for features in made.archive["features"].to_list():
        fitted = RFE(LinearRegression(), n_features_to_select=len(features), step=1).fit(rows.matrix("float64"), rows.truth())
        assert np.array(task.feature_names)[fitted.support_].tolist() == features


def test_the_learner_is_trained_on_the_best_set_and_all_rows(task, tmp_path):
    made = selector(method="exhaustive", n_parallel=4).train(task)
    best = made.archive.sort("regr.mse")["features"][0].to_list()
    assert made.selected_features() == best == made.tuning_result["features"][0].to_list()
    assert set(made.importance()) == set(best)
    alone = lrn("regr.lm").train(task.select(best))
    np.testing.assert_array_equal(made.predict(task).response, alone.predict(task.select(best)).response)
    made.save(tmp_path / "made")
    loaded = load_learner(tmp_path / "made")
    np.testing.assert_array_equal(loaded.predict(task).response, made.predict(task).response)
    assert loaded.archive.equals(made.archive)


def test_of_equal_sets_the_smallest_wins(task):
    made = selector(lrn("regr.featureless"), method="backward").train(task)
    assert made.archive["regr.mse"].n_unique() == 1
    assert len(made.selected_features()) == 1


def test_draws_at_random_repeat_and_need_an_end(task):
    one, two = (selector(method="random", n_trials=6, n_parallel=n).train(task).archive["features"] for n in (1, 4))
    assert one.equals(two)
    with pytest.raises(ConfigError, match="say when the search ends"):
        selector(method="random")


def test_nested_resampling_never_shows_the_test_rows(task):
    seen = []

    class Noting(SklearnLearner):
        def _train(self, task, valid):
            seen.append(set(task.row_ids.tolist()))
            return super()._train(task, valid)

    learner = Noting(LinearRegression(), id="noting")
    outer = rsmp("cv", folds=2).instantiate(task, seed=1)
    resample(task, selector(learner, max_features=1), outer)
    half = len(seen) // 2
    for fold, rows in enumerate((seen[:half], seen[half:])):
        assert set.union(*rows) == set(outer.train_set(fold).tolist())


def test_a_graph_is_searched_by_its_own_hyperparameters(task):
    learner = as_learner(po("scale") >> lrn("regr.lm"), id="line")
    made = selector(learner, method="rfe", step=1)
    made.params["scale.center"] = False
    assert made.train(task).learner.params["scale.center"] is False
    assert made.predict_newdata(task.frame(["a", "b", "c", "d"])).response.shape == (40,)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: selector(method="sfs"), "method is one of"),
        (lambda: selector(step=1.5), "'step' must be"),
        (lambda: selector(min_features=0), "'min_features'"),
        (lambda: auto_fselector("lm", rsmp("holdout")), "takes a learner"),
        (lambda: auto_fselector(lrn("regr.lm")), "needs a resampling"),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_what_only_the_task_shows_is_refused_in_words(task):
    with pytest.raises(ConfigError, match="at least 5 and at most None of 4 features"):
        selector(min_features=5).train(task)
    with pytest.raises(ConfigError, match="how important its features are"):
        selector(lrn("regr.knn"), method="rfe").train(task)
    with pytest.raises(ConfigError, match="no feature is chosen"):
        OnFeatures(lrn("regr.lm"), []).train(task)
