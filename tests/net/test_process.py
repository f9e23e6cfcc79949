"""What a process has only once (generators, default dtype, gradient mode, threads, memory): training leaves it as it was,
and several threads or an odd setting change no number."""

import copy
import gc
import linecache
import multiprocessing
import pickle
import threading
import warnings

import numpy as np
import pytest
import torch
from torch.fx.graph_module import _loader

from pipeops import as_learner, as_task_classif, nn, po

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
TASK = as_task_classif({"a": X[:, 0], "b": X[:, 1], "c": X[:, 2], "y": np.where(X[:, 0] + X[:, 1] > 0, "p", "n")}, target="y")


def learner(seed=1, hidden=None, **settings):
    hidden = nn("linear", out_features=4) >> nn("relu") >> nn("dropout") if hidden is None else hidden
    graph = po("torch_ingress_num") >> hidden >> nn("head") >> po("torch_loss", loss="cross_entropy") >> po("torch_optimizer")
    model = po("torch_model_classif", epochs=3, batch_size=16, predict_type="prob", seed=seed, **settings)
    return as_learner(graph >> model)


def at_once(calls):
    """Run all in threads that begin together; what each answered."""
    found, barrier = [None] * len(calls), threading.Barrier(len(calls))

    def run(i, call):
        barrier.wait()
        found[i] = call()

    several = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in several:
        thread.start()
    for thread in several:
        thread.join()
    return found


def test_eight_threads_train_what_each_trains_alone():
    right = [learner(seed).train(TASK).predict(TASK).prob for seed in range(8)]
    torch.manual_seed(7)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    found = at_once([lambda seed=seed: learner(seed).train(TASK).predict(TASK).prob for seed in range(8)])
    assert all(np.array_equal(one, other) for one, other in zip(found, right, strict=True))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads


def test_threads_may_predict_with_one_learner():
    made = learner().train(TASK)
    parts = [TASK.filter(range(i, 60, 8)) for i in range(8)]
    right = [made.predict(part).prob for part in parts]
    for _ in range(3):
        found = at_once([lambda part=part: made.predict(part).prob for part in parts])
        assert all(np.array_equal(one, other) for one, other in zip(found, right, strict=True))


@pytest.fixture
def float64():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def odd_layers():
    """Layers whose shape is found by running them, which make weights too."""
    return nn("unsqueeze", dim=1) >> nn("conv1d", out_channels=2, kernel_size=2) >> nn("flatten") >> nn("batch_norm1d")


def test_the_default_dtype_changes_nothing(float64):
    found = [learner(hidden=h).train(TASK) for h in (None, odd_layers())]
    assert torch.get_default_dtype() is torch.float64
    late = [one.predict(TASK).prob for one in found]
    torch.set_default_dtype(torch.float32)
    for one, hidden, prob in zip(found, (None, odd_layers()), late, strict=True):
        assert {p.dtype for p in one.network.parameters()} == {torch.float32}
        assert np.array_equal(prob, learner(hidden=hidden).train(TASK).predict(TASK).prob)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_an_outer_mode_changes_nothing(mode):
    right = learner().train(TASK).predict(TASK).prob
    with mode():
        assert np.array_equal(learner().train(TASK).predict(TASK).prob, right)
        assert not torch.is_grad_enabled()


def test_the_mode_of_the_network_and_its_statistics_stay():
    made = learner(hidden=nn("batch_norm1d") >> nn("dropout")).train(TASK)
    right, mean = made.predict(TASK).prob, made.network.batch_norm1d.running_mean.clone()
    made.network.dropout.train()
    assert np.array_equal(made.predict(TASK).prob, right)
    assert made.network.dropout.training
    assert not made.network.batch_norm1d.training
    assert torch.equal(made.network.batch_norm1d.running_mean, mean)


def test_deep_networks_are_copied_and_pickled():
    hidden = nn("relu", id="r0")
    for i in range(1, 1200):
        hidden = hidden >> nn("relu", id=f"r{i}")
    made = learner(hidden=hidden).train(TASK)
    right = made.predict(TASK).prob
    for other in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert np.array_equal(other.predict(TASK).prob, right)
    state = pickle.loads(pickle.dumps(made.model["torch_model_classif"]))
    assert [s.id for s in state.symbol.ancestors()] == [s.id for s in made.model["torch_model_classif"].symbol.ancestors()]


def test_a_fit_leaves_no_source_behind():
    learner().train(TASK)
    gc.collect()
    before = len(_loader.eval_cache), len(linecache.cache)
    for seed in range(5):
        learner(seed).train(TASK).predict(TASK)
    gc.collect()
    assert (len(_loader.eval_cache), len(linecache.cache)) <= before


def test_filters_of_warnings_stay():
    before = list(warnings.filters)
    learner().train(TASK).predict(TASK)
    assert warnings.filters == before


def in_another_process(seed):
    return learner(seed).train(TASK).predict(TASK).prob


@pytest.mark.slow
def test_spawned_processes_train_the_same():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert np.array_equal(pool.apply(in_another_process, (3,)), in_another_process(3))
