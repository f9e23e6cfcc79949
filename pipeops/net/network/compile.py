"""Compiling: from the symbols of a descriptor to one `torch.fx.GraphModule`.

Weights are made here and nowhere else, module by module in the order of the graph, so that a seeded run equals the same
layers written by hand. The ids of nodes are the module's attributes and the stems of its state dictionary.
`topology` and `from_topology` turn symbols into plain records and back, for saving. Neighbours: `descriptor` below,
`model` (which compiles and trains) above.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import fx

from pipeops.errors import ConfigError
from pipeops.net.network.descriptor import Spec, Symbol
from pipeops.net.network.shape import reason
from pipeops.shorthand import nn


def compile_network(symbol: Symbol) -> fx.GraphModule:
    """The network that computes `symbol`: new weights, one argument for each ingress in the order of the graph.

    >>> from pipeops.net import Spec, Symbol
    >>> x = Symbol("x", None, (), (None, 3))
    >>> linear = Spec("linear", torch.nn.Linear, {"in_features": 3, "out_features": 2})
    >>> network = compile_network(Symbol("linear", linear, (x,), (None, 2)))
    >>> list(network.state_dict())
    ['linear.weight', 'linear.bias']
    """
    graph, modules, values = fx.Graph(), dict[str, torch.nn.Module](), dict[Symbol, fx.Node]()
    symbols = symbol.ancestors()
    for ingress in symbols:
        if ingress.spec is None:
            values[ingress] = graph.placeholder(ingress.id)
    for node in symbols:
        if node.spec is not None:
            modules[node.id] = _made(node.id, node.spec)
            values[node] = graph.call_module(node.id, tuple(values[i] for i in node.inputs))
    graph.output(values[symbol])
    return fx.GraphModule(modules, graph, "Network")


def batch_norms(symbol: Symbol) -> list[str]:
    """The ids of batch norms that take `(batch, features)`, and so the mean over rows only."""
    kind = torch.nn.modules.batchnorm._BatchNorm
    modules = [(s, s.spec.module) for s in symbol.ancestors() if s.spec is not None and len(s.shape) == 2]
    return [s.id for s, module in modules if isinstance(module, type) and issubclass(module, kind)]


def _made(id: str, spec: Spec) -> torch.nn.Module:
    try:
        return spec.build()
    except Exception as error:
        raise ConfigError(f"{id}: its module cannot be made: {reason(error)}") from error


def topology(symbol: Symbol) -> list[dict[str, Any]]:
    """Plain records of a network, one for each value in graph order: id, key, arguments, inputs, shape, dtype, levels."""
    return [
        {
            "id": s.id,
            "key": s.spec and s.spec.key,
            "arguments": dict(s.spec.arguments) if s.spec else {},
            "inputs": [i.id for i in s.inputs],
            "shape": list(s.shape),
            "dtype": str(s.dtype).removeprefix("torch."),
            "levels": s.levels and list(s.levels),
        }
        for s in symbol.ancestors()
    ]


def from_topology(records: Sequence[Mapping[str, Any]]) -> Symbol:
    """The last symbol of the network that `topology` described; modules come from the registry `nn` by key."""
    symbols: dict[str, Symbol] = {}
    for r in records:
        spec = Spec(r["key"], nn[r["key"]].torch_module, r["arguments"]) if r["key"] is not None else None
        inputs = tuple(symbols[i] for i in r["inputs"])
        levels = None if r["levels"] is None else tuple(r["levels"])
        symbols[r["id"]] = Symbol(r["id"], spec, inputs, tuple(r["shape"]), getattr(torch, r["dtype"]), levels)
    return symbols[records[-1]["id"]]
