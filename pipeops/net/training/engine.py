"""Engines: what makes the steps of an epoch, for the run of one network or for those of several at once.

`OneByAutograd` is the general way, one network with autograd and all stages of callbacks; it is written for speed: losses
stay detached tensors that are read once an epoch (which is where a NaN is found, with its batch), and what a step needs is
looked up before the loop. `vectorized` has the engine of K networks. Neighbours: the trainer yields epochs; jobs choose.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch

from pipeops.errors import TrainingError
from pipeops.net.callbacks.context import Context
from pipeops.net.training.course import Course
from pipeops.net.training.interrupts import Interrupted
from pipeops.net.training.machine import drawing
from pipeops.net.training.plain import hooked, idle_bias, is_known
from pipeops.net.training.trainer import Epoch, Trained, refuse_failed, refuse_no_gradient, refuse_one_row


class Engine(ABC):
    """Trains the networks of some runs, an epoch at a time."""

    name: str
    """"rules" or "autograd"."""

    @abstractmethod
    def epoch(self, epochs: Sequence[Epoch]) -> list[Trained]:
        """Train one epoch of each run."""

    @abstractmethod
    def close(self) -> None:
        """Leave the networks, and what is remembered of them, as if each had been trained alone."""


class OneByAutograd(Engine):
    """One network, by autograd."""

    name = "autograd"

    def __init__(self, course: Course):
        self.course, self.trainer = course, course.trainer
        trainer = self.trainer
        inside = (trainer.stages[s] for s in ("on_batch_begin", "on_after_backward", "on_batch_end"))
        self.before, self.after, self.end = inside
        self.watched = trainer.own and any((self.before, self.after, self.end))

    def epoch(self, epochs: Sequence[Epoch]) -> list[Trained]:
        """Train on the batches of one epoch; layers draw from torch's own generator."""
        with drawing(self.course.generator):
            return [self._train(*epochs)]

    def _train(self, epoch: Epoch) -> Trained:
        ctx, losses, outputs = self.trainer.ctx, list[torch.Tensor](), list[torch.Tensor]()
        now = vars(ctx)  # past the check of names, which would cost a percent of a small step
        network, loss_of = self._called(ctx)
        batches, interrupt = self.trainer.epochs.batches, self.trainer.interrupt
        spoils = epoch.keeps and not is_known(getattr(ctx.loss, "loss", ctx.loss))
        idle = idle_bias(self.course)
        for now["step"], (now["x"], now["y"], weights) in enumerate(batches.cut(epoch.rows, epoch.sizes, self.watched), 1):
            now["global_step"] += 1
            now["hold"], now["row_weights"] = False, weights
            for call in self.before:
                call(ctx)
            if self.before:
                network, loss_of = self._called(ctx)
            try:
                now["y_hat"] = network(*ctx.x)
            except ValueError as error:
                refuse_one_row(error, ctx)
                raise
            if epoch.keeps:
                outputs.append(ctx.y_hat.detach().clone() if spoils else ctx.y_hat.detach())
            loss = _loss(loss_of, ctx, weights)
            _backward(loss, ctx, idle)
            losses.append(loss.detach())
            now["loss_value"] = losses[-1]
            for call in self.after:
                call(ctx)
            if self.watched:
                self.trainer.learnt.follow()
            if not ctx.hold:
                ctx.stepper.step()
            for call in self.end:
                call(ctx)
            if interrupt.asked:
                raise Interrupted
        batches.check()
        return Trained(torch.stack(losses).tolist(), outputs)

    def _called(self, ctx: Context) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """What is called for the network and for the loss, as they are now."""
        return self.trainer.forward or _callable(ctx.network), _callable(ctx.loss)

    def close(self) -> None:
        """Nothing was moved."""


def _callable(thing: Any) -> Callable[..., Any]:
    """What to call for a module: its forward where no hook listens, which saves two microseconds a call."""
    return thing if not isinstance(thing, torch.nn.Module) or hooked(thing) else thing.forward


def _loss(loss_of: Callable[..., Any], ctx: Context, weights: torch.Tensor | None) -> torch.Tensor:
    """The loss of a batch, refused where it is no number with a gradient."""
    try:
        loss = loss_of(ctx.y_hat, ctx.y) if weights is None else loss_of(ctx.y_hat, ctx.y, weights)
    except Exception as error:
        refuse_failed(error, ctx.loss, ctx.y_hat, ctx.y)
        raise
    if type(loss) is not torch.Tensor or loss.ndim or not loss.requires_grad:
        _refuse_no_loss(loss, ctx)
    return loss


def _backward(loss: torch.Tensor, ctx: Context, idle: torch.nn.Parameter | None) -> None:
    """Gradients of a loss; idle: a bias whose gradient is zero whatever rounding says."""
    try:
        ctx.stepper.backward(loss)
    except RuntimeError as error:
        refuse_no_gradient(error)
        raise
    if idle is not None and idle.grad is not None:
        idle.grad.zero_()


def _refuse_no_loss(loss: Any, ctx: Context) -> None:
    if not isinstance(loss, torch.Tensor):
        raise TrainingError(f"the loss must return a tensor, got {type(loss).__name__}: {loss!r:.80}.")
    if loss.ndim:
        raise TrainingError(
            f"the loss must return one number, got a tensor of shape {tuple(loss.shape)} (output {tuple(ctx.y_hat.shape)}, "
            f'target {tuple(ctx.y.shape)}); end it in a mean or a sum (reduction="mean").'
        )
    if not loss.requires_grad:
        raise TrainingError(
            "the loss has no gradient: it does not depend on the network's output through torch operations (numpy, .item() or "
            ".detach() on the way?), or the network has no parameters that are trained."
        )
