"""From the signature of a torch module to hyperparameters: names, kinds, ranges and defaults.

`layer` makes a node class of a module with it. An int becomes an integer, a float a real, a bool a flag, a Literal a
choice, and whatever has no simple kind anything. Arguments that torch keeps for older code, or that only matter to who
makes a module by hand (device, dtype), are hidden. Neighbours: `params` below, `layer` above.
"""

import inspect
import numbers
import types
from collections.abc import Callable, Mapping
from typing import Any, Literal, Union, get_args, get_origin

import torch

from pipeops.errors import ConfigError
from pipeops.params import UNSET, Token, anything, choice, flag, integer, real, who

Bounds = Mapping[str, tuple[float | None, float | None]]

HIDDEN = {"device", "dtype"}
OUTDATED = {"size_average", "reduce", "min_value", "max_value", "return_indices", "process_group"}
CHOICES: dict[str, tuple[str, ...]] = {
    "approximate": ("none", "tanh"),
    "mode": ("nearest", "linear", "bilinear", "bicubic", "trilinear", "area", "nearest-exact"),
}
EXTENTS = {"kernel_size", "stride", "dilation", "output_size", "size"}
MARGINS = {"padding", "output_padding"}


def visible(module: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The constructor's arguments that a user may set, by name."""
    try:
        parameters = inspect.signature(module, eval_str=True).parameters
    except (NameError, TypeError, SyntaxError):
        parameters = inspect.signature(module).parameters
    ours = (module.__module__ or "").startswith("torch.")
    hidden = HIDDEN | OUTDATED if ours else HIDDEN
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {n: p for n, p in parameters.items() if n not in hidden and not n.startswith("_") and p.kind not in variadic}


def hyperparameter(parameter: inspect.Parameter, bounds: Bounds, torchs: bool) -> Any:
    """The attrs field for one constructor argument; `torchs` marks a module of torch, whose argument names are known."""
    default = UNSET if parameter.default is inspect.Parameter.empty else parameter.default
    kinds, optional = _kinds(parameter.annotation, default)
    low, high = bounds.get(parameter.name, (None, None))
    if torchs and parameter.name in CHOICES:
        return choice(*CHOICES[parameter.name], default=default)
    if torchs and parameter.name in EXTENTS | MARGINS:
        return _extent(parameter.name, default)
    if get_origin(parameter.annotation) is Literal:
        return choice(*get_args(parameter.annotation), default=default)
    if optional and default is not None:
        return real(low, high, default=default, none=True) if kinds == {float} else anything(default)
    if kinds == {bool}:
        return flag(default)
    if kinds == {int}:
        return integer(_whole(low), _whole(high), default=default)
    return real(low, high, default=default) if kinds == {float} else anything(default)


def _kinds(annotation: Any, default: Any) -> tuple[set[Any], bool]:
    """The types that an argument may have, and whether None is one of them."""
    if annotation is inspect.Parameter.empty:
        return ({type(default)} if isinstance(default, bool) else {object}), default is None
    kinds = set(get_args(annotation)) if get_origin(annotation) in (Union, types.UnionType) else {annotation}
    return kinds - {type(None)}, type(None) in kinds


def _whole(bound: float | None) -> int | None:
    return None if bound is None else int(bound)


def _extent(name: str, default: Any) -> Any:
    """A size for each direction: one whole number or a tuple of them; paddings may be 0 or a word."""
    field = anything(default)
    field.validator(_check_margin if name in MARGINS else _check_extent)
    return field


def _check_extent(node: Any, attribute: Any, value: Any) -> None:
    _check_sizes(node, attribute.name, value, 1)


def _check_margin(node: Any, attribute: Any, value: Any) -> None:
    if value not in ("same", "valid"):
        _check_sizes(node, attribute.name, value, None)


def _check_sizes(node: Any, name: str, value: Any, low: int | None) -> None:
    if value is UNSET or value is None or isinstance(value, Token):
        return
    sizes = value if isinstance(value, tuple | list | torch.Size) else (value,)
    whole = all(s is None or (isinstance(s, numbers.Integral) and not isinstance(s, bool)) for s in sizes)
    if not sizes or not whole or (low is not None and any(s is not None and s < low for s in sizes)):
        least = "" if low is None else f" from {low}"
        raise ConfigError(f"{who(node)}: '{name}' must be a whole number{least} or a tuple of them, got {value!r}.")
