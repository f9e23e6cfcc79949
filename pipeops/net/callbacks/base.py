"""Callbacks: code of the user's own at fixed stages of training.

A callback is a subclass of `Callback` that overrides stages, each called with the `Context` of the run; `torch_callback`
makes one of plain functions. What nobody overrides costs nothing: `stages_of` lists the bound methods once. A training run
works on copies, so that the ones in a node stay as they were made; what they learnt is in the model's state, by id.
Neighbours: `context` is what they are called with, `attach` sets them, the trainer calls the stages.
"""

import copy
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import attrs

from pipeops.errors import ConfigError, FormatError, UnknownParameterError, suggest
from pipeops.net.callbacks.context import Context
from pipeops.params import Configurable
from pipeops.registry import own_key
from pipeops.saving import Encoder, saved_as
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
WITHIN = ("on_batch_begin", "on_after_backward", "on_batch_end")
"""The stages within an epoch of training."""


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
    weight: float = 0.0
    """At each stage callbacks are called from low weight to high; those of one weight in the order in which they were given."""
    only_reads: ClassVar[bool] = False
    """Whether it only reads, and says so in its own class: then it does not keep networks from being trained as one."""
    sets_rates: ClassVar[bool] = False
    """Whether it changes nothing but the settings of `ctx.stepper`, and those between epochs: then it does not either."""
    in_place: ClassVar[bool] = False
    """Whether it changes nothing but settings of `ctx.stepper` and, in place, weights and gradients of its network: nor then.

    In `on_after_backward` and `on_batch_end` it must not look at `x`, `y`, `y_hat`, the loss and the number of the step, which
    batches need not leave. At the beginning of an epoch it may also say which parameters are trained (`requires_grad`).
    """

    def __init_subclass__(cls, **options: Any):
        super().__init_subclass__(**options)
        for name in vars(cls):
            if name.startswith("on_") and name not in STAGES:
                raise UnknownParameterError(f"{cls.__name__}: there is no stage '{name}'.{suggest(name, STAGES, 'stages')}")

    @property
    def id(self) -> str:
        """The name under which its state is kept: its key, else its class's name in snake case."""
        return own_key(type(self)) or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(self).__name__).lower()

    def state_dict(self) -> dict[str, Any]:
        """What to keep after training, and in checkpoints: by default every public attribute that is no hyperparameter."""
        return {n: v for n, v in vars(self).items() if not n.startswith("_") and n not in self.params}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state that `state_dict` answered; called after `on_begin` where a run is resumed."""
        vars(self).update(state)

    def __repr__(self) -> str:
        cls = type(self)
        if own_key(cls):
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


class FunctionCallback(Callback):
    """A callback made of functions of the context, by stage; made by `torch_callback`."""

    def __init__(self, id: str, stages: Mapping[str, Callable[[Context], None]], weight: float = 0.0):
        for name, function in stages.items():
            if name not in STAGES:
                raise UnknownParameterError(f"{id}: there is no stage '{name}'.{suggest(name, STAGES, 'stages')}")
            if not callable(function):
                raise ConfigError(f"{id}: '{name}' must be a function of the context, got {function!r}.")
        self._id, self._stages, self.weight = id, dict(stages), weight
        vars(self).update(stages)

    @property
    def id(self) -> str:
        """The name that it was given, where other callbacks have their class's."""
        return self._id

    def state_dict(self) -> dict[str, Any]:
        """Nothing to keep."""
        return {}

    def __repr__(self) -> str:
        return call("torch_callback", [source(self.id)], {"weight": self.weight, **self._stages} if self.weight else self._stages)


def torch_callback(id: str, *, weight: float = 0.0, **stages: Callable[[Context], None]) -> Callback:
    """A callback from functions of the context. weight: at each stage, low ones are called before high ones.

    >>> stop = torch_callback("stop", on_epoch_end=lambda ctx: setattr(ctx, "terminate", True))
    >>> stop.id
    'stop'
    """
    return FunctionCallback(id, stages, weight)


def _to_plain(callback: FunctionCallback) -> dict[str, Any]:
    try:
        Encoder().encode(callback._stages)
    except FormatError as error:
        raise FormatError(f"save: the callback '{callback.id}' cannot be saved. {error}") from error
    return {"id": callback.id, "stages": callback._stages} | ({"weight": callback.weight} if callback.weight else {})


saved_as(
    FunctionCallback,
    lambda plain: FunctionCallback(**plain),
    _to_plain,
    plain={"id": str, "stages": dict[str, Callable[[Context], None]], "weight": float},
)


def may_be_together(callback: Callback) -> bool:
    """Whether a callback's own class says that it changes nothing that is shared; what a base class says does not count."""
    return any(_says(callback, name) for name in ("only_reads", "sets_rates", "in_place"))


def works_in_place(callback: Callback) -> bool:
    """Whether its own class says so."""
    return _says(callback, "in_place")


def _says(callback: Callback, name: str) -> bool:
    return name in vars(type(callback)) and bool(getattr(callback, name))


def sees_batches(callback: Callback) -> bool:
    """Whether a callback is called within epochs for what only autograd, one batch after another, has to show."""
    return any(overrides(callback, stage) for stage in (WITHIN[:1] if works_in_place(callback) else WITHIN))


def stages_of(callbacks: Iterable[Callback]) -> dict[str, list[Callable[[Context], None]]]:
    """For each stage the methods to call, in order; only those that a callback overrides."""
    listed = sorted(callbacks, key=lambda c: c.weight)
    return {s: [getattr(c, s) for c in listed if overrides(c, s)] for s in STAGES}


def overrides(callback: Callback, stage: str) -> bool:
    """Whether a callback does something at this stage."""
    return stage in vars(callback) or getattr(type(callback), stage) is not getattr(Callback, stage)


def copies(callbacks: Iterable[Callback]) -> dict[str, Callback]:
    """Fresh copies for one run, by id; what cannot be copied (a lock, an open file, a logger) is shared with the original."""
    return {c.id: copied(c, _by_attribute) for c in callbacks}


def copied(thing: Any, otherwise: Callable[[Any], Any] = lambda same: same) -> Any:
    """A copy for one run of something of the user's that may remember; what else where it cannot be copied."""
    try:
        return copy.deepcopy(thing)
    except Exception:  # whatever an object of the user's raises when it is copied
        return otherwise(thing)


def _by_attribute(callback: Callback) -> Callback:
    new = object.__new__(type(callback))
    vars(new).update({name: copied(value) for name, value in vars(callback).items()})
    return new
