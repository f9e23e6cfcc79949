"""What a node is tried on: small tasks, what the node takes made from them, and results as data that compares.

Neighbours: checks.py uses this.
"""

from collections.abc import Mapping, Sequence
from types import FunctionType
from typing import Any, NamedTuple

import attrs
import numpy as np

from pipeops import shorthand
from pipeops.data import Task, TaskClassif, TaskMultilabel, TaskMultiRegr, as_task_classif, as_task_multilabel, as_task_regr
from pipeops.errors import DataError, PipeOpsError
from pipeops.graph import PipeOp
from pipeops.graph.kinds import Kind, Multiplicity
from pipeops.learn.prediction.classif import PredictionClassif
from pipeops.learn.prediction.multi import PredictionMultilabel, PredictionMultiRegr
from pipeops.learn.prediction.regr import PredictionRegr
from pipeops.params import Configurable
from pipeops.registry import Registry
from pipeops.testing.alike import lists

Tasks = Mapping[str, Task]


def example(registry: Registry, key: str) -> Any:
    """An instance of what a key names, with the arguments that its class states as `example`.

    >>> from pipeops import po
    >>> example(po, "imputeconstant").constant
    0
    """
    holder = registry[key]
    arguments: Any = holder.row.example if hasattr(holder, "row") else getattr(holder, "example", {})
    given: Any = arguments() if callable(arguments) else arguments
    return registry(key, **given)


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


def tensor_tasks() -> dict[str, Task]:
    """Small tasks with a column of images, lazy and eager, for nodes that take tensors."""
    import polars as pl
    import torch

    from pipeops.net.tensors.sources import as_lazy_tensor

    images = torch.rand((8, 3, 5, 6), generator=torch.Generator().manual_seed(0))
    lazy = as_lazy_tensor(lambda row: images[row], n=len(images))
    eager = pl.DataFrame({"image": images[:5].numpy(), "y": np.linspace(0, 1, 5)})
    return {
        "lazy": as_task_classif({"image": lazy, "y": ["no", "yes"] * 4}, target="y", positive="yes", id="lazy"),
        "eager": as_task_regr(eager, target="y", id="eager"),
    }


def several_tasks() -> dict[str, Task]:
    """Small tasks with several targets, for nodes that take no others."""
    rng, n = np.random.default_rng(0), 12
    table = {"x": rng.normal(size=n), "z": rng.normal(size=n), "a": np.arange(n) % 2, "b": np.arange(n) % 3 // 2}
    return {
        "targets": as_task_regr(table, target=["a", "b"], id="targets"),
        "labels": as_task_multilabel(table, target=["a", "b"], id="labels"),
    }


def takes_several(node: PipeOp) -> bool:
    """Whether a node is for tasks with several targets only."""
    ends = {c.predict for c in (*node.inputs, *node.outputs)} | {c.train for c in node.inputs}
    return any(end.endswith(("MultiRegr", "Multilabel")) for end in ends)


def train_inputs(node: PipeOp, task: Task) -> list[Any]:
    """What the node takes in training, made from a task: the task itself, nothing, or a network under construction."""
    if hasattr(type(node), "row"):
        from pipeops.net.layers.contract import example as layer_example

        (descriptor,), _ = _ingress(task).train([task])
        return [attrs.evolve(descriptor, symbol=symbol) for symbol in layer_example(type(node).key)[1]]
    return [_for_training(node, _kind(node, c.train, "train"), task) for c in node.inputs for _ in range(2 if c.many else 1)]


def predict_inputs(node: PipeOp, task: Task) -> list[Any]:
    """What the node takes when predicting: the task itself, a prediction for it, or the data for a network."""
    return [_for_predicting(_kind(node, c.predict, "predict"), task) for c in node.inputs for _ in range(2 if c.many else 1)]


def _kind(node: PipeOp, takes: str, phase: str) -> str:
    """What a node is given: where it takes anything and answers predictions, what it answers."""
    answers = node.outputs[0].predict.startswith("Prediction") if node.outputs else False
    return getattr(node.outputs[0], phase) if takes == "*" and answers else takes


def _for_training(node: PipeOp, kind: str, task: Task) -> Any:
    if (element := Kind(kind).element) is not None:
        return Multiplicity([_for_training(node, element, task)] * 2)
    if kind != "ModelDescriptor":
        return None if kind == "None" else _suiting(kind, task)
    (descriptor,), _ = _ingress(task).train([task])
    if rank := getattr(type(node), "rank", ()):
        from pipeops.net.layers.contract import SHAPES

        return attrs.evolve(descriptor, symbol=attrs.evolve(descriptor.symbol, shape=SHAPES[rank[0]]))
    return _complete(descriptor) if node.outputs[0].predict.startswith("Prediction") else descriptor


def _for_predicting(kind: str, task: Task) -> Any:
    if (element := Kind(kind).element) is not None:
        return Multiplicity([_for_predicting(element, task)] * 2)
    if kind == "Feed":
        ingress = _ingress(task)
        return ingress.predict([task], {"layout": task.feature_types, "levels": _levels(task)})[0]
    if kind == "Inverse":
        node = shorthand.po("targetmutate")
        task = _suiting("TaskRegr", task)
        return node.predict([task], node.train([task])[1])[0]
    return _prediction(_suiting(kind, task)) if kind.startswith("Prediction") else _suiting(kind, task)


def _ingress(task: Task) -> PipeOp:
    return shorthand.po("torch_ingress_num" if "numeric" in task.feature_types.values() else "torch_ingress_categ")


def _levels(task: Task) -> dict[str, Any]:
    return {n: [False, True] if k == "boolean" else task.levels(n) for n, k in task.feature_types.items() if k != "numeric"}


def _suiting(kind: str, task: Task) -> Task:
    """The task, refused where a channel is for another type of task."""
    wanted = kind.removeprefix("Task").removeprefix("Prediction").lower()
    if wanted.isalpha() and wanted != task.task_type:
        raise DataError(f"takes a {kind}, the task '{task.id}' is of type {task.task_type}.")
    return task


def _prediction(task: Task) -> Any:
    """Some prediction for the task's rows; each row's follows from its id."""
    ids = task.row_ids
    if isinstance(task, TaskMultiRegr):
        return PredictionMultiRegr(row_ids=ids, truth=task.truth(), response=task.truth() / 3)
    if isinstance(task, TaskMultilabel):
        return PredictionMultilabel(row_ids=ids, truth=task.truth(), response=~task.truth())
    if not isinstance(task, TaskClassif):
        return PredictionRegr(row_ids=ids, truth=task.truth(), response=ids / 11)
    scores = np.random.default_rng(1).uniform(0.1, 1, (int(ids.max(initial=0)) + 1, len(task.class_names)))[ids]
    prob = scores / scores.sum(axis=1, keepdims=True)
    return PredictionClassif(row_ids=ids, truth=task.truth(), prob=prob, class_names=task.class_names)


def _complete(descriptor: Any) -> Any:
    """A network that lacks nothing but its training."""
    loss = "cross_entropy" if descriptor.feed.task.task_type in ("classif", "multilabel") else "mse"
    for node in (shorthand.nn("head"), shorthand.po("torch_loss", loss=loss), shorthand.po("torch_optimizer")):
        (descriptor,), _ = node.train([descriptor])
    return descriptor


def train(node: PipeOp, task: Task) -> tuple[Sequence[Any], Any]:
    """The node trained on what it takes: outputs and state."""
    beside = {"valid": predict_inputs(node, task)} if node.takes_valid else {}
    return node.train(train_inputs(node, task), **beside)


def predict(node: PipeOp, task: Task, state: Any) -> Sequence[Any]:
    """The node's outputs when it predicts."""
    return node.predict(predict_inputs(node, task), state)


class Trial(NamedTuple):
    """A node trained on a task and applied to it."""

    task: Task
    outputs: Sequence[Any]
    state: Any
    answer: Sequence[Any]


_last: dict[str, Any] = {}


def trials(node: PipeOp, tasks: Tasks) -> list[Trial]:
    """The node on each task that it takes; it must take one. The last answer is kept, since each check begins with it."""
    if _last.get("node") is not node or _last["tasks"] is not tasks:
        _last.clear()
        _last.update(trials=_trials(node, tasks), node=node, tasks=tasks)
    return _last["trials"]


def _trials(node: PipeOp, tasks: Tasks) -> list[Trial]:
    found: list[Trial] = []
    refusals: list[str] = []
    for name, task in tasks.items():
        try:
            outputs, state = train(node, task)
            found.append(Trial(task, outputs, state, predict(node, task, state)))
        except PipeOpsError as error:
            refusals.append(f"  {name}: {error}")
    assert found, f"{node!r} takes none of the tasks; give it one that it takes:\n" + "\n".join(refusals)
    return found


def content(value: Any) -> Any:
    """A value as plain data that can be compared with `==`: frames by rows, NaN as text, networks by their structure."""
    if isinstance(value, Task):
        columns = {name: content(values) for name, values in lists(value).items()}
        return [value.id, value.roles, value.feature_types, columns, content(value.truth()), value.row_ids.tolist()]
    if hasattr(value, "predict_types"):
        return content(value.to_frame().to_dict(as_series=False))
    if isinstance(value, Mapping):
        return {str(k): content(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [content(v) for v in value]
    if hasattr(value, "tolist"):
        return content(value.tolist())
    if isinstance(value, type | FunctionType):
        return f"{value.__module__}.{value.__qualname__}"
    if hasattr(value, "state_dict"):
        return content(value.state_dict())
    if attrs.has(type(value)) and not isinstance(value, Configurable):
        return {a.name: content(getattr(value, a.name)) for a in attrs.fields(type(value)) if a.name not in ("serial", "_tensor")}
    if isinstance(value, float):
        return "NaN" if value != value else value
    return value if isinstance(value, str | int | None) else repr(value)
