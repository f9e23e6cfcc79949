"""Tuning ranges: `to_tune(...)` as the value of a hyperparameter, and the search space that a learner's ranges make.

A token says what may be tried; with the hyperparameter that it stands for it becomes a `Dimension`, which asks an Optuna
trial for a value. Neighbours: params below; `tune` above.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from pipeops.errors import ConfigError
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

    def problem(self, param: Param) -> str | None:
        """Why this hyperparameter cannot take all values of the range, or None."""
        kind, low, high = self.facts(param)
        if kind == "choice":
            wrong = [p for p in map(param.problem, self.options) if p]
            return wrong[0] if wrong else None
        if param.kind not in ("integer", "real", "anything"):
            return f"is no number; to_tune([...]) lists what to try of {param.range}"
        if low is None or high is None:
            return "has no bounds of its own on both sides; give them: to_tune(low, high)"
        if self.log and low <= 0:
            return "cannot be tuned on a log scale from 0 or below; give a positive lower bound"
        if kind == "integer" and (low != int(low) or high != int(high)):
            return "must be an integer"
        return param.problem(int(low) if kind == "integer" else low) or param.problem(int(high) if kind == "integer" else high)

    def facts(self, param: Param) -> tuple[str, float | None, float | None]:
        """Kind ("integer", "real" or "choice") and bounds, from the token and then from the hyperparameter itself."""
        if self.options or self._whole(param):
            return "choice", None, None
        low = param.low if self.low is None else self.low
        high = param.high if self.high is None else self.high
        integers = param.kind == "anything" and all(isinstance(b, int) for b in (low, high))
        return "integer" if integers else param.kind if param.kind == "integer" else "real", low, high

    def _whole(self, param: Param) -> bool:
        """Whether it stands for all options of a choice or flag."""
        return self.low is None and self.high is None and param.kind in ("choice", "flag")

    def __repr__(self) -> str:
        first = [source(list(self.options))] if self.options else []
        named = {"low": self.low, "high": self.high} if self.low is None or self.high is None else {}
        bounds = [] if named or self.options else [source(self.low), source(self.high)]
        flags = {"log": self.log, "internal": self.internal}
        return call("to_tune", first + bounds, {k: v for k, v in (named | flags).items() if v not in (None, False)})


def to_tune(
    low: float | Sequence[Any] | None = None, high: float | None = None, *, log: bool = False, internal: bool = False
) -> Any:
    """A range to be searched by `auto_tuner`, as the value of any hyperparameter or in a search space.

    low, high: inclusive bounds; a missing one is the hyperparameter's own. Whole numbers for integers. A list in place of
    `low` gives the values to choose from; nothing at all stands for the hyperparameter's own range, all options of a
    choice, or True and False. log: search the logarithm. internal: for `epochs` only, found by training itself: each
    fold trains up to `high` epochs, and the mean of the best epochs (rounded up) is taken.
    Raises `ConfigError` for bounds that are no range.

    >>> from pipeops import nn, to_tune
    >>> nn("dropout", p=to_tune(0.1, 0.5))
    nn("dropout", p=to_tune(0.1, 0.5))
    """
    if isinstance(low, list | tuple):
        return ToTune(options=_options(low, high is not None or log or internal))
    for name, value in (("low", low), ("high", high)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise ConfigError(f"to_tune: '{name}' must be a number, got {value!r}; a list gives the values to choose from.")
    if low is not None and high is not None and not low < high:  # type: ignore[operator]
        raise ConfigError(f"to_tune: the lower bound must be smaller than the upper one, got {low!r} and {high!r}.")
    if log and low is not None and low <= 0:  # type: ignore[operator]
        raise ConfigError(f"to_tune: a log scale needs a positive lower bound, got {low!r}.")
    return ToTune(low, high, log, (), internal)  # type: ignore[arg-type]


def _options(given: Sequence[Any], more: bool) -> tuple[Any, ...]:
    labels = [source(v) for v in given]
    if more:
        raise ConfigError("to_tune: a list of values takes neither an upper bound nor log nor internal.")
    if not given or len(set(labels)) < len(labels):
        raise ConfigError(f"to_tune: the list must hold different values, got {list(given)!r}.")
    return tuple(given)


@attrs.frozen
class Dimension:
    """One hyperparameter to be searched: its address, kind ("integer", "real", "choice"), bounds or options."""

    address: str
    kind: str
    low: Any
    high: Any
    log: bool
    options: tuple[Any, ...]
    internal: bool

    def suggest(self, trial: Any) -> Any:
        """A value from an Optuna trial; options that are no plain data go by their source text."""
        if self.kind == "integer":
            return trial.suggest_int(self.address, self.low, self.high, log=self.log)
        if self.kind == "real":
            return trial.suggest_float(self.address, self.low, self.high, log=self.log)
        labels = {v if isinstance(v, str | int | float | None) else source(v): v for v in self.options}
        return labels[trial.suggest_categorical(self.address, list(labels))]


def dimension(address: str, token: Any, param: Param) -> Dimension:
    """What a token means for a hyperparameter; one that does not fit is refused."""
    if not isinstance(token, ToTune):
        raise ConfigError(f"auto_tuner: '{address}' needs a range, to_tune(...), got {token!r}.")
    problem = token.problem(param)
    if problem:
        raise ConfigError(f"auto_tuner: '{address}' {problem}, got {token!r}.")
    kind, low, high = token.facts(param)
    options = token.options or param.options or (True, False) if kind == "choice" else ()
    number = int if kind == "integer" else float
    bounds = (None, None) if kind == "choice" else (number(low), number(high))  # type: ignore[arg-type]
    if token.internal and (kind != "integer" or address.rpartition(".")[2] != "epochs"):
        raise ConfigError(f"auto_tuner: '{address}' cannot be tuned internally, only the epochs of a torch model can.")
    return Dimension(address, kind, *bounds, token.log, options, token.internal)


def search_space(params: Params, given: Mapping[str, Any]) -> list[Dimension]:
    """The dimensions: every token among the hyperparameters, and those given by address, which come before them."""
    settings = params.settings()
    for address in given:
        params[address]  # refuses an unknown one, naming a near one
    tokens = {a: given.get(a, s.value) for a, s in settings.items() if a in given or isinstance(s.value, Token)}
    if not tokens:
        raise ConfigError(
            "auto_tuner: nothing to tune; set a hyperparameter to to_tune(low, high), or give search_space={address: ...}."
        )
    return [dimension(address, token, settings[address].param) for address, token in tokens.items()]
