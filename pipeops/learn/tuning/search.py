"""One search for hyperparameters: what a trial does, how it is stopped early, and what is noted of it.

Neighbours: search_space and measures below; `tune` sets a search up and hands it to Optuna.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from pipeops.data import Task
from pipeops.errors import TrainingError
from pipeops.extras import extra
from pipeops.learn.learner import Learner
from pipeops.learn.measures.measure import Measure, as_measures
from pipeops.learn.prediction.base import Prediction
from pipeops.learn.resampling.base import Resampling
from pipeops.learn.tuning.space import Dimension


@attrs.define(eq=False)
class Search:
    """One search: the score of a trial, and a row for each.

    resampling: instantiated, the same sets for all trials. valid: "predefined" validation data. seed: of every training.
    """

    learner: Learner
    space: Sequence[Dimension]
    resampling: Resampling
    measure: Measure
    task: Task
    valid: Task | None
    seed: int
    rows: list[dict[str, Any]] = attrs.field(factory=list)

    def __call__(self, trial: Any) -> float:
        """Train and score a copy of the learner with what the trial suggests; high or low is good, as the measure says."""
        config = {d.address: d.suggest(trial) for d in self.space if not d.internal}
        row: dict[str, Any] = {
            "trial": trial.number,
            "state": "failed",
            **config,
            self.measure.id: None,
            "seconds": 0.0,
            "error": None,
        }
        self.rows.append(row)
        start = time.perf_counter()
        try:
            row[self.measure.id] = self._score(trial, config, row)
            row["state"] = "complete"
        except TrainingError as error:
            row["error"] = str(error)
            raise
        except extra("optuna", "tune", "auto_tuner").TrialPruned:
            row["state"] = "pruned"
            raise
        finally:
            row["seconds"] = time.perf_counter() - start
        return row[self.measure.id]

    def _score(self, trial: Any, config: Mapping[str, Any], row: dict[str, Any]) -> float:
        scores, predictions, epochs = list[float](), list[Prediction](), list[list[int]]()
        for i in range(self.resampling.iters):
            learner = self._fold(i, trial, config)
            predictions.append(learner.predict(self.task, self.resampling.test_set(i)))
            scores.append(self.measure.score(predictions[-1], task=self.task, learner=learner))
            epochs.append([_best_epoch(learner) for d in self.space if d.internal])
            if not watched(self.learner):
                _report(trial, float(np.mean(scores)), i)
        means = [math.ceil(np.mean(found)) for found in zip(*epochs, strict=True)]
        row.update(zip([d.address for d in self.space if d.internal], means, strict=True))
        micro = self.measure.average == "micro" and self.measure.predict_type is not None
        score = self.measure.score(Prediction.combine(predictions), task=self.task) if micro else float(np.mean(scores))
        if math.isnan(score):
            raise TrainingError(f"{self.measure.id} is undefined for this configuration.")
        return score

    def _fold(self, i: int, trial: Any, config: Mapping[str, Any]) -> Learner:
        """The learner of one fold, trained; in the first one its epochs are watched."""
        learner = configured(self.learner, {**config, **{d.address: d.high for d in self.space if d.internal}})
        address = watched(learner)
        if address and i == 0:
            learner.params[address] = _telling(learner.params[address], self.measure, trial)
        on_test = getattr(learner, "validate", None) == "test"
        valid = self.task.filter(self.resampling.test_set(i)) if on_test else self.valid
        return learner.seeded(self.seed + i).train(self.task, self.resampling.train_set(i), valid=valid)

    def best(self) -> int:
        """The trial with the best score; when none was completed the last failure is told."""
        complete = [k for k, row in enumerate(self.rows) if row["state"] == "complete"]
        if not complete:
            errors = [row["error"] for row in self.rows if row["error"]]
            raise TrainingError(f"none of {len(self.rows)} trials was completed; the last error was: {(errors or ['none'])[-1]}")
        return (min if self.measure.minimize else max)(complete, key=lambda k: self.rows[k][self.measure.id])

    def archive(self) -> dict[str, list[Any]]:
        """The rows by column, the tuned hyperparameters after the trial and its state."""
        names = ["trial", "state", *(d.address for d in self.space), self.measure.id, "seconds", "error"]
        return {name: [row.get(name) for row in self.rows] for name in names}


def configured(learner: Learner, config: Mapping[str, Any]) -> Learner:
    """An untrained copy with these hyperparameters."""
    copy = learner.clone()
    for address, value in config.items():
        copy.params[address] = value
    return copy


def _best_epoch(learner: Any) -> int:
    """The epoch with the best validation score."""
    if learner.best_epoch is None:
        raise TrainingError(f"{learner.id}: no validation score was ever defined, so there is no best epoch.")
    return learner.best_epoch


def watched(learner: Any) -> str | None:
    """The address of the validation measures of a torch graph that has some, and data for them."""
    found = [a for a, value in learner.params.items() if a.endswith(".measures_valid") and isinstance(value, str | list | tuple)]
    scored = [a for a in found if len(learner.params[a])]
    return scored[0] if scored and getattr(learner, "validate", None) is not None else None


def _telling(measures: Any, tuned: Measure, trial: Any) -> list[Measure]:
    """The same measures, the first of which reports its scores to the trial; signs are such that better is better."""
    first, *others = as_measures(measures)
    sign = 1 if first.minimize is None or bool(first.minimize) == bool(tuned.minimize) else -1
    return [attrs.evolve(first, fn=_Telling(first.fn, sign, trial)), *others]


@attrs.define(eq=False)
class _Telling:
    """A measure's function that reports what it finds, once for each evaluated epoch."""

    fn: Callable[..., float]
    sign: int
    trial: Any
    step: int = 0

    def __call__(self, prediction: Any, **given: Any) -> float:
        value, self.step = float(self.fn(prediction, **given)), self.step + 1
        _report(self.trial, self.sign * value, self.step)
        return value


def _report(trial: Any, value: float, step: int) -> None:
    """Tell Optuna how it goes; raises its `TrialPruned` when that is not good enough."""
    if not math.isnan(value):
        trial.report(value, step)
        if trial.should_prune():
            raise extra("optuna", "tune", "auto_tuner").TrialPruned
