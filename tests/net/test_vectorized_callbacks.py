"""The library's callbacks within the steps of the engine: each network as by autograd and alone, and several as one."""

import math

import numpy as np
import pytest
import torch
from test_vectorized import check, folds, learner, state, task, train

from pipeops import nn, t_clbk
from pipeops.net import Callback
from pipeops.net.callbacks.arithmetic import is_arithmetic

CALLBACKS = {
    "norms": [t_clbk("clip_grad_norm", max_norm=0.05)],
    "largest norms": [t_clbk("clip_grad_norm", max_norm=0.05, norm_type=float("inf"))],
    "values": [t_clbk("clip_grad_value", clip_value=0.01)],
    "averages": [t_clbk("ema", decay=0.8)],
    "averages of epochs": [t_clbk("ema", decay=0.8, by="epoch")],
    "one cycle": [t_clbk("lr_one_cycle", max_lr=0.1)],
    "warmup": [t_clbk("lr_warmup", total_iters=7, by="batch")],
    "several": [t_clbk("lr_one_cycle", max_lr=0.1), t_clbk("ema", decay=0.7), t_clbk("clip_grad_norm", max_norm=0.1)],
}
NORMS = nn("linear", out_features=8, bias=False) >> nn("batch_norm1d") >> nn("relu") >> nn("dropout", p=0.2) >> nn("head")


@pytest.mark.parametrize("name", CALLBACKS)
def test_each_is_as_by_autograd_and_alone(name):
    one = learner(NORMS, callbacks=CALLBACKS[name], measures_valid=["classif.logloss"], patience=3)
    made = check(one, valid=True)
    trains, tests = folds(task())
    general = learner(NORMS, callbacks=CALLBACKS[name], measures_valid=["classif.logloss"], patience=3, engine="autograd")
    slow = train([general.seeded(10)], trains[:1], tests[:1])[0]
    assert [state(each).engine for each in (*made, slow)] == ["rules"] * 3 + ["autograd"]
    for p, q in zip(state(made[0]).network.parameters(), state(slow).network.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-3, atol=1e-5)
    plain = train([learner(NORMS, measures_valid=["classif.logloss"], patience=3).seeded(10)], trains[:1], tests[:1])[0]
    assert not torch.allclose(state(plain).network.head.weight, state(made[0]).network.head.weight, rtol=1e-3, atol=1e-5)


def test_each_network_has_its_own_settings():
    """Rates, norms and lengths differ, and so do the sizes of the last batches."""
    made = []
    for i, (top, most) in enumerate([(0.1, 0.05), (0.02, 1.0), (0.1, 0.2)]):
        callbacks = [
            t_clbk("lr_one_cycle", max_lr=top),
            t_clbk("clip_grad_norm", max_norm=most),
            t_clbk("ema", decay=0.5 + i / 10),
        ]
        made.append(learner(optimizer="adamw", o_weight_decay=0.1, seed=i, epochs=3 + i, batch_size=10, callbacks=callbacks))
    assert {state(one).engine for one in check(made)} == {"rules"}


def test_by_the_twins_of_modules():
    """Losses without a rule go by autograd, and together all the same."""
    made = check(learner(loss="focal", callbacks=CALLBACKS["several"]))
    assert {state(one).engine for one in made} == {"autograd"}


class Halved(Callback):
    """One's own, in place."""

    in_place = True

    def on_after_backward(self, ctx):
        for param in ctx.network.parameters():
            param.grad.mul_(0.5)


class Heir(Halved):
    """Does not say so itself."""


def test_those_of_ones_own_may_say_that_they_work_in_place():
    halved = check(learner(optimizer="sgd", callbacks=[Halved()]))
    slower = check(learner(optimizer="sgd", o_lr=0.01))
    for one, other in zip(halved, slower, strict=True):
        torch.testing.assert_close(state(one).network.state_dict(), state(other).network.state_dict())
    made = check(learner(optimizer="sgd", callbacks=[Heir()]), together=1)
    assert {state(one).engine for one in made} == {"autograd"}


def test_gradients_that_add_up_go_by_autograd():
    made = check(learner(callbacks=[t_clbk("accumulate", batches=2), t_clbk("clip_grad_norm", max_norm=0.05)]), together=1)
    assert {state(one).engine for one in made} == {"autograd"}


# ---------------------------------------------------------------- between epochs


def falling(epoch, by=0.8):
    return max(by**epoch, 0.1) if epoch % 2 else math.cos(epoch / 10)


BETWEEN = {
    "equal averages": [t_clbk("swa", start=2)],
    "unfreezing": [t_clbk("unfreeze", starting_weights=["head"], unfreeze={2: ["linear"], 4: ["batch_norm1d"]})],
    "function": [t_clbk("lr_lambda", lr_lambda=falling)],
    "factor": [t_clbk("lr_multiplicative", lr_lambda=lambda epoch: 0.9)],
    "several": [t_clbk("unfreeze", starting_weights=["*.weight"], unfreeze={3: ["*.bias"]}), *CALLBACKS["several"][:2]],
}


@pytest.mark.parametrize("name", BETWEEN)
def test_what_happens_between_epochs_is_as_by_autograd_and_alone(name):
    made = check(learner(NORMS, callbacks=BETWEEN[name], epochs=5))
    slow = train([learner(NORMS, callbacks=BETWEEN[name], epochs=5, engine="autograd").seeded(10)], folds(task())[0][:1])[0]
    assert [state(each).engine for each in (*made, slow)] == ["rules"] * 3 + ["autograd"]
    torch.testing.assert_close(state(made[0]).network.state_dict(), state(slow).network.state_dict(), rtol=1e-3, atol=1e-5)


def test_networks_with_other_plans_of_freezing_go_apart():
    plans = [t_clbk("unfreeze", starting_weights=["head"], unfreeze={epoch: ["linear"]}) for epoch in (2, 3, 2)]
    made = train([learner(callbacks=[plan], seed=1) for plan in plans], folds(task())[0])
    assert [state(one).vectorized for one in made] == [2, 1, 2]
    assert ["networks trained as one: 2" in repr(state(one).summary()) for one in made] == [True, False, True]


calls, factor = [], 0.5


def counts(epoch):
    global factor
    factor *= 0.9
    return factor


def test_functions_that_are_more_than_arithmetic_are_alone():
    class Remembers:
        def __call__(self, epoch):
            return 1.0

    half = 0.5
    assert all(map(is_arithmetic, [falling, abs, math.sqrt, lambda e: half**e, lambda e: np.cos(e) * factor]))
    others = [counts, calls.append, Remembers(), lambda e: calls or 1.0, lambda e: np.random.rand(), lambda e: falling(e)]
    others += [lambda e, seen=[]: len(seen), lambda e: sum(1.0 for _ in range(e)), lambda e: setattr(math, "x", e) or 1.0]
    assert not any(map(is_arithmetic, others))
    check(learner(callbacks=[t_clbk("lr_lambda", lr_lambda=lambda e: len(calls) + 1.0)]), together=1)


# ---------------------------------------------------------------- settings by node


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "rmsprop", "adagrad"])
def test_rates_by_node_are_as_by_autograd_and_alone(optimizer):
    own = {"o_lr": {"head": 0.05, "*": 0.01}, "o_weight_decay": {":bias": 0.0, "*": 0.1}, "callbacks": BETWEEN["unfreezing"]}
    if optimizer == "sgd":
        own["o_momentum"] = {"head": 0.9}
    made = check(learner(NORMS, optimizer=optimizer, epochs=5, **own))
    slow = train([learner(NORMS, optimizer=optimizer, epochs=5, engine="autograd", **own).seeded(10)], folds(task())[0][:1])[0]
    assert [state(each).engine for each in (*made, slow)] == ["rules"] * 3 + ["autograd"]
    torch.testing.assert_close(state(made[0]).network.state_dict(), state(slow).network.state_dict(), rtol=1e-3, atol=1e-5)


def test_rates_by_node_may_differ_but_not_which_nodes():
    rates = [{"head": 0.1, "*": 0.01}, {"head": 0.05, "*": 0.03}, {"head": 0.01, "*": 0.01}]
    check([learner(seed=i, o_lr=rate) for i, rate in enumerate(rates[:2])], together=2, tasks=folds(task())[0][:2])
    made = train(
        [learner(seed=1, o_lr=rate) for rate in (*rates[:2], {"linear": 0.1, "*": 0.01, "head.bias": 0.2})], folds(task())[0]
    )
    assert [state(one).vectorized for one in made] == [2, 2, 1]
    one, other = train([learner(seed=1, o_lr=rates[2]), learner(seed=1, o_lr=0.01)], folds(task())[0][:1] * 2, alone=True)
    torch.testing.assert_close(state(one).network.state_dict(), state(other).network.state_dict(), rtol=0, atol=0)
