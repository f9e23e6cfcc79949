"""The shelf of callbacks: `t_clbk("history")` and its like; and early stopping, which the model node sets up itself.

Add one by a subclass of `Callback`. Neighbours: base has the machinery and the stages.
"""

import math
from collections.abc import Callable
from typing import Any, ClassVar

import attrs
import torch

from pipeops.bars import Bar
from pipeops.net.callbacks.base import Callback
from pipeops.net.callbacks.context import Context
from pipeops.params import flag, integer
from pipeops.shorthand import t_clbk

Recorded = dict[int, dict[str, float]]
RESERVED = "early_stopping"
"""The id of the callback that the model node sets up itself."""


@t_clbk.add("history")
@attrs.define(eq=False, repr=False, slots=False)
class History(Callback):
    """The scores of each evaluated epoch: a column `epoch`, `train.loss`, then `train.<measure>` and `valid.<measure>`.

    Epochs count from 1; `train.loss` is the mean of the batches' losses, each as often as it has rows. Every model has
    one; `learner.history` shows it.
    batches_without_positives: whether to count, on two classes, the batches of each evaluated epoch that have no positive row,
    in a column `train.batches_without_positives`.

    >>> from pipeops import t_clbk
    >>> t_clbk("history").state_dict()
    {'epoch': []}
    """

    only_reads: ClassVar[bool] = True
    batches_without_positives: bool = flag(False)

    def __attrs_post_init__(self) -> None:
        self._train: Recorded = {}
        self._valid: Recorded = {}

    def on_before_valid(self, ctx: Context) -> None:
        if not ctx.evaluated:
            return
        row = {f"train.{k}": v for k, v in ctx.last_scores_train.items()}
        row.setdefault("train.loss", ctx.mean_loss)
        if ctx.batches_without_positives is not None:
            row["train.batches_without_positives"] = ctx.batches_without_positives
        self._train[ctx.epoch] = row

    def on_epoch_end(self, ctx: Context) -> None:
        if ctx.last_scores_valid:
            self._valid[ctx.epoch] = {f"valid.{k}": v for k, v in ctx.last_scores_valid.items()}

    def state_dict(self) -> dict[str, list[Any]]:
        """Columns by name."""
        epochs = [e for e in self._train or self._valid if not self._valid or e in self._valid]
        rows = [{**self._train.get(e, {}), **self._valid.get(e, {})} for e in epochs]
        return {"epoch": epochs, **{name: [row[name] for row in rows] for name in (rows[0] if rows else ())}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for k, epoch in enumerate(state["epoch"]):
            row = {name: column[k] for name, column in state.items() if name != "epoch"}
            self._train[epoch] = {name: v for name, v in row.items() if name.startswith("train.")}
            valid = {name: v for name, v in row.items() if name.startswith("valid.")}
            self._valid.update({epoch: valid} if valid else {})


@t_clbk.add("progress")
@attrs.define(eq=False, repr=False, slots=False)
class Progress(Callback):
    """A tqdm bar over the epochs: time left, loss, latest scores, the best one, and the patience that is left.

    Seen on a terminal and in notebooks; quiet in files, and inside of a resampling or a search, which have bars of their own. Of
    networks that train at the same time the first one has the bar. leave: keep it on the screen. digits: how many significant
    ones the scores have.

    >>> from pipeops import t_clbk
    >>> t_clbk("progress", leave=False)
    t_clbk("progress", leave=False)
    """

    only_reads: ClassVar[bool] = True
    leave: bool = flag(True)
    digits: int = integer(1, default=2)

    def on_begin(self, ctx: Context) -> None:
        self._bar, self._latest = Bar("epochs", ctx.epochs, "epoch", leave=self.leave), dict[str, float]()

    def on_epoch_end(self, ctx: Context) -> None:
        bar: Bar | None = vars(self).get("_bar")
        if bar is not None:
            bar.tell(ctx.epoch, self._facts(ctx) if bar.seen else None)

    def _facts(self, ctx: Context) -> dict[str, str]:
        """What a person waits for."""
        self._latest |= {f"train.{k}": v for k, v in ctx.last_scores_train.items() if k != "loss"}
        self._latest |= {f"valid.{k}": v for k, v in ctx.last_scores_valid.items()}
        stopping = ctx.callbacks.get(RESERVED)
        best = stopping.best_so_far if isinstance(stopping, EarlyStopping) else {}
        numbers = {"loss": ctx.mean_loss, **self._latest, **best}
        shown = {name: f"{value:.{self.digits}g}" for name, value in numbers.items()}
        if isinstance(stopping, EarlyStopping) and stopping.left is not None:
            shown["patience"] = str(stopping.left)
        return shown

    def on_exit(self, ctx: Context) -> None:
        bar: Bar | None = self.__dict__.pop("_bar", None)
        if bar is not None:
            bar.close()

    def state_dict(self) -> dict[str, Any]:
        """Nothing to keep."""
        return {}


class EarlyStopping(Callback):
    """Watches the first validation measure: notes the best epoch, stops after `patience` evaluations without a better one.

    An epoch is better when its score improves on the best one so far by more than `min_delta`; NaN never does.
    With patience 0 it only watches. `restore` keeps the best epoch's weights and puts them back at the end. `on_round` is told
    each score.
    """

    only_reads: ClassVar[bool] = True  # but for the weights of the best epoch, when training is over

    def __init__(self, patience: int, min_delta: float, minimize: bool, restore: bool):
        self.patience, self.min_delta, self.minimize, self.restore = patience, min_delta, minimize, restore
        self.best_epoch: int | None = None
        self.best_scores: dict[str, float] = {}
        self.on_round: Callable[[int, float], object] | None = None
        self._best = math.nan
        self._stagnation = 0
        self._weights: dict[str, torch.Tensor] = {}

    @property
    def best_so_far(self) -> dict[str, float]:
        """The best score, by a name that says so."""
        return {} if math.isnan(self._best) else {"best": self._best}

    @property
    def left(self) -> int | None:
        """How many evaluations more without a better one there may be; None where it only watches."""
        return max(self.patience - self._stagnation, 0) if self.patience else None

    def on_valid_end(self, ctx: Context) -> None:
        score = next(iter(ctx.last_scores_valid.values()), math.nan)
        if self.on_round is not None:
            self.on_round(ctx.epoch, score)
        gain = self._best - score if self.minimize else score - self._best
        if gain > self.min_delta or (math.isnan(self._best) and not math.isnan(score)):
            self._note(ctx, score)
            return
        self._stagnation += 1
        if 0 < self.patience <= self._stagnation:
            ctx.terminate = True

    def _note(self, ctx: Context, score: float) -> None:
        self._best, self._stagnation = score, 0
        self.best_epoch, self.best_scores = ctx.epoch, dict(ctx.last_scores_valid)
        if self.restore:
            self._weights = {name: value.detach().clone() for name, value in ctx.network.state_dict().items()}

    def on_exit(self, ctx: Context) -> None:
        if self._weights:
            ctx.network.load_state_dict(self._weights)
            ctx.last_scores_valid, self._weights = self.best_scores, {}

    def state_dict(self) -> dict[str, Any]:
        """The best epoch and its scores; while training goes on also its weights, and how long it has been the best."""
        kept = {"best_epoch": self.best_epoch, "best_scores": self.best_scores}
        return kept | {"best": self._best, "stagnation": self._stagnation, "weights": self._weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best_epoch, self.best_scores, self._weights = state["best_epoch"], state["best_scores"], state["weights"]
        self._best, self._stagnation = state["best"], state["stagnation"]
