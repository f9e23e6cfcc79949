"""Learners that take too long: stopped, replaced by their fallback, and nothing else is touched."""

import threading

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from pipeops import as_learner, as_task_regr, auto_tuner, load_learner, lrn, po, resample, rsmp, to_tune
from pipeops.errors import ConfigError, TimeLimitError, TrainingError
from pipeops.learn.fallback import within
from pipeops.learn.learners.sklearn_learner import SklearnLearner


class Endless(SklearnLearner):
    """Never comes to an end in one of its stages, and takes every error for something to be tried again."""

    stage = "train"

    def _train(self, task, valid):
        return endless() if self.stage == "train" else super()._train(task, valid)

    def _predict(self, task, model):
        return endless() if self.stage == "predict" else super()._predict(task, model)


def endless():
    while True:
        try:
            sum(range(100))
        except Exception:
            continue


def slow(stage="train", seconds=0.05):
    learner = Endless(LinearRegression(), id="slow")
    learner.stage, learner.timeout = stage, seconds
    return learner


@pytest.fixture
def line():
    return as_task_regr({"x": np.arange(12.0).tolist(), "y": np.arange(12.0).tolist()}, target="y", id="line")


def test_training_and_predicting_are_stopped(line):
    with pytest.raises(TimeLimitError, match=r"slow: did not train within 0.05 s, its timeout"):
        slow().train(line)
    trained = slow("predict", {"predict": 0.05}).train(line)
    with pytest.raises(TimeLimitError, match="did not predict within"):
        trained.predict(line)
    assert issubclass(TimeLimitError, TrainingError)


def test_the_fallback_predicts_in_a_benchmark_a_graph_and_a_search(line):
    learner = slow()
    learner.fallback = lrn("regr.featureless")
    result = resample(line, learner, rsmp("holdout"), seed=1)
    assert result.errors()["message"][0].startswith("TimeLimitError: slow: did not train")
    assert result.predictions()["response"].n_unique() == 1
    with pytest.raises(TimeLimitError, match="slow"):
        as_learner(po("scale") >> slow()).train(line)
    searched = slow()
    archive = auto_tuner(searched, {"fit_intercept": to_tune()}, rsmp("holdout"), n_trials=1, seed=1)
    with pytest.raises(TrainingError, match="the last error was: slow: did not train within 0.05 s"):
        archive.train(line)


def test_what_ends_in_time_is_left_alone_and_the_limit_is_kept(line, tmp_path):
    learner = lrn("regr.lm")
    learner.timeout = {"train": 60}
    assert learner.timeout == {"train": 60, "predict": float("inf")}
    assert "timeout" in str(learner)
    assert "60 s" in str(learner)
    learner.train(line).save(tmp_path / "learner")
    loaded = load_learner(tmp_path / "learner")
    assert loaded.timeout == learner.clone().timeout == learner.timeout
    np.testing.assert_array_equal(learner.predict(line).response, lrn("regr.lm").train(line).predict(line).response)


def test_the_inner_and_the_outer_limit_are_told_apart():
    with pytest.raises(TimeLimitError, match="outer"):
        within(0.05, "outer", "train", lambda: within(60, "inner", "train", endless))


def test_another_thread_is_stopped_alone(line):
    caught = []

    def run():
        try:
            slow().train(line)
        except TimeLimitError as error:
            caught.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(20)
    assert caught == ["slow: did not train within 0.05 s, its timeout."]


@pytest.mark.parametrize("given", [0, -1, True, "1", {"fit": 1}, {"train": None}])
def test_what_is_no_limit_is_refused(given):
    with pytest.raises(ConfigError, match="timeout is a number of seconds"):
        lrn("regr.lm").timeout = given
