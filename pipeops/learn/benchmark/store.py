"""Where an interrupted benchmark is taken up again: a folder with one file for each finished job.

A file is found again by what decides the job's outcome: the data, the learner's settings, the rows, the seed. So nothing
is ever taken for something else, and a grid may grow. Functions of one's own count by their source, the values they hold
(closures, defaults, plain globals) and the functions of the same module that they call.
Neighbours: saving and jobs below, run above.
"""

import hashlib
import inspect
import json
import warnings
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np

from pipeops.data import Task
from pipeops.errors import ConfigError, FormatError
from pipeops.learn.benchmark.jobs import Outcome, Sets
from pipeops.learn.learner import Learner
from pipeops.saving import Encoder, read, write


class Store:
    """The folder of a benchmark."""

    def __init__(self, path: str | Path, seed: int | None, store_models: bool):
        self.path, self.store_models = Path(path), store_models
        self.path.mkdir(parents=True, exist_ok=True)
        self.seed = self._seed(seed)
        self._tasks: dict[int, str] = {}
        self._learners: dict[int, tuple[str, list[Any]]] = {}

    def _seed(self, seed: int | None) -> int | None:
        """The seed of the folder's first run, where none is given."""
        file = self.path / "benchmark.json"
        if not file.exists():
            return seed
        kept = json.loads(file.read_text())["seed"]
        if seed is not None and seed != kept:
            raise ConfigError(f"benchmark: the folder {self.path} was begun with seed {kept}, not {seed}; choose another folder.")
        return kept

    def keep_seed(self, seed: int) -> None:
        """Note the seed, so that a run without one goes on with it."""
        (self.path / "benchmark.json").write_text(json.dumps({"seed": seed}))

    def load(self, task: Task, learner: Learner, sets: Sets) -> Outcome | None:
        """What a job left in an earlier run; None when it has not run to its end."""
        file = self._file(task, learner, sets)
        try:
            return read(file, "job", trust=self._settings(learner)[1]) if file.exists() else None
        except FormatError:
            return None

    def save(self, task: Task, learner: Learner, sets: Sets, outcome: Outcome) -> None:
        """Keep what a job left; the file appears whole or not at all. A model that cannot be saved is not kept, nor its job."""
        file = self._file(task, learner, sets)
        part = file.with_suffix(".part")
        try:
            write(part, "job", outcome)
        except FormatError as error:
            warnings.warn(f"benchmark: jobs of '{learner.id}' are not kept and would run again. {error}", stacklevel=2)
            return
        part.replace(file)

    def _file(self, task: Task, learner: Learner, sets: Sets) -> Path:
        if id(task) not in self._tasks:
            self._tasks[id(task)] = fingerprint(task)
        digest = hashlib.sha256(f"{self._tasks[id(task)]} {self._settings(learner)[0]}".encode())
        digest.update(f"{sets.seed} {self.store_models} {len(sets.train)}".encode() + sets.train.tobytes() + sets.test.tobytes())
        return self.path / f"{digest.hexdigest()[:32]}.safetensors"

    def _settings(self, learner: Learner) -> tuple[str, list[Any]]:
        if id(learner) not in self._learners:
            self._learners[id(learner)] = _settings(learner)
        return self._learners[id(learner)]


def fingerprint(task: Task) -> str:
    """A digest of a task's data and roles."""
    digest = hashlib.sha256(f"{task.task_type} {task.id} {task.roles} {getattr(task, 'class_names', None)}".encode())
    digest.update(task.row_ids.tobytes())
    for name in dict.fromkeys(column for columns in task.roles.values() for column in columns):
        values: Any = np.asarray(task.data(columns=[name])[name])
        digest.update(f"{name} {values.dtype} ".encode())
        digest.update(repr(values.tolist()).encode() if values.dtype.kind == "O" else values.tobytes())
    return digest.hexdigest()


def _settings(learner: Learner) -> tuple[str, list[Any]]:
    """A digest of a learner's settings, and the classes and functions that it holds by name."""
    encoder = Fingerprint()
    try:
        text = json.dumps(encoder.encode(learner.clone()))
    except FormatError:
        text = f"{type(learner)} {learner.id} {learner.predict_type} {learner.params!r}"
    digest = hashlib.sha256(text.encode())
    for array in encoder.arrays.values():
        digest.update(array.tobytes())
    return digest.hexdigest(), encoder.named


class Fingerprint(Encoder):
    """Encodes functions and classes by what they do, not by name; nothing is read back from it."""

    def _object(self, value: Any) -> Any:
        if isinstance(value, FunctionType | type):
            self.named.append(value)
            return _does(value, {id(value)})
        return super()._object(value)


def _source(held: Any) -> str:
    """The source of a function or class, where there is any."""
    try:
        return inspect.getsource(held)
    except (OSError, TypeError):
        return ""


def _does(held: Any, seen: set[int]) -> list[Any]:
    """What decides what a function or class does: its source, and what its functions hold and call in their own module."""
    functions = [held] if isinstance(held, FunctionType) else [f for f in vars(held).values() if isinstance(f, FunctionType)]
    parts: list[Any] = [f"{held.__module__}.{held.__qualname__}", _source(held)]
    for function in functions:
        names = function.__code__.co_names
        cells = [cell.cell_contents for cell in function.__closure__ or ()]
        defaults = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
        for value in [*cells, *defaults, *(function.__globals__[n] for n in names if n in function.__globals__)]:
            if isinstance(value, FunctionType | type) and value.__module__ == held.__module__ and id(value) not in seen:
                parts.append(_does(value, seen | {id(value)}))
            elif isinstance(value, str | int | float | tuple | list | dict | None):
                parts.append(repr(value))
    return parts
