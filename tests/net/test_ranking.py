"""Pair losses against the quadratic sum over pairs, and weighted losses against their definitions in numpy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeops.errors import ConfigError, DataError
from pipeops.net.losses.imbalanced import focal, logistic
from pipeops.net.losses.ranking import hinge_pairs, square_pairs

few = settings(max_examples=60, deadline=None, derandomize=True)
labelled = st.integers(0, 14).flatmap(
    lambda n: st.tuples(
        st.lists(st.one_of(st.integers(-3, 3).map(float), st.floats(-5, 5)), min_size=n, max_size=n),
        st.lists(st.booleans(), min_size=n, max_size=n),
    )
)


def naive_hinge(score, positive, margin):
    lack = margin - (score[positive][:, None] - score[~positive][None, :])
    return lack.clamp(min=0).square().sum()


def naive_square(score, positive, margin):
    return (margin - (score[positive][:, None] - score[~positive][None, :])).square().sum()


pairwise = pytest.mark.parametrize(("function", "naive"), [(hinge_pairs, naive_hinge), (square_pairs, naive_square)])


@pairwise
@few
@given(labelled, st.sampled_from([0.0, 0.5, 1.0, 3.0]), st.sampled_from(["mean", "sum"]))
def test_value_and_gradient_are_those_of_all_pairs(function, naive, data, margin, reduction):
    positive = torch.tensor(data[1], dtype=torch.bool)
    one = torch.tensor(data[0], dtype=torch.float64, requires_grad=True)
    two = one.detach().clone().requires_grad_()
    pairs = int(positive.sum() * (~positive).sum())
    expected = naive(one, positive, margin) / (max(pairs, 1) if reduction == "mean" else 1)
    got = function(two, positive, margin=margin, reduction=reduction)
    expected.backward()
    got.backward()
    assert got.item() == pytest.approx(expected.item(), abs=1e-9)
    torch.testing.assert_close(two.grad, one.grad, atol=1e-9, rtol=1e-9)


@pairwise
def test_one_class_or_no_rows(function, naive):
    for label in ([], [1, 1, 1], [0, 0]):
        for reduction in ("mean", "sum"):
            score = torch.randn(len(label), 1, requires_grad=True)
            value = function(score, torch.tensor(label).reshape(-1, 1), reduction=reduction)
            (gradient,) = torch.autograd.grad(value, score)
            assert value.item() == 0
            assert gradient.shape == score.shape
            assert not gradient.any()


@pairwise
def test_vmap_over_models(function, naive):
    torch.manual_seed(0)
    score, label = torch.randn(5, 20), torch.rand(5, 20) < 0.3
    label[1] = False
    gradient, value = torch.func.vmap(torch.func.grad_and_value(function))(score, label)
    for row in range(5):
        alone = score[row].clone().requires_grad_()
        expected = function(alone, label[row])
        expected.backward()
        torch.testing.assert_close(value[row], expected.detach())
        torch.testing.assert_close(gradient[row], alone.grad)


@pairwise
def test_a_million_rows_in_single_precision(function, naive):
    rng = np.random.default_rng(0)
    n = 1_000_000
    numbers, label = rng.normal(size=n) + 50, torch.tensor(rng.random(n) < 0.02)
    single = torch.tensor(numbers, dtype=torch.float32, requires_grad=True)
    double = single.detach().double().requires_grad_()
    values = [function(score, label) for score in (single, double)]
    for value in values:
        value.backward()
    assert values[0].item() == pytest.approx(values[1].item(), rel=1e-4)
    error = (single.grad - double.grad).abs().max() / double.grad.abs().max()
    assert error < 1e-4


@few
@given(labelled, st.floats(-100, 100))
def test_pairs_do_not_see_a_constant(data, shift):
    score, label = torch.tensor(data[0], dtype=torch.float64), torch.tensor(data[1], dtype=torch.bool)
    for function in (hinge_pairs, square_pairs):
        assert function(score + shift, label).item() == pytest.approx(function(score, label).item(), abs=1e-8)


def test_separation_by_the_margin_costs_nothing():
    score = torch.tensor([3.0, 2.5, 1.5, 0.0], requires_grad=True)
    value = hinge_pairs(score, torch.tensor([1, 1, 0, 0]))
    value.backward()
    assert value.item() == 0
    assert not score.grad.any()


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
@pytest.mark.parametrize("alpha", [None, 0.25, 0.9])
def test_focal_is_its_definition(gamma, alpha):
    rng = np.random.default_rng(1)
    logit, label = rng.normal(scale=3, size=50), rng.random(50) < 0.3
    p = 1 / (1 + np.exp(-logit))
    own = np.where(label, p, 1 - p)
    weight = 1 if alpha is None else np.where(label, alpha, 1 - alpha)
    expected = -weight * (1 - own) ** gamma * np.log(own)
    score = torch.tensor(logit)
    assert focal(score, torch.tensor(label), gamma, alpha).item() == pytest.approx(expected.mean(), rel=1e-12)
    assert focal(score, torch.tensor(label), gamma, alpha, reduction="sum").item() == pytest.approx(expected.sum(), rel=1e-12)
    assert torch.autograd.gradcheck(lambda s: focal(s, torch.tensor(label), gamma, alpha), score.requires_grad_())


def test_focal_stays_finite_at_extreme_logits():
    score = torch.tensor([1000.0, -1000.0, 0.0, 1000.0], requires_grad=True)
    for gamma in (0.0, 0.5, 2.0):
        value = focal(score, torch.tensor([1, 1, 1, 0]), gamma=gamma)
        (gradient,) = torch.autograd.grad(value, score)
        assert value.isfinite()
        assert gradient.isfinite().all()


def test_weighted_logistic_is_binary_cross_entropy_with_weights():
    torch.manual_seed(0)
    score, label = torch.randn(30, 1), (torch.rand(30, 1) < 0.2).float()
    for weight in ((1.0, 1.0), (10.0, 1.0), (3.0, 0.5)):
        rows = torch.where(label > 0, *weight)
        expected = torch.nn.functional.binary_cross_entropy_with_logits(score, label, weight=rows)
        torch.testing.assert_close(logistic(score, label, weight), expected)


@pytest.mark.parametrize("function", [hinge_pairs, square_pairs, focal, logistic])
def test_bad_input_is_refused_by_name(function):
    with pytest.raises(DataError, match=f"{function.__name__}: scores must have shape"):
        function(torch.zeros(3, 2), torch.zeros(3))
    with pytest.raises(ConfigError, match=f"{function.__name__}: reduction"):
        function(torch.zeros(3), torch.zeros(3), reduction="max")
    assert function(torch.zeros(0), torch.zeros(0)).item() == 0


def test_focal_refuses_settings_out_of_range():
    for bad in ({"gamma": -1.0}, {"alpha": 1.5}, {"gamma": float("nan")}):
        with pytest.raises(ConfigError, match="gamma must be at least 0"):
            focal(torch.zeros(2), torch.zeros(2), **bad)
