"""Half precision and compiled networks: how a network is called in training, where the node asks for other than the plain way.

Weights, gradients and what is validated and predicted stay in float32. Neighbours: set-up asks; the engine of autograd calls what
is made here, and the scaled stepper keeps small gradients of float16 from vanishing.
"""

import functools
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from pipeops.errors import ConfigError
from pipeops.net.callbacks.context import Context
from pipeops.net.callbacks.gradients import Accumulate
from pipeops.net.optimizers.fused import ClosureStepper, ObjectStepper

if TYPE_CHECKING:
    from pipeops.net.training.model import TorchModel

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
Forward = Callable[..., torch.Tensor]


def forward_of(node: "TorchModel", ctx: Context) -> Forward | None:
    """How the network is called in training; None for as it is. With "fp16" the stepper scales the loss."""
    call: Forward | None = Compiled(ctx.network, str(node.id)) if node.compile else None
    if node.precision == "fp32":
        return call
    if node.precision == "fp16":
        _check_scaled(node, ctx)
        ctx.stepper = ScaledStepper(ctx.stepper.object(), ctx.device.type)
    return functools.partial(_lower, call or ctx.network, ctx.device.type, DTYPES[node.precision])


def _lower(call: Forward, device: str, dtype: torch.dtype, *inputs: torch.Tensor) -> torch.Tensor:
    """What a network answers where its operations may be made in half precision, in float32."""
    with torch.autocast(device, dtype):
        output = call(*inputs)
    return output.float()


def _check_scaled(node: "TorchModel", ctx: Context) -> None:
    if isinstance(ctx.stepper, ClosureStepper) or any(isinstance(c, Accumulate) for c in ctx.callbacks.values()):
        raise ConfigError(
            f'{node.id}: precision="fp16" scales the loss of one step, which neither accumulated gradients nor an optimizer that '
            'evaluates the loss itself can take; use "bf16".'
        )


class Compiled:
    """A network through `torch.compile`; where that fails at first, as it is, with a warning that says why."""

    def __init__(self, network: torch.nn.Module, who: str):
        self.network, self.who, self.works = network, who, False
        self.call: Any = None

    def __call__(self, *inputs: torch.Tensor) -> torch.Tensor:
        if self.works:
            return self.call(*inputs)
        try:
            self.call = torch.compile(self.network)
            output: torch.Tensor = self.call(*inputs)
        except Exception as error:  # whatever a compiler finds, on any machine
            text = str(error).strip().splitlines() or [""]
            warnings.warn(f"{self.who}: trains without compile: {type(error).__name__}: {text[0]}", stacklevel=2)
            self.call, output = self.network, self.network(*inputs)
        self.works = True
        return output


class ScaledStepper(ObjectStepper):
    """Scales the loss before the backward pass and the gradients back after it, and leaves a step out that overflowed."""

    def __init__(self, optimizer: "torch.optim.Optimizer", device: str):
        super().__init__(optimizer)
        self.scaler = torch.amp.GradScaler(device)

    def backward(self, loss: torch.Tensor) -> None:
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimizer)

    def step(self) -> None:
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        return {"optimizer": self.optimizer.state_dict(), "scaler": self.scaler.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
