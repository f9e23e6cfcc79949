"""What flows between torch nodes: a network under construction while training, a feed of data when predicting.

A network is a graph of immutable `Symbol`s, each hanging on the ones it reads, so that branches share ancestors by
identity and nothing is copied. `ModelDescriptor` points at the last symbol and carries the data and the training
configuration along. No weights exist before `network.compile_network`. Neighbours: `ingress` makes the first symbol,
`layer` and its like add one, `model` compiles and trains.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, Protocol

import attrs
import numpy as np
import torch

from pipeops.data import Task
from pipeops.errors import ConfigError, DataError, listing
from pipeops.graph.kinds import declare
from pipeops.text import call

_INGRESS = ' Put po("torch_ingress_num") (or po("torch_ingress_categ")) between them.'
_END = 'network ends with po("torch_model_classif") or po("torch_model_regr").'
_ELSEWHERE = {"Task": f' What works on tasks goes before po("torch_ingress_num"); a {_END}', "*": f" A {_END}"}
for _name in ("ModelDescriptor", "Feed"):
    declare(_name, instead={"Task": _INGRESS}, elsewhere=_ELSEWHERE)

Shape = tuple[int | None, ...]
"""A shape with `None` for what is unknown; the first dimension is the batch."""

_serial = count()


@attrs.frozen(eq=False, repr=False)
class Spec:
    """How to make one module: the key of its layer, the module's class (or any maker) and its arguments, sizes filled in."""

    key: str
    module: Callable[..., torch.nn.Module]
    arguments: Mapping[str, Any]

    def build(self) -> torch.nn.Module:
        """A new module with new weights."""
        return self.module(**self.arguments)

    def __repr__(self) -> str:
        return call(getattr(self.module, "__name__", self.key), [], dict(self.arguments))


@attrs.frozen(eq=False, repr=False)
class Symbol:
    """One value in a network: the call of a module (`spec` is `None` for an ingress) with other values.

    `id` is where the module is in the network, a dotted path for one inside another. A module that answers several values
    has a symbol for each: `port` says where in its answer the value is, and all have the serial of the call. `serial` grows in
    the order in which symbols are made, which is the order of `graph.ids()`. `levels` says how many codes each column has, for
    category codes as an ingress gives them.
    """

    id: str
    spec: Spec | None
    inputs: tuple["Symbol", ...]
    shape: Shape
    dtype: torch.dtype = torch.float32
    levels: tuple[int, ...] | None = None
    serial: int = attrs.field(factory=_serial.__next__)
    port: tuple[int, ...] = ()

    def __repr__(self) -> str:
        """All that it hangs on, line by line, without the data."""
        return "\n".join(s.line() for s in self.ancestors())

    def line(self) -> str:
        """The call in one line: `relu = ReLU()(linear): (None, 4) float32`."""
        made = "" if self.spec is None else f" = {self.spec!r:.200}({', '.join(i.id for i in self.inputs)})"
        port = "".join(f"[{k}]" for k in self.port)
        return f"{self.id}{made}{port}: {self.shape} {str(self.dtype).removeprefix('torch.')}"

    def __deepcopy__(self, memo: Any) -> "Symbol":
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """As a flat list, since a deep network has no end of values that hang on others."""
        symbols = self.ancestors()
        places = {symbol: i for i, symbol in enumerate(symbols)}
        calls = {serial: i for i, serial in enumerate(dict.fromkeys(s.serial for s in symbols))}
        rows = [
            (s.id, s.spec, tuple(places[i] for i in s.inputs), s.shape, s.dtype, s.levels, calls[s.serial], s.port)
            for s in symbols
        ]
        return _from_rows, (rows, places[self])

    def ancestors(self) -> list["Symbol"]:
        """This symbol and all that it hangs on, in the order of the graph."""
        found: dict[int, Symbol] = {}
        todo: list[Symbol] = [self]
        while todo:
            symbol = todo.pop()
            if id(symbol) not in found:
                found[id(symbol)] = symbol
                todo += symbol.inputs
        return sorted(found.values(), key=lambda s: (s.serial, s.port))


def _from_rows(rows: Sequence[tuple[Any, ...]], last: int) -> Symbol:
    """The symbol of a flat list, with new serials in the old order."""
    made: list[Symbol] = []
    serials = [next(_serial) for _ in rows]
    for id, spec, inputs, shape, dtype, levels, number, port in rows:
        made.append(Symbol(id, spec, tuple(made[i] for i in inputs), shape, dtype, levels, serials[number], port))
    return made[last]


def ingresses(symbol: Symbol) -> tuple[str, ...]:
    """The ids of the ingresses that a value hangs on, in the order of the network's arguments."""
    return tuple(s.id for s in symbol.ancestors() if s.spec is None)


class Source(Protocol):
    """The data behind one ingress: some columns of a task as a tensor."""

    def tensor(self) -> torch.Tensor:
        """All rows, contiguous, `(n, ...)`."""
        ...

    def blocks(self, size: int) -> Iterator[tuple[int, int, torch.Tensor]]:
        """`(start, stop, rows start..stop)` in order; a tensor is valid until the next one is asked for."""
        ...


@attrs.frozen(eq=False, repr=False)
class Feed:
    """The data for a network: a source for each ingress id, and the task whose rows they all are."""

    sources: Mapping[str, Source]
    task: Task

    def __repr__(self) -> str:
        return f"<Feed> of {self.task.nrow} rows of the task '{self.task.id}' for {listing(self.sources)}"

    def merge(self, other: "Feed", who: str) -> "Feed":
        """Both feeds side by side; they must have the same rows and the same target."""
        if self.task.target_names != other.task.target_names:
            raise DataError(
                f"{who}: its inputs predict different targets ({listing(self.task.target_names)} and "
                f"{listing(other.task.target_names)}); the branches of a network must see the same task."
            )
        if self.task is not other.task and not np.array_equal(self.task.row_ids, other.task.row_ids):
            raise DataError(
                f"{who}: its inputs have different rows ({self.task.nrow} and {other.task.nrow}); "
                "the branches of a network must see the same rows."
            )
        return attrs.evolve(self, sources={**self.sources, **other.sources})


@attrs.frozen(eq=False, repr=False)
class ModelDescriptor:
    """A network under construction: its last symbol, the training data, and how it will be trained."""

    symbol: Symbol
    feed: Feed
    loss: Any = None
    optimizer: Any = None
    callbacks: tuple[Any, ...] = ()

    def __repr__(self) -> str:
        set_so_far = {"loss": self.loss, "optimizer": self.optimizer, "callbacks": list(self.callbacks) or None}
        more = [f"{name}: {value!r:.200}" for name, value in set_so_far.items() if value is not None]
        return "\n".join([f"<ModelDescriptor> of the task '{self.feed.task.id}':", repr(self.symbol), *more])

    def merge(self, other: "ModelDescriptor", who: str) -> "ModelDescriptor":
        """Both side by side, pointing where this one points; a loss, optimizer or callback may be on either side."""
        feed = self.feed if other.feed is self.feed else self.feed.merge(other.feed, who)
        callbacks = (*self.callbacks, *(c for c in other.callbacks if c not in self.callbacks))
        chosen = {name: _either(self, other, name, who) for name in ("loss", "optimizer")}
        return attrs.evolve(self, feed=feed, callbacks=callbacks, **chosen)


def _either(one: ModelDescriptor, other: ModelDescriptor, name: str, who: str) -> Any:
    first, second = getattr(one, name), getattr(other, name)
    if first is not None and second is not None and first is not second:
        raise ConfigError(f"{who}: its inputs come with two different settings of the {name}; put torch_{name} behind it, once.")
    return second if first is None else first
