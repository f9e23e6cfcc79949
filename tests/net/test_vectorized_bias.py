"""Losses that do not see a constant: the gradient of the last bias is zero, so that no optimizer makes steps of rounding."""

import numpy as np
import pytest
import torch

from pipeops import as_learner, as_task_classif, nn, po, resample, rsmp
from pipeops.net import Callback

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 4))
TASK = as_task_classif(X, (X[:, 0] + RNG.normal(size=90) > 0.5).astype(int))
HEAD = nn("linear", out_features=8) >> nn("relu") >> nn("head")


def learner(loss, optimizer, layers=HEAD, callbacks=(), o=(), l=(), **settings):  # noqa: E741
    graph = (
        po("torch_ingress_num")
        >> layers
        >> po("torch_loss", loss=loss, **dict(l))
        >> po("torch_optimizer", optimizer=optimizer, lr=0.02, **dict(o))
        >> po("torch_callbacks", callbacks=list(callbacks))
        >> po("torch_model_classif", **{"epochs": 6, "batch_size": 32, "predict_type": "prob", **settings})
    )
    return as_learner(graph)


def run(vectorized, *args, **settings):
    result = resample(
        TASK, learner(*args, **settings), rsmp("cv", folds=4), seed=1, store_models=True, vectorized=vectorized, progress=False
    )
    states = [each.model["torch_model_classif"] for each in result.learners()]
    return [state.vectorized for state in states], result.predictions()["prob.1"].to_numpy()


@pytest.mark.parametrize("loss", ["hinge_pairs", "square_pairs", "aum", "cross_entropy"])
@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "sgd"])
def test_numbers_are_those_of_serial_training(loss, optimizer):
    together, prob = run(True, loss, optimizer)
    alone, expected = run(False, loss, optimizer)
    assert (together, alone) == ([4] * 4, [1] * 4)
    np.testing.assert_allclose(prob, expected, atol=1e-5)


@pytest.mark.parametrize("engine", ["auto", "autograd"])
@pytest.mark.parametrize("loss", ["hinge_pairs", "square_pairs", "aum"])
def test_the_last_bias_stays_but_for_decay(loss, engine):
    begun = learner(loss, "adam", seed=1, epochs=0).train(TASK).network.head.bias
    same = learner(loss, "adam", seed=1, engine=engine).train(TASK)
    decayed = learner(loss, "adamw", seed=1, engine=engine, o={"weight_decay": 0.5}).train(TASK)
    assert torch.equal(same.network.head.bias, begun)
    torch.testing.assert_close(decayed.network.head.bias, begun * (1 - 0.02 * 0.5) ** 18)


def own(input, target):
    """The difference of the means of two classes, between -1 and 1."""
    return torch.tanh((input[target == 0].mean() - input[target == 1].mean()).nan_to_num())


own.only_reads = own.shift_invariant = True


def test_a_loss_of_ones_own_says_that_it_does_not_see_a_constant():
    begun = learner(own, "adam", seed=1, epochs=0).train(TASK).network.head.bias
    assert torch.equal(learner(own, "adam", seed=1).train(TASK).network.head.bias, begun)
    together, prob = run(True, own, "adam")
    assert together == [4] * 4
    np.testing.assert_allclose(prob, run(False, own, "adam")[1], atol=1e-5)


class Doubling(Callback):
    """Lets the loss see another score than the head's."""

    def on_begin(self, ctx):
        ctx.network.head.register_forward_hook(lambda module, args, out: out * (1 + module.bias))


@pytest.mark.parametrize(
    ("settings", "together"),
    [
        ({"l": {"ties": "mean"}}, 1),
        ({"layers": HEAD >> nn("sigmoid")}, 1),
        ({"layers": nn("linear", out_features=8) >> nn("relu") >> nn("head", bias=False)}, 4),
        ({"callbacks": [Doubling()]}, 1),
    ],
)
def test_other_ends_keep_their_gradients(settings, together):
    """Ties that are no gradient, a bias that the loss does see, none at all, something that listens."""
    assert run(True, "aum", "adam", **settings)[0] == [together] * 4
    begun, trained = (learner("aum", "adam", seed=1, epochs=n, **settings).train(TASK).network.head.bias for n in (0, 6))
    assert begun is None or not torch.equal(begun, trained)
