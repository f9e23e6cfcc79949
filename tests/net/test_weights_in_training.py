"""Callbacks that act on gradients and weights: clipping, accumulating, averages, freezing; beside loops by hand in torch."""

import by_hand
import pytest
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn

from pipeops import nn, t_clbk, torch_callback
from pipeops.errors import ConfigError

NORM = [nn("batch_norm1d")]
BATCHES = torch.tensor(by_hand.X).split(by_hand.BATCH)


def test_clipped_norms():
    norms = []

    def begin(network, optimizer):
        return {"gradients": lambda: norms.append(torch.nn.utils.clip_grad_norm_(network.parameters(), 0.2))}

    learner, first = by_hand.trained([t_clbk("clip_grad_norm", max_norm=0.2)], "sgd")
    by_hand.close(learner.network, by_hand.loop(first, "sgd", begin=begin))
    assert max(norms) > 0.2  # some were clipped


def test_clipped_values():
    def begin(network, optimizer):
        return {"gradients": lambda: torch.nn.utils.clip_grad_value_(network.parameters(), 0.01)}

    learner, first = by_hand.trained([t_clbk("clip_grad_value", clip_value=0.01)], "sgd")
    by_hand.close(learner.network, by_hand.loop(first, "sgd", begin=begin))


def test_accumulated_gradients_are_those_of_one_large_batch():
    """All but the last batch have 16 rows, so the mean of two is that of 32; clipping sees the sum."""
    clip = t_clbk("clip_grad_norm", max_norm=0.2)
    whole, _ = by_hand.trained([clip], "sgd", batch_size=32, sampler=lambda task, generator: range(32))
    steps = []
    by_hand.trained([t_clbk("accumulate", batches=2), torch_callback("n", on_batch_end=lambda ctx: steps.append(ctx.hold))])
    assert steps == [True, False, True, False] * 6
    several, _ = by_hand.trained(
        [clip, t_clbk("accumulate", batches=2)], "sgd", batch_size=16, sampler=lambda task, generator: range(32)
    )
    by_hand.close(several.network, whole.network)


def test_what_is_left_at_the_end_of_an_epoch_is_a_step():
    steps = []
    by_hand.trained(
        [t_clbk("accumulate", batches=3), torch_callback("n", on_batch_end=lambda ctx: steps.append(ctx.hold))], epochs=2
    )
    assert steps == [True, True, False, False] * 2


@pytest.mark.parametrize("by", ["batch", "epoch"])
def test_exponential_average(by):
    averaged = []

    def begin(network, optimizer):
        averaged.append(AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.8)))
        return {by: lambda *_: averaged[0].update_parameters(network)}

    learner, first = by_hand.trained([t_clbk("ema", decay=0.8, by=by)], layers=NORM)
    network = by_hand.loop(first, begin=begin)
    for a, b in zip(learner.network.parameters(), averaged[0].module.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    running, theirs = learner.network.batch_norm1d.running_mean, network.batch_norm1d.running_mean
    torch.testing.assert_close(running, theirs, rtol=1e-3, atol=1e-4)
    assert learner.model["torch_model_classif"].engine == "rules"


def test_validation_sees_the_average_and_training_goes_on_from_the_weights():
    seen = []
    look = torch_callback("look", on_valid_end=lambda ctx: seen.append(ctx.network.head.weight.detach().clone()))
    learner, _ = by_hand.trained([t_clbk("ema", decay=0.9), look], validate=by_hand.TASK, measures_valid=["classif.logloss"])
    plain, _ = by_hand.trained([t_clbk("ema", decay=0.9)])
    assert torch.equal(seen[-1], learner.network.head.weight)
    assert torch.equal(plain.network.head.weight, learner.network.head.weight)
    score = learner.predict(by_hand.TASK).score("classif.ce")
    assert learner.history["valid.classif.logloss"][-1] == pytest.approx(learner.internal_valid_scores["classif.logloss"])
    assert 0 <= score < 0.5


def test_best_weights_are_those_that_were_scored():
    options = {"validate": by_hand.TASK, "measures_valid": ["classif.logloss"], "restore_best_weights": True}
    learner, _ = by_hand.trained([t_clbk("ema", decay=0.5)], epochs=8, **options)
    best = learner.history["valid.classif.logloss"][learner.best_epoch - 1]
    learner.predict_type = "prob"
    assert learner.predict(by_hand.TASK).score("classif.logloss") == pytest.approx(best, rel=1e-5)


def test_equal_average_of_the_last_epochs():
    averaged = []

    def begin(network, optimizer):
        averaged.append(AveragedModel(network))
        return {"epoch": lambda number: averaged[0].update_parameters(network) if number in (3, 5) else None}

    learner, first = by_hand.trained([t_clbk("swa", start=3, freq=2)], layers=NORM)
    by_hand.loop(first, begin=begin)
    update_bn([[x] for x in BATCHES], averaged[0])
    by_hand.close(learner.network, averaged[0].module)


def test_unfreezing():
    """The head alone in epochs 1 and 2, the first layer's bias from 3, all of it from 5."""
    learner, first = by_hand.trained(
        [t_clbk("unfreeze", starting_weights=["head"], unfreeze={3: ["linear.bias"], 5: "linear"})], "adam"
    )

    def begin(network, optimizer):
        network.linear.requires_grad_(False)

        def epoch(number):
            network.linear.bias.requires_grad_(number >= 2)
            network.linear.weight.requires_grad_(number >= 4)

        return {"epoch": epoch}

    by_hand.close(learner.network, by_hand.loop(first, "adam", begin=begin))


def test_frozen_layers_keep_their_weights():
    learner, first = by_hand.trained([t_clbk("unfreeze", starting_weights=["*.bias"])])
    assert torch.equal(learner.network.linear.weight, first.linear.weight)
    assert not torch.equal(learner.network.linear.bias, first.linear.bias)


@pytest.mark.parametrize(
    ("key", "settings", "says"),
    [
        ("unfreeze", {}, "set 'starting_weights'"),
        ("unfreeze", {"starting_weights": ["hed"]}, "starting_weights names 'hed'.*Did you mean 'head'"),
        ("unfreeze", {"starting_weights": ["head"], "unfreeze": {2: ["nothing"]}}, r"unfreeze\[2\] names 'nothing'"),
        ("unfreeze", {"starting_weights": [], "unfreeze": {2: ["head"]}}, "nothing would be trained"),
        ("unfreeze", {"starting_weights": ["head"], "unfreeze": {0: ["linear"]}}, "by epoch"),
        ("clip_grad_norm", {}, "set 'max_norm'"),
        ("accumulate", {}, "set 'batches'"),
        ("swa", {"start": 9}, "there are 6"),
        ("ema", {"decay": 2}, "must be in"),
    ],
)
def test_refused(key, settings, says):
    with pytest.raises(ConfigError, match=says):
        by_hand.trained([t_clbk(key, **settings)])
