"""Tuning: `auto_tuner` makes a learner that first searches for good hyperparameters and then trains with them.

Being a learner, it can be resampled: then each training set is searched on its own, and the test rows are never seen.
Optuna (extra `tune`) proposes, `search` does what a trial is. Neighbours: searching, strategies, space and hyperband below.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

import attrs

from pipeops.data import Task
from pipeops.errors import ConfigError
from pipeops.extras import extra
from pipeops.guesses import by_name
from pipeops.learn.learner import SAVED_PARTS, Learner, saved_parts, with_saved_parts
from pipeops.learn.measures.measure import Measure
from pipeops.learn.resampling.base import Resampling
from pipeops.learn.tuning.hyperband import budget_of, hyperband
from pipeops.learn.tuning.limits import Limits, check_count
from pipeops.learn.tuning.search import Search
from pipeops.learn.tuning.searching import Searching, checked_parts
from pipeops.learn.tuning.space import Dimension, Space, Trafo, search_space
from pipeops.learn.tuning.strategies import PRUNERS, SAMPLERS, SCHEDULES, Sampled, Scheduled, Strategy, grid, named
from pipeops.params import Setting, Token
from pipeops.saving import saved_as
from pipeops.saving.codecs import fields


@attrs.frozen(eq=False)
class Sampling:
    """How configurations are chosen, see `auto_tuner`."""

    sampler: Any = "tpe"
    pruner: Any = None
    resolution: int = 10
    budget: str | None = None
    eta: float = 2

    @property
    def ends_itself(self) -> bool:
        """Whether it knows which trials there are."""
        return isinstance(self.sampler, str) and self.sampler in SCHEDULES

    def check(self, n_parallel: int, n_measures: int) -> None:
        """Refuse what is unknown or does not go together."""
        named("sampler", (*SAMPLERS, *SCHEDULES), self.sampler)
        named("pruner", tuple(PRUNERS), self.pruner)
        if self.pruner is not None and (n_parallel > 1 or n_measures > 1):
            raise ConfigError("auto_tuner: a pruner watches one trial at a time by one measure; set pruner=None or n_parallel=1.")
        if self.pruner is not None and self.ends_itself:
            raise ConfigError(
                f"auto_tuner: sampler={self.sampler!r} needs the score of each of its trials; leave out pruner={self.pruner!r}."
            )
        if self.budget is not None and self.sampler != "hyperband":
            raise ConfigError(f'auto_tuner: a budget is for sampler="hyperband", got budget={self.budget!r}; leave it out.')

    def strategy(self, space: Space, measures: list[Measure], seed: int) -> Strategy:
        """What proposes."""
        if self.sampler == "grid":
            return Scheduled(grid(space, self.resolution))
        if self.sampler == "hyperband":
            return Scheduled(hyperband(space, budget_of(space, self.budget, self.eta), self.eta, seed))
        return Sampled(space, [bool(m.minimize) for m in measures], self.sampler, self.pruner, seed)


class AutoTuner(Searching):
    """A learner that tunes another one on its training rows, and then trains it on all of them; made by `auto_tuner`.

    learner: the untrained one, and after training the one with the best configuration. `params` has the
    hyperparameters that are not tuned.
    """

    def __init__(
        self, learner: Learner, space: Mapping[str, Any], sampling: Sampling, trafo: Trafo | None, *parts: Any, **named: Any
    ):
        super().__init__(learner, *parts, **named)
        self.space, self.sampling, self.trafo = dict(space), sampling, trafo

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
        return search_space(self._learner.params, self.space, self._learner.internal_params, self.trafo)

    @property
    def search_space(self) -> Space:
        """What is searched."""
        return Space(self._dimensions(), dict(self._learner.params.items()), self.trafo)

    def _ranges(self) -> dict[str, Token]:
        return {d.address: d.token for d in self._dimensions()}

    # ---------------------------------------------------------------- training

    def _searched(self, task: Task, valid: Task | None, seed: int) -> tuple[Search, Learner]:
        space = self.search_space
        self._check_validation(bool(space.internal), valid)
        columns = [d.address for d in space.dimensions]
        search, for_strategy = self._search(self._learner, task, valid, seed, columns, space.internal)
        with _quiet():
            search.run(self.sampling.strategy(space, self.measures, for_strategy), self.limits, self.n_parallel)
        return search, self._learner

    def _check_validation(self, internal: bool, valid: Task | None) -> None:
        """Refuse before the search what could only fail after it."""
        validate = self._learner.validates_on
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

    @property
    def best_params(self) -> dict[str, Any]:
        """The best configuration, by address: what the learner got."""
        return dict(self.model.best_params)


@contextmanager
def _quiet() -> Generator[None]:
    """Optuna's log off for a while: what it would say is in the archive."""
    optuna = extra("optuna", "tune", "auto_tuner")
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


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
    trafo: Trafo | None = None,
    budget: str | None = None,
    eta: float = 2,
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

    sampler: "tpe", "random", "cmaes" (package cmaes), "grid" (every combination, `resolution` values of each range), "hyperband"
    or an Optuna sampler. Hyperband draws configurations at random, tries many of them with little of the range at the address
    `budget` (epochs, trees, `subsample.frac`), and the better ones (one of `eta`) with `eta` times as much, until `high`; it and
    the grid end by themselves. pruner: "median", "hyperband" or an Optuna pruner, none by default; it looks at the validation
    score of each epoch of the first fold where a torch graph has `measures_valid` and `validate`, else at the mean score after
    each fold. n_parallel: so many trials are asked for at a time and all their folds trained together, which is faster for
    networks; grid and random search try the same ones whatever it is, TPE and CMA-ES learn of scores batch by batch. A sampler
    or pruner of one's own is not saved with the learner.

    trafo: a function of the whole configuration, `{address: value}`, that answers the one that the learner gets; names in
    `search_space` that are no hyperparameters are for it to read. The archive shows what was searched and what was made.

    Of a configuration that fails or takes too long (`learner.encapsulate`, `learner.timeout`) the fallback is scored, or the
    trial counts as failed.

    >>> from pipeops import auto_tuner, lrn, rsmp, to_tune, tsk
    >>> learner = lrn("classif.knn", n_neighbors=to_tune(1, 30))
    >>> tuner = auto_tuner(learner, resampling=rsmp("cv", folds=3), measure="classif.acc", n_trials=5, seed=1)
    >>> tuner.train(tsk("iris")).predict(tsk("iris")).score("classif.acc") > 0.9
    True
    """
    chosen = checked_parts("auto_tuner", learner, resampling, measure)
    sampling = Sampling(sampler, pruner, resolution, budget, eta)
    for name, value in (("n_parallel", n_parallel), ("resolution", resolution)):
        check_count("auto_tuner", name, value)
    sampling.check(n_parallel, len(chosen))
    limits = Limits(n_trials, seconds, stagnation, target)
    limits.check("auto_tuner", sampling.ends_itself)
    if trafo is not None and not callable(trafo):
        raise ConfigError(f"auto_tuner: trafo is a function of a configuration, {{address: value}}, got {trafo!r}.")
    common: dict[str, Any] = {"id": id if id is not None else f"{learner.id}.tuned", "seed": seed, "n_parallel": n_parallel}
    tuner = AutoTuner(learner, search_space or {}, sampling, trafo, resampling, chosen, limits, **common)
    if sampler == "hyperband":
        budget_of(tuner.search_space, budget, eta)
    tuner._dimensions()
    return tuner


_SETTINGS: dict[str, Any] = {
    "_learner": Learner,
    "space": dict[str, Any],
    "trafo": object,
    "resampling": Resampling,
    "measures": list[Measure],
    "limits": Limits,
    "seed": int | None,
    "n_parallel": int,
}
_SAMPLING: dict[str, Any] = {
    "sampler": str | None,
    "pruner": str | None,
    "resolution": int,
    "budget": str | None,
    "eta": int | float,
}


def _to_plain(tuner: AutoTuner) -> dict[str, Any]:
    how = {name: getattr(tuner.sampling, name) for name in _SAMPLING}
    own = {"sampler": "tpe", "pruner": None}
    how |= {name: usual for name, usual in own.items() if not isinstance(how[name], str | None)}
    return {**saved_parts(tuner), **{name: getattr(tuner, name) for name in _SETTINGS}, **how}


def _from_plain(plain: dict[str, Any]) -> AutoTuner:
    """A tuner from what was saved; version 0.1.0 knew one measure, and the number of trials as the only limit."""
    measures = plain["measures"] if "measures" in plain else plain["measure"]
    limits = fields(plain["limits"]) if "limits" in plain else {"n_trials": plain["n_trials"]}
    named = {n: plain[n] for n in ("id", "seed", "trafo", "n_parallel", *_SAMPLING) if n in plain}
    tuner = auto_tuner(plain["_learner"], plain["space"], plain["resampling"], measures, **limits, **named)
    return with_saved_parts(tuner, plain)


saved_as(AutoTuner, _from_plain, _to_plain, plain=SAVED_PARTS | _SETTINGS | _SAMPLING | {"measure": Measure, "n_trials": int})
