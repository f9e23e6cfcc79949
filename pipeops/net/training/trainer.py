"""The training loop: epochs, batches, stages, scores. It knows nothing of graphs, nodes or data frames.

It is written for speed: losses stay detached tensors that are read once an epoch (which is where a NaN is found, with its
batch), stages that no callback overrides are empty lists, and what a step needs is looked up before the loop.
Neighbours: batches, callback, encode and fused below; model sets it up.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import attrs
import numpy as np
import torch

from pipeops.data import Task
from pipeops.errors import PipeOpsError, TrainingError
from pipeops.net.callbacks.base import Callback, stages_of
from pipeops.net.callbacks.context import Context
from pipeops.net.inputs.batches import Batch, Batches, Epochs
from pipeops.net.inputs.link import Link


@attrs.frozen(eq=False)
class Validation:
    """Data to score on while training, in batches."""

    task: Task
    batches: Batches


class Trainer:
    """One training run. `ctx` is what the callbacks see; `run` trains the network in it, in place."""

    def __init__(
        self,
        ctx: Context,
        epochs: Epochs,
        link: Link,
        callbacks: Sequence[Callback],
        valid: Validation | None,
        eval_freq: int,
        positives: torch.Tensor | None = None,
    ):
        """`positives`: which rows are positive, where batches without one are to be counted."""
        self.ctx, self.epochs, self.link, self.valid, self.eval_freq = ctx, epochs, link, valid, eval_freq
        self.positives = positives
        self.stages = stages_of(callbacks)
        self.modes: list[tuple[torch.nn.Module, bool]] = []
        self.scored: list[tuple[int, int]] | None = None
        ctx.stepper.watch(ctx)

    def run(self) -> None:
        """All epochs, or until a callback sets `terminate`. `on_exit` is called in any case."""
        try:
            self.begin()
            while self.goes_on:
                self.begin_epoch()
                batches, rows = self.epochs()
                outputs = [] if self.wants_outputs else None
                self.end_epoch(torch.stack(self._steps(batches, outputs)).tolist(), outputs, rows)
            self.end()
        finally:
            self.exit()

    def begin(self) -> None:
        """Before the first epoch. Which modules are in training mode then is what every epoch begins with."""
        for module in trained_modules(self.ctx):
            module.train()
        self._call("on_begin")
        self.modes = modes_of(self.ctx)

    @property
    def goes_on(self) -> bool:
        """Whether there is another epoch."""
        return not self.ctx.terminate and self.ctx.epoch < self.ctx.epochs

    @property
    def evaluates(self) -> bool:
        """Whether this epoch is scored."""
        return self.ctx.epoch % self.eval_freq == 0 or self.ctx.epoch == self.ctx.epochs

    @property
    def wants_outputs(self) -> bool:
        """Whether what the network puts out in this epoch will be scored."""
        return self.evaluates and any("loss" not in m.needs for m in self.ctx.measures_train)

    def begin_epoch(self) -> None:
        """Before the first batch of an epoch."""
        self.ctx.epoch += 1
        self.scored = None
        put_back(self.modes)
        self._call("on_epoch_begin")

    def end_epoch(self, losses: Sequence[float], outputs: Sequence[torch.Tensor] | None, rows: torch.Tensor | None) -> None:
        """After the last batch: a loss for each, the outputs where they are wanted, and whose rows they are (None: in order)."""
        ctx = self.ctx
        _refuse_non_finite(losses, ctx)
        ctx.evaluated = self.evaluates
        ctx.mean_loss = float(np.average(losses, weights=self.epochs.sizes))
        ctx.last_scores_train = self._train_scores(outputs, rows) if self.evaluates else {}
        ctx.batches_without_positives = _without(self.positives, rows, self.epochs.sizes) if self.evaluates else None
        self._call("on_before_valid")
        ctx.last_scores_valid = {}
        if self.evaluates and self.valid is not None:
            ctx.last_scores_valid = self._valid_scores(self.valid)
            self._call("on_valid_end")
        self._call("on_epoch_end")

    def end(self) -> None:
        """After the last epoch. The scores that are kept are those of the weights that are kept."""
        self._call("on_end")
        if self.valid is not None and self.scored != versions(self.ctx.network):
            self.ctx.last_scores_valid = self._valid_scores(self.valid)

    def exit(self) -> None:
        """At the very end, in any case."""
        try:
            self._call("on_exit")
        finally:
            self.ctx.network.eval()

    def _call(self, stage: str) -> None:
        for call in self.stages[stage]:
            call(self.ctx)

    def _steps(self, batches: Iterable[Batch], outputs: list[torch.Tensor] | None) -> list[torch.Tensor]:
        """Train on the batches of one epoch; the detached losses. Outputs are collected where they are wanted."""
        ctx, losses = self.ctx, list[torch.Tensor]()
        now = vars(ctx)  # past the check of names, which would cost a percent of a small step
        network, loss_of = _callable(ctx.network), _callable(ctx.loss)
        before, after, end = (self.stages[s] for s in ("on_batch_begin", "on_after_backward", "on_batch_end"))
        for now["step"], (now["x"], now["y"]) in enumerate(batches, 1):
            now["global_step"] += 1
            for call in before:
                call(ctx)
            try:
                now["y_hat"] = network(*ctx.x)
            except ValueError as error:
                refuse_one_row(error, ctx)
                raise
            try:
                loss = loss_of(ctx.y_hat, ctx.y)
            except Exception as error:
                refuse_failed(error, ctx.loss, ctx.y_hat, ctx.y)
                raise
            if type(loss) is not torch.Tensor or loss.ndim or not loss.requires_grad:
                _refuse_no_loss(loss, ctx)
            loss.backward()
            losses.append(loss.detach())
            now["loss_value"] = losses[-1]
            for call in after:
                call(ctx)
            if outputs is not None:
                outputs.append(ctx.y_hat.detach())
            ctx.stepper.step()
            for call in end:
                call(ctx)
        return losses

    def _train_scores(self, outputs: Sequence[torch.Tensor] | None, rows: torch.Tensor | None) -> dict[str, float]:
        """Scores of what the network put out while it was trained; of the loss, its mean over rows."""
        ctx = self.ctx
        prediction = None if outputs is None else self._seen(torch.cat(list(outputs)).cpu(), rows)
        return {m.id: m.score(prediction, task=ctx.task, loss=ctx.mean_loss) for m in ctx.measures_train}

    def _seen(self, output: torch.Tensor, rows: torch.Tensor | None) -> Any:
        """The labelled table of the rows that the network was trained on."""
        task = self.ctx.task
        if rows is None:
            return self.link.predict(output, task, with_prob=True)
        whole = torch.zeros((task.nrow, *output.shape[1:]), dtype=output.dtype)
        whole[rows] = output
        prediction = self.link.predict(whole, task, with_prob=True)
        return prediction if len(rows) == task.nrow else prediction.take(torch.unique(rows).numpy())

    def _valid_scores(self, valid: Validation) -> dict[str, float]:
        ctx, several, modes = self.ctx, list[torch.Tensor](), modes_of(self.ctx)
        for module in trained_modules(ctx):
            module.eval()
        with torch.no_grad():
            for ctx.x, ctx.y in valid.batches.ordered():
                self._call("on_batch_valid_begin")
                ctx.y_hat = ctx.network(*ctx.x)
                several.append(ctx.y_hat)
                self._call("on_batch_valid_end")
            output = torch.cat(several)
            asked = any("loss" in m.needs for m in ctx.measures_valid)
            loss = _value(ctx.loss, output, valid.batches.tensors[-1]) if asked else None
        put_back(modes)
        self.scored = versions(ctx.network)
        prediction = self.link.predict(output.cpu(), valid.task, with_prob=True)
        return {m.id: m.score(prediction, task=valid.task, loss=loss) for m in ctx.measures_valid}


def trained_modules(ctx: Context) -> list[torch.nn.Module]:
    """The network, and the loss where it is a module."""
    return [ctx.network, ctx.loss] if isinstance(ctx.loss, torch.nn.Module) else [ctx.network]


def modes_of(ctx: Context) -> list[tuple[torch.nn.Module, bool]]:
    """Every module of the network and the loss, and whether it is in training mode."""
    return [(module, module.training) for whole in trained_modules(ctx) for module in whole.modules()]


def put_back(modes: Sequence[tuple[torch.nn.Module, bool]]) -> None:
    """Every module in the mode that it was in."""
    for module, training in modes:
        module.training = training


def versions(network: torch.nn.Module) -> list[tuple[int, int]]:
    """What changes when a weight does: which memory it is, and how often that was written to."""
    return [(t.data_ptr(), t._version) for t in (*network.parameters(), *network.buffers())]


def _callable(thing: Any) -> Callable[..., Any]:
    """What to call for a module: its forward where no hook listens, which saves two microseconds a call."""
    if not isinstance(thing, torch.nn.Module):
        return thing
    hooks = (thing._forward_hooks, thing._forward_pre_hooks, thing._backward_hooks, thing._backward_pre_hooks)
    return thing if any(hooks) else thing.forward


def _value(loss: Callable[..., torch.Tensor], output: torch.Tensor, target: torch.Tensor) -> float:
    try:
        return float(loss(output, target))
    except Exception as error:
        refuse_failed(error, loss, output, target)
        raise


def _without(positives: torch.Tensor | None, rows: torch.Tensor | None, sizes: Sequence[int]) -> int | None:
    """How many batches have no positive row, where that is counted; rows: in which order they come (None: as they are)."""
    if positives is None:
        return None
    until = torch.cumsum(positives if rows is None else positives[rows], 0)[torch.tensor(sizes).cumsum(0) - 1]
    return int((torch.diff(until, prepend=until.new_zeros(1)) == 0).sum())


def refuse_failed(error: Exception, loss: Any, output: torch.Tensor, target: torch.Tensor) -> None:
    """Say which loss it is that failed, and on what; errors of our own say so themselves."""
    if isinstance(error, PipeOpsError):
        return
    given = getattr(loss, "func", loss)
    name = getattr(given, "__name__", type(given).__name__)
    shown = [f"{tuple(t.shape)} {str(t.dtype).removeprefix('torch.')}" for t in (output, target)]
    raise TrainingError(
        f"torch_loss: {name} failed on an output of {shown[0]} and a target of {shown[1]}: {type(error).__name__}: {error}"
    ) from error


def refuse_one_row(error: Exception, ctx: Context) -> None:
    """Say what to do about a batch of one row that batch norm cannot take."""
    if "more than 1 value per channel" in str(error):
        raise TrainingError(
            f"batch norm needs more than one row in a batch, and batch {ctx.step} of epoch {ctx.epoch} has {len(ctx.y)}; set "
            "drop_last=True in the model node, or another batch_size."
        ) from error


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


def _refuse_non_finite(losses: Sequence[float], ctx: Context) -> None:
    for batch, value in enumerate(losses, 1):
        if not math.isfinite(value):
            raise TrainingError(
                f"the loss became {value} in epoch {ctx.epoch}, batch {batch} of {len(losses)}; lower the learning "
                'rate, scale the features with po("scale"), or look at the loss.'
            )
