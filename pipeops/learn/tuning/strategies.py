"""Strategies: what proposes configurations and is told how they did. Optuna is one, a schedule that knows its trials another.

A schedule is a generator: it yields a list of proposals and is sent what became of them (`Judged`), in the same order; it ends
when it has no more. Neighbours: space below says what a configuration is; search asks and tells.
"""

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import attrs

from pipeops.errors import ConfigError, MissingPackageError
from pipeops.extras import extra
from pipeops.learn.tuning.space import Space

SAMPLERS = {"tpe": "TPESampler", "random": "RandomSampler", "cmaes": "CmaEsSampler"}
PRUNERS = {"median": "MedianPruner", "hyperband": "HyperbandPruner", None: "NopPruner"}
SCHEDULES = ("grid", "hyperband")
"""Samplers that know by themselves which trials there are."""


@attrs.frozen(eq=False)
class Proposal:
    """A configuration to be tried.

    config: what the learner gets, by address. shown: what the archive shows of it. known: as what its strategy knows it.
    """

    config: dict[str, Any]
    shown: dict[str, Any]
    known: Any = None


@attrs.frozen(eq=False)
class Judged:
    """What became of a proposal. loss: its first score, such that smaller is better, infinite without one.

    scores: None where it failed or was pruned. learners: those of the folds, where all were trained.
    """

    proposal: Proposal
    loss: float
    scores: list[float] | None
    pruned: bool
    learners: Sequence[Any] = ()


Schedule = Generator[list[Proposal], list[Judged], None]


class Strategy(ABC):
    """Base of what proposes. prunes: whether it wants to see how a trial goes, and may stop it."""

    prunes: bool = False

    @abstractmethod
    def ask(self, size: int) -> list[Proposal]:
        """At most so many proposals; none when there are no more."""

    @abstractmethod
    def tell(self, judged: Judged) -> None:
        """What became of a proposal; all that were asked for are told before it is asked again."""

    def stops(self, proposal: Proposal, value: float, step: int) -> bool:
        """Whether a trial that has come to this value is not to go on."""
        return False


class Scheduled(Strategy):
    """Carries a schedule through, in batches of any size. learners: whether it looks at those that were trained."""

    def __init__(self, schedule: Schedule, learners: bool = False):
        self._schedule, self._learners, self._told = schedule, learners, list[Judged]()
        self._waiting = next(schedule, [])

    def ask(self, size: int) -> list[Proposal]:
        while not self._waiting:
            told, self._told = self._told, []
            try:
                self._waiting = self._schedule.send(told)
            except StopIteration:
                return []
        asked, self._waiting = self._waiting[:size], self._waiting[size:]
        return asked

    def tell(self, judged: Judged) -> None:
        self._told.append(judged if self._learners else attrs.evolve(judged, learners=()))


class Sampled(Strategy):
    """Optuna's samplers and pruners, by name or as objects."""

    def __init__(self, space: Space, minimize: Sequence[bool], sampler: Any, pruner: Any, seed: int):
        optuna = extra("optuna", "tune", "auto_tuner")
        self.space, self.prunes = space, pruner is not None
        self._states = optuna.trial.TrialState
        self._study = optuna.create_study(
            directions=["minimize" if smaller else "maximize" for smaller in minimize],
            sampler=_sampler(optuna, sampler, seed),
            pruner=_made(optuna.pruners, PRUNERS, pruner),
        )

    def ask(self, size: int) -> list[Proposal]:
        trials = [self._study.ask() for _ in range(size)]
        return [proposed(self.space, self.space.suggested(trial), trial) for trial in trials]

    def tell(self, judged: Judged) -> None:
        if judged.scores is None:
            state = self._states.PRUNED if judged.pruned else self._states.FAIL
            self._study.tell(judged.proposal.known, state=state)
        else:
            self._study.tell(judged.proposal.known, judged.scores)

    def stops(self, proposal: Proposal, value: float, step: int) -> bool:
        proposal.known.report(value, step)
        return proposal.known.should_prune()


def proposed(space: Space, points: Mapping[str, Any], known: Any = None, **notes: Any) -> Proposal:
    """The proposal of these points of a space; notes: what the archive shows beside."""
    config, shown = space.made(points)
    return Proposal(config, {**shown, **notes}, known)


def grid(space: Space, resolution: int) -> Schedule:
    """Every combination once."""
    yield [proposed(space, points) for points in space.grid(resolution)]


def _sampler(optuna: Any, sampler: Any, seed: int) -> Any:
    if sampler == "cmaes" and find_spec("cmaes") is None:
        raise MissingPackageError('auto_tuner: sampler="cmaes" needs the package cmaes, which is missing: pip install cmaes.')
    return _made(optuna.samplers, SAMPLERS, sampler, seed=seed)


def _made(module: Any, names: Mapping[Any, str], choice: Any, **arguments: Any) -> Any:
    """A sampler or pruner by name; an object of Optuna is taken as it is."""
    return getattr(module, names[choice])(**arguments) if choice is None or isinstance(choice, str) else choice


def named(what: str, names: Sequence[Any], choice: Any) -> Any:
    """The choice; a name that is none is refused."""
    if (choice is None or isinstance(choice, str)) and choice not in names:
        options = ", ".join(map(repr, names))
        raise ConfigError(f"auto_tuner: {what} is one of {options}, or an object of Optuna, got {choice!r}.")
    return choice
