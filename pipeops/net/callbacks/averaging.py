"""Averages of weights over training, which predict in their place: exponential ones, and equal ones of the last epochs.

The averages lie beside the network, and are copied into it where it is validated and at the end. Numbers are those of
`torch.optim.swa_utils`. Neighbours: base has the stages.
"""

from collections.abc import Iterator
from typing import Any, ClassVar

import attrs
import torch
from torch.optim.swa_utils import update_bn

from pipeops.errors import ConfigError
from pipeops.net.callbacks.base import Callback
from pipeops.net.callbacks.context import Context
from pipeops.params import choice, integer, real
from pipeops.shorthand import t_clbk


class Averaging(Callback):
    """Base: the averages, how many states of the network are in them, and the exchange with the network."""

    weight = -1.0  # at the end of an epoch the network is itself again before others look

    def on_begin(self, ctx: Context) -> None:
        self._averages: list[torch.Tensor] = []
        self._number = 0

    def note(self, ctx: Context, share: float) -> None:
        """Move the averages by a share towards the weights; the first time they are these."""
        now = [p.detach() for p in ctx.network.parameters()]
        if not self._averages:
            self._averages = [p.clone() for p in now]
        else:
            torch._foreach_lerp_(self._averages, now, share)  # type: ignore[attr-defined]
        self._number += 1

    def exchange(self, ctx: Context) -> None:
        """The averages into the network, and its weights in their place; once more puts both back."""
        if self._averages:
            now = [p.detach() for p in ctx.network.parameters()]
            kept = [p.clone() for p in now]
            torch._foreach_copy_(now, self._averages)  # type: ignore[attr-defined]
            self._averages = kept

    def on_end(self, ctx: Context) -> None:
        self.exchange(ctx)
        self._averages = []

    def state_dict(self) -> dict[str, Any]:
        """The averages while training goes on, and of how many states of the network they are."""
        return {"averages": list(self._averages), "number": self._number}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._averages, self._number = list(state["averages"]), state["number"]


@t_clbk.add("ema")
@attrs.define(eq=False, repr=False, slots=False)
class EMA(Averaging):
    """The network is validated, and ends, with an exponential moving average of its weights (Polyak & Juditsky 1992).

    decay: the share of the old average at each update. by: whether it is updated after each "batch" or "epoch". Statistics of
    batch norms are those of the network in training.

    >>> from pipeops import t_clbk
    >>> t_clbk("ema", decay=0.99)
    t_clbk("ema", decay=0.99)
    """

    in_place: ClassVar[bool] = True
    decay: float = real(0, 1, default=0.999)
    by: str = choice("batch", "epoch", default="batch")

    def __attrs_post_init__(self) -> None:
        if self.by == "batch":
            self.on_batch_end = self._update

    def _update(self, ctx: Context) -> None:
        if not ctx.hold:
            self.note(ctx, 1 - self.decay)

    def on_before_valid(self, ctx: Context) -> None:
        if self.by == "epoch":
            self.note(ctx, 1 - self.decay)
        self._inside = ctx.evaluated and ctx.task_valid is not None
        if self._inside:
            self.exchange(ctx)

    def on_epoch_end(self, ctx: Context) -> None:
        if self._inside:
            self.exchange(ctx)


@t_clbk.add("swa")
@attrs.define(eq=False, repr=False, slots=False)
class SWA(Averaging):
    """The network ends with the mean of its weights after the last epochs (Izmailov et al. 2018).

    start: the first epoch whose weights count, from 1, by default after three quarters of all. freq: every so many epochs from
    there. At the end batch norms take their statistics anew, from the training rows.

    >>> from pipeops import t_clbk
    >>> t_clbk("swa", start=10)
    t_clbk("swa", start=10)
    """

    in_place: ClassVar[bool] = True
    start: int | None = integer(1, default=None)
    freq: int = integer(1, default=1)

    def on_begin(self, ctx: Context) -> None:
        super().on_begin(ctx)
        self._start = self.start or ctx.epochs * 3 // 4 + 1
        if self._start > ctx.epochs > 0:
            raise ConfigError(f"swa: 'start' is epoch {self._start}, and there are {ctx.epochs}; begin earlier.")

    def on_before_valid(self, ctx: Context) -> None:
        if ctx.epoch >= self._start and (ctx.epoch - self._start) % self.freq == 0:
            self.note(ctx, 1 / (self._number + 1))

    def state_dict(self) -> dict[str, Any]:
        """The averages, of how many epochs they are, and the first of these: a run that goes on for longer keeps it."""
        return {**super().state_dict(), "start": self._start}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._start = state.get("start", self._start)

    def on_end(self, ctx: Context) -> None:
        averaged = bool(self._averages)
        super().on_end(ctx)
        if averaged:
            update_bn(_inputs(ctx), _OfTuple(ctx.network), device=None)


class _OfTuple(torch.nn.Module):
    """The network, called with all of its inputs in one tuple."""

    def __init__(self, network: torch.nn.Module):
        super().__init__()
        self.network = network

    def forward(self, inputs: tuple[torch.Tensor, ...]) -> torch.Tensor:
        return self.network(*inputs)


def _inputs(ctx: Context) -> Iterator[list[Any]]:
    return ([x] for x, *_ in ctx.training_batches())
