"""Losses: their values against torch written by hand, classes and functions of one's own, what is refused."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812 - torch's own custom

from pipeops import as_learner, as_task_classif, as_task_regr, nn, po, t_loss
from pipeops.errors import PipeOpsError

torch.manual_seed(0)
LOGIT, LOGITS = torch.randn(9, 1), torch.randn(9, 3)
ONE = (torch.arange(9) % 2 == 0).float()[:, None]
CODES = torch.arange(9) % 3


def two():
    return as_task_classif({"x": np.arange(10.0), "y": ["m", "r"] * 5}, target="y")


def three():
    return as_task_classif({"x": np.arange(9.0), "y": ["a", "b", "c"] * 3}, target="y")


def regr():
    return as_task_regr({"x": np.arange(8.0), "y": np.arange(8.0) / 3}, target="y")


W = torch.tensor([1.0, 2.0, 3.0])
VALUES = [
    (two, {}, LOGIT, ONE, F.binary_cross_entropy_with_logits(LOGIT, ONE)),
    (two, {"reduction": "sum"}, LOGIT, ONE, F.binary_cross_entropy_with_logits(LOGIT, ONE, reduction="sum")),
    (two, {"class_weight": 3}, LOGIT, ONE, F.binary_cross_entropy_with_logits(LOGIT, ONE, pos_weight=torch.tensor(3.0))),
    (two, {"class_weight": torch.tensor([3.0])}, LOGIT, ONE,
     F.binary_cross_entropy_with_logits(LOGIT, ONE, pos_weight=torch.tensor(3.0))),
    (two, {"class_weight": {"r": 4}}, LOGIT, ONE,
     (F.binary_cross_entropy_with_logits(LOGIT, ONE, reduction="none") * torch.where(ONE == 1, 1.0, 4.0)).mean()),
    (two, {"label_smoothing": 0.2}, LOGIT, ONE,
     F.cross_entropy(torch.cat([LOGIT, torch.zeros(9, 1)], 1), 1 - ONE[:, 0].long(), label_smoothing=0.2)),
    (three, {}, LOGITS, CODES, F.cross_entropy(LOGITS, CODES)),
    (three, {"class_weight": [1, 2, 3]}, LOGITS, CODES, F.cross_entropy(LOGITS, CODES, weight=W)),
    (three, {"class_weight": {"c": 3, "b": 2}}, LOGITS, CODES, F.cross_entropy(LOGITS, CODES, weight=W)),
    (three, {"label_smoothing": 0.1, "reduction": "sum"}, LOGITS, CODES,
     F.cross_entropy(LOGITS, CODES, label_smoothing=0.1, reduction="sum")),
    (three, {"ignore_index": 1}, LOGITS, CODES, F.cross_entropy(LOGITS, CODES, ignore_index=1)),
]  # fmt: skip


@pytest.mark.parametrize(("task", "settings", "output", "target", "expected"), VALUES)
def test_cross_entropy(task, settings, output, target, expected):
    torch.testing.assert_close(t_loss("cross_entropy", **settings).build(task())(output, target), expected)


@pytest.mark.parametrize(
    ("key", "settings", "expected"),
    [
        ("mse", {}, F.mse_loss(LOGIT, ONE)),
        ("mse", {"reduction": "sum"}, F.mse_loss(LOGIT, ONE, reduction="sum")),
        ("l1", {}, F.l1_loss(LOGIT, ONE)),
        ("huber", {"delta": 0.3}, F.huber_loss(LOGIT, ONE, delta=0.3)),
    ],
)
def test_regression_losses(key, settings, expected):
    torch.testing.assert_close(t_loss(key, **settings).build(regr())(LOGIT, ONE), expected)


def test_aum_follows_its_denominator():
    pred, label = torch.tensor([[2.0], [-3.5], [-1.0], [1.5]]), torch.tensor([[0.0], [0.0], [1.0], [1.0]])
    rate, count = (t_loss("aum", denominator=d).build(two())(pred, label).item() for d in ("rate", "count"))
    assert (rate, count) == pytest.approx((1.5, 3.0))


def trained(loss, task=None, **arguments):
    task = two() if task is None else task
    graph = (
        po("torch_ingress_num")
        >> nn("head")
        >> po("torch_loss", loss=loss, **arguments)
        >> po("torch_optimizer", optimizer="sgd", lr=0.1)
        >> po("torch_model_classif", epochs=2, batch_size=4, seed=1, predict_type="prob")
    )
    return as_learner(graph).train(task).predict(task).prob


def scaled(input, target, factor=1.0):
    return factor * F.binary_cross_entropy_with_logits(input, target)


class Scaled(torch.nn.Module):
    def __init__(self, factor, reduction="mean"):
        super().__init__()
        self.factor, self.reduction = factor, reduction

    def forward(self, input, target):
        return self.factor * F.binary_cross_entropy_with_logits(input, target, reduction=self.reduction)


class Balanced:
    """A loss that asks for the task."""

    def __init__(self, task):
        self.share = float((task.class_codes() == 0).mean())

    def __call__(self, input, target):
        return F.binary_cross_entropy_with_logits(input, target) / (2 * self.share)


SAME = {
    "key": ("cross_entropy", {}),
    "item": (t_loss("cross_entropy"), {}),
    "torch class": (torch.nn.BCEWithLogitsLoss, {}),
    "instance": (torch.nn.BCEWithLogitsLoss(), {}),
    "function of torch": (F.binary_cross_entropy_with_logits, {}),
    "function": (scaled, {}),
    "function with argument": (scaled, {"factor": 1.0}),
    "lambda": (lambda input, target: scaled(input, target), {}),
    "class with argument": (Scaled, {"factor": 1.0}),
    "class that asks for the task": (Balanced, {}),
}


@pytest.mark.parametrize("name", SAME)
def test_however_it_is_given_the_loss_is_the_same(name):
    loss, arguments = SAME[name]
    np.testing.assert_allclose(trained(loss, **arguments), trained("cross_entropy"), atol=1e-6)


def test_arguments_are_hyperparameters():
    node = po("torch_loss", loss=Scaled, factor=2.0)
    assert {k: v for k, v in node.params.items() if k != "loss"} == {"factor": 2.0, "reduction": "mean"}
    graph = po("torch_ingress_num") >> nn("head") >> po("torch_loss", loss=torch.nn.BCEWithLogitsLoss)
    assert graph.params["torch_loss.reduction"] == "mean"
    graph.params["torch_loss.reduction"] = "sum"
    assert graph.params["torch_loss.reduction"] == "sum"
    assert repr(graph["torch_loss"]) == 'po("torch_loss", loss=torch.nn.BCEWithLogitsLoss, reduction="sum")'
    assert list(po("torch_loss", loss=scaled).params) == ["loss", "factor"]
    assert repr(po("torch_loss", "mse")) == 'po("torch_loss", loss="mse")'
    assert repr(po("torch_loss", t_loss("huber", delta=2.0))) == 'po("torch_loss", loss="huber", delta=2.0)'
    assert not np.allclose(trained(scaled, factor=5.0), trained(scaled))


def test_the_instance_that_is_given_stays_as_it_is():
    class Counting(torch.nn.BCEWithLogitsLoss):
        calls = 0

        def forward(self, input, target):
            self.calls += 1
            return super().forward(input, target)

    loss = Counting()
    trained(loss)
    assert loss.calls == 0


def no_gradient(input, target):
    return scaled(input, target).detach()


def nothing_differentiable(input, target):
    return scaled(input, target).item()


BAD = {
    "unknown key": (lambda: po("torch_loss", loss="cross_entrop"), KeyError, "cross_entropy"),
    "unknown argument": (lambda: po("torch_loss", loss="mse", reducton="sum"), TypeError, "reduction"),
    "unknown argument of a class": (lambda: po("torch_loss", loss=Scaled, facto=1), TypeError, "factor"),
    "unknown argument of a function": (lambda: po("torch_loss", loss=scaled, facto=1), TypeError, "factor"),
    "not callable": (lambda: po("torch_loss", loss=3), ValueError, "torch_loss"),
    "arguments without a loss": (lambda: po("torch_loss", reduction="sum"), ValueError, "reduction"),
    "arguments of an instance": (lambda: po("torch_loss", loss=Scaled(1.0), factor=2), ValueError, "made already"),
    "bad choice": (lambda: t_loss("mse", reduction="none"), ValueError, "reduction"),
    "argument called id": (lambda: po("torch_loss", loss=lambda input, target, id=1: input.mean()), ValueError, "'id'"),
    "unset": (lambda: trained(Scaled), ValueError, "factor"),
    "no loss": (lambda: (po("torch_ingress_num") >> po("torch_loss")).train(two()), ValueError, "set 'loss'"),
    "twice": (lambda: (po("torch_ingress_num") >> po("torch_loss", "mse") >> po("torch_loss", "mse")).train(two()),
              ValueError, "already"),
    "for numbers": (lambda: trained("mse"), ValueError, "regr"),
    "focal with alpha on three": (lambda: trained("focal", three(), alpha=0.2), ValueError, "alpha"),
    "weights of another length": (lambda: trained("cross_entropy", three(), class_weight=[1, 2]), ValueError, "class_weight"),
    "weight of a stranger": (lambda: trained("cross_entropy", class_weight={"x": 2}), KeyError, "'x'"),
    "weight of zero": (lambda: trained("cross_entropy", class_weight=0), ValueError, "greater than 0"),
    "ignore_index on two": (lambda: trained("cross_entropy", ignore_index=1), ValueError, "ignore_index"),
    "not a number": (lambda: trained(nothing_differentiable), RuntimeError, "must return a tensor"),
    "several numbers": (lambda: trained(torch.nn.BCEWithLogitsLoss, reduction="none"), RuntimeError, "one number"),
    "no gradient": (lambda: trained(no_gradient), RuntimeError, "no gradient"),
    "not a loss": (lambda: trained(type("Empty", (), {})), ValueError, "cannot be called"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name):
    make, kind, words = BAD[name]
    with pytest.raises(kind, match=words) as error:
        make()
    assert isinstance(error.value, PipeOpsError)
