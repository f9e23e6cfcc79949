"""Rows of the shelves of measures: `row` registers a function under a key with what one must know of its score.

Neighbours: measure (the machine) below; the shelves above.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pipeops.errors import ConfigError, UnknownParameterError, suggest
from pipeops.learn.measures.measure import OPTIONS, Measure
from pipeops.params import UNSET, Param
from pipeops.shorthand import msr


def row(
    key: str,
    fn: Callable[..., float],
    label: str,
    range: tuple[float, float],
    minimize: bool | None,
    *,
    hyper: Mapping[str, Param] | None = None,
    **facts: Any,
) -> None:
    """Register a measure: `msr(key, **hyper)` then makes it. `facts` are further fields of `Measure`.

    Where neither direction is better in general, `msr(key, minimize=)` says which one is meant.
    """
    declared, allowed = dict(hyper or {}), OPTIONS if minimize is not None else (*OPTIONS, "minimize")
    kind = key.split(".")[0]
    facts = {"task_type": kind if kind in ("classif", "regr") else None, **facts}

    def make(**options: Any) -> Measure:
        for name in options:
            if name not in declared and name not in allowed:
                raise UnknownParameterError(f"{key}: no hyperparameter '{name}'.{suggest(name, [*declared, *allowed])}")
        own = {n: _value(key, n, p, options.pop(n, p.default)) for n, p in declared.items()}
        given: dict[str, Any] = {**facts, "minimize": minimize, **options}
        return Measure(key=key, fn=fn, label=label, range=range, params=own, **given)

    make.__module__, make.__qualname__, make.__doc__ = getattr(fn, "func", fn).__module__, key, label
    make.__signature__ = _signature(declared, allowed)  # type: ignore[attr-defined]
    msr.add(key, make)


def _value(key: str, name: str, param: Param, value: Any) -> Any:
    problem = param.problem(value)
    if problem:
        raise ConfigError(f"{key}: '{name}' {problem}, got {value!r}.")
    return value


def _signature(hyper: Mapping[str, Param], allowed: Sequence[str]) -> inspect.Signature:
    defaults = {name: inspect.Parameter.empty if p.default is UNSET else p.default for name, p in hyper.items()}
    usual = {"id": None, "average": "macro", "use_weights": "use", "minimize": None}
    defaults |= {name: usual[name] for name in allowed}
    keyword = inspect.Parameter.KEYWORD_ONLY
    return inspect.Signature([inspect.Parameter(n, keyword, default=d) for n, d in defaults.items()], return_annotation=Measure)
