"""Resampling: sets are disjoint and exhaustive, strata keep their shares, groups are never cut, seeds repeat."""

from collections import Counter

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeops import as_task_classif, as_task_regr, partition, rsmp
from pipeops.errors import ConfigError, DataError, UnknownKeyError, UnknownParameterError
from pipeops.learn.resampling.base import Instance
from pipeops.learn.resampling.splits import split

DRAWN = [
    ("holdout", {"ratio": 0.6}),
    ("subsampling", {"ratio": 0.3, "repeats": 3}),
    ("cv", {"folds": 4}),
    ("repeated_cv", {"folds": 3, "repeats": 2}),
    ("bootstrap", {"repeats": 3}),
    ("loo", {}),
]


def numbered(n, **columns):
    return as_task_regr({"x": np.arange(n), "y": np.arange(n, dtype=float), **columns}, target="y", id="numbered")


def sets(resampling):
    return [(resampling.train_set(i), resampling.test_set(i)) for i in range(resampling.iters)]


@pytest.mark.parametrize(("key", "options"), DRAWN)
@given(n=st.integers(2, 40), seed=st.integers(0, 5))
def test_sets_are_disjoint_and_exhaustive(key, options, n, seed):
    task = numbered(n + 3).filter(np.arange(3, n + 3))
    for train, test in sets(rsmp(key, **options).instantiate(task, seed=seed)):
        assert not set(train) & set(test)
        assert set(train) | set(test) == set(range(3, n + 3))
        assert key == "bootstrap" or len(set(train)) == len(train)
        assert (np.diff(train) >= 0).all()


@given(n=st.integers(2, 40), folds=st.integers(2, 12))
def test_each_row_is_tested_once_in_a_cross_validation_and_folds_differ_by_one(n, folds):
    cv = rsmp("cv", folds=folds).instantiate(numbered(n), seed=1)
    sizes = [len(cv.test_set(i)) for i in range(folds)]
    assert sorted(np.concatenate([cv.test_set(i) for i in range(folds)])) == list(range(n))
    assert max(sizes) - min(sizes) <= 1
    assert sizes == sorted(sizes, reverse=True)


@given(st.lists(st.sampled_from("abc"), min_size=6, max_size=40).filter(lambda s: len(set(s)) > 1))
def test_strata_keep_their_shares(labels):
    task = numbered(len(labels), s=labels).with_roles(stratum="s")
    counts, labels = Counter(labels), np.array(labels)
    cv = rsmp("cv", folds=3).instantiate(task, seed=3)
    for i in range(3):
        tested = Counter(labels[cv.test_set(i)])
        assert all(abs(tested[s] - n / 3) < 1 for s, n in counts.items())
    train = rsmp("holdout", ratio=0.5).instantiate(task, seed=3).train_set(0)
    found = Counter(labels[train])
    assert all(abs(found[s] - 0.5 * n) <= 1 for s, n in counts.items())
    assert abs(len(train) - 0.5 * len(labels)) < 2


@given(
    sizes=st.lists(st.integers(1, 6), min_size=2, max_size=40), folds=st.integers(2, 6), ratio=st.sampled_from([0.1, 0.5, 0.9])
)
def test_many_small_strata_do_not_add_up(sizes, folds, ratio):
    """Each stratum rounded on its own would leave some folds and parts empty."""
    task = numbered(sum(sizes), s=np.repeat(np.arange(len(sizes)), sizes)).with_roles(stratum="s")
    stratum = np.repeat(np.arange(len(sizes)), sizes)
    cv = rsmp("cv", folds=min(folds, task.nrow)).instantiate(task, seed=1)
    parts = [(cv.test_set(i), 1 / cv.folds) for i in range(cv.folds)]
    parts += [(made.instantiate(task, seed=1).train_set(0), made.ratio) for made in [rsmp("holdout", ratio=ratio)]]
    assert all(len(rows) for rows, share in parts if round(share * task.nrow))
    assert 0 < len(parts[-1][0]) < task.nrow or round(ratio * task.nrow) in (0, task.nrow)
    for rows, share in parts:
        assert abs(len(rows) - share * task.nrow) < 2
        assert (abs(np.bincount(stratum[rows], minlength=len(sizes)) - share * np.array(sizes)) <= 1).all()


@pytest.mark.parametrize("ratio", [(0.6, 0.2), (0.34, 0.33), (0.5, 0.1)])
@pytest.mark.parametrize(("strata", "size"), [(40, 3), (25, 5), (60, 2)])
def test_three_parts_keep_the_strata(ratio, strata, size):
    stratum = np.repeat(np.arange(strata), size)
    task = numbered(strata * size, s=stratum).with_roles(stratum="s")
    for part, share in zip(partition(task, ratio, seed=1), (*ratio, 1 - sum(ratio)), strict=True):
        assert abs(len(part) - share * task.nrow) < 2
        assert (abs(np.bincount(stratum[part], minlength=strata) - share * size) <= 1).all()


@pytest.mark.parametrize(("key", "options"), DRAWN)
@given(groups=st.lists(st.integers(0, 5), min_size=4, max_size=30).filter(lambda g: len(set(g)) > 1))
def test_groups_are_never_cut(key, options, groups):
    task, groups = numbered(len(groups), g=groups).with_roles(group="g"), np.array(groups)
    for train, test in sets(rsmp(key, **options).instantiate(task, seed=2)):
        assert not set(groups[train]) & set(groups[test])
        for g, count in Counter(groups[train].tolist()).items():
            assert count % (groups == g).sum() == 0


def test_the_same_seed_draws_the_same_sets_and_another_seed_others():
    cv, task = rsmp("cv", folds=3), numbered(30)
    one, two, three = (cv.instantiate(task, seed=s) for s in (1, 1, 2))
    assert not cv.is_instantiated
    assert all(np.array_equal(one.test_set(i), two.test_set(i)) for i in range(3))
    assert not all(np.array_equal(one.test_set(i), three.test_set(i)) for i in range(3))


def test_every_row_is_equally_likely_in_a_bootstrap_and_a_holdout():
    task = numbered(10)
    boot = rsmp("bootstrap", repeats=2000).instantiate(task, seed=1)
    counts = sum(np.bincount(boot.train_set(i), minlength=10) for i in range(2000)) / 2000
    assert np.allclose(counts, 1, atol=0.1)
    sub = rsmp("subsampling", repeats=2000, ratio=0.3).instantiate(task, seed=1)
    counts = sum(np.bincount(sub.train_set(i), minlength=10) for i in range(2000)) / 2000
    assert np.allclose(counts, 0.3, atol=0.05)


def test_each_repeat_is_drawn_anew():
    for key in ("repeated_cv", "subsampling", "bootstrap"):
        made = rsmp(key, repeats=2, **({"folds": 2} if key == "repeated_cv" else {})).instantiate(numbered(30), seed=1)
        assert made.train_set(0).tolist() != made.train_set(made.iters // 2).tolist()


def test_a_plain_resampling_has_no_sets_and_a_wrong_iteration_is_refused():
    with pytest.raises(ConfigError, match="not been instantiated"):
        rsmp("cv").train_set(0)
    cv = rsmp("cv", folds=3).instantiate(numbered(9))
    for wrong in (3, -1, "a"):
        with pytest.raises(ConfigError, match="from 0 to 2"):
            cv.test_set(wrong)


@pytest.mark.parametrize("mixed", [False, True])
def test_strata_and_groups_together_are_balanced(mixed):
    rng = np.random.default_rng(3)
    sizes = rng.integers(1, 6, size=60)
    group = np.repeat(np.arange(60), sizes)
    stratum = rng.integers(0, 2, size=len(group)) if mixed else (group % 3 == 0).astype(int)
    task = numbered(len(group), g=group, s=stratum).with_roles(group="g", stratum="s")
    cv = rsmp("cv", folds=4).instantiate(task, seed=1)
    parts = [(cv.test_set(i), 1 / 4) for i in range(4)]
    parts += zip(partition(task, 0.6, seed=2)[:2], (0.6, 0.4), strict=True)
    parts += [(rsmp("holdout", ratio=0.5).instantiate(task, seed=1).train_set(0), 0.5)]
    for rows, share in parts:
        rest = np.setdiff1d(task.row_ids, rows)
        assert not set(group[rows]) & set(group[rest]), "a group is cut"
        assert abs(len(rows) - share * len(group)) <= 3
        assert (abs(np.bincount(stratum[rows]) - share * np.bincount(stratum)) <= 3).all()


def test_missing_groups_are_one_group_and_missing_strata_one_stratum():
    for missing in (None, float("nan")):
        task = numbered(8, g=[1.0, 1.0, 2.0, 2.0, missing, missing, missing, 3.0]).with_roles(group="g")
        folds = rsmp("loo").instantiate(task)
        assert [4, 5, 6] in [folds.test_set(i).tolist() for i in range(folds.iters)]
        strata = rsmp("cv", folds=3).instantiate(task.with_roles(group=None, stratum="g"), seed=1)
        assert all(len({4, 5, 6} & set(strata.test_set(i).tolist())) == 1 for i in range(3))


def test_stratify_needs_no_role():
    label = np.array(list("a" * 18 + "b" * 6))
    task = as_task_classif({"x": np.arange(24), "k": list("uuv") * 8, "y": label}, target="y")
    for resampling in (rsmp("cv", folds=3, stratify=True), rsmp("repeated_cv", folds=3, repeats=1, stratify=True)):
        made = resampling.instantiate(task, seed=1)
        assert [sorted(Counter(label[made.test_set(i)]).values()) for i in range(3)] == [[2, 6]] * 3
    for key in ("holdout", "subsampling"):
        assert Counter(label[rsmp(key, ratio=0.5, stratify=True).instantiate(task, seed=1).train_set(0)]) == {"a": 9, "b": 3}
    boot = rsmp("bootstrap", repeats=3, stratify="y").instantiate(task, seed=1)
    assert Counter(label[boot.train_set(2)]) == {"a": 18, "b": 6}
    numbers = numbered(40)
    made = rsmp("cv", folds=5, stratify=True).instantiate(numbers, seed=1)
    quarter = np.argsort(np.argsort(numbers.truth())) // 10
    assert all(np.bincount(quarter[made.test_set(i)], minlength=4).tolist() == [2, 2, 2, 2] for i in range(5))


@pytest.mark.parametrize("roles", [{}, {"stratum": "s"}, {"group": "g"}], ids=str)
def test_rows_drawn_twice_stay_together(roles):
    task = numbered(60, s=np.arange(60) % 3, g=np.arange(60) // 2).with_roles(**roles)
    sample = task.filter(rsmp("bootstrap", repeats=1).instantiate(task, seed=1).train_set(0))
    train, test = split(sample, 0.7, seed=1)
    assert not set(train.tolist()) & set(test.tolist())
    assert sorted([*train, *test]) == sorted(sample.row_ids)
    assert abs(len(train) - 42) <= 5
    for key in ("cv", "holdout", "subsampling", "bootstrap", "loo", "same_other_cv"):
        made = rsmp(key).instantiate(sample, seed=2)
        for i in range(made.iters):
            assert not set(made.train_set(i).tolist()) & set(made.test_set(i).tolist()), key


def test_sets_are_no_argument_of_a_constructor():
    with pytest.raises(UnknownParameterError, match="instance"):
        rsmp("cv", instance=3)
    cv = rsmp("cv", folds=2)
    cv.instantiate(numbered(4), seed=1)
    with pytest.raises(ConfigError, match="keep its answer: resampling = resampling.instantiate"):
        cv.train_set(0)


def test_hyperparameters_are_validated():
    with pytest.raises(ConfigError, match="folds"):
        rsmp("cv", folds=1)
    with pytest.raises(ConfigError, match="ratio"):
        rsmp("holdout", ratio=1.5)
    with pytest.raises(UnknownParameterError, match="folds"):
        rsmp("cv", fold=3)
    assert repr(rsmp("cv", folds=3, id="three")) == 'rsmp("cv", id="three", folds=3)'


def test_custom_sets():
    task = numbered(6)
    own = rsmp("custom", train_sets=[[0, 1, 2], [3, 4, 5]], test_sets=[[3, 4, 5], [0, 1]]).instantiate(task)
    assert own.iters == 2
    assert own.test_set(1).tolist() == [0, 1]
    with pytest.raises(ConfigError, match="as many test sets"):
        rsmp("custom", train_sets=[[0]], test_sets=[[1], [2]])
    with pytest.raises(UnknownKeyError, match="no row id 99"):
        rsmp("custom", train_sets=[[0]], test_sets=[[99]]).instantiate(task)
    mask = np.arange(6) > 3
    for own in (mask, mask.tolist(), pd.Series(mask), pd.Series(mask, dtype="boolean"), pl.Series(mask)):
        assert rsmp("custom", train_sets=[~mask], test_sets=[own]).instantiate(task).test_set(0).tolist() == [4, 5]
    for wrong in ([2.5], [True], pd.Series([True] * 5 + [None], dtype="boolean")):
        with pytest.raises(DataError):
            rsmp("custom", train_sets=[[0]], test_sets=[wrong]).instantiate(task)


def test_custom_cv_by_column_and_by_labels():
    task = numbered(6, k=["b", "a", "b", "c", "a", "c"])
    by_column = rsmp("custom_cv", col="k").instantiate(task)
    assert [by_column.test_set(i).tolist() for i in range(3)] == [[1, 4], [0, 2], [3, 5]]
    by_label = rsmp("custom_cv", f=[1, 1, 2, 2, 3, None]).instantiate(task)
    assert [s.tolist() for s in (by_label.test_set(2), by_label.train_set(2))] == [[4], [0, 1, 2, 3]]
    with pytest.raises(ConfigError, match="either"):
        rsmp("custom_cv")
    with pytest.raises(DataError, match="2 labels for the 6 rows"):
        rsmp("custom_cv", f=[1, 2]).instantiate(task)


def test_an_instance_knows_its_task_and_its_iterations_print():
    cv = rsmp("repeated_cv", folds=2, repeats=2).instantiate(numbered(5), seed=1)
    assert isinstance(cv.instance, Instance)
    assert cv.belongs_to(numbered(5))
    assert not cv.belongs_to(numbered(6))
    assert cv.table().rows() == [(0, 0, 0, 2, 3), (1, 0, 1, 3, 2), (2, 1, 0, 2, 3), (3, 1, 1, 3, 2)]
    assert repr(cv).splitlines()[1].split() == ["iteration", "repeat", "fold", "train", "test"]


@given(
    st.lists(st.sampled_from("uvw"), min_size=9, max_size=30).filter(lambda s: min(Counter(s).values()) >= 2 and len(set(s)) > 1)
)
def test_same_other_cv_trains_on_the_subsets_that_it_says(subset):
    task, subset = numbered(len(subset), s=subset).with_roles(subset="s"), np.array(subset)
    soak = rsmp("same_other_cv", folds=2).instantiate(task, seed=1)
    assert soak.iters == 3 * 2 * len(set(subset))
    for i in range(soak.iters):
        kind, own = soak.details(i)["train.subsets"], soak.details(i)["test.subset"]
        train, test = soak.train_set(i), soak.test_set(i)
        assert not set(train) & set(test)
        assert set(subset[test]) == {own}
        wanted = {"same": {own}, "all": set(subset), "other": set(subset) - {own}}[kind]
        assert set(subset[train]) <= wanted
        assert kind != "other" or own not in subset[train]


def test_same_other_cv_shares_tests_and_folds():
    task = numbered(30, s=["a"] * 20 + ["b"] * 10).with_roles(subset="s")
    soak = rsmp("same_other_cv", folds=5).instantiate(task, seed=1)
    by_kind = {k: {} for k in ("same", "other", "all")}
    for i in range(soak.iters):
        d = soak.details(i)
        by_kind[d["train.subsets"]][d["test.subset"], d["test.fold"]] = (soak.train_set(i), soak.test_set(i))
    for place, (train, test) in by_kind["all"].items():
        same, other = by_kind["same"][place], by_kind["other"][place]
        assert np.array_equal(test, same[1])
        assert sorted([*same[0], *other[0]]) == train.tolist()
    assert [len(by_kind[k]["a", 0][0]) for k in ("same", "other", "all")] == [16, 8, 24]


def test_same_other_cv_sizes_are_nested_and_keep_strata():
    labels = ["p", "n"] * 20
    task = numbered(40, s=["a"] * 24 + ["b"] * 16, k=labels).with_roles(subset="s", stratum="k")
    soak = rsmp("same_other_cv", folds=2, sizes=1, subsets="SO").instantiate(task, seed=1)
    sizes = {}
    for i in range(soak.iters):
        d = soak.details(i)
        sizes.setdefault((d["train.subsets"], d["test.subset"], d["test.fold"]), []).append(soak.train_set(i))
    assert [len(s) for s in sizes["same", "a", 0]] == [12, 8, 4]
    assert [len(s) for s in sizes["other", "a", 0]] == [8, 4]
    assert [len(s) for s in sizes["same", "b", 0]] == [8, 4]
    large, middle, small = (set(s) for s in sizes["same", "a", 0])
    assert small < middle < large
    assert Counter(np.array(labels)[sorted(middle)]) == {"p": 4, "n": 4}
    smallest = rsmp("same_other_cv", folds=2, sizes=0, subsets="SO").instantiate(task, seed=1)
    found = [(smallest.details(i)["n.train.groups"], len(smallest.train_set(i))) for i in range(smallest.iters)]
    assert set(found) == {(8, 8), (12, 12)}


def test_same_other_cv_without_subsets_is_a_cross_validation():
    soak = rsmp("same_other_cv", folds=3).instantiate(numbered(9), seed=1)
    assert soak.iters == 3
    assert sorted(np.concatenate([soak.test_set(i) for i in range(3)])) == list(range(9))
    assert all(set(soak.train_set(i)) | set(soak.test_set(i)) == set(range(9)) for i in range(3))


def test_partition_cuts_in_two_or_three():
    task = numbered(10)
    parts = partition(task, ratio=(0.5, 0.3), seed=1)
    assert [len(p) for p in parts] == [5, 3, 2]
    assert sorted(np.concatenate(parts)) == list(range(10))
    assert partition(task, 0.6, seed=4).train.tolist() == partition(task, 0.6, seed=4).train.tolist()
    for wrong in (1, -0.1, (0.8, 0.5), (0.1, 0.1, 0.1), "a", 1e-9, 0.999999, (0.5, 0.499999)):
        with pytest.raises(ConfigError, match="ratio"):
            partition(task, wrong)


def test_partition_stratifies_by_target_or_column():
    task = as_task_classif({"x": list(range(12)), "k": list("uv") * 6, "y": ["p"] * 8 + ["n"] * 4}, target="y")
    for stratify, column in ((True, task.truth()), ("k", np.array(list("uv") * 6))):
        parts = partition(task, 0.5, stratify=stratify, seed=1)
        assert Counter(column[parts.train].tolist()) == Counter(column[parts.test].tolist())


def test_only_tasks_are_resampled():
    with pytest.raises(DataError, match="cv: takes a task, got str"):
        rsmp("cv").instantiate("iris")


@pytest.mark.parametrize("seeds", [(0, 1), (1, 2)])
def test_another_seed_makes_another_split(seeds):
    task = numbered(40)
    first, second = (split(task, 0.5, seed=seed)[0].tolist() for seed in seeds)
    assert first != second
    assert partition(task, seed=seeds[0]).train.tolist() != partition(task, seed=seeds[1]).train.tolist()


def test_a_split_cuts_no_group():
    task = numbered(60, g=np.arange(60) // 4).with_roles(group="g")
    train, test = split(task, 0.7, seed=1)
    assert not set(train // 4) & set(test // 4)
    assert (len(train), len(test)) == (40, 20)
