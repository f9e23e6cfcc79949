"""The search space that a learner's ranges make: dimensions, points, and the configurations that follow from them.

A range becomes with the hyperparameter that it stands for a `Dimension`. A point of a dimension is a number, or the position
of an option; a `Space` makes a configuration of points. Neighbours: ranges below; strategies above.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

import attrs
import numpy as np

from pipeops.errors import ConfigError, listing
from pipeops.learn.tuning.ranges import ToTune, is_plain, label, same_value
from pipeops.params import Param, Params, Token
from pipeops.text import source


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

    def has(self, value: Any) -> bool:
        """Whether a point has this value."""
        if self.kind == "choice":
            return any(same_value(self.value(k), value) for k in range(len(self.options)))
        if self.token.trafo is not None:
            return True
        number = isinstance(value, int | float) and self.low <= value <= self.high
        return number and (self.kind != "integer" or value == int(value))

    def active(self, config: Mapping[str, Any], searched: Container[str], settings: Mapping[str, Any]) -> bool:
        """Whether it matters beside these values; one that is searched and has none does not matter itself."""
        for address, wanted in self.token.when.items():
            if address in searched and address not in config:
                return False
            value = config[address] if address in config else settings[address]
            if not any(same_value(value, one) for one in (wanted if isinstance(wanted, list) else [wanted])):
                return False
        return True

    def suggest(self, trial: Any) -> Any:
        """A point from an Optuna trial, which knows options by their position."""
        if self.kind == "integer":
            return trial.suggest_int(self.address, self.low, self.high, log=self.token.log)
        if self.kind == "real":
            return trial.suggest_float(self.address, self.low, self.high, log=self.token.log)
        return trial.suggest_categorical(self.address, list(range(len(self.options))))

    def value(self, point: Any) -> Any:
        """The hyperparameter's value at a point."""
        return self.token.made(self.options[point] if self.kind == "choice" else point)

    def shown(self, point: Any) -> Any:
        """What the archive shows of a point: the value itself, of objects their label."""
        if self.token.labels:
            return self.token.labels[point]
        value = self.value(point)
        if self.kind == "choice":
            return value if all(is_plain(self.value(k)) for k in range(len(self.options))) else label(self.options, point)
        return value if is_plain(value) else point

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


Trafo = Callable[[dict[str, Any]], Mapping[str, Any]]
"""What makes the configuration that a learner gets of the one that was searched, both by address."""


@attrs.frozen(eq=False)
class Space:
    """What is searched: the dimensions in an order in which each comes after those it depends on, and the other hyperparameters.

    settings: the learner's present values by address. trafo: what is done to a whole configuration.
    """

    dimensions: Sequence[Dimension]
    settings: Mapping[str, Any]
    trafo: Trafo | None = None

    @property
    def internal(self) -> dict[str, Any]:
        """What training finds by itself, each with the most that it may try."""
        return {d.address: d.high for d in self.dimensions if d.internal}

    def suggested(self, trial: Any, but: Sequence[str] = ()) -> dict[str, Any]:
        """The points that a trial proposes, of all dimensions that matter but some; what training finds is left out."""
        points: dict[str, Any] = {}
        config: dict[str, Any] = {}
        for d in self._asked():
            if d.address not in but and d.active(config, self._searched(), self.settings):
                points[d.address] = d.suggest(trial)
                config[d.address] = d.value(points[d.address])
        return points

    def grid(self, resolution: int) -> list[dict[str, Any]]:
        """Every combination of points; each once, whatever does not matter in it left out."""
        found: list[tuple[dict[str, Any], dict[str, Any]]] = [({}, {})]
        for d in self._asked():
            found = [
                ({**points, d.address: point}, {**config, d.address: d.value(point)}) if active else (points, config)
                for points, config in found
                for active in [d.active(config, self._searched(), self.settings)]
                for point in (d.points(resolution) if active else [None])
            ]
        return [points for points, _ in found]

    def made(self, points: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """What the learner gets at these points, and what the archive shows of them."""
        asked = {d.address: d for d in self._asked() if d.address in points}
        config = {address: d.value(points[address]) for address, d in asked.items()}
        shown = {address: d.shown(points[address]) for address, d in asked.items()}
        if self.trafo is None:
            return config, shown
        given = self.trafo(dict(config))
        if not isinstance(given, Mapping):
            raise ConfigError(f"auto_tuner: trafo answers a dictionary {{address: value}}, got {type(given).__name__}.")
        new = {a: v for a, v in given.items() if is_plain(v) and (a not in config or v is not config[a])}
        return dict(given), {**shown, **new}

    def _asked(self) -> list[Dimension]:
        return [d for d in self.dimensions if not d.internal]

    def _searched(self) -> set[str]:
        return {d.address for d in self.dimensions}


def search_space(
    params: Params, given: Mapping[str, Any], internal: Sequence[str] = (), trafo: Trafo | None = None
) -> list[Dimension]:
    """The dimensions: every token among the hyperparameters, and those given by address; what others depend on comes first.

    internal: the hyperparameters that training itself finds. With a `trafo` there may be names that only it knows.
    """
    settings = params.settings()
    tokens = {a: s.value for a, s in settings.items() if isinstance(s.value, Token)}
    for address, token in given.items():
        if trafo is None:
            params[address]  # refuses an unknown one, naming a near one
        tokens[address] = token
    if not tokens:
        raise ConfigError(
            "auto_tuner: nothing to tune; set a hyperparameter to to_tune(low, high), or give search_space={address: ...}."
        )
    known = {a: settings[a].param if a in settings else _param(token) for a, token in tokens.items()}
    found = {a: dimension(a, tokens[a], known[a], internal) for a in (*settings, *tokens) if a in tokens}
    return _ordered({a: _with_values(d, found) for a, d in found.items()}, known, params)


def _with_values(d: Dimension, found: Mapping[str, Dimension]) -> Dimension:
    """The dimension with values in the place of labels among its conditions."""
    named = {a: dict(zip(other.token.labels, other.options, strict=True)) for a, other in found.items() if other.token.labels}

    def value(address: str, wanted: Any) -> Any:
        known = named.get(address, {})
        return known.get(wanted, wanted) if isinstance(wanted, str) else wanted

    when = {a: [value(a, w) for w in v] if isinstance(v, list) else value(a, v) for a, v in d.token.when.items()}
    return attrs.evolve(d, token=attrs.evolve(d.token, when=when)) if when and named else d


def _param(token: Any) -> Param:
    """What a name that is no hyperparameter may be: numbers as its bounds are, or anything."""
    bounds = [b for b in (getattr(token, "low", None), getattr(token, "high", None)) if b is not None]
    return Param("anything" if not bounds else "integer" if all(isinstance(b, int) for b in bounds) else "real")


def _ordered(found: dict[str, Dimension], known: Mapping[str, Param], params: Params) -> list[Dimension]:
    """The dimensions, each after those that it depends on."""
    depends = {address: list(d.token.when) for address, d in found.items()}
    for address, d in found.items():
        for other, wanted in d.token.when.items():
            param = known[other] if other in known else params.setting(other).param  # refuses an unknown one
            for value in wanted if isinstance(wanted, list) else [wanted]:
                _check_wanted(address, other, value, found.get(other), param)
    try:
        order = list(TopologicalSorter(depends).static_order())
    except CycleError as error:
        raise ConfigError(f"auto_tuner: these depend on one another in a circle: {', '.join(error.args[1])}.") from error
    if not any(depends.values()):
        return list(found.values())
    return [found[address] for address in order if address in found]


def _check_wanted(address: str, other: str, value: Any, searched: Dimension | None, param: Param) -> None:
    """Refuse a condition that no trial can meet."""
    if searched is not None and searched.internal:
        raise ConfigError(f"auto_tuner: '{address}' cannot depend on '{other}', which is found by training.")
    problem = param.problem(value)
    if problem is None and searched is not None and not searched.has(value):
        problem = f"never is this when it is searched over {searched.token!r}"
    if problem is not None:
        raise ConfigError(f"auto_tuner: '{address}' is tuned where '{other}' is {source(value)}, but '{other}' {problem}.")
