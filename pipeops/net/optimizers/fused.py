"""Optimizer steps through torch's fused kernels: one call updates all parameters, with no optimizer object in between.

The object costs a quarter of a small training step, and making one imports torch's compiler, which doubles the time that
a process needs to start. A stepper reads the gradients that `backward` left in `parameter.grad`, updates and clears them.
The kernels read memory in order and ignore strides, so that only contiguous parameters come here (`fusable`), and
gradients in another layout are copied. Neighbours: kernels has one stepper for each optimizer; joint lets steppers of
several networks step together on flat buffers; optimizers chooses between these and `ObjectStepper`.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self

import torch

from pipeops.errors import TrainingError

Tensors = Sequence[torch.Tensor]
DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


class Stepper(ABC):
    """Updates parameters from their gradients. `lr` may be set between steps."""

    lr: float
    reads_batch: ClassVar[bool] = False
    """Whether its steps need the present batch (one that watches does), not only gradients: then it is alone, by autograd."""

    def __init_subclass__(cls, **options: Any):
        super().__init_subclass__(**options)
        cls.reads_batch = cls.reads_batch or "watch" in vars(cls)

    @property
    def parts(self) -> "Sequence[FusedStepper]":
        """The fused steppers that do all that it does; none where it works otherwise."""
        return ()

    def follow(self) -> None:  # noqa: B027 most steppers look at the parameters themselves
        """Go on from where the parameters' data are now, which a callback may have replaced."""

    @property
    def groups(self) -> list[dict[str, Any]]:
        """The settings of each group of parameters, as torch has them; `adjust` takes changed ones."""
        return [{"lr": self.lr}]

    def adjust(self, groups: list[dict[str, Any]]) -> None:
        """Go on with these settings; they are those of `groups`, in part with other values."""
        self.lr = groups[0]["lr"]

    def state_dict(self) -> dict[str, Any]:
        """All that the next steps depend on but the parameters: plain data and tensors."""
        return {"lr": self.lr}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where the one stopped that this state is from."""
        self.lr = state["lr"]

    def exchange(self, old: torch.nn.Parameter | None, new: torch.nn.Parameter) -> bool:
        """Go on with a parameter in the place of another (None: beside the others) that has made no step; False if it cannot."""
        del old, new
        return False

    def watch(self, batch: Any) -> None:  # noqa: B027 most steppers need the gradients only
        """Called once before training, with the run's context: its `x` and `y` are the present batch."""

    def backward(self, loss: torch.Tensor) -> None:
        """Put the gradients of the loss where `step` finds them."""
        loss.backward()

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
        """The learning rate of the first parameter group; setting it changes those of all groups by the same factor."""
        return float(self.optimizer.param_groups[0]["lr"])

    @lr.setter
    def lr(self, value: float) -> None:
        groups, before = self.optimizer.param_groups, self.lr
        for group in groups:
            rate = group["lr"] * (value / before) if before and group is not groups[0] else value
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

    @property
    def groups(self) -> list[dict[str, Any]]:
        return self.optimizer.param_groups

    def adjust(self, groups: list[dict[str, Any]]) -> None:
        self.optimizer.param_groups = groups

    def state_dict(self) -> dict[str, Any]:
        return self.optimizer.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.optimizer.load_state_dict(state)

    def exchange(self, old: torch.nn.Parameter | None, new: torch.nn.Parameter) -> bool:
        held = [group["params"] for group in self.optimizer.param_groups]
        if any(param is new for params in held for param in params):
            return True
        places = [(params, i) for params in held for i, param in enumerate(params) if param is old]
        for params, i in places:
            params[i] = new
        if not places and len(held) == 1:
            held[0].append(new)
        self.optimizer.state.pop(new if old is None else old, None)
        return bool(places) or len(held) == 1

    def step(self) -> None:
        try:
            self.optimizer.step()
        except RuntimeError as error:
            name = type(self.optimizer).__name__
            raise TrainingError(f"torch_optimizer: {name} cannot make a step: {error}; take another optimizer.") from error
        self.optimizer.zero_grad(set_to_none=True)

    def object(self) -> "torch.optim.Optimizer":
        return self.optimizer


class ClosureStepper(ObjectStepper):
    """A torch optimizer that evaluates the loss several times a step (L-BFGS), on the present batch of the run.

    Its first evaluation is the one that the loop has just made.
    """

    def watch(self, batch: Any) -> None:
        self.batch = batch

    def exchange(self, old: torch.nn.Parameter | None, new: torch.nn.Parameter) -> bool:
        return False

    def step(self) -> None:
        evaluations = 0

        def closure() -> Any:
            nonlocal evaluations
            evaluations += 1
            return self.batch.loss_value if evaluations == 1 else self._evaluated()

        self.optimizer.step(closure)
        self.optimizer.zero_grad(set_to_none=True)

    def _evaluated(self) -> torch.Tensor:
        """The loss of the batch with the present weights, and its gradients."""
        self.optimizer.zero_grad(set_to_none=True)
        ctx = self.batch
        weights = () if ctx.row_weights is None else (ctx.row_weights,)
        loss = ctx.loss(ctx.network(*ctx.x), ctx.y, *weights)
        loss.backward()
        return loss.detach()


def fusable(network: torch.nn.Module) -> bool:
    """Whether the fused kernels can update this network: contiguous dense floats of one type on one CPU or CUDA device."""
    params = list(network.parameters())
    kinds = {(p.dtype, p.device) for p in params}
    dense = all(p.is_contiguous() for p in params) and not any(getattr(m, "sparse", False) for m in network.modules())
    return dense and len(kinds) == 1 and all(t in DTYPES and d.type in ("cpu", "cuda") for t, d in kinds)


class FusedStepper(Stepper):
    """What the fused steppers share: collecting gradients, skipping parameters without one, and clearing them.

    `values` are the parameters without autograd, so that the kernels need no `no_grad` around them. memory: a list of
    tensors, one for each parameter, for each thing that is remembered (`remembers`). steps: how many each has made.
    """

    remembers: ClassVar[tuple[str, ...]] = ()
    torch_class: ClassVar[str]
    settings: dict[str, Any]
    catch_up: Callable[[], None] | None = None
    """Lets it know what it remembers, while that lies in the buffers of several (`joint`)."""
    decouples: bool = False
    """Whether weights decay apart from the gradient."""

    def __init__(self, params: Tensors, settings: dict[str, Any]):
        self.params, self.settings, self.named = list(params), {**settings, "lr": float(settings["lr"])}, tuple(settings)
        self.values = [p.detach() for p in self.params]
        self.memory = [[torch.zeros_like(v) for v in self.values] for _ in self.kept()]
        self.steps = [0] * len(self.params)
        self.prepare()

    def prepare(self) -> None:
        """Make of the settings what the kernel takes; called again when they have changed."""

    @property
    def lr(self) -> float:  # type: ignore[override]
        """The learning rate."""
        return self.settings["lr"]

    @lr.setter
    def lr(self, value: float) -> None:
        self.settings["lr"] = value

    @property
    def parts(self) -> "Sequence[FusedStepper]":
        return (self,)

    @property
    def groups(self) -> list[dict[str, Any]]:
        return [self.settings]

    def adjust(self, groups: list[dict[str, Any]]) -> None:
        self.settings = groups[0]
        missing = len(self.kept()) - len(self.memory)
        self.memory += [[torch.zeros_like(v) for v in self.values] for _ in range(missing)]
        self.prepare()

    def state_dict(self) -> dict[str, Any]:
        if self.catch_up is not None:
            self.catch_up()
        memory = dict(zip(self.kept(), self.memory, strict=True))
        return {"settings": dict(self.settings), "steps": list(self.steps), "memory": memory}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.adjust([dict(state["settings"])])
        self.steps = list(state["steps"])
        for own, kept in zip(self.memory, (state["memory"][name] for name in self.kept()), strict=True):
            for mine, other in zip(own, kept, strict=True):
                mine.copy_(other)

    def kept(self) -> tuple[str, ...]:
        """Torch's names for what is remembered with these settings."""
        return self.remembers

    @abstractmethod
    def kernel(self, values: Tensors, grads: Tensors, memory: Sequence[Tensors], step: int) -> None:
        """Update these values, in their step number `step` (from 1)."""

    def step(self) -> None:
        grads: list[Any] = [p.grad for p in self.params]
        for grad in grads:
            if grad is None or not grad.is_contiguous():
                self._some(grads)
                break
        else:
            self._some(grads) if self.steps[0] != self.steps[-1] else self._all(grads)
        for param in self.params:
            param.grad = None

    def _all(self, grads: Tensors) -> None:
        if self.steps.count(self.steps[0]) < len(self.steps):
            self._some(grads)
            return
        self.steps = [self.steps[0] + 1] * len(self.params)
        self.kernel(self.values, grads, self.memory, self.steps[0])

    def _some(self, grads: Sequence[Any]) -> None:
        """Update parameters that have a gradient, those together that have made as many steps."""
        which = [i for i, grad in enumerate(grads) if grad is not None]
        for made in sorted({self.steps[i] for i in which}):
            places = [i for i in which if self.steps[i] == made]
            memory = [[kept[i] for i in places] for kept in self.memory]
            self.kernel([self.values[i] for i in places], [grads[i].contiguous() for i in places], memory, made + 1)
        for i in which:
            self.steps[i] += 1

    def unit(self) -> Self:
        """The same with rate 1 and without weight decay, to which all else in a step is proportional."""
        made = copy.copy(self)
        made.settings = {**self.settings, "lr": 1.0, "weight_decay": 0.0}
        made.prepare()
        return made

    def exchange(self, old: torch.nn.Parameter | None, new: torch.nn.Parameter) -> bool:
        first = self.values[0]
        if new.dtype != first.dtype or new.device != first.device or not new.is_contiguous():
            return False
        place = next((i for i, param in enumerate(self.params) if param is old), len(self.params))
        at = slice(place, place + 1)
        self.params[at], self.steps[at] = [new], [0]
        for kept in self.memory:
            kept[at] = [torch.zeros_like(new.detach())]
        self.follow()
        return True

    def follow(self) -> None:
        self.values = [p.detach() for p in self.params]

    def object(self) -> "torch.optim.Optimizer":
        own = {name: self.settings[name] for name in self.named}
        made = getattr(torch.optim, self.torch_class)(self.params, **{**own, **self.fused()})
        made.param_groups[0].update({name: v for name, v in self.settings.items() if name not in own})
        for i, param in enumerate(self.params):
            if self.steps[i]:
                made.state[param] = self.state(i) | {name: kept[i] for name, kept in zip(self.kept(), self.memory, strict=True)}
        return made

    def fused(self) -> dict[str, Any]:
        """What makes the torch object go the same way."""
        return {"fused": True}

    def state(self, i: int) -> dict[str, Any]:
        """What the torch object keeps of a parameter besides what is remembered."""
        return {"step": torch.tensor(float(self.steps[i]), device=self.params[i].device)}
