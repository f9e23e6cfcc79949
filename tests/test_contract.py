"""The public contract suite over everything that is registered, and over things that break it."""

import random
from typing import Any, ClassVar

import narwhals as nw
import numpy as np
import pytest

from pipeops import nn, po, t_clbk, t_loss, t_opt
from pipeops.errors import DataError
from pipeops.graph import PipeOp
from pipeops.keys import KEYS
from pipeops.ops import Preprocess, operator
from pipeops.params import anything, integer, real
from pipeops.registry import Registry
from pipeops.testing import check_node, content, contract_checks, example, example_tasks

TASKS = example_tasks()
FOR_LAYERS = {"numbers": TASKS["numbers"]}


@pytest.mark.parametrize("key", KEYS["po"])
def test_operators(key):
    for check in contract_checks(example(po, key), TASKS):
        check()


@pytest.mark.parametrize("key", KEYS["nn"])
def test_layers(key):
    for check in contract_checks(example(nn, key), FOR_LAYERS):
        if check.name != "layer":  # tests/net runs the checks of numbers and shapes
            check()


@pytest.mark.parametrize(
    ("shelf", "key"), [(s, k) for s in (t_loss, t_opt, t_clbk) for k in KEYS[s.name]], ids=lambda x: getattr(x, "name", x)
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


# ---------------------------------------------------------------- what breaks the contract is found


@operator
class Sound(Preprocess):
    """Subtract the mean.

    >>> Sound(shift=1.0)
    Sound(shift=1.0)
    """

    kinds = ("numeric",)
    shift: float = real(default=0.0)

    def fit(self, frame: Any, target: Any) -> Any:
        return {c: frame[c].mean() for c in frame.columns}

    def apply(self, frame: Any, state: Any) -> Any:
        return frame.with_columns(nw.col(c) - mean + self.shift for c, mean in state.items())


@operator
class BadRepr(Sound):
    __doc__ = Sound.__doc__

    def __repr__(self) -> str:
        return "Sound()"


@operator
class NoDocstring(Sound):
    pass


@operator
class BadExample(Sound):
    """Fails.

    >>> 1 + 1
    3
    """


@operator
class Forgetful(Sound):
    __doc__ = Sound.__doc__

    def with_param(self, address: str, value: Any) -> Any:
        return type(self)(shift=3.0)


@operator
class Unpicklable(Sound):
    __doc__ = Sound.__doc__

    def __reduce__(self) -> Any:
        return Sound, ()


@operator
class Greedy(PipeOp):
    """Two values for one output.

    >>> Greedy().id
    'greedy'
    """

    def train(self, inputs: Any) -> Any:
        return [inputs[0], inputs[0]], {}

    def predict(self, inputs: Any, state: Any) -> Any:
        return inputs


@operator
class Spoiling(Sound):
    __doc__ = Sound.__doc__

    def train(self, inputs: Any) -> Any:
        result = super().train(inputs)
        inputs[0] = None
        return result


@operator
class Remembering(Sound):
    __doc__ = Sound.__doc__
    calls: ClassVar[list[int]] = []

    def fit(self, frame: Any, target: Any) -> Any:
        self.calls.append(1)
        return {c: len(self.calls) for c in frame.columns}


@operator
class Different(Sound):
    __doc__ = Sound.__doc__

    def fit_apply(self, frame: Any, target: Any) -> Any:
        return frame, self.fit(frame, target)


@operator
class Divides(Sound):
    __doc__ = Sound.__doc__

    def fit(self, frame: Any, target: Any) -> Any:
        if len(frame) < 2:
            raise DataError("divides: too few rows.")
        return super().fit(frame, target)


@operator
class AnyLayout(Sound):
    __doc__ = Sound.__doc__

    def _check_layout(self, types: Any, state: Any) -> None:
        pass

    def apply(self, frame: Any, state: Any) -> Any:
        return frame


@operator
class UnsavableState(Sound):
    __doc__ = Sound.__doc__

    def fit(self, frame: Any, target: Any) -> Any:
        return {c: iter([0.0]) for c in frame.columns}

    def apply(self, frame: Any, state: Any) -> Any:
        return frame


@operator
class Random(Sound):
    __doc__ = Sound.__doc__

    def fit(self, frame: Any, target: Any) -> Any:
        random.random()
        return dict.fromkeys(frame.columns, 0.0)


@operator
class NumpyRandom(Sound):
    __doc__ = Sound.__doc__

    def fit(self, frame: Any, target: Any) -> Any:
        np.random.rand()
        return dict.fromkeys(frame.columns, 0.0)


@operator
class Unchecked(Sound):
    __doc__ = Sound.__doc__
    example: ClassVar[Any] = {"size": 1}
    size: int = integer(1)


@operator
class TakesNothing(Sound):
    __doc__ = Sound.__doc__
    what: Any = anything(None)

    def train(self, inputs: Any) -> Any:
        raise DataError("never.")


BROKEN = [
    (BadRepr(shift=2.0), "repr"),
    (NoDocstring(), "docstring"),
    (BadExample(), "docstring"),
    (Forgetful(), "hyperparameters"),
    (Unpicklable(), "copies"),
    (Greedy(), "channels"),
    (Spoiling(), "inputs_stay"),
    (Remembering(), "repeats"),
    (Different(), "predict_equals_train"),
    (Divides(), "few_rows"),
    (AnyLayout(), "layout"),
    (UnsavableState(), "state_copies"),
    (Random(), "global_generators"),
    (NumpyRandom(), "global_generators"),
    (Unchecked(size=1), "unset"),
    (TakesNothing(), "channels"),
]


def test_a_sound_node_passes():
    check_node(Sound())
    check_node(Sound(shift=2.0, affect_columns=["a"]))


@pytest.mark.parametrize(("node", "name"), BROKEN, ids=lambda x: x if isinstance(x, str) else type(x).__name__)
def test_each_way_to_break_the_contract_is_found(node, name):
    failed: dict[str, str] = {}
    for check in contract_checks(node):
        try:
            check()
        except AssertionError as error:
            failed[str(check)] = str(error)
    assert name in failed
    assert failed[name].startswith(f"contract check '{name}' of {node!r}: ")
    with pytest.raises(AssertionError, match=r"contract check"):
        check_node(node)


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
