"""Jobs: one training and one prediction each, and what they leave.

`run_group` runs jobs on one task together: one driver answers all of their fits (`learn/fits.py`), so that nodes that train
several at once may. A failure is raised, or noted where the learner says so. Neighbours: learner and
resampling below; run (which jobs there are, and where they run) and results above.
"""

import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from pipeops.data import Task
from pipeops.errors import NotTrainedError
from pipeops.learn.fits import drive
from pipeops.learn.learner import Learner
from pipeops.learn.prediction.base import Prediction
from pipeops.learn.prediction.classif import PredictionClassif
from pipeops.learn.prediction.regr import PredictionRegr
from pipeops.learn.resampling.splits import IntArray
from pipeops.saving import savable, saved_as


@attrs.frozen(eq=False)
class Sets:
    """The rows of one job and its seed."""

    train: IntArray
    test: IntArray
    seed: int


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
    internal_valid_scores: of learners that validate. learner: trained, where models are stored.
    """

    prediction: Prediction | None
    timings: Mapping[str, float]
    internal_valid_scores: Mapping[str, float]
    failure: Failure | None = None
    learner: Learner | None = None


class Trained:
    """What measures may ask of a job's learner; beyond timings and validation scores, only where the model was stored."""

    def __init__(self, outcome: Outcome):
        self.timings, self.internal_valid_scores = outcome.timings, outcome.internal_valid_scores
        self._learner = outcome.learner

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or self._learner is None:
            raise AttributeError(f"'{name}': run the benchmark with store_models=True to keep the learners.")
        return getattr(self._learner, name)


def run_group(task: Task, learners: Sequence[Learner], several: Sequence[Sets], store_models: bool) -> Iterator[Outcome]:
    """The outcomes of jobs on one task, in order."""
    tests = [task.filter(sets.test) for sets in several]
    trains = [task.filter(sets.train) for sets in several]
    valids = [t if getattr(one, "validate", None) == "test" else None for one, t in zip(learners, tests, strict=True)]
    own = [learner.clone().seeded(sets.seed) for learner, sets in zip(learners, several, strict=True)]
    start = time.perf_counter()
    made = drive(one.training(train, valid) for one, train, valid in zip(own, trains, valids, strict=True))
    share = (time.perf_counter() - start) / len(made)
    for learner, sets, train, test, trained in zip(learners, several, trains, tests, made, strict=True):
        if isinstance(trained, Learner) and len(made) > 1:
            trained.timings = {"train": share}
        yield _outcome(learner, trained, train, test, sets.seed, store_models)


def run_remote(position: int, task: Task, learners: Sequence[Learner], several: Sequence[Sets], store_models: bool) -> Any:
    """What a worker does: a group of jobs on one torch thread."""
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else 1
    if torch:
        torch.set_num_threads(1)
    try:
        return position, list(run_group(task, learners, several, store_models))
    finally:
        if torch:
            torch.set_num_threads(threads)


def _outcome(learner: Learner, trained: Learner | Exception, train: Task, test: Task, seed: int, store_models: bool) -> Outcome:
    prediction, failure = None, None
    if isinstance(trained, Exception):
        failure = _failed(learner, "train", trained)
        trained = learner.clone()
    else:
        try:
            prediction = trained.predict(test)
        except Exception as error:
            failure = _failed(learner, "predict", error)
    if prediction is None and learner.fallback is not None:
        prediction = _fallback(learner, seed).train(train).predict(test)
    kept = trained if store_models else None
    return Outcome(prediction, dict(trained.timings), _validation(trained), failure, kept)


def _failed(learner: Learner, stage: str, error: Exception) -> Failure:
    """The failure as a note, or raised where it is not to be kept."""
    if learner.encapsulate == "none" and learner.fallback is None:
        error.add_note(f"in learner '{learner.id}', stage '{stage}'; encapsulate='try' or a fallback lets a benchmark go on")
        raise error
    return Failure(stage, f"{type(error).__name__}: {error}", "".join(traceback.format_exception(error)))


def _fallback(learner: Learner, seed: int) -> Learner:
    """The fallback, asked for probabilities when the learner was."""
    assert learner.fallback is not None
    fallback: Any = learner.fallback.clone().seeded(seed)
    if fallback.predict_type != learner.predict_type and learner.predict_type in fallback.predict_types:
        fallback.predict_type = learner.predict_type
    return fallback


def _validation(trained: Any) -> dict[str, float]:
    try:
        return dict(getattr(trained, "internal_valid_scores", None) or {})
    except NotTrainedError:
        return {}


def _plain_classif(p: PredictionClassif) -> dict[str, Any]:
    return {**p._parts(), "class_names": p.class_names, "backend": p.backend}


def _plain_regr(p: PredictionRegr) -> dict[str, Any]:
    return {**p._parts(), "backend": p.backend}


def _classif(plain: dict[str, Any]) -> PredictionClassif:
    return PredictionClassif.from_codes(np.asarray(plain.pop("row_ids")), **plain)


saved_as(PredictionClassif, _plain_classif, _classif)
saved_as(PredictionRegr, _plain_regr, lambda plain: PredictionRegr(**plain))
