"""What `po` makes of a thing that is no key: `po(PCA())`, `po(np.sqrt)`, `po(lrn("classif.tree"))`.

Neighbours: `registry` below calls this when `po` is given anything but text; the nodes are on the shelf.
"""

from collections.abc import Callable
from typing import Any

from pipeops.errors import ConfigError
from pipeops.graph.graph import Graph
from pipeops.graph.pipeop import PipeOp
from pipeops.learn.learner import Learner
from pipeops.shorthand import po


def as_pipeop(thing: Any, **arguments: Any) -> PipeOp:
    """A node from a learner, a graph, a scikit-learn estimator or transformer, or a function of a column; a node is itself.

    arguments: `id` and hyperparameters of the node. A function is applied column by column, as `colapply` does.
    """
    for fits, make in _MAKERS:
        if fits(thing):
            return make(thing, arguments)
    raise ConfigError(
        "po: takes a key, a node, a graph, a learner, a scikit-learn estimator or transformer, or a function of a column, got "
        f"{thing!r}."
    )


def _node(node: PipeOp, arguments: dict[str, Any]) -> PipeOp:
    node = node.renamed(arguments.pop("id")) if "id" in arguments else node
    for name, value in arguments.items():
        node = node.with_param(name, value)
    return node


def _learner(learner: Learner, arguments: dict[str, Any]) -> PipeOp:
    named = {"id": arguments.pop("id")} if "id" in arguments else {}
    return _node(po("learner", learner, **named), arguments)


def _graph(graph: Graph, arguments: dict[str, Any]) -> PipeOp:
    """A node that holds the graph, whose hyperparameters are behind `content`."""
    kinds = {"innum": len(graph.inputs), "outnum": len(graph.outputs)}
    return po("proxy", content=graph, id=arguments.pop("id", "graph"), **kinds, **arguments)


def _estimator(estimator: Any, arguments: dict[str, Any]) -> PipeOp:
    from pipeops.graph.graph_learner import as_learner

    return _learner(as_learner(estimator), arguments)


def _function(function: Any, arguments: dict[str, Any]) -> PipeOp:
    name = getattr(function, "__name__", "")
    named = {"id": name} if name.isidentifier() and "id" not in arguments else {}
    return po("colapply", applicator=function, **{**named, **arguments})


def _has(*names: str) -> Callable[[Any], bool]:
    return lambda thing: not isinstance(thing, type) and all(hasattr(thing, name) for name in names)


_MAKERS: list[tuple[Callable[[Any], bool], Callable[[Any, dict[str, Any]], PipeOp]]] = [
    (lambda thing: isinstance(thing, PipeOp), _node),
    (lambda thing: isinstance(thing, Learner), _learner),
    (lambda thing: isinstance(thing, Graph), _graph),
    (_has("fit", "transform", "get_params"), lambda thing, arguments: po("transformer", thing, **arguments)),
    (_has("fit", "predict", "get_params"), _estimator),
    (lambda thing: callable(thing) and not isinstance(thing, type), _function),
]
