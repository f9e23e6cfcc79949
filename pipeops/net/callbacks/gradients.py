"""What is done to gradients before a step: clipping them, and adding up those of several batches.

Neighbours: base has the stages; the loop of `training/engine.py` takes no step while `ctx.hold` is set.
"""

from typing import ClassVar

import attrs
import torch

from pipeops.errors import ConfigError
from pipeops.net.callbacks.base import Callback
from pipeops.net.callbacks.context import Context
from pipeops.params import UNSET, integer, real
from pipeops.shorthand import t_clbk


class OfGradients(Callback):
    """Base of these: a required hyperparameter must be set."""

    def on_begin(self, ctx: Context) -> None:
        for name, value in self.params.items():
            if value is UNSET:
                raise ConfigError(f"{self.id}: set '{name}' before training.")


def _trained(ctx: Context) -> list[torch.nn.Parameter]:
    """The parameters of the network, and of the loss where it has some."""
    own = list(ctx.loss.parameters()) if isinstance(ctx.loss, torch.nn.Module) else []
    return [*ctx.network.parameters(), *own]


@t_clbk.add("clip_grad_norm")
@attrs.define(eq=False, repr=False, slots=False)
class ClipGradNorm(OfGradients):
    """Gradients whose norm, over all parameters, is above `max_norm` are scaled down to it (Pascanu et al. 2013).

    norm_type: which norm; `torch.nn.utils.clip_grad_norm_`.

    >>> from pipeops import t_clbk
    >>> t_clbk("clip_grad_norm", max_norm=1.0)
    t_clbk("clip_grad_norm", max_norm=1.0)
    """

    in_place: ClassVar[bool] = True
    max_norm: float = real(0)
    norm_type: float = real(0, default=2.0)

    def on_after_backward(self, ctx: Context) -> None:
        if not ctx.hold:
            torch.nn.utils.clip_grad_norm_(_trained(ctx), self.max_norm, self.norm_type)


@t_clbk.add("clip_grad_value")
@attrs.define(eq=False, repr=False, slots=False)
class ClipGradValue(OfGradients):
    """Every element of a gradient is put into [-clip_value, clip_value]; `torch.nn.utils.clip_grad_value_`.

    >>> from pipeops import t_clbk
    >>> t_clbk("clip_grad_value", clip_value=0.5)
    t_clbk("clip_grad_value", clip_value=0.5)
    """

    in_place: ClassVar[bool] = True
    clip_value: float = real(0)

    def on_after_backward(self, ctx: Context) -> None:
        if not ctx.hold:
            torch.nn.utils.clip_grad_value_(_trained(ctx), self.clip_value)


@t_clbk.add("accumulate")
@attrs.define(eq=False, repr=False, slots=False)
class Accumulate(OfGradients):
    """A step only after every `batches` batches, with the mean of their gradients: a large batch in little memory.

    At the end of an epoch the step is made with those that are there.

    >>> from pipeops import t_clbk
    >>> t_clbk("accumulate", batches=4)
    t_clbk("accumulate", batches=4)
    """

    weight = -1.0  # before gradients are clipped
    batches: int = integer(1)

    def on_epoch_begin(self, ctx: Context) -> None:
        self._number = 0

    def on_after_backward(self, ctx: Context) -> None:
        self._number += 1
        ctx.hold = self._number < self.batches and ctx.step < ctx.steps
        if not ctx.hold:
            for param in _trained(ctx):
                if param.grad is not None:
                    param.grad.div_(self._number)
            self._number = 0
