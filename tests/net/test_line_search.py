"""The exact line search against AUM on a fine grid, all pairwise crossings, and the published examples."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeops.errors import ConfigError, DataError
from pipeops.net.losses.aum import aum
from pipeops.net.optimizers.line_search import first_minimum, line_search

few = settings(max_examples=50, deadline=None, derandomize=True)
number = st.one_of(st.integers(-4, 4).map(float), st.floats(-4, 4).map(lambda v: round(v, 3)))
lines = st.integers(0, 10).flatmap(
    lambda n: st.tuples(*[st.lists(number, min_size=n, max_size=n)] * 2, st.lists(st.booleans(), min_size=n, max_size=n))
)


def crossings(pred, direction):
    """All positive steps at which two lines cross, each once, from the definition."""
    n = len(pred)
    steps = [
        (pred[i] - pred[j]) / (direction[j] - direction[i])
        for i in range(n)
        for j in range(i)
        if direction[i] != direction[j] and pred[i] != pred[j]
    ]
    return np.unique(np.round([s for s in steps if s > 0], 9))


def double(*lists):
    return (torch.tensor(values, dtype=torch.float64) for values in lists)


@few
@given(lines, st.sampled_from(["rate", "count"]))
def test_values_and_steps_are_those_of_every_crossing(data, denominator):
    pred, direction = double(*data[:2])
    label = torch.tensor(data[2], dtype=torch.bool)
    found = line_search(pred, direction, label, max_steps=1000, denominator=denominator)
    for step, value in zip(found.step_size.tolist(), found.aum.tolist(), strict=True):
        assert value == pytest.approx(aum(pred + step * direction, label, denominator).item(), abs=1e-8)
    np.testing.assert_allclose(np.unique(np.round(found.step_size[1:].numpy(), 9)), crossings(*data[:2]), atol=2e-9)


@few
@given(lines)
def test_best_step_beats_a_grid_and_is_the_first_such(data):
    pred, direction = double(*data[:2])
    label = torch.tensor(data[2], dtype=torch.bool)
    found = line_search(pred, direction, label, max_steps=1000)
    least = aum(pred + found.best * direction, label).item()
    grid = np.linspace(0, 1.5 * max(found.step_size[-1].item(), 1), 50)
    values = [aum(pred + step * direction, label).item() for step in grid]
    assert least <= min(values) + 1e-8
    assert all(v > least - 1e-8 for v in found.aum.tolist())
    assert found.best == 0 or aum(pred, label).item() > least


def test_published_four_lines():
    # steps 0, 1, 3 with AUM 3, 2, 0, two crossings at once at step 1 (tests of the R package 'aum')
    found = line_search(*double([1, -1, -3, -5], [-1, 1, -1, 1]), torch.tensor([0, 1, 0, 1]))
    assert found.step_size.unique().tolist() == [0, 1, 3]
    assert found.aum.tolist() == [3, 2, 0]
    assert found.best == 3


@pytest.mark.parametrize(
    ("threshold", "slope", "steps"),
    [([-3, -1, 0, 3], [1, -1, 0, -1], [0, 1, 3]), ([-3, -1, 0, 3], [1, 0, 0, -1], [0, 2, 3, 4])],
)
def test_published_steps_with_ties_among_three_lines(threshold, slope, steps):
    pred, direction = double([-t for t in threshold], [-s for s in slope])
    assert line_search(pred, direction, torch.tensor([0, 1, 0, 1])).step_size.tolist() == steps


def test_published_two_rows():
    found = line_search(*double([-10, 10], [1, -1]), torch.tensor([1, 0]))
    assert (found.step_size.tolist(), found.aum.tolist(), found.best) == ([0, 10], [20, 0], 10)
    tied = line_search(*double([0, 0], [-1, 1]), torch.tensor([0, 1]))
    assert (tied.step_size.tolist(), tied.aum.tolist(), tied.best) == ([0], [0], 0)


def test_limited_number_of_steps_is_a_prefix():
    torch.manual_seed(0)
    pred, direction = torch.randn(2, 50)
    label = torch.rand(50) < 0.3
    full = line_search(pred, direction, label, max_steps=10_000)
    for limit in (0, 1, 7, None):
        part = line_search(pred, direction, label, max_steps=limit)
        assert len(part.step_size) == (50 if limit is None else limit) + 1
        assert torch.equal(part.step_size, full.step_size[: len(part.step_size)])
        assert torch.equal(part.aum, full.aum[: len(part.aum)])


@few
@given(lines)
def test_first_minimum_is_where_the_whole_walk_first_stops_falling(data):
    pred, direction = double(*data[:2])
    label = torch.tensor(data[2], dtype=torch.bool)
    whole = line_search(pred, direction, label, max_steps=1000)
    rises = (whole.aum.diff() > 1e-9).tolist()
    until = rises.index(True) if True in rises else len(rises)
    found = first_minimum(pred, direction, label, max_steps=1000)
    assert aum(pred + found * direction, label).item() == pytest.approx(whole.aum[until].item(), abs=1e-8)
    assert found <= whole.step_size[until].item() + 1e-12


@few
@given(lines)
def test_leaping_ahead_ends_in_a_local_minimum(data):
    pred, direction = double(*data[:2])
    label = torch.tensor(data[2], dtype=torch.bool)
    found = first_minimum(pred, direction, label, max_steps=0)
    here, start = aum(pred + found * direction, label).item(), aum(pred, label).item()
    for step in (found * (1 - 1e-6), found + 1e-6 * max(found, 1)):
        assert aum(pred + step * direction, label).item() >= here - 1e-10
    assert here <= start + 1e-9
    assert (found == 0) == (first_minimum(pred, direction, label) == 0)


def test_follows_the_gradient_downhill():
    torch.manual_seed(2)
    x, label = torch.randn(80, 5, dtype=torch.float64), torch.rand(80) < 0.2
    weight = torch.randn(5, dtype=torch.float64, requires_grad=True)
    values = []
    for _ in range(10):
        value = aum(x @ weight, label)
        (gradient,) = torch.autograd.grad(value, weight)
        values.append(value.item())
        found = line_search(x @ weight, -(x @ gradient), label)
        weight = (weight - found.best * gradient).detach().requires_grad_()
    assert all(later <= earlier + 1e-12 for earlier, later in pairwise(values))
    assert values[-1] < 0.3 * values[0]


def test_one_class_no_rows_and_no_direction():
    for label in ([], [1, 1], [0, 0, 0]):
        found = line_search(torch.randn(len(label), 1), torch.randn(len(label), 1), torch.tensor(label))
        assert found.best == 0
        assert not found.aum.any()
    still = line_search(torch.tensor([1.0, 0.0]), torch.zeros(2), torch.tensor([0, 1]))
    assert (still.step_size.tolist(), still.aum.tolist(), still.best) == ([0], [1], 0)


def test_bad_input_is_refused():
    pair = torch.zeros(2), torch.zeros(2)
    with pytest.raises(DataError, match="3 scores and 2 labels"):
        line_search(torch.zeros(2), torch.zeros(3), torch.zeros(2))
    with pytest.raises(DataError, match="must be finite"):
        line_search(torch.tensor([1.0, float("nan")]), torch.zeros(2), torch.zeros(2))
    with pytest.raises(ConfigError, match="max_steps must be at least 0"):
        line_search(*pair, torch.zeros(2), max_steps=-1)
    with pytest.raises(ConfigError, match="denominator"):
        line_search(*pair, torch.zeros(2), denominator="auc")
