"""Tuning: `auto_tuner` makes a learner that first searches for good hyperparameters and then trains with them.

Being a learner, it can be resampled: then each training set is searched on its own, and the test rows are never seen.
Optuna (extra `tune`) proposes, `search` does what a trial is. Neighbours: search, search_space and resampling below.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self

import attrs
import numpy as np

from pipeops.data import Task
from pipeops.errors import ConfigError, listing
from pipeops.extras import extra
from pipeops.guesses import by_name
from pipeops.learn.learner import SAVED_PARTS, Learner, saved_parts, with_saved_parts
from pipeops.learn.measures.measure import DEFAULTS, Measure, as_measures
from pipeops.learn.resampling.base import Resampling
from pipeops.learn.tuning.search import Limits, Search, configured
from pipeops.learn.tuning.space import Dimension, grid, search_space
from pipeops.params import Setting
from pipeops.saving import savable, saved_as
from pipeops.saving.codecs import fields

SAMPLERS = {"tpe": "TPESampler", "random": "RandomSampler", "cmaes": "CmaEsSampler", "grid": "RandomSampler"}
PRUNERS = {"median": "MedianPruner", "hyperband": "HyperbandPruner", None: "NopPruner"}


@savable
@attrs.frozen(eq=False)
class Tuned:
    """What tuning left: the learner trained with the best configuration, that configuration, and all trials by column.

    best: the row of the best trial. seed: what the search was seeded with. front: the rows of the Pareto front.
    """

    learner: Any
    best_params: dict[str, Any]
    archive: dict[str, list[Any]]
    best: int
    seed: int
    front: list[int] = attrs.field(factory=list)


class AutoTuner(Learner):
    """A learner that tunes another one on its training rows, and then trains it on all of them; made by `auto_tuner`.

    learner: the untrained one, and after training the one with the best configuration. `params` has the
    hyperparameters that are not tuned.
    """

    def __init__(
        self,
        learner: Learner,
        space: Mapping[str, Any],
        resampling: Resampling,
        measures: Sequence[Measure],
        limits: Limits,
        seed: int | None,
        sampler: Any,
        pruner: Any,
        id: str,
        n_parallel: int = 1,
        resolution: int = 10,
    ):
        super().__init__(id)
        self._learner, self.space, self.resampling, self.measures = learner.clone(), dict(space), resampling, list(measures)
        self.limits, self.seed, self.sampler, self.pruner = limits, seed, sampler, pruner
        self.n_parallel, self.resolution = n_parallel, resolution

    @property
    def learner(self) -> Any:
        """The tuned learner once trained, before that the one to be tuned."""
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

    def own_params(self) -> dict[str, Setting]:
        """The hyperparameters that are not tuned."""
        tuned = {d.address for d in self._dimensions()}
        return {a: s for a, s in self._learner.params.settings().items() if a not in tuned}

    def _set_param(self, address: str, value: Any) -> None:
        if address in {d.address for d in self._dimensions()}:
            raise ConfigError(f"{self.id}: '{address}' is tuned; set it in the search space, or tune another learner.")
        self._learner.params[address] = value
        self.reset()

    def _dimensions(self) -> list[Dimension]:
        return search_space(self._learner.params, self.space, self._learner.internal_params)

    def clone(self) -> Self:
        """An untrained copy with the same settings."""
        new = super().clone()
        new._learner = self._learner.clone()
        return new

    def seeded(self, seed: int) -> Self:
        """Seed the search when it has no seed; every training in it follows."""
        self.seed = seed if self.seed is None else self.seed
        return self

    # ---------------------------------------------------------------- training

    def _train(self, task: Task, valid: Task | None) -> Tuned:
        optuna, space = extra("optuna", "tune", "auto_tuner"), self._dimensions()
        self._check_validation(space, valid)
        seed = int(np.random.SeedSequence().generate_state(1)[0]) if self.seed is None else self.seed
        for_sampler, for_sets, for_learner = (int(s) for s in np.random.SeedSequence(seed).generate_state(3) // 2)
        sets = self.resampling.without_sets().instantiate(task, for_sets)
        search = Search(self._learner, space, sets, self.measures, task, valid, for_learner)
        with _quiet(optuna):
            study = self._study(optuna, for_sampler)
            points = grid(space, self.resolution, dict(self._learner.params.items())) if self.sampler == "grid" else []
            for point in points:
                study.enqueue_trial(point)
            size = min(len(points), self.limits.n_trials or len(points))
            search.run(study, attrs.evolve(self.limits, n_trials=size) if points else self.limits, self.n_parallel)
        return self._final(search, seed)

    def _study(self, optuna: Any, seed: int) -> Any:
        sampler = _made(optuna.samplers, SAMPLERS, self.sampler, seed=seed)
        pruner = _made(optuna.pruners, PRUNERS, self.pruner)
        directions = ["minimize" if m.minimize else "maximize" for m in self.measures]
        return optuna.create_study(directions=directions, sampler=sampler, pruner=pruner)

    def _final(self, search: Search, seed: int) -> Tuned:
        """The best configuration, trained on all rows; what training found before needs no validation any more."""
        best = search.best()
        config = search.configs[best]
        found_inside = any(d.internal for d in search.space)
        learner = configured(self._learner, config)
        learner, valid = (learner.unvalidated(), None) if found_inside else (learner, search.valid)
        learner.seeded(search.seed).train(search.task, valid=valid)
        return Tuned(learner, config, search.archive(), best, seed, search.front())

    def _check_validation(self, space: Sequence[Dimension], valid: Task | None) -> None:
        """Refuse before the search what could only fail after it."""
        internal, validate = any(d.internal for d in space), self._learner.validates_on
        if internal and self._learner.watched is None:
            raise ConfigError(
                f"{self.id}: internal tuning of epochs needs validation scores; set measures_valid in the model node, and "
                'as_learner(graph, validate="test") or a ratio.'
            )
        if validate == "test" and not internal and valid is None:
            raise ConfigError(
                f'{self.id}: with validate="test" the final model has nothing to validate on; use a ratio, or tune the epochs '
                "internally: epochs=to_tune(high=100, internal=True)."
            )

    def _predict(self, task: Task, model: Tuned) -> Any:
        return model.learner.predict(task)

    # ---------------------------------------------------------------- results

    @property
    def best_params(self) -> dict[str, Any]:
        """The best configuration, by address."""
        return dict(self.model.best_params)

    @property
    def archive(self) -> Any:
        """A polars frame with a row for each trial: state (complete, pruned or failed), configuration, scores, seconds, error.

        Hyperparameters keep their own types: what is neither numbers, texts nor truth values is a column of objects. One that
        did not matter in a trial is missing there.
        """
        import polars as pl

        scores, known = [m.id for m in self.measures], self.model.archive
        columns = [pl.Series(name, values, dtype=_dtype(values), strict=False) for name, values in known.items()]
        return pl.DataFrame(columns).with_columns(pl.col("error").cast(pl.String), pl.col(scores).cast(pl.Float64))

    @property
    def tuning_result(self) -> Any:
        """The row of the archive with the best trial; with several measures the rows that none other beats in all of them."""
        return self.archive[self.model.front if len(self.measures) > 1 else self.model.best]


def _dtype(values: list[Any]) -> Any:
    """The type of a column that keeps its values as they are."""
    import polars as pl

    kinds = {type(v) for v in values if v is not None}
    return None if len(kinds) <= 1 and kinds <= {bool, int, float, str} else pl.Object


@contextmanager
def _quiet(optuna: Any) -> Generator[None]:
    """Optuna's log off for a while: what it would say is in the archive."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _made(module: Any, names: Mapping[Any, str], choice: Any, **arguments: Any) -> Any:
    """A sampler or pruner by name; an object of Optuna is taken as it is."""
    return getattr(module, names[choice])(**arguments) if choice is None or isinstance(choice, str) else choice


def _named(what: str, names: Mapping[Any, str], choice: Any) -> Any:
    if (choice is None or isinstance(choice, str)) and choice not in names:
        raise ConfigError(f"auto_tuner: {what} is one of {listing(names)}, or an object of Optuna, got {choice!r}.")
    return choice


@by_name
def auto_tuner(
    learner: Any,
    search_space: Mapping[str, Any] | None = None,
    resampling: Any = None,
    measure: Any = None,
    n_trials: int | None = None,
    *,
    seed: int | None = None,
    sampler: Any = "tpe",
    pruner: Any = None,
    seconds: float | None = None,
    stagnation: int | None = None,
    target: float | None = None,
    resolution: int = 10,
    n_parallel: int = 1,
    id: str | None = None,
) -> AutoTuner:
    """A learner that tunes `learner` on its training rows and then trains it on all of them with the best configuration.

    search_space: ranges by address, `{"torch_optimizer.lr": to_tune(1e-4, 1e-1, log=True)}`, beside those that stand in
    the learner as values; a choice of loss or optimizer whose own hyperparameters are tuned too stands here, beside a first
    one in the learner. resampling: how a configuration is judged, the same sets for all. measure: what is optimised,
    that of `score()` by default; of several the first decides which model is trained in the end, and
    `tuning_result` has all that none other beats. seed: makes everything reproducible.

    When the search ends, by whichever comes first: n_trials: so many configurations were tried (one whose loss becomes NaN
    counts as failed and is noted in the archive); seconds: so much time has passed (the batch at hand is finished);
    stagnation: so many trials in a row were no better than the best before; target: a score is reached.

    sampler: "tpe", "random", "cmaes", "grid" (every combination, `resolution` values of each range) or an Optuna sampler.
    pruner: "median", "hyperband" or an Optuna pruner; it looks at the validation score of each epoch of the first fold where
    a torch graph has `measures_valid` and `validate`, else at the mean score after each fold. n_parallel: so many trials are
    asked for at a time and all their folds trained together, which is faster for networks, to the same scores but for
    rounding. A sampler or pruner of one's own is not saved with the learner.

    >>> from pipeops import auto_tuner, lrn, rsmp, to_tune, tsk
    >>> learner = lrn("classif.knn", n_neighbors=to_tune(1, 30))
    >>> tuner = auto_tuner(learner, resampling=rsmp("cv", folds=3), measure="classif.acc", n_trials=5, seed=1)
    >>> tuner.train(tsk("iris")).predict(tsk("iris")).score("classif.acc") > 0.9
    True
    """
    if not isinstance(learner, Learner):
        raise ConfigError(f"auto_tuner: takes a learner, got {type(learner).__name__}; make one with as_learner(graph).")
    if not isinstance(resampling, Resampling):
        raise ConfigError(f'auto_tuner: needs a resampling, as in rsmp("cv", folds=3), got {resampling!r}.')
    limits = Limits(n_trials, seconds, stagnation, target)
    _check_limits(limits, sampler)
    for name, value in (("n_parallel", n_parallel), ("resolution", resolution)):
        _check_count(name, value)
    chosen = as_measures(measure if measure is not None else DEFAULTS[learner.task_type or "classif"])
    for one in chosen:
        _check_measure(one, learner)
    own = (_named("sampler", SAMPLERS, sampler), _named("pruner", PRUNERS, pruner))
    if pruner is not None and (n_parallel > 1 or len(chosen) > 1):
        raise ConfigError("auto_tuner: a pruner watches one trial at a time by one measure; set pruner=None or n_parallel=1.")
    name = id if id is not None else f"{learner.id}.tuned"
    tuner = AutoTuner(learner, search_space or {}, resampling, chosen, limits, seed, *own, name, n_parallel, resolution)
    tuner._dimensions()
    return tuner


def _check_count(name: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigError(f"auto_tuner: '{name}' must be an integer of at least 1, got {value!r}.")


def _check_limits(limits: Limits, sampler: Any) -> None:
    """Refuse limits that are none, and a search without an end."""
    if limits == Limits() and sampler != "grid":
        raise ConfigError("auto_tuner: say when the search ends: n_trials=, seconds=, stagnation= or target=.")
    for name in ("n_trials", "stagnation"):
        if getattr(limits, name) is not None:
            _check_count(name, getattr(limits, name))
    for name in ("seconds", "target"):
        value = getattr(limits, name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise ConfigError(f"auto_tuner: '{name}' must be a number, got {value!r}.")


def _check_measure(measure: Measure, learner: Learner) -> None:
    if measure.minimize is None:
        raise ConfigError(f"auto_tuner: neither a high nor a low {measure.id} is better; give a measure with a direction.")
    if measure.task_type not in (None, learner.task_type or measure.task_type):
        raise ConfigError(
            f"auto_tuner: {measure.id} is for {measure.task_type}, the learner {learner.id} is for {learner.task_type}."
        )
    if measure.predict_type == "prob" and learner.predict_type != "prob":
        raise ConfigError(f'auto_tuner: {measure.id} needs probabilities; set predict_type="prob" in {learner.id}.')


_SETTINGS: dict[str, Any] = {
    "_learner": Learner,
    "space": dict[str, Any],
    "resampling": Resampling,
    "measures": list[Measure],
    "limits": Limits,
    "seed": int | None,
    "sampler": str | None,
    "pruner": str | None,
    "n_parallel": int,
    "resolution": int,
}


def _to_plain(tuner: AutoTuner) -> dict[str, Any]:
    own = {name: value if value is None or isinstance(value, str) else usual for name, value, usual in (
        ("sampler", tuner.sampler, "tpe"), ("pruner", tuner.pruner, None))}  # fmt: skip
    return {**saved_parts(tuner), **{name: getattr(tuner, name) for name in _SETTINGS}, **own}


def _from_plain(plain: dict[str, Any]) -> AutoTuner:
    """A tuner from what was saved; version 0.1.0 knew one measure, and the number of trials as the only limit."""
    measures = plain["measures"] if "measures" in plain else plain["measure"]
    limits = fields(plain["limits"]) if "limits" in plain else {"n_trials": plain["n_trials"]}
    named = {n: plain[n] for n in ("seed", "sampler", "pruner", "n_parallel", "resolution", "id") if n in plain}
    tuner = auto_tuner(plain["_learner"], plain["space"], plain["resampling"], measures, **limits, **named)
    return with_saved_parts(tuner, plain)


saved_as(AutoTuner, _from_plain, _to_plain, plain=SAVED_PARTS | _SETTINGS | {"measure": Measure, "n_trials": int})
