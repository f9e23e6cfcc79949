"""Edits: graphs made of other graphs by renaming, replacing and inserting nodes; the one that is edited stays as it is.

Neighbours: composing.py joins nodes and orders them; graph.py offers these as methods.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from pipeops.errors import CompositionError, listing
from pipeops.graph.composing import Composition
from pipeops.graph.ends import Edge, End, channel, check_types, pick
from pipeops.graph.learner_node import as_node
from pipeops.graph.pipeop import Channel, PipeOp

C = TypeVar("C", bound=Composition)


def renamed(graph: C, names: Mapping[str, str]) -> C:
    """The same graph with other ids, by present id."""
    for id in names:
        graph[id]
    ids = {id: names.get(id, id) for id in graph._nodes}
    taken = [id for id in ids.values() if list(ids.values()).count(id) > 1] if len({*ids.values()}) < len(ids) else []
    if taken:
        raise CompositionError(f"graph: the id '{taken[0]}' would be there twice; choose another one.")
    nodes = [node if ids[id] == id else node.renamed(ids[id]) for id, node in graph._nodes.items()]
    edges = [Edge(ids[e.source], e.output, ids[e.target], e.input) for e in graph._edges]
    return _rebuilt(graph, nodes, edges, ids)


def pairs(old: str | Sequence[str] | Mapping[str, str], new: str | Sequence[str] | None) -> Mapping[str, str]:
    """Old and new ids, given as a mapping, as one id each, or as two lists."""
    if isinstance(old, Mapping):
        return old
    olds, news = ([names] if isinstance(names, str) else list(names or ()) for names in (old, new))
    if len(olds) != len(news):
        raise CompositionError(f"set_names: needs a new id for each of {listing(olds)}, got {listing(news) or 'none'}.")
    return dict(zip(olds, news, strict=True))


def replaced(graph: C, id: str, thing: object) -> C:
    """The graph with another node in the place of one; its channels are matched by name, else in order."""
    old, new = graph[id], _placed(graph, thing, without=id)
    into, out = _matched(old.inputs, new.inputs, id, new), _matched(old.outputs, new.outputs, id, new)
    edges = [
        Edge(
            new.id if e.source == id else e.source,
            out[e.output] if e.source == id else e.output,
            new.id if e.target == id else e.target,
            into[e.input] if e.target == id else e.input,
        )
        for e in graph._edges
    ]
    nodes = [new if node is old else node for node in graph._nodes.values()]
    return _rebuilt(graph, nodes, edges, {id: new.id})


def inserted(graph: C, id: str, thing: object, name: str | None, before: bool) -> C:
    """The graph with a node of one input and one output before an input, or behind an output, of another node."""
    end, new = pick(graph[id], "input" if before else "output", name), _placed(graph, thing)
    into, out = pick(new, "input", None).name, pick(new, "output", None).name
    if before:
        edges = [Edge(e.source, e.output, new.id, into) if (e.target, e.input) == (id, end.name) else e for e in graph._edges]
        edges.append(Edge(new.id, out, id, end.name))
    else:
        edges = [Edge(new.id, out, e.target, e.input) if (e.source, e.output) == (id, end.name) else e for e in graph._edges]
        edges.append(Edge(id, end.name, new.id, into))
    nodes = [node for old in graph._nodes.values() for node in _around(old, new, before, old.id == id)]
    return _rebuilt(graph, nodes, edges, {})


def _around(old: PipeOp, new: PipeOp, before: bool, here: bool) -> list[PipeOp]:
    if not here:
        return [old]
    return [new, old] if before else [old, new]


def _placed(graph: Composition, thing: object, without: str = "") -> PipeOp:
    """A node as it may stand in the graph, numbered where its id is taken and was not chosen."""
    node = as_node(thing)
    free = graph.copy()
    free._nodes.pop(without, None)
    free._add_node(node)
    return next(reversed(free._nodes.values()))


def _matched(old: Sequence[Channel], new: Sequence[Channel], id: str, node: PipeOp) -> dict[str, str]:
    names = [c.name for c in new]
    if all(c.name in names for c in old):
        return {c.name: c.name for c in old}
    if len(old) != len(new):
        raise CompositionError(f"replace: '{id}' has the channels {listing(c.name for c in old)}, {node!r} has {listing(names)}.")
    return dict(zip((c.name for c in old), names, strict=True))


def _rebuilt(graph: C, nodes: Iterable[PipeOp], edges: list[Edge], ids: Mapping[str, str]) -> C:
    """A graph of these nodes and edges, checked; its open ends stay in their order. ids: new ids by old ones."""
    new = type(graph)()
    new._nodes, new._edges = {node.id: node for node in nodes}, edges
    for e in edges:
        source, target = new._nodes[e.source], new._nodes[e.target]
        check_types(End(e.source, channel(source.outputs, e.output)), End(e.target, channel(target.inputs, e.input)))
    fed, left = {(e.target, e.input) for e in edges}, {(e.source, e.output) for e in edges}
    inputs = [End(i, c) for i, n in new._nodes.items() for c in n.inputs if (i, c.name) not in fed]
    outputs = [End(i, c) for i, n in new._nodes.items() for c in n.outputs if (i, c.name) not in left]
    new._order()
    new._inputs = _in_order(inputs, graph._inputs, ids)
    new._outputs = new._flow(new._entering(), _in_order(outputs, graph._outputs, ids))
    return new


def _in_order(ends: list[End], before: list[End], ids: Mapping[str, str]) -> list[End]:
    places: dict[str, int] = {}
    for k, end in enumerate(before):
        places.setdefault(ids.get(end.node, end.node), k)
    return sorted(ends, key=lambda end: places.get(end.node, len(before)))
