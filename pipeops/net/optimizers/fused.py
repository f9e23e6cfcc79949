"""Optimizer steps through torch's fused kernels: one call updates all parameters, with no optimizer object in between.

The object costs a quarter of a small training step, and making one imports torch's compiler, which doubles the time that
a process needs to start. A stepper reads the gradients that `backward` left in `parameter.grad`, updates and clears them.
The kernels read memory in order and ignore strides, so that only contiguous parameters come here (`fusable`), and
gradients in another layout are copied. Neighbours: optimizers chooses between these and `ObjectStepper`.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch

Tensors = Sequence[torch.Tensor]
ADAM: Any = torch._fused_adam_  # pyright: ignore[reportPrivateImportUsage] - torch.optim's own way to the kernels
ADAMW: Any = torch._fused_adamw_  # pyright: ignore[reportPrivateImportUsage]
ADD: Any = torch._foreach_add_  # pyright: ignore[reportPrivateImportUsage]
SGD: Any = torch._fused_sgd_  # pyright: ignore[reportPrivateImportUsage]
DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


class Stepper(ABC):
    """Updates parameters from their gradients. `lr` may be set between steps."""

    lr: float

    def watch(self, batch: Any) -> None:  # noqa: B027 most steppers need the gradients only
        """Called once before training, with the run's context: its `x` and `y` are the present batch."""

    @abstractmethod
    def step(self) -> None:
        """Update every parameter that has a gradient, and clear the gradients."""

    @abstractmethod
    def object(self) -> "torch.optim.Optimizer":
        """A torch optimizer in the same state, for code that needs one."""


class ObjectStepper(Stepper):
    """The general way: a torch optimizer does it."""

    def __init__(self, optimizer: "torch.optim.Optimizer"):
        self.optimizer = optimizer

    @property
    def lr(self) -> float:  # type: ignore[override]
        """The learning rate of the first parameter group; setting it sets all."""
        return float(self.optimizer.param_groups[0]["lr"])

    @lr.setter
    def lr(self, value: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = value

    def step(self) -> None:
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def object(self) -> "torch.optim.Optimizer":
        return self.optimizer


def fusable(network: torch.nn.Module) -> bool:
    """Whether the fused kernels can update this network: contiguous dense floats of one type on one CPU or CUDA device."""
    params = list(network.parameters())
    kinds = {(p.dtype, p.device) for p in params}
    dense = all(p.is_contiguous() for p in params) and not any(getattr(m, "sparse", False) for m in network.modules())
    return dense and len(kinds) == 1 and all(t in DTYPES and d.type in ("cpu", "cuda") for t, d in kinds)


class FusedStepper(Stepper):
    """What the fused steppers share: collecting gradients, skipping parameters without one, and clearing them.

    `values` are the parameters without autograd, so that the kernels need no `no_grad` around them.
    """

    def __init__(self, params: Tensors, lr: float):
        self.params, self.lr = list(params), lr
        self.values = [p.detach() for p in self.params]

    @abstractmethod
    def update(self, which: Sequence[int] | None, values: Tensors, grads: Tensors) -> None:
        """Update the parameters with these values and places, all when `which` is None."""

    def step(self) -> None:
        grads: list[Any] = [p.grad for p in self.params]
        for grad in grads:
            if grad is None or not grad.is_contiguous():
                self._uneven(grads)
                break
        else:
            self.update(None, self.values, grads)
        for param in self.params:
            param.grad = None

    def _uneven(self, grads: list[Any]) -> None:
        which = [i for i, grad in enumerate(grads) if grad is not None]
        if which:
            self.update(which, [self.values[i] for i in which], [grads[i].contiguous() for i in which])


def _pick(values: Tensors, which: Sequence[int] | None) -> Tensors:
    return values if which is None or not values else [values[i] for i in which]


class FusedAdam(FusedStepper):
    """Adam and, with `decoupled`, AdamW (Kingma & Ba 2015; Loshchilov & Hutter 2019)."""

    def __init__(self, params: Tensors, settings: dict[str, Any], decoupled: bool):
        super().__init__(params, settings["lr"])
        self.settings, self.decoupled = settings, decoupled
        self.kernel = ADAMW if decoupled else ADAM
        self.mean, self.square = ([torch.zeros_like(v) for v in self.values] for _ in range(2))
        self.largest = [torch.zeros_like(v) for v in self.values] if settings["amsgrad"] else []
        count = torch.zeros((), device=self.values[0].device)
        self.counts = [count] * len(self.params)
        self.distinct = [count]
        beta1, beta2 = settings["betas"]
        self.constants = {
            "beta1": beta1,
            "beta2": beta2,
            **{name: settings[name] for name in ("weight_decay", "eps", "amsgrad", "maximize")},
        }

    def update(self, which: Sequence[int] | None, values: Tensors, grads: Tensors) -> None:
        if which is not None and len(which) < len(self.params) and len(self.distinct) == 1:
            self.counts = self.distinct = [self.distinct[0].clone() for _ in self.params]
        counts = _pick(self.counts, which)
        ADD(self.distinct if which is None else list(dict.fromkeys(counts)), 1)
        self.kernel(
            values, grads, _pick(self.mean, which), _pick(self.square, which), _pick(self.largest, which), counts,
            lr=self.lr, **self.constants,
        )  # fmt: skip

    def object(self) -> "torch.optim.Optimizer":
        make = torch.optim.AdamW if self.decoupled else torch.optim.Adam
        settings: dict[str, Any] = {**self.settings, "lr": self.lr, "fused": True}
        made = make(self.params, **settings)
        for i, param in enumerate(self.params):
            if self.counts[i] > 0:
                state = {"step": self.counts[i].clone(), "exp_avg": self.mean[i], "exp_avg_sq": self.square[i]}
                made.state[param] = state | ({"max_exp_avg_sq": self.largest[i]} if self.largest else {})
        return made


class FusedSGD(FusedStepper):
    """Stochastic gradient descent with momentum (as torch has it: the first step takes the gradient as the buffer)."""

    def __init__(self, params: Tensors, settings: dict[str, Any]):
        super().__init__(params, settings["lr"])
        self.settings = settings
        self.constants = {n: settings[n] for n in ("weight_decay", "momentum", "dampening", "nesterov", "maximize")}
        self.buffers = [torch.zeros_like(v) for v in self.values] if settings["momentum"] else []
        self.started: set[int] = set()

    def update(self, which: Sequence[int] | None, values: Tensors, grads: Tensors) -> None:
        if not self.buffers or len(self.started) == len(self.params):
            self._call(values, grads, _pick(self.buffers, which), first=False)
            return
        places = range(len(values)) if which is None else which
        for first in (True, False):
            chosen = [k for k, i in enumerate(places) if (i not in self.started) is first]
            if chosen:
                buffers = [self.buffers[places[k]] for k in chosen]
                self._call([values[k] for k in chosen], [grads[k] for k in chosen], buffers, first)
        self.started.update(places)

    def _call(self, values: Tensors, grads: Tensors, buffers: Tensors, first: bool) -> None:
        SGD(values, grads, buffers, lr=self.lr, is_first_step=first, **self.constants)

    def object(self) -> "torch.optim.Optimizer":
        settings: dict[str, Any] = {**self.settings, "lr": self.lr, "fused": True}
        made = torch.optim.SGD(self.params, **settings)
        for i in self.started:
            made.state[self.params[i]] = {"momentum_buffer": self.buffers[i]}
        return made
