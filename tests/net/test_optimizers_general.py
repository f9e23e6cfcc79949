"""Every optimizer of torch by key, and those that evaluate the loss themselves: the numbers of torch's own in loops by hand."""

import inspect

import by_hand
import pytest
import torch

from pipeops import t_opt
from pipeops.errors import ConfigError, TrainingError
from pipeops.keys import KEYS

BY_KEY = {
    "adadelta": (torch.optim.Adadelta, {"lr": 0.5, "weight_decay": 0.01}),
    "adafactor": (torch.optim.Adafactor, {"lr": 0.05}),
    "adamax": (torch.optim.Adamax, {"lr": 0.02, "betas": (0.8, 0.9)}),
    "asgd": (torch.optim.ASGD, {"lr": 0.1}),
    "nadam": (torch.optim.NAdam, {"lr": 0.02, "momentum_decay": 0.01}),
    "radam": (torch.optim.RAdam, {"lr": 0.02}),
    "rprop": (torch.optim.Rprop, {"lr": 0.02}),
}


def test_every_optimizer_of_torch_has_a_key():
    classes = {c for c in vars(torch.optim).values() if inspect.isclass(c) and issubclass(c, torch.optim.Optimizer)}
    held = {t_opt[key].torch_class for key in KEYS["t_opt"] if hasattr(t_opt[key], "torch_class")}
    assert classes - {torch.optim.Optimizer} == held


@pytest.mark.parametrize("key", sorted(k for k in KEYS["t_opt"] if k != "aum_line_search"))
def test_settings_and_defaults_are_those_of_torch(key):
    signature = inspect.signature(t_opt[key].torch_class).parameters
    for name, setting in t_opt(key).params.settings().items():
        if name not in ("param_groups",):
            assert setting.param.default == signature[name].default, name


@pytest.mark.parametrize("key", BY_KEY)
def test_numbers_are_those_of_torch(key, monkeypatch):
    monkeypatch.setitem(by_hand.OPTIMIZERS, key, BY_KEY[key])
    learner, first = by_hand.trained([], key, epochs=3)
    by_hand.close(learner.network, by_hand.loop(first, key, epochs=3))


@pytest.mark.parametrize("thing", ["lbfgs", torch.optim.LBFGS])
def test_lbfgs_with_its_closure(thing):
    settings = {"lr": 0.5, "max_iter": 4, "history_size": 5}
    graph_settings = {"batch_size": 50, "epochs": 4}
    learner, first = by_hand.trained([], thing, settings=settings, **graph_settings)
    optimizer = torch.optim.LBFGS(first.parameters(), **settings)
    x, y = torch.tensor(by_hand.X), torch.tensor(by_hand.Y).float().unsqueeze(1)

    def closure():
        optimizer.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(first(x), y)
        loss.backward()
        return loss

    for _ in range(4):
        optimizer.step(closure)
    by_hand.close(learner.network, first, rtol=1e-3, atol=1e-4)
    assert learner.model["torch_model_classif"].engine == "autograd"
    assert learner.history["train.loss"][-1] < 0.5 * learner.history["train.loss"][0]


def test_what_torch_refuses_is_said():
    with pytest.raises(ConfigError, match="per-parameter options"):
        by_hand.trained([], torch.optim.LBFGS, settings={"lr": {"head": 0.1, "*": 1.0}})
    with pytest.raises(ConfigError, match="2D"):
        by_hand.trained([], "muon")
    with pytest.raises(TrainingError, match="SparseAdam cannot make a step.*dense"):
        by_hand.trained([], "sparse_adam")


def test_muon_on_matrices():
    mine, theirs = torch.nn.Linear(4, 3, bias=False), torch.nn.Linear(4, 3, bias=False)
    theirs.load_state_dict(mine.state_dict())
    stepper, optimizer = t_opt("muon", lr=0.05).stepper(mine), torch.optim.Muon(theirs.parameters(), lr=0.05)
    for network, step in ((mine, stepper.step), (theirs, optimizer.step)):
        (network(torch.ones(2, 4)) ** 2).mean().backward()
        step()
    assert torch.equal(mine.weight, theirs.weight)
