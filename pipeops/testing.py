"""The contract that every registered node satisfies, as checks to run over one's own.

    @pytest.mark.parametrize("check", contract_checks(po("my_node")), ids=str)
    def test_contract(check):
        check()

`check_node(node)` runs them all. A node is trained and applied on small tasks (`example_tasks`, or one's own); on those
that it refuses with an error of this package it need not do more. Where a node cannot be made without arguments, its class
says which in `example`, a mapping. Neighbours: everything below; nothing of the package imports this.
"""

import copy
import doctest
import pickle
import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import attrs
import numpy as np

from pipeops import saving, shorthand
from pipeops.data import Task, TaskClassif, as_task_classif, as_task_regr, selectors
from pipeops.errors import DataError, PipeOpsError, UnknownParameterError
from pipeops.graph import PipeOp, chain
from pipeops.learn import PredictionClassif, PredictionRegr
from pipeops.params import UNSET, Configurable
from pipeops.registry import Registry

Tasks = Mapping[str, Task]


class Check(NamedTuple):
    """One check of one thing: call it; it raises `AssertionError` when the thing breaks the contract."""

    name: str
    thing: Any
    tasks: Tasks
    function: Callable[[Any, Tasks], None]

    def __call__(self) -> None:
        try:
            self.function(self.thing, self.tasks)
        except Exception as error:
            what = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
            raise AssertionError(f"contract check '{self.name}' of {self.thing!r}: {what}") from error

    def __str__(self) -> str:
        return self.name


def contract_checks(thing: Any, tasks: Tasks | None = None) -> list[Check]:
    """The checks for a node, or the fewer ones for another thing with hyperparameters (a loss, an optimizer).

    tasks: by name, `example_tasks()` by default. A hyperparameter `seed` that is None is set, so that runs repeat.

    >>> from pipeops import po
    >>> [check() for check in contract_checks(po("scale")) if check.name == "repr"]
    [None]
    """
    node = isinstance(thing, PipeOp)
    if "seed" in thing.params() and thing.params()["seed"].value is None:
        thing = thing.with_param("seed", 0)
    wanted = [*_FOR_ALL, *_FOR_NODES] if node else _FOR_ALL
    checks = [Check(f.__name__.removeprefix("_check_"), thing, tasks or (example_tasks() if node else {}), f) for f in wanted]
    if hasattr(type(thing), "row"):
        from pipeops.net.contract import check_layer

        checks.append(Check("layer", thing, {}, lambda layer, tasks: check_layer(type(layer).key)))
    return checks


def check_node(node: PipeOp, tasks: Tasks | None = None) -> None:
    """Run all checks; the first that fails raises `AssertionError`.

    >>> from pipeops import po
    >>> check_node(po("nop"))
    """
    for check in contract_checks(node, tasks):
        check()


def example(registry: Registry, key: str) -> Any:
    """An instance of what a key names, with the arguments that its class states as `example`.

    >>> from pipeops import po
    >>> example(po, "imputeconstant").constant
    0
    """
    holder = registry[key]
    arguments = holder.row.example if hasattr(holder, "row") else getattr(holder, "example", {})
    return registry(key, **(arguments() if callable(arguments) else arguments))


def example_tasks() -> dict[str, Task]:
    """Small tasks that differ in type, classes, kinds of columns and missing values."""
    import polars as pl

    rng, n = np.random.default_rng(0), 12
    numbers = {"a": rng.normal(size=n), "b": rng.uniform(1, 9, n), "c": np.arange(n)}
    levels = pl.Series(["lo", "hi", "mid"] * 4, dtype=pl.Enum(["lo", "mid", "hi"]))
    mixed = {
        **numbers,
        "missing": [None, 1.5, 2.5] * 4,
        "flag": [True, False, True, None] * 3,
        "text": ["x", None, "y"] * 4,
        "level": levels,
        "same": [1.0] * n,
        "day": pl.datetime_range(pl.datetime(2020, 1, 1), pl.datetime(2020, 1, n), eager=True),
    }
    codes = {"text": ["x", "z", "y"] * 4, "level": levels, "flag": [True, False] * 6}
    return {
        "numbers": as_task_classif(pl.DataFrame({**numbers, "y": ["no", "yes"] * 6}), target="y", positive="yes", id="numbers"),
        "mixed": as_task_regr(pl.DataFrame({**mixed, "y": np.linspace(0, 1, n)}), target="y", id="mixed"),
        "codes": as_task_classif(pl.DataFrame({**codes, "y": ["p", "q", "r"] * 4}), target="y", id="codes"),
        "numbers_regr": as_task_regr(pl.DataFrame({**numbers, "y": np.linspace(0, 1, n)}), target="y", id="numbers_regr"),
    }


# ---------------------------------------------------------------- what a node is given


def train_inputs(node: PipeOp, task: Task) -> list[Any]:
    """What the node takes in training, made from a task: the task itself, nothing, or a network under construction."""
    return [_for_training(node, c.train, task) for c in node.inputs for _ in range(2 if c.many else 1)]


def predict_inputs(node: PipeOp, task: Task) -> list[Any]:
    """What the node takes when predicting: the task itself, a prediction for it, or the data for a network."""
    return [_for_predicting(c.predict, task) for c in node.inputs for _ in range(2 if c.many else 1)]


def _for_training(node: PipeOp, kind: str, task: Task) -> Any:
    if kind != "ModelDescriptor":
        return None if kind == "None" else _suiting(kind, task)
    (descriptor,), _ = _ingress(task).train([task])
    if hasattr(type(node), "row"):
        from pipeops.net.contract import example as layer_example

        return attrs.evolve(descriptor, symbol=layer_example(type(node).key)[1])
    return _complete(descriptor) if node.outputs[0].predict.startswith("Prediction") else descriptor


def _for_predicting(kind: str, task: Task) -> Any:
    if kind == "Feed":
        ingress = _ingress(task)
        return ingress.predict([task], {"layout": task.feature_types, "levels": _levels(task)})[0]
    return _prediction(_suiting(kind, task)) if kind.startswith("Prediction") else _suiting(kind, task)


def _ingress(task: Task) -> PipeOp:
    return shorthand.po("torch_ingress_num" if "numeric" in task.feature_types.values() else "torch_ingress_categ")


def _levels(task: Task) -> dict[str, Any]:
    return {n: [False, True] if k == "boolean" else task.levels(n) for n, k in task.feature_types.items() if k != "numeric"}


def _suiting(kind: str, task: Task) -> Task:
    """The task, refused where a channel is for another type of task."""
    if kind.endswith(("Classif", "Regr")) and not kind.lower().endswith(task.task_type):
        raise DataError(f"takes a {kind}, the task '{task.id}' is of type {task.task_type}.")
    return task


def _prediction(task: Task) -> Any:
    """Some prediction for the task's rows."""
    if not isinstance(task, TaskClassif):
        return PredictionRegr(row_ids=task.row_ids, truth=task.truth(), response=np.linspace(0, 1, task.nrow))
    scores = np.random.default_rng(1).uniform(0.1, 1, (task.nrow, len(task.class_names)))
    prob = scores / scores.sum(axis=1, keepdims=True)
    return PredictionClassif(row_ids=task.row_ids, truth=task.truth(), prob=prob, class_names=task.class_names)


def _complete(descriptor: Any) -> Any:
    """A network that lacks nothing but its training."""
    loss = "cross_entropy" if descriptor.feed.task.task_type == "classif" else "mse"
    for node in (shorthand.nn("head"), shorthand.po("torch_loss", loss=loss), shorthand.po("torch_optimizer")):
        (descriptor,), _ = node.train([descriptor])
    return descriptor


def _train(node: PipeOp, task: Task) -> tuple[Sequence[Any], Any]:
    beside = {"valid": predict_inputs(node, task)} if node.takes_valid else {}
    return node.train(train_inputs(node, task), **beside)


def _predict(node: PipeOp, task: Task, state: Any) -> Sequence[Any]:
    return node.predict(predict_inputs(node, task), state)


class Trial(NamedTuple):
    """A node trained on a task and applied to it."""

    task: Task
    outputs: Sequence[Any]
    state: Any
    answer: Sequence[Any]


def _trials(node: PipeOp, tasks: Tasks) -> Iterator[Trial]:
    """The node on each task that it takes; it must take one."""
    refusals: dict[str, PipeOpsError] = {}
    for name, task in tasks.items():
        try:
            outputs, state = _train(node, task)
            trial = Trial(task, outputs, state, _predict(node, task, state))
        except PipeOpsError as error:
            refusals[name] = error
        else:
            yield trial
    reasons = "\n".join(f"  {name}: {error}" for name, error in refusals.items())
    assert len(refusals) < len(tasks), f"{node!r} takes none of the tasks; give it one that it takes:\n{reasons}"


def content(value: Any) -> Any:
    """A value as plain data that can be compared with `==`: frames by rows, NaN as text, networks by their structure."""
    if isinstance(value, Task):
        frame = value.frame()
        columns = {c: content(frame.get_column(c).to_list()) for c in frame.columns}
        return [value.id, value.roles, value.feature_types, columns, content(value.truth()), value.row_ids.tolist()]
    if isinstance(value, float) and value != value:
        return "NaN"
    if hasattr(value, "predict_types"):
        return content(value.to_frame().to_dict(as_series=False))
    if isinstance(value, Mapping):
        return {str(k): content(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [content(v) for v in value]
    if hasattr(value, "tolist"):
        return content(value.tolist())
    if isinstance(value, type):
        return repr(value)
    if hasattr(value, "state_dict"):
        return content(value.state_dict())
    if attrs.has(type(value)) and not isinstance(value, Configurable):
        return {a.name: content(getattr(value, a.name)) for a in attrs.fields(type(value)) if a.name not in ("serial", "_tensor")}
    return value if isinstance(value, str | int | float | bool | None) else repr(value)


# ---------------------------------------------------------------- checks of everything with hyperparameters


def _names(thing: Any) -> dict[str, Any]:
    """What a pasted `repr` may name."""
    own = {name: value for name, value in vars(shorthand).items() if isinstance(value, Registry)}
    return {
        "np": np,
        "inf": float("inf"),
        "nan": float("nan"),
        **sys.modules,
        **vars(selectors),
        **own,
        type(thing).__name__: type(thing),
    }


def _check_repr(thing: Any, tasks: Tasks) -> None:
    """`repr` can be pasted back."""
    back = eval(repr(thing), _names(thing))
    assert type(back) is type(thing), f"repr gives a {type(back).__name__}"
    assert repr(back) == repr(thing), f"repr gives {back!r}"


def _check_hyperparameters(thing: Any, tasks: Tasks) -> None:
    """Each hyperparameter can be read and set by its address, alone; another one is refused."""
    before = {name: setting.value for name, setting in thing.params().items()}
    for name, value in before.items():
        after = {n: s.value for n, s in thing.with_param(name, value).params().items()}
        assert list(after) == list(before), f"setting '{name}' changes which hyperparameters there are"
        changed = [n for n in before if content(after[n]) != content(before[n])]
        assert not changed, f"setting '{name}' to what it is changes {changed}"
    try:
        thing.with_param("no_such_hyperparameter", 1)
    except UnknownParameterError:
        return
    raise AssertionError("an unknown hyperparameter is not refused")


def _check_docstring(thing: Any, tasks: Tasks) -> None:
    """A docstring that begins with a line of its own and has an example that runs."""
    cls = type(thing)
    text = cls.__doc__ or ""
    assert text.strip().split("\n")[0].endswith("."), f"{cls.__name__} needs a docstring that begins with a sentence"
    test = doctest.DocTestParser().get_doctest(text, dict(vars(sys.modules[cls.__module__])), cls.__name__, None, 0)
    assert test.examples, f"the docstring of {cls.__name__} needs an example (>>> ...)"
    report: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test, out=report.append)
    assert not report, "".join(report)


def _check_copies(thing: Any, tasks: Tasks) -> None:
    """Pickle and deepcopy give the same thing."""
    for clone in (copy.deepcopy(thing), pickle.loads(pickle.dumps(thing))):
        assert type(clone) is type(thing)
        assert repr(clone) == repr(thing)


_FOR_ALL = [_check_repr, _check_hyperparameters, _check_docstring, _check_copies]


# ---------------------------------------------------------------- checks of nodes


def _check_channels(node: PipeOp, tasks: Tasks) -> None:
    """Training answers one value for each output and a state, predicting one value for each output; a graph takes the node."""
    said = [c.name for c in node.outputs]
    for trial in _trials(node, tasks):
        assert len(trial.outputs) == len(said), f"train gives {len(trial.outputs)} values for the outputs {said}"
        assert len(trial.answer) == len(said), f"predict gives {len(trial.answer)} values for the outputs {said}"
    assert chain([node]).ids() == [node.id]


def _check_unset(node: PipeOp, tasks: Tasks) -> None:
    """A required hyperparameter that is not set is refused in training, by name."""
    for name, setting in node.params().items():
        if setting.param.default is UNSET:
            _check_refused_unset(node, name, tasks)


def _check_refused_unset(node: PipeOp, name: str, tasks: Tasks) -> None:
    for task in tasks.values():
        try:
            _train(node.with_param(name, UNSET), task)
        except PipeOpsError as error:
            if f"'{name}'" in str(error):
                return
    raise AssertionError(f"training without '{name}' is not refused by name")


def _check_inputs_stay(node: PipeOp, tasks: Tasks) -> None:
    """Neither training nor predicting changes what comes in, nor the node."""
    own = repr(node)
    for task, _, state, _ in _trials(node, tasks):
        given, later = train_inputs(node, task), predict_inputs(node, task)
        before = content([given, later])
        node.train(given, **({"valid": later} if node.takes_valid else {}))
        assert content([given, later]) == before, "training changes its input"
        node.predict(later, state)
        assert content([given, later]) == before, "predicting changes its input"
        assert repr(node) == own, "the node changed"


def _check_repeats(node: PipeOp, tasks: Tasks) -> None:
    """Training twice, and predicting twice, gives the same; predicting leaves the state alone."""
    for task, outputs, state, answer in _trials(node, tasks):
        again, other = _train(node, task)
        before = content(other)
        assert content(again) == content(outputs), "training twice gives different outputs"
        assert content(_predict(node, task, other)) == content(answer), "training twice gives different predictions"
        assert content(_predict(node, task, state)) == content(answer), "predicting twice gives different outputs"
        assert content(other) == before, "predicting changes the state"


def _check_predict_equals_train(node: PipeOp, tasks: Tasks) -> None:
    """Predicting on the training data gives what training gave, where the class says so."""
    if getattr(node, "predict_equals_train", False):
        for trial in _trials(node, tasks):
            assert content(trial.answer) == content(trial.outputs)


def _check_few_rows(node: PipeOp, tasks: Tasks) -> None:
    """No row and one row: predicting works, training works or is refused by an error of this package."""
    for task, _, state, _ in _trials(node, tasks):
        for number in (0, 1):
            few = task.filter(task.row_ids[:number])
            for value in _predict(node, few, state):
                got = len(value.row_ids) if hasattr(value, "row_ids") else number
                assert got == number, f"predicting {number} rows gives {got}"
            try:
                _train(node, few)
            except PipeOpsError:
                assert not _is_operator(node), f"an operator must train on {number} rows"


def _is_operator(node: PipeOp) -> bool:
    return all(c.train.startswith("Task") for c in (*node.inputs, *node.outputs))


def _check_layout(node: PipeOp, tasks: Tasks) -> None:
    """A node that remembers the columns of training refuses, by name, data that lacks one."""
    for task, _, state, _ in _trials(node, tasks):
        learnt = state.get("columns", state.get("layout", ())) if isinstance(state, Mapping) else ()
        for column in list(learnt)[:1]:
            rest = task.select([name for name in task.feature_names if name != column])
            message = "no error"
            try:
                node.predict([rest for _ in node.inputs], state)
            except DataError as error:
                message = str(error)
            assert column in message, f"predicting without '{column}', which was there in training: {message}"


def _check_state_copies(node: PipeOp, tasks: Tasks) -> None:
    """Pickle, deepcopy and a saved file keep the state: predictions are the same."""
    for task, _, state, answer in _trials(node, tasks):
        for how in (copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair)), _saved):
            twin, learnt = how((node, state))
            assert repr(twin) == repr(node), f"a copy is {twin!r}"
            assert content(_predict(twin, task, learnt)) == content(answer), "a copy predicts otherwise"


def _saved(pair: Any) -> Any:
    node = pair[0]
    own = [type(node), *(s.value for s in node.params().values() if callable(s.value) and hasattr(s.value, "__qualname__"))]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "node")
        saving.write(path, "node", list(pair))
        return saving.read(path, "node", trust=own)


def _check_global_generators(node: PipeOp, tasks: Tasks) -> None:
    """The global random generators of Python, numpy and torch are left as they were."""
    for task, *_ in _trials(node, tasks):
        before = _generators()
        _predict(node, task, _train(node, task)[1])
        changed = [name for name, value in _generators().items() if before.get(name, value) != value]
        assert not changed, f"the global generator of {changed[0]} was used; draw from one of your own"


def _generators() -> dict[str, str]:
    found = {"random": repr(random.getstate()), "numpy": repr(np.random.get_state()[1:3])}
    torch = sys.modules.get("torch")
    return found if torch is None else found | {"torch": repr(torch.get_rng_state().tolist())}


_FOR_NODES = [
    _check_channels,
    _check_unset,
    _check_inputs_stay,
    _check_repeats,
    _check_predict_equals_train,
    _check_few_rows,
    _check_layout,
    _check_state_copies,
    _check_global_generators,
]
