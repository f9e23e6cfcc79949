"""Callbacks: code of the user's own at fixed stages of training, and the node that sets them.

A callback is a subclass of `Callback` that overrides stages, each called with the `Context` of the run; `torch_callback`
makes one of plain functions. What nobody overrides costs nothing: `stages_of` lists the bound methods once. A training run
works on copies, so that the ones in a node stay as they were made; what they learnt is in the model's state, by id.
Neighbours: callbacks is the shelf, trainer calls the stages.
"""

import copy
import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Self

import attrs
import torch

from pipeops.data import Task
from pipeops.errors import ConfigError, UnknownParameterError, listing, suggest
from pipeops.graph.pipeop import Channel, PipeOp, operator
from pipeops.net.optimizers.fused import ObjectStepper, Stepper
from pipeops.params import Configurable, anything
from pipeops.shorthand import po, t_clbk
from pipeops.text import call, source

STAGES = (
    "on_begin",
    "on_epoch_begin",
    "on_batch_begin",
    "on_after_backward",
    "on_batch_end",
    "on_before_valid",
    "on_batch_valid_begin",
    "on_batch_valid_end",
    "on_valid_end",
    "on_epoch_end",
    "on_end",
    "on_exit",
)
RESERVED = "early_stopping"


class Context:
    """What a training run shows to its callbacks; they may change what the loop reads: `x`, `y`, `lr`, `terminate`.

    Other names are refused: what a callback wants to remember goes on its own `self`.

    network, loss, device, task, task_valid (or None), measures_train, measures_valid: as configured. epochs: how many
    there will be at most. epoch, step: which one it is, from 1; steps begin anew in each epoch, `global_step` does not.
    x, y: inputs (a tuple, one tensor for each ingress) and target of the batch, in memory that the next batches use again.
    y_hat: the network's output. last_scores_train, last_scores_valid: by measure, empty when the epoch was not evaluated.
    batches_without_positives: of an evaluated epoch, where the callback "history" asks for it.
    terminate: set it to True to stop after this epoch.
    """

    network: torch.nn.Module
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    stepper: Stepper
    device: torch.device
    task: Task
    task_valid: Task | None = None
    measures_train: Sequence[Any] = ()
    measures_valid: Sequence[Any] = ()
    callbacks: "dict[str, Callback]"
    epochs: int = 0
    epoch: int = 0
    step: int = 0
    steps: int = 0
    global_step: int = 0
    terminate: bool = False
    x: tuple[torch.Tensor, ...] = ()
    y: torch.Tensor
    y_hat: torch.Tensor
    loss_value: torch.Tensor | None = None
    batches_without_positives: int | None = None
    last_scores_train: dict[str, float]
    last_scores_valid: dict[str, float]

    def __init__(self, **given: Any):
        vars(self).update({"last_scores_train": {}, "last_scores_valid": {}, "global_step": 0, **given})

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in Context.__annotations__ and name != "lr":
            raise UnknownParameterError(
                f"ctx: no attribute '{name}' that may be set.{suggest(name, [*Context.__annotations__, 'lr'])} A callback keeps "
                "what it wants to remember on itself (self)."
            )
        super().__setattr__(name, value)

    @property
    def last_loss(self) -> float:
        """The loss of the last batch; reading it waits for the device."""
        return float("nan") if self.loss_value is None else self.loss_value.item()

    @property
    def lr(self) -> float:
        """The learning rate; may be set."""
        return self.stepper.lr

    @lr.setter
    def lr(self, value: float) -> None:
        self.stepper.lr = value

    @property
    def optimizer(self) -> "torch.optim.Optimizer":
        """The optimizer as a torch object, for schedulers and the like; from then on the loop uses it, which is slower."""
        if not isinstance(self.stepper, ObjectStepper):
            self.stepper = ObjectStepper(self.stepper.object())
        return self.stepper.object()


class Callback(Configurable):
    """Base of callbacks: override the stages you need. An attrs class with hyperparameters as fields may be one too.

    >>> class Count(Callback):
    ...     def on_begin(self, ctx):
    ...         self.batches = 0
    ...
    ...     def on_batch_end(self, ctx):
    ...         self.batches += 1
    >>> Count().id
    'count'
    """

    key: ClassVar[str] = ""
    shelf: ClassVar[str] = ""

    def __init_subclass__(cls, **options: Any):
        super().__init_subclass__(**options)
        for name in vars(cls):
            if name.startswith("on_") and name not in STAGES:
                raise UnknownParameterError(f"{cls.__name__}: there is no stage '{name}'.{suggest(name, STAGES, 'stages')}")

    @property
    def id(self) -> str:
        """The name under which its state is kept: its key, else its class's name in snake case."""
        return type(self).key or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(self).__name__).lower()

    def state_dict(self) -> dict[str, Any]:
        """What to keep after training: by default every public attribute that is no hyperparameter."""
        return {n: v for n, v in vars(self).items() if not n.startswith("_") and n not in self.params}

    def __repr__(self) -> str:
        cls = type(self)
        if cls.key:
            return call(cls.shelf, [source(cls.key)], self.changed() if attrs.has(cls) else {})
        fields = attrs.fields(cls) if attrs.has(cls) else ()
        return call(cls.__name__, [], {a.alias: getattr(self, a.name) for a in fields if a.init})

    def on_begin(self, ctx: Context) -> None:
        """Before the first epoch."""

    def on_epoch_begin(self, ctx: Context) -> None:
        """Before the first batch of an epoch."""

    def on_batch_begin(self, ctx: Context) -> None:
        """Before the forward pass."""

    def on_after_backward(self, ctx: Context) -> None:
        """When the gradients are there, before the step."""

    def on_batch_end(self, ctx: Context) -> None:
        """After the step."""

    def on_before_valid(self, ctx: Context) -> None:
        """After the last batch of an epoch."""

    def on_batch_valid_begin(self, ctx: Context) -> None:
        """Before the forward pass of a validation batch."""

    def on_batch_valid_end(self, ctx: Context) -> None:
        """After the forward pass of a validation batch."""

    def on_valid_end(self, ctx: Context) -> None:
        """When the validation scores are there."""

    def on_epoch_end(self, ctx: Context) -> None:
        """At the end of an epoch."""

    def on_end(self, ctx: Context) -> None:
        """After the last epoch."""

    def on_exit(self, ctx: Context) -> None:
        """At the very end, also when training failed."""


def torch_callback(id: str, **stages: Callable[[Context], None]) -> Callback:
    """A callback from functions of the context.

    >>> stop = torch_callback("stop", on_epoch_end=lambda ctx: setattr(ctx, "terminate", True))
    >>> stop.id
    'stop'
    """
    methods = {name: staticmethod(function) for name, function in stages.items()}
    return type(id, (Callback,), {**methods, "id": id})()


def stages_of(callbacks: Iterable[Callback]) -> dict[str, list[Callable[[Context], None]]]:
    """For each stage the methods to call, in order; only those that a callback overrides."""
    listed = list(callbacks)
    return {s: [getattr(c, s) for c in listed if getattr(type(c), s) is not getattr(Callback, s)] for s in STAGES}


def as_callback(thing: Any) -> Callback:
    """A callback from a key, a subclass of `Callback` or an instance."""
    if isinstance(thing, str):
        return t_clbk(thing)
    if isinstance(thing, type) and issubclass(thing, Callback):
        needed = _needed(thing)
        if needed:
            raise ConfigError(
                f"torch_callbacks: {thing.__name__} needs {listing(needed)}; give an instance, as in "
                f"{thing.__name__}({', '.join(f'{name}=...' for name in needed)})."
            )
        return thing()
    if not isinstance(thing, Callback):
        raise ConfigError(f"torch_callbacks: a callback is a key ({listing(t_clbk)}) or a Callback, got {thing!r}.")
    return thing


def _needed(cls: type) -> list[str]:
    """The arguments without a default."""
    return [
        p.name
        for p in inspect.signature(cls).parameters.values()
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]


def check_ids(callbacks: Iterable[Callback]) -> None:
    """Refuse two callbacks under one id, and the id that the model node uses itself."""
    ids = [c.id for c in callbacks]
    if RESERVED in ids:
        raise ConfigError(
            f"torch_callbacks: the id '{RESERVED}' is taken by the model node, which stops early by its 'patience'."
        )
    for name in ids:
        if ids.count(name) > 1:
            raise ConfigError(f"torch_callbacks: two callbacks have the id '{name}'; each may be there once.")


def copies(callbacks: Iterable[Callback]) -> dict[str, Callback]:
    """Fresh copies for one run, by id."""
    return {c.id: copy.deepcopy(c) for c in callbacks}


@po.add("torch_callbacks")
@operator
class SetCallbacks(PipeOp):
    """Callbacks for the training run: keys of `t_clbk`, subclasses or instances of `Callback`; their ids must differ.

    The hyperparameters of a callback are this node's, as `<callback id>.<name>`.

    >>> from pipeops import po
    >>> po("torch_callbacks", callbacks=["history"])
    po("torch_callbacks", callbacks=[t_clbk("history")])
    """

    inputs: ClassVar[tuple[Channel, ...]] = (Channel("input", "ModelDescriptor", "Feed"),)
    outputs: ClassVar[tuple[Channel, ...]] = (Channel("output", "ModelDescriptor", "Feed"),)
    callbacks: Any = anything(())

    def __init__(self, callbacks: Any = (), *, id: str | None = None):
        several = callbacks if isinstance(callbacks, list | tuple) else [callbacks]
        made = [as_callback(c) for c in several]
        check_ids(made)
        self.__attrs_init__(callbacks=made, **({} if id is None else {"id": id}))  # type: ignore[attr-defined]

    def parts(self) -> dict[str, Callback]:
        """The callbacks by id."""
        return {c.id: c for c in self.callbacks}

    def with_part(self, name: str, part: Any) -> Self:
        """A copy with one callback exchanged."""
        return attrs.evolve(self, callbacks=[part if c.id == name else c for c in self.callbacks])

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], Any]:
        """The descriptor with these callbacks after those it has."""
        all_of_them = (*inputs[0].callbacks, *self.callbacks)
        check_ids(all_of_them)
        return [attrs.evolve(inputs[0], callbacks=all_of_them)], {}

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        """The feed as it came."""
        return inputs
