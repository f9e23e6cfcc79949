"""Schedules of the learning rate: rates, momenta and weights are those of torch's schedulers in a loop by hand."""

from functools import partial

import by_hand
import pytest
import torch
from torch.optim import lr_scheduler

from pipeops import as_learner, t_clbk, torch_callback
from pipeops.errors import ConfigError
from pipeops.net.optimizers.fused import FusedStepper
from pipeops.params import UNSET

EPOCHS, STEPS = 6, 4


def half(epoch):
    return 0.5**epoch


def nine_tenths(epoch):
    return 0.9


SCHEDULES = [
    ("lr_cosine_annealing", {"T_max": 4, "eta_min": 0.001}, lr_scheduler.CosineAnnealingLR, "epoch"),
    ("lr_step", {"step_size": 2, "gamma": 0.3}, lr_scheduler.StepLR, "epoch"),
    ("lr_lambda", {"lr_lambda": half}, lr_scheduler.LambdaLR, "epoch"),
    ("lr_multiplicative", {"lr_lambda": nine_tenths}, lr_scheduler.MultiplicativeLR, "epoch"),
    ("lr_warmup", {"start_factor": 0.1, "total_iters": 3}, lr_scheduler.LinearLR, "epoch"),
    ("lr_warmup", {"start_factor": 0.2, "total_iters": 9, "by": "batch"}, lr_scheduler.LinearLR, "batch"),
    ("lr_scheduler", {"make": partial(lr_scheduler.ExponentialLR, gamma=0.8)}, None, "epoch"),
    ("lr_one_cycle", {"max_lr": 0.2}, partial(lr_scheduler.OneCycleLR, total_steps=EPOCHS * STEPS), "batch"),
]


def by_torch(make, when, rates, optimizer):
    """The hooks of a loop by hand that steps a scheduler and notes what the optimizer is set to."""
    scheduler = make(optimizer)

    def note(*_):
        group = optimizer.param_groups[0]
        rates.append((group["lr"], group.get("momentum"), group.get("betas")))

    def epoch(number):
        if when == "epoch":
            scheduler.step()
        note()

    return {"batch": scheduler.step, "epoch": epoch} if when == "batch" else {"epoch": epoch}


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize(("key", "settings", "cls", "when"), SCHEDULES)
def test_numbers_are_those_of_torch(key, settings, cls, when, optimizer):
    seen, rates = [], []

    def note(ctx):
        group = ctx.stepper.groups[0]
        seen.append((ctx.lr, group.get("momentum"), group.get("betas")))
        assert isinstance(ctx.stepper, FusedStepper)

    learner, first = by_hand.trained([t_clbk(key, **settings), torch_callback("note", on_epoch_end=note)], optimizer)
    own = {n: v for n, v in settings.items() if n not in ("by", "make")}
    make = settings.get("make") or partial(cls, **own)
    network = by_hand.loop(first, optimizer, begin=lambda n, o: by_torch(make, when, rates, o))
    for mine, theirs in zip(seen, rates, strict=True):
        assert mine[0] == pytest.approx(theirs[0], rel=1e-12)
        assert mine[1:] == theirs[1:]
    by_hand.close(learner.network, network)


def test_plateau_watches_the_validation_measure():
    """Half of the rate after two evaluations without a better one, as torch says it from the scores in the history."""
    seen = []
    note = torch_callback("note", on_epoch_end=lambda ctx: seen.append(ctx.lr))
    plateau = t_clbk("lr_reduce_on_plateau", factor=0.5, patience=1, threshold=0.05, threshold_mode="abs")
    for measure, mode in (("classif.logloss", "min"), ("classif.acc", "max")):
        seen.clear()
        learner, _ = by_hand.trained([plateau, note], "adam", validate=0.3, epochs=12, measures_valid=[measure])
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.02)
        scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, mode, 0.5, 1, 0.05, "abs")
        rates = []
        for score in learner.history[f"valid.{measure}"]:
            scheduler.step(score)
            rates.append(optimizer.param_groups[0]["lr"])
        assert seen == rates
        assert rates[-1] < 0.02


def test_plateau_without_validation_watches_the_training_loss():
    plateau = t_clbk("lr_reduce_on_plateau", factor=0.5, patience=0, threshold=10.0, threshold_mode="abs")
    seen = []
    by_hand.trained([plateau, torch_callback("note", on_epoch_end=lambda ctx: seen.append(ctx.lr))], epochs=3)
    assert seen == [0.02, 0.01, 0.005]


def test_two_schedules_follow_one_another():
    rates, seen = [], []
    warm, fall = t_clbk("lr_warmup", start_factor=0.1, total_iters=3), t_clbk("lr_multiplicative", lr_lambda=nine_tenths)
    by_hand.trained([warm, fall, torch_callback("note", on_epoch_end=lambda ctx: seen.append(ctx.lr))])
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=0.02)
    both = lr_scheduler.LinearLR(optimizer, 0.1, 1.0, 3), lr_scheduler.MultiplicativeLR(optimizer, nine_tenths)
    for _ in range(EPOCHS):
        optimizer.step()
        for scheduler in both:
            scheduler.step()
        rates.append(optimizer.param_groups[0]["lr"])
    assert seen == pytest.approx(rates, rel=1e-12)


def test_rates_by_node_keep_their_ratio():
    seen = []
    note = torch_callback("note", on_epoch_end=lambda ctx: seen.append([group["lr"] for group in ctx.stepper.groups]))
    graph = by_hand.graph([t_clbk("lr_step", step_size=1), note])
    graph.params["torch_optimizer.lr"] = {"head": 0.5, "*": 0.1}
    as_learner(graph).train(by_hand.TASK)
    assert [pair[0] for pair in seen] == pytest.approx([0.1**k for k in range(2, 8)])
    assert [pair[1] / pair[0] for pair in seen] == pytest.approx([5.0] * 6)


def test_the_engine_stays():
    by_epoch, _ = by_hand.trained([t_clbk("lr_step", step_size=2)])
    by_batch, _ = by_hand.trained([t_clbk("lr_one_cycle", max_lr=0.1)])
    assert by_epoch.model["torch_model_classif"].engine == "rules"
    assert by_batch.model["torch_model_classif"].engine == "rules"


@pytest.mark.parametrize(
    ("callback", "options", "says"),
    [
        (partial(t_clbk, "lr_step"), {}, "lr_step: set 'step_size'"),
        (partial(t_clbk, "lr_step", step_size=0), {}, "must be in"),
        (partial(t_clbk, "lr_lambda"), {}, "set 'lr_lambda'"),
        (partial(t_clbk, "lr_one_cycle", max_lr=0.1, pct_start=2.0), {}, "must be in"),
        (partial(t_clbk, "lr_one_cycle", max_lr=[0.1, 0.2]), {}, "torch refuses"),
        (
            partial(t_clbk, "lr_one_cycle", max_lr=0.1),
            {"batch_size": UNSET, "batch_sampler": "stratified"},
            "set steps_per_epoch",
        ),
        (partial(t_clbk, "lr_one_cycle", max_lr=0.1), {"optimizer": "adagrad"}, "torch refuses"),
        (partial(t_clbk, "lr_reduce_on_plateau", factor=1.0), {}, "torch refuses"),
        (partial(t_clbk, "lr_scheduler", make=lr_scheduler.StepLR), {}, "lr_scheduler: torch refuses"),
    ],
)
def test_refused(callback, options, says):
    with pytest.raises(ConfigError, match=says):
        by_hand.trained([callback()], **options)
