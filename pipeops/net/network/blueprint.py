"""A network in a file: its symbols as plain records, and a network made of records and arrays without believing either.

Modules come from the shelf `nn` by key, with arguments that their rows take. They are built on the meta device first, where
nothing is allocated and nothing computed, and only when names, shapes and types of all weights are those of the file are
these put in place. Neighbours: `compile` builds, `training/state` is what is saved.
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import fx

from pipeops.errors import FormatError
from pipeops.net.network.compile import compile_network
from pipeops.net.network.descriptor import Spec, Symbol
from pipeops.net.network.node import NetworkNode, check_name
from pipeops.net.torch_values import dtype_named
from pipeops.net.training.machine import unplaced
from pipeops.params import hyperparameters
from pipeops.saving.declared import misfit
from pipeops.shorthand import nn

RECORD = {
    "id": str,
    "key": str | None,
    "arguments": dict[str, Any],
    "inputs": list[int] | list[str],
    "shape": list[int | None],
    "dtype": str,
    "levels": list[int] | None,
    "port": list[int],
    "call": int,
}
SIZE = 1 << 12
"""How large a size may be that no weight shows: a kernel, a number of layers."""
ROOM = 1 << 24
"""How many numbers a network may hold beside its weights: buffers that are made anew."""


def topology(symbol: Symbol) -> list[dict[str, Any]]:
    """Plain records of a network, one for each value in graph order, which name what they read by its id.

    Where a module answers several values or is called several times, records name by their places, and say which call of a
    module (the place of its first record) and which of its values they are.
    """
    symbols = symbol.ancestors()
    places, calls = {s: k for k, s in enumerate(symbols)}, dict[int, int]()
    ports = any(s.port for s in symbols) or len({s.id for s in symbols}) < len(symbols)
    return [
        {
            "id": s.id,
            "key": s.spec and s.spec.key,
            "arguments": dict(s.spec.arguments) if s.spec else {},
            "inputs": [places[i] if ports else i.id for i in s.inputs],
            "shape": list(s.shape),
            "dtype": str(s.dtype).removeprefix("torch."),
            "levels": s.levels and list(s.levels),
            **({"port": list(s.port), "call": calls.setdefault(s.serial, places[s])} if ports else {}),
        }
        for s in symbols
    ]


def from_topology(records: Sequence[Mapping[str, Any]], room: int) -> Symbol:
    """The last symbol of the network that `topology` described. room: how large a size may be."""
    symbols, ids = list[Symbol](), dict[str, Symbol]()
    for r in records:
        problem = misfit(r, RECORD)
        if problem or not {"id", "key", "arguments", "inputs", "shape", "dtype", "levels"} <= set(r):
            raise FormatError(f"load: a record of a network {problem or 'lacks a part'}.")
        dtype, levels = dtype_named(r["dtype"]), r["levels"] and tuple(r["levels"])
        call = r.get("call", len(symbols))
        if 0 <= call < len(symbols):
            of, port = symbols[call], tuple(r["port"])
            symbols.append(Symbol(of.id, of.spec, of.inputs, tuple(r["shape"]), dtype, levels, of.serial, port))
            continue
        inputs = tuple(ids[i] if isinstance(i, str) else symbols[range(len(symbols))[i]] for i in r["inputs"])
        check_name(r["id"])
        again = ids[r["id"]].spec if r["id"] in ids and inputs else None
        twice = r["id"] in ids and (again is None or (again.key, dict(again.arguments)) != (r["key"], r["arguments"]))
        if twice or call != len(symbols) or (r["key"] is None and inputs):
            raise FormatError(f"load: the record '{r['id'][:80]}' of a network stands there twice, or reads what it cannot.")
        spec = again or (None if r["key"] is None else _spec(r["key"], r["arguments"], room))
        symbol = Symbol(r["id"], spec, inputs, tuple(r["shape"]), dtype, levels, port=tuple(r.get("port", ())))
        ids[symbol.id] = symbol
        symbols.append(symbol)
    if not symbols:
        raise FormatError("load: a network without values.")
    return symbols[-1]


def _spec(key: str, arguments: dict[str, Any], room: int) -> Spec:
    """How to make a module of the shelf: with arguments that it has, which its node takes as hyperparameters."""
    cls = nn[key] if nn.knows(key) else None
    if not (isinstance(cls, type) and issubclass(cls, NetworkNode)):
        raise FormatError(f"load: no layer '{key[:80]}' is registered here; import the module that registers it.")
    parameters = inspect.signature(cls.torch_module).parameters
    if not set(arguments) <= set(parameters) or not all(_bounded(v, room) for v in arguments.values()):
        raise FormatError(f"load: '{key}' has other arguments than {str(arguments)[:80]}, or none as large.")
    cls(**{n: v for n, v in arguments.items() if n in hyperparameters(cls)})
    return Spec(key, cls.torch_module, arguments)


def _bounded(value: Any, room: int) -> bool:
    """Whether sizes are no larger than the file has numbers for."""
    if isinstance(value, list | tuple):
        return all(_bounded(v, room) for v in value)
    if isinstance(value, dict):
        return all(_bounded(v, room) for v in value.values())
    return not isinstance(value, int) or abs(value) <= room


def restored(symbol: Symbol, weights: Mapping[str, torch.Tensor]) -> fx.GraphModule:
    """The network of these symbols with these weights, which must be all of its weights, and finite."""
    with unplaced():
        network = compile_network(symbol)
    _check_weights(network.state_dict(), weights)
    network.load_state_dict(dict(weights), assign=True)
    left = [t for module in network.modules() for t in _tensors(module) if t.is_meta]
    if sum(t.numel() for t in left) > ROOM:
        raise FormatError("load: a network that would take more memory than its weights.")
    if not left and not _tied(network):
        return network
    network = compile_network(symbol)
    network.load_state_dict(dict(weights))
    return network


def room_for(weights: Mapping[str, torch.Tensor]) -> int:
    """How large a size in a network with these weights may be."""
    return max(SIZE, sum(w.numel() for w in weights.values()))


def _check_weights(expected: Mapping[str, Any], weights: Mapping[str, torch.Tensor]) -> None:
    if set(expected) != set(weights):
        raise FormatError("load: the weights in the file are not those of the network in it.")
    for name, weight in weights.items():
        if expected[name].shape != weight.shape or expected[name].dtype != weight.dtype:
            raise FormatError(f"load: '{name}' is {tuple(weight.shape)}, the network needs {tuple(expected[name].shape)}.")
        if weight.is_floating_point() and not torch.isfinite(weight).all():
            raise FormatError(f"load: '{name}' has values that are not finite.")


def _tensors(module: torch.nn.Module) -> list[torch.Tensor]:
    """What a module holds itself: parameters, buffers, and tensors that are neither."""
    return [*module.parameters(recurse=False), *module.buffers(recurse=False), *(
        v for v in vars(module).values() if isinstance(v, torch.Tensor)
    )]  # fmt: skip


def _tied(network: torch.nn.Module) -> bool:
    """Whether a parameter stands under two names."""
    return len(list(network.named_parameters())) < len(list(network.named_parameters(remove_duplicate=False)))
