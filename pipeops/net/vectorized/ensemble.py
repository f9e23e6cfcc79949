"""The engine of K networks of one blueprint, K = 1 included: their steps in common, by rules where there are some.

Parameters, gradients and moments lie in flat buffers (`joint`), batches in one gathered table for each ingress (`cuts`). Networks
whose batches have as many rows make a step together, so that nothing is filled up. What only one network has (its buffers,
its callbacks, scores and end) stays its own. Neighbours: plans compute; the driver of `together` carries runs through.
"""

from collections.abc import Callable, Sequence

import torch

from pipeops.net.callbacks.context import Context
from pipeops.net.losses.of_terms import LossRule
from pipeops.net.losses.rules import loss_rule
from pipeops.net.training.course import Course
from pipeops.net.training.engine import Engine
from pipeops.net.training.interrupts import Interrupted
from pipeops.net.training.plain import idle_bias
from pipeops.net.training.trainer import Epoch, Trained, refuse_one_row
from pipeops.net.vectorized.cuts import Segment, Tables, segments
from pipeops.net.vectorized.mapped import MappedPlan, OneByOne
from pipeops.net.vectorized.plans import NotRuledError, Plan, RulePlan
from pipeops.net.vectorized.wiring import JoinedNetworks

MOST_PLANS = 16
Given = torch.Tensor | tuple[torch.Tensor, torch.Tensor]
"""What a loss compares outputs with: labels, or labels and row weights."""


def _read(course: Course) -> tuple[torch.Tensor, ...]:
    """What batches are made of: inputs, labels, and row weights where there are some."""
    weights = course.trainer.epochs.batches.weights
    return course.tensors if weights is None else (*course.tensors, weights)


class Ensemble(Engine):
    """K networks, by rules or by the twins of their modules."""

    def __init__(self, courses: Sequence[Course], held: JoinedNetworks, kind: type[RulePlan | MappedPlan]):
        self.courses, self.held, self.joint, self.kind = courses, held, held.joint, kind
        self.name = "rules" if kind is RulePlan else "autograd"
        last = held.wires[-1].grads.get("bias")
        self.idle = last if all(idle_bias(course) is not None for course in courses) else None
        self.weighted = courses[0].trainer.epochs.batches.weights is not None
        self.tables = Tables([_read(course) for course in courses])
        self.plans: dict[tuple[int, int, int], tuple[Plan, LossRule]] = {}
        self.cut: tuple[list[list[int]], list[Segment]] = ([], [])
        self.open = True
        self.holds = self._try()

    def _try(self) -> bool:
        """Make what the first batches need; whether every rule holds for the shapes."""
        size = self.courses[0].trainer.epochs.sizes[0]
        inputs = [t.new_empty((len(self.courses), size, *t.shape[1:])) for t in self.tables.tables[: -1 - self.weighted]]
        try:
            with torch.no_grad():
                self._plan(Segment(0, len(self.courses), size, 1, []), inputs)
        except NotRuledError:
            return False
        return True

    def epoch(self, epochs: Sequence[Epoch]) -> list[Trained]:
        """Train one epoch of each run."""
        sizes = [epoch.sizes for epoch in epochs]
        if self.cut[0] != sizes:
            self.cut = (sizes, segments(sizes))
        found = [Trained([], []) for _ in epochs]
        self.joint.renew()
        with torch.no_grad():
            for segment, (*tables, last) in self.tables.batches(self.cut[1], epochs):
                *inputs, target = tables if self.weighted else (*tables, last)
                self._train(segment, inputs, target, last if self.weighted else None, epochs, found)
        for course, epoch in zip(self.courses, epochs, strict=True):
            ctx = course.trainer.ctx
            ctx.step = len(epoch.sizes)
            ctx.global_step += ctx.step
        return found

    def _train(
        self,
        segment: Segment,
        tables: Sequence[torch.Tensor],
        target: torch.Tensor,
        weights: torch.Tensor | None,
        epochs: Sequence[Epoch],
        found: Sequence[Trained],
    ) -> None:
        """Some steps of a segment; losses and outputs are added to what is found."""
        start = segment.start
        plan, loss = self._plan(segment, [t[0] for t in tables])
        try:
            given = target if weights is None else (target, weights)
            outputs, losses = self._steps(plan, loss, segment, [t.unbind(0) for t in tables], given)
        except ValueError as error:
            ctx = self.courses[start].trainer.ctx
            ctx.step, ctx.y = len(found[start].losses) + 1, target[0, 0]
            refuse_one_row(error, ctx)
            raise
        for k, values in enumerate(losses.t().tolist(), start):
            found[k].losses.extend(values)  # type: ignore[attr-defined]
            if epochs[k].keeps:
                found[k].outputs.append(outputs[:, k - start].flatten(0, 1))  # type: ignore[attr-defined]
        self._show(segment, tables, target, weights, outputs, losses)
        if self.courses[start].trainer.interrupt.asked:
            self.courses[start].trainer.ctx.step = len(found[start].losses)
            raise Interrupted

    def _steps(
        self, plan: Plan, loss: LossRule, segment: Segment, inputs: Sequence[Sequence[torch.Tensor]], target: Given
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Some steps: outputs `(steps, K, batch, width)` and losses `(steps, K)`."""
        outputs = slope = inputs[0][0]
        steps = target.unbind(0) if isinstance(target, torch.Tensor) else list(zip(*(t.unbind(0) for t in target), strict=True))
        losses, kept = list[torch.Tensor](), list[torch.Tensor]()
        start, stop, update, idle = segment.start, segment.stop, self.joint.step, self.idle
        after, end = self._calls("on_after_backward", segment), self._calls("on_batch_end", segment)
        forward, backward, slope_of = plan.forward, plan.backward, loss.slope
        for step, (own, labels) in enumerate(zip(zip(*inputs, strict=True), steps, strict=True)):
            output = forward(own)
            if not step:
                outputs, slope = output.new_empty((len(steps), *output.shape)), torch.empty_like(output)
                kept = list(outputs.unbind(0))
            kept[step].copy_(output)
            value = slope_of(output, labels, slope)
            if value is not None:
                losses.append(value)
            backward(slope)
            if idle is not None:
                idle.zero_()
            for call, ctx in after:
                call(ctx)
            update(start, stop)
            for call, ctx in end:
                call(ctx)
            if end:
                self.joint.renew()
        return outputs, torch.stack(losses) if losses else loss.values(outputs, target)

    def _calls(self, stage: str, segment: Segment) -> list[tuple[Callable[[Context], None], Context]]:
        """What the callbacks of each network do at a stage of its step, and with what."""
        trainers = [course.trainer for course in self.courses[segment.start : segment.stop]]
        return [(call, trainer.ctx) for trainer in trainers for call in trainer.stages[stage]]

    def _plan(self, segment: Segment, inputs: Sequence[torch.Tensor]) -> tuple[Plan, LossRule]:
        start, stop, size = segment[:3]
        found = self.plans.get((start, stop, size))
        if found is None:
            if len(self.plans) >= MOST_PLANS:
                self.plans.clear()
            found = self.plans[start, stop, size] = self._made(start, stop, inputs)
        return found

    def _made(self, start: int, stop: int, inputs: Sequence[torch.Tensor]) -> tuple[Plan, LossRule]:
        courses = self.courses[start:stop]
        losses = [course.trainer.ctx.loss for course in courses]
        wires = [wire.part(start, stop) for wire in self.held.wires]
        plan = self.kind(wires, [course.generator for course in courses], inputs)
        return plan, loss_rule(losses, courses[0].trainer.link.width, courses[0].tensors[-1]) or OneByOne(losses)

    def _show(
        self,
        segment: Segment,
        inputs: Sequence[torch.Tensor],
        target: torch.Tensor,
        weights: torch.Tensor | None,
        outputs: torch.Tensor,
        losses: torch.Tensor,
    ) -> None:
        """Let each context know its last batch, as callbacks at the end of an epoch may ask."""
        for k in range(segment.start, segment.stop):
            ctx, own = self.courses[k].trainer.ctx, k - segment.start
            ctx.loss_value = losses[-1, own]
            if self.courses[k].trainer.shows:
                ctx.x, ctx.y = tuple(t[-1, own].clone() for t in inputs), target[-1, own].clone()
                ctx.y_hat, ctx.row_weights = outputs[-1, own], None if weights is None else weights[-1, own].clone()

    def close(self) -> None:
        """Everything back to the networks, once."""
        if self.open:
            self.joint.give()
            for stacked in self.held.buffers:
                stacked.give()
        self.open = False
