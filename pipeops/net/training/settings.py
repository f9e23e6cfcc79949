"""Hyperparameters of the model node that are checked when they are set, and again before training: measures and devices.

Neighbours: machine knows devices; model has these hyperparameters.
"""

from typing import Any

import attrs

from pipeops.data import Task
from pipeops.errors import ConfigError
from pipeops.graph.pipeop import PipeOp
from pipeops.net.training.machine import named_device
from pipeops.params import Param, Token, anything, who
from pipeops.shorthand import msr, t_sampler


def measures_field() -> Any:
    """One measure or several, or none; an unknown key is refused. What a key names is made before training."""
    field = anything(())
    field.validator(_check_measures)
    return field


def _check_measures(node: Any, attribute: Any, value: Any) -> None:
    for one in [] if isinstance(value, Token) else several(value):
        if isinstance(one, str) and one not in msr:
            msr[one]


def sampler_field() -> Any:
    """What chooses the rows of a batch; a key is looked up on the shelf of samplers."""
    return attrs.field(
        default=None,
        converter=lambda given: t_sampler(given) if isinstance(given, str) else given,
        metadata={"param": Param("anything", default=None)},
        kw_only=True,
    )


def several(measures: Any) -> list[Any]:
    """Measures as they were given, as a list."""
    return list(measures) if isinstance(measures, list | tuple) else [] if measures is None else [measures]


def scorable(node: PipeOp, name: str, task: Task) -> list[Any]:
    """The measures of a hyperparameter, made; one that a training run on this task cannot score is refused."""
    given = several(getattr(node, name))
    if not given:
        return []
    from pipeops.learn.measures.measure import as_measures

    found = as_measures(given)
    for m in found:
        if m.task_type not in (None, task.task_type):
            raise ConfigError(f"{node.id}: '{name}' has {m.id}, which is for {m.task_type}; the task is {task.task_type}.")
        if m.two_classes and len(task.class_names) != 2:  # type: ignore[attr-defined]
            raise ConfigError(f"{node.id}: '{name}' has {m.id}, which is for two classes; the task has more.")
        if "learner" in m.needs:
            raise ConfigError(f"{node.id}: '{name}' has {m.id}, which scores a learner, not a prediction.")
    return found


def watched_of(node: Any) -> Any:
    """The first of a node's validation measures; None where there is none, or it is still to be tuned."""
    from pipeops.learn.measures.measure import as_measure

    given = [] if isinstance(node.measures_valid, Token) else several(node.measures_valid)
    return as_measure(given[0]) if given else None


def device_field() -> Any:
    """The name of a device, "auto" by default; one that torch does not know is refused."""
    field = anything("auto")
    field.validator(_check_device)
    return field


def _check_device(node: Any, attribute: Any, value: Any) -> None:
    if value != "auto" and not isinstance(value, Token):
        named_device(value, who(node))
