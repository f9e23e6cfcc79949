"""What a kept job is found again by, what is tried again, and that learners of a benchmark are paired."""

import functools
import os

import numpy as np
import pytest

from pipeops import as_learner, as_task_classif, benchmark, benchmark_grid, load_benchmark, lrn, nn, po, resample, rsmp, tsk
from pipeops.errors import ConfigError, FormatError
from pipeops.learn.benchmark.results import BenchmarkWarning
from pipeops.learn.benchmark.store import _settings
from pipeops.saving import read, write

FACTOR = 1.0


def helper(x):
    return x * FACTOR


def loss(input, target, tau=1.0):
    return helper(((input - target) ** 2).mean()) * tau


def loss_of(tau):
    def inner(input, target):
        return loss(input, target, tau)

    return inner


def net(loss, id="net", seed=None):
    graph = (
        po("torch_ingress_num")
        >> nn("head")
        >> po("torch_loss", loss=loss)
        >> po("torch_optimizer", optimizer="sgd", lr=1e-7)
        >> po("torch_model_classif", epochs=1, batch_size=32, predict_type="prob", seed=seed)
    )
    return as_learner(graph, id=id)


def digest(loss):
    return _settings(net(loss))[0]


def test_a_function_counts_by_what_it_does(monkeypatch):
    same = [digest(loss_of(1.0)), digest(loss_of(1.0))]
    others = [digest(f) for f in (loss, loss_of(2.0), functools.partial(loss, tau=1.0), functools.partial(loss, tau=2.0))]
    assert same[0] == same[1]
    assert len({same[0], *others}) == 5
    monkeypatch.setitem(globals(), "FACTOR", 2.0)  # what a helper of the loss reads
    assert digest(loss) not in others


def test_values_of_a_closure_are_not_saved_by_name(tmp_path):
    with pytest.raises(FormatError, match="values of the function around it"):
        net(loss_of(2.0)).save(tmp_path / "x")


def test_a_partial_is_saved_with_its_arguments(tmp_path):
    write(tmp_path / "x", "thing", functools.partial(loss, tau=3.0))
    again = read(tmp_path / "x", "thing", trust=(loss,))
    assert again.func is loss
    assert again.keywords == {"tau": 3.0}
    with pytest.raises(FormatError, match="trust"):
        read(tmp_path / "x", "thing")


def loss_that_may_fail(input, target):
    if "PIPEOPS_TEST_OUT_OF_MEMORY" in os.environ:
        raise RuntimeError("no memory")
    return loss(input, target)


def test_failed_jobs_are_tried_again(tmp_path, monkeypatch):
    learner, task = net(loss_that_may_fail), tsk("breast_cancer")
    learner.encapsulate = "try"
    run = functools.partial(resample, task, learner, rsmp("cv", folds=3), "classif.acc", seed=1, path=tmp_path)
    monkeypatch.setenv("PIPEOPS_TEST_OUT_OF_MEMORY", "1")
    assert len(run().errors()) == 3
    monkeypatch.delenv("PIPEOPS_TEST_OUT_OF_MEMORY")
    first = run()
    assert len(first.errors()) == 0
    monkeypatch.setenv("PIPEOPS_TEST_OUT_OF_MEMORY", "1")
    again = run()
    assert again.score("classif.acc").equals(first.score("classif.acc"))


def test_learners_of_a_benchmark_have_the_same_seed_in_the_same_fold():
    rng = np.random.default_rng(0)
    task = as_task_classif(rng.normal(size=(60, 3)), np.arange(60) % 2)
    grid = benchmark_grid([task], [net("cross_entropy", "a"), net("cross_entropy", "b")], [rsmp("cv", folds=3)])
    scores = benchmark(grid, seed=1).score("classif.logloss")
    by_learner = [scores.filter(scores["learner_id"] == i)["classif.logloss"].to_list() for i in "ab"]
    assert by_learner[0] == pytest.approx(by_learner[1], abs=1e-12)


def test_predefined_validation_is_refused_before_anything_runs():
    learner = net("cross_entropy")
    learner.validate = "predefined"
    with pytest.raises(ConfigError, match="which a benchmark cannot give"):
        resample(tsk("breast_cancer"), learner, rsmp("cv", folds=3))


def test_a_result_with_models_that_cannot_be_saved_keeps_its_scores(tmp_path):
    learners = [lrn("classif.tree"), lrn("classif.naive_bayes")]
    result = benchmark(benchmark_grid([tsk("iris")], learners, [rsmp("cv", folds=3)]), seed=1, store_models=True)
    with pytest.warns(BenchmarkWarning, match=r"models of 'classif.tree' are left out"):
        result.save(tmp_path / "result")
    again = load_benchmark(tmp_path / "result")
    assert again.score("classif.acc").equals(result.score("classif.acc"))
    assert len(again.learners(learner="classif.naive_bayes")) == 3
