"""Tuning ranges: `to_tune(...)` as the value of a hyperparameter, and the search space that a learner's ranges make.

A token says what may be tried; with the hyperparameter that it stands for it becomes a `Dimension`, which asks an Optuna
trial for a value. Neighbours: params below; `tune` above.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import combinations
from typing import Any

import attrs
import numpy as np

from pipeops.errors import ConfigError, listing
from pipeops.guesses import by_name
from pipeops.params import Param, Params, Token
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
        first = [source(list(self.options))] if self.options else []
        named = {"low": self.low, "high": self.high} if self.low is None or self.high is None else {}
        bounds = [] if named or self.options else [source(self.low), source(self.high)]
        flags = {"log": self.log, "internal": self.internal, "when": dict(self.when), "trafo": self.trafo}
        return call("to_tune", first + bounds, {k: v for k, v in (named | flags).items() if v not in (None, False, {})})


def _counts(default: Any) -> bool:
    """Whether a default value says that the hyperparameter is a whole number."""
    return isinstance(default, int) and not isinstance(default, bool)


@by_name
def to_tune(
    low: float | Sequence[Any] | None = None,
    high: float | None = None,
    *,
    log: bool = False,
    internal: bool = False,
    when: Mapping[str, Any] | None = None,
    trafo: Callable[[Any], Any] | None = None,
) -> Any:
    """A range to be searched by `auto_tuner`, as the value of any hyperparameter or in a search space.

    low, high: inclusive bounds; a missing one is the hyperparameter's own. Whole numbers for integers. A list in place of
    `low` gives the values to choose from, whatever they are; nothing at all stands for the hyperparameter's own range, all
    options of a choice, or True and False. log: search the logarithm. internal: for `epochs` only, found by training
    itself: each fold trains up to `high` epochs, and the mean of the best epochs (rounded up) is taken. when: tune it only
    where other hyperparameters have these values (`{address: value}`, or a list of values). trafo: what makes the
    hyperparameter's value of one of the range. Raises `ConfigError` for bounds that are no range.

    >>> from pipeops import nn, to_tune
    >>> nn("dropout", p=to_tune(0.1, 0.5))
    nn("dropout", p=to_tune(0.1, 0.5))
    """
    if trafo is not None and not callable(trafo):
        raise ConfigError(f"to_tune: trafo is a function of one value, got {trafo!r}.")
    if when is not None and not isinstance(when, Mapping):
        raise ConfigError(f"to_tune: when is a dictionary {{address: value}}, got {when!r}.")
    more: dict[str, Any] = {"when": dict(when or {}), "trafo": trafo}
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
    if not given or any(_same(a, b) for a, b in combinations(given, 2)):
        raise ConfigError(f"to_tune: the list must hold different values, got {list(given)!r}.")
    return tuple(given)


def _same(a: Any, b: Any) -> bool:
    """Whether two values are one: plain ones by what they are, others by identity."""
    plain = type(a) is type(b) and isinstance(a, str | int | float | bool | tuple)
    return a is b or (plain and a == b)


@attrs.frozen(eq=False)
class Dimension:
    """One hyperparameter to be searched: its address, kind ("integer", "real", "choice"), bounds or options.

    token: what was said of it.
    """

    address: str
    kind: str
    low: Any
    high: Any
    options: tuple[Any, ...]
    token: ToTune

    @property
    def internal(self) -> bool:
        """Whether training itself finds the value."""
        return self.token.internal

    def active(self, config: Mapping[str, Any], searched: Container[str], settings: Mapping[str, Any]) -> bool:
        """Whether it matters beside these values; one that is searched and has none does not matter itself."""
        for address, wanted in self.token.when.items():
            if address in searched and address not in config:
                return False
            value = config[address] if address in config else settings[address]
            if not any(_same(value, one) for one in (wanted if isinstance(wanted, list) else [wanted])):
                return False
        return True

    def suggest(self, trial: Any) -> Any:
        """A value from an Optuna trial, which knows options by their position."""
        if self.kind == "integer":
            value = trial.suggest_int(self.address, self.low, self.high, log=self.token.log)
        elif self.kind == "real":
            value = trial.suggest_float(self.address, self.low, self.high, log=self.token.log)
        else:
            value = trial.suggest_categorical(self.address, list(range(len(self.options))))
        return self.value(value)

    def value(self, point: Any) -> Any:
        """The hyperparameter's value that a trial knows as this."""
        return self.token.made(self.options[point] if self.kind == "choice" else point)

    def points(self, resolution: int) -> list[Any]:
        """Evenly spaced values for a grid, as a trial knows them: at most `resolution` of a range, all options of a choice."""
        if self.kind == "choice":
            return list(range(len(self.options)))
        space = np.geomspace if self.token.log else np.linspace
        found = space(self.low, self.high, resolution).clip(self.low, self.high).tolist()
        return list(dict.fromkeys(round(v) for v in found)) if self.kind == "integer" else found


def dimension(address: str, token: Any, param: Param, internal: Sequence[str] = ()) -> Dimension:
    """What a token means for a hyperparameter; one that does not fit is refused. internal: what training itself finds."""
    if not isinstance(token, ToTune):
        raise ConfigError(f"auto_tuner: '{address}' needs a range, to_tune(...), got {token!r}.")
    problem = token.problem(param)
    if problem:
        raise ConfigError(f"auto_tuner: '{address}' {problem}, got {token!r}.")
    kind, low, high = token.facts(param)
    options = token.options or param.options or (True, False) if kind == "choice" else ()
    number = int if kind == "integer" else float
    bounds = (None, None) if kind == "choice" else (number(low), number(high))  # type: ignore[arg-type]
    if token.internal and (kind != "integer" or address not in internal):
        able = f"only {listing(internal)} can" if internal else "this learner finds nothing while it trains"
        raise ConfigError(f"auto_tuner: '{address}' cannot be tuned internally, {able}.")
    return Dimension(address, kind, *bounds, options, token)


def search_space(params: Params, given: Mapping[str, Any], internal: Sequence[str] = ()) -> list[Dimension]:
    """The dimensions: every token among the hyperparameters, and those given by address; what others depend on comes first.

    internal: the hyperparameters that training itself finds.
    """
    settings = params.settings()
    tokens = {a: s.value for a, s in settings.items() if isinstance(s.value, Token)}
    for address, token in given.items():
        params[address]  # refuses an unknown one, naming a near one
        tokens[address] = token
    if not tokens:
        raise ConfigError(
            "auto_tuner: nothing to tune; set a hyperparameter to to_tune(low, high), or give search_space={address: ...}."
        )
    found = {a: dimension(a, tokens[a], settings[a].param, internal) for a in settings if a in tokens}
    return _ordered(found, params)


def _ordered(found: dict[str, Dimension], params: Params) -> list[Dimension]:
    """The dimensions, each after those that it depends on."""
    depends = {address: list(d.token.when) for address, d in found.items()}
    for address, others in depends.items():
        for other in others:
            params[other]  # refuses an unknown one
            if other in found and found[other].internal:
                raise ConfigError(f"auto_tuner: '{address}' cannot depend on '{other}', which is found by training.")
    try:
        order = list(TopologicalSorter(depends).static_order())
    except CycleError as error:
        raise ConfigError(f"auto_tuner: these depend on one another in a circle: {', '.join(error.args[1])}.") from error
    if not any(depends.values()):
        return list(found.values())
    return [found[address] for address in order if address in found]


def suggested(space: Sequence[Dimension], trial: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a trial proposes for every hyperparameter that matters; those that training finds are left out."""
    config: dict[str, Any] = {}
    searched = {d.address for d in space}
    for d in space:
        if not d.internal and d.active(config, searched, settings):
            config[d.address] = d.suggest(trial)
    return config


def grid(space: Sequence[Dimension], resolution: int, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every combination of values, as trials know them; each once, whatever does not matter in it left out."""
    searched = {d.address for d in space}
    found: list[tuple[dict[str, Any], dict[str, Any]]] = [({}, {})]
    for d in space:
        if not d.internal:
            found = [
                ({**known, d.address: point}, {**config, d.address: d.value(point)}) if active else (known, config)
                for known, config in found
                for active in [d.active(config, searched, settings)]
                for point in (d.points(resolution) if active else [None])
            ]
    return [known for known, _ in found]
