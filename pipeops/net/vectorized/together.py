"""Training many small networks at once: one loop over stacked parameters, which gives each the numbers it would get alone.

`train_together` stacks the jobs that have one blueprint and about as many rows, when a trial on a few rows gives what each
gives alone, and trains the others one after another. Each job has its own random numbers, batches, callbacks, scores and
end; one that is done or has failed leaves the stack and never affects the others. Neighbours: jobs says what may go
together, trial tries it; twins, stacked_loss and stacked_steps are the parts of a step; model sets jobs up.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch

from pipeops.net.callbacks.shelf import EarlyStopping, History
from pipeops.net.training.machine import seeded, threads
from pipeops.net.vectorized.groups import Drawn, Job, groups
from pipeops.net.vectorized.joint_loss import joint_losses
from pipeops.net.vectorized.joint_steps import Block, alike, boundaries
from pipeops.net.vectorized.trial import passes
from pipeops.net.vectorized.twins import Draws, Twins

CACHE_BYTES = 1 << 20


def train_together(jobs: Sequence[Job]) -> None:
    """Train all jobs, stacked where that is possible. Errors are left with the jobs."""
    for group in groups(jobs):
        way = None
        if len(group) > 1:
            with seeded(group[0].seed, group[0].trainer.ctx.device), threads(group[0].threads):
                way = passes(group)
                if way is not None:
                    _train(group, way)
        for job in group if way is None else ():
            job.alone()


def _train(jobs: Sequence[Job], way: str) -> None:
    """Train jobs that passed the trial. One that leaves is taken out of the stack; an error of the stack interrupts all."""
    data = Data(jobs)
    running: dict[Job, Drawn] = {}
    for job in jobs:
        job.together = len(jobs)
        _note(running, job, job.begin())
    try:
        while running:
            stack = Stack(list(running), data, way)
            while len(running) == len(stack.jobs):
                stack.epoch(running)
    except BaseException as error:
        for job in running:
            job.interrupted = True
            job.exit()
        if not isinstance(error, Exception):
            raise


def _note(running: dict[Job, Drawn], job: Job, drawn: Drawn | None) -> None:
    if drawn is not None:
        running[job] = drawn
    else:
        running.pop(job, None)


class Data:
    """The training data of all jobs as one long table for each ingress and the target; each job's rows begin at `start`."""

    def __init__(self, jobs: Sequence[Job]):
        self.tables = [torch.cat(several) for several in zip(*(job.tensors for job in jobs), strict=True)]
        self.start: dict[Job, int] = {}
        rows = 0
        for job in jobs:
            self.start[job] = rows
            rows += len(job.tensors[-1])

    def batches(self, rows: torch.Tensor, counts: Sequence[Sequence[int]]) -> Iterator[list[torch.Tensor]]:
        """`(K, batch, ...)` of each table for each step, gathered for as many steps at once as stay in the cache."""
        step_bytes = rows[:, 0].numel() * sum(table[:1].nbytes for table in self.tables)
        several = max(1, CACHE_BYTES // max(1, step_bytes))
        for first in range(0, len(counts), several):
            part = rows[:, first : first + several]
            flat = part.reshape(-1)
            found = [torch.index_select(t, 0, flat).view(*part.shape, *t.shape[1:]).unbind(1) for t in self.tables]
            for tensors, present in zip(zip(*found, strict=True), counts[first : first + several], strict=True):
                width = max(present)
                yield list(tensors) if width == part.shape[2] else [t[:, :width] for t in tensors]

    def rows(self, jobs: Iterable[Job], several: Sequence[Drawn]) -> tuple[torch.Tensor, list[list[int]]]:
        """Rows `(K, steps, batch)` of an epoch, filled up with each job's first row, and how many count, by step and job."""
        steps, widest = max(len(sizes) for _, sizes in several), max(max(sizes) for _, sizes in several)
        starts = torch.tensor([self.start[job] for job in jobs])
        rows = starts.unsqueeze(1).repeat(1, steps * widest)
        for own, (order, sizes) in zip(rows, several, strict=True):
            if min(sizes[:-1], default=widest) == widest:
                own[: len(order)] += order
            else:
                slots = [step * widest + i for step, size in enumerate(sizes) for i in range(size)]
                own[torch.tensor(slots)] += order
        counts = [list(c) for c in itertools.zip_longest(*(sizes for _, sizes in several), fillvalue=0)]
        return rows.view(len(several), steps, widest).to(self.tables[0].device), counts


class Stack:
    """Jobs that train together, until one of them is done."""

    def __init__(self, jobs: Sequence[Job], data: Data, way: str):
        self.jobs, self.data = jobs, data
        self.draws = Draws([job.generator for job in jobs])
        self.twins = Twins(jobs[0].symbol, [job.network for job in jobs], self.draws)
        self.twins.hand_out(job.network for job in jobs)
        self.stacks = list(self.twins.params.values())
        self.loss = joint_losses([job.trainer.ctx.loss for job in jobs])[way]
        self.shows_batch = [any(type(c) not in (History, EarlyStopping) for c in j.trainer.ctx.callbacks.values()) for j in jobs]
        self.blocks: list[Block] = []
        self.kinds: list[tuple[Any, Any]] = [(None, None)] * len(jobs)

    def epoch(self, running: dict[Job, Drawn]) -> None:
        """One epoch of every job, and the beginning of the next one of those that go on."""
        several = list(running.values())
        rows, counts = self.data.rows(self.jobs, several)
        self._arrange([len(sizes) for _, sizes in several])
        keeps = any(job.trainer.wants_outputs for job in self.jobs)
        losses, outputs = list[torch.Tensor](), list[torch.Tensor]()
        for step, (present, (*inputs, target)) in enumerate(zip(counts, self.data.batches(rows, counts), strict=True)):
            loss, output = self._step(inputs, target, present)
            losses.append(loss)
            if keeps:
                outputs.append(output)
            for k, (_, sizes) in enumerate(several):
                if len(sizes) == step + 1:
                    self._show(k, step + 1, inputs, target, output, loss, present[k])
        for block in self.blocks:
            block.give_counts()
        values = torch.stack(losses, 1).tolist()
        for k, (job, (order, sizes)) in enumerate(zip(self.jobs, several, strict=True)):
            own = [output[k, :size] for output, size in zip(outputs, sizes, strict=False)]
            wanted = own if job.trainer.wants_outputs else None
            _note(running, job, job.end_epoch(values[k][: len(sizes)], wanted, order))

    def _step(
        self, inputs: Sequence[torch.Tensor], target: torch.Tensor, counts: Sequence[int]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """One batch of every job that has one: losses `(K,)` and outputs `(K, batch, ...)`, detached."""
        self.draws.counts = counts
        output = self.twins(*inputs)
        losses = self.loss(output, target, counts)
        losses.sum().backward()
        grads = [stack.grad for stack in self.stacks]
        for block in self.blocks:
            if counts[block.start]:
                block.step(grads)
        for stack in self.stacks:
            stack.grad = None
        return losses.detach(), output.detach()

    def _arrange(self, steps: Sequence[int]) -> None:
        """Blocks of neighbours that may step together in this epoch, which has so many steps for each."""
        contexts = [job.trainer.ctx for job in self.jobs]
        self.kinds = [
            known if known[0] is c.stepper else (c.stepper, alike(c.stepper))
            for known, c in zip(self.kinds, contexts, strict=True)
        ]
        keys = [(kind, c.lr, c.global_step, n) for (_, kind), c, n in zip(self.kinds, contexts, steps, strict=True)]
        ends = boundaries(keys)
        steppers = [c.stepper for c in contexts]
        if [s for block in self.blocks for s in block.steppers] != steppers or [b.stop for b in self.blocks] != ends[1:]:
            params = [list(job.network.parameters()) for job in self.jobs]
            spans = itertools.pairwise(ends)
            self.blocks = [Block(a, steppers[a:b], self.stacks, params[a:b]) for a, b in spans]
        for block in self.blocks:
            block.take_rates()

    def _show(
        self, k: int, step: int, x: Sequence[torch.Tensor], y: torch.Tensor, y_hat: torch.Tensor, loss: torch.Tensor, count: int
    ) -> None:
        """Let a context know where its run is after the last batch of an epoch, as callbacks at its end may ask."""
        ctx = self.jobs[k].trainer.ctx
        ctx.step = step
        ctx.global_step += step
        if self.shows_batch[k]:
            ctx.x, ctx.y = tuple(inputs[k, :count] for inputs in x), y[k, :count]
            ctx.y_hat, ctx.loss_value = y_hat[k, :count], loss[k]
