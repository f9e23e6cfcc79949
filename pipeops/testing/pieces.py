"""Checks of what a node does with rows, columns and the target: nothing but what its declaration says.

Predicting a part of the rows, in any order, gives that part of the whole; what is predicted never changes a state, nor do columns
without any value stop a node otherwise than by an error of this package; the target decides nothing at predict, and in
training only where a node declares `target`; what comes out has the type that its channels state and the columns of training.
Neighbours: checks.py has the other checks, samples.py the tasks, alike.py compares tables.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import narwhals as nw
import numpy as np

from pipeops.data import Task
from pipeops.data.several import TaskMulti
from pipeops.errors import PipeOpsError
from pipeops.graph import PipeOp
from pipeops.graph.kinds import Kind
from pipeops.testing.alike import columns, difference, is_table, kinds, plain, rows_of, truth
from pipeops.testing.samples import Tasks, Trial, content, predict, train, trials


def _named(node: PipeOp, values: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """Outputs that have rows, each with the name of its channel."""
    return ((c.name, v) for c, v in zip(node.outputs, values, strict=True) if is_table(v))


def check_types(node: PipeOp, tasks: Tasks) -> None:
    """Each output is what its channel states; predicting gives a task the columns, and kinds of columns, of training."""
    for trial in trials(node, tasks):
        for channel, made, answer in zip(node.outputs, trial.outputs, trial.answer, strict=True):
            for phase, kind, value in (("train", channel.train, made), ("predict", channel.predict, answer)):
                assert Kind(kind).accepts(value), (
                    f"{phase} gives a {type(value).__name__} for '{channel.name}', which states {kind}"
                )
            if isinstance(made, Task) and isinstance(answer, Task):
                assert answer.task_type == made.task_type, f"predict gives a {type(answer).__name__}, train another"
                assert kinds(answer) == kinds(made), f"predict gives the columns {kinds(answer)}, train gave {kinds(made)}"


def check_rows_stay(node: PipeOp, tasks: Tasks) -> None:
    """Rows keep their order and number, in training unless the class states `changes_rows`; a row keeps what belongs to it."""
    for trial in trials(node, tasks):
        ids = trial.task.row_ids.tolist()
        for name, value in _named(node, trial.answer):
            assert value.row_ids.tolist() == ids, f"predict gives '{name}' the rows {value.row_ids.tolist()} for {ids}"
            _check_truth(value, trial.task, f"predict gives '{name}'")
        for name, value in _named(node, trial.outputs):
            if not node.changes_rows:
                assert value.row_ids.tolist() == ids, (
                    f"train gives '{name}' the rows {value.row_ids.tolist()} for {ids}; a node that draws or makes rows states "
                    "changes_rows = True"
                )
            _check_truth(value, trial.task, f"train gives '{name}'")
        _check_mixed(node, trial)


def _check_truth(value: Any, task: Task, who: str) -> None:
    """Each row has its own true value; where all of them are others, the target was transformed."""
    own = dict(zip(task.row_ids.tolist(), truth(task), strict=False))
    pairs = [(own[row], value) for row, value in zip(value.row_ids.tolist(), truth(value), strict=False) if row in own]
    if sorted(map(repr, (a for a, _ in pairs))) == sorted(map(repr, (b for _, b in pairs))):
        wrong = [pair for pair in pairs if repr(pair[0]) != repr(pair[1])]
        assert not wrong, f"{who} the true value {wrong[0][1]!r} in a row that has {wrong[0][0]!r}"


def _check_mixed(node: PipeOp, trial: Trial) -> None:
    """Where training and predicting give a column the same values, they stand in the same rows."""
    for (name, made), (_, answer) in zip(_named(node, trial.outputs), _named(node, trial.answer), strict=False):
        place = {row: k for k, row in enumerate(answer.row_ids.tolist())}
        known = [k for k, row in enumerate(made.row_ids.tolist()) if row in place]
        mine = rows_of(columns(made), known)
        theirs = rows_of(columns(answer), [place[made.row_ids.tolist()[k]] for k in known])
        for column in set(mine) & set(theirs):
            a, b = mine[column], theirs[column]
            if a != b and sorted(map(repr, a)) == sorted(map(repr, b)):
                raise AssertionError(f"train gives '{name}' the values of '{column}' in other rows than predict")


def check_part(node: PipeOp, tasks: Tasks) -> None:
    """Predicting some rows, in another order, gives those rows of the whole: no row counts for another."""
    for trial in trials(node, tasks):
        order = np.random.default_rng(7).permutation(trial.task.nrow)
        for positions in (order, order[: len(order) // 2], order[:1]):
            part = trial.task.filter(trial.task.row_ids[positions])
            try:
                got = predict(node, part, trial.state)
            except PipeOpsError as error:
                raise AssertionError(f"predicting {len(positions)} of the rows is refused: {error}") from error
            for (name, value), (_, whole) in zip(_named(node, got), _named(node, trial.answer), strict=True):
                wrong = difference(columns(value), rows_of(columns(whole), positions.tolist()))
                assert not wrong, f"predicting {len(positions)} of the rows gives '{name}' otherwise than predicting all: {wrong}"


def check_nothing_known(node: PipeOp, tasks: Tasks) -> None:
    """Columns without any value are taken or refused by an error of this package, in training too; the state stays as it was."""
    if not all(c.train.startswith("Task") and c.predict.startswith("Task") for c in node.inputs):
        return
    for task, _, state, _ in trials(node, tasks):
        before, lost = content(state), _emptied(task)
        for which, action in (("training", lambda: train(node, lost)), ("predicting", lambda: predict(node, lost, state))):  # noqa: B023
            try:
                action()
            except PipeOpsError:
                continue
            except Exception as error:
                raise AssertionError(f"{which} with columns without any value: {type(error).__name__}: {error}") from error
        assert content(state) == before, "what is predicted changes the state"


def _emptied(task: Task) -> Task:
    """The task with nothing but missing values in its features, tensors apart."""
    names = [name for name, what in task.feature_types.items() if what != "tensor"]
    gone = [nw.when(nw.lit(value=False)).then(nw.col(name)).alias(name) for name in names]
    return task.with_features(task.frame().with_columns(*gone)) if gone else task


def check_column_order(node: PipeOp, tasks: Tasks) -> None:
    """The order of the columns at predict does not matter."""
    if not all(c.predict.startswith("Task") for c in node.inputs):
        return
    for trial in trials(node, tasks):
        turned = trial.task.select(trial.task.feature_names[::-1])
        _same_answers(node, predict(node, turned, trial.state), trial.answer, "features in another order give")


def _same_answers(node: PipeOp, got: Sequence[Any], wanted: Sequence[Any], who: str) -> None:
    for (name, value), (_, other) in zip(_named(node, got), _named(node, wanted), strict=True):
        wrong = difference(columns(value), columns(other))
        assert not wrong, f"{who} '{name}' other values: {wrong}"


def check_target_at_predict(node: PipeOp, tasks: Tasks) -> None:
    """Predicting does not look at the target: another one, or none, gives the same features and predictions."""
    for trial in trials(node, tasks):
        others = {"another target gives": _with_other_target(trial.task)}
        if all(c.predict == "Task" for c in node.inputs):
            others["data without a target give"] = trial.task.newdata(trial.task.frame())
        for who, task in others.items():
            _same_answers(node, predict(node, task, trial.state), trial.answer, who)


def check_target_in_training(node: PipeOp, tasks: Tasks) -> None:
    """An operator uses the target in training only when its class states `target = True`, and never hands it on as a feature."""
    if not all(c.train.startswith("Task") for c in (*node.inputs, *node.outputs)):
        return
    for trial in trials(node, tasks):
        task = _with_other_target(trial.task)
        outputs, state = train(node, task)
        leaks = _leaks(node, trial.task, trial.outputs) & _leaks(node, task, outputs)
        assert not leaks, f"train gives the target as the feature '{min(leaks)}'"
        if not type(node).target:
            hint = "a class that learns from the target states target = True; permuted, it gives"
            _same_answers(node, outputs, trial.outputs, hint)
            _same_answers(node, predict(node, trial.task, state), trial.answer, hint)


def _leaks(node: PipeOp, task: Task, outputs: Sequence[Any]) -> set[str]:
    """New or changed features that are the target, by value or as a number for each class."""
    known, found = columns(task), set[str]()
    for _, value in _named(node, outputs):
        true = plain(truth(value))
        codes = [float(sorted(set(map(repr, true))).index(repr(t))) for t in true]
        found |= {c for c, made in columns(value).items() if made in (true, codes) and known.get(c) != made and len(true) > 1}
    return found


def _with_other_target(task: Task) -> Any:
    """The task with the values of its target in other rows."""
    if isinstance(task, TaskMulti):
        order, roles = np.roll(np.arange(task.nrow), 1), {role: names for role, names in task.roles.items() if role != "feature"}
        turned = [nw.from_native(_fresh_index(column[order]), series_only=True) for column in task.targets()]
        return type(task).restored(task.id, task.frame(), turned[0].to_frame().with_columns(*turned[1:]), roles, task.row_ids)
    series = task.target_series()
    order = np.roll(np.arange(task.nrow), 1)
    turned = series.to_frame()[order].get_column(series.name)
    changed = task.with_target(nw.from_native(_fresh_index(turned), series_only=True))
    positive = getattr(task, "positive", None)
    return changed.with_positive(positive) if positive is not None else changed  # type: ignore[attr-defined]


def _fresh_index(series: Any) -> Any:
    native = series.to_native()
    return native.reset_index(drop=True) if hasattr(native, "reset_index") else native


FOR_ROWS = [
    check_types,
    check_rows_stay,
    check_part,
    check_nothing_known,
    check_column_order,
    check_target_at_predict,
    check_target_in_training,
]
