"""AUM and the ROC curve against a quadratic numpy version, scikit-learn, finite differences and published values."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_curve as sklearn_roc

from pipeops.errors import ConfigError, DataError
from pipeops.net.losses.aum import aum, roc_curve

few = settings(max_examples=60, deadline=None, derandomize=True)
labelled = st.integers(0, 12).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(-4, 4).map(float), min_size=n, max_size=n),
        st.lists(st.integers(0, 1), min_size=n, max_size=n),
    )
)


def naive(score, label, denominator="rate"):
    """Integrate min(error rates) over each interval between distinct thresholds, counting errors anew in each."""
    score, label = np.asarray(score, float), np.asarray(label)
    positives, negatives = max((label == 1).sum(), 1), max((label == 0).sum(), 1)
    if denominator == "count":
        positives = negatives = 1
    levels = np.unique(score)
    total = 0.0
    for low, high in pairwise(levels):
        above = score > (low + high) / 2
        total += (high - low) * min((above & (label == 0)).sum() / negatives, (~above & (label == 1)).sum() / positives)
    return total


def one_sided(score, label, sign, denominator="rate", step=2.0**-10):
    """The derivative of the naive value in each score alone, from the right (sign 1) or left (-1)."""
    base = naive(score, label, denominator)
    moved = [np.array(score) + sign * step * np.eye(len(score))[i] for i in range(len(score))]
    return np.array([sign * (naive(m, label, denominator) - base) / step for m in moved])


def value_and_gradient(score, label, **arguments):
    score = torch.tensor(score, dtype=torch.float64, requires_grad=True)
    value = aum(score, torch.as_tensor(label), **arguments)
    value.backward()
    return value.item(), score.grad.numpy()


@few
@given(labelled, st.sampled_from(["rate", "count"]))
def test_value_is_the_naive_integral(data, denominator):
    score, label = data
    assert value_and_gradient(score, label, denominator=denominator)[0] == pytest.approx(
        naive(score, label, denominator), abs=1e-12
    )


@few
@given(labelled, st.sampled_from(["rate", "count"]))
def test_mean_rule_is_the_mean_of_the_one_sided_derivatives(data, denominator):
    score, label = data
    _, gradient = value_and_gradient(score, label, denominator=denominator, ties="mean")
    sides = [one_sided(score, label, sign, denominator) for sign in (1, -1)]
    np.testing.assert_allclose(gradient, sum(sides) / 2, atol=1e-9)


@few
@given(labelled)
def test_shared_rule_is_the_derivative_of_moving_together(data):
    score, label = np.array(data[0]), data[1]
    _, gradient = value_and_gradient(data[0], label)
    for level in np.unique(score):
        group = score == level
        step = 2.0**-10
        together = (naive(score + step * group, label) - naive(score - step * group, label)) / (2 * step)
        assert len(set(gradient[group].tolist())) == 1
        assert gradient[group].sum() == pytest.approx(together, abs=1e-9)


@pytest.mark.parametrize("ties", ["shared", "mean"])
@pytest.mark.parametrize("denominator", ["rate", "count"])
def test_gradient_without_ties_agrees_with_finite_differences(ties, denominator):
    rng = np.random.default_rng(3)
    score, label = rng.normal(size=40), rng.integers(0, 2, size=40)
    _, gradient = value_and_gradient(score, label, ties=ties, denominator=denominator)
    np.testing.assert_allclose(gradient, one_sided(score, label, 1, denominator, 1e-6), atol=1e-8)


def test_published_directional_derivatives_at_a_tie():
    # the two-row example of the R package 'aum': left (0, -1), right (1, 0)
    assert value_and_gradient([0.0, 0.0], [0, 1], ties="mean") == (0.0, pytest.approx([0.5, -0.5]))
    assert value_and_gradient([0.0, 0.0], [0, 1], ties="shared") == (0.0, pytest.approx([0.0, 0.0]))
    assert value_and_gradient([10.0, -10.0], [0, 1])[0] == 20
    assert value_and_gradient([-10.0, 10.0], [0, 1])[0] == 0


def test_constant_scores_are_stationary_only_when_ties_are_shared():
    label = [1, 0, 0, 0]
    assert not value_and_gradient([2.0] * 4, label)[1].any()
    np.testing.assert_allclose(value_and_gradient([2.0] * 4, label, ties="mean")[1], [-1 / 2, 1 / 6, 1 / 6, 1 / 6])


@few
@given(labelled, st.floats(0.25, 4), st.floats(-3, 3))
def test_shift_scale_order_and_flip(data, scale, shift):
    score, label = np.array(data[0]), np.array(data[1], dtype=int)
    value, gradient = value_and_gradient(score, label)
    assert value >= 0
    assert value_and_gradient(score + shift, label)[0] == pytest.approx(value, abs=1e-12)
    assert value_and_gradient(scale * score, label)[0] == pytest.approx(scale * value)
    assert gradient.sum() == pytest.approx(0, abs=1e-12)
    assert gradient @ score == pytest.approx(value, abs=1e-12)
    flipped, back = value_and_gradient(-score, 1 - label)
    assert flipped == pytest.approx(value)
    np.testing.assert_allclose(back, -gradient, atol=1e-12)
    order = np.random.default_rng(0).permutation(len(score))
    permuted, moved = value_and_gradient(score[order], label[order])
    assert permuted == pytest.approx(value)
    np.testing.assert_allclose(moved, gradient[order], atol=1e-12)


@few
@given(st.lists(st.floats(0.01, 5), min_size=1), st.lists(st.floats(-5, 0), min_size=1))
def test_separated_classes_give_exactly_zero(positive, negative):
    score = torch.tensor(positive + negative, requires_grad=True)
    value = aum(score, torch.tensor([1] * len(positive) + [0] * len(negative)))
    value.backward()
    assert value.item() == 0
    assert not score.grad.any()


@pytest.mark.parametrize("ties", ["shared", "mean"])
@pytest.mark.parametrize("label", [[], [1, 1, 1], [0, 0, 0], [1], [0]])
def test_one_class_or_no_rows(label, ties):
    score = torch.randn(len(label), 1, requires_grad=True)
    for denominator in ("rate", "count"):
        value = aum(score, torch.tensor(label, dtype=torch.float32).reshape(-1, 1), denominator, ties)
        assert value.item() == 0
        (gradient,) = torch.autograd.grad(value, score)
        assert gradient.shape == score.shape
        assert not gradient.any()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_types_shapes_and_kinds_of_label(dtype):
    score = torch.tensor([2.0, -3.5, -1.0, 1.5], dtype=dtype)
    for label in ([0, 0, 1, 1], [-1, -1, 1, 1], [False, False, True, True], [0.0, 0.0, 1.0, 1.0]):
        assert aum(score, torch.tensor(label)).item() == 1.5
        column = score.reshape(-1, 1).requires_grad_()
        aum(column, torch.tensor(label).reshape(-1, 1)).backward()
        assert column.grad.dtype == dtype
        assert column.grad.flatten().tolist() == [0.5, 0.0, -0.5, 0.0]


def test_small_overlap_far_from_zero_keeps_its_digits():
    score = torch.tensor([100.0, 100.25, 100.5, 100.75])
    assert aum(score, torch.tensor([0, 1, 0, 1])).item() == 0.125


def test_many_rows_in_single_precision():
    rng = np.random.default_rng(5)
    score, label = rng.normal(size=200_000), rng.random(200_000) < 0.01
    single = aum(torch.tensor(score, dtype=torch.float32), torch.tensor(label)).item()
    assert single == pytest.approx(aum(torch.tensor(score), torch.tensor(label)).item(), rel=1e-5)


@pytest.mark.parametrize("ties", ["shared", "mean"])
def test_vmap_over_models_equals_one_by_one(ties):
    torch.manual_seed(0)
    score, label = torch.randn(6, 30).round(decimals=1), (torch.rand(6, 30) < 0.3).float()
    label[2] = 1
    gradient, value = torch.func.vmap(torch.func.grad_and_value(lambda s, y: aum(s, y, ties=ties)))(score, label)
    for row in range(6):
        alone = score[row].clone().requires_grad_()
        expected = aum(alone, label[row], ties=ties)
        expected.backward()
        torch.testing.assert_close(value[row], expected.detach())
        torch.testing.assert_close(gradient[row], alone.grad)
    shared_label = torch.func.vmap(lambda s: aum(s, label[0], ties=ties))(score)
    torch.testing.assert_close(shared_label[3], aum(score[3], label[0]))


@pytest.mark.filterwarnings("ignore")
def test_compiles_as_one_graph():
    compiled = torch.compile(aum, fullgraph=True, backend="aot_eager")
    label = torch.tensor([0, 0, 1, 1, 0])
    for score in ([2.0, -3.5, -1.0, 1.5, 0.0], [1.0, 1.0, 1.0, 1.0, 1.0]):
        one, two = torch.tensor(score, requires_grad=True), torch.tensor(score, requires_grad=True)
        expected, got = aum(one, label), compiled(two, label)
        expected.backward()
        got.backward()
        torch.testing.assert_close(got, expected)
        torch.testing.assert_close(two.grad, one.grad)


def test_reaches_perfect_separation_by_gradient_descent():
    torch.manual_seed(1)
    x = torch.randn(60, 2)
    label = (x[:, 0] + 2 * x[:, 1] > 1).long()
    weight = torch.zeros(2, requires_grad=True)
    for _ in range(300):
        (gradient,) = torch.autograd.grad(aum(x @ weight, label, ties="mean"), weight)
        weight = (weight - 0.1 * gradient).detach().requires_grad_()
    assert aum(x @ weight, label).item() < 1e-3
    assert weight.norm() > 0.05


def test_curve_of_four_samples():
    roc = {k: v.tolist() for k, v in roc_curve(torch.tensor([2.0, -3.5, -1.0, 1.5]), torch.tensor([0, 0, 1, 1])).items()}
    assert roc["FPR"] == [0.0, 0.5, 0.5, 0.5, 1.0]
    assert roc["FNR"] == [1.0, 1.0, 0.5, 0.0, 0.0]
    assert roc["TPR"] == [0.0, 0.0, 0.5, 1.0, 1.0]
    assert roc["min(FPR,FNR)"] == [0.0, 0.5, 0.5, 0.0, 0.0]
    assert roc["min_constant"] == [-np.inf, -2.0, -1.5, 1.0, 3.5]
    assert roc["max_constant"] == [-2.0, -1.5, 1.0, 3.5, np.inf]


@few
@given(labelled.filter(lambda d: len(set(d[1])) == 2))
def test_curve_has_the_points_of_scikit_learn(data):
    score, label = torch.tensor(data[0]), torch.tensor(data[1])
    roc = roc_curve(score, label)
    fpr, tpr, _ = sklearn_roc(label.numpy(), score.numpy(), drop_intermediate=False)
    points = {(round(a, 9), round(b, 9)) for a, b in zip(fpr.tolist(), tpr.tolist(), strict=True)}
    double = zip(roc["FPR"].double().tolist(), roc["TPR"].double().tolist(), strict=True)
    assert {(round(a, 6), round(b, 6)) for a, b in double} == {(round(a, 6), round(b, 6)) for a, b in points}


@few
@given(labelled)
def test_curve_integrates_to_aum(data):
    score, label = torch.tensor(data[0], dtype=torch.float64), torch.tensor(data[1])
    roc = roc_curve(score, label)
    width = roc["max_constant"][:-1] - roc["min_constant"][:-1]
    area = (width[1:] * roc["min(FPR,FNR)"][1:-1]).sum()
    assert area.item() == pytest.approx(aum(score, label).item(), abs=1e-12)
    assert (width >= 0).all()


def test_gradients_flow_through_the_constants():
    score = torch.tensor([2.0, -3.5, -1.0, 1.5], requires_grad=True)
    roc = roc_curve(score, torch.tensor([0, 0, 1, 1]))
    (roc["min(FPR,FNR)"][1:-1] * roc["min_constant"][1:].diff()).sum().backward()
    assert score.grad.tolist() == [0.5, 0.0, -0.5, 0.0]


def test_curve_of_one_class_and_of_nothing_has_no_nan():
    for label in ([], [1, 1], [0, 0]):
        roc = roc_curve(torch.zeros(len(label)), torch.tensor(label))
        assert all(len(v) == len(label) + 1 and not v.isnan().any() for v in roc.values())


@pytest.mark.parametrize(
    ("score", "label", "words"),
    [
        (torch.zeros(3, 2), torch.zeros(3), r"scores must have shape .* got \(3, 2\)"),
        (torch.zeros(3), torch.zeros(3, 2), r"labels must have shape"),
        (torch.zeros(3, 1), torch.zeros(1, 1), "3 scores and 1 labels"),
        (torch.tensor(0.0), torch.tensor(0.0), r"got \(\)"),
    ],
)
def test_other_shapes_are_refused(score, label, words):
    for function in (aum, roc_curve):
        with pytest.raises(DataError, match=words):
            function(score, label)


def test_unknown_options_are_refused():
    with pytest.raises(ConfigError, match="denominator"):
        aum(torch.zeros(2), torch.zeros(2), denominator="rates")
    with pytest.raises(ConfigError, match="ties"):
        aum(torch.zeros(2), torch.zeros(2), ties="first")


def test_a_million_rows_in_single_precision():
    rng = np.random.default_rng(1)
    score = torch.tensor(rng.normal(size=1_000_000), dtype=torch.float32)
    label = torch.tensor(rng.random(1_000_000) > 0.98)
    assert aum(score, label).item() == pytest.approx(aum(score.double(), label).item(), rel=1e-6)
