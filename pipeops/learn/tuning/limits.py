"""When a search ends. Neighbours: search asks after each batch; `auto_tuner` and `auto_fselector` take the numbers."""

from collections.abc import Sequence
from typing import Any

import attrs

from pipeops.errors import ConfigError
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

    def reached(self, losses: Sequence[float], minimize: bool, seconds: float) -> bool:
        """Whether one of them is. losses: of all trials in order, smaller is better, infinite where there is no score."""
        best = min(range(len(losses)), key=lambda k: losses[k], default=None)
        scored = best is not None and losses[best] < float("inf")
        wanted = None if self.target is None else self.target if minimize else -self.target
        return (
            (self.n_trials is not None and len(losses) >= self.n_trials)
            or (self.seconds is not None and seconds >= self.seconds)
            or (scored and self.stagnation is not None and len(losses) - 1 - best >= self.stagnation)  # type: ignore[operator]
            or (scored and wanted is not None and losses[best] <= wanted)  # type: ignore[index]
        )

    def check(self, who: str, ends_itself: bool) -> None:
        """Refuse limits that are none, and a search without an end."""
        if self == Limits() and not ends_itself:
            raise ConfigError(f"{who}: say when the search ends: n_trials=, seconds=, stagnation= or target=.")
        for name in ("n_trials", "stagnation"):
            if getattr(self, name) is not None:
                check_count(who, name, getattr(self, name))
        for name in ("seconds", "target"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise ConfigError(f"{who}: '{name}' must be a number, got {value!r}.")


def check_count(who: str, name: str, value: Any) -> None:
    """Refuse what is no whole number from 1 up."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigError(f"{who}: '{name}' must be an integer of at least 1, got {value!r}.")
