"""Graph: nodes joined by edges into a DAG, and, once trained, one state for each node.

Neighbours: composing.py (how it is put together), edits.py (changed copies) and driver.py (how values move) below;
graph_learner.py makes a learner of a graph.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Self

import attrs

from pipeops.closed import Closed
from pipeops.display import Block, Shown, params_block
from pipeops.errors import (
    CompositionError,
    ConfigError,
    NotTrainedError,
    UnknownParameterError,
    listing,
    refused,
    suggest,
)
from pipeops.graph.composing import Composition, beside
from pipeops.graph.drawings.axes import plot
from pipeops.graph.drawings.flowcharts import dot, mermaid
from pipeops.graph.drawings.markup import markup
from pipeops.graph.drawings.scene import Scene, scene
from pipeops.graph.driver import ALONE, Occasion, Step, feed, plan, predicting, training, unwrap
from pipeops.graph.edits import inserted, pairs, renamed, replaced
from pipeops.graph.ends import Edge, End, check_types, pick
from pipeops.graph.pipeop import PipeOp
from pipeops.learn.fits import Run, outcome
from pipeops.learn.validation import Passes, Validates
from pipeops.params import Parameterized, Params, same, settings_of
from pipeops.saving import saved_as


class TrainedGraph(NamedTuple):
    """What training a graph made: a state for each node, the output (a dictionary by name where there are several), and what
    came out of each node where that is kept."""

    state: dict[str, Any]
    output: Any
    results: dict[str, Sequence[Any]]


class Graph(Closed, Composition, Parameterized, Passes, Shown):
    """A directed acyclic graph of PipeOps.

    Composed by `a >> b`, `[a, b] >> c`, `chain([...])` and `gunion([...])`, or by hand with `add_pipeop` and `add_edge`.
    `train(task)` keeps the nodes' states in `state`, `predict(task)` uses them.

    >>> from pipeops import po
    >>> (po("nop") >> po("nop")).ids()
    ['nop', 'nop_2']
    """

    state: dict[str, Any]
    results: dict[str, Sequence[Any]]
    """What came out of each node when it was trained with `keep_results`, by id."""

    def __init__(self) -> None:
        super().__init__()
        self._changed()

    def _changed(self) -> None:
        vars(self).update(state={}, results={})

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

    def __contains__(self, id: object) -> bool:
        return id in self._nodes

    def __len__(self) -> int:
        return len(self._nodes)

    def __iter__(self) -> Iterator[str]:
        return iter(self.ids())

    def __repr__(self) -> str:
        return self._block(self.state).text() if self._nodes else "Empty Graph."

    def _block(self, state: Mapping[str, Any]) -> Block:
        """The nodes as a table, trained where there is a state."""
        before, after = {i: [] for i in self._nodes}, {i: [] for i in self._nodes}
        for e in self._edges:
            before[e.target].append(e.source)
            after[e.source].append(e.target)
        rows = [
            (i, repr(n), "trained" if i in state else "<untrained>", ", ".join(before[i]), ", ".join(after[i]))
            for i, n in self._nodes.items()
        ]
        head = f"Graph with {len(self)} PipeOp{'s' * (len(self) != 1)}:"
        return Block(head, ("id", "pipeop", "state", "predecessors", "successors"), rows)

    def _blocks(self) -> list[Block]:
        """The nodes, and their hyperparameters."""
        nodes = attrs.evolve(self._block(self.state), title="Nodes", folded=True)
        return [Block(f"Graph with {len(self)} PipeOp{'s' * (len(self) != 1)}"), nodes, params_block(self.params)]

    def _scene(self, states: Mapping[str, Any] | None = None) -> Scene:
        """What is drawn; states: of the nodes, its own by default."""
        return scene(self, self.state if states is None else states)

    def _drawing(self, states: Mapping[str, Any] | None = None) -> str:
        """The graph as sections of SVG, which fold."""
        return markup(self._scene(states))

    def plot(self, ax: Any = None) -> Any:
        """Draw the graph with matplotlib (extra `plot`) and return the axes.

        A box a node, filled when it is trained, with what differs from its defaults; on the lines what flows: the kind, or the
        shape in a network where it is known. What nodes hold (blocks, learners) stands in them.
        """
        return plot(self._scene(), ax)

    def to_mermaid(self) -> str:
        """The graph as a Mermaid flowchart, which Markdown pages show.

        >>> from pipeops import po
        >>> print((po("scale") >> po("nop")).to_mermaid())
        flowchart TD
          n0["scale"]
          n1["nop"]
          n0 -->|"Task"| n1
        """
        return mermaid(self._scene())

    def to_dot(self) -> str:
        """The graph in the language of Graphviz; what nodes hold is a cluster."""
        return dot(self._scene())

    # ---------------------------------------------------------------- changed copies

    def set_names(self, old: str | Sequence[str] | Mapping[str, str], new: str | Sequence[str] | None = None) -> Self:
        """A new graph in which nodes have other ids: `{old: new}`, or old ids and new ones.

        >>> from pipeops import po
        >>> (po("scale") >> po("nop")).set_names("nop", "last").ids()
        ['scale', 'last']
        """
        return renamed(self, pairs(old, new))

    def update_ids(self, prefix: str = "", postfix: str = "") -> Self:
        """A new graph with something before and behind every id.

        >>> from pipeops import po
        >>> (po("scale") >> po("nop")).update_ids(prefix="my_").ids()
        ['my_scale', 'my_nop']
        """
        return renamed(self, {id: f"{prefix}{id}{postfix}" for id in self._nodes})

    def replace(self, id: str, node: Any) -> Self:
        """A new graph with another node (or learner) in the place of one; channels are matched by name, else in order.

        >>> from pipeops import po
        >>> (po("scale") >> po("nop")).replace("scale", po("scalerange")).ids()
        ['scalerange', 'nop']
        """
        return replaced(self, id, node)

    def insert_before(self, id: str, node: Any, input: str | None = None) -> Self:
        """A new graph with a node (or learner) between the node `id` and what feeds it; input: which, where there are several.

        >>> from pipeops import po
        >>> (po("scale") >> po("nop")).insert_before("nop", po("scalerange")).ids()
        ['scale', 'scalerange', 'nop']
        """
        return inserted(self, id, node, input, before=True)

    def insert_after(self, id: str, node: Any, output: str | None = None) -> Self:
        """A new graph with a node (or learner) between the node `id` and what it feeds; output: which, where there are several.

        >>> from pipeops import po
        >>> (po("scale") >> po("nop")).insert_after("nop", po("scalerange")).ids()
        ['scale', 'nop', 'scalerange']
        """
        return inserted(self, id, node, output, before=False)

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

    def with_param(self, address: str, value: Any) -> Self:
        """An untrained copy with one hyperparameter changed."""
        graph = self.copy()
        graph.params[address] = value
        return graph

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
            self._changed()
        return kept

    # ---------------------------------------------------------------- validating

    def _validating(self) -> Mapping[str, Validates]:
        return {id: node for id, node in self._nodes.items() if isinstance(node, Validates)}

    def _exchanged(self, others: Mapping[str, Any]) -> Self:
        graph = self.copy()
        graph._nodes.update(others)
        graph._changed()
        return graph

    def _state_of(self, state: Any, name: str) -> Any:
        return state[name]

    # ---------------------------------------------------------------- running

    @property
    def is_trained(self) -> bool:
        """Whether every node has a state."""
        return bool(self._nodes) and len(self.state) == len(self._nodes)

    def train(self, inputs: Any, *, valid: Any = None, keep_results: bool = False) -> Any:
        """Train every node in order and return the outputs: the value when there is one, else a dictionary by name.

        inputs: one value (it goes to every input) or a dictionary by input name (`"scale.input"`, or `"scale"`).
        valid: validation data of the same form; every fitted node applies its *predict* to it, none is fitted on it.
        keep_results: keep in `results` what came out of each node.
        """
        try:
            trained = outcome(self.training(inputs, valid, keep_results))
        except Exception as error:
            if not refused(error):
                self._changed()
            raise
        self.state, self.results = trained.state, trained.results
        return trained.output

    def training(
        self, inputs: Any, valid: Any = None, keep_results: bool = False, occasion: Occasion = ALONE
    ) -> Run[TrainedGraph]:
        """Training as a run that yields a fit for each node (see `learn/fits.py`); this graph stays as it is."""
        self.params.refuse_tokens()
        lane = feed(inputs, self._inputs, "train")
        beside = None if valid is None else feed(valid, self._inputs, "predict")
        state = yield from training(self._plan(keep_results), lane, beside, occasion)
        results = {id: lane[id] for id in self._nodes} if keep_results else {}
        return TrainedGraph(state, unwrap(lane, self._nodes, self._outputs), results)

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

    def _plan(self, keep_all: bool = False) -> list[Step]:
        return plan(self._nodes, self._edges, self._inputs, self._outputs, keep_all)


def _to_plain(graph: Graph) -> dict[str, Any]:
    ends = {
        name: [(e.node, e.channel.name) for e in found]
        for name, found in (("inputs", graph._inputs), ("outputs", graph._outputs))
    }
    return {"nodes": list(graph._nodes.values()), "edges": [tuple(e) for e in graph._edges], **ends, "state": graph.state}


def _from_plain(plain: dict[str, Any]) -> Graph:
    """A graph whose edges go forward between channels that there are; version 0.1.0 had nodes by id, and ends with types."""
    graph, nodes = Graph(), plain["nodes"]
    graph._nodes = {node.id: node for node in (nodes.values() if isinstance(nodes, dict) else nodes)}
    place, fed = {id: k for k, id in enumerate(graph._nodes)}, set[tuple[str, str]]()
    for source, output, target, input in plain["edges"]:
        out, into = pick(graph[source], "output", output), pick(graph[target], "input", input)
        check_types(End(source, out), End(target, into))
        if len(place) < len(nodes) or place[source] >= place[target] or ((target, input) in fed and not into.many):
            raise CompositionError(f"the edge from {source} to {target} does not go forward, or into an input that is fed.")
        fed.add((target, input))
        graph._edges.append(Edge(source, output, target, input))
    inputs, outputs = ([(node, c if isinstance(c, str) else c[0]) for node, c in plain[side]] for side in ("inputs", "outputs"))
    graph._inputs = [End(node, pick(graph[node], "input", name)) for node, name in inputs]
    graph._outputs = graph._flow(graph._entering(), [End(node, pick(graph[node], "output", name)) for node, name in outputs])
    graph.state = {id: plain["state"][id] for id in graph.ids()} if plain["state"] else {}
    return graph


_ENDS = list[tuple[str, str | tuple[str, str, str, bool]]]
saved_as(
    Graph,
    _from_plain,
    _to_plain,
    plain={
        "nodes": list[PipeOp] | dict[str, PipeOp],
        "edges": list[tuple[str, str, str, str]],
        "inputs": _ENDS,
        "outputs": _ENDS,
        "state": dict[str, Any],
    },
)


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
    return beside(Graph(), parts)
