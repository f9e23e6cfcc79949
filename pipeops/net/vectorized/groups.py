"""A training run that is set up and not begun, and which of them may be trained together.

Neighbours: the trainer runs one; model sets them up; stacked trains several at once.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

import attrs
import torch

from pipeops.net.network.descriptor import Symbol
from pipeops.net.optimizers.fused import FusedSGD, Stepper
from pipeops.net.training.machine import seeded, threads
from pipeops.net.training.trainer import Trainer
from pipeops.net.vectorized.joint_steps import alike

Drawn = tuple[torch.Tensor, list[int]]
"""The row positions of an epoch, batch after batch, and the size of each batch."""

LIMIT = 1 << 28
"""Bytes of data and weights that are worth stacking; the steps of larger runs are not dominated by overhead."""
CACHED = 1 << 20
"""Bytes of one network's weights above which a processor's caches hold no stack, so that stacking it gains nothing."""
FEWER = 0.8
"""A job with fewer than this part of the rows of another is not stacked with it: its last batches would be empty."""
IN_LOOP = ("on_batch_begin", "on_after_backward", "on_batch_end")


@attrs.define(eq=False, slots=False)
class Job:
    """A training run: the trainer, the blueprint of its network, its seed and torch's random state when it was set up.

    together: with how many others it was trained, itself included. error: what stopped it. interrupted: whether it must
    be trained again from the start, alone.
    """

    trainer: Trainer
    symbol: Symbol
    seed: int
    threads: int
    state: torch.Tensor = attrs.field(factory=torch.default_generator.get_state)
    together: int = 1
    error: Exception | None = None
    interrupted: bool = False
    generator: torch.Generator = attrs.field(factory=torch.Generator)

    @property
    def network(self) -> torch.nn.Module:
        """The network in training."""
        return self.trainer.ctx.network

    @property
    def tensors(self) -> tuple[torch.Tensor, ...]:
        """The training data: one tensor for each ingress, and the target."""
        return self.trainer.epochs.batches.tensors

    def alone(self) -> None:
        """Train by itself."""
        with seeded(self.seed, self.trainer.ctx.device), threads(self.threads):
            torch.default_generator.set_state(self.state)
            try:
                self.trainer.run()
            except Exception as error:
                self.error = error

    @contextmanager
    def drawing(self) -> Generator[None]:
        """Torch's own generator is this job's, for a while."""
        torch.default_generator.set_state(self.generator.get_state())
        try:
            yield
        finally:
            self.generator.set_state(torch.default_generator.get_state())

    def begin(self) -> Drawn | None:
        """Begin the run and its first epoch."""
        self.generator.set_state(self.state)
        return self._turn(self.trainer.begin)

    def end_epoch(self, losses: Sequence[float], outputs: Sequence[torch.Tensor] | None, rows: torch.Tensor) -> Drawn | None:
        """End an epoch and begin the next one."""
        return self._turn(lambda: self.trainer.end_epoch(losses, outputs, rows))

    def _turn(self, first: Callable[[], None]) -> Drawn | None:
        """Do this, and begin the next epoch: its batches, or None when there is none and the run is over."""
        try:
            with self.drawing():
                first()
                if self.trainer.goes_on:
                    self.trainer.begin_epoch()
                    return self.trainer.epochs.draws()
                self.trainer.end()
        except Exception as error:
            self.error = error
        self.exit()
        return None

    def exit(self) -> None:
        """The end of a run in any case; the network's parameters are its own again."""
        try:
            with self.drawing():
                self.trainer.exit()
        except Exception as error:
            self.error = self.error or error
        for param in self.network.parameters():
            param.data = param.data.clone()


def groups(jobs: Sequence[Job]) -> list[list[Job]]:
    """Stackable jobs in groups that may be trained together."""
    made: list[list[Job]] = []
    for job in sorted(jobs, key=_rows, reverse=True):
        group = next((group for group in made if _may_join(job, group)), None)
        if group is None:
            made.append([job])
        else:
            group.append(job)
    return [sorted(group, key=_settings) for group in made]


def _rows(job: Job) -> int:
    return len(job.tensors[-1])


def _settings(job: Job) -> str:
    ctx = job.trainer.ctx
    return repr((ctx.lr, alike(ctx.stepper)))


def _weights(job: Job) -> int:
    return sum(p.nbytes for p in job.network.parameters())


def _bytes(job: Job) -> int:
    return sum(t.nbytes for t in job.tensors) + 4 * _weights(job)


def stackable(job: Job) -> bool:
    """Whether nothing about the job itself forbids it."""
    trainer, network = job.trainer, job.network
    if any(trainer.stages[stage] for stage in IN_LOOP) or type(trainer.ctx.stepper).watch is not Stepper.watch:
        return False
    if isinstance(trainer.ctx.loss, torch.nn.Module) and any(True for _ in trainer.ctx.loss.parameters()):
        return False
    if any(s.port or "." in s.id for s in job.symbol.ancestors()):
        return False
    tied = len(list(network.parameters())) < len(list(network.named_parameters(remove_duplicate=False)))
    return not tied and not any(map(_has_hooks, network.modules())) and _worth_it(job) and not _amplifies(job)


def _amplifies(job: Job) -> bool:
    """Whether rounding would grow: the loss does not see a constant added to the scores (AUM, losses over pairs), so the last
    bias has rounding for a gradient, and an optimizer that divides by its size makes steps of that."""
    ctx = job.trainer.ctx
    if isinstance(ctx.stepper, FusedSGD):
        return False
    target, noise = job.tensors[-1][:64], torch.Generator().manual_seed(0)
    output = torch.randn((len(target), job.trainer.link.width), generator=noise).to(ctx.device).requires_grad_()
    try:
        (slope,) = torch.autograd.grad(ctx.loss(output, target), output)
    except Exception:  # a loss that fails is reported by the run itself, alone
        return True
    return bool((slope.sum(0).abs() <= 1e-5 * slope.abs().sum(0)).all())


def _worth_it(job: Job) -> bool:
    on_cpu = job.trainer.ctx.device.type == "cpu"
    return 2 * _bytes(job) <= LIMIT and not (on_cpu and _weights(job) > CACHED)


def _has_hooks(module: torch.nn.Module) -> bool:
    hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks)
    return any(hooks)


def _may_join(job: Job, group: Sequence[Job]) -> bool:
    first = group[0]
    if _rows(job) < FEWER * _rows(first) or (len(group) + 1) * _bytes(first) > LIMIT:
        return False
    one, other = job.trainer.epochs.batches, first.trainer.epochs.batches
    sized = one.size == other.size or (one.size == one.n and other.size == other.n)
    return sized and _kind(job) == _kind(first) and _equal(_blueprint(job.symbol), _blueprint(first.symbol))


def _kind(job: Job) -> tuple[Any, ...]:
    params = [(name, p.shape, p.dtype, p.requires_grad) for name, p in job.network.named_parameters()]
    return job.trainer.ctx.device, job.threads, params


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
