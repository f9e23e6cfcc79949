"""Jobs: one training and one prediction each, and what they leave.

`run_group` runs jobs on one task together: one driver answers all of their fits (`learn/fits.py`), so that nodes that train
several at once may. What stops a job stops no other one: it is noted, and handed on to be raised when all is done, unless
the learner says that it may fail. Neighbours: learner and resampling below; run (which jobs there are, and where they run)
and results above.
"""

import pickle
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import attrs

from pipeops.data import Task
from pipeops.errors import TrainingError
from pipeops.learn.fallback import in_its_place
from pipeops.learn.fits import attempt, drive
from pipeops.learn.learner import Learner
from pipeops.learn.prediction.base import Prediction
from pipeops.learn.resampling.splits import IntArray
from pipeops.saving import savable


@attrs.frozen(eq=False)
class Sets:
    """The rows of one job, its seed, and on which of its sets it predicts."""

    train: IntArray
    test: IntArray
    seed: int
    predict: tuple[str, ...] = ("test",)


@savable
@attrs.frozen(eq=False)
class Failure:
    """What went wrong: in "train" or "predict", the message, and the traceback as text."""

    stage: str
    message: str
    traceback: str


@savable
@attrs.frozen(eq=False)
class Outcome:
    """What a job left.

    prediction: on the test rows, by the fallback when the learner failed; None when there is none. timings: seconds.
    internal_valid_scores: of learners that validate. learner: trained, where models are stored. on_train: the prediction on the
    training rows, where it was asked for. sizes: of the training and the test set.
    """

    prediction: Prediction | None
    timings: Mapping[str, float]
    internal_valid_scores: Mapping[str, float]
    failure: Failure | None = None
    learner: Learner | None = None
    on_train: Prediction | None = None
    sizes: tuple[int, int] | None = None

    def on(self, sets: Sequence[str]) -> Prediction | None:
        """The prediction on these sets together; None where there is none."""
        found = [self.on_train if name == "train" else self.prediction for name in sets]
        kept = [prediction for prediction in found if prediction is not None]
        return None if len(kept) < len(found) else kept[0] if len(kept) == 1 else Prediction.combine(kept)


class Done(NamedTuple):
    """What a job left, and what is to be raised for it when all is done."""

    outcome: Outcome
    error: Exception | None = None


class JobLearner:
    """What measures may ask of a job's learner; beyond timings and validation scores, only where the model was stored."""

    def __init__(self, outcome: Outcome):
        self.timings, self.internal_valid_scores = outcome.timings, outcome.internal_valid_scores
        self._learner = outcome.learner

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or self._learner is None:
            raise AttributeError(f"'{name}': run the benchmark with store_models=True to keep the learners.")
        return getattr(self._learner, name)


def run_group(task: Task, learners: Sequence[Learner], several: Sequence[Sets], store_models: bool) -> Iterator[Done]:
    """The outcomes of jobs on one task, in order."""
    tests = [task.filter(sets.test) for sets in several]
    trains = [task.filter(sets.train) for sets in several]
    valids = [t if one.validates_on == "test" else None for one, t in zip(learners, tests, strict=True)]
    own = [learner.clone().seeded(sets.seed) for learner, sets in zip(learners, several, strict=True)]
    start = time.perf_counter()
    made = drive(one.training(train, valid) for one, train, valid in zip(own, trains, valids, strict=True))
    share = (time.perf_counter() - start) / len(made)
    for learner, sets, train, test, trained in zip(learners, several, trains, tests, made, strict=True):
        if isinstance(trained, Learner) and len(made) > 1:
            trained.timings = {"train": share}
        yield _outcome(learner, trained, train, test, sets, store_models)


def run_remote(position: int, task: Task, learners: Sequence[Learner], several: Sequence[Sets], store_models: bool) -> Any:
    """What a worker does: a group of jobs on one torch thread."""
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else 1
    if torch:
        torch.set_num_threads(1)
    try:
        return position, [portable(done) for done in run_group(task, learners, several, store_models)]
    finally:
        if torch:
            torch.set_num_threads(threads)


def _outcome(learner: Learner, trained: Learner | Exception, train: Task, test: Task, sets: Sets, store_models: bool) -> Done:
    fails = "train" if isinstance(trained, Exception) else "predict"
    predicted = {"train": train, "test": test}
    tasks = {name: predicted[name] for name in sets.predict}
    made: Any = trained if isinstance(trained, Exception) else attempt(_on, trained, tasks)
    trained = learner.clone() if isinstance(trained, Exception) else trained
    failure, error = None, None
    if isinstance(made, Exception):
        failure, error = _failed(learner, fails, made), made
        made, error = ({}, error) if learner.fallback is None else _replaced(learner, train, tasks, sets.seed)
        error = None if learner.fallback is None and learner.encapsulate == "try" else error
    kept = trained if store_models else None
    facts = (dict(trained.timings), _validation(trained), failure, kept)
    return Done(Outcome(made.get("test"), *facts, made.get("train"), (train.nrow, test.nrow)), error)


def _on(learner: Learner, tasks: Mapping[str, Task]) -> dict[str, Prediction]:
    """Predictions by set; that on the test rows comes last, so that its time is noted."""
    return {name: learner.predict(tasks[name]) for name in sorted(tasks, key=("train", "test").index)}


def _failed(learner: Learner, stage: str, error: Exception) -> Failure:
    error.add_note(f"in learner '{learner.id}', stage '{stage}'; encapsulate='try' or a fallback lets a benchmark go on")
    return Failure(stage, f"{type(error).__name__}: {error}", "".join(traceback.format_exception(error)))


def _replaced(
    learner: Learner, train: Task, tasks: Mapping[str, Task], seed: int
) -> tuple[dict[str, Prediction], Exception | None]:
    """What the fallback predicts, by set; a fallback that fails too is an error."""
    made = attempt(lambda: _on(in_its_place(learner, seed).train(train), tasks))
    if not isinstance(made, Exception):
        return made, None
    made.add_note(f"in the fallback of learner '{learner.id}'")
    return {}, made


def portable(done: Done) -> Done:
    """The same for another process: an error that cannot travel becomes one of the same text that can."""
    again = attempt(lambda: pickle.loads(pickle.dumps(done.error)))
    if type(again) is type(done.error) or done.outcome.failure is None:
        return done
    return done._replace(error=TrainingError(done.outcome.failure.message))


def _validation(trained: Any) -> dict[str, float]:
    return dict(trained.internal_valid_scores) if trained.is_trained else {}
