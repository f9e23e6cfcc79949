"""Schedules of feature sets: forward, backward, at random, all, and by what learners say of their features.

Each yields batches of sets and is sent how they did. Neighbours: strategies below carries them; `fselect` chooses one.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations

import attrs
import numpy as np

from pipeops.errors import ConfigError, DataError
from pipeops.learn.tuning.strategies import Judged, Proposal, Schedule


@attrs.frozen
class Wanted:
    """How many features a set may have, and how many (or which share) recursive elimination takes away at a time."""

    low: int = 1
    high: int | None = None
    step: float = 0.5

    def most(self, features: Sequence[str]) -> int:
        """The most of these features that a set may have."""
        return len(features) if self.high is None else min(self.high, len(features))


Method = Callable[[Sequence[str], Wanted, int], Schedule]


def _batch(sets: Iterable[Sequence[str]], batch: int) -> list[Proposal]:
    return [Proposal({"features": list(s)}, {"features": list(s), "n_features": len(s), "batch": batch}) for s in sets]


def _best(judged: Sequence[Judged]) -> list[str]:
    return min(judged, key=lambda j: j.loss).proposal.config["features"]


def forward(features: Sequence[str], wanted: Wanted, seed: int) -> Schedule:
    """Each feature alone, then the best set and each further feature, until no more may be added."""
    kept: list[str] = []
    for batch in range(wanted.most(features)):
        judged = yield _batch(([f for f in features if f in kept or f == new] for new in features if new not in kept), batch)
        kept = _best(judged)


def backward(features: Sequence[str], wanted: Wanted, seed: int) -> Schedule:
    """All features, then the best set without each of its features, until no more may be taken away."""
    kept, batch = list(features), 0
    yield _batch([kept], batch)
    while len(kept) > wanted.low:
        batch += 1
        judged = yield _batch(([f for f in kept if f != gone] for gone in kept), batch)
        kept = _best(judged)


def random(features: Sequence[str], wanted: Wanted, seed: int) -> Schedule:
    """Sets of random sizes, without end."""
    rng, batch = np.random.default_rng(seed), 0
    while True:
        size = int(rng.integers(wanted.low, wanted.most(features) + 1))
        drawn: list[int] = sorted(rng.choice(len(features), size, replace=False).tolist())
        yield _batch([[features[k] for k in drawn]], batch)
        batch += 1


def exhaustive(features: Sequence[str], wanted: Wanted, seed: int) -> Schedule:
    """Every set, small ones first."""
    for batch, size in enumerate(range(wanted.low, wanted.most(features) + 1)):
        yield _batch(combinations(features, size), batch)


def rfe(features: Sequence[str], wanted: Wanted, seed: int) -> Schedule:
    """All features, then without those that the learners of the folds find the least important, again and again.

    Guyon et al. (2002), Gene selection for cancer classification using support vector machines, Machine Learning 46.
    """
    kept, batch = list(features), 0
    while kept:
        (judged,) = yield _batch([kept], batch)
        if math.isinf(judged.loss) or len(kept) <= wanted.low:
            return
        importance = _importance(judged.learners)
        gone = int(wanted.step) if wanted.step >= 1 else math.ceil(len(kept) * wanted.step)
        order = sorted(kept, key=lambda f: -importance.get(f, 0.0))[: max(len(kept) - gone, wanted.low)]
        kept, batch = [f for f in kept if f in order], batch + 1


def _importance(learners: Sequence[object]) -> Mapping[str, float]:
    """The mean over the folds of each feature's importance."""
    try:
        each: list[dict[str, float]] = [learner.importance() for learner in learners]  # type: ignore[attr-defined]
    except (AttributeError, DataError) as error:
        raise ConfigError(
            f'auto_fselector: method="rfe" needs a learner that says how important its features are: {error} Trees and linear '
            'models do; others take method="forward" or "backward".'
        ) from error
    return {name: float(np.mean([found.get(name, 0.0) for found in each])) for name in each[0]}


METHODS: dict[str, Method] = {
    "forward": forward,
    "backward": backward,
    "random": random,
    "exhaustive": exhaustive,
    "rfe": rfe,
}
