"""Checks that a node is alone with its inputs, hyperparameters and state: nothing else decides, nothing else is changed.

Global random generators and settings, attributes of the class, training on something else in between, a process that has
trained nothing, another frame library. Neighbours: checks.py has the other checks, fresh.py is the other process.
"""

import random
import sys
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import narwhals as nw
import numpy as np

from pipeops.data.columns import declared_levels
from pipeops.data.frames import View, read_frame
from pipeops.data.levels import with_levels
from pipeops.data.task import Task
from pipeops.graph import PipeOp
from pipeops.testing.alike import columns, difference, is_table
from pipeops.testing.fresh import FRESH, Report, torch_settings
from pipeops.testing.samples import Tasks, Trial, content, predict, train, trials

LIBRARIES: dict[str, Callable[[nw.DataFrame[Any]], Any]] = {
    "polars": lambda frame: frame.to_polars(),
    "pandas": lambda frame: frame.to_pandas(),
    "pyarrow": lambda frame: frame.to_arrow(),
}


def _tables(values: Sequence[Any]) -> list[Any]:
    return [columns(value) for value in values if is_table(value)]


def _first_difference(got: Sequence[Any], wanted: Sequence[Any]) -> str:
    return next((text for a, b in zip(got, wanted, strict=True) if (text := difference(a, b))), "")


def check_global_generators(node: PipeOp, tasks: Tasks) -> None:
    """The global random generators of Python, numpy and torch are left as they were, and decide nothing."""
    for task, outputs, _, answer in trials(node, tasks):
        with _other_seed():
            before = _generators()
            again, state = train(node, task)
            made = _tables([*again, *predict(node, task, state)])
            changed = [name for name, value in _generators().items() if before.get(name, value) != value]
        assert not changed, f"the global generator of {changed[0]} was used or seeded; draw from one of your own"
        wrong = _first_difference(made, _tables([*outputs, *answer]))
        assert not wrong, f"the state of a global generator decides: {wrong}"


@contextmanager
def _other_seed() -> Generator[None]:
    """The global generators in another state for a while."""
    torch = sys.modules.get("torch")
    kept = random.getstate(), np.random.get_state(), torch and torch.get_rng_state()
    random.seed(8651)
    np.random.seed(8651)
    if torch:
        torch.manual_seed(8651)
    try:
        yield
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])
        if torch:
            torch.set_rng_state(kept[2])


def _generators() -> dict[str, str]:
    state: Any = np.random.get_state()
    found = {"random": repr(random.getstate()), "numpy": repr([state[1].tolist(), *state[2:]])}
    torch = sys.modules.get("torch")
    return found if torch is None else found | {"torch": repr(torch.get_rng_state().tolist())}


def check_settings(node: PipeOp, tasks: Tasks) -> None:
    """torch's default dtype, threads and modes stay as they were, numpy's handling of errors, and the filters of warnings."""
    task = trials(node, tasks)[0].task
    for values in (0, 1):
        with _other_settings(values):
            before = _settings()
            predict(node, task, train(node, task)[1])
            changed = [name for name, value in _settings().items() if before.get(name, value) != value]
        assert not changed, f"the {changed[0]} was changed; leave settings of the process alone"


def _settings() -> dict[str, str]:
    torch = sys.modules.get("torch")
    found = {"numpy error handling": repr(np.geterr()), "list of warning filters": repr(warnings.filters)}
    return found | (torch_settings(torch) if torch else {})


@contextmanager
def _other_settings(which: int) -> Generator[None]:
    """Settings at one of two values for a while, so that whoever sets a fixed one is seen."""
    torch: Any = sys.modules.get("torch")
    with settings_kept(), warnings.catch_warnings(), np.errstate(invalid=("ignore", "warn")[which]):
        warnings.filterwarnings("ignore", message=f"no warning {which}")
        if torch:
            _set_torch(torch, torch.float32, which + 1, True)
        yield


@contextmanager
def settings_kept() -> Generator[None]:
    """Whatever is done inside, torch's default dtype, threads and gradients are as before afterwards."""
    torch: Any = sys.modules.get("torch")
    kept: Any = torch and (torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled())
    try:
        yield
    finally:
        if torch:
            _set_torch(torch, *kept)


def _set_torch(torch: Any, dtype: Any, threads: int, gradients: bool) -> None:
    torch.set_default_dtype(dtype)
    torch.set_num_threads(threads)
    torch.set_grad_enabled(gradients)


def check_holds_nothing(node: PipeOp, tasks: Tasks) -> None:
    """What is learnt is in the state: training leaves node and class as they were, and an earlier state works as before."""
    seen = trials(node, tasks)
    before = _attributes(node)
    for trial in seen:
        wrong = _first_difference(_tables(predict(node, trial.task, trial.state)), _tables(trial.answer))
        assert not wrong, f"after training on other tasks an earlier state predicts otherwise: {wrong}"
    for trial in seen:
        train(node, trial.task)
        after = _attributes(node)
        changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
        assert not changed, f"training or predicting changes {', '.join(changed)}; keep what is learnt in the state"


def _attributes(node: PipeOp) -> dict[str, str]:
    """What node and classes hold, as text: by identity where that says nothing."""
    holders = {"the node": vars(node), **{cls.__name__: vars(cls) for cls in type(node).__mro__ if cls is not object}}
    return {f"{who}.{name}": repr(_shown(v)) for who, held in holders.items() for name, v in held.items() if name[:2] != "__"}


def _shown(value: Any) -> Any:
    plain = isinstance(value, str | int | float | bool | list | tuple | set | dict | np.ndarray) or value is None
    return content(value) if plain else id(value)


def check_fresh_process(blob: bytes, node: PipeOp, tasks: Tasks) -> None:
    """A process that has trained nothing predicts the same from the state alone, trains the same, and no setting changes."""
    seen = trials(node, tasks)
    report = FRESH.ask(blob, pickled([(t.task, t.state) for t in seen]) or b"")
    try:
        _check_report(report, seen)
    except AssertionError:
        FRESH.end()
        raise


def _check_report(report: Report | str, seen: Sequence[Trial]) -> None:
    assert not isinstance(report, str), f"another process fails with the same state: {report}"
    assert not report.changed, f"the {report.changed[0]} was changed; leave settings of the process alone"
    for trial, predicted, trained in zip(seen, report.predicted, report.trained, strict=True):
        wrong = _first_difference(predicted, _tables(trial.answer))
        assert not wrong, f"another process predicts otherwise from the same state: {wrong}"
        wrong = _first_difference(trained, _tables(trial.outputs))
        assert not wrong, f"another process trains otherwise: {wrong}"


def pickled(thing: Any) -> bytes | None:
    """A thing for another process, with classes of `__main__` as they are now; None for what cannot be pickled."""
    own = find_spec("cloudpickle") is None  # joblib before 1.6 carries it
    cloudpickle = import_module("joblib.externals.cloudpickle" if own else "cloudpickle")
    try:
        return cloudpickle.dumps(thing)
    except Exception:
        return None


def check_libraries(node: PipeOp, tasks: Tasks) -> None:
    """polars, pandas and pyarrow give the same, each a frame of its own kind, and what came in stays as it was."""
    if not all(c.train.startswith("Task") and c.predict.startswith("Task") for c in node.inputs):
        return
    for trial in trials(node, tasks):
        for library, task in _elsewhere(trial.task):
            before = content(task)
            outputs, state = train(node, task)
            answer = predict(node, task, state)
            assert content(task) == before, f"a task of {library} is changed"
            for phase, got, wanted in (("train", outputs, trial.outputs), ("predict", answer, trial.answer)):
                wrong = _first_difference(_tables(got), _tables(wanted))
                assert not wrong, f"{phase} on {library} gives other values: {wrong}"
                others = [str(t.frame().implementation) for t in got if isinstance(t, Task) and t.feature_names]
                assert all(library in name.lower() for name in others), f"{phase} on {library} gives a frame of {others[0]}"


@lru_cache(maxsize=8)
def _elsewhere(task: Task) -> list[tuple[str, Task]]:
    """The task in the frame libraries that are installed, its own one apart."""
    found: list[tuple[str, Task]] = []
    own = str(task.frame().implementation).lower()
    for library, convert in LIBRARIES.items():
        if library not in own and find_spec(library):
            x, rest = (_levelled(frame, read_frame(convert(frame))) for frame in (task.frame(), task.others()))
            found.append((library, task._with(_x=View(x), _rest=View(rest))))
    return found


def _levelled(frame: nw.DataFrame[Any], converted: nw.DataFrame[Any]) -> nw.DataFrame[Any]:
    """The converted frame with the levels of categorical columns in their order."""
    declared = {column.name: levels for column in frame.iter_columns() if (levels := declared_levels(column)) is not None}
    fixed = [with_levels(converted.get_column(name), levels) for name, levels in declared.items()]
    return converted.with_columns(*fixed) if fixed else converted


FOR_SURROUNDINGS = [check_global_generators, check_settings, check_holds_nothing, check_libraries]
