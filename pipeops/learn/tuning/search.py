"""One search: trials are asked of a strategy in batches, trained on the folds of a resampling, scored, and noted.

The folds of all trials of a batch are trained by one driver, so that networks of one blueprint train together. Where trials may
be stopped they are trained fold by fold, and in the first fold their rounds are watched.
Neighbours: strategies and limits below; `tuner` and `fselect` set a search up.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from pipeops.bars import Bar, bar
from pipeops.data import Task
from pipeops.errors import TrainingError
from pipeops.learn.fallback import in_its_place
from pipeops.learn.fits import attempt, drive
from pipeops.learn.learner import Learner
from pipeops.learn.measures.measure import Measure
from pipeops.learn.prediction.base import Prediction
from pipeops.learn.resampling.base import Resampling
from pipeops.learn.tuning.limits import Limits
from pipeops.learn.tuning.strategies import Judged, Proposal, Strategy
from pipeops.learn.validation import OnRound

Row = dict[str, Any]


class Stopped(Exception):  # noqa: N818 - not an error
    """Raised in a trial that is not to go on."""


@attrs.define(eq=False)
class Search:
    """One search: the scores of trials, and a row for each.

    columns: what the archive shows of a configuration, in this order. internal: what training finds by itself, by address, with
    the most that it may try. resampling: instantiated, the same sets for all trials. measures: the first decides, where there
    are several. valid: "predefined" validation data. seed: of every training.
    """

    learner: Learner
    columns: Sequence[str]
    internal: Mapping[str, Any]
    resampling: Resampling
    measures: Sequence[Measure]
    task: Task
    valid: Task | None
    seed: int
    rows: list[Row] = attrs.field(factory=list)
    configs: list[dict[str, Any]] = attrs.field(factory=list)

    # ---------------------------------------------------------------- the course

    def run(self, strategy: Strategy, limits: Limits, n_parallel: int) -> None:
        """Ask for trials, judge and tell them, until a limit is reached or there are no more."""
        with bar("search", limits.n_trials, "trial") as shown:
            self._go_on(strategy, limits, n_parallel, shown)

    def _go_on(self, strategy: Strategy, limits: Limits, n_parallel: int, shown: Bar) -> None:
        start = time.perf_counter()
        while not limits.reached(self._losses(), bool(self.measures[0].minimize), time.perf_counter() - start):
            size = n_parallel if limits.n_trials is None else min(n_parallel, limits.n_trials - len(self.rows))
            proposals = strategy.ask(size)
            if not proposals:
                return
            self._batch(strategy, proposals)
            shown.tell(len(self.rows), self._facts(limits) if shown.seen else None)

    def _facts(self, limits: Limits) -> dict[str, Any]:
        """What a person waits for: the best score, and how many trials more without a better one there may be."""
        losses = self._losses()
        best = min(range(len(losses)), key=losses.__getitem__)
        facts = {} if math.isinf(losses[best]) else {"best": self.rows[best][self.measures[0].id]}
        left = {} if limits.stagnation is None else {"patience": limits.stagnation - (len(losses) - 1 - best)}
        return facts | left

    def _batch(self, strategy: Strategy, proposals: Sequence[Proposal]) -> None:
        rows = [self._row(proposal) for proposal in proposals]
        trained = (
            (self._one_by_one(strategy, proposal, row) for proposal, row in zip(proposals, rows, strict=True))
            if strategy.prunes
            else self._together(rows)
        )
        for proposal, row, folds in zip(proposals, rows, trained, strict=True):
            strategy.tell(self._judged(strategy, proposal, row, folds))

    def _row(self, proposal: Proposal) -> Row:
        row = {"trial": len(self.rows), "state": "failed", **proposal.shown, "seconds": 0.0, "error": None}
        self.rows.append(row)
        self.configs.append(dict(proposal.config))
        return row

    def _judged(self, strategy: Strategy, proposal: Proposal, row: Row, folds: Iterable[Any]) -> Judged:
        """What became of a trial, noted in its row."""
        start = time.perf_counter()
        scores, learners = None, list[Learner]()
        try:
            scores = self._scores(strategy, proposal, row, folds, learners)
            row.update(zip((m.id for m in self.measures), scores, strict=True), state="complete")
        except TrainingError as error:
            row["error"] = str(error)
        except Stopped:
            row["state"] = "pruned"
        row["seconds"] += time.perf_counter() - start
        return Judged(proposal, self._losses()[row["trial"]], scores, row["state"] == "pruned", learners)

    def _scores(
        self, strategy: Strategy, proposal: Proposal, row: Row, folds: Iterable[Any], learners: list[Learner]
    ) -> list[float]:
        predictions, found = list[Prediction](), list[list[float]]()
        for i, trained in enumerate(folds):
            learner, prediction = self._predicted(i, trained, row)
            learners.append(learner)
            predictions.append(prediction)
            found.append([m.score(prediction, task=self.task, learner=learner) for m in self.measures])
            row.setdefault("history", [])[i:] = [list(learner.internal_history(learner.model))]
            if strategy.prunes and self.learner.watched is None:
                self._report(strategy, proposal, float(np.mean([scores[0] for scores in found])), i)
        self._note_found(row, learners)
        return [self._over_folds(m, [s[k] for s in found], predictions) for k, m in enumerate(self.measures)]

    def _note_found(self, row: Row, learners: Sequence[Learner]) -> None:
        """The mean over the folds of what training found, rounded up."""
        means = {a: math.ceil(np.mean([_found(learner, a) for learner in learners])) for a in self.internal}
        row.update(means)
        self.configs[row["trial"]].update(means)

    def _predicted(self, i: int, trained: Learner | Exception, row: Row) -> tuple[Learner, Prediction]:
        """A fold's learner and what it predicts, or its fallback and what that predicts."""
        made = trained if isinstance(trained, Exception) else attempt(trained.predict, self.task, self.resampling.test_set(i))
        if not isinstance(made, Exception):
            return trained, made  # type: ignore[return-value]
        if isinstance(made, Stopped) or (self.learner.fallback is None and self.learner.encapsulate == "none"):
            raise made
        if self.learner.fallback is None:
            raise TrainingError(str(made)) from made
        row["error"] = str(made)
        fallback = in_its_place(self.learner, self.seed + i).train(self.task, self.resampling.train_set(i))
        return fallback, fallback.predict(self.task, self.resampling.test_set(i))

    def _over_folds(self, measure: Measure, scores: list[float], predictions: list[Prediction]) -> float:
        micro = measure.average == "micro" and measure.predict_type is not None
        score = measure.score(Prediction.combine(predictions), task=self.task) if micro else float(np.mean(scores))
        if math.isnan(score):
            raise TrainingError(f"{measure.id} is undefined for this configuration.")
        return score

    # ---------------------------------------------------------------- training

    def _one_by_one(self, strategy: Strategy, proposal: Proposal, row: Row) -> Iterator[Learner | Exception]:
        """The learners of the folds, each trained when it is asked for; in the first one its rounds are watched."""
        for i in range(self.resampling.iters):
            learner = self._fold(i, self.configs[row["trial"]])
            if learner.watched is not None and i == 0:
                learner = learner.watching(self._teller(learner.watched, strategy, proposal, row))
            yield attempt(learner.train, self.task, self.resampling.train_set(i), valid=self._validation(i))

    def _together(self, rows: Sequence[Row]) -> Iterator[list[Learner | Exception]]:
        """The trained folds of each trial, all of them by one driver."""
        start, folds = time.perf_counter(), range(self.resampling.iters)
        learners = [self._fold(i, self.configs[row["trial"]]) for row in rows for i in folds]
        trains = [self.task.filter(self.resampling.train_set(i)) for i in folds]
        valids = [self._validation(i) for i in folds]
        made = drive(learner.training(trains[k % len(folds)], valids[k % len(folds)]) for k, learner in enumerate(learners))
        for row in rows:
            row["seconds"] = (time.perf_counter() - start) / len(rows)
        return (made[k : k + len(folds)] for k in range(0, len(made), len(folds)))

    def _fold(self, i: int, config: Mapping[str, Any]) -> Learner:
        """The learner of one fold, to be trained."""
        return configured(self.learner, {**config, **self.internal}).seeded(self.seed + i)

    def _validation(self, i: int) -> Task | None:
        on_test = self.learner.validates_on == "test"
        return self.task.filter(self.resampling.test_set(i)) if on_test else self.valid

    def _teller(self, watched: Measure, strategy: Strategy, proposal: Proposal, row: Row) -> OnRound:
        """What reports each round; signs are such that better is better in the direction of the search."""
        sign = 1 if watched.minimize is None or bool(watched.minimize) == bool(self.measures[0].minimize) else -1
        row["history"] = [[]]

        def tell(number: int, score: float) -> None:
            row["history"][0].append(score)
            self._report(strategy, proposal, sign * score, number)

        return tell

    def _report(self, strategy: Strategy, proposal: Proposal, value: float, step: int) -> None:
        if not math.isnan(value) and strategy.stops(proposal, value, step):
            raise Stopped

    # ---------------------------------------------------------------- what came out

    def _losses(self) -> list[float]:
        """The first score of each trial, such that smaller is better."""
        first, sign = self.measures[0].id, 1 if self.measures[0].minimize else -1
        return [sign * row[first] if row["state"] == "complete" else math.inf for row in self.rows]

    def best(self, of: Callable[[dict[str, Any]], float] = lambda config: 0.0) -> int:
        """The trial with the best score by the first measure; of equal ones that with the smallest `of`, then the first.

        When none was completed the last failure is told.
        """
        complete = [k for k, row in enumerate(self.rows) if row["state"] == "complete"]
        if not complete:
            errors = [row["error"] for row in self.rows if row["error"]]
            raise TrainingError(f"none of {len(self.rows)} trials was completed; the last error was: {(errors or ['none'])[-1]}")
        losses = self._losses()
        return min(complete, key=lambda k: (losses[k], of(self.configs[k])))

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
        """The rows by column: trial, state, configuration, scores, seconds, error, and the history where there is one."""
        scores = [m.id for m in self.measures]
        known = {"trial", "state", "seconds", "error", "history", *scores, *self.columns}
        notes = dict.fromkeys(name for row in self.rows for name in row if name not in known)
        told = ["history"] if any(any(row.get("history", ())) for row in self.rows) else []
        names = ["trial", "state", *self.columns, *notes, *scores, "seconds", "error", *told]
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
