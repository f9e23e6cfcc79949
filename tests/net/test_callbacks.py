"""Callbacks: the order of stages, what they see and may change, their states; what is refused."""

import attrs
import pytest
import torch

from pipeops import as_learner, as_task_classif, load_learner, nn, po, t_clbk
from pipeops.errors import PipeOpsError
from pipeops.net import Callback, torch_callback
from pipeops.net.callbacks.base import STAGES, stages_of
from pipeops.params import integer

TASK = as_task_classif({"x": [float(i) for i in range(12)], "y": ["a", "b"] * 6}, target="y")
BATCH = ["on_batch_begin", "on_after_backward", "on_batch_end"]


def graph(*callbacks, optimizer="adam", **settings):
    return (
        po("torch_ingress_num")
        >> nn("head")
        >> po("torch_loss", loss="cross_entropy")
        >> po("torch_optimizer", optimizer=optimizer, lr=0.1)
        >> po("torch_callbacks", callbacks=list(callbacks))
        >> po("torch_model_classif", **{"epochs": 2, "batch_size": 6, "seed": 1, "predict_type": "prob", **settings})
    )


def model(learner):
    return learner.model["torch_model_classif"]


class Log(Callback):
    """Writes down every stage."""

    def __init__(self):
        self.seen = []


for _stage in STAGES:
    setattr(Log, _stage, lambda self, ctx, stage=_stage: self.seen.append(stage))


class Count(Callback):
    """Has a hyperparameter-free state of its own."""

    def on_begin(self, ctx):
        self.batches = 0
        self._private = object()

    def on_batch_end(self, ctx):
        self.batches += 1


@t_clbk.add("count_from_for_tests")
@attrs.define(eq=False, repr=False, slots=False)
class CountFrom(Callback):
    """Has a hyperparameter."""

    start: int = integer(0, default=0)

    def on_begin(self, ctx):
        self.batches = self.start

    def on_batch_end(self, ctx):
        self.batches += 1


def test_order_with_and_without_validation():
    epoch = ["on_epoch_begin", *BATCH, *BATCH, "on_before_valid"]
    valid = ["on_batch_valid_begin", "on_batch_valid_end", "on_valid_end"]
    plain = as_learner(graph(Log())).train(TASK)
    assert model(plain).callbacks["log"]["seen"] == ["on_begin", *[*epoch, "on_epoch_end"] * 2, "on_end", "on_exit"]
    with_valid = as_learner(graph(Log()), validate=TASK).train(TASK)
    assert model(with_valid).callbacks["log"]["seen"] == ["on_begin", *[*epoch, *valid, "on_epoch_end"] * 2, "on_end", "on_exit"]


def test_exit_is_called_when_training_fails():
    seen = []

    def fail(ctx):
        raise KeyError("mine")

    note = torch_callback("note", on_exit=lambda ctx: seen.append(ctx.epoch), on_end=lambda ctx: seen.append("end"))
    with pytest.raises(KeyError, match="mine"):
        graph(note, torch_callback("fail", on_batch_end=fail)).train(TASK)
    assert seen == [1]


def test_what_nobody_overrides_is_not_called():
    assert {s: len(calls) for s, calls in stages_of([Count(), t_clbk("history")]).items() if calls} == {
        "on_begin": 1,
        "on_batch_end": 1,
        "on_before_valid": 1,
        "on_epoch_end": 1,
    }


def test_context():
    facts = []

    def look(ctx):
        facts.append(
            (ctx.epoch, ctx.epochs, ctx.step, ctx.global_step, tuple(ctx.x[0].shape), tuple(ctx.y.shape), tuple(ctx.y_hat.shape))
        )
        assert ctx.last_loss == pytest.approx(ctx.loss(ctx.y_hat, ctx.y).item())
        assert ctx.task is TASK
        assert ctx.task_valid is None
        assert list(ctx.callbacks) == ["look", "history"]
        assert all(p.grad is not None for p in ctx.network.parameters())
        assert ctx.network.training

    graph(torch_callback("look", on_after_backward=look)).train(TASK)
    shapes = ((6, 1), (6, 1), (6, 1))
    assert facts == [(1, 2, 1, 1, *shapes), (1, 2, 2, 2, *shapes), (2, 2, 1, 3, *shapes), (2, 2, 2, 4, *shapes)]


def test_mode_of_the_network():
    """Training mode in every training batch, evaluation mode in validation and afterwards."""
    modes = []
    stages = ("on_batch_begin", "on_batch_valid_begin", "on_epoch_end")
    note = torch_callback("note", **{s: lambda ctx, s=s: modes.append((s, ctx.network.training)) for s in stages})
    learner = as_learner(graph(note, batch_size=12), validate=TASK).train(TASK)
    assert modes == [("on_batch_begin", True), ("on_batch_valid_begin", False), ("on_epoch_end", True)] * 2
    assert not learner.network.training


def test_terminate_stops_after_the_epoch():
    stop = torch_callback("stop", on_batch_end=lambda ctx: setattr(ctx, "terminate", True))
    learner = as_learner(graph(stop, Count(), epochs=9)).train(TASK)
    assert model(learner).epochs == 1
    assert model(learner).callbacks["count"] == {"batches": 2}


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop"])
def test_learning_rate_and_gradients_may_be_changed(optimizer):
    still = torch_callback("still", on_batch_begin=lambda ctx: setattr(ctx, "lr", 0.0))
    frozen = torch_callback("frozen", on_after_backward=lambda ctx: [p.grad.zero_() for p in ctx.network.parameters()])
    start = as_learner(graph(epochs=0)).train(TASK).network.head.weight
    for callback in (still, frozen):
        assert torch.equal(as_learner(graph(callback, optimizer=optimizer)).train(TASK).network.head.weight, start)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_torch_schedulers_work_on_the_optimizer_object(optimizer):
    class Schedule(Callback):
        def on_begin(self, ctx):
            self._schedule = torch.optim.lr_scheduler.StepLR(ctx.optimizer, step_size=1, gamma=0.5)
            self.rates = []

        def on_epoch_end(self, ctx):
            self.rates.append(ctx.lr)
            self._schedule.step()

    scheduled = as_learner(graph(Schedule(), optimizer=optimizer, epochs=3)).train(TASK)
    assert model(scheduled).callbacks["schedule"]["rates"] == [0.1, 0.05, 0.025]
    by_hand = torch_callback("by_hand", on_epoch_end=lambda ctx: setattr(ctx, "lr", ctx.lr / 2))
    other = as_learner(graph(by_hand, optimizer=optimizer, epochs=3)).train(TASK)
    torch.testing.assert_close(scheduled.network.head.weight, other.network.head.weight)


def test_the_ones_in_the_node_stay_as_they_were_made():
    mine = Log()
    learner = as_learner(graph(mine))
    runs = [len(model(learner.train(TASK)).callbacks["log"]["seen"]) for _ in range(2)]
    assert runs[0] == runs[1] > 0
    assert mine.seen == []


def test_states_are_saved(tmp_path):
    learner = as_learner(graph("count_from_for_tests")).train(TASK)
    learner.save(tmp_path / "learner")
    assert model(load_learner(tmp_path / "learner")).callbacks["count_from_for_tests"] == {"batches": 4}


def test_hyperparameters_of_callbacks():
    g = graph(t_clbk("count_from_for_tests", start=3))
    assert g.params["torch_callbacks.count_from_for_tests.start"] == 3
    g.params["torch_callbacks.count_from_for_tests.start"] = 10
    assert model(as_learner(g).train(TASK)).callbacks["count_from_for_tests"] == {"batches": 14}
    assert repr(g["torch_callbacks"]) == 'po("torch_callbacks", callbacks=[t_clbk("count_from_for_tests", start=10)])'


def test_two_nodes_add_up():
    first = graph(Count())
    g = po("torch_ingress_num") >> po("torch_callbacks", Log) >> [first["head"]]
    for node in ("torch_loss", "torch_optimizer", "torch_callbacks", "torch_model_classif"):
        g = g >> first[node]
    g.train(TASK)
    assert list(g.state["torch_model_classif"].callbacks) == ["log", "count", "history"]


def test_history_is_always_there():
    for callbacks in ([], ["history"]):
        learner = as_learner(graph(*callbacks, measures_train=["classif.acc"])).train(TASK)
        assert learner.history.columns == ["epoch", "train.classif.acc", "train.loss"]
        assert learner.history["epoch"].to_list() == [1, 2]
    assert as_learner(graph()).train(TASK).history.columns == ["epoch", "train.loss"]


def test_history_where_epochs_are_evaluated_on_both():
    learner = as_learner(
        graph(epochs=5, eval_freq=2, measures_train=["classif.ce"], measures_valid=["classif.ce"]), validate=TASK
    )
    assert learner.train(TASK).history["epoch"].to_list() == [2, 4, 5]
    assert learner.history.columns == ["epoch", "train.classif.ce", "train.loss", "valid.classif.ce"]


BAD = {
    "unknown key": (lambda: po("torch_callbacks", ["histori"]), KeyError, "history"),
    "unknown stage of a function": (lambda: torch_callback("x", on_bgin=print), TypeError, "on_begin"),
    "unknown stage of a class": (lambda: type("X", (Callback,), {"on_bgin": print}), TypeError, "on_begin"),
    "one id twice": (lambda: po("torch_callbacks", ["history", "history"]), ValueError, "history"),
    "one id in two nodes": (lambda: (po("torch_ingress_num") >> po("torch_callbacks", Count) >> po("torch_callbacks", Count))
                            .train(TASK), ValueError, "count"),
    "no callback": (lambda: po("torch_callbacks", [print]), ValueError, "Callback"),
    "hyperparameter of a stranger": (lambda: po("torch_callbacks", "progress").with_param("prgress.leave", False),
                                     KeyError, "progress"),
    "unknown hyperparameter": (lambda: po("torch_callbacks", "progress").with_param("progress.leav", False), KeyError, "leave"),
    "early stopping's id": (lambda: graph(type("EarlyStopping", (Callback,), {})()).train(TASK), ValueError, "early_stopping"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name):
    make, kind, words = BAD[name]
    with pytest.raises(kind, match=words) as error:
        make()
    assert isinstance(error.value, PipeOpsError)
