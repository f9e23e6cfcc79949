"""Checkpoints and going on from them: to the last bit as if nothing had happened, and only as the run that it was."""

import os
import random
import signal
import time
from functools import partial

import by_hand
import numpy as np
import pytest
import torch

from pipeops import as_learner, nn, resample, rsmp, t_clbk, t_sampler, torch_callback
from pipeops.errors import ConfigError
from pipeops.net import Callback
from pipeops.net.callbacks.checkpoint import written
from pipeops.params import UNSET

EPOCHS = 6
LAYERS = [nn("batch_norm1d"), nn("dropout", p=0.3)]


class Crash(Callback):
    """Stops a run at the beginning of an epoch, once."""

    at = 0

    def on_epoch_begin(self, ctx):
        if ctx.epoch == Crash.at:
            raise RuntimeError("crash")


class Counting(Callback):
    """Remembers something by itself, and lets training depend on it."""

    def on_begin(self, ctx):
        self.batches, self.weights = 0, torch.zeros(2)

    def on_batch_end(self, ctx):
        self.batches += 1
        ctx.lr = 0.02 / (1 + self.batches / 10)
        self.weights += 1


class Touching(Callback):
    """Makes the optimizer a torch object in the third epoch."""

    def on_epoch_begin(self, ctx):
        if ctx.epoch == 3:
            assert ctx.optimizer is not None


class Growing:
    """A sampler with a memory, and random numbers of its own."""

    def __init__(self):
        self.epochs, self.generator = 0, torch.Generator().manual_seed(3)

    def __call__(self, task, generator):
        self.epochs += 1
        return torch.randperm(task.nrow, generator=self.generator)[: 20 + self.epochs].tolist()


def learner(folder, callbacks=(), optimizer="adam", resume=True, layers=LAYERS, validate=None, keep=2, freq=1, **settings):
    checkpoint = t_clbk("checkpoint", path=str(folder), keep=keep, freq=freq)
    settings = {"shuffle": True, "predict_type": "prob", "epochs": EPOCHS, **settings}
    graph = by_hand.graph([Crash(), *callbacks, checkpoint], optimizer, layers=layers, resume=resume or None, **settings)
    return as_learner(graph, validate=validate)


def crashed(make, at):
    """The learner that `make` makes, which is trained until an epoch and then by another one to the end."""
    Crash.at = at
    with pytest.raises(RuntimeError, match="crash"):
        make().train(by_hand.TASK)
    Crash.at = 0
    return make().train(by_hand.TASK)


def alike(one, other):
    states = [each.model["torch_model_classif"] for each in (one, other)]
    for (name, a), b in zip(states[0].network.state_dict().items(), states[1].network.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    assert one.history.equals(other.history)
    for name in ("seed", "epochs", "best_epoch", "internal_valid_scores"):
        assert getattr(states[0], name) == getattr(states[1], name), name


WATCHED = {"validate": 0.3, "measures_valid": ["classif.logloss", "classif.auc"], "measures_train": ["classif.acc"]}
VARIANTS = {
    "adam": {},
    "rmsprop": {"optimizer": "rmsprop"},
    "momentum, no rules": {"optimizer": "sgd", "engine": "autograd"},
    "an object": {"optimizer": torch.optim.NAdam},
    "an object from the third epoch": {"callbacks": [Touching()]},
    "best weights": {**WATCHED, "restore_best_weights": True},
    "stopped early": {**WATCHED, "patience": 1, "min_delta": 0.5, "epochs": 30},
    "exponential average": {**WATCHED, "callbacks": [t_clbk("ema", decay=0.8)]},
    "average by epochs": {"callbacks": [t_clbk("ema", decay=0.8, by="epoch")]},
    "equal average": {"callbacks": [t_clbk("swa", start=2)]},
    "schedules": {"callbacks": [t_clbk("lr_warmup", total_iters=3), t_clbk("lr_cosine_annealing")], "optimizer": "sgd"},
    "one cycle": {"callbacks": [t_clbk("lr_one_cycle", max_lr=0.1)], "optimizer": "sgd"},
    "plateau": {**WATCHED, "callbacks": [t_clbk("lr_reduce_on_plateau", patience=0, threshold=0.5)]},
    "unfreezing": {"callbacks": [t_clbk("unfreeze", starting_weights=["head"], unfreeze={3: ["linear"]})]},
    "gradients": {"callbacks": [t_clbk("accumulate", batches=3), t_clbk("clip_grad_norm", max_norm=0.1)]},
    "own state": {"callbacks": [Counting()]},
    "stratified": {"batch_sampler": t_sampler("stratified", min_per_stratum=5), "batch_size": UNSET},
    "evaluated now and then": {**WATCHED, "eval_freq": 4},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_going_on_is_as_if_nothing_had_happened(name, tmp_path):
    settings, at = VARIANTS[name], 2 + 2 * (len(name) % 2)
    if name == "stopped early":
        at = 2
    whole = learner(tmp_path / "whole", **settings).train(by_hand.TASK)
    alike(whole, crashed(lambda: learner(tmp_path / "broken", **settings), at))


def test_a_sampler_with_a_memory(tmp_path):
    whole = learner(tmp_path / "whole", sampler=Growing()).train(by_hand.TASK)
    alike(whole, crashed(lambda: learner(tmp_path / "broken", sampler=Growing()), 4))


def test_by_node_and_without_random_numbers(tmp_path):
    def make(folder):
        made = learner(tmp_path / folder, shuffle=False)
        made.params["torch_optimizer.lr"] = {"head": 0.1, "*": 0.01}
        return made

    alike(make("whole").train(by_hand.TASK), crashed(partial(make, "broken"), 3))


def test_a_seed_that_was_drawn_is_kept(tmp_path):
    Crash.at = 4
    with pytest.raises(RuntimeError, match="crash"):
        learner(tmp_path, seed=None).train(by_hand.TASK)
    Crash.at = 0
    first = learner(tmp_path, seed=None).train(by_hand.TASK).model["torch_model_classif"].seed
    assert learner(tmp_path, seed=None).train(by_hand.TASK).model["torch_model_classif"].seed == first


def test_every_few_epochs_and_the_last(tmp_path):
    learner(tmp_path / "a", freq=4, keep=None).train(by_hand.TASK)
    assert list(written(tmp_path / "a")) == [4, 6]
    learner(tmp_path / "b", keep=3).train(by_hand.TASK)
    assert list(written(tmp_path / "b")) == [4, 5, 6]
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == [f"epoch{k:06d}.pipeops" for k in (4, 5, 6)]


def test_all_epochs_done_returns_the_model(tmp_path):
    steps = []
    count = torch_callback("count", on_batch_end=lambda ctx: steps.append(ctx.epoch))
    first = learner(tmp_path, [count], **WATCHED).train(by_hand.TASK)
    done = len(steps)
    again = learner(tmp_path, [count], **WATCHED).train(by_hand.TASK)
    assert len(steps) == done
    alike(first, again)
    more = learner(tmp_path, [count], **WATCHED, epochs=9).train(by_hand.TASK)
    assert steps[done:] == [e for e in (7, 8, 9) for _ in range(3)]
    assert more.history["epoch"].to_list() == list(range(1, 10))


def test_a_run_that_stopped_early_is_done(tmp_path):
    settings = VARIANTS["stopped early"]
    first = learner(tmp_path, **settings).train(by_hand.TASK)
    assert first.history.height < 30
    alike(first, learner(tmp_path, **settings).train(by_hand.TASK))


def test_damaged_files_are_passed_over(tmp_path):
    whole = learner(tmp_path / "whole").train(by_hand.TASK)
    Crash.at = 5
    with pytest.raises(RuntimeError, match="crash"):
        learner(tmp_path / "broken").train(by_hand.TASK)
    Crash.at = 0
    newest = written(tmp_path / "broken")[4]
    newest.write_bytes(newest.read_bytes()[:-100])
    with pytest.warns(UserWarning, match="cannot be read, an older one is taken"):
        alike(whole, learner(tmp_path / "broken").train(by_hand.TASK))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"optimizer": "sgd"}, "another optimizer"),
        ({"layers": [nn("batch_norm1d")]}, "another graph"),
        ({"batch_size": 8}, "another 'batch_size'"),
        ({"seed": 5}, "another 'seed'"),
        ({"callbacks": [t_clbk("ema")]}, "another set of callbacks"),
        ({"validate": 0.2}, "other training rows"),
        ({"validate": by_hand.TASK}, "other validation data"),
    ],
)
def test_another_run_is_refused(change, says, tmp_path):
    learner(tmp_path, epochs=2).train(by_hand.TASK)
    with pytest.raises(ConfigError, match=says):
        learner(tmp_path, **{"epochs": 2, **change}).train(by_hand.TASK)


def test_other_settings_of_a_callback_are_refused(tmp_path):
    def made(size):
        return learner(tmp_path, epochs=2, callbacks=[t_clbk("lr_step", step_size=size), t_clbk("history")])

    made(5).train(by_hand.TASK)
    with pytest.raises(ConfigError, match=r"another 'lr_step\.step_size'"):
        made(6).train(by_hand.TASK)
    made(5).train(by_hand.TASK)


def test_a_schedule_over_all_epochs_takes_no_more_of_them(tmp_path):
    def made(**settings):
        epochs = settings.pop("epochs", 2)
        return learner(tmp_path, epochs=epochs, callbacks=[t_clbk("lr_cosine_annealing", **settings)])

    made().train(by_hand.TASK)
    with pytest.raises(ConfigError, match="schedule has 2 steps, this run's 4"):
        made(epochs=4).train(by_hand.TASK)


def test_an_average_goes_on_from_where_it_began(tmp_path):
    """Its start is three quarters of the epochs that there were to be at first."""
    learner(tmp_path, [t_clbk("swa")], epochs=4).train(by_hand.TASK)
    longer = learner(tmp_path, [t_clbk("swa")], epochs=8).train(by_hand.TASK)
    kept = longer.model["torch_model_classif"].callbacks["swa"]
    assert (kept["start"], kept["number"]) == (4, 5)


def test_training_on_writes_where_training_wrote(tmp_path):
    trained = learner(tmp_path, epochs=2).train(by_hand.TASK)
    trained.train_more(by_hand.TASK, epochs=2)
    assert list(written(tmp_path)) == [3, 4]  # the newest two are kept
    again = learner(tmp_path, epochs=4).train(by_hand.TASK)
    alike(trained, again)
    with pytest.raises(ConfigError, match="another task"):
        trained.train_more(by_hand.task_of(by_hand.FRAME, id="other"), epochs=1)


def test_another_task_is_refused(tmp_path):
    learner(tmp_path, epochs=2).train(by_hand.TASK)
    with pytest.raises(ConfigError, match="another task"):
        learner(tmp_path, epochs=2).train(by_hand.task_of(by_hand.FRAME, id="other"))
    frame = by_hand.FRAME
    with pytest.raises(ConfigError, match="other features or targets"):
        learner(tmp_path, epochs=2).train(by_hand.task_of(frame.with_columns(x0=frame["x0"] + 1)))


def test_refused_without_resume_or_a_folder(tmp_path):
    learner(tmp_path, epochs=2, resume=False).train(by_hand.TASK)
    with pytest.raises(ConfigError, match="holds checkpoints of another run; resume="):
        learner(tmp_path, epochs=2, resume=False).train(by_hand.TASK)
    with pytest.raises(ConfigError, match="set 'path'"):
        by_hand.trained([t_clbk("checkpoint")])
    with pytest.raises(ConfigError, match="resume=True goes on from the folder"):
        by_hand.trained([], resume=True)
    with pytest.raises(ConfigError, match="must be the path of a folder"):
        by_hand.trained([t_clbk("checkpoint", path=lambda: 3)])
    with pytest.raises(ConfigError, match="'strange' holds .* no plain data"):
        learner(tmp_path / "b", [Strange()]).train(by_hand.TASK)


class Strange(Callback):
    """Remembers what cannot be written."""

    def on_begin(self, ctx):
        self.path = Named()


class Named:
    """No plain data."""


@pytest.mark.parametrize(("callbacks", "together"), [([], 2), ([Crash()], 1), ([t_clbk("lr_cosine_annealing")], 2)])
def test_folds_with_folders_of_their_own(callbacks, together, tmp_path):
    """A fold that dies goes on from its own checkpoint; the others are done."""

    def folder(ctx):
        return tmp_path / ctx.run_id

    def make():
        checkpoint = t_clbk("checkpoint", path=folder)
        graph = by_hand.graph([*callbacks, checkpoint], layers=LAYERS, shuffle=True, predict_type="prob", resume=True)
        return as_learner(graph)

    whole = resample(by_hand.TASK, make(), rsmp("cv", folds=2), seed=1, store_models=True)
    scores = whole.score("classif.logloss")
    assert {learner.model["torch_model_classif"].vectorized for learner in whole.learners()} == {together}
    first = {path.name: written(path) for path in tmp_path.iterdir()}
    assert len(first) == 2
    for late, files in enumerate(first.values()):
        for epoch in range(4 + late, EPOCHS + 1):
            files[epoch].unlink()
    again = resample(by_hand.TASK, make(), rsmp("cv", folds=2), seed=1)
    found = again.score("classif.logloss")["classif.logloss"]
    assert np.allclose(scores["classif.logloss"], found, rtol=1e-5)  # folds at other epochs keep other company: rounding
    assert {path.name for path in tmp_path.iterdir()} == set(first)


@pytest.mark.parametrize("vectorized", [True, False])
def test_folds_that_share_a_folder_are_refused(vectorized, tmp_path):
    learner = as_learner(by_hand.graph([t_clbk("checkpoint", path=str(tmp_path / "a"))], epochs=2))
    with pytest.raises(ConfigError, match="another run"):
        resample(by_hand.TASK, learner, rsmp("cv", folds=2), vectorized=vectorized)


def _run(folder, done):
    """What a child process does: trains, and says when it is ready."""
    made = learner(folder, epochs=40, keep=2, **{**WATCHED, "restore_best_weights": True}).train(by_hand.TASK)
    np.save(done, made.predict(by_hand.TASK).prob)


def _killed(folder, done, after):
    """Whether a child process that trains was killed after so many seconds, before it was done."""
    child = os.fork()
    if child == 0:
        try:
            _run(folder, done)
        finally:
            os._exit(0)
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("kills", [3, pytest.param(30, marks=pytest.mark.slow)])
def test_kill_9_at_any_moment_costs_at_most_an_epoch(kills, tmp_path):
    torch.set_num_threads(1)
    dice, folder, done = random.Random(kills), tmp_path / "broken", tmp_path / "done.npy"
    learner(tmp_path / "whole", epochs=1, **WATCHED).train(by_hand.TASK)  # what is imported late is there in the children
    died = reached = 0
    while died < kills:
        before = max(written(folder), default=0)
        died += _killed(folder, done, dice.uniform(0.02, 0.3))
        reached = max(written(folder), default=0)
        assert reached >= before
        assert len(list(folder.iterdir() if folder.exists() else [])) <= 4
        if reached == 40:
            for path in written(folder).values():
                path.unlink()
    made = learner(folder, epochs=40, **{**WATCHED, "restore_best_weights": True}).train(by_hand.TASK)
    whole = learner(tmp_path / "reference", epochs=40, **{**WATCHED, "restore_best_weights": True}).train(by_hand.TASK)
    alike(whole, made)
