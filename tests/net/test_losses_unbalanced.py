"""The losses for unbalanced classes as `t_loss` has them: what the task decides, and that a network learns with them."""

import numpy as np
import pytest
import torch

from pipeops import as_learner, as_task_classif, nn, po, t_loss
from pipeops.errors import ConfigError, UnknownKeyError
from pipeops.net.losses.aum import aum
from pipeops.net.losses.imbalanced import logistic

KEYS = ("aum", "hinge_pairs", "square_pairs", "focal", "logistic")


@pytest.fixture
def task():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(300, 3))
    rare = x[:, 0] + 0.5 * rng.normal(size=300) > 1.5
    return as_task_classif({**{f"x{i}": x[:, i] for i in range(3)}, "y": np.where(rare, "M", "R")}, target="y", positive="M")


@pytest.mark.parametrize("key", KEYS)
def test_a_linear_network_learns_to_rank(key, task):
    graph = (
        po("torch_ingress_num")
        >> nn("head")
        >> po("torch_loss", loss=key)
        >> po("torch_optimizer", optimizer="adam", lr=0.05)
        >> po("torch_model_classif", epochs=60, batch_size=100, predict_type="prob", seed=1)
    )
    learner = as_learner(graph)
    learner.train(task)
    assert learner.predict(task).score("classif.auc") > 0.9  # aum shrinks the scores as well as it orders them


def test_class_weights_by_label_balanced_and_as_a_number(task):
    score, label = torch.randn(20, 1), (torch.rand(20, 1) < 0.5).float()
    positives = int((task.truth() == "M").sum())
    balanced = (300 / (2 * positives), 300 / (2 * (300 - positives)))
    for given, weight in (({"M": 10}, (10, 1)), ({"R": 2}, (1, 2)), ("balanced", balanced), (5, (5, 1)), (None, (1, 1))):
        built = t_loss("logistic", class_weight=given).build(task)
        torch.testing.assert_close(built(score, label), logistic(score, label, weight))
        other = t_loss("cross_entropy", class_weight=given).build(task)
        torch.testing.assert_close(other(score, label), logistic(score, label, weight))


def test_settings_reach_the_function(task):
    score = torch.zeros(4, 1, requires_grad=True)
    built = t_loss("aum", denominator="count", ties="mean").build(task)
    built(score, torch.tensor([[1.0], [0.0], [0.0], [0.0]])).backward()
    expected = torch.zeros(4, 1, requires_grad=True)
    aum(expected, torch.tensor([1, 0, 0, 0]), "count", "mean").backward()
    assert torch.equal(score.grad, expected.grad)
    assert score.grad.any()
    pair = torch.tensor([[0.0], [0.0]]), torch.tensor([[1.0], [0.0]])
    for key in ("hinge_pairs", "square_pairs"):
        assert t_loss(key, margin=3.0).build(task)(*pair).item() == 9
    assert t_loss("focal", gamma=0.0, alpha=0.75, reduction="sum").build(task)(*pair).item() == pytest.approx(np.log(2))


def test_unknown_weights_are_refused(task):
    with pytest.raises(UnknownKeyError, match="no class 'm'"):
        t_loss("logistic", class_weight={"m": 10}).build(task)
    with pytest.raises(ConfigError, match='only word is "balanced"'):
        t_loss("logistic", class_weight="balance").build(task)
