"""Hyperparameters of the model node that are checked when they are set: keys of measures, and names of devices.

Neighbours: machine knows devices; model has these hyperparameters.
"""

from typing import Any

from pipeops.net.machine import named_device
from pipeops.params import Token, anything, who
from pipeops.shorthand import msr


def measures_field() -> Any:
    """One measure or several, or none; an unknown key is refused. What a key names is made before training."""
    field = anything(())
    field.validator(_check_measures)
    return field


def _check_measures(node: Any, attribute: Any, value: Any) -> None:
    for one in [] if isinstance(value, Token) else several(value):
        if isinstance(one, str) and one not in msr:
            msr[one]


def several(measures: Any) -> list[Any]:
    """Measures as they were given, as a list."""
    return list(measures) if isinstance(measures, list | tuple) else [] if measures is None else [measures]


def device_field() -> Any:
    """The name of a device, "auto" by default; one that torch does not know is refused."""
    field = anything("auto")
    field.validator(_check_device)
    return field


def _check_device(node: Any, attribute: Any, value: Any) -> None:
    if value != "auto" and not isinstance(value, Token):
        named_device(value, who(node))
