"""Batch samplers: which rows come how often, checked by counting."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeops import as_learner, nn, po, t_sampler, to_tune, tsk
from pipeops.data import as_task_classif, as_task_regr
from pipeops.errors import ConfigError, DataError, UnknownKeyError
from pipeops.net import torch_callback
from pipeops.net.inputs.samplers import BalancedBatches, StratifiedBatches, WeightedBatches
from pipeops.params import Token
from pipeops.saving import Decoder, Encoder

few = settings(max_examples=40, deadline=None, derandomize=True)
three_sizes = st.tuples(*[st.integers(1, 40)] * 3)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def unbalanced(*sizes, names="abc"):
    labels = [name for name, size in zip(names, sizes, strict=False) for _ in range(size)]
    return as_task_classif({"x": np.arange(len(labels)), "y": labels}, target="y")


def counts(task, batches):
    labels = task.truth()
    return [Counter(labels[batch.numpy()]) for batch in batches]


def test_the_last_rows_of_sonar():
    # 12 R and 111 M, one R at least: 12 batches of 1 R and 9 or 10 M
    task = unbalanced(12, 111, names="RM").with_roles(stratum="y")
    batches = StratifiedBatches(min_per_stratum=1).batches(task, generator())
    assert len(batches) == 12
    assert all(c["R"] == 1 and c["M"] in (9, 10) for c in counts(task, batches))
    assert sorted(torch.cat(batches).tolist()) == list(range(123))


@few
@given(three_sizes, st.integers(1, 3))
def test_stratified_batches_hold_every_row_once_and_even_shares(sizes, least):
    task = unbalanced(*sizes)
    if min(sizes) < least:
        with pytest.raises(DataError, match=f"fewer than min_per_stratum={least}"):
            StratifiedBatches(least).batches(task, generator())
        return
    batches = StratifiedBatches(least).batches(task, generator())
    assert sorted(torch.cat(batches).tolist()) == list(range(sum(sizes)))
    for name in "abc":
        held = [c[name] for c in counts(task, batches)]
        assert min(held) >= least
        assert max(held) - min(held) <= 1
    lengths = [len(b) for b in batches]
    assert max(lengths) - min(lengths) <= 1
    assert len(batches) == min(sizes) // least


def test_strata_are_combinations_of_columns():
    n = 48
    frame = {"x": range(n), "y": [*"ab"] * (n // 2), "site": ["u"] * 12 + ["v"] * 36}
    task = as_task_classif(frame, target="y").with_roles(stratum=["y", "site"])
    batches = StratifiedBatches(min_per_stratum=2).batches(task, generator())
    assert len(batches) == 3
    for batch in batches:
        combos = Counter((frame["y"][i], frame["site"][i]) for i in batch.tolist())
        assert combos == {("a", "u"): 2, ("b", "u"): 2, ("a", "v"): 6, ("b", "v"): 6}


def test_positions_are_those_of_the_filtered_task():
    task = unbalanced(30, 30).filter(np.arange(20, 50))
    batches = StratifiedBatches(5).batches(task, generator())
    assert sorted(torch.cat(batches).tolist()) == list(range(30))
    assert [c["a"] for c in counts(task, batches)] == [5, 5]


@pytest.mark.parametrize("sampler", [StratifiedBatches(2), BalancedBatches(8), WeightedBatches(8, {"a": 3})])
def test_reshuffled_each_epoch_and_fixed_by_the_seed(sampler):
    task = unbalanced(40, 10)
    one, again = generator(), generator()
    epochs = [[b.tolist() for b in sampler.batches(task, one)] for _ in range(2)]
    assert epochs[0] != epochs[1]
    assert epochs == [[b.tolist() for b in sampler.batches(task, again)] for _ in range(2)]
    state = torch.get_rng_state()
    assert {b.dtype for b in sampler.batches(task, one)} == {torch.int64}
    assert torch.equal(state, torch.get_rng_state())


@few
@given(three_sizes, st.integers(3, 20))
def test_balanced_batches_share_out_evenly(sizes, batch_size):
    task = unbalanced(*sizes)
    batches = BalancedBatches(batch_size).batches(task, generator())
    assert len(batches) == -(-sum(sizes) // batch_size)
    for held in counts(task, batches):
        assert held.total() == batch_size
        assert max(held.values()) - min(held[name] for name in "abc") <= 1
    total = sum(counts(task, batches), Counter())
    assert max(total.values()) - min(total.values()) <= 1
    uses = Counter(torch.cat(batches).tolist())
    labels = task.truth()
    for name in "abc":
        rows = [uses[i] for i in np.flatnonzero(labels == name)]
        assert max(rows) - min(rows) <= 1


def test_weights_by_label_by_row_and_by_role_draw_in_proportion():
    task = unbalanced(9000, 1000)
    by_row = np.where(task.truth() == "b", 9.0, 1.0)
    with_column = as_task_classif({"x": range(10000), "y": task.truth(), "w": by_row}, target="y").with_roles(weight="w")
    for sampler, over in (
        (WeightedBatches(100, {"b": 9}), task),
        (WeightedBatches(100, by_row), task),
        (WeightedBatches(100), with_column),
    ):
        batches = sampler.batches(over, generator())
        assert [len(b) for b in batches] == [100] * 100
        assert sum(counts(task, batches), Counter())["b"] == pytest.approx(5000, abs=250)  # five standard deviations


def test_rows_of_weight_zero_are_never_drawn():
    task = unbalanced(5, 5)
    drawn = {i for seed in range(20) for b in WeightedBatches(4, {"b": 0}).batches(task, generator(seed)) for i in b.tolist()}
    assert drawn == set(range(5))


def test_no_rows_make_no_batches():
    task = unbalanced(5, 5).filter([])
    for sampler in (StratifiedBatches(), BalancedBatches(4), WeightedBatches(4, {"a": 2})):
        assert sampler.batches(task, generator()) == []


def test_printing_pastes_back_and_saving_returns_the_same():
    for sampler in (StratifiedBatches(min_per_stratum=2), BalancedBatches(batch_size=8), WeightedBatches(8, {"a": 3.0})):
        assert eval(repr(sampler)) == sampler
        encoder = Encoder()
        assert Decoder(encoder.arrays).decode(encoder.encode(sampler)) == sampler


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda t: StratifiedBatches(0), ConfigError, "'min_per_stratum' must be an integer from 1, got 0"),
        (lambda t: BalancedBatches(2.5), ConfigError, "'batch_size' must be an integer"),
        (lambda t: BalancedBatches(1), ConfigError, "fewer than the 2 strata"),
        (lambda t: WeightedBatches(4), DataError, "has no weights"),
        (lambda t: WeightedBatches(4, [1.0, 2.0]), DataError, "2 weights for 10 training rows"),
        (lambda t: WeightedBatches(4, [0.0] * 10), DataError, "not all of them 0"),
        (lambda t: WeightedBatches(4, [-1.0] * 10), DataError, "finite numbers from 0"),
        (lambda t: WeightedBatches(4, {"aa": 1.0}), UnknownKeyError, "no class 'aa'.*Did you mean 'a'"),
    ],
)
def test_bad_settings_are_refused(make, error, words):
    task = unbalanced(5, 5)
    with pytest.raises(error, match=words):
        make(task).batches(task, generator())


def test_regression_without_strata_is_refused():
    task = as_task_regr({"x": [1.0, 2.0], "y": [0.5, 1.5]}, target="y")
    with pytest.raises(DataError, match=r"no strata; set some with task.with_roles"):
        StratifiedBatches().batches(task, generator())
    with pytest.raises(ConfigError, match="weights by label need a classification task"):
        WeightedBatches(2, {"a": 1}).batches(task, generator())


# ---------------------------------------------------------------- samplers of one's own in a training run


def seen(**settings):
    """The rows of each batch of two epochs."""
    rows = []
    task = as_task_classif(np.arange(10.0)[:, None], np.arange(10) % 2)
    note = torch_callback("note", on_batch_begin=lambda ctx: rows.append(ctx.x[0][:, 0].int().tolist()))
    graph = (
        po("torch_ingress_num")
        >> nn("head")
        >> po("torch_loss", loss="cross_entropy")
        >> po("torch_optimizer", optimizer="sgd")
        >> po("torch_callbacks", callbacks=[note])
        >> po("torch_model_classif", **{"epochs": 2, "seed": 1, **settings})
    )
    as_learner(graph).train(task)
    return rows


def test_a_sampler_gives_an_order_that_is_cut():
    backwards = list(range(9, -1, -1))
    expected = [backwards[:4], backwards[4:8], backwards[8:]]
    assert seen(sampler=backwards, batch_size=4) == expected * 2
    assert seen(sampler=backwards, batch_size=4, drop_last=True) == expected[:2] * 2
    assert seen(sampler=lambda task, generator: range(task.nrow - 1, -1, -1), batch_size=4) == expected * 2
    assert seen(sampler=torch.utils.data.SequentialSampler(range(10)), batch_size=5) == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]] * 2


def test_samplers_of_torch_follow_the_seed():
    random = torch.utils.data.RandomSampler(range(10))
    first, again, other = (seen(sampler=random, batch_size=10, seed=seed) for seed in (1, 1, 2))
    assert first == again != other
    assert sorted(first[0]) == list(range(10))
    assert first[0] != first[1]
    batches = torch.utils.data.BatchSampler(torch.utils.data.SequentialSampler(range(10)), 6, False)
    assert seen(batch_sampler=batches) == [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9]] * 2


def test_a_sampler_that_is_none_is_refused():
    with pytest.raises(ConfigError, match="'sampler' gives row positions"):
        seen(sampler="backwards", batch_size=4)
    with pytest.raises(ConfigError, match="either 'sampler' .* or 'batch_sampler'"):
        seen(sampler=[1, 2], batch_sampler=StratifiedBatches(min_per_stratum=1))
    with pytest.raises(ConfigError, match="set 'batch_size'"):
        seen(sampler=[1, 2])
    with pytest.raises(DataError, match=r"outside 0\.\.9"):
        seen(sampler=[1, 20], batch_size=2)


def test_samplers_are_a_shelf_whose_hyperparameters_have_addresses():
    assert list(t_sampler) == ["balanced", "stratified", "weighted"]
    assert t_sampler("stratified", min_per_stratum=2) == StratifiedBatches(min_per_stratum=2)
    node = po("torch_model_classif", batch_sampler="stratified")
    assert node.params["batch_sampler.min_per_stratum"] == 1
    changed = node.with_param("batch_sampler.min_per_stratum", 3)
    assert changed.batch_sampler == StratifiedBatches(3)
    assert node.batch_sampler == StratifiedBatches(1)
    with pytest.raises(ConfigError, match="'min_per_stratum' must be an integer from 1, got 0"):
        node.with_param("batch_sampler.min_per_stratum", 0)
    tuned = po("torch_model_classif", batch_sampler=t_sampler("balanced", batch_size=to_tune(4, 16)))
    assert isinstance(tuned.params["batch_sampler.batch_size"], Token)
    with pytest.raises(UnknownKeyError, match="no sampler 'stratifed'. Did you mean 'stratified'"):
        po("torch_model_classif", batch_sampler="stratifed")


class Remembering:
    """Rows by random numbers of its own."""

    def __init__(self):
        self.rng = np.random.default_rng(1)

    def __call__(self, task, generator):
        return self.rng.permutation(task.nrow)


@pytest.mark.parametrize(
    "sampler",
    [Remembering(), torch.utils.data.SubsetRandomSampler(range(150), generator=torch.Generator().manual_seed(1))],
    ids=["own", "torch"],
)
def test_what_a_sampler_remembers_is_the_run_s_own(sampler):
    graph = po("torch_ingress_num") >> nn("head") >> po("torch_loss", loss="cross_entropy") >> po("torch_optimizer")
    model = po("torch_model_classif", epochs=2, batch_size=16, sampler=sampler, seed=1, predict_type="prob")
    learner, task = as_learner(graph >> model), tsk("iris")
    first, second = (learner.train(task).predict(task).prob for _ in range(2))
    assert np.array_equal(first, second)
