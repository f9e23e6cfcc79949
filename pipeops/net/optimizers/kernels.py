"""One stepper for each optimizer that has a kernel: Adam, AdamW, SGD, RMSprop and Adagrad, to the numbers of `torch.optim`.

A kernel takes lists of tensors, the parameters of one network or flat buffers of several. Neighbours: fused is the base;
the shelf makes these.
"""

from collections.abc import Sequence
from typing import Any

import torch

from pipeops.net.optimizers.fused import FusedStepper, Tensors

torch_: Any = torch  # torch.optim's own way to the kernels, which have no public names


class Counter:
    """Numbers of steps as tensors, which some kernels ask for: a few at once, as filling one costs more than reading one."""

    def __init__(self, like: torch.Tensor):
        self.like, self.first, self.numbers = like, 0, ()

    def __call__(self, step: int) -> torch.Tensor:
        """This number; not to be written to."""
        place = step - self.first
        if not 0 <= place < len(self.numbers):
            place, self.first = 0, step
            self.numbers = torch.arange(step, step + 64, dtype=torch.float32, device=self.like.device).unbind()
        return self.numbers[place]


class FusedAdam(FusedStepper):
    """Adam and, with `decoupled`, AdamW (Kingma & Ba 2015; Loshchilov & Hutter 2019)."""

    def __init__(self, params: Tensors, settings: dict[str, Any], decoupled: bool):
        super().__init__(params, settings)
        self.call = torch_._fused_adamw_ if decoupled else torch_._fused_adam_
        self.torch_class = "AdamW" if decoupled else "Adam"  # type: ignore[misc]
        self.decouples = decoupled
        self.count = Counter(self.values[0])

    def prepare(self) -> None:
        self.constants = {n: self.settings[n] for n in ("weight_decay", "eps", "amsgrad", "maximize")}
        self.constants["beta1"], self.constants["beta2"] = self.settings["betas"]

    def kept(self) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq", *(("max_exp_avg_sq",) if self.settings["amsgrad"] else ()))

    def kernel(self, values: Tensors, grads: Tensors, memory: Sequence[Tensors], step: int) -> None:
        mean, square, *largest = memory
        counts = [self.count(step)] * len(values)
        self.call(values, grads, mean, square, largest[0] if largest else [], counts, lr=self.lr, **self.constants)


class FusedSGD(FusedStepper):
    """Stochastic gradient descent with momentum (as torch has it: the first step takes the gradient as the buffer)."""

    torch_class = "SGD"

    def prepare(self) -> None:
        self.constants = {n: self.settings[n] for n in ("weight_decay", "momentum", "dampening", "nesterov", "maximize")}

    def kept(self) -> tuple[str, ...]:
        return ("momentum_buffer",) if self.settings["momentum"] else ()

    def kernel(self, values: Tensors, grads: Tensors, memory: Sequence[Tensors], step: int) -> None:
        buffers = memory[0] if memory else []
        torch_._fused_sgd_(values, grads, buffers, lr=self.lr, is_first_step=bool(memory) and step == 1, **self.constants)

    def state(self, i: int) -> dict[str, Any]:
        return {}


class FusedAdagrad(FusedStepper):
    """Adagrad (Duchi et al. 2011)."""

    torch_class = "Adagrad"
    remembers = ("sum",)

    def __init__(self, params: Tensors, settings: dict[str, Any]):
        super().__init__(params, settings)
        for total in self.memory[0]:
            total.fill_(settings["initial_accumulator_value"])
        self.count = Counter(self.values[0])

    def prepare(self) -> None:
        self.constants = {n: self.settings[n] for n in ("lr_decay", "weight_decay", "eps", "maximize")}

    def kernel(self, values: Tensors, grads: Tensors, memory: Sequence[Tensors], step: int) -> None:
        counts = [self.count(step)] * len(values)
        torch_._fused_adagrad_(values, grads, memory[0], counts, lr=self.lr, **self.constants)


class FusedRMSprop(FusedStepper):
    """RMSprop (Tieleman & Hinton 2012), which has no kernel of its own: in few calls over all parameters."""

    torch_class = "RMSprop"

    def kept(self) -> tuple[str, ...]:
        wanted = {"square_avg": True, "momentum_buffer": self.settings["momentum"], "grad_avg": self.settings["centered"]}
        return tuple(name for name, kept in wanted.items() if kept)

    def kernel(self, values: Tensors, grads: Tensors, memory: Sequence[Tensors], step: int) -> None:
        s, known = self.settings, dict(zip(self.kept(), memory, strict=True))
        if s["maximize"]:
            grads = torch_._foreach_neg(grads)
        if s["weight_decay"]:
            grads = torch_._foreach_add(grads, values, alpha=s["weight_decay"])
        square = known["square_avg"]
        torch_._foreach_mul_(square, s["alpha"])
        torch_._foreach_addcmul_(square, grads, grads, 1 - s["alpha"])
        size = self._centered(square, known["grad_avg"], grads) if s["centered"] else torch_._foreach_sqrt(square)
        torch_._foreach_add_(size, s["eps"])
        if s["momentum"]:
            torch_._foreach_mul_(known["momentum_buffer"], s["momentum"])
            torch_._foreach_addcdiv_(known["momentum_buffer"], grads, size)
            torch_._foreach_add_(values, known["momentum_buffer"], alpha=-self.lr)
        else:
            torch_._foreach_addcdiv_(values, grads, size, -self.lr)

    def _centered(self, square: Tensors, mean: Tensors, grads: Tensors) -> Any:
        torch_._foreach_lerp_(mean, grads, 1 - self.settings["alpha"])
        variance = torch_._foreach_addcmul(square, mean, mean, -1)
        torch_._foreach_sqrt_(variance)
        return variance

    def fused(self) -> dict[str, Any]:
        return {}
