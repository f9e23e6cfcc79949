"""The loss of a network: what `po("torch_loss")` takes, and the node.

A loss is a spec with hyperparameters that builds a function `(input, target) -> scalar` when the task is known. The
shelf is `losses`; one's own class, module or function is wrapped by `as_loss`. The input is what the network puts out
and the target what `encode` makes: logits `(batch, 1)` and float32 `(batch, 1)` on two classes, `(batch, k)` and int64
`(batch,)` on more, float32 `(batch, 1)` both for regression, and `(batch, targets)` both for several targets and for labels.
Neighbours: wrapped below; model builds and calls it.
"""

import copy
import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar, cast

import attrs
import torch
from torch import nn
from torch.nn import functional

from pipeops.data import Task
from pipeops.errors import ConfigError, listing
from pipeops.graph.pipeop import operator
from pipeops.net.wrapped import Configure, Item, Wrapped, own_names, undecided
from pipeops.params import UNSET, anything, refuse_foreign
from pipeops.saving import savable
from pipeops.shorthand import po, t_loss
from pipeops.text import source

LossFunction = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
C = TypeVar("C", bound=type)


class TorchLoss(Item, ABC):
    """A loss to be built. A subclass is made with `@loss`, has hyperparameters as fields and answers `build`."""

    task_types: ClassVar[tuple[str, ...]] = ("classif", "regr", "multiregr", "multilabel")
    output: ClassVar[str | None] = None
    """What a regression's outputs mean to it: "number", "exponential", "gaussian", "quantiles"; None for what is asked for."""

    def for_outputs(self, link: Any) -> "TorchLoss":
        """The loss for a network with this link; itself, where it needs not know."""
        return self

    @abstractmethod
    def build(self, task: Task) -> LossFunction:
        """The function `(input, target) -> scalar` (or module) for this task."""


class SmoothedTarget(torch.nn.Module):
    """A loss on two classes whose target is moved from 0 and 1 towards one half."""

    def __init__(self, loss: LossFunction, smoothing: float):
        super().__init__()
        self.loss, self.smoothing = loss, smoothing

    def forward(self, input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """`(batch, 1)`, `(batch, 1)` -> `()`."""
        return self.loss(input, self.moved(target))

    def moved(self, target: torch.Tensor) -> torch.Tensor:
        """The target, moved."""
        return target * (1 - self.smoothing) + self.smoothing / 2


def loss(cls: C) -> C:
    """Class decorator for losses: an immutable attrs class whose annotated fields are its hyperparameters."""
    refuse_foreign(cls, TorchLoss, "loss")
    return attrs.frozen(eq=False, repr=False, kw_only=True)(cls)


@savable
class CustomLoss(Wrapped, TorchLoss):
    """A class or function of one's own; an argument called `task` is given the task."""

    hidden = frozenset({"size_average", "reduce", "task", "input", "target", "weights"})

    @property
    def output(self) -> str | None:  # type: ignore[override]
        """Of a loss of torch for regressions: a number, for that of counts its exponential. Others take what is asked for."""
        cls = computes_as(self.make)
        if cls not in FIT["number"]:
            return None
        log = getattr(self.make, "log_input", self.arguments.get("log_input", True))
        return "exponential" if cls is nn.PoissonNLLLoss and log else "number"

    def _skipped(self) -> int:
        return 0 if isinstance(self.make, type) else 2

    def build(self, task: Task) -> LossFunction:
        """An instance of the class, or the function with its further arguments filled in."""
        _refuse_unfit(self.make, task)
        if isinstance(self.make, torch.nn.Module):
            return copy.deepcopy(self.make)
        make: Callable[..., Any] = self.make
        given = {**self.arguments, "task": task} if takes_task(make) else dict(self.arguments)
        if not isinstance(make, type):
            return functools.partial(make, **given) if given else make
        made = make(**given)
        if not callable(made):
            raise ConfigError(f"the loss {self!r} cannot be called with (input, target); give its class a forward or __call__.")
        return cast(LossFunction, made)


_OF_LOGITS = (nn.BCEWithLogitsLoss, nn.MultiLabelSoftMarginLoss)
_OF_NUMBERS = (nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss, nn.HuberLoss, nn.PoissonNLLLoss)
FIT: dict[str, tuple[type[nn.Module], ...]] = {
    "two": _OF_LOGITS,
    "labels": _OF_LOGITS,
    "more": (nn.CrossEntropyLoss, nn.MultiMarginLoss),
    "number": _OF_NUMBERS,
    "numbers": _OF_NUMBERS,
}
"""The losses of torch that take what a network gives and the target of two classes, of more, of a regression, of several."""
GETS = {
    "two": 'two classes have one, that of the positive class; use loss="cross_entropy", or torch.nn.BCEWithLogitsLoss',
    "more": 'it gets a logit for each class and the number of the class; use loss="cross_entropy", or torch.nn.CrossEntropyLoss',
    "number": 'a regression has one number, and one for the target; use loss="mse", "l1" or "huber", or their classes',
    "numbers": 'several targets have a number each, and so has the target; use loss="mse", "l1" or "huber", or their classes',
    "labels": 'labels have one each; use loss="cross_entropy", or torch.nn.BCEWithLogitsLoss',
}
OUTPUTS = {"regr": "number", "multiregr": "numbers", "multilabel": "labels"}
"""What the outputs of a network are, for tasks without classes."""
TAKES: dict[type[nn.Module], str] = {
    nn.BCELoss: "takes probabilities",
    nn.NLLLoss: "takes log-probabilities, a column for each class",
    nn.CrossEntropyLoss: "takes a logit for each class",
    nn.MultiMarginLoss: "takes a logit for each class",
}
OF_TORCH: tuple[type[nn.Module], ...] = tuple(
    cls for cls in vars(nn).values() if isinstance(cls, type) and cls.__module__ == "torch.nn.modules.loss"
)


def _of_function(make: Any) -> type[nn.Module] | None:
    """The class that computes as a function of `torch.nn.functional` does."""
    named = {cls.__name__.removesuffix("Loss").lower(): cls for cls in OF_TORCH}
    known = getattr(functional, getattr(make, "__name__", ""), None) is make
    word = str(getattr(make, "__name__", "")).removesuffix("_loss").replace("_", "")
    return (
        named.get({"binarycrossentropy": "bce", "binarycrossentropywithlogits": "bcewithlogits"}.get(word, word))
        if known
        else None
    )


def _refuse_unfit(make: Any, task: Task) -> None:
    """Refuse losses of torch that would silently train nothing, or something else, on what they get for this task."""
    make = make.func if isinstance(make, functools.partial) else make
    kind = OUTPUTS.get(task.task_type) or ("two" if len(task.class_names) == 2 else "more")  # type: ignore[attr-defined]
    loss = computes_as(make)
    if loss is None or loss in FIT[kind]:
        return
    gets = GETS[kind]
    if loss is nn.BCELoss and kind in ("two", "labels"):
        gets = (
            'the loss gets logits; use torch.nn.BCEWithLogitsLoss, or loss="cross_entropy", and no sigmoid at the end of the '
            "network"
        )
    raise ConfigError(f"torch_loss: {source(_named(make))} {TAKES.get(loss, 'is not made for this task')}, but {gets}.")


def _named(make: Any) -> Any:
    return type(make) if isinstance(make, nn.Module) else make


def computes_as(make: Any) -> type[nn.Module] | None:
    """The loss class of torch that computes as a function, class or instance; a subclass with a forward of its own is none."""
    return _of_function(make) or _of_class(make)


def _of_class(make: Any) -> type[nn.Module] | None:
    cls = _named(make)
    if not isinstance(cls, type) or not issubclass(cls, nn.Module):
        return None
    return next((one for one in OF_TORCH if issubclass(cls, one) and cls.forward is one.forward), None)


def takes_task(make: Callable[..., Any]) -> bool:
    """Whether a class or function has an argument `task`."""
    try:
        return "task" in inspect.signature(make).parameters
    except (TypeError, ValueError):
        return False


def as_loss(thing: Any, arguments: dict[str, Any]) -> TorchLoss:
    """A loss from a key, a `TorchLoss`, a module, a class or a function `(input, target)`, with arguments filled in."""
    if isinstance(thing, str):
        holder = t_loss[thing]
        if isinstance(holder, type) and issubclass(holder, TorchLoss):
            return t_loss(thing, **arguments)
        return CustomLoss(holder, arguments)
    if isinstance(thing, TorchLoss):
        return functools.reduce(lambda item, pair: item.with_param(*pair), arguments.items(), thing)
    if isinstance(thing, torch.nn.Module) and arguments:
        raise ConfigError(
            f"torch_loss: {type(thing).__name__} is made already, it cannot take {listing(arguments)}; give its class."
        )
    if not callable(thing):
        raise ConfigError(
            f"torch_loss: 'loss' must be a key ({listing(t_loss)}), t_loss(...), a torch.nn.Module class or instance, or a "
            f"function (input, target), got {thing!r}."
        )
    return CustomLoss(thing, arguments)


@po.add("torch_loss")
@operator
class SetLoss(Configure):
    """The loss that the network is trained with; its arguments are hyperparameters of this node.

    loss: a key of `t_loss`, `t_loss(...)`, a `torch.nn.Module` class or instance, or a function `(input, target)`.

    >>> from pipeops import po
    >>> po("torch_loss", loss="cross_entropy", reduction="sum")
    po("torch_loss", loss="cross_entropy", reduction="sum")
    """

    holds = "loss"
    example: ClassVar[Mapping[str, Any]] = {"loss": "cross_entropy"}

    loss: Any = anything()

    def __init__(self, loss: Any = UNSET, *, id: str | None = None, **arguments: Any):
        if undecided(loss) and arguments:
            raise ConfigError(
                f"torch_loss: {listing(arguments)} without a loss; say which with loss= (a choice to be tuned goes into "
                "the search_space of auto_tuner)."
            )
        item = loss if undecided(loss) else own_names(SetLoss, as_loss(loss, arguments))
        self.__attrs_init__(loss=item, **({} if id is None else {"id": id}))  # type: ignore[attr-defined]

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], Any]:
        """The descriptor with the loss."""
        return [self.set_once(inputs[0])], {}
