"""Rows of the shelves of measures: `row` registers a function under a key with what one must know of its score.

Neighbours: measure (the machine) below; the shelves above.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pipeops.errors import UnknownParameterError, suggest
from pipeops.learn.measures.measure import DEFAULTS, OPTIONS, Measure, MeasureParams
from pipeops.params import UNSET, Param, hyperparameters
from pipeops.shorthand import msr


def row(
    key: str,
    fn: Callable[..., float],
    label: str,
    range: tuple[float, float],
    minimize: bool | None,
    *,
    hyper: type[MeasureParams] = MeasureParams,
    **facts: Any,
) -> None:
    """Register a measure: `msr(key, ...)` then makes it. hyper: the class of its hyperparameters. `facts` are further fields.

    Where neither direction is better in general, `msr(key, minimize=)` says which one is meant.
    """
    declared, allowed = hyperparameters(hyper), OPTIONS if minimize is not None else (*OPTIONS, "minimize")
    kind = key.split(".")[0]
    facts = {"task_type": kind if kind in DEFAULTS else None, **facts}

    def make(**options: Any) -> Measure:
        for name in options:
            if name not in declared and name not in allowed:
                raise UnknownParameterError(f"{key}: no hyperparameter '{name}'.{suggest(name, [*declared, *allowed])}")
        own = hyper(key=key, **{name: options.pop(name) for name in declared if name in options})
        given: dict[str, Any] = {**facts, "minimize": minimize, **options}
        return Measure(key=key, fn=fn, label=label, range=range, hyper=own, **given)

    make.__module__, make.__qualname__, make.__doc__ = getattr(fn, "func", fn).__module__, key, label
    make.__signature__ = _signature(declared, allowed)  # type: ignore[attr-defined]
    msr.add(key, make)


def _signature(hyper: Mapping[str, Param], allowed: Sequence[str]) -> inspect.Signature:
    defaults = {name: inspect.Parameter.empty if p.default is UNSET else p.default for name, p in hyper.items()}
    usual = {"id": None, "average": "macro", "use_weights": "use", "predict_sets": "test", "minimize": None}
    defaults |= {name: usual[name] for name in allowed}
    keyword = inspect.Parameter.KEYWORD_ONLY
    return inspect.Signature([inspect.Parameter(n, keyword, default=d) for n, d in defaults.items()], return_annotation=Measure)
