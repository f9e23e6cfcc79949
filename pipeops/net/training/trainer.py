"""The training loop: epochs, stages, scores. It knows nothing of graphs, nodes or data frames.

A run is a generator: it yields each `Epoch`, the rows that are to be trained on, and is sent what came of them, losses and
outputs. How a step is made it does not know; engines answer the epochs of one run or of several at once. Stages that no
callback overrides are empty lists. Neighbours: batches, callbacks and link below; engines and the drivers above; set-up
makes one.
"""

import math
import operator
from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple

import attrs
import torch

from pipeops.data import Task
from pipeops.errors import PipeOpsError, TrainingError
from pipeops.net.callbacks.base import Callback, may_be_together, sees_batches, stages_of, works_in_place
from pipeops.net.callbacks.context import Context
from pipeops.net.callbacks.shelf import EarlyStopping, History
from pipeops.net.inputs.batches import Epochs, Loader
from pipeops.net.inputs.link import Link
from pipeops.net.layers.modules.members import MemberHead
from pipeops.net.network.unseen import answer
from pipeops.net.training.interrupts import Interrupt, Interrupted
from pipeops.net.training.learnt import Learnt, trained_modules


class Epoch(NamedTuple):
    """What one epoch trains on: row positions, batch after batch (None: all in order), and the size of each batch.

    keeps: whether what the network puts out will be scored.
    """

    rows: torch.Tensor | None
    sizes: list[int]
    keeps: bool


class Trained(NamedTuple):
    """What came of an epoch: the loss of each batch, and the outputs where they are wanted, in the order of the rows."""

    losses: Sequence[float]
    outputs: Sequence[torch.Tensor]


TrainingRun = Generator[Epoch, Trained, None]


@attrs.frozen(eq=False)
class Validation:
    """Data to score on while training, in batches. levels: of each input that is codes, how many training knows."""

    task: Task
    batches: Loader
    levels: Sequence[tuple[int, ...] | None]


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
        """positives: which rows are positive, where batches without one are to be counted.

        forward: how the network is called in training, where not as it is. put_back: lets a run that is resumed be where it was,
        after `on_begin`. own: whether a callback may change what is shared. sees_batches: whether one looks at each batch.
        in_place: whether one works in place. shows: whether one may look at the last batch of an epoch.
        """
        self.ctx, self.epochs, self.link, self.valid, self.eval_freq = ctx, epochs, link, valid, eval_freq
        self.positives, self.interrupt = positives, Interrupt()
        self.forward: Callable[..., torch.Tensor] | None = None
        self.put_back: Callable[[Context], None] | None = None
        self.stages = stages_of(callbacks)
        self.shows = any(type(c) not in (History, EarlyStopping) for c in callbacks)
        self.own = not all(may_be_together(c) for c in callbacks)
        self.sees_batches = any(sees_batches(c) for c in callbacks)
        self.in_place = any(works_in_place(c) for c in callbacks)
        self.learnt = Learnt(ctx)
        self.modes: list[tuple[torch.nn.Module, bool]] = []
        self.scored: list[tuple[int, int]] | None = None
        self.predictions: dict[str, Any] = {}
        steps = 0 if epochs.draw is not None else len(epochs.sizes)
        vars(ctx).update(predictions=self.predictions, batches=epochs.batches, steps=steps)
        ctx.stepper.watch(ctx)

    def run(self, generator: torch.Generator) -> TrainingRun:
        """All epochs, or until a callback sets `terminate`; the generator draws rows. `on_exit` is called in any case."""
        try:
            self.begin()
            while self.goes_on:
                self.begin_epoch()
                rows = self.epochs.draws(generator)
                epoch = Epoch(rows, self.epochs.sizes, self.wants_outputs)
                self.ctx.steps = len(epoch.sizes)
                try:
                    trained = yield epoch
                except Interrupted:
                    self.ctx.epoch -= 1  # those that are complete
                    break
                self.end_epoch(trained.losses, trained.outputs if epoch.keeps else None, rows)
            self.end()
        finally:
            self.exit()

    def begin(self) -> None:
        """Before the first epoch. Which modules are in training mode then is what every epoch begins with."""
        for module in trained_modules(self.ctx):
            module.train()
            for part in module.modules():
                if getattr(part, "is_frozen", False):
                    part.eval()
        self._call("on_begin")
        self.modes = modes_of(self.ctx)
        if self.put_back is not None:
            self.put_back(self.ctx)

    @property
    def goes_on(self) -> bool:
        """Whether there is another epoch."""
        return not self.ctx.terminate and not self.interrupt.asked and self.ctx.epoch < self.ctx.epochs

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
        self.predictions.clear()
        put_modes_back(self.modes)
        self._call("on_epoch_begin")
        if self.own:
            self.learnt.renew()

    def end_epoch(self, losses: Sequence[float], outputs: Sequence[torch.Tensor] | None, rows: torch.Tensor | None) -> None:
        """After the last batch: a loss for each, the outputs where they are wanted, and whose rows they are (None: in order)."""
        ctx = self.ctx
        _refuse_non_finite(losses, ctx)
        ctx.evaluated = self.evaluates
        amounts = _amounts(self.epochs, rows)
        ctx.mean_loss = sum(map(operator.mul, losses, amounts)) / sum(amounts)
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
            for batches in (self.epochs.batches, *([] if self.valid is None else [self.valid.batches])):
                batches.close()

    def _call(self, stage: str) -> None:
        for call in self.stages[stage]:
            call(self.ctx)

    def _train_scores(self, outputs: Sequence[torch.Tensor] | None, rows: torch.Tensor | None) -> dict[str, float]:
        """Scores of what the network put out while it was trained; of the loss, its mean over rows."""
        ctx = self.ctx
        prediction = None if outputs is None else self._seen(torch.cat(list(outputs)).cpu(), rows)
        self.predictions["train"] = prediction
        return {m.id: m.score(prediction, task=ctx.task, loss=ctx.mean_loss) for m in ctx.measures_train}

    def _seen(self, output: torch.Tensor, rows: torch.Tensor | None) -> Any:
        """The labelled table of the rows that the network was trained on."""
        task = self.ctx.task
        output = _united(self.ctx.network, output)
        if rows is None:
            return self.link.predict(output, task, with_all=True)
        whole = torch.zeros((task.nrow, *output.shape[1:]), dtype=output.dtype)
        whole[rows] = output
        prediction = self.link.predict(whole, task, with_all=True)
        return prediction if len(rows) == task.nrow else prediction.take(torch.unique(rows).numpy())

    def _valid_scores(self, valid: Validation) -> dict[str, float]:
        ctx, several, modes = self.ctx, list[torch.Tensor](), modes_of(self.ctx)
        for module in trained_modules(ctx):
            module.eval()
        with torch.no_grad():
            for ctx.x, ctx.y, _ in valid.batches.ordered():
                self._call("on_batch_valid_begin")
                ctx.y_hat = answer(ctx.network, ctx.x, valid.levels)
                several.append(ctx.y_hat)
                self._call("on_batch_valid_end")
            output = torch.cat(several)
            asked = any("loss" in m.needs for m in ctx.measures_valid)
            loss = _value(ctx.loss, output, valid.batches.tensors[-1], valid.batches.weights) if asked else None
        put_modes_back(modes)
        self.scored = versions(ctx.network)
        self.predictions["valid"] = prediction = self.link.predict(output.cpu(), valid.task, with_all=True)
        return {m.id: m.score(prediction, task=valid.task, loss=loss) for m in ctx.measures_valid}


def _united(network: torch.nn.Module, output: torch.Tensor) -> torch.Tensor:
    """What the members of an ensemble that ends the network predict together; another network's output as it is."""
    heads = [module for module in network.modules() if isinstance(module, MemberHead)] if output.ndim == 3 else []
    return heads[-1].united(output) if heads else output


def modes_of(ctx: Context) -> list[tuple[torch.nn.Module, bool]]:
    """Every module of the network and the loss, and whether it is in training mode."""
    return [(module, module.training) for whole in trained_modules(ctx) for module in whole.modules()]


def put_modes_back(modes: Sequence[tuple[torch.nn.Module, bool]]) -> None:
    """Every module in the mode that it was in."""
    for module, training in modes:
        if module.training is not training:
            module.training = training


def versions(network: torch.nn.Module) -> list[tuple[int, int]]:
    """What changes when a weight does: which memory it is, and how often that was written to."""
    return [(t.data_ptr(), t._version) for t in (*network.parameters(), *network.buffers())]


def _amounts(epochs: Epochs, rows: torch.Tensor | None) -> list[float]:
    """How much each batch counts for: its rows, or their weights; rows: in which order they come (None: as they are)."""
    weights = epochs.batches.weights
    if weights is None:
        return epochs.sizes  # type: ignore[return-value]
    ordered = weights if rows is None else weights[rows.to(weights.device)]
    return [float(part.sum()) for part in ordered[: sum(epochs.sizes)].split(epochs.sizes)]


def _value(loss: Callable[..., torch.Tensor], output: torch.Tensor, target: torch.Tensor, weights: torch.Tensor | None) -> float:
    """The loss of copies, into which it may write."""
    try:
        return float(loss(output.clone(), target.clone(), *([] if weights is None else [weights.clone()])))
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


def refuse_no_gradient(error: Exception) -> None:
    """Say what keeps torch from the gradient of a loss, where that is known."""
    if "modified by an inplace operation" in str(error):
        raise TrainingError(
            "a layer, the loss or a callback writes in place into something that the gradient of the loss needs, such as the "
            "labels or the output; let it work on a copy (x.clone())."
        ) from error
    if "backward through the graph a second time" in str(error):
        raise TrainingError(
            "the loss depends on something that was computed in an earlier batch, through which gradients cannot go again; keep "
            "only values between batches (x.detach())."
        ) from error


def refuse_one_row(error: Exception, ctx: Context) -> None:
    """Say what to do about a batch of one row that batch norm cannot take."""
    if "more than 1 value per channel" in str(error):
        raise TrainingError(
            f"batch norm needs more than one row in a batch, and batch {ctx.step} of epoch {ctx.epoch} has {len(ctx.y)}; "
            "choose another batch_size, leave a last batch that is not full out, or let the batch_sampler make larger ones."
        ) from error


def _refuse_non_finite(losses: Sequence[float], ctx: Context) -> None:
    for batch, value in enumerate(losses, 1):
        if not math.isfinite(value):
            raise TrainingError(
                f"the loss became {value} in epoch {ctx.epoch}, batch {batch} of {len(losses)}; lower the learning "
                'rate, scale the features with po("scale"), or look at the loss.'
            )
