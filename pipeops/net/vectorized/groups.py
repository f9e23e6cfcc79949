"""Which training runs may be trained as one: nothing of the user's own can touch what they would share, and they are alike.

What trains together follows from the runs that are asked for alone, never from what is done already, so that each one's
numbers do. Neighbours: the driver of `together` trains the groups; set-up makes the courses.
"""

import functools
import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from pipeops.net.callbacks.freezing import Unfreeze
from pipeops.net.inputs.batches import CutOrder
from pipeops.net.inputs.streams import Streamed
from pipeops.net.network.descriptor import Symbol
from pipeops.net.optimizers.joint import alike
from pipeops.net.optimizers.kernels import FusedSGD
from pipeops.net.training.course import Course
from pipeops.net.training.plain import called_once, idle_bias, is_known, is_plain, is_tied, last_linear, shift_invariant
from pipeops.net.vectorized.wiring import rule_of

LIMIT = 1 << 28
"""Bytes of data and weights that are worth joining; the steps of larger runs are not dominated by overhead."""
CACHED = 1 << 20
"""Bytes of one network's weights above which a processor's caches do not hold several, so that joining them gains nothing."""
FEWER = 0.8
"""A run with fewer than this part of the rows of another is not joined with it: it would often have no batch."""
UNMAPPED = (torch.nn.MultiheadAttention, torch.nn.RNNBase)
"""What vmap computes for one network after another, with a warning, or not at all."""


def groups(courses: Sequence[Course]) -> list[list[Course]]:
    """Courses in groups that may be trained as one, in order; one that may not is a group by itself."""
    made: list[list[Course]] = []
    for course in sorted(courses, key=_rows, reverse=True):
        free = vectorizes(course)
        group = next((group for group in made if free and _may_join(course, group)), None)
        if group is None:
            made.append([course])
        else:
            group.append(course)
    place = {course: number for number, course in enumerate(courses)}
    made.sort(key=lambda group: min(place[course] for course in group))
    return [sorted(group, key=_settings) for group in made]


def _rows(course: Course) -> int:
    return len(course.tensors[-1])


def _settings(course: Course) -> tuple[str, int]:
    return repr([alike(part) for part in course.trainer.ctx.stepper.parts]), -_rows(course)


def _weights(course: Course) -> int:
    return sum(p.nbytes for p in course.network.parameters())


def _bytes(course: Course) -> int:
    return sum(t.nbytes for t in course.tensors) + 4 * _weights(course)


def vectorizes(course: Course) -> bool:
    """Whether nothing about the run itself forbids that it is trained with others."""
    trainer, stepper, loss = course.trainer, course.trainer.ctx.stepper, course.trainer.ctx.loss
    if (
        trainer.own
        or trainer.forward is not None
        or isinstance(trainer.epochs.batches, Streamed)
        or trainer.sees_batches
        or not stepper.parts
    ):
        return False
    if isinstance(loss, torch.nn.Module) and any(True for _ in loss.parameters()):
        return False
    if not called_once(course.symbol.ancestors()):
        return False
    if not reads_only(loss) or _drifts(course) or not _draws_alike(trainer.epochs.sampler):
        return False
    modules = dict(course.network.named_modules())
    pure = all(s.spec is None or rule_of(s, modules[s.id]) or reads_only(modules[s.id]) for s in course.symbol.ancestors())
    return (
        pure
        and not any(isinstance(m, UNMAPPED) for m in modules.values())
        and is_plain(course)
        and not is_tied(course.network)
        and _worth_it(course)
    )


def _drifts(course: Course) -> bool:
    """Whether a bias has rounding for a gradient, of which an optimizer that divides by the size of gradients makes steps."""
    end, stepper = last_linear(course), course.trainer.ctx.stepper
    settled = end is not None and (end.bias is None or not end.bias.requires_grad or idle_bias(course) is not None)
    return (
        shift_invariant(course.trainer.ctx.loss) and not settled and not all(isinstance(part, FusedSGD) for part in stepper.parts)
    )


def _draws_alike(sampler: Any) -> bool:
    """Whether a sampler draws the same whoever drew before: row positions, or one that keeps nothing between epochs."""
    given = sampler.sampler if isinstance(sampler, CutOrder) else sampler
    plain = given is None or isinstance(given, list | tuple | range | np.ndarray | torch.Tensor)
    return plain or (reads_only(given) and getattr(given, "generator", None) is None)


def reads_only(thing: Any) -> bool:
    """Whether a loss or a module is torch's or this library's, or says that it keeps nothing and changes nothing."""
    parts = list(thing.modules()) if isinstance(thing, torch.nn.Module) else [thing]
    inside = [v for part in parts if isinstance(part, torch.nn.Module) for v in vars(part).values()]
    held = [v for v in inside if inspect.isroutine(v) or isinstance(v, functools.partial)]
    return all(getattr(p, "only_reads", False) or is_known(p) for p in (*parts, *held))


def _worth_it(course: Course) -> bool:
    on_cpu = course.machine.is_cpu
    return 2 * _bytes(course) <= LIMIT and not (on_cpu and _weights(course) > CACHED)


def _may_join(course: Course, group: Sequence[Course]) -> bool:
    first = group[0]
    if not vectorizes(first):
        return False
    if _rows(course) < FEWER * _rows(first) or (len(group) + 1) * _bytes(first) > LIMIT:
        return False
    one, other = course.trainer.epochs.batches, first.trainer.epochs.batches
    sized = one.size == other.size or (one.size == one.n and other.size == other.n)
    return sized and _kind(course) == _kind(first) and _equal(_blueprint(course.symbol), _blueprint(first.symbol))


def _kind(course: Course) -> tuple[Any, ...]:
    params = [(name, p.shape, p.dtype, p.requires_grad) for name, p in course.network.named_parameters()]
    names = {id(p): name for name, p in course.network.named_parameters()}
    cut = [[names.get(id(p)) for p in part.params] for part in course.trainer.ctx.stepper.parts]
    plans = [repr(c) for c in course.trainer.ctx.callbacks.values() if isinstance(c, Unfreeze)]
    return course.machine.device, course.machine.threads, params, cut, plans, course.trainer.epochs.batches.weights is None


def _blueprint(symbol: Symbol) -> list[Any]:
    """All that makes a network but its weights, and the rate of dropout, which may differ."""
    return [
        (s.id, s.spec and (s.spec.key, s.spec.module, _arguments(s.spec)), [i.id for i in s.inputs], s.shape, s.dtype)
        for s in symbol.ancestors()
    ]


def _arguments(spec: Any) -> dict[str, Any]:
    return {name: v for name, v in spec.arguments.items() if not (spec.module is torch.nn.Dropout and name == "p")}


def _equal(one: Any, other: Any) -> bool:
    """Whether these are surely equal; arguments such as tensors may not say so."""
    try:
        return bool(one == other)
    except (RuntimeError, ValueError, TypeError):
        return False
