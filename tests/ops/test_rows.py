"""subsample, classbalancing, classweights: sizes beside the reference and by hand, seeds, and nothing at predict."""

import re
from typing import Any

import numpy as np
import pytest

from pipeops import as_task_classif, as_task_regr, po
from pipeops.errors import ConfigError, DataError
from tests.ops import reference as ref

COUNTS = {"a": 6, "b": 3, "c": 1}


def imbalanced() -> Any:
    labels = [k for k, n in COUNTS.items() for _ in range(n)]
    return as_task_classif({"x": list(range(10)), "y": labels}, target="y")


def counts(task: Any) -> dict[str, int]:
    truth = task.truth().tolist()
    return {k: truth.count(k) for k in task.class_names}


def test_class_counts_are_those_of_the_reference(reference: Any) -> None:
    tasks = reference("tasks")["tasks"]
    cases = [c for c in reference("04_taskops")["cases"] if c.get("kind") == "counts" and c["case"].startswith("classbalancing")]
    for case in cases:
        options = {k: case[k] for k in ("reference", "adjust", "ratio")}
        made = po("classbalancing", **options).train([ref.task(tasks[case["train_task"]])])[0][0]
        assert counts(made) == case["counts"], case["case"]
    assert len(cases) > 100


def test_sizes_of_subsamples_are_those_of_the_reference(reference: Any) -> None:
    tasks = reference("tasks")["tasks"]
    for case in (c for c in reference("04_taskops")["cases"] if c["case"].startswith('po("subsample"')):
        data = tasks[case["train_task"]]
        if case["error"]:
            with pytest.raises(ConfigError):
                ref.operator(case["r"], data)
            continue
        ((made,), state) = ref.operator(case["r"], data).train([ref.task(data)])
        assert made.nrow == case["nrow"]
        if re.search("stratify", case["case"]):
            assert counts(made) == case["counts"]
        assert po("subsample").predict([made], state)[0] is made


def test_rows_are_repeated_evenly_and_keep_their_ids() -> None:
    made = po("classbalancing", reference="major", shuffle=False).train([imbalanced()])[0][0]
    assert counts(made) == {"a": 6, "b": 6, "c": 6}
    assert np.bincount(made.row_ids).tolist() == [1] * 6 + [2] * 3 + [6]


@pytest.mark.parametrize("key", ["subsample", "classbalancing"])
def test_a_seed_reproduces_and_leaves_the_global_generator_alone(key: str) -> None:
    before = np.random.get_state()[1].tolist()  # type: ignore[index]
    drawn = [po(key, seed=seed).train([imbalanced()])[0][0].row_ids.tolist() for seed in (3, 3, 4)]
    assert drawn[0] == drawn[1] != drawn[2]
    ((made,), state) = po(key).train([imbalanced()])
    assert po(key, seed=state["seed"]).train([imbalanced()])[0][0].row_ids.tolist() == made.row_ids.tolist()
    assert np.random.get_state()[1].tolist() == before  # type: ignore[index]


@pytest.mark.parametrize("replace", [False, True])
def test_groups_are_drawn_whole(replace: bool) -> None:
    data = as_task_regr({"x": range(12), "g": [i // 3 for i in range(12)], "y": np.zeros(12)}, target="y").with_roles(group="g")
    made = po("subsample", frac=0.5, replace=replace, seed=2).train([data])[0][0]
    assert made.nrow == 6
    assert set(np.bincount(made.row_ids // 3).tolist()) <= {0, 3, 6}


def test_weights_go_to_the_smaller_class_and_to_no_feature() -> None:
    data = as_task_classif({"x": [1.0, 2.0, 3.0], "y": ["a", "b", "a"]}, target="y")
    made = po("classweights", minor_weight=5).train([data])[0][0]
    assert (made.weights().tolist(), made.feature_names) == ([1.0, 5.0, 1.0], ["x"])
    with pytest.raises(DataError, match="weights already"):
        po("classweights").train([made])
    with pytest.raises(DataError, match="need two classes"):
        po("classweights").train([imbalanced()])
