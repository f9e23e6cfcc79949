"""One search for hyperparameters: what a trial does, how it is stopped early, and what is noted of it.

Trials are asked for in batches; the folds of all trials of a batch are trained by one driver, so that networks of one blueprint
train together. One trial at a time is trained fold by fold, so that it can be pruned.
Neighbours: space and measures below; `tuner` sets a search up and hands it to Optuna.
"""

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from pipeops.data import Task
from pipeops.errors import TrainingError
from pipeops.extras import extra
from pipeops.learn.fits import attempt, drive
from pipeops.learn.learner import Learner
from pipeops.learn.measures.measure import Measure
from pipeops.learn.prediction.base import Prediction
from pipeops.learn.resampling.base import Resampling
from pipeops.learn.tuning.space import Dimension, suggested
from pipeops.learn.validation import OnRound
from pipeops.saving import savable


@savable
@attrs.frozen
class Limits:
    """When a search ends: after so many trials or seconds, after so many trials without a better score, at a score.

    What is None does not end it.
    """

    n_trials: int | None = None
    seconds: float | None = None
    stagnation: int | None = None
    target: float | None = None


@attrs.define(eq=False)
class Search:
    """One search: the scores of trials, and a row for each.

    resampling: instantiated, the same sets for all trials. measures: the first decides, where there are several. valid:
    "predefined" validation data. seed: of every training.
    """

    learner: Learner
    space: Sequence[Dimension]
    resampling: Resampling
    measures: Sequence[Measure]
    task: Task
    valid: Task | None
    seed: int
    rows: list[dict[str, Any]] = attrs.field(factory=list)
    configs: list[dict[str, Any]] = attrs.field(factory=list)

    # ---------------------------------------------------------------- the course

    def run(self, study: Any, limits: Limits, n_parallel: int) -> None:
        """Ask for trials, judge and tell them, until a limit is reached."""
        start = time.perf_counter()
        while not self._over(limits, time.perf_counter() - start):
            left = n_parallel if limits.n_trials is None else limits.n_trials - len(self.rows)
            self._batch(study, min(n_parallel, left))

    def _over(self, limits: Limits, seconds: float) -> bool:
        scores = [row[self.measures[0].id] for row in self.rows if row["state"] == "complete"]
        best = self.best() if scores else None
        reached = best is not None and limits.target is not None and not self._better(limits.target, self._first(best))
        stalled = best is not None and limits.stagnation is not None and len(self.rows) - 1 - best >= limits.stagnation
        long = limits.seconds is not None and seconds >= limits.seconds
        return reached or stalled or long or (limits.n_trials is not None and len(self.rows) >= limits.n_trials)

    def _batch(self, study: Any, size: int) -> None:
        states = extra("optuna", "tune", "auto_tuner").trial.TrialState
        trials = [study.ask() for _ in range(size)]
        settings = dict(self.learner.params.items())
        begun = [self._row(trial, suggested(self.space, trial, settings)) for trial in trials]
        alone = len(trials) == 1
        trained = [self._one_by_one(trials[0], begun[0])] if alone else self._together(begun)
        for trial, row, folds in zip(trials, begun, trained, strict=True):
            scores = self._judged(trial, row, folds)
            if scores is None:
                study.tell(trial, state=states.PRUNED if row["state"] == "pruned" else states.FAIL)
            else:
                study.tell(trial, scores)

    def _row(self, trial: Any, config: dict[str, Any]) -> dict[str, Any]:
        row = {"trial": trial.number, "state": "failed", **config, "seconds": 0.0, "error": None}
        self.rows.append(row)
        self.configs.append(config)
        return row

    def _judged(self, trial: Any, row: dict[str, Any], folds: Iterable[Learner | Exception]) -> list[float] | None:
        """The scores of a trial, noted in its row; None where it failed or was pruned."""
        start = time.perf_counter()
        pruned = extra("optuna", "tune", "auto_tuner").TrialPruned
        try:
            scores = self._scores(trial, row, folds)
            row.update(zip((m.id for m in self.measures), scores, strict=True), state="complete")
            return scores
        except TrainingError as error:
            row["error"] = str(error)
        except pruned:
            row["state"] = "pruned"
        finally:
            row["seconds"] += time.perf_counter() - start
        return None

    def _scores(self, trial: Any, row: dict[str, Any], folds: Iterable[Learner | Exception]) -> list[float]:
        predictions, found, epochs = list[Prediction](), list[list[float]](), list[list[int]]()
        for i, learner in enumerate(folds):
            if isinstance(learner, Exception):
                raise learner
            predictions.append(learner.predict(self.task, self.resampling.test_set(i)))
            found.append([m.score(predictions[-1], task=self.task, learner=learner) for m in self.measures])
            epochs.append([_found(learner, d.address) for d in self.space if d.internal])
            if self.learner.watched is None:
                _report(trial, float(np.mean([scores[0] for scores in found])), i)
        internal = [d.address for d in self.space if d.internal]
        means = dict(zip(internal, (math.ceil(np.mean(each)) for each in zip(*epochs, strict=True)), strict=True))
        row.update(means)
        self.configs[row["trial"]].update(means)
        return [self._over_folds(m, [s[k] for s in found], predictions) for k, m in enumerate(self.measures)]

    def _over_folds(self, measure: Measure, scores: list[float], predictions: list[Prediction]) -> float:
        micro = measure.average == "micro" and measure.predict_type is not None
        score = measure.score(Prediction.combine(predictions), task=self.task) if micro else float(np.mean(scores))
        if math.isnan(score):
            raise TrainingError(f"{measure.id} is undefined for this configuration.")
        return score

    # ---------------------------------------------------------------- training

    def _one_by_one(self, trial: Any, row: dict[str, Any]) -> Iterator[Learner | Exception]:
        """The learners of the folds, each trained when it is asked for; in the first one its epochs are watched."""
        for i in range(self.resampling.iters):
            learner = self._fold(i, self.configs[row["trial"]])
            if learner.watched is not None and i == 0:
                learner = learner.watching(_teller(learner.watched, self.measures[0], trial))
            yield attempt(learner.train, self.task, self.resampling.train_set(i), valid=self._validation(i))

    def _together(self, begun: Sequence[dict[str, Any]]) -> Iterator[list[Learner | Exception]]:
        """The trained folds of each trial, all of them by one driver."""
        start, folds = time.perf_counter(), range(self.resampling.iters)
        learners = [self._fold(i, self.configs[row["trial"]]) for row in begun for i in folds]
        trains = [self.task.filter(self.resampling.train_set(i)) for i in folds]
        valids = [self._validation(i) for i in folds]
        made = drive(learner.training(trains[k % len(folds)], valids[k % len(folds)]) for k, learner in enumerate(learners))
        for row in begun:
            row["seconds"] = (time.perf_counter() - start) / len(begun)
        return (made[k : k + len(folds)] for k in range(0, len(made), len(folds)))

    def _fold(self, i: int, config: Mapping[str, Any]) -> Learner:
        """The learner of one fold, to be trained."""
        return configured(self.learner, {**config, **{d.address: d.high for d in self.space if d.internal}}).seeded(self.seed + i)

    def _validation(self, i: int) -> Task | None:
        on_test = self.learner.validates_on == "test"
        return self.task.filter(self.resampling.test_set(i)) if on_test else self.valid

    # ---------------------------------------------------------------- what came out

    def _first(self, k: int) -> float:
        return self.rows[k][self.measures[0].id]

    def _better(self, one: float, other: float) -> bool:
        return one < other if self.measures[0].minimize else one > other

    def best(self) -> int:
        """The trial with the best score by the first measure; when none was completed the last failure is told."""
        complete = [k for k, row in enumerate(self.rows) if row["state"] == "complete"]
        if not complete:
            errors = [row["error"] for row in self.rows if row["error"]]
            raise TrainingError(f"none of {len(self.rows)} trials was completed; the last error was: {(errors or ['none'])[-1]}")
        return (min if self.measures[0].minimize else max)(complete, key=self._first)

    def front(self) -> list[int]:
        """The completed trials to which no other is equal or better by all measures and better by one."""
        signs = [1 if m.minimize else -1 for m in self.measures]
        points = {
            k: [sign * row[m.id] for sign, m in zip(signs, self.measures, strict=True)]
            for k, row in enumerate(self.rows)
            if row["state"] == "complete"
        }
        return [k for k, p in points.items() if not any(_dominates(q, p) for q in points.values())]

    def archive(self) -> dict[str, list[Any]]:
        """The rows by column, the tuned hyperparameters after the trial and its state."""
        scores = [m.id for m in self.measures]
        names = ["trial", "state", *(d.address for d in self.space), *scores, "seconds", "error"]
        return {name: [row.get(name) for row in self.rows] for name in names}


def _dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(a <= b for a, b in zip(one, other, strict=True)) and list(one) != list(other)


def configured(learner: Learner, config: Mapping[str, Any]) -> Learner:
    """An untrained copy with these hyperparameters."""
    copy = learner.clone()
    for address, value in config.items():
        copy.params[address] = value
    return copy


def _found(learner: Learner, address: str) -> int:
    """The value that training found the best of."""
    found = learner.internal_tuned_values
    if address not in found:
        raise TrainingError(f"{learner.id}: no validation score was ever defined, so there is no best value of '{address}'.")
    return found[address]


def _teller(watched: Measure, tuned: Measure, trial: Any) -> OnRound:
    """What reports each round to a trial; signs are such that better is better in the direction of the search."""
    sign = 1 if watched.minimize is None or bool(watched.minimize) == bool(tuned.minimize) else -1
    return lambda number, score: _report(trial, sign * score, number)


def _report(trial: Any, value: float, step: int) -> None:
    """Tell Optuna how it goes; raises its `TrialPruned` when that is not good enough."""
    if not math.isnan(value) and len(trial.study.directions) == 1:
        trial.report(value, step)
        if trial.should_prune():
            raise extra("optuna", "tune", "auto_tuner").TrialPruned
