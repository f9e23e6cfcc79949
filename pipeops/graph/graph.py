"""Graph: nodes joined by edges into a DAG, and, once trained, one state for each node.

Nodes and edges are kept in the order in which they came, which `>>` makes topological, so joining looks only at the
channels that meet and running is one pass. networkx gives the general view (`to_networkx`): it checks and re-orders
when edges are added by hand. Neighbours: pipeop.py, ends.py (joining) and driver.py (running) below; graph_learner.py makes a
learner of a graph.
"""

from collections.abc import Container, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple, Self

from pipeops.closed import Closed
from pipeops.errors import (
    CompositionError,
    ConfigError,
    NotTrainedError,
    UnknownKeyError,
    UnknownParameterError,
    listing,
    refused,
    suggest,
)
from pipeops.graph.driver import Step, feed, plan, predicting, training, unwrap
from pipeops.graph.ends import Edge, End, channel, check_types, pair, pick
from pipeops.graph.learner_node import LearnerOp
from pipeops.graph.pipeop import AutoId, Channel, PipeOp
from pipeops.learn.fits import Run, outcome
from pipeops.learn.learner import Learner
from pipeops.params import Parameterized, Params, same, settings_of
from pipeops.saving import savable
from pipeops.text import table


class Trained(NamedTuple):
    """What training a graph made: a state for each node, and the output (a dictionary by name where there are several)."""

    state: dict[str, Any]
    output: Any


@savable
class Graph(Closed, Parameterized):
    """A directed acyclic graph of PipeOps.

    Composed by `a >> b`, `[a, b] >> c`, `chain([...])` and `gunion([...])`, or by hand with `add_pipeop` and `add_edge`.
    `train(task)` keeps the nodes' states in `state`, `predict(task)` uses them.

    >>> from pipeops import po
    >>> (po("nop") >> po("nop")).ids()
    ['nop', 'nop_2']
    """

    state: dict[str, Any]

    def __init__(self) -> None:
        self._nodes: dict[str, PipeOp] = {}
        self._edges: list[Edge] = []
        self._inputs: list[End] = []
        self._outputs: list[End] = []
        self._numbers: dict[str, int] = {}
        self.state = {}

    # ---------------------------------------------------------------- composing

    def __rshift__(self, other: "PipeOp | Graph | list[Any]") -> "Graph":
        return self.copy().extend(other)

    def __rrshift__(self, other: list[Any]) -> "Graph":
        return Graph().extend(other).extend(self)

    def copy(self) -> "Graph":
        """The same nodes and edges, untrained."""
        new = object.__new__(Graph)
        new._nodes, new._numbers, new.state = self._nodes.copy(), self._numbers.copy(), {}
        new._edges, new._inputs, new._outputs = self._edges.copy(), self._inputs.copy(), self._outputs.copy()
        return new

    def extend(self, other: "PipeOp | Graph | Iterable[Any]") -> Self:
        """Join a node, a graph or a list of them to the open outputs, in place; a first one just goes in.

        As many outputs as inputs are joined in order; one output feeds all inputs; many outputs go into one input
        that takes any number.
        """
        if isinstance(other, Graph) and not other._nodes:
            return self
        nodes, edges, state = len(self._nodes), len(self._edges), self.state
        try:
            inputs, outputs = self._add(other)
            if nodes:
                self._join(inputs, outputs)
            else:
                self._inputs, self._outputs = inputs, outputs
        except CompositionError:
            self._undo(nodes, edges, state)
            raise
        return self

    def _undo(self, nodes: int, edges: int, state: dict[str, Any]) -> None:
        """Take away all but the first so many nodes and edges."""
        self._nodes, self.state = dict(islice(self._nodes.items(), nodes)), state
        del self._edges[edges:]

    def _add(self, part: Any) -> tuple[list[End], list[End]]:
        """Put a node, a graph or a list of them in, unjoined: its open inputs and outputs."""
        if isinstance(part, PipeOp):
            return self._add_node(part)
        if isinstance(part, Learner):
            return self._add_node(LearnerOp(part))
        return self._add_graph(part if isinstance(part, Graph) else gunion(_parts(part)))

    def _add_node(self, node: PipeOp, reserved: Container[str] = ()) -> tuple[list[End], list[End]]:
        self.state = {}
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

    def _add_graph(self, other: "Graph", prefix: str = "") -> tuple[list[End], list[End]]:
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
                flowing[sink.node] = source.channel
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

    def add_pipeop(self, node: PipeOp) -> Self:
        """Add a node without joining it, in place."""
        if not isinstance(node, PipeOp):
            raise CompositionError(f"add_pipeop: takes one node, got {type(node).__name__}: {node!r}.")
        inputs, outputs = self._add_node(node)
        self._inputs, self._outputs = self._inputs + inputs, self._outputs + outputs
        return self

    def add_edge(self, source: str, target: str, output: str | None = None, input: str | None = None) -> Self:
        """Join two nodes by id, in place; channels may be left out where a node has only one.

        Unknown ids and channels, types that do not fit, an input that is fed already and a cycle are refused.

        >>> from pipeops import Graph, po
        >>> Graph().add_pipeop(po("scale")).add_pipeop(po("nop")).add_edge("scale", "nop").ids()
        ['scale', 'nop']
        """
        out, into = pick(self[source], "output", output), pick(self[target], "input", input)
        check_types(End(source, out), End(target, into))
        if not into.many and any(e.target == target and e.input == into.name for e in self._edges):
            raise CompositionError(f"input '{into.name}' of '{target}' is fed already; it takes one edge.")
        self._edges.append(Edge(source, out.name, target, into.name))
        outputs = [e for e in self._outputs if (e.node, e.channel.name) != (source, out.name)]
        try:
            self._order()
            self._outputs = self._flow(self._entering(), outputs)
        except CompositionError:
            self._edges.pop()
            raise
        self._inputs = [e for e in self._inputs if (e.node, e.channel.name) != (target, into.name)]
        self.state = {}
        return self

    def _entering(self) -> dict[str, Channel]:
        """The types that enter pass-through nodes from nodes that are none."""
        found: dict[str, Channel] = {}
        for e in self._edges:
            source = self._nodes[e.source]
            if self._nodes[e.target].passes_types and not source.passes_types:
                found.setdefault(e.target, channel(source.outputs, e.output))
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

    # ---------------------------------------------------------------- looking

    def ids(self) -> list[str]:
        """The nodes' ids in topological order."""
        return [str(i) for i in self._nodes]

    @property
    def nodes(self) -> Mapping[str, PipeOp]:
        """The nodes by id, in topological order."""
        return self._nodes

    @property
    def edges(self) -> list[Edge]:
        """`Edge(source, output, target, input)`, in the order in which they were joined."""
        return list(self._edges)

    @property
    def inputs(self) -> list[End]:
        """The open inputs: what `train` and `predict` take."""
        return list(self._inputs)

    @property
    def outputs(self) -> list[End]:
        """The open outputs: what `train` and `predict` return."""
        return list(self._outputs)

    def __getitem__(self, id: str) -> PipeOp:
        if id not in self._nodes:
            raise UnknownKeyError(f"graph: no node '{id}'.{suggest(id, self._nodes, 'nodes')}")
        return self._nodes[id]

    def __contains__(self, id: object) -> bool:
        return id in self._nodes

    def __len__(self) -> int:
        return len(self._nodes)

    def __iter__(self) -> Iterator[str]:
        return iter(self.ids())

    def to_networkx(self) -> Any:
        """A `networkx.MultiDiGraph` of ids, the nodes as attribute `pipeop` and the channels on the edges."""
        import networkx as nx

        view = nx.MultiDiGraph()
        for id, node in self._nodes.items():
            view.add_node(id, pipeop=node)
        for e in self._edges:
            view.add_edge(e.source, e.target, output=e.output, input=e.input)
        return view

    def __repr__(self) -> str:
        before, after = {i: [] for i in self._nodes}, {i: [] for i in self._nodes}
        for e in self._edges:
            before[e.target].append(e.source)
            after[e.source].append(e.target)
        rows = [
            (i, repr(n), "trained" if i in self.state else "<untrained>", ", ".join(before[i]), ", ".join(after[i]))
            for i, n in self._nodes.items()
        ]
        if not rows:
            return "Empty Graph."
        head = f"Graph with {len(self)} PipeOp{'s' * (len(self) != 1)}:"
        return head + "\n" + table(("id", "pipeop", "state", "predecessors", "successors"), rows, indent="  ")

    # ---------------------------------------------------------------- hyperparameters

    @property
    def params(self) -> Params:
        """All hyperparameters by address `id.name`: prints as a table, reads, sets and validates.

        Setting drops the states, unless the value is the present one or only matters when predicting.
        """
        return Params(self, "graph", self._set_param)

    def parts(self) -> Mapping[str, PipeOp]:
        """The nodes by id."""
        return self._nodes

    def _set_param(self, address: str, value: Any) -> bool:
        """Set a hyperparameter; whether what was learnt is kept."""
        id, _, name = address.partition(".")
        if id not in self._nodes or not name:
            raise UnknownParameterError(f"graph: no hyperparameter '{address}'.{suggest(address, settings_of(self))}")
        old, new = self._nodes[id], self._nodes[id].with_param(name, value)
        if (old.inputs, old.outputs) != (new.inputs, new.outputs):
            raise ConfigError(f"{id}: '{name}' decides which channels the node has, and they are joined; compose the graph anew.")
        self._nodes[id] = new
        kept = name in new.keeps_state or same(old.params[name], new.params[name])
        if not kept:
            self.state = {}
        return kept

    def __getstate__(self) -> dict[str, Any]:
        ends = {"inputs": [tuple(e) for e in self._inputs], "outputs": [tuple(e) for e in self._outputs]}
        return {"nodes": self._nodes, "edges": [tuple(e) for e in self._edges], **ends, "state": self.state}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._nodes, self._numbers, self.state = dict(state["nodes"]), {}, state["state"]
        self._edges = [Edge(*e) for e in state["edges"]]
        self._inputs, self._outputs = ([End(node, Channel(*c)) for node, c in state[k]] for k in ("inputs", "outputs"))

    # ---------------------------------------------------------------- running

    @property
    def is_trained(self) -> bool:
        """Whether every node has a state."""
        return bool(self._nodes) and len(self.state) == len(self._nodes)

    def train(self, inputs: Any, *, valid: Any = None) -> Any:
        """Train every node in order and return the outputs: the value when there is one, else a dictionary by name.

        inputs: one value (it goes to every input) or a dictionary by input name (`"scale.input"`, or `"scale"`).
        valid: validation data of the same form; every fitted node applies its *predict* to it, none is fitted on it.
        """
        try:
            trained = outcome(self.training(inputs, valid))
        except Exception as error:
            self.state = self.state if refused(error) else {}
            raise
        self.state = trained.state
        return trained.output

    def training(self, inputs: Any, valid: Any = None) -> Run[Trained]:
        """Training as a run that yields a fit for each node (see `learn/fits.py`); this graph stays as it is."""
        self.params.refuse_tokens()
        lane = feed(inputs, self._inputs, "train")
        beside = None if valid is None else feed(valid, self._inputs, "predict")
        state = yield from training(self._plan(), lane, beside)
        return Trained(state, unwrap(lane, self._nodes, self._outputs))

    def predict(self, inputs: Any) -> Any:
        """Apply every trained node in order and return the outputs as `train` does."""
        return self.predict_with(self.state, inputs)

    def predict_with(self, state: Mapping[str, Any], inputs: Any) -> Any:
        """Predict with these states, one for each node; this graph stays as it is."""
        if not self._nodes or len(state) != len(self._nodes):
            raise NotTrainedError(f"graph: train it before predicting ({listing(self.ids())}).")
        lane = feed(inputs, self._inputs, "predict")
        predicting(self._plan(), lane, state)
        return unwrap(lane, self._nodes, self._outputs)

    def _plan(self) -> list[Step]:
        return plan(self._nodes, self._edges, self._inputs, self._outputs)


def _parts(thing: Any) -> Iterable[Any]:
    if not isinstance(thing, list | tuple):
        raise CompositionError(f"a graph is made of nodes, graphs and lists of them, got {type(thing).__name__}: {thing!r}.")
    return thing


def chain(parts: Iterable[Any]) -> Graph:
    """`a >> b >> c` for a list, in linear time.

    >>> from pipeops import chain, po
    >>> len(chain([po("nop")] * 3))
    3
    """
    graph = Graph()
    for part in parts:
        graph.extend(part)
    return graph


def gunion(parts: Iterable[Any] | Mapping[str, Any]) -> Graph:
    """Graphs and nodes side by side, without edges between them; the keys of a mapping go before the ids.

    >>> from pipeops import gunion, po
    >>> gunion([po("scale"), po("scale")]).ids()
    ['scale', 'scale_2']
    >>> gunion({"a": po("scale"), "b": po("scale")}).ids()
    ['a_scale', 'b_scale']
    """
    graph = Graph()
    for prefix, part in parts.items() if isinstance(parts, Mapping) else (("", part) for part in parts):
        inputs, outputs = graph._add_graph(Graph().extend(part), prefix) if prefix else graph._add(part)
        graph._inputs, graph._outputs = graph._inputs + inputs, graph._outputs + outputs
    return graph
