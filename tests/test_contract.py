"""The public contract suite over everything that is registered, and over things that break it."""

import numpy as np
import pytest

from pipeops import flt, nn, po, t_clbk, t_loss, t_opt
from pipeops.keys import KEYS
from pipeops.registry import Registry
from pipeops.testing import check_node, content, contract_checks, example, example_tasks, tensor_tasks
from pipeops.testing.samples import several_tasks, takes_several
from tests.broken_nodes import BROKEN, Sound, Spoiling, Unchecked

TASKS = example_tasks()
SEVERAL = several_tasks()
TENSORS = {"lazy": tensor_tasks()["lazy"]}
FOR_LAYERS = {"numbers": TASKS["numbers"]}


@pytest.mark.parametrize("key", KEYS["po"])
def test_operators(key):
    node = example(po, key)
    tasks = TENSORS if getattr(node, "kinds", ()) == ("tensor",) else SEVERAL if takes_several(node) else TASKS
    for check in contract_checks(node, tasks):
        check()


@pytest.mark.parametrize("key", KEYS["nn"])
def test_layers(key):
    for check in contract_checks(example(nn, key), FOR_LAYERS):
        if check.name != "layer":  # tests/net runs the checks of numbers and shapes
            check()


@pytest.mark.parametrize(
    ("shelf", "key"), [(s, k) for s in (t_loss, t_opt, t_clbk, flt) for k in KEYS[s.name]], ids=lambda x: getattr(x, "name", x)
)
def test_losses_optimizers_and_callbacks(shelf, key):
    for check in contract_checks(example(shelf, key)):
        check()


def test_the_example_tasks_cover_what_tasks_can_be():
    kinds = {k for task in TASKS.values() for k in task.feature_types.values()}
    assert kinds == {"numeric", "boolean", "categorical", "datetime"}
    assert {task.task_type for task in TASKS.values()} == {"classif", "regr"}
    assert {len(t.class_names) for t in TASKS.values() if t.task_type == "classif"} == {2, 3}
    assert any(sum(task.missings().values()) for task in TASKS.values())


def test_a_sound_node_passes():
    check_node(Sound())
    check_node(Sound(shift=2.0, affect_columns=["a"]))


@pytest.mark.parametrize(("node", "name"), BROKEN, ids=lambda x: x if isinstance(x, str) else type(x).__name__)
def test_each_way_to_break_the_contract_is_found(node, name):
    (check,) = [check for check in contract_checks(node) if check.name == name]
    with pytest.raises(AssertionError) as caught:
        check()
    assert str(caught.value).startswith(f"contract check '{name}' of {node!r}: ")


def test_a_broken_node_fails_as_a_whole():
    with pytest.raises(AssertionError, match="contract check 'inputs_stay' of Spoiling"):
        check_node(Spoiling())


def test_examples_come_from_the_class(monkeypatch):
    monkeypatch.setattr(Registry, "all", dict(Registry.all))
    shelf = Registry("shelf", "thing", {})
    shelf.add("unchecked", Unchecked)
    assert example(shelf, "unchecked").size == 1
    assert example(nn, "linear").out_features == 4


def test_content_compares_what_matters():
    task = TASKS["mixed"]
    assert content(task) == content(task.filter(task.row_ids))
    assert content(task) != content(task.filter(task.row_ids[::-1]))
    assert content(task) != content(task.select(task.feature_names[::-1]))
    assert content([float("nan"), {"a": (1, np.float64(2))}]) == ["NaN", {"a": [1, 2.0]}]
