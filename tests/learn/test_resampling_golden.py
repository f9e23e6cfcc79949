"""Set sizes are those of the reference, for every resampling, with and without strata and groups."""

import numpy as np
import polars as pl
import pytest

from pipeops import as_task_classif, as_task_regr, partition, rsmp
from pipeops.errors import ConfigError

STRATA = ["a"] * 13 + ["b"] * 5 + ["c"] * 2
CLASSES = {"sonar": 208, "german": 1000, "penguins": 344, "iris": 150, "mtcars": 32}


def call(text):
    """The Python object for an R call such as `rsmp("cv", folds = 3)`."""
    return eval(text, {"rsmp": rsmp})


def task_of(case):
    n, name = case["nrow"], case["case"].split("/")[0]
    columns = {"x": np.arange(n), "y": np.arange(n, dtype=float)}
    if name.startswith("strat"):
        return as_task_regr(pl.DataFrame({**columns, "s": STRATA}), target="y").with_roles(stratum="s")
    if name.startswith("group"):
        return as_task_regr(pl.DataFrame({**columns, "g": np.arange(n) % 4}), target="y").with_roles(group="g")
    return as_task_regr(pl.DataFrame(columns), target="y")


def cases(reference):
    return [c for c in reference("06_resampling")["cases"] if "error" not in c]


def test_set_sizes(reference):
    for case in cases(reference):
        made = call(case["r"]).instantiate(task_of(case), seed=1)
        assert (made.id, made.iters) == (case["id"], case["iters"]), case["case"]
        for i in range(made.iters):
            train, test = made.train_set(i), made.test_set(i)
            assert len(train) == case["train_sizes"][i], case["case"]
            assert bool(set(train) & set(test)) != case["disjoint"][i], case["case"]
            assert (len(set(train)) < len(train)) <= case["duplicated_ids"], case["case"]
            if case["union_all"][i]:
                assert set(train) | set(test) == set(range(case["nrow"])), case["case"]
                assert case["duplicated_ids"] or len(test) == case["test_sizes"][i], case["case"]
            else:  # the reference answers one missing row id where a fold is empty
                assert (len(test), case["test_sizes"][i]) == (0, 1), case["case"]
        if "train_strata_counts" in case:
            counts = [{s: STRATA[:20].count(s) for s in "abc"} for _ in range(made.iters)]
            for i, found in enumerate(counts):
                labels = np.array(STRATA)[made.train_set(i)].tolist()
                assert {s: labels.count(s) for s in found} == case["train_strata_counts"][i], case["case"]


def test_defaults_and_ranges(reference):
    for meta in reference("06_resampling")["meta"]:
        made = rsmp[meta["key"]]
        for param in meta["params"]:
            field = getattr(made.__attrs_attrs__, param["id"])
            assert field.default == pytest.approx(param["value"][0])
            own = field.metadata["param"]
            assert own.kind == {"ParamDbl": "real", "ParamInt": "integer"}[param["class"]]
            assert own.low == param["lower"][0]
            assert own.high == (None if param["upper"][0] == "Inf" else param["upper"][0])


def test_strata_with_groups(reference):
    """The reference refuses both; here they are balanced together."""
    case = next(c for c in reference("06_resampling")["cases"] if c["case"] == "group_and_strata")
    columns = {"x": list(range(12)), "g": [0, 1, 2] * 4, "s": list("ab") * 6, "y": list(range(12))}
    made = call(case["r"]).instantiate(as_task_regr(columns, target="y").with_roles(group="g", stratum="s"))
    groups = [set((made.test_set(i) % 3).tolist()) for i in range(made.iters)]
    assert sorted(g for own in groups for g in own) == [0, 1, 2]


def test_custom(reference):
    own = reference("06_resampling")["custom"]
    task = as_task_regr({"x": list(range(6)), "y": list(range(6))}, target="y")
    shift = lambda sets: [[row - 1 for row in s] for s in sets]  # noqa: E731 - row ids start at 0 here
    made = rsmp("custom", train_sets=shift(own["ok"]["train"]), test_sets=shift(own["ok"]["test"])).instantiate(task)
    assert [made.train_set(i).tolist() for i in range(2)] == shift(own["ok"]["train"])
    folds = rsmp("custom_cv", f=["a", "a", "b", "b", "c", None]).instantiate(task)
    assert folds.iters == own["custom_cv"]["iters"]
    assert [folds.test_set(i).tolist() for i in range(3)] == shift(own["custom_cv"]["test"])
    assert [folds.train_set(i).tolist() for i in range(3)] == shift(own["custom_cv"]["train"])
    repeated = rsmp("repeated_cv", folds=3, repeats=2).instantiate(task)
    wanted = own["repeated_folds_fun"]
    assert [repeated.details(i)["fold"] + 1 for i in range(6)] == wanted["folds"]
    assert [repeated.details(i)["repeat"] + 1 for i in range(6)] == wanted["repeats"]


def test_partition(reference):
    file = reference("06_resampling")
    for case in file["partition"]:
        n = CLASSES.get(case["case"].split("_")[0], 150)
        ratio = {"iris_.8": 0.8, "iris_three": (0.6, 0.2), "mtcars_.5": 0.5, "ratio_1": 1, "ratio_0": 0}.get(case["case"], 0.67)
        task = as_task_regr({"x": list(range(n)), "y": list(range(n))}, target="y")
        if "error" in case:
            with pytest.raises(ConfigError):
                partition(task, ratio=(0.8, 0.5) if case["case"] == "ratio_sum_over_1" else ratio)
            continue
        parts = partition(task, ratio, seed=1)
        assert {name: len(rows) for name, rows in parts._asdict().items()} == case["sizes"], case["case"]
        assert all((np.diff(rows) > 0).all() for rows in parts)
    for case in file["partition_stratified_by_target"]:
        labels = np.array([c for c, n in case["n_class"].items() for _ in range(n)])
        task = as_task_classif({"x": list(range(len(labels))), "y": labels.tolist()}, target="y")
        parts = partition(task, stratify=True, seed=1)
        for rows, wanted in ((parts.train, "train_class_counts"), (parts.test, "test_class_counts")):
            assert {c: int((labels[rows] == c).sum()) for c in case[wanted]} == case[wanted], case["task"]
