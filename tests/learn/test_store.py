"""What a kept job is found again by, what is tried again, and that learners of a benchmark are paired."""

import contextlib
import errno
import functools
import os
import threading

import numpy as np
import pytest

from pipeops import as_learner, as_task_classif, benchmark, benchmark_grid, load_benchmark, lrn, nn, po, resample, rsmp, tsk
from pipeops.errors import ConfigError, FormatError, WriteError
from pipeops.learn.benchmark import store
from pipeops.learn.benchmark.fingerprint import Fingerprints
from pipeops.learn.benchmark.results import BenchmarkWarning
from pipeops.learn.benchmark.store import Store, StoreWarning
from pipeops.learn.learners.featureless import ClassifFeatureless
from pipeops.saving import read, write
from tests.scripts import run_script

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
    return Fingerprints().of(net(loss))


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


# ---------------------------------------------------------------- the folder


class Notes(list):
    """A list that has no state, so that what it holds decides nothing."""

    def __reduce_ex__(self, protocol):
        return Notes, ()


RUNS = Notes()


class Noting(ClassifFeatureless):
    def _train(self, task, valid):
        RUNS.append(self.params["seed"])
        return super()._train(task, valid)


@pytest.fixture
def run(tmp_path):
    """Resample in a folder: the predictions, and how many jobs ran for them."""

    def go(seed=None, learner=None, rows=range(0, 150, 3), resampling=None, **options):
        RUNS.clear()
        task = tsk("iris").filter(list(rows))
        learner = Noting(id="noting", method="sample") if learner is None else learner
        result = resample(task, learner, resampling or rsmp("cv", folds=4), seed=seed, path=tmp_path / "folder", **options)
        return result, len(RUNS)

    return go


def test_a_job_is_found_by_its_rows_and_its_seed(run):
    assert run(seed=1)[1] == 4
    assert run(seed=1)[1] == 0
    assert run(seed=1, rows=range(0, 150, 2))[1] == 4
    sets = rsmp("custom", train_sets=[list(range(0, 60, 3))], test_sets=[list(range(60, 90, 3))])
    assert run(resampling=sets)[1] == 1
    assert run(resampling=sets)[1] == 0
    fewer = rsmp("custom", train_sets=[list(range(0, 57, 3))], test_sets=[list(range(60, 90, 3))])
    assert run(resampling=fewer)[1] == 1
    tested = rsmp("custom", train_sets=[list(range(0, 57, 3))], test_sets=[list(range(60, 87, 3))])
    assert run(resampling=tested)[1] == 1
    same_rows = rsmp("custom", train_sets=[list(range(0, 57, 3))], test_sets=[list(range(60, 87, 3))], id="again")
    assert run(resampling=same_rows)[1] == 1, "the seed of a job follows from the resampling's id"


@pytest.mark.parametrize("damage", [b"", b'{"seed"', b"[1]", b'{"seed": "7"}', b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_note_of_the_seed_costs_nothing(run, tmp_path, damage):
    first, _ = run(seed=7)
    (tmp_path / "folder" / "benchmark.json").write_bytes(damage)
    with pytest.warns(StoreWarning, match="benchmark.json is damaged; the seed 7 is kept"):
        again, runs = run()
    assert runs == 0
    assert again.seed == 7
    assert again.predictions().equals(first.predictions())
    assert run()[1] == 0


@pytest.mark.parametrize("damage", ["cut", "empty", "altered", "other", "folder"])
def test_a_damaged_file_costs_its_own_job(run, tmp_path, damage):
    first, _ = run(seed=7)
    one, other = sorted((tmp_path / "folder").glob("*.safetensors"))[:2]
    raw = one.read_bytes()
    one.unlink()
    if damage == "folder":
        one.mkdir()
    else:
        one.write_bytes({"cut": raw[:99], "empty": b"", "altered": raw[:-1] + b"x", "other": other.read_bytes()}[damage])
    context = pytest.warns(StoreWarning, match="cannot be written") if damage == "folder" else contextlib.nullcontext()
    with context:
        again, runs = run()
    assert runs == 1
    assert again.predictions().equals(first.predictions())


def test_the_first_of_two_processes_decides_the_seed(tmp_path):
    one, other = Store(tmp_path, None), Store(tmp_path, None)
    assert one.begin(5) == 5
    assert other.begin(6) == 5
    with pytest.raises(ConfigError, match="begun with seed 5, not 6"):
        Store(tmp_path, 6)
    assert [file.name for file in tmp_path.iterdir()] == ["benchmark.json"]


def test_two_processes_share_a_folder(tmp_path):
    script, folder = tmp_path / "both.py", tmp_path / "folder"
    script.write_text(
        "import os\n"
        "child = os.fork()\n"
        "from pipeops import lrn, resample, rsmp, tsk\n"
        f"r = resample(tsk('iris'), lrn('classif.tree'), rsmp('cv', folds=8), path={str(folder)!r})\n"
        "assert child == 0 or os.wait()[1] == 0\n"
        "print(r.seed, r.score('classif.acc')['classif.acc'].to_list())"
    )
    done = run_script(script)
    assert done.returncode == 0, done.stderr
    one, other = done.stdout.splitlines()
    assert one == other
    assert len(list(folder.iterdir())) == 9


def test_a_folder_that_cannot_be_written_to_costs_nothing_but_itself(run, monkeypatch):
    def full(*_):
        raise WriteError("no space left on device", errno.ENOSPC)

    whole, _ = run(seed=3, n_jobs=1)
    monkeypatch.setattr(store, "write", full)
    with pytest.warns(StoreWarning, match="no space left") as caught:
        result, runs = run(learner=Noting(id="other", method="sample"))
    assert len(caught) == 1
    assert runs == 4
    assert len(result) == len(whole)


def test_a_path_that_is_a_file_is_refused_before_anything_runs(tmp_path):
    (tmp_path / "folder").write_text("mine")
    with pytest.raises(ConfigError, match="is no folder"):
        resample(tsk("iris"), lrn("classif.tree"), rsmp("holdout"), path=tmp_path / "folder")


def test_what_cannot_be_told_apart_is_not_kept(tmp_path):
    lock = threading.Lock()

    def guarded(input, target):
        with lock:
            return loss(input, target)

    with pytest.warns(StoreWarning, match=r"jobs of 'net' are not kept .* the variable 'lock' of .*guarded, an object"):
        result = resample(tsk("breast_cancer"), net(guarded), rsmp("cv", folds=2), seed=1, path=tmp_path)
    assert len(result) == 2
    assert [file.name for file in tmp_path.iterdir()] == ["benchmark.json"]
