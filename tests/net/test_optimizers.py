"""Optimizers: the fused steppers against `torch.optim` itself, the layout of memory, parameters without gradients, the node."""

import pytest
import torch

from pipeops import as_learner, as_task_regr, nn, po, t_opt
from pipeops.errors import ConfigError, PipeOpsError
from pipeops.net import layer
from pipeops.net.optimizers.fused import ObjectStepper, fusable
from pipeops.net.optimizers.kernels import FusedAdagrad, FusedAdam, FusedRMSprop, FusedSGD

ADAM = [
    {},
    {"lr": 0.05, "betas": (0.5, 0.9), "eps": 1e-3},
    {"weight_decay": 0.1},
    {"amsgrad": True, "lr": 0.02},
    {"maximize": True},
    {"amsgrad": True, "weight_decay": 0.3, "maximize": True},
]
SGD = [
    {"lr": 0.1},
    {"lr": 0.1, "momentum": 0.9},
    {"lr": 0.1, "momentum": 0.9, "dampening": 0.5},
    {"lr": 0.1, "momentum": 0.9, "nesterov": True},
    {"lr": 0.1, "weight_decay": 0.2, "momentum": 0.5},
    {"lr": 0.01, "maximize": True, "momentum": 0.5},
]
SETTINGS = [("adam", s) for s in ADAM] + [("adamw", s) for s in ADAM] + [("sgd", s) for s in SGD]
OTHERS = [
    ("rmsprop", {}),
    ("rmsprop", {"momentum": 0.5, "centered": True}),
    ("rmsprop", {"weight_decay": 0.1, "maximize": True, "alpha": 0.5}),
    ("adagrad", {"lr_decay": 0.1, "lr": 0.1}),
    ("adagrad", {"initial_accumulator_value": 0.1, "weight_decay": 0.1, "maximize": True}),
]
SETTINGS += OTHERS
TORCH = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
}


class Strange(torch.nn.Module):
    """Uses a transposed weight, leaves one parameter unused and another on every second call only."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(3, 4))
        self.unused = torch.nn.Parameter(torch.randn(2))
        self.sometimes = torch.nn.Parameter(torch.randn(4))
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        h = x @ self.weight.t().contiguous().t().t()
        return (h + (x @ torch.diag(self.sometimes))[:, :3] * (self.calls % 2 == 0)).tanh() if self.calls % 2 == 0 else h.tanh()


def plain():
    return torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 3))


def trained(make_network, make_step, steps=7):
    torch.manual_seed(3)
    network = make_network()
    step = make_step(network)
    for _ in range(steps):
        x, y = torch.randn(6, 4), torch.randn(6, 3)
        ((network(x) - y) ** 2).mean().backward()
        step()
    return [p.detach().clone() for p in network.parameters()]


def torch_step(key, settings):
    def make(network):
        optimizer = TORCH[key](network.parameters(), **settings)

        def step():
            optimizer.step()
            optimizer.zero_grad()

        return step

    return make


@pytest.mark.parametrize("network", [plain, Strange])
@pytest.mark.parametrize(("key", "settings"), SETTINGS)
def test_steps_equal_torch(key, settings, network):
    mine = trained(network, lambda n: t_opt(key, **settings).stepper(n).step)
    theirs = trained(network, torch_step(key, settings))
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize(
    ("key", "kind"),
    [("adam", FusedAdam), ("adamw", FusedAdam), ("sgd", FusedSGD), ("rmsprop", FusedRMSprop), ("adagrad", FusedAdagrad)],
)
def test_which_way_is_taken(key, kind):
    assert type(t_opt(key).stepper(plain())) is kind


@pytest.mark.parametrize("key", ["adam", "sgd"])
def test_gradients_in_another_layout_are_brought_into_the_parameters_order(key):
    settings = {"lr": 0.1}
    first, second = plain(), plain()
    second.load_state_dict(first.state_dict())
    stepper, optimizer = t_opt(key, **settings).stepper(first), TORCH[key](second.parameters(), **settings)
    for p, q in zip(first.parameters(), second.parameters(), strict=True):
        gradient = torch.randn(tuple(reversed(p.shape))).t() if p.ndim == 2 else torch.randn(p.shape)
        p.grad, q.grad = gradient, gradient.clone()
        assert p.ndim < 2 or not p.grad.is_contiguous()
    stepper.step()
    optimizer.step()
    for p, q in zip(first.parameters(), second.parameters(), strict=True):
        torch.testing.assert_close(p, q)
        assert p.grad is None


def test_parameters_that_are_not_contiguous_take_the_general_way():
    network = plain()
    network[0].weight = torch.nn.Parameter(torch.randn(4, 5).t())
    assert not fusable(network)
    assert type(t_opt("adam").stepper(network)) is ObjectStepper
    assert type(t_opt("adam").stepper(torch.nn.Embedding(4, 3, sparse=True))) is ObjectStepper


@pytest.mark.parametrize(("key", "settings"), SETTINGS)
@pytest.mark.parametrize("after", [0, 3])
def test_the_torch_object_goes_on_where_the_kernel_stopped(key, settings, after):
    def switching(network):
        stepper, done = [t_opt(key, **settings).stepper(network)], [0]

        def step():
            if done[0] == after:
                stepper[0] = ObjectStepper(stepper[0].object())
            done[0] += 1
            stepper[0].step()

        return step

    for a, b in zip(trained(plain, switching), trained(plain, torch_step(key, settings)), strict=True):
        torch.testing.assert_close(a, b, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("key", ["adam", "sgd", "rmsprop"])
def test_learning_rate_may_change_between_steps(key):
    def falling(network):
        stepper = t_opt(key, lr=0.1).stepper(network)

        def step():
            stepper.step()
            stepper.lr = stepper.lr / 2

        return step

    def by_hand(network):
        optimizer = TORCH[key](network.parameters(), lr=0.1)

        def step():
            optimizer.step()
            optimizer.zero_grad()
            optimizer.param_groups[0]["lr"] /= 2

        return step

    for a, b in zip(trained(plain, falling), trained(plain, by_hand), strict=True):
        torch.testing.assert_close(a, b, rtol=2e-6, atol=2e-6)


def test_parameter_groups():
    groups = lambda named: [{"params": [p], "lr": 0.0 if "0." in n else 0.1} for n, p in named.items()]  # noqa: E731
    network = plain()
    before = {n: p.detach().clone() for n, p in network.named_parameters()}
    stepper = t_opt("sgd", lr=0.1, param_groups=groups).stepper(network)
    network(torch.randn(3, 4)).sum().backward()
    stepper.step()
    changed = {n: not torch.equal(p, before[n]) for n, p in network.named_parameters()}
    assert changed == {"0.weight": False, "0.bias": False, "2.weight": True, "2.bias": True}


BAD = {
    "unknown key": (lambda: po("torch_optimizer", optimizer="adm"), KeyError, "adam"),
    "unknown argument": (lambda: po("torch_optimizer", lrr=0.1), TypeError, "'lr'"),
    "unknown argument of a class": (lambda: po("torch_optimizer", optimizer=torch.optim.NAdam, lrr=0.1), TypeError, "'lr'"),
    "negative rate": (lambda: po("torch_optimizer", lr=-1), ValueError, "lr"),
    "rate as text": (lambda: po("torch_optimizer", lr="fast"), ValueError, "lr"),
    "betas": (lambda: t_opt("adam", betas=(0.9, 1.0)), ValueError, "betas"),
    "nesterov alone": (lambda: t_opt("sgd", nesterov=True), ValueError, "momentum"),
    "an instance": (lambda: po("torch_optimizer", optimizer=TORCH["sgd"](plain().parameters())), ValueError, "instance"),
    "no optimizer": (lambda: po("torch_optimizer", optimizer=torch.nn.Linear), ValueError, "torch.optim"),
    "refused by torch": (lambda: po("torch_optimizer", optimizer=torch.optim.NAdam, lr=-1)
                         .optimizer.stepper(plain()), ValueError, "NAdam"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name):
    make, kind, words = BAD[name]
    with pytest.raises(kind, match=words) as error:
        make()
    assert isinstance(error.value, PipeOpsError)


def test_node_has_the_arguments_as_hyperparameters():
    node = po("torch_optimizer", lr=0.5)
    assert repr(node) == 'po("torch_optimizer", lr=0.5)'
    assert node.params["betas"] == (0.9, 0.999)
    assert node.with_param("lr", 0.1).optimizer.lr == 0.1
    assert node.with_param("optimizer", "sgd").params["momentum"] == 0
    custom = po("torch_optimizer", optimizer=torch.optim.NAdam, lr=0.5)
    assert custom.params["momentum_decay"] == 0.004
    assert eval(repr(custom), {"po": po, "torch": torch}).optimizer.arguments == {"lr": 0.5}
    with pytest.raises(ConfigError, match="already"):
        (po("torch_ingress_num") >> po("torch_optimizer") >> po("torch_optimizer")).train(
            as_task_regr({"x": [1.0, 2.0], "y": [1.0, 2.0]}, target="y")
        )


layer("strange_for_tests", Strange)


@pytest.mark.parametrize("optimizer", [{"optimizer": "adam"}, {"optimizer": torch.optim.NAdam}])
def test_unused_parameters_train_within_a_graph(optimizer):
    task = as_task_regr({f"x{i}": torch.randn(20).tolist() for i in range(4)} | {"y": torch.randn(20).tolist()}, target="y")
    graph = (
        po("torch_ingress_num")
        >> nn("strange_for_tests")
        >> nn("head")
        >> po("torch_loss", loss="mse")
        >> po("torch_optimizer", **optimizer)
        >> po("torch_model_regr", epochs=2, batch_size=5)
    )
    assert len(as_learner(graph).train(task).predict(task)) == 20


def test_another_optimizer_keeps_the_arguments_that_it_takes_too():
    node = po("torch_optimizer", optimizer="sgd", lr=0.5, momentum=0.9).with_param("optimizer", "adam")
    assert repr(node) == 'po("torch_optimizer", lr=0.5)'
    made = po("torch_optimizer", optimizer="sgd", lr=0.5).with_param("optimizer", t_opt("adam", lr=0.1))
    assert made.params["lr"] == 0.1
    loss = po("torch_loss", loss="cross_entropy", reduction="sum").with_param("loss", torch.nn.BCEWithLogitsLoss)
    assert loss.params["reduction"] == "sum"
