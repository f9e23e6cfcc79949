"""The optimizer that finds its own step size, against a hand-written loop with the line search."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pipeops import as_learner, as_task_classif, as_task_regr, nn, po, t_opt
from pipeops.errors import ConfigError
from pipeops.net.losses.aum import aum
from pipeops.net.optimizers.line_search import first_minimum


def frame(n=200, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)).astype(np.float32)
    noisy = x @ [1, -0.5, 0.25, 0] + 0.4 * rng.normal(size=n)
    return {**{f"x{i}": x[:, i] for i in range(4)}, "y": np.where(noisy > 1.2, "p", "n")}, x


def graph(*layers, epochs=8, **settings):
    network = po("torch_ingress_num")
    for layer in (*layers, nn("head")):
        network = network >> layer
    return (
        network
        >> po("torch_loss", loss="aum")
        >> po("torch_optimizer", optimizer="aum_line_search", **settings)
        >> po("torch_model_classif", epochs=epochs, batch_size=1000, shuffle=False, predict_type="prob", seed=3)
    )


def trained(*layers, task=None, **settings):
    """The network after training."""
    chain = graph(*layers, **settings)
    chain.train(task if task is not None else as_task_classif(frame()[0], target="y", positive="p"))
    return chain.state["torch_model_classif"].network


@pytest.mark.parametrize("max_steps", [None, 20, 100_000])
def test_each_step_is_the_one_taken_by_hand(max_steps):
    # step by step from the same weights, since over several steps the search amplifies rounding
    data, x = frame()
    x, label = torch.tensor(x), torch.tensor(data["y"] == "p").float()
    several = [trained(max_steps=max_steps, epochs=n) for n in range(4)]
    for network, after in pairwise(several):
        layer = network.head
        score = layer(x)
        gradients = torch.autograd.grad(aum(score, label), layer.parameters())
        direction = torch.nn.functional.linear(x, *(-g for g in gradients))
        best = first_minimum(score, direction, label, max_steps)
        assert best > 0
        torch.testing.assert_close(after.head.weight, layer.weight - best * gradients[0], atol=1e-5, rtol=1e-4)
        assert aum(after(x), label).item() < aum(score, label).item()


def test_no_epoch_makes_it_worse():
    data, x = frame(seed=1)
    task = as_task_classif(data, target="y", positive="p")
    label = torch.tensor(data["y"] == "p")
    values = [aum(trained(task=task, epochs=n)(torch.tensor(x)), label).item() for n in range(6)]
    assert all(after <= before + 1e-6 for before, after in pairwise(values))
    assert values[-1] < values[0]


def test_searches_the_network_as_it_predicts():
    # with dropout the gradient is noisy, but the step is that of the network without it
    data, x = frame(seed=1)
    task, x = as_task_classif(data, target="y", positive="p"), torch.tensor(x)
    label = torch.tensor(data["y"] == "p").float()
    network = trained(nn("dropout", p=0.5), task=task, epochs=0)
    weight, gradient = network.head.weight.detach().clone(), torch.tensor([[-1.0, 0.5, 0.0, 0.2]])
    best = first_minimum(network(x), -(x @ gradient.T), label)
    stepper = t_opt("aum_line_search").stepper(network.train())
    stepper.watch(SimpleNamespace(task=task, x=(x,), y=label))
    network.head.weight.grad = gradient.clone()
    stepper.step()
    assert best > 0
    torch.testing.assert_close(network.head.weight.detach(), weight - best * gradient)
    assert network.training
    assert network.head.weight.grad is None


def test_layers_before_the_last_take_plain_steps_of_size_lr():
    data, x = frame()
    layers = nn("linear", out_features=5), nn("relu")
    before, still, moved = (trained(*layers, epochs=n, lr=lr) for n, lr in ((0, 0.0), (1, 0.0), (1, 0.1)))
    assert torch.equal(still.linear.weight, before.linear.weight)
    label = torch.tensor(data["y"] == "p")
    aum(before(torch.tensor(x)), label).backward()
    torch.testing.assert_close(moved.linear.weight, before.linear.weight - 0.1 * before.linear.weight.grad)
    assert aum(still(torch.tensor(x)), label) < aum(before(torch.tensor(x)), label)


def test_learns_with_another_loss_and_in_batches():
    data, _ = frame(400, seed=2)
    task = as_task_classif(data, target="y", positive="p")
    chain = graph(epochs=5)
    chain.params["torch_model_classif.batch_size"] = 100
    learner = as_learner(chain)
    learner.train(task)
    assert learner.predict(task).score("classif.auc") > 0.9


@pytest.mark.parametrize("last", [nn("sigmoid"), nn("relu")])
def test_a_network_that_does_not_end_in_a_linear_layer_is_refused(last):
    network = po("torch_ingress_num") >> nn("head") >> last
    chain = (
        network
        >> po("torch_loss", loss="aum")
        >> po("torch_optimizer", optimizer="aum_line_search")
        >> po("torch_model_classif", epochs=1, batch_size=10)
    )
    with pytest.raises(ConfigError, match="must end in a linear layer"):
        chain.train(as_task_classif(frame()[0], target="y"))


def test_other_tasks_are_refused():
    def chain(model, loss):
        return (
            po("torch_ingress_num")
            >> nn("head")
            >> po("torch_loss", loss=loss)
            >> po("torch_optimizer", optimizer="aum_line_search")
            >> po(model, epochs=1, batch_size=10)
        )

    numbers = {"x": np.arange(6.0), "y": np.arange(6.0)}
    with pytest.raises(ConfigError, match="needs a task with two classes"):
        chain("torch_model_regr", "mse").train(as_task_regr(numbers, target="y"))
    three = as_task_classif({"x": np.arange(6.0), "y": [*"abcabc"]}, target="y")
    with pytest.raises(ConfigError, match="one output"):
        chain("torch_model_classif", "cross_entropy").train(three)
