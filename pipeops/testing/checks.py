"""The checks themselves: functions `(thing, tasks)` that raise `AssertionError` when the thing breaks the contract.

`FOR_ALL` fit everything with hyperparameters, `FOR_NODES` nodes. Neighbours: samples.py says what a node is tried on;
parts.py (rows, columns, target) and surroundings.py (processes, settings, frame libraries) have checks of their own.
"""

import copy
import doctest
import pickle
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeops import saving, shorthand
from pipeops.data import selectors
from pipeops.errors import DataError, PipeOpsError, UnknownParameterError
from pipeops.graph import PipeOp, as_learner, chain
from pipeops.params import UNSET
from pipeops.registry import Registry
from pipeops.testing.pieces import FOR_ROWS
from pipeops.testing.samples import Tasks, content, predict, predict_inputs, train, train_inputs, trials
from pipeops.testing.surroundings import FOR_SURROUNDINGS


def _names(thing: Any) -> dict[str, Any]:
    """What a pasted `repr` may name."""
    own = {name: value for name, value in vars(shorthand).items() if isinstance(value, Registry)}
    return {
        "np": np,
        "as_learner": as_learner,
        "inf": float("inf"),
        "nan": float("nan"),
        **sys.modules,
        **vars(selectors),
        **own,
        **{
            type(value).__name__: type(value)
            for value in (*thing.params.values(), *getattr(thing, "__dict__", {}).values(), thing)
        },
    }


def check_repr(thing: Any, tasks: Tasks) -> None:
    """`repr` can be pasted back."""
    back = eval(repr(thing), _names(thing))
    assert type(back) is type(thing), f"repr gives a {type(back).__name__}"
    assert repr(back) == repr(thing), f"repr gives {back!r}"


def check_hyperparameters(thing: Any, tasks: Tasks) -> None:
    """Each hyperparameter can be read and set by its address, alone; another one is refused."""
    before = dict(thing.params)
    for name, value in before.items():
        after = dict(thing.with_param(name, value).params)
        assert list(after) == list(before), f"setting '{name}' changes which hyperparameters there are"
        changed = [n for n in before if content(after[n]) != content(before[n])]
        assert not changed, f"setting '{name}' to what it is changes {changed}"
    try:
        thing.with_param("no_such_hyperparameter", 1)
    except UnknownParameterError:
        return
    raise AssertionError("an unknown hyperparameter is not refused")


def check_kept(thing: Any, tasks: Tasks) -> None:
    """A hyperparameter that is taken is kept as it was given: what does not fit is refused, never changed in silence."""
    for name, setting in thing.params.settings().items():
        for value in _tried(setting.param):
            try:
                kept = thing.with_param(name, value).params[name]
            except Exception:
                continue  # refused
            assert content(kept) == content(value), f"'{name}' = {value!r} became {kept!r}; refuse what does not fit"


def _tried(param: Any) -> list[Any]:
    """Values within, at the ends of and far from what a hyperparameter allows."""
    if param.kind not in ("integer", "real"):
        return {"choice": list(param.options or ()), "flag": [True, False]}.get(param.kind, [-1, 0, 1, 2, 0.5, 1000])
    ends = [end for end in (param.low, param.high) if end is not None]
    near = [end + step for end in ends for step in (-1, 0, 1, 5)] + [sum(ends) / 2]
    far = [1000, 10**6, -1000, 1, 2, 3] if param.kind == "integer" else [1e6, -1e6, 0.01, 0.25, 0.5, 0.75, 0.99, 2.5]
    return [int(v) if param.kind == "integer" else float(v) for v in (*near, *far)]


def check_docstring(thing: Any, tasks: Tasks) -> None:
    """A docstring that begins with a line of its own and has an example that runs."""
    cls = type(thing)
    text = cls.__doc__ or ""
    assert text.strip().split("\n")[0].endswith("."), f"{cls.__name__} needs a docstring that begins with a sentence"
    test = doctest.DocTestParser().get_doctest(text, dict(vars(sys.modules[cls.__module__])), cls.__name__, None, 0)
    assert test.examples, f"the docstring of {cls.__name__} needs an example (>>> ...)"
    report: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test, out=report.append)
    assert not report, "".join(report)


def check_copies(thing: Any, tasks: Tasks) -> None:
    """Pickle and deepcopy give the same thing."""
    for clone in (copy.deepcopy(thing), pickle.loads(pickle.dumps(thing))):
        assert type(clone) is type(thing)
        assert repr(clone) == repr(thing)


FOR_ALL = [check_repr, check_hyperparameters, check_kept, check_docstring, check_copies]


def check_channels(node: PipeOp, tasks: Tasks) -> None:
    """Training answers one value for each output and a state, predicting one value for each output; a graph takes the node."""
    said = [c.name for c in node.outputs]
    for trial in trials(node, tasks):
        assert len(trial.outputs) == len(said), f"train gives {len(trial.outputs)} values for the outputs {said}"
        assert len(trial.answer) == len(said), f"predict gives {len(trial.answer)} values for the outputs {said}"
    assert chain([node]).ids() == [node.id]


def check_unset(node: PipeOp, tasks: Tasks) -> None:
    """A required hyperparameter that is not set is refused in training, by name."""
    for name, setting in node.params.settings().items():
        if setting.param.default is UNSET:
            check_refused_unset(node, name, tasks)


def check_refused_unset(node: PipeOp, name: str, tasks: Tasks) -> None:
    for task in tasks.values():
        try:
            train(node.with_param(name, UNSET), task)
        except PipeOpsError as error:
            if f"'{name}'" in str(error):
                return
    raise AssertionError(f"training without '{name}' is not refused by name")


def check_inputs_stay(node: PipeOp, tasks: Tasks) -> None:
    """Neither training nor predicting changes what comes in, nor the node."""
    own = repr(node)
    for task, _, state, _ in trials(node, tasks):
        given, later = train_inputs(node, task), predict_inputs(node, task)
        before = content([given, later])
        node.train(given, **({"valid": later} if node.takes_valid else {}))
        assert content([given, later]) == before, "training changes its input"
        node.predict(later, state)
        assert content([given, later]) == before, "predicting changes its input"
        assert repr(node) == own, "the node changed"


def check_repeats(node: PipeOp, tasks: Tasks) -> None:
    """Training twice, and predicting twice, gives the same; predicting leaves the state alone."""
    for task, outputs, state, answer in trials(node, tasks):
        again, other = train(node, task)
        before = content(other)
        assert content(again) == content(outputs), "training twice gives different outputs"
        assert content(predict(node, task, other)) == content(answer), "training twice gives different predictions"
        assert content(predict(node, task, state)) == content(answer), "predicting twice gives different outputs"
        assert content(other) == before, "predicting changes the state"


def check_predict_equals_train(node: PipeOp, tasks: Tasks) -> None:
    """Predicting on the training data gives what training gave, where the class says so."""
    if getattr(node, "predict_equals_train", False):
        for trial in trials(node, tasks):
            assert content(trial.answer) == content(trial.outputs)


def check_few_rows(node: PipeOp, tasks: Tasks) -> None:
    """No row and one row: predicting works, training works or is refused by an error of this package."""
    for task, _, state, _ in trials(node, tasks):
        for number in (0, 1):
            few = task.filter(task.row_ids[:number])
            for value in predict(node, few, state):
                got = len(value.row_ids) if hasattr(value, "row_ids") else number
                assert got == number, f"predicting {number} rows gives {got}"
            try:
                train(node, few)
            except PipeOpsError:
                assert node.changes_rows or not _is_operator(node), f"an operator must train on {number} rows"


def _is_operator(node: PipeOp) -> bool:
    return node.any_rows and all(c.train.startswith("Task") for c in (*node.inputs, *node.outputs))


def check_layout(node: PipeOp, tasks: Tasks) -> None:
    """A node that remembers the columns of training refuses, by name, data that lacks one."""
    for task, _, state, _ in trials(node, tasks):
        learnt = state.get("columns", state.get("layout", ())) if isinstance(state, Mapping) else ()
        for column in list(learnt)[:1]:
            rest = task.select([name for name in task.feature_names if name != column])
            message = "no error"
            try:
                node.predict([rest for _ in node.inputs], state)
            except DataError as error:
                message = str(error)
            assert column in message, f"predicting without '{column}', which was there in training: {message}"


def check_state_copies(node: PipeOp, tasks: Tasks) -> None:
    """Pickle, deepcopy and a saved file keep the state: predictions are the same."""
    for task, _, state, answer in trials(node, tasks):
        for how in (copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair)), _saved):
            twin, learnt = how((node, state))
            assert repr(twin) == repr(node), f"a copy is {twin!r}"
            assert content(predict(twin, task, learnt)) == content(answer), "a copy predicts otherwise"


def _saved(pair: Any) -> Any:
    node = pair[0]
    own = [type(node), *(value for value in node.params.values() if callable(value) and hasattr(value, "__qualname__"))]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "node")
        saving.write(path, "node", list(pair))
        return saving.read(path, "node", trust=own)


FOR_NODES = [
    check_channels,
    check_unset,
    check_inputs_stay,
    check_repeats,
    check_predict_equals_train,
    check_few_rows,
    check_layout,
    check_state_copies,
    *FOR_ROWS,
    *FOR_SURROUNDINGS,
]
