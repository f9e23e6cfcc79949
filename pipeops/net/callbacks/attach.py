"""The node that sets callbacks: `po("torch_callbacks", callbacks=["history"])`.

Neighbours: `base` has what a callback is, `shelf` those that are registered.
"""

import inspect
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Self

import attrs

from pipeops.errors import ConfigError, listing
from pipeops.graph.pipeop import Channel, PipeOp, operator
from pipeops.net.callbacks.base import Callback
from pipeops.net.callbacks.shelf import RESERVED
from pipeops.params import anything
from pipeops.shorthand import po, t_clbk


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
