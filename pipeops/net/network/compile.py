"""Compiling: from the symbols of a descriptor to one `torch.fx.GraphModule`.

Weights are made here and nowhere else, module by module in the order of the graph, so that a seeded run equals the same
layers written by hand. The ids of nodes are the module's attributes and the stems of its state dictionary.
Neighbours: `descriptor` below, `blueprint` (networks in files) beside it, `model` (which compiles and trains) above.
"""

import functools
import linecache
import operator
import weakref

import torch
from torch import fx
from torch.fx.graph_module import _loader  # pyright: ignore[reportPrivateUsage] - it keeps what is let go of here

from pipeops.errors import ConfigError
from pipeops.net.network.descriptor import ModelDescriptor, Spec, Symbol
from pipeops.net.network.shape import reason


def compile_network(network: Symbol | ModelDescriptor) -> fx.GraphModule:
    """The network that computes a symbol: new weights, one argument for each ingress in the order of the graph.

    network: a symbol, or the descriptor that a graph of layers answers, whose symbol is taken.

    >>> from pipeops.net import Spec, Symbol
    >>> x = Symbol("x", None, (), (None, 3))
    >>> linear = Spec("linear", torch.nn.Linear, {"in_features": 3, "out_features": 2})
    >>> network = compile_network(Symbol("linear", linear, (x,), (None, 2)))
    >>> list(network.state_dict())
    ['linear.weight', 'linear.bias']
    """
    symbol = network.symbol if isinstance(network, ModelDescriptor) else network
    graph, modules, values = fx.Graph(), torch.nn.Module(), dict[Symbol, fx.Node]()
    calls = dict[int, fx.Node]()
    symbols = symbol.ancestors()
    for ingress in symbols:
        if ingress.spec is None:
            values[ingress] = graph.placeholder(ingress.id)
    for node in symbols:
        if node.spec is None:
            continue
        if node.serial not in calls:
            _place(modules, node)
            calls[node.serial] = graph.call_module(node.id, tuple(values[i] for i in node.inputs))
        values[node] = functools.reduce(lambda v, k: graph.call_function(operator.getitem, (v, k)), node.port, calls[node.serial])
    graph.output(values[symbol])
    made = fx.GraphModule(modules, graph, "Network")
    forget_source(made)
    return made


def forget_source(network: torch.nn.Module) -> None:
    """Let go of the source of a compiled network when the network goes: torch keeps it for tracebacks, for ever."""
    weakref.finalize(network, _forget, type(network).forward.__code__.co_filename)


def _forget(name: str) -> None:
    linecache.cache.pop(name, None)
    _loader.eval_cache.pop(name, None)


def batch_norms(symbol: Symbol) -> list[str]:
    """The ids of batch norms that take `(batch, features)`, and so the mean over rows only."""
    kind = torch.nn.modules.batchnorm._BatchNorm
    modules = [(s, s.spec.module) for s in symbol.ancestors() if s.spec is not None and len(s.shape) == 2]
    return [s.id for s, module in modules if isinstance(module, type) and issubclass(module, kind)]


def _place(root: torch.nn.Module, call: Symbol) -> None:
    """Make the module of a call where its id says, unless an earlier call of the same one has made it."""
    *path, name = call.id.split(".")
    for part in path:
        if part not in root._modules:
            root.add_module(part, torch.nn.Module())
        root = root.get_submodule(part)
    if name not in root._modules:
        assert call.spec is not None
        root.add_module(name, _made(call.id, call.spec))


def _made(id: str, spec: Spec) -> torch.nn.Module:
    try:
        return spec.build()
    except Exception as error:
        raise ConfigError(f"{id}: its module cannot be made: {reason(error)}") from error
