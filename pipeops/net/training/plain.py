"""What a run's network is, as it is now: whether it is the one that was compiled, and which bias a loss does not see.

A network is plain while nothing listens to it and nothing was put in its place. Neighbours: the engines ask; `course` is the run.
"""

import functools
from collections.abc import Sequence
from typing import Any

import torch

from pipeops.net.losses.imbalanced import one_against_rest
from pipeops.net.losses.weighted import ByRows
from pipeops.net.network.descriptor import Symbol
from pipeops.net.training.course import Course


def hooked(module: torch.nn.Module) -> bool:
    """Whether anything listens to the calls of a module."""
    hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks)
    return any(hooks)


def is_known(thing: Any) -> bool:
    """Whether a function, a module or a class is torch's or this library's own, with all that it inherits and its forward."""
    made = thing.func if isinstance(thing, functools.partial) else thing
    if not isinstance(made, type) and hasattr(made, "__qualname__"):
        return _home(made) in HOUSES
    cls: type = made if isinstance(made, type) else type(made)
    forward = getattr(cls, "forward", None)
    return all(_home(base) in (*HOUSES, *LIBRARY) for base in cls.__mro__) and (forward is None or _home(forward) in HOUSES)


HOUSES, LIBRARY = ("torch", "pipeops"), ("builtins", "abc", "typing", "collections", "enum")


def _home(thing: Any) -> str:
    """The package that something is defined in; functions of torch that are written in C do not say so."""
    return (getattr(thing, "__module__", None) or ("torch" if getattr(torch, thing.__name__, None) is thing else "")).split(".")[
        0
    ]


def is_plain(course: Course) -> bool:
    """Whether the network is the one that was compiled, and nothing listens to it or to its parameters."""
    network, forward = course.compiled
    if course.network is not network or type(network).forward is not forward or torch.nn.modules.module._has_any_global_hook():
        return False
    listened = any(p._backward_hooks or getattr(p, "_post_accumulate_grad_hooks", None) for p in network.parameters())
    return not listened and not any(map(hooked, network.modules())) and not vars(network).keys() & {"forward"}


def called_once(symbols: Sequence[Symbol]) -> bool:
    """Whether each module is called once and answers one value."""
    return not any(s.port for s in symbols) and len({s.id for s in symbols}) == len(symbols)


def is_tied(network: torch.nn.Module) -> bool:
    """Whether a parameter stands at two places."""
    return len(list(network.parameters())) < len(list(network.named_parameters(remove_duplicate=False)))


def shift_invariant(loss: Any) -> bool:
    """Whether a loss says that it does not see a constant added to all scores of an output."""
    return bool(getattr(_inner(loss)[0], "shift_invariant", False))


def _inner(loss: Any) -> tuple[Any, dict[str, Any]]:
    """The function or module that computes a loss, and what was filled in."""
    given: dict[str, Any] = {}
    while isinstance(loss, functools.partial | ByRows):
        given = {**getattr(loss, "keywords", {}), **given}
        loss = loss.func if isinstance(loss, functools.partial) else loss.loss
    return loss, given


def idle_bias(course: Course) -> torch.nn.Parameter | None:
    """The bias that feeds the loss directly and that it does not see: its gradient is zero, but for rounding.

    Engines set it to zero, so that no optimizer makes steps of what is rounding. Not with `ties="mean"`, whose sum over tied
    scores is no gradient and need not be zero.
    """
    loss, given = _inner(course.trainer.ctx.loss)
    if not getattr(loss, "shift_invariant", False) or given.get("ties") == "mean":
        return None
    bias: torch.nn.Parameter | None = getattr(last_linear(course), "bias", None)
    if bias is None or not bias.requires_grad:
        return None
    return bias if len(bias) == 1 or loss is one_against_rest else None


def last_linear(course: Course) -> torch.nn.Linear | None:
    """The linear layer that a plain network ends in, where it is called once."""
    symbol, network = course.symbol, course.network
    if not is_plain(course) or not called_once(symbol.ancestors()) or is_tied(network):
        return None
    end = dict(network.named_modules()).get(symbol.id)
    return end if type(end) is torch.nn.Linear and "forward" not in vars(end) else None
