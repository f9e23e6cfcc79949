"""How a layer works: `layer(key, Module, ...)` registers a torch module as a node, in one row.

A row becomes a node class when its key is first used. The class has the module's arguments as hyperparameters; those
that what comes in decides (`in_features=last`) are filled in when a network is built. `layers.py` is the table of rows;
`node` is the base class, `signature` reads the arguments, `shape` finds the shape that comes out.
"""

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import attrs
import torch

from pipeops.data import Task
from pipeops.errors import ConfigError, DataError, UnknownParameterError, suggest
from pipeops.graph.pipeop import Channel, check_fields, operator
from pipeops.net.layers.signature import Bounds, hyperparameter, visible
from pipeops.net.network.descriptor import Shape, Symbol
from pipeops.net.network.node import NetworkNode
from pipeops.net.network.shape import DIMENSIONS, RULES, ShapeRule, check_rank, check_type, text, traced_values
from pipeops.net.rules.base import Rule
from pipeops.params import hyperparameters
from pipeops.registry import Row
from pipeops.shorthand import nn
from pipeops.text import call, source

TYPES = ("ModelDescriptor", "Feed")
"""What the edges between the nodes of a network carry, in training and in predicting."""


@attrs.frozen(eq=False)
class Inferred:
    """An argument that what comes in decides: `take(symbol, hyperparameters, who)` answers it, or refuses."""

    what: str
    take: Callable[[Symbol, Mapping[str, Any], str], Any]
    port: int = 0

    def of(self, port: int) -> "Inferred":
        """The same of another input, counted from 0."""
        return attrs.evolve(self, what=f"{self.what} (input {port + 1})", port=port)

    @property
    def sentence(self) -> str:
        """Why it cannot be set."""
        return (
            f"is {self.what}"
            if isinstance(self.take, partial) and self.take.func is _constant
            else (f"follows from what comes in: it is {self.what}")
        )


def _size(dim: int, symbol: Symbol, given: Mapping[str, Any], who: str) -> int:
    size = symbol.shape[dim] if -len(symbol.shape) <= dim < len(symbol.shape) else None
    if size is None:
        raise DataError(f"{who}: must know the size of dimension {dim} of what comes in, got {text(symbol.shape)}.")
    return size


def _trailing(symbol: Symbol, given: Mapping[str, Any], who: str) -> tuple[int, ...]:
    dims = given["dims"]
    if dims >= len(symbol.shape):
        raise DataError(f"{who}: the last {dims} dimensions of {text(symbol.shape)} would include the batch.")
    return tuple(_size(i, symbol, given, who) for i in range(-dims, 0))


def _levels(symbol: Symbol, given: Mapping[str, Any], who: str) -> tuple[int, ...]:
    if symbol.levels is None:
        raise DataError(
            f"{who}: takes category codes; put it right behind po(\"torch_ingress_categ\"), not '{symbol.id}', or behind "
            'po("torch_ingress_ltnsr", levels=[3, 2]), which says how many levels each column of codes has.'
        )
    return symbol.levels


def _codes(symbol: Symbol, given: Mapping[str, Any], who: str) -> tuple[int, ...]:
    return tuple(n + 1 for n in _levels(symbol, given, who))


def _constant(value: Any, symbol: Symbol, given: Mapping[str, Any], who: str) -> Any:
    return value


last = Inferred("the last dimension that comes in", partial(_size, -1))
channels = Inferred("dimension 1 of what comes in", partial(_size, 1))
trailing = Inferred("the last `dims` dimensions that come in", _trailing)
levels = Inferred("how many levels each incoming column has", _levels)
codes = Inferred("how many codes each incoming column may have, the one of levels that training did not see included", _codes)


def fixed(value: Any) -> Inferred:
    """An argument that is always the same, and so no hyperparameter."""
    return Inferred(f"always {value!r}", partial(_constant, value))


@attrs.frozen(eq=False, kw_only=True)
class LayerRow(Row):
    """One row of the table: the torch module that it `wraps`, as a node. See `layer`."""

    make: Callable[[], Any] = attrs.field(init=False, default=attrs.Factory(lambda self: partial(build, self), takes_self=True))

    key: str
    wraps: Callable[..., torch.nn.Module]
    rank: tuple[int, ...]
    shape: ShapeRule | None
    rule: Rule | None
    takes: torch.dtype | None
    bounds: Bounds
    example: Mapping[str, Any]
    sizes: Mapping[str, Inferred]
    fields: Mapping[str, Any]
    ins: tuple[str, ...] = ("input",)
    outs: tuple[str, ...] = ("output",)

    def __reduce__(self) -> tuple[Any, ...]:
        if self.module.startswith("pipeops."):
            return _known, (self.key,)
        return _row, ({a.name: getattr(self, a.name) for a in attrs.fields(type(self)) if a.init},)


def _known(key: str) -> LayerRow:
    return nn[key].row


def _row(fields: dict[str, Any]) -> LayerRow:
    return LayerRow(**fields)


@operator
class Layer(NetworkNode):
    """A node made from a row of the table: one module with the inputs and outputs that the row states."""

    row: ClassVar[LayerRow]
    origin: ClassVar[tuple[str, str]]
    passed: ClassVar[tuple[str, ...]]
    """The hyperparameters that are arguments of the module."""
    decided: ClassVar[Mapping[str, str]] = {}
    """Arguments of the module that cannot be set, and why."""

    def arguments(self, *symbols: Symbol) -> dict[str, Any]:
        """The module's arguments: what the incoming values decide and the hyperparameters."""
        given = {name: getattr(self, name) for name in hyperparameters(type(self))}
        inferred = {name: size.take(symbols[size.port], given, self.id) for name, size in self.row.sizes.items()}
        return inferred | {name: given[name] for name in self.passed}

    def takes(self) -> torch.dtype:
        return self.row.takes or torch.float32

    def extend(self, inputs: Sequence[Symbol], task: Task | None) -> Symbol:
        return self.values(inputs, task)[0]

    def values(self, inputs: Sequence[Symbol], task: Task | None) -> Sequence[Symbol]:
        for symbol in inputs:
            check_type(symbol.dtype, self.row.takes, self.id)
            check_rank(symbol.shape, self.row.rank, self.id)
        arguments = self.arguments(*inputs)
        found = self._results(inputs, arguments)
        call = self.symbol(inputs, arguments, *found[0])
        if len(found) == 1:
            return [call]
        return [attrs.evolve(call, shape=shape, dtype=dtype, port=(k,)) for k, (shape, dtype) in enumerate(found)]

    def _results(self, inputs: Sequence[Symbol], arguments: Mapping[str, Any]) -> Sequence[tuple[Shape, torch.dtype]]:
        """Shape and type of what comes out: by the row's rule where it has one, else from the meta device."""
        row = self.row
        if row.shape is not None:
            (symbol,) = inputs
            return [(row.shape(symbol.shape, arguments, self.id), symbol.dtype if row.takes is None else torch.float32)]
        return traced_values(lambda: row.wraps(**arguments), [(s.shape, s.dtype) for s in inputs], self.id, len(row.outs))

    def __reduce__(self) -> tuple[Any, ...]:
        return restore, (self.row, {a.name: getattr(self, a.name) for a in attrs.fields(type(self))})


def restore(row: LayerRow, fields: dict[str, Any]) -> Layer:
    """A node from its row, which is registered where it is not (another process, a layer from a script)."""
    if row.key not in nn:
        nn.add(row.key, row)
    cls = nn[row.key]
    return (cls if cls.origin == row.origin else build(row))(**fields)


def build(row: LayerRow) -> type[Layer]:
    """The node class of a row."""
    parameters = visible(row.wraps)
    _check_inferred(row.key, row.origin[1], row.sizes, parameters)
    torchs = row.wraps.__module__.startswith("torch.")
    made = {n: row.fields[n] if n in row.fields else hyperparameter(p, row.bounds, torchs) for n, p in parameters.items()}
    fields = {n: field for n, field in made.items() if n not in row.sizes} | {**row.fields}
    body = {
        "row": row,
        "origin": row.origin,
        "decided": {name: size.sentence for name, size in row.sizes.items() if name not in fields},
        "passed": tuple(n for n in parameters if n not in row.sizes),
        "torch_module": row.wraps,
        "inputs": tuple(Channel(name, *TYPES) for name in row.ins),
        "outputs": tuple(Channel(name, *TYPES) for name in row.outs),
        "rule": row.rule,
        "label": row.label,
        "__doc__": _docstring(row, fields),
    }
    cls = attrs.make_class(
        getattr(row.wraps, "__name__", row.key),
        fields,
        bases=(Layer,),
        class_body=body,
        frozen=True, eq=False, repr=False, kw_only=True, slots=False, collect_by_mro=True,
    )  # fmt: skip
    cls.__module__ = row.module
    return check_fields(cls)


def _docstring(row: LayerRow, fields: Mapping[str, Any]) -> str:
    takes = DIMENSIONS.get(row.rank[0], "(batch, ...)") if row.rank else "(batch, ...)"
    gives = takes.replace(", channels", ", out_channels") if "out_channels" in fields else takes
    shapes = f"`{takes}`. {row.shape.__doc__}" if row.shape else f"`{takes} -> {gives}`."
    decided = [f"`{name}` is {size.what}." for name, size in row.sizes.items()]
    pasted = call("nn", [source(row.key)], dict(row.example))
    example = f">>> from pipeops import nn\n>>> {pasted}\n{pasted}"
    return "\n\n".join([f"{row.label}: {shapes}", f"Module: `{row.origin[0]}.{row.origin[1]}`.", *decided, example])


def _check_module(key: str, module: Any, inferred: Mapping[str, Any]) -> None:
    """Refuse what cannot make modules, and inferred arguments that it does not have."""
    makes = issubclass(module, torch.nn.Module) if isinstance(module, type) else inspect.isfunction(module)
    if not makes or getattr(module, "__name__", "") == "<lambda>":
        raise ConfigError(
            f"layer('{key}'): takes a class of torch.nn.Module, or a named function that makes one, got {module!r}; "
            'nn("fn", fn=...) makes a node of a function of a tensor.'
        )
    _check_inferred(key, module.__name__, inferred, visible(module))


def _check_inferred(key: str, name: str, inferred: Mapping[str, Any], parameters: Mapping[str, Any]) -> None:
    for argument in inferred:
        if argument not in parameters:
            raise UnknownParameterError(f"layer('{key}'): {name} has no argument '{argument}'.{suggest(argument, parameters)}")


def ports(module: Any) -> tuple[str, ...]:
    """The names of the inputs that a module must be given; one that torch has, or that a function makes, has one."""
    module = type(module) if isinstance(module, torch.nn.Module) else module
    if not isinstance(module, type) or module.__module__.startswith("torch."):
        return ("input",)
    parameters = list(inspect.signature(module.forward).parameters.values())[1:]
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = tuple(p.name for p in parameters if p.kind in positional and p.default is p.empty)
    return needed if len(needed) > 1 else ("input",)


def layer(
    key: str,
    module: Callable[..., torch.nn.Module],
    *,
    rank: int | tuple[int, ...] = (),
    shape: str | ShapeRule | None = None,
    rule: Rule | None = None,
    takes: torch.dtype | None = None,
    label: str = "",
    bounds: Bounds | None = None,
    example: Mapping[str, Any] | None = None,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] = ("output",),
    **arguments: Any,
) -> LayerRow:
    """Register a torch module as a node: `layer("gated", Gated, in_features=last)`, then `nn("gated", out_features=8)`.

    The module's arguments become hyperparameters, but for those that are inferred: `last`, `channels`, `fixed(value)` or
    your own `Inferred`. An argument may also be given as a field, `p=real(0, 1)`, to say its range.

    rank: the numbers of dimensions that may come in (with the batch). shape: the rule for the shape that comes out, a word
    of `pipeops.net.network.shape.RULES` or a function; without one the module runs on the meta device. rule: the module written
    out, see `pipeops.net.rules.base`; without one it is trained by autograd. takes: the type that must
    come in (float32, or int64 for codes), after which float32 comes out; None takes anything and, with a rule, keeps it.
    inputs, outputs: the names of what the module's `forward` takes and answers (several values as a tuple); without names, what
    `forward` must be given. Edges go to them in this order, and `last.of(1)` is the size of the second one.
    bounds: ranges by name. example: hyperparameters for the example in the docstring.

    >>> import torch
    >>> from pipeops import nn
    >>> _ = layer("twice", torch.nn.Identity)
    >>> nn("twice").shape_out((None, 3))
    (None, 3)
    """
    if isinstance(shape, str) and shape not in RULES:
        raise ConfigError(f"layer('{key}'): no shape rule '{shape}'.{suggest(shape, RULES, 'rules')}")
    inferred = {n: a for n, a in arguments.items() if isinstance(a, Inferred)}
    caller = sys._getframe(1).f_globals.get("__name__", "__main__")
    if not caller.startswith("pipeops."):
        _check_module(key, module, inferred)
    if isinstance(inputs, int | str) or isinstance(outputs, int | str):
        raise ConfigError(f'layer(\'{key}\'): inputs= and outputs= are lists of names, as in inputs=["left", "right"].')
    ins, outs = ports(module) if inputs is None else tuple(inputs), tuple(outputs)
    if shape is not None and len(ins) + len(outs) > 2:
        raise ConfigError(f"layer('{key}'): a rule for the shape is of one input and one output; leave 'shape' out, it is found.")
    row = LayerRow(
        origin=(str(module.__module__), str(getattr(module, "__qualname__", key))),
        label=label or (module.__doc__ or key).strip().split("\n")[0],
        key=key,
        wraps=module,
        module=caller,
        rank=(rank,) if isinstance(rank, int) else rank,
        shape=RULES[shape] if isinstance(shape, str) else shape,
        rule=rule,
        takes=takes,
        bounds=bounds or {},
        example=example or {},
        sizes=inferred,
        fields={n: a for n, a in arguments.items() if n not in inferred},
        ins=ins,
        outs=outs,
    )
    return nn.add(key, row)
