"""Optimizer settings by node: the numbers of torch's groups of parameters, which name counts, what is refused."""

import pytest
import torch

from pipeops import as_learner, as_task_classif, load_learner, nn, po, t_opt
from pipeops.errors import ConfigError
from pipeops.net.optimizers.by_node import ParameterNames

TASK = as_task_classif(
    {"a": [float(i % 5) for i in range(24)], "b": [float(i % 7) for i in range(24)], "y": ["u", "v", "v"] * 8}, target="y"
)


class Deep(torch.nn.Module):
    """Names with numbers in them, a norm, and two linear layers."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.block = torch.nn.ModuleList([torch.nn.ModuleDict({"linear": torch.nn.Linear(3, 3)}) for _ in range(2)])
        self.norm = torch.nn.BatchNorm1d(3)
        self.head = torch.nn.Linear(3, 1)

    def forward(self, x):
        return self.head(self.norm(self.block[1]["linear"](self.block[0]["linear"](x))))


def graph(**options):
    return (
        po("torch_ingress_num")
        >> nn("linear", out_features=3)
        >> nn("relu")
        >> nn("head")
        >> po("torch_loss", loss="cross_entropy")
        >> po("torch_optimizer", **options)
        >> po("torch_model_classif", epochs=3, batch_size=24, shuffle=False, seed=1)
    )


def steps(network, step, number=4):
    for _ in range(number):
        torch.manual_seed(7)
        (network(torch.randn(8, 3)) ** 2).mean().backward()
        step()
    return [p.detach() for p in network.parameters()]


@pytest.mark.parametrize(("key", "cls"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)])
def test_numbers_are_those_of_groups(key, cls):
    mine, theirs = Deep(), Deep()
    settings = {"lr": {"head": 0.1, "block.1": 0.02, "*": 0.003}, "weight_decay": {":bias": 0.0, ":norm": 0.0, "*": 0.1}}
    found = steps(mine, t_opt(key, **settings).stepper(mine).step)
    groups = [
        {"params": [p], "lr": 0.1 if n.startswith("head") else 0.02 if n.startswith("block.1") else 0.003}
        | {"weight_decay": 0.0 if n.endswith("bias") or n.startswith("norm") else 0.1}
        for n, p in theirs.named_parameters()
    ]
    optimizer = cls(groups, fused=True)

    def step():
        optimizer.step()
        optimizer.zero_grad()

    for a, b in zip(found, steps(theirs, step), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-7)


def test_the_most_exact_name_counts():
    names = ParameterNames(Deep(), "adam")
    found = names.values({"*": 0, "block.*": 1, "block.linear": 2, "block.1.linear.bias": 3, ":norm": 4, "*.bias": 5}, "lr")
    assert found == {
        "block.0.linear.weight": 2,
        "block.0.linear.bias": 2,
        "block.1.linear.weight": 2,
        "block.1.linear.bias": 3,
        "norm.weight": 4,
        "norm.bias": 4,
        "head.weight": 0,
        "head.bias": 5,
    }
    assert names.values({"block": 1, ":bias": 2}, "lr") == {
        "block.0.linear.weight": 1,
        "block.0.linear.bias": 1,
        "block.1.linear.weight": 1,
        "block.1.linear.bias": 1,
        "norm.bias": 2,
        "head.bias": 2,
    }


def test_what_no_name_speaks_of_has_the_default():
    stepper = t_opt("sgd", lr={"head": 0.5}).stepper(Deep())
    assert sorted((g["lr"], len(g["params"])) for g in stepper.object().param_groups) == [(0.001, 6), (0.5, 2)]
    whole = as_learner(graph(optimizer=torch.optim.NAdam, lr={"head": 0.5, "*": 0.1})).train(TASK)
    assert whole.is_trained


def test_a_rate_of_zero_leaves_a_layer_as_it_was():
    free = as_learner(graph(optimizer="adam", lr={"head": 0.1, "*": 0.0})).train(TASK).network
    start = as_learner(graph(optimizer="adam", lr=0.0)).train(TASK).network
    assert torch.equal(free.linear.weight, start.linear.weight)
    assert not torch.equal(free.head.weight, start.head.weight)


def test_in_params_and_files(tmp_path):
    learner = as_learner(graph(optimizer="adam", lr={"head": 0.1, "*": 0.01}, betas={"head": (0.5, 0.9), "*": (0.9, 0.99)}))
    assert learner.params["torch_optimizer.lr"] == {"head": 0.1, "*": 0.01}
    learner.train(TASK).save(tmp_path / "a.pipeops")
    again = load_learner(tmp_path / "a.pipeops")
    assert repr(again.graph["torch_optimizer"]) == repr(learner.graph["torch_optimizer"])
    learner.params["torch_optimizer.lr"] = 0.5
    assert learner.params["torch_optimizer.lr"] == 0.5


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"lr": {"haed": 0.1, "*": 1.0}}, "Did you mean 'head'.*'linear', 'head'"),
        ({"lr": {"relu": 0.1}}, "names 'relu'.*'linear', 'head'"),
        ({"weight_decay": {"block.*": 0.1}}, "weight_decay names 'block"),
        ({"lr": {"head": -1.0}}, "'lr' of 'head' must be in"),
        ({"lr": {"head": "fast"}}, "'lr' of 'head' must be a number"),
        ({"lr": {}}, "'lr' must name a node"),
        ({"betas": {"head": (1.0, 2.0)}}, "'betas' must be two numbers"),
        ({"lr": {"*": 0.1}, "param_groups": lambda named: list(named.values())}, "either 'param_groups' or 'lr' by node"),
    ],
)
def test_refused(options, says):
    with pytest.raises(ConfigError, match=f"(?s){says}"):
        as_learner(graph(**options)).train(TASK)
