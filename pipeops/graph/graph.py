"""Graph: nodes joined by edges into a DAG, and, once trained, one state for each node.

Nodes and edges are kept in the order in which they came, which `>>` makes topological, so joining looks only at the
channels that meet and running is one pass. networkx gives the general view (`to_networkx`): it checks and re-orders
when edges are added by hand. Neighbours: pipeop.py below; graph_learner.py makes a learner of a graph.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Self

from pipeops.errors import CompositionError, ConfigError, DataError, NotTrainedError, UnknownKeyError, listing, suggest
from pipeops.graph.pipeop import AutoId, Channel, PipeOp
from pipeops.saving import savable
from pipeops.params import Params, Setting
from pipeops.text import table


class Edge(NamedTuple):
    """From an output channel of one node to an input channel of another."""

    source: str
    output: str
    target: str
    input: str


class End(NamedTuple):
    """A channel of a node that no edge has reached yet, with the types that flow through it."""

    node: str
    channel: Channel

    @property
    def name(self) -> str:
        return f"{self.node}.{self.channel.name}"


def fits(source: str, sink: str) -> bool:
    """Whether a value of one type may flow into a channel of another: equal, wider or narrower (checked when it runs)."""
    return "*" in (source, sink) or source.startswith(sink) or sink.startswith(source)


def _check_types(source: End, sink: End) -> None:
    for phase in ("train", "predict"):
        gives, takes = getattr(source.channel, phase), getattr(sink.channel, phase)
        if not fits(gives, takes):
            raise CompositionError(
                f"'{source.node}' gives a {gives} in {phase} (output '{source.channel.name}'), "
                f"but '{sink.node}' takes a {takes} (input '{sink.channel.name}')."
            )


@savable
class Graph:
    """A directed acyclic graph of PipeOps.

    Composed by `a >> b`, `[a, b] >> c`, `chain([...])` and `gunion([...])`, or by hand with `add_pipeop` and `add_edge`.
    `train(task)` keeps the nodes' states in `state`, `predict(task)` uses them.

    >>> from pipeops import po
    >>> (po("nop") >> po("nop")).ids()
    ['nop', 'nop_2']
    """

    def __init__(self) -> None:
        self._nodes: dict[str, PipeOp] = {}
        self._edges: list[Edge] = []
        self._inputs: list[End] = []
        self._outputs: list[End] = []
        self._numbers: dict[str, int] = {}
        self.state: dict[str, Any] = {}

    # ---------------------------------------------------------------- composing

    def __rshift__(self, other: "PipeOp | Graph | list[Any]") -> "Graph":
        return self.copy().extend(other)

    def __rrshift__(self, other: list[Any]) -> "Graph":
        return Graph().extend(other).extend(self)

    def copy(self) -> "Graph":
        """The same nodes and edges, untrained."""
        new = Graph()
        new._nodes, new._numbers = self._nodes.copy(), self._numbers.copy()
        new._edges, new._inputs, new._outputs = self._edges.copy(), self._inputs.copy(), self._outputs.copy()
        return new

    def extend(self, other: "PipeOp | Graph | Iterable[Any]") -> Self:
        """Join a node, a graph or a list of them to the open outputs, in place; a first one just goes in.

        As many outputs as inputs are joined in order; one output feeds all inputs; many outputs go into one input
        that takes any number.
        """
        first = not self._nodes
        if isinstance(other, PipeOp):
            inputs, outputs = self._add_node(other)
        else:
            inputs, outputs = self._add_graph(other if isinstance(other, Graph) else gunion(_parts(other)))
        if first:
            self._inputs, self._outputs = inputs, outputs
        else:
            self._join(inputs, outputs)
        return self

    def _add_node(self, node: PipeOp) -> tuple[list[End], list[End]]:
        self.state = {}
        node_id = node.id
        if node_id in self._nodes:
            node = node.renamed(self._number(node_id))
            node_id = node.id
        self._nodes[node_id] = node
        return [End(node_id, c) for c in node.inputs], [End(node_id, c) for c in node.outputs]

    def _number(self, taken: str) -> str:
        """The next free number for an id that the user did not choose."""
        if not isinstance(taken, AutoId):
            raise CompositionError(
                f"the id '{taken}' is taken by {self._nodes[taken]!r}; give one of the two nodes another id, as in id='{taken}_2'."
            )
        stem, _, digits = taken.rpartition("_")
        base = stem if digits.isdigit() and stem in self._nodes else str(taken)
        number = self._numbers.get(base, 1) + 1
        while f"{base}_{number}" in self._nodes:
            number += 1
        self._numbers[base] = number
        return AutoId(f"{base}_{number}")

    def _add_graph(self, other: "Graph") -> tuple[list[End], list[End]]:
        names: dict[str, str] = {}
        for old, node in other._nodes.items():
            self._add_node(node)
            names[old] = next(reversed(self._nodes))
        self._edges += [Edge(names[e.source], e.output, names[e.target], e.input) for e in other._edges]
        rename = lambda ends: [End(names[e.node], e.channel) for e in ends]  # noqa: E731 - used twice, here only
        return rename(other._inputs), rename(other._outputs)

    def _join(self, inputs: list[End], outputs: list[End]) -> None:
        pairs = _pair(self._outputs, inputs)
        flowing: dict[str, Channel] = {}
        for source, sink in pairs:
            _check_types(source, sink)
            self._edges.append(Edge(source.node, source.channel.name, sink.node, sink.channel.name))
            if self._nodes[sink.node].passes_types:
                flowing[sink.node] = source.channel
        if flowing:
            outputs = self._flow(flowing, outputs)
        self._outputs = outputs

    def _flow(self, types: dict[str, Channel], outputs: list[End]) -> list[End]:
        """Carry known types on through pass-through nodes, checking the edges behind them; the outputs with their types."""
        if any(end.node not in types for end in outputs):
            for edge in self._edges:
                if edge.source in types:
                    source, node = End(edge.source, types[edge.source]._replace(name=edge.output)), self._nodes[edge.target]
                    _check_types(source, End(edge.target, _channel(node.inputs, edge.input)))
                    if node.passes_types:
                        types.setdefault(edge.target, types[edge.source])
        return [
            End(e.node, Channel(e.channel.name, *types[e.node][1:3])) if e.node in types else e for e in outputs
        ]

    def add_pipeop(self, node: PipeOp) -> Self:
        """Add a node without joining it, in place."""
        inputs, outputs = self._add_node(node)
        self._inputs, self._outputs = self._inputs + inputs, self._outputs + outputs
        return self

    def add_edge(self, source: str, target: str, output: str | None = None, input: str | None = None) -> Self:
        """Join two nodes by id, in place; channels may be left out where a node has only one.

        Unknown ids and channels, types that do not fit, an input that is fed already and a cycle are refused.
        """
        out = _pick(self[source], self[source].outputs, output, "output")
        into = _pick(self[target], self[target].inputs, input, "input")
        _check_types(End(source, out), End(target, into))
        edge = Edge(source, out.name, target, into.name)
        if not into.many and any(e.target == target and e.input == into.name for e in self._edges):
            raise CompositionError(f"input '{into.name}' of '{target}' is fed already; it takes one edge.")
        self._edges.append(edge)
        self._order()
        self._inputs = [e for e in self._inputs if (e.node, e.channel.name) != (target, into.name)]
        self._outputs = [e for e in self._outputs if (e.node, e.channel.name) != (source, out.name)]
        self.state = {}
        return self

    def _order(self) -> None:
        """Put nodes in topological order again after an edge was added by hand; refuse a cycle."""
        import networkx as nx

        view, place = self.to_networkx(), {n: i for i, n in enumerate(self._nodes)}
        if not nx.is_directed_acyclic_graph(view):
            cycle = [str(source) for source, *_ in nx.find_cycle(view)]
            edge = self._edges.pop()
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
        head = f"Graph with {len(self)} PipeOp{'s' * (len(self) != 1)}:"
        return head + "\n" + table(("id", "pipeop", "state", "predecessors", "successors"), rows, indent="  ")

    # ---------------------------------------------------------------- hyperparameters

    @property
    def params(self) -> Params:
        """All hyperparameters by address `id.name`: prints as a table, reads, sets and validates. Setting drops the states."""
        return Params(self._settings, self._set_param, "graph")

    def _settings(self) -> dict[str, Setting]:
        return {f"{i}.{name}": s for i, node in self._nodes.items() for name, s in node.params().items()}

    def _set_param(self, address: str, value: Any) -> None:
        id, _, name = address.partition(".")
        if id not in self._nodes or not name:
            raise UnknownKeyError(f"graph: no hyperparameter '{address}'.{suggest(address, self._settings())}")
        self._nodes[id] = self._nodes[id].with_param(name, value)
        self.state = {}

    def __getstate__(self) -> dict[str, Any]:
        ends = {"inputs": [tuple(e) for e in self._inputs], "outputs": [tuple(e) for e in self._outputs]}
        return {"nodes": self._nodes, "edges": [tuple(e) for e in self._edges], **ends, "state": self.state}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._nodes, self._numbers, self.state = dict(state["nodes"]), {}, state["state"]
        self._edges = [Edge(*e) for e in state["edges"]]
        self._inputs = [End(node, Channel(*channel)) for node, channel in state["inputs"]]
        self._outputs = [End(node, Channel(*channel)) for node, channel in state["outputs"]]

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
        state: dict[str, Any] = {}
        lanes = [self._feed(inputs, "train")] + ([] if valid is None else [self._feed(valid, "predict")])
        results = self._run(lanes, state)
        self.state = state
        return self._unwrap(results[0])

    def predict(self, inputs: Any) -> Any:
        """Apply every trained node in order and return the outputs as `train` does."""
        if not self.is_trained:
            raise NotTrainedError(f"graph: train it before predicting ({listing(self.ids())}).")
        slots = self._feed(inputs, "predict")
        for id, node, sources, _ in self._plan():
            try:
                slots[id] = node.predict([slots[s][k] for s, k in sources], self.state[id])
            except Exception as error:
                error.add_note(f"in node '{id}', predicting")
                raise
        return self._unwrap(slots)

    def _run(self, lanes: list[dict[str, Any]], state: dict[str, Any]) -> list[dict[str, Any]]:
        """Train node by node; the second lane, when there is one, is the validation data."""
        slots, *rest = lanes
        for id, node, sources, used in self._plan():
            try:
                given = [slots[s][k] for s, k in sources]
                valid = [[lane[s][k] for s, k in sources] for lane in rest]
                if valid and node.takes_valid:
                    slots[id], state[id] = node.train(given, valid=valid[0])  # pyright: ignore[reportCallIssue]
                else:
                    slots[id], state[id] = node.train(given)
                if used:
                    for lane, values in zip(rest, valid, strict=True):
                        lane[id] = node.predict(values, state[id])
            except Exception as error:
                error.add_note(f"in node '{id}', training")
                raise
        return lanes

    def _plan(self) -> list[tuple[str, PipeOp, list[tuple[str, int]], bool]]:
        """For each node: where its inputs come from (slot, position), and whether anything uses its outputs."""
        places = {(i, c.name): k for i, n in self._nodes.items() for k, c in enumerate(n.outputs)}
        feeds: dict[tuple[str, str], list[tuple[str, int]]] = {}
        for k, end in enumerate(self._inputs):
            feeds.setdefault((end.node, end.channel.name), []).append(("", k))
        for e in self._edges:
            feeds.setdefault((e.target, e.input), []).append((e.source, places[e.source, e.output]))
        used = {e.source for e in self._edges}
        return [(i, n, [s for c in n.inputs for s in feeds.get((i, c.name), ())], i in used) for i, n in self._nodes.items()]

    def _feed(self, given: Any, phase: str) -> dict[str, Any]:
        """The values of the open inputs as slot `""`."""
        names = [end.name for end in self._inputs]
        if isinstance(given, Mapping) and not _is_a(given, "Task"):
            values = [_named(given, end) for end in self._inputs]
            unknown = [k for k in given if k not in names and k not in {e.node for e in self._inputs}]
            if unknown:
                raise UnknownKeyError(f"graph: no input '{unknown[0]}'.{suggest(str(unknown[0]), names, 'inputs')}")
        else:
            values = [given] * len(names)
        for end, value in zip(self._inputs, values, strict=True):
            wanted = getattr(end.channel, phase)
            if wanted != "*" and not _is_a(value, wanted):
                raise DataError(
                    f"{end.node}: input '{end.channel.name}' takes a {wanted} in {phase}, got {type(value).__name__}; "
                    "make one with as_task_classif(frame, target=...) or as_task_regr(frame, target=...)."
                )
        return {"": values}

    def _unwrap(self, slots: dict[str, Any]) -> Any:
        found = {
            end.name: slots[end.node][[c.name for c in self._nodes[end.node].outputs].index(end.channel.name)]
            for end in self._outputs
        }
        return next(iter(found.values())) if len(found) == 1 else found


def _is_a(value: object, name: str) -> bool:
    return any(c.__name__ == name for c in type(value).__mro__) or (name == "None" and value is None)


def _named(given: Mapping[str, Any], end: End) -> Any:
    for name in (end.name, end.node):
        if name in given:
            return given[name]
    raise ConfigError(f"graph: input '{end.name}' is missing; got {listing(given)}.")


def _channel(channels: Sequence[Channel], name: str) -> Channel:
    return next(c for c in channels if c.name == name)


def _pick(node: PipeOp, channels: Sequence[Channel], name: str | None, side: str) -> Channel:
    names = [c.name for c in channels]
    if name is None and len(channels) == 1:
        return channels[0]
    if name is None or name not in names:
        raise CompositionError(f"'{node.id}' has no {side} '{name}'; its {side}s are {listing(names)}.")
    return channels[names.index(name)]


def _pair(outputs: list[End], inputs: list[End]) -> list[tuple[End, End]]:
    if len(inputs) == 1 and len(outputs) > 1 and inputs[0].channel.many:
        return [(o, inputs[0]) for o in outputs]
    if len(outputs) == len(inputs):
        return list(zip(outputs, inputs, strict=True))
    if len(outputs) == 1 and inputs:
        return [(outputs[0], i) for i in inputs]
    raise CompositionError(
        f"cannot join {len(outputs)} output{'s' * (len(outputs) != 1)} ({listing(o.name for o in outputs)}) to "
        f"{len(inputs)} input{'s' * (len(inputs) != 1)} ({listing(i.name for i in inputs)})."
    )


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


def gunion(parts: Iterable[Any]) -> Graph:
    """Graphs and nodes side by side, without edges between them."""
    graph = Graph()
    for part in parts:
        if isinstance(part, PipeOp):
            inputs, outputs = graph._add_node(part)
        else:
            inputs, outputs = graph._add_graph(part if isinstance(part, Graph) else gunion(_parts(part)))
        graph._inputs, graph._outputs = graph._inputs + inputs, graph._outputs + outputs
    return graph
