"""What steers a run from outside: interrupting, training on, trackers, the order of callbacks, what the context tells."""

import os
import signal
import sys
import types

import by_hand
import numpy as np
import pytest
import torch

from pipeops import as_learner, chain, lrn, nn, po, resample, rsmp, t_clbk, torch_callback
from pipeops.errors import ConfigError, MissingPackageError, TrainingError

MODEL = "torch_model_classif"


@pytest.fixture(autouse=True)
def interruptible():
    """Python's own handler, whatever the process was started with: one in the background ignores the signal."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def stop_at(epoch, stage="on_epoch_begin"):
    def stop(ctx):
        if ctx.epoch == epoch:
            os.kill(os.getpid(), signal.SIGINT)

    return torch_callback("stop", **{stage: stop})


@pytest.mark.parametrize("engine", ["auto", "autograd"])
@pytest.mark.parametrize("stage", ["on_epoch_begin", "on_epoch_end", "on_batch_end"])
def test_ctrl_c_keeps_what_is_trained(engine, stage):
    with pytest.warns(UserWarning, match=r"interrupted after [23] of 1000 epochs"):
        learner, first = by_hand.trained([stop_at(3, stage)], epochs=1000, engine=engine)
    assert learner.history.height == (3 if stage == "on_epoch_end" else 2)
    assert learner.is_trained
    assert not torch.equal(first.head.weight, learner.network.head.weight)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_after_ctrl_c_the_run_is_resumed(tmp_path):
    def make(*more):
        graph = by_hand.graph([t_clbk("checkpoint", path=str(tmp_path)), *more], resume=str(tmp_path), epochs=6, shuffle=True)
        return as_learner(graph)

    whole = as_learner(by_hand.graph([], epochs=6, shuffle=True)).train(by_hand.TASK)
    stop = stop_at(4, "on_batch_end")
    with pytest.warns(UserWarning, match="after 3 of 6"):
        make(stop).train(by_hand.TASK)
    going_on = make(torch_callback("stop", on_batch_end=lambda ctx: None)).train(by_hand.TASK)
    for a, b in zip(whole.network.parameters(), going_on.network.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_a_benchmark_is_broken_off():
    learner = as_learner(by_hand.graph([stop_at(2)], epochs=5))
    with pytest.raises(KeyboardInterrupt):
        resample(by_hand.TASK, learner, rsmp("holdout"))


def test_two_times_ctrl_c_stops_at_once():
    twice = torch_callback("twice", on_epoch_begin=lambda ctx: [os.kill(os.getpid(), signal.SIGINT) for _ in range(2)])
    with pytest.raises(KeyboardInterrupt):
        by_hand.trained([twice], epochs=5)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_training_on_is_as_training_longer():
    """Plain gradient descent has no memory, so that six epochs and three more are nine."""
    settings = {"layers": [nn("batch_norm1d")], "shuffle": False}

    def made(epochs):
        graph = by_hand.graph([], "sgd", epochs=epochs, **settings)
        graph.params["torch_optimizer.momentum"] = 0.0
        return as_learner(graph, validate=0.3).train(by_hand.TASK)

    longer, more = made(9), made(6)
    before = more.network.head.weight.clone()
    assert more.train_more(by_hand.TASK, epochs=3) is more
    assert not torch.equal(before, more.network.head.weight)
    for a, b in zip(longer.network.state_dict().values(), more.network.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-7)
    assert more.history.equals(longer.history)
    assert more.params["torch_model_classif.epochs"] == 6
    assert more.model["torch_model_classif"].epochs == 9
    assert more.train_more(by_hand.TASK, epochs=2).history.height == 11


def test_training_on_keeps_what_comes_before_the_network():
    learner = as_learner(po("scale") >> by_hand.graph([])).train(by_hand.TASK)
    before = repr(learner.model["scale"])
    learner.train_more(by_hand.task_of(by_hand.FRAME.with_columns(x0=by_hand.FRAME["x0"] * 100)), epochs=1)
    assert repr(learner.model["scale"]) == before
    with pytest.raises(ConfigError, match="makes another network"):
        as_learner(by_hand.graph([])).train(by_hand.TASK).train_more(by_hand.task_of(by_hand.FRAME.drop("x0")), epochs=1)
    tree = as_learner(po("scale") >> po("learner", learner=lrn("classif.tree"))).train(by_hand.TASK)
    with pytest.raises(ConfigError, match="no network"):
        tree.train_more(by_hand.TASK, epochs=1)


def test_ready_made_networks_are_trained_on_alone_and_in_graphs():
    """They answer their graph as a copy, and stand in other graphs as one node."""
    settings = {"neurons": [4], "batch_size": 10, "shuffle": False, "p": 0.0, "optimizer": "sgd", "seed": 1, "opt.lr": 0.1}

    def made(epochs, *before):
        ready = lrn("classif.mlp", epochs=epochs, **settings)
        return (as_learner(chain([*before, ready])) if before else ready).train(by_hand.TASK)

    def weights(learner):
        network = learner.network if "classif_mlp" not in learner.model else learner.model["classif_mlp"].model[MODEL].network
        return torch.nn.utils.parameters_to_vector(network.parameters())

    for before in ([], [po("scale")]):
        longer, more = made(5, *before), made(3, *before).train_more(by_hand.TASK, epochs=2)
        torch.testing.assert_close(weights(longer), weights(more), rtol=1e-6, atol=1e-7)
        assert not torch.equal(weights(made(3, *before)), weights(more))
    with pytest.raises(ConfigError, match="from 0, got -1"):
        more.train_more(by_hand.TASK, epochs=-1)


def test_order_by_weight():
    seen = []

    def noting(name, weight):
        return torch_callback(name, weight=weight, on_epoch_end=lambda ctx: seen.append(name))

    by_hand.trained([noting("last", 5.0), noting("b", 0.0), noting("first", -5.0), noting("c", 0.0)], epochs=1)
    assert seen == ["first", "b", "c", "last"]
    assert repr(torch_callback("a", weight=2.0)) == 'torch_callback("a", weight=2.0)'


def test_the_context_tells_learner_and_predictions():
    found = []

    def look(ctx):
        prediction, own = ctx.prediction(), ctx.prediction("train")
        found.append((ctx.learner_id, prediction.score("classif.acc"), ctx.last_scores_valid["classif.acc"]))
        assert own.score("classif.acc") == ctx.last_scores_train["classif.acc"]
        assert ctx.steps == 3

    settings = {"measures_train": ["classif.acc"], "measures_valid": ["classif.acc"], "epochs": 2}
    graph = by_hand.graph([torch_callback("look", on_epoch_end=look)], **settings)
    as_learner(graph, id="mine", validate=0.3).train(by_hand.TASK)
    assert [f[0] for f in found] == ["mine", "mine"]
    assert all(score == known for _, score, known in found)
    ids = []
    note = torch_callback("note", on_begin=lambda ctx: ids.append(ctx.learner_id))
    resample(by_hand.TASK, as_learner(by_hand.graph([note], epochs=1), id="other"), rsmp("cv", folds=2))
    by_hand.graph([note], epochs=1).train(by_hand.TASK)
    assert ids == ["other", "other", None]
    with pytest.raises(TrainingError, match='none of "train" in epoch 1 here; it takes a measure in measures_train'):
        by_hand.trained([torch_callback("look", on_epoch_end=lambda ctx: ctx.prediction())])


class Writer:
    """A stand-in for a SummaryWriter."""

    def __init__(self, path=None):
        self.path, self.events, self.closed = path, [], False

    def add_scalar(self, name, value, step):
        assert not self.closed
        self.events.append((name, value, step))

    def close(self):
        self.closed = True


def test_tensorboard(monkeypatch):
    writer, made = Writer(), []
    learner, _ = by_hand.trained(
        [t_clbk("tb", writer=writer, log_train_loss=True)], validate=0.3, measures_valid=["classif.acc"], epochs=2
    )
    assert writer.closed
    valid = [value for name, value, _ in writer.events if name == "valid.classif.acc"]
    assert valid == learner.history["valid.classif.acc"].to_list()
    assert [step for name, _, step in writer.events if name == "train.batch_loss"] == list(range(1, 7))
    module = types.ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = lambda path: made.append(Writer(path)) or made[-1]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    with pytest.raises(RuntimeError, match="mine"):
        by_hand.trained([t_clbk("tb", path="runs"), torch_callback("fails", on_batch_end=_fail)])
    assert made[0].path == "runs"
    assert made[0].closed
    with pytest.raises(ConfigError, match="tb: set 'path'"):
        by_hand.trained([t_clbk("tb")])


def _fail(ctx):
    raise RuntimeError("mine")


def test_a_tracker_that_is_not_installed_says_so():
    if "tensorboard" not in sys.modules:
        with pytest.raises(MissingPackageError, match=r"pipeops\[track\]"):
            by_hand.trained([t_clbk("tb", path="runs")])


class Client:
    """A stand-in for MLflow's client."""

    log = []

    def __init__(self, tracking_uri=None):
        self.log.append(("uri", tracking_uri))

    def get_experiment_by_name(self, name):
        return None

    def create_experiment(self, name):
        return f"experiment {name}"

    def create_run(self, experiment, run_name=None):
        self.log.append(("run", experiment, run_name))
        return types.SimpleNamespace(info=types.SimpleNamespace(run_id="7"))

    def log_metric(self, run, name, value, step=None):
        self.log.append((run, name, step))
        assert np.isfinite(value)

    def set_terminated(self, run, status):
        self.log.append((run, status))


def test_mlflow(monkeypatch):
    module = types.ModuleType("mlflow")
    module.MlflowClient = Client
    monkeypatch.setitem(sys.modules, "mlflow", module)
    Client.log.clear()
    by_hand.trained([t_clbk("mlflow", path="runs", experiment="e")], epochs=1)
    assert Client.log[0] == ("uri", "runs")
    assert Client.log[1][:2] == ("run", "experiment e")
    assert Client.log[2:] == [("7", "train.loss", 1), ("7", "lr", 1), ("7", "FINISHED")]
    Client.log.clear()
    run = types.SimpleNamespace(info=types.SimpleNamespace(run_id="mine"))
    with pytest.raises(RuntimeError, match="mine"):
        by_hand.trained([t_clbk("mlflow", run=run), torch_callback("fails", on_batch_end=_fail)])
    assert Client.log[-1] == ("mine", "FAILED")
