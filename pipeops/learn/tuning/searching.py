"""Learners that search before they train: what tuners and feature selectors share.

`Searching` holds the learner that is searched for, how trials are judged and when the search ends, and answers the archive.
Neighbours: search and limits below; `tuner` and `fselect` are two of it.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Self

import attrs
import numpy as np

from pipeops.data import Task
from pipeops.errors import ConfigError
from pipeops.learn.learner import Learner
from pipeops.learn.measures.measure import DEFAULTS, Measure, as_measures
from pipeops.learn.resampling.base import Resampling
from pipeops.learn.tuning.archive import archive_frame
from pipeops.learn.tuning.limits import Limits
from pipeops.learn.tuning.search import Search, configured
from pipeops.learn.tuning.shown import ShownSearch
from pipeops.saving import savable


@savable
@attrs.frozen(eq=False)
class Tuned:
    """What a search left: the learner trained with the best configuration, that configuration, and all trials by column.

    best: the row of the best trial. seed: what the search was seeded with. front: the rows of the Pareto front.
    """

    learner: Any
    best_params: dict[str, Any]
    archive: dict[str, list[Any]]
    best: int
    seed: int
    front: list[int] = attrs.field(factory=list)


class Searching(ShownSearch, Learner):
    """Base of learners that search on their training rows, and then train on all of them with the best that was found.

    learner: the untrained one, and after training the one with the best configuration. Hyperparameters are those that are not
    searched.
    """

    def __init__(
        self,
        learner: Learner,
        resampling: Resampling,
        measures: Sequence[Measure],
        limits: Limits,
        *,
        id: str,
        seed: int | None = None,
        n_parallel: int = 1,
    ):
        super().__init__(id)
        self._learner, self.resampling, self.measures = learner.clone(), resampling, list(measures)
        self.limits, self.seed, self.n_parallel = limits, seed, n_parallel

    @property
    def learner(self) -> Any:
        """The learner with what was found once trained, before that the one to be searched for."""
        return self.state.model.learner if self.state is not None else self._learner

    @property
    def task_type(self) -> str | None:  # type: ignore[override]
        """That of the learner."""
        return self._learner.task_type

    @property
    def predict_types(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of the learner."""
        return self._learner.predict_types

    @property
    def predict_type(self) -> str:
        """That of the learner; may be set."""
        return self.learner.predict_type

    @predict_type.setter
    def predict_type(self, value: str) -> None:
        self._learner.predict_type = self.learner.predict_type = value  # type: ignore[misc]

    def clone(self) -> Self:
        """An untrained copy with the same settings."""
        new = super().clone()
        new._learner = self._learner.clone()
        return new

    def seeded(self, seed: int) -> Self:
        """Seed the search when it has no seed; every training in it follows."""
        self.seed = seed if self.seed is None else self.seed
        return self

    def _rank(self, config: dict[str, Any]) -> float:
        """Of configurations with equal scores that with the smallest one wins."""
        return 0.0

    @abstractmethod
    def _searched(self, task: Task, valid: Task | None, seed: int) -> tuple[Search, Learner]:
        """The search, run, and the untrained learner that its configurations are set in."""

    def _train(self, task: Task, valid: Task | None) -> Tuned:
        seed = int(np.random.SeedSequence().generate_state(1)[0]) if self.seed is None else self.seed
        search, learner = self._searched(task, valid, seed)
        best = search.best(self._rank)
        learner = configured(learner, search.configs[best])
        found_inside = bool(search.internal)
        learner, valid = (learner.unvalidated(), None) if found_inside else (learner, search.valid)
        learner.seeded(search.seed).train(task, valid=valid)
        return Tuned(learner, search.configs[best], search.archive(), best, seed, search.front())

    def _search(
        self, learner: Learner, task: Task, valid: Task | None, seed: int, columns: Sequence[str], internal: Mapping[str, Any]
    ) -> tuple[Search, int]:
        """A search that has not begun, and the seed for what proposes."""
        for_strategy, for_sets, for_learner = (int(s) for s in np.random.SeedSequence(seed).generate_state(3) // 2)
        sets = self.resampling.without_sets().instantiate(task, for_sets)
        return Search(learner, columns, internal, sets, self.measures, task, valid, for_learner), for_strategy

    def _predict(self, task: Task, model: Tuned) -> Any:
        return model.learner.predict(task)

    # ---------------------------------------------------------------- results

    @property
    def archive(self) -> Any:
        """A polars frame with a row for each trial: state (complete, pruned or failed), configuration, scores, seconds, error.

        Hyperparameters keep their own types, objects are shown by their labels; one that did not matter in a trial is missing
        there. Where trials were validated while they trained, `history` has for each fold the score after each round.
        """
        return archive_frame(self.model.archive, [m.id for m in self.measures])

    @property
    def tuning_result(self) -> Any:
        """The row of the archive with the best trial; with several measures the rows that none other beats in all of them."""
        return self.archive[self.model.front if len(self.measures) > 1 else self.model.best]

    def importance(self) -> dict[str, float]:
        """What the learner that was found says of each feature."""
        return self._trained().model.learner.importance()

    def selected_features(self) -> list[str]:
        """The features that the learner that was found uses."""
        return self._trained().model.learner.selected_features()


def checked_parts(who: str, learner: Any, resampling: Any, measure: Any) -> list[Measure]:
    """The measures of a search, that of `score()` by default; what cannot be searched for or judged is refused."""
    if not isinstance(learner, Learner):
        raise ConfigError(f"{who}: takes a learner, got {type(learner).__name__}; make one with as_learner(graph).")
    if not isinstance(resampling, Resampling):
        raise ConfigError(f'{who}: needs a resampling, as in rsmp("cv", folds=3), got {resampling!r}.')
    given = as_measures(measure if measure is not None else DEFAULTS[learner.task_type or "classif"])
    return [_checked(who, one, learner) for one in given]


def _checked(who: str, measure: Measure, learner: Learner) -> Measure:
    if measure.key == "internal_valid_score":
        measure = _of_validation(who, measure, learner)
    if measure.minimize is None:
        raise ConfigError(f"{who}: neither a high nor a low {measure.id} is better; give a measure with a direction.")
    if measure.task_type not in (None, learner.task_type or measure.task_type):
        raise ConfigError(f"{who}: {measure.id} is for {measure.task_type}, the learner {learner.id} is for {learner.task_type}.")
    if measure.predict_type == "prob" and learner.predict_type != "prob":
        raise ConfigError(f'{who}: {measure.id} needs probabilities; set predict_type="prob" in {learner.id}.')
    return measure


def _of_validation(who: str, measure: Measure, learner: Learner) -> Measure:
    """The validation score, whose direction is that of the measure that is watched."""
    if learner.watched is None:
        raise ConfigError(
            f"{who}: internal_valid_score needs a learner that validates while it trains; {learner.id} does not: set validate, "
            "and measures_valid in the model node."
        )
    return measure if measure.minimize is not None else attrs.evolve(measure, minimize=learner.watched.minimize)
