"""Benchmarks whose networks train together: the same results as one by one, whatever else is in the grid."""

import numpy as np
import polars as pl
import pytest

from pipeops import as_learner, as_task_classif, benchmark, benchmark_grid, load_learner, lrn, nn, po, resample, rsmp
from pipeops.graph.graph_learner import GraphLearner
from pipeops.learn.benchmark import run as runs
from pipeops.learn.benchmark.run import Job, _groups

rng = np.random.default_rng(0)
X = rng.normal(size=(40, 3))
FRAME = pl.from_numpy(X, schema=list("abc")).with_columns(y=pl.Series(np.where(X[:, 0] > 0, "p", "n")))
TASK = as_task_classif(FRAME, target="y", positive="p", id="small")


def learner(id, lr=0.01, width=4, validate=None, **settings):
    graph = (
        po("scale")
        >> po("torch_ingress_num")
        >> nn("linear", out_features=width)
        >> nn("relu")
        >> nn("head")
        >> po("torch_loss", loss="cross_entropy")
        >> po("torch_optimizer", optimizer="adam", lr=lr)
        >> po("torch_model_classif", **{"epochs": 3, "batch_size": 8, "predict_type": "prob", **settings})
    )
    return as_learner(graph, id=id, validate=validate)


def counted(result):
    """How many networks were trained together, by job."""
    return [
        record.outcome.learner.model["torch_model_classif"].vectorized
        for record in result.records
        if isinstance(record.outcome.learner, GraphLearner)
    ]


def run(learners, way, **settings):
    grid = benchmark_grid(TASK, learners, rsmp("cv", folds=3))
    return benchmark(grid, seed=1, store_models=True, progress=False, vectorized=way, **settings)


def same(one, other):
    a, b = (result.score(["classif.logloss", "classif.acc"]) for result in (one, other))
    assert a.drop("classif.logloss").equals(b.drop("classif.logloss"))
    np.testing.assert_allclose(a["classif.logloss"], b["classif.logloss"], rtol=1e-5)


def test_the_folds_of_a_row_train_together():
    def learners():
        return [learner("slow"), learner("fast", lr=0.1), lrn("classif.log_reg", predict_type="prob"), learner("wide", width=9)]

    alone, together = (run(learners(), way) for way in (False, True))
    assert counted(alone) == [1] * 9
    assert counted(together) == [3] * 9
    same(alone, together)


def test_test_rows_validate_each_fold():
    def one():
        return learner("watched", validate="test", measures_valid=["classif.logloss"], patience=1, epochs=30)

    alone, together = run([one()], False), run([one()], True)
    assert counted(together) == [3, 3, 3]
    same(alone, together)
    epochs = [[r.outcome.learner.best_epoch for r in result.records] for result in (alone, together)]
    assert epochs[0] == epochs[1]
    for a, b in zip(alone.records, together.records, strict=True):
        assert a.outcome.internal_valid_scores == pytest.approx(b.outcome.internal_valid_scores, abs=1e-6)


def test_one_that_diverges_is_noted_and_the_others_are_as_they_were():
    def learners():
        wild = learner("wild")
        wild.params["torch_optimizer.lr"] = 1e30
        wild.encapsulate = "try"
        return [learner("calm"), wild]

    alone, together = run(learners(), False), run(learners(), True)
    assert [r.outcome.failure is None for r in together.records] == [True] * 3 + [False] * 3
    failures = [[r.outcome.failure and r.outcome.failure.message for r in result.records] for result in (alone, together)]
    assert failures[0] == failures[1]
    for a, b in zip(alone.records[:3], together.records[:3], strict=True):
        np.testing.assert_allclose(a.outcome.prediction.prob, b.outcome.prediction.prob, atol=1e-6)


def test_what_trains_together_follows_from_a_row_alone():
    folds = rsmp("cv", folds=3).instantiate(TASK, 1)
    jobs = [Job(row, i, 0) for row in benchmark_grid(TASK, [learner("a"), learner("b")], folds) for i in range(3)]
    jobs += [Job(row, i, 0) for row in benchmark_grid(TASK, lrn("classif.featureless"), folds) for i in range(2)]
    assert _groups(jobs, True) == [[0, 1, 2], [3, 4, 5], [6], [7]]
    assert _groups(jobs, False) == [[k] for k in range(8)]


def bits(result, id):
    """Everything that decides the numbers of a learner in a benchmark."""
    return [
        (r.outcome.prediction.prob.tobytes(), r.outcome.learner.network.head.weight.detach().numpy().tobytes())
        for r in result.records
        if r.learner_id == id
    ]


@pytest.mark.parametrize("settings", [{"n_jobs": 2}, {}])
def test_neither_other_rows_nor_workers_nor_what_was_done_before_change_a_number(tmp_path, settings):
    one = run([learner("a", epochs=20)], True)
    beside = run([learner("b", lr=0.1), learner("a", epochs=20), learner("c")], True, **settings)
    assert bits(beside, "a") == bits(one, "a")
    run([learner("a", epochs=20)], True, path=tmp_path)
    done = [file for file in tmp_path.rglob("*") if file.is_file() and "benchmark" not in file.name]
    done[0].unlink()
    assert bits(run([learner("a", epochs=20)], True, path=tmp_path), "a") == bits(one, "a")


def test_large_tasks_are_prepared_in_parts(monkeypatch):
    monkeypatch.setattr(runs, "TOGETHER", 2)
    assert counted(run([learner("a")], True)) == [2, 2, 1]
    monkeypatch.setattr(runs, "CELLS", 10)
    assert counted(run([learner("a")], True)) == [1, 1, 1]


def test_time_is_shared():
    result = run([learner("a")], True)
    seconds = [r.outcome.timings["train"] for r in result.records]
    assert len(set(seconds)) == 1
    assert seconds[0] > 0


def test_a_learner_trained_in_company_saves_as_any_other(tmp_path):
    result = resample(TASK, learner("a"), rsmp("cv", folds=3), store_models=True, seed=3)
    one = result.records[1].outcome.learner
    one.save(tmp_path / "one.safetensors")
    again = load_learner(tmp_path / "one.safetensors")
    assert np.array_equal(one.predict(TASK).prob, again.predict(TASK).prob)
    assert again.model["torch_model_classif"].vectorized == 3
    assert (tmp_path / "one.safetensors").stat().st_size < 20_000


def _scores(folds, backend):
    from joblib import Parallel, delayed

    job = delayed(resample)(TASK, learner("a"), rsmp("cv", folds=folds), seed=1, n_jobs=2)
    return [r.score("classif.logloss")["classif.logloss"].to_list() for r in Parallel(n_jobs=2, backend=backend)([job] * 2)]


@pytest.mark.parametrize("backend", ["threading", pytest.param("loky", marks=pytest.mark.slow)])
def test_resample_inside_a_worker_is_the_serial_one(backend):
    serial = resample(TASK, learner("a"), rsmp("cv", folds=2), seed=1).score("classif.logloss")["classif.logloss"].to_list()
    assert _scores(2, backend) == [serial, serial]


def test_a_resumed_benchmark_is_the_uninterrupted_one_bit_for_bit(tmp_path):
    grid = benchmark_grid([TASK], [learner("a"), learner("b", lr=0.02)], rsmp("cv", folds=3))
    whole = benchmark(grid, seed=1).predictions()
    benchmark(grid, seed=1, path=tmp_path)
    kept = sorted(tmp_path.glob("*/*")) or sorted(p for p in tmp_path.iterdir() if p.name != "benchmark.json")
    assert kept
    for file in kept[::2]:
        file.unlink()
    assert benchmark(grid, seed=1, path=tmp_path).predictions().equals(whole)
