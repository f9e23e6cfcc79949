"""Hyperband: many configurations on a small budget, the better ones on more, in brackets that begin at different budgets.

Li et al. (2018), Hyperband: a novel bandit-based approach to hyperparameter optimization, JMLR 18(185). The budget is any
hyperparameter that makes training cheaper: epochs, trees, `subsample.frac`. Neighbours: strategies below carries the schedule.
"""

import math
from typing import Any, NamedTuple

from pipeops.errors import ConfigError
from pipeops.extras import extra
from pipeops.learn.tuning.space import Dimension, Space
from pipeops.learn.tuning.strategies import Schedule, proposed


class Stage(NamedTuple):
    """So many configurations on one budget."""

    bracket: int
    stage: int
    budget: float
    n: int


def brackets(low: float, high: float, eta: float) -> list[list[Stage]]:
    """The stages of each bracket, that with the most configurations first.

    >>> [[(s.budget, s.n) for s in bracket] for bracket in brackets(1, 9, 3)]
    [[(1.0, 9), (3.0, 3), (9.0, 1)], [(3.0, 5), (9.0, 1)], [(9.0, 3)]]
    """
    most = int(math.log(high / low, eta) + 1e-9)
    return [
        [Stage(s, i, float(high) * eta ** (i - s), int(_first(most, s, eta) * eta**-i + 1e-9)) for i in range(s + 1)]
        for s in range(most, -1, -1)
    ]


def _first(most: int, s: int, eta: float) -> int:
    """How many configurations a bracket begins with."""
    return math.ceil((most + 1) / (s + 1) * eta**s - 1e-9)


def hyperband(space: Space, budget: Dimension, eta: float, seed: int) -> Schedule:
    """One pass through all brackets; configurations are drawn at random."""
    optuna = extra("optuna", "tune", "auto_tuner")
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    for bracket in brackets(budget.low, budget.high, eta):
        kept = [space.suggested(study.ask(), but=(budget.address,)) for _ in range(bracket[0].n)]
        for stage in bracket:
            amount: Any = round(stage.budget) if budget.kind == "integer" else stage.budget
            notes = {"bracket": stage.bracket, "stage": stage.stage}
            judged = yield [proposed(space, {**points, budget.address: amount}, **notes) for points in kept[: stage.n]]
            order = sorted(range(len(judged)), key=lambda k: judged[k].loss)
            kept = [kept[k] for k in order if math.isfinite(judged[k].loss)]


def budget_of(space: Space, address: str | None, eta: float) -> Dimension:
    """The dimension that is the budget; one that is none, or cannot be one, is refused."""
    if isinstance(eta, bool) or not isinstance(eta, int | float) or eta <= 1:
        raise ConfigError(f"auto_tuner: 'eta' must be a number above 1, got {eta!r}.")
    able = [d for d in space.dimensions if d.kind != "choice" and not d.internal and not d.token.when]
    found = next((d for d in able if d.address == address), None)
    if found is None or found.token.log or found.token.trafo is not None or found.low <= 0:
        given = ", ".join(repr(d.address) for d in able) or "none"
        raise ConfigError(
            'auto_tuner: sampler="hyperband" needs budget=, the address of a range of positive numbers in the search space '
            f"(epochs, subsample.frac), without log, trafo and when; the ranges are: {given}; got {address!r}."
        )
    return found
