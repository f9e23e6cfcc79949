"""Composing: how nodes, graphs and lists of them are put together, and which open ends meet.

Nodes and edges are kept in the order in which they came, which `>>` makes topological, so joining looks only at the channels
that meet. networkx checks and re-orders when edges are added by hand. Neighbours: ends.py has the rules of joining; graph.py
is a composition that can be trained; edits.py makes changed ones.
"""

from collections.abc import Container, Iterable, Mapping
from itertools import islice
from typing import Any, Self, TypeVar

from pipeops.errors import CompositionError, UnknownKeyError, suggest
from pipeops.graph.ends import Edge, End, channel, check_types, pair, pick
from pipeops.graph.learner_node import LearnerOp
from pipeops.graph.pipeop import AutoId, Channel, PipeOp
from pipeops.learn.learner import Learner

C = TypeVar("C", bound="Composition")


class Composition:
    """Nodes by id, edges between their channels, and the ends that no edge has reached."""

    def __init__(self) -> None:
        self._nodes: dict[str, PipeOp] = {}
        self._edges: list[Edge] = []
        self._inputs: list[End] = []
        self._outputs: list[End] = []
        self._numbers: dict[str, int] = {}

    def __rshift__(self, other: Any) -> Self:
        return self.copy().extend(other)

    def __rrshift__(self, other: list[Any]) -> Self:
        return type(self)().extend(other).extend(self)

    def copy(self) -> Self:
        """The same nodes and edges, untrained."""
        new = object.__new__(type(self))
        new._nodes, new._numbers = self._nodes.copy(), self._numbers.copy()
        new._edges, new._inputs, new._outputs = self._edges.copy(), self._inputs.copy(), self._outputs.copy()
        new._changed()
        return new

    def extend(self, other: Any) -> Self:
        """Join a node, a graph or a list of them to the open outputs, in place; a first one just goes in.

        As many outputs as inputs are joined in order; one output feeds all inputs; many outputs go into one input
        that takes any number.
        """
        if isinstance(other, Composition) and not other._nodes:
            return self
        nodes, edges = len(self._nodes), len(self._edges)
        try:
            inputs, outputs = self._add(other)
            if nodes:
                self._join(inputs, outputs)
            else:
                self._inputs, self._outputs = inputs, outputs
        except CompositionError:
            self._undo(nodes, edges)
            raise
        self._changed()
        return self

    def _changed(self) -> None:
        """What is to be forgotten when nodes or edges have come."""

    def _undo(self, nodes: int, edges: int) -> None:
        """Take away all but the first so many nodes and edges."""
        self._nodes = dict(islice(self._nodes.items(), nodes))
        del self._edges[edges:]

    def _add(self, part: Any) -> tuple[list[End], list[End]]:
        """Put a node, a graph or a list of them in, unjoined: its open inputs and outputs."""
        if isinstance(part, PipeOp):
            return self._add_node(part)
        if isinstance(part, Learner):
            return self._add_node(LearnerOp(part))
        return self._add_graph(part if isinstance(part, Composition) else beside(type(self)(), part))

    def _add_node(self, node: PipeOp, reserved: Container[str] = ()) -> tuple[list[End], list[End]]:
        if node.id in self._nodes:
            node = node.renamed(self._number(node, reserved))
        self._nodes[node.id] = node
        return [End(node.id, c) for c in node.inputs], [End(node.id, c) for c in node.outputs]

    def _number(self, node: PipeOp, reserved: Container[str]) -> AutoId:
        """The next free number for an id that the user did not choose."""
        taken = node.id
        if not isinstance(taken, AutoId):
            raise CompositionError(
                f"the id '{taken}' of {node!r} is taken by {self._nodes[taken]!r}; give one another id: id='{taken}_2'."
            )
        base = str(taken)
        if base not in self._numbers:
            stem, _, digits = base.rpartition("_")
            base = stem if digits.isdigit() and stem in self._nodes else base
        number = self._numbers.get(base, 1) + 1
        while (numbered := f"{base}_{number}") in self._nodes or numbered in reserved:
            number += 1
        self._numbers[base] = number
        return AutoId(numbered)

    def _add_graph(self, other: "Composition", prefix: str = "") -> tuple[list[End], list[End]]:
        names: dict[str, str] = {}
        chosen = {id for id in other._nodes if not isinstance(id, AutoId)}
        for old, node in other._nodes.items():
            self._add_node(node.renamed(f"{prefix}_{old}") if prefix else node, chosen)
            names[old] = next(reversed(self._nodes))
        self._edges += [Edge(names[e.source], e.output, names[e.target], e.input) for e in other._edges]
        inputs, outputs = ([End(names[e.node], e.channel) for e in ends] for ends in (other._inputs, other._outputs))
        return inputs, outputs

    def _join(self, inputs: list[End], outputs: list[End]) -> None:
        flowing: dict[str, Channel] = {}
        for source, sink in pair(self._outputs, inputs):
            check_types(source, sink)
            self._edges.append(Edge(source.node, source.channel.name, sink.node, sink.channel.name))
            if self._nodes[sink.node].passes_types:
                known = flowing.get(sink.node)
                flowing[sink.node] = source.channel if known is None else known.common(source.channel)
        self._outputs = self._flow(flowing, outputs) if flowing else outputs

    def _flow(self, types: dict[str, Channel], outputs: list[End]) -> list[End]:
        """Carry known types on through pass-through nodes, checking the edges behind them; the outputs with their types."""
        if any(end.node not in types for end in outputs):
            place = {n: i for i, n in enumerate(self._nodes)}
            for edge in sorted(self._edges, key=lambda e: place[e.source]):
                if edge.source in types:
                    source, node = End(edge.source, types[edge.source]._replace(name=edge.output)), self._nodes[edge.target]
                    check_types(source, End(edge.target, channel(node.inputs, edge.input)))
                    if node.passes_types:
                        types.setdefault(edge.target, types[edge.source])
        return [e.carrying(types[e.node]) if e.node in types else e for e in outputs]

    def add_pipeop(self, node: PipeOp | Learner) -> Self:
        """A new graph with one more node, or a learner as one, that is joined to nothing."""
        if not isinstance(node, PipeOp | Learner):
            raise CompositionError(f"add_pipeop: takes one node, got {type(node).__name__}: {node!r}.")
        new = self.copy()
        inputs, outputs = new._add(node)
        new._inputs, new._outputs = new._inputs + inputs, new._outputs + outputs
        return new

    def add_edge(self, source: str, target: str, output: str | None = None, input: str | None = None) -> Self:
        """A new graph in which two nodes are joined, by id; channels may be left out where a node has only one.

        Unknown ids and channels, types that do not fit, an input that is fed already and a cycle are refused.

        >>> from pipeops import Graph, po
        >>> Graph().add_pipeop(po("scale")).add_pipeop(po("nop")).add_edge("scale", "nop").ids()
        ['scale', 'nop']
        """
        out, into = pick(self[source], "output", output), pick(self[target], "input", input)
        check_types(End(source, out), End(target, into))
        if not into.many and any(e.target == target and e.input == into.name for e in self._edges):
            raise CompositionError(f"input '{into.name}' of '{target}' is fed already; it takes one edge.")
        new = self.copy()
        new._edges.append(Edge(source, out.name, target, into.name))
        outputs = [e for e in new._outputs if (e.node, e.channel.name) != (source, out.name)]
        new._order()
        new._outputs = new._flow(new._entering(), outputs)
        new._inputs = [e for e in new._inputs if (e.node, e.channel.name) != (target, into.name)]
        return new

    def _entering(self) -> dict[str, Channel]:
        """The types that enter pass-through nodes from nodes that are none."""
        found: dict[str, Channel] = {}
        for e in self._edges:
            source = self._nodes[e.source]
            if self._nodes[e.target].passes_types and not source.passes_types:
                flows = channel(source.outputs, e.output)
                found[e.target] = found[e.target].common(flows) if e.target in found else flows
        return found

    def _order(self) -> None:
        """Put nodes in topological order again after an edge was added by hand; refuse a cycle."""
        import networkx as nx

        view, place = self.to_networkx(), {n: i for i, n in enumerate(self._nodes)}
        if not nx.is_directed_acyclic_graph(view):
            cycle, edge = [str(source) for source, *_ in nx.find_cycle(view)], self._edges[-1]
            raise CompositionError(
                f"an edge from '{edge.source}' to '{edge.target}' closes a cycle: {' >> '.join([*cycle, cycle[0]])}."
            )
        order = nx.lexicographical_topological_sort(view, key=place.__getitem__)
        self._nodes = {n: self._nodes[n] for n in order}

    def __getitem__(self, id: str) -> PipeOp:
        if id not in self._nodes:
            raise UnknownKeyError(f"graph: no node '{id}'.{suggest(id, self._nodes, 'nodes')}")
        return self._nodes[id]

    def to_networkx(self) -> Any:
        """A `networkx.MultiDiGraph` of ids, the nodes as attribute `pipeop` and the channels on the edges."""
        import networkx as nx

        view = nx.MultiDiGraph()
        for id, node in self._nodes.items():
            view.add_node(id, pipeop=node)
        for e in self._edges:
            view.add_edge(e.source, e.target, output=e.output, input=e.input)
        return view


def beside(graph: C, parts: Any) -> C:
    """A graph with these put into it side by side; the keys of a mapping go before the ids."""
    if not isinstance(parts, Mapping | Iterable) or isinstance(parts, str):
        raise CompositionError(f"a graph is made of nodes, graphs and lists of them, got {type(parts).__name__}: {parts!r}.")
    for prefix, part in parts.items() if isinstance(parts, Mapping) else (("", part) for part in parts):
        inputs, outputs = graph._add_graph(type(graph)().extend(part), prefix) if prefix else graph._add(part)
        graph._inputs, graph._outputs = graph._inputs + inputs, graph._outputs + outputs
    return graph
