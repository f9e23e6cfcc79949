"""Trying on a few rows whether stacked networks give what each gives alone: outputs, losses and gradients.

The last row of the trial is there for the stack only, so that a network that looks at the whole batch is found out; so is
one that keeps something between batches. Nothing of the trial is left: it works on copies. Neighbours: stacked asks;
twins and stacked_loss are tried.
"""

import copy
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from pipeops.net.vectorized.groups import Job
from pipeops.net.vectorized.joint_loss import joint_losses
from pipeops.net.vectorized.twins import Draws, Twins

ROWS = 5
Gradients = Sequence[torch.Tensor | None]


class Result(NamedTuple):
    """What a network gives on some rows."""

    output: torch.Tensor
    loss: torch.Tensor
    grads: Gradients


def passes(jobs: Sequence[Job]) -> str | None:
    """The quickest way to compute the loss (see `joint_losses`) that is right, or None where the jobs cannot be stacked."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return _tried(jobs)
        except Exception:
            return None


def _tried(jobs: Sequence[Job]) -> str | None:
    rows = min(ROWS, *(len(job.tensors[-1]) for job in jobs))
    probes = {k: _alone(jobs[k], rows - 1) for k in {0, len(jobs) - 1}}
    draws = Draws([_generator(job) for job in jobs], [rows - 1] * len(jobs))
    twins = Twins(jobs[0].symbol, [job.network for job in jobs], draws)
    params = [p for p in twins.params.values() if p.requires_grad]
    *inputs, target = (torch.stack([t[:rows] for t in several]) for several in zip(*(job.tensors for job in jobs), strict=True))
    output = twins(*inputs)
    for way, loss in joint_losses([job.trainer.ctx.loss for job in jobs]).items():
        try:
            losses = loss(output, target, draws.counts)
            grads = torch.autograd.grad(losses.sum(), params, retain_graph=True, allow_unused=True)
        except Exception:
            continue
        made = {k: Result(output[k, : rows - 1], losses[k], [None if g is None else g[k] for g in grads]) for k in probes}
        if all(_agree(made[k], probes[k]) for k in probes):
            return way
    return None


def _generator(job: Job) -> torch.Generator:
    generator = torch.Generator()
    generator.set_state(job.state)
    return generator


def _alone(job: Job, rows: int) -> Result:
    """What a copy of a job's network gives; refused when it keeps something between batches, or the loss is none."""
    symbols = job.symbol.ancestors()
    modules = {s.id: copy.deepcopy(job.network.get_submodule(s.id)) for s in symbols if s.spec is not None}
    *inputs, target = (t[:rows].clone() for t in job.tensors)
    values = dict(zip((s.id for s in symbols if s.spec is None), inputs, strict=True))
    loss_of = copy.deepcopy(job.trainer.ctx.loss)
    before = _memory([*modules.values(), loss_of])
    torch.default_generator.set_state(job.state)
    for s in symbols:
        if s.spec is not None:
            values[s.id] = modules[s.id](*(values[i.id] for i in s.inputs))
    loss = loss_of(values[job.symbol.id], target)
    if loss.ndim or not _remembered(before, _memory([*modules.values(), loss_of])):
        raise ValueError("not stackable")
    named = {f"{id}.{name}": p for id, module in modules.items() for name, p in module.named_parameters()}
    params = [named[name] for name, p in job.network.named_parameters() if p.requires_grad]
    return Result(values[job.symbol.id], loss, torch.autograd.grad(loss, params, allow_unused=True))


def _memory(things: Sequence[Any]) -> list[Any]:
    """What modules hold: their attributes, and their tensors with torch's count of changes in place."""
    modules = [m for thing in things if isinstance(thing, torch.nn.Module) for m in thing.modules()]
    attributes = [value for m in modules for value in vars(m).values()]
    tensors = [t for m in modules for held in (m._parameters, m._buffers) for t in held.values() if t is not None]
    return [*attributes, *tensors, *(t._version for t in tensors)]


def _remembered(before: Sequence[Any], after: Sequence[Any]) -> bool:
    return len(before) == len(after) and all(
        a is b or (type(a) is type(b) is int and a == b) for a, b in zip(before, after, strict=True)
    )


def _agree(one: Result, other: Result) -> bool:
    pairs = [(one.output, other.output), (one.loss, other.loss), *zip(one.grads, other.grads, strict=True)]
    return all(
        (a is None) is (b is None)
        and (a is None or b is None or torch.allclose(a, b.to(a.dtype), rtol=1e-4, atol=1e-5, equal_nan=True))
        for a, b in pairs
    )
