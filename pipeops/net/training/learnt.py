"""Which parameters a run learns, by identity: one that a callback puts in the place of another is learnt from then on.

An optimizer holds the parameters that it was given. Whether those are still the network's is looked at once an epoch, and after
each batch where callbacks are called within epochs. Neighbours: optimizers below; the trainer and the engine ask.
"""

import torch

from pipeops.errors import TrainingError
from pipeops.net.callbacks.context import Context


def trained_modules(ctx: Context) -> list[torch.nn.Module]:
    """The network, and the loss where it is a module."""
    return [ctx.network, ctx.loss] if isinstance(ctx.loss, torch.nn.Module) else [ctx.network]


class Learnt:
    """The parameters that the run's stepper knows, and the modules that they stand in."""

    def __init__(self, ctx: Context):
        self.ctx = ctx
        self.known = self._present()
        self._note()

    def follow(self) -> None:
        """Let the stepper go on with the parameters and the data that are there now, where anything stands at another place."""
        if any(held.get(name) is not thing for held, name, thing in self.places):
            self.renew()
        else:
            self.ctx.stepper.follow()

    def renew(self) -> None:
        """The same, and what was added or is to be trained from now on."""
        present, known = self._present(), {id(p) for p in self.known.values()}
        left = {id(p) for p in present.values()}
        for name, param in present.items():
            if param.requires_grad and id(param) not in known:
                before = self.known.get(name)
                self._exchange(name, None if before is None or id(before) in left else before, param)
        self.known = {n: p for n, p in present.items() if p.requires_grad or id(p) in known}
        self._note()
        self.ctx.stepper.follow()

    def _exchange(self, name: str, before: torch.nn.Parameter | None, param: torch.nn.Parameter) -> None:
        param.grad = None
        if not self.ctx.stepper.exchange(before, param):
            done = "was added" if before is None else "was put in the place of another"
            raise TrainingError(
                f"'{name}' of the network {done} by a callback in epoch {self.ctx.epoch}, and the optimizer cannot go on with it "
                f"({tuple(param.shape)}, {str(param.dtype).removeprefix('torch.')}, {param.device}); write into the one that is "
                "there, with param.data.copy_(...), or let ctx.optimizer know it, with add_param_group."
            )

    def _present(self) -> dict[str, torch.nn.Parameter]:
        found = dict(self.ctx.network.named_parameters())
        return found | {f"loss.{n}": p for whole in trained_modules(self.ctx)[1:] for n, p in whole.named_parameters()}

    def _note(self) -> None:
        modules = [module for whole in trained_modules(self.ctx) for module in whole.modules()]
        self.places = [(d, n, v) for m in modules for d in (m._parameters, m._modules) for n, v in d.items()]
