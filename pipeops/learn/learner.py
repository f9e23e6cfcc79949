"""Learner: train on a task, predict on a task. The base of graph learners and of every other algorithm.

A learner holds the state of its last training, and nothing else changes in it: hyperparameters are set through
`params`, rows are chosen with `rows=`. Subclasses answer `_train` and `_predict`; checking, timing, new data and saving
are done here. Neighbours: saving and prediction beside it, tasks below, `graph/graph_learner.py` above.
"""

import copy
import math
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Self, final

import attrs
import numpy as np

from pipeops.closed import Closed
from pipeops.data import Task
from pipeops.data.stored import prototype
from pipeops.display import Block, Shown, params_block
from pipeops.errors import ConfigError, DataError, FormatError, NotTrainedError, PipeOpsError, refused
from pipeops.guesses import by_name
from pipeops.learn.fallback import limits_of, within
from pipeops.learn.fits import Run, outcome
from pipeops.learn.prediction.base import Prediction
from pipeops.learn.validation import Validates
from pipeops.params import Parameterized, Params
from pipeops.saving import read, savable, write

_NUMBER = re.compile(r"_([1-9]\d*)\.")
_SEED = re.compile(r"(^|\.|__)(seed|random_state)$")


@savable
@attrs.frozen(eq=False)
class LearnerState:
    """What training left: the model (whatever the learner made), the layout of the task, and the seconds it took."""

    model: Any
    prototype: Task
    seconds: float


def derived(seed: int, k: int) -> int:
    """The seed of the k-th of several (from 0): the seed itself for the first, others that follow from it for the rest."""
    return seed if k == 0 else int(np.random.SeedSequence([seed, k]).generate_state(1)[0])


def reseeded(node: Any, k: int) -> Any:
    """A node for the k-th element of a multiplicity (from 0), whose seeds follow from its own ones."""
    for address, value in node.params.items() if k else ():
        if _SEED.search(address) and isinstance(value, int):
            node = node.with_param(address, derived(value, k))
    return node


class Learner(Closed, Parameterized, Validates, Shown, ABC):
    """Something that trains on a task and predicts on one.

    id: a name for tables. task_type: "classif", "regr", "multiregr" or "multilabel". predict_type: "response", "prob" or "se".
    `train` returns the learner itself, `state` is None before it. What happens in a benchmark when training or
    predicting fails: encapsulate "none" raises, "try" notes the failure and goes on; a `fallback` learner (which implies
    "try") then predicts in its place. timeout: what takes longer fails with a `TimeLimitError`.
    """

    id: str
    state: LearnerState | None
    timings: dict[str, float]
    task_type: str | None
    predict_types: tuple[str, ...] = ("response",)
    fallback: "Learner | None" = None
    encapsulate: Literal["none", "try"] = "none"
    _timeout: Mapping[str, float] = limits_of("", None)
    takes_missing: bool = False
    """Whether it trains and predicts on features with missing values."""
    takes_categories: bool = False
    """Whether it trains and predicts on categorical features."""
    _loaded: LearnerState | None = None
    """The state that came from a file, as long as it is this one."""
    vectorizes: bool = False
    """Whether its runs gain from being driven together."""

    def __init__(self, id: str):
        self.id = id
        self.state = None
        self.timings = {}

    @property
    def timeout(self) -> dict[str, float]:
        """The seconds that training and predicting may take, by stage; set as a number for each, a dictionary, or None.

        A learner with one is trained alone. It is stopped between two instructions of Python: a library's long call ends first.
        """
        return dict(self._timeout)

    @timeout.setter
    def timeout(self, given: Any) -> None:
        self._timeout = limits_of(self.id, given)

    @final
    @property
    def params(self) -> Params:
        """The hyperparameters by address: prints as a table, reads, sets and validates.

        Setting one forgets what was learnt, unless the value is the present one or only matters when predicting.
        """
        return Params(self, self.id, self._set_param)

    def with_param(self, address: str, value: Any) -> Self:
        """An untrained copy with one hyperparameter changed."""
        learner = self.clone()
        learner.params[address] = value
        return learner

    def _set_param(self, address: str, value: Any) -> object:
        """Change a hyperparameter; one that is unknown or a value that does not fit is refused. Here all are."""
        self.params.setting(address)
        raise ConfigError(f"{self.id}: '{address}' cannot be set.")

    @property
    @abstractmethod
    def predict_type(self) -> str:
        """What `predict` returns: "response" or "prob"."""

    @abstractmethod
    def _train(self, task: Task, valid: Task | None) -> Any:
        """The model, or a run that returns it."""

    @abstractmethod
    def _predict(self, task: Task, model: Any) -> Prediction:
        """The labelled table."""

    @property
    def is_trained(self) -> bool:
        """Whether it can predict."""
        return self.state is not None

    @property
    def validates_on(self) -> Any:
        """What it validates on while it trains: a ratio, a task, "test", "predefined", or None where it does not."""
        return None

    @property
    def model(self) -> Any:
        """What training made."""
        return self._trained().model

    @property
    def internal_valid_scores(self) -> Mapping[str, float]:
        """The validation scores of what was kept, by the key of the measure; empty where training did not validate."""
        return self.internal_scores(self.model)

    @property
    def internal_tuned_values(self) -> Mapping[str, int]:
        """What training found the best of (`internal_params`), by address: the epoch with the best validation score."""
        return self.internal_tuned(self.model)

    @by_name
    def train(self, task: Task, rows: Any = None, *, valid: Task | None = None) -> Self:
        """Train on a task, or on some of its rows (ids, or a mask); replaces what was learnt, and keeps it when refused.

        valid: data to validate on during training, for learners that do; never fitted on.
        """
        self._check(task)
        return outcome(self.training(task if rows is None else task.filter(rows), valid))

    def training(self, task: Task, valid: Task | None = None) -> Run[Self]:
        """Training as a run (see `fits.py`) that returns the learner itself; until then it stays as it was."""
        start = time.perf_counter()
        try:
            self._check(task)
            self._check_weights(task)
            self.params.refuse_tokens()
            if math.isfinite(self._timeout["train"]):
                model = within(self._timeout["train"], self.id, "train", lambda: _made(self._train(task, valid)))
            else:
                model = self._train(task, valid)
            if isinstance(model, Generator):
                model = yield from model
        except Exception as error:
            self.state = self.state if refused(error) else None
            raise
        seconds = time.perf_counter() - start
        vars(self).pop("_loaded", None)
        self.state, self.timings = LearnerState(model, prototype(task), seconds), {"train": seconds}
        return self

    @by_name
    def predict(self, task: Task, rows: Any = None) -> Any:
        """Predict on a task, or on some of its rows; the prediction keeps their ids and their order."""
        state = self._trained()
        self._check(task)
        start = time.perf_counter()
        try:
            rows_of = task if rows is None else task.filter(rows)
            prediction = within(self._timeout["predict"], self.id, "predict", lambda: self._predict(rows_of, state.model))
        except Exception as error:
            if state is not self._loaded or isinstance(error, PipeOpsError):
                raise
            raise FormatError(
                f"{self.id}: what was loaded from a file fails when it predicts, {type(error).__name__}: {error}; the file is "
                "damaged, or of another version. Train and save the learner again."
            ) from error
        self.timings = {**self.timings, "predict": time.perf_counter() - start}
        return prediction

    @by_name
    def predict_newdata(self, frame: Any) -> Any:
        """Predict on a frame with the task's feature columns; the target column may be absent."""
        return self.predict(self._trained().prototype.newdata(frame))

    def seeded(self, seed: int) -> Self:
        """Set every hyperparameter called `seed` or `random_state` that is None; returns the learner itself.

        Nodes whose ids are numbered (`subsample_2`) get seeds of their own that follow from this one, so that copies differ.
        """
        for address, value in self.params.items():
            if value is None and _SEED.search(address):
                number = _NUMBER.search(address)
                self.params[address] = derived(seed, int(number[1]) - 1 if number else 0)
        return self

    def clone(self) -> Self:
        """An untrained copy with the same hyperparameters."""
        return copy.copy(self).reset()

    def with_state(self, state: Any) -> Self:
        """A copy that has learnt this: the `state` of a learner like it."""
        new = self.clone()
        new.state = state
        return new

    def reset(self) -> Self:
        """Forget what was learnt."""
        vars(self).pop("_loaded", None)
        self.state, self.timings = None, {}
        return self

    def save(self, path: str | Path) -> None:
        """Write the learner, trained or not, to one file without pickle; `load_learner` reads it."""
        write(path, "learner", self)

    def export(self, path: str | Path) -> None:
        """Write the trained learner for programs without pipeops: `*.onnx` the whole graph, `*.pt2` the network (extra `onnx`).

        ONNX: one input a feature `(batch, 1)` under its name (float32 with NaN for missing, strings with "" for missing,
        booleans); outputs `label` and `probabilities` in the order of `class_names`, or `prediction`; the layout, the classes
        and versions are in the file's metadata. Raises `ConfigError`, before anything is written, naming what has no form.
        """
        from pipeops.export import export

        export(self, path)

    def _trained(self) -> LearnerState:
        if self.state is None:
            raise NotTrainedError(f"{self.id}: train it before predicting.")
        return self.state

    def _check(self, task: Any) -> None:
        if not isinstance(task, Task):
            raise DataError(
                f"{self.id}: takes a task, got {type(task).__name__}; make one with as_task_classif(frame, target=...) "
                "or as_task_regr(frame, target=...)."
            )
        if self.task_type is not None and task.task_type != self.task_type:
            raise DataError(f"{self.id}: is a {self.task_type} learner, the task '{task.id}' is of type {task.task_type}.")

    def _check_weights(self, task: Task) -> None:
        weights = task.weights()
        if weights is not None and len(weights) and not weights.any():
            raise DataError(f"{self.id}: the weights in '{task.weight_column()}' of the task '{task.id}' are all 0.")

    def _blocks(self) -> list[Block]:
        """What it is, takes, predicts and holds, and its hyperparameters."""
        facts = [
            ("takes", ", ".join([f"{self.task_type or 'any'} tasks", *_also(self)])),
            ("predicts", f"{self.predict_type} (of {', '.join(self.predict_types)})"),
            ("trained", "no" if self.state is None else _trained_on(self.state)),
            *_precautions(self),
        ]
        return [Block(f"{type(self).__name__} {self.id}", ("", ""), facts), params_block(self.params)]

    def __str__(self) -> str:
        return self._blocks()[0].text()

    def __repr__(self) -> str:
        trained = "trained" if self.is_trained else "not trained"
        takes = f"takes a task ({self.task_type or 'any'})"
        predicts = f"predicts {self.predict_type} (of {', '.join(self.predict_types)})"
        return f"<{type(self).__name__}:{self.id}> {trained}; {takes}, {predicts}"


def _made(model: Any) -> Any:
    """The model; of a run that makes one, what it returns."""
    return outcome(model) if isinstance(model, Generator) else model


SAVED_PARTS: dict[str, Any] = {
    "id": str,
    "state": LearnerState | None,
    "timings": dict[str, float],
    "fallback": Learner | None,
    "encapsulate": Literal["none", "try"],
    "timeout": dict[str, float],
}
"""What every kind of learner has in a file, and of which type, see `saving.saved_as`."""


def saved_parts(learner: Learner) -> dict[str, Any]:
    """What every kind of learner saves."""
    return {name: getattr(learner, name) for name in SAVED_PARTS}


def with_saved_parts(learner: Any, plain: dict[str, Any]) -> Any:
    """The learner with what was saved put back."""
    for name in SAVED_PARTS:
        if name in plain and plain[name] != getattr(learner, name):
            setattr(learner, name, plain[name])
    learner._loaded = learner.state
    return learner


def _also(learner: Learner) -> list[str]:
    """What it takes beside complete numbers."""
    facts = {"missing values": learner.takes_missing, "categories": learner.takes_categories}
    return [text for text, able in facts.items() if able]


def _precautions(learner: Learner) -> list[tuple[str, str]]:
    """What is done when it fails or takes too long, where something is."""
    limits = ", ".join(f"{stage} {seconds:g} s" for stage, seconds in learner.timeout.items() if math.isfinite(seconds))
    fallback = "" if learner.fallback is None else learner.fallback.id
    return [(name, text) for name, text in (("timeout", limits), ("fallback", fallback)) if text]


def _trained_on(state: LearnerState) -> str:
    task = state.prototype
    return f"on '{task.id}' with {len(task.feature_names)} features, in {state.seconds:.3g} s"


def load_learner(path: str | Path, trust: Iterable[Any] = ()) -> Any:
    """Read a learner that `save` wrote. Its predictions are bit-equal to those before.

    trust: classes and functions of your own that the learner holds (a loss, a callback, an unregistered node); nothing else
    in the file is called or imported (`docs/saving.md`). Raises `FormatError` for whatever is wrong with the file.
    """
    return read(path, "learner", trust, Learner)
