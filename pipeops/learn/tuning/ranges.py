"""Tuning ranges: `to_tune(...)`, the value of a hyperparameter that is still to be searched.

Neighbours: params below, whose values it stands for; space makes dimensions of ranges.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

import attrs

from pipeops.errors import ConfigError
from pipeops.guesses import by_name
from pipeops.params import Param, Token
from pipeops.saving import savable
from pipeops.text import call, source


@savable
@attrs.frozen(eq=False, repr=False)
class ToTune(Token):
    """A range still to be searched; made by `to_tune`."""

    low: float | None = None
    high: float | None = None
    log: bool = False
    options: tuple[Any, ...] = ()
    internal: bool = False
    when: Mapping[str, Any] = attrs.field(factory=dict)
    trafo: Callable[[Any], Any] | None = None
    labels: tuple[str, ...] = ()

    def problem(self, param: Param) -> str | None:
        """Why this hyperparameter cannot take all values of the range, or None."""
        kind, low, high = self.facts(param)
        if kind == "choice":
            wrong = [p for p in map(param.problem, map(self.made, self.options)) if p]
            return wrong[0] if wrong else None
        if param.kind not in ("integer", "real", "anything") and self.trafo is None:
            return f"is no number; to_tune([...]) lists what to try of {param.range}"
        if low is None or high is None:
            return "has no bounds of its own on both sides; give them: to_tune(low, high)"
        if self.log and low <= 0:
            return "cannot be tuned on a log scale from 0 or below; give a positive lower bound"
        if kind == "integer" and (low != int(low) or high != int(high)):
            return "must be an integer"
        if kind == "integer" and param.kind == "anything" and (low, high) == (0, 1) and not _counts(param.default):
            return "could be tuned over the numbers from 0 to 1, to_tune(0.0, 1.0), or over just these two, to_tune([0, 1])"
        ends = (int(low), int(high)) if kind == "integer" else (low, high)
        return param.problem(self.made(ends[0])) or param.problem(self.made(ends[1]))

    def made(self, value: Any) -> Any:
        """What a value of the range is as a hyperparameter."""
        return value if self.trafo is None else self.trafo(value)

    def facts(self, param: Param) -> tuple[str, float | None, float | None]:
        """Kind ("integer", "real" or "choice") and bounds, from the token and then from the hyperparameter itself."""
        if self.options or self._whole(param):
            return "choice", None, None
        low = param.low if self.low is None else self.low
        high = param.high if self.high is None else self.high
        whole = all(isinstance(b, int) for b in (low, high))
        if self.trafo is not None:
            return "integer" if whole else "real", low, high
        integers = param.kind == "anything" and whole and not isinstance(param.default, float)
        return "integer" if integers else param.kind if param.kind == "integer" else "real", low, high

    def _whole(self, param: Param) -> bool:
        """Whether it stands for all options of a choice or flag."""
        return self.low is None and self.high is None and param.kind in ("choice", "flag")

    def __repr__(self) -> str:
        given = dict(zip(self.labels, self.options, strict=True)) if self.labels else list(self.options)
        first = [source(given)] if self.options else []
        named = {"low": self.low, "high": self.high} if self.low is None or self.high is None else {}
        bounds = [] if named or self.options else [source(self.low), source(self.high)]
        flags = {"log": self.log, "internal": self.internal, "when": dict(self.when), "trafo": self.trafo}
        return call("to_tune", first + bounds, {k: v for k, v in (named | flags).items() if v not in (None, False, {})})


def _counts(default: Any) -> bool:
    """Whether a default value says that the hyperparameter is a whole number."""
    return isinstance(default, int) and not isinstance(default, bool)


@by_name
def to_tune(
    low: float | Sequence[Any] | Mapping[str, Any] | None = None,
    high: float | None = None,
    *,
    log: bool = False,
    internal: bool = False,
    when: Mapping[str, Any] | None = None,
    trafo: Callable[[Any], Any] | None = None,
) -> Any:
    """A range to be searched by `auto_tuner`, as the value of any hyperparameter or in a search space.

    low, high: inclusive bounds; a missing one is the hyperparameter's own. Whole numbers for integers. A list in place of
    `low` gives the values to choose from, whatever they are: functions, selectors, learners; a dictionary gives them by the
    label under which the archive shows them. Nothing at all stands for the hyperparameter's own range, all
    options of a choice, or True and False. log: search the logarithm. internal: for `epochs` only, found by training
    itself: each fold trains up to `high` epochs, and the mean of the best epochs (rounded up) is taken. when: tune it only
    where other hyperparameters have these values (`{address: value}`, or a list of values; labels do, too). trafo: what makes the
    hyperparameter's value of one of the range; `auto_tuner(trafo=)` is for several at once. Raises `ConfigError` for bounds
    that are no range.

    >>> from pipeops import nn, to_tune
    >>> nn("dropout", p=to_tune(0.1, 0.5))
    nn("dropout", p=to_tune(0.1, 0.5))
    """
    if trafo is not None and not callable(trafo):
        raise ConfigError(f"to_tune: trafo is a function of one value, got {trafo!r}.")
    if when is not None and not isinstance(when, Mapping):
        raise ConfigError(f"to_tune: when is a dictionary {{address: value}}, got {when!r}.")
    more: dict[str, Any] = {"when": dict(when or {}), "trafo": trafo}
    if isinstance(low, Mapping):
        more["labels"], low = _labels(low), list(low.values())
    if isinstance(low, list | tuple):
        return ToTune(options=_options(low, high is not None or log or internal), **more)
    for name, value in (("low", low), ("high", high)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise ConfigError(f"to_tune: '{name}' must be a number, got {value!r}; a list gives the values to choose from.")
    if low is not None and high is not None and not low < high:  # type: ignore[operator]
        raise ConfigError(f"to_tune: the lower bound must be smaller than the upper one, got {low!r} and {high!r}.")
    if log and low is not None and low <= 0:  # type: ignore[operator]
        raise ConfigError(f"to_tune: a log scale needs a positive lower bound, got {low!r}.")
    return ToTune(low, high, log, (), internal, **more)  # type: ignore[arg-type]


def _options(given: Sequence[Any], more: bool) -> tuple[Any, ...]:
    if more:
        raise ConfigError("to_tune: a list of values takes neither an upper bound nor log nor internal.")
    if not given or any(same_value(a, b) for a, b in combinations(given, 2)):
        raise ConfigError(f"to_tune: the list must hold different values, got {list(given)!r}.")
    return tuple(given)


def _labels(given: Mapping[Any, Any]) -> tuple[str, ...]:
    wrong = [label for label in given if not isinstance(label, str)]
    if wrong:
        raise ConfigError(f"to_tune: a dictionary has a value for each label, which is a text, got the label {wrong[0]!r}.")
    return tuple(given)


def same_value(a: Any, b: Any) -> bool:
    """Whether two values are one: plain ones by what they are, others by identity."""
    plain = type(a) is type(b) and isinstance(a, str | int | float | bool | tuple)
    return a is b or (plain and a == b)


def is_plain(value: Any) -> bool:
    """Whether a value says by itself what it is."""
    return value is None or isinstance(value, str | bool | int | float)


def label(options: Sequence[Any], k: int) -> str:
    """A text for one of several objects; those of one name are numbered.

    >>> label([max, None, max, 2], 2), label([max, None, ("x",)], 2)
    ('max_2', '("x",)')
    """
    names = [_name(option) for option in options]
    number = names[: k + 1].count(names[k])
    return names[k] if number == 1 else f"{names[k]}_{number}"


def _name(value: Any) -> str:
    own = next((v for n in ("__name__", "id") if isinstance(v := getattr(value, n, None), str)), None)
    return source(value) if own is None else own
