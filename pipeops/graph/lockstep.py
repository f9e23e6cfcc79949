"""Training several graphs of the same nodes together, a node of all graphs at a time.

So a node class that can (`PipeOp.train_many`) trains its nodes of all graphs at once; every other one trains them one after
another. What stops one graph does not stop the others. Neighbours: run has the steps; graph_learner trains its copies so.
"""

from collections.abc import Sequence
from typing import Any

import attrs

from pipeops.graph.driver import Lane, Step, train_steps
from pipeops.graph.graph import Graph


@attrs.define(eq=False)
class Run:
    """One graph on its way: the values that flow, the states so far, and what stopped it."""

    lane: Lane
    valid: Lane | None
    state: dict[str, Any] = attrs.field(factory=dict)
    error: Exception | None = None


def same_nodes(one: Graph, other: Graph) -> bool:
    """Whether two graphs have the same nodes and edges, up to hyperparameters."""
    kinds = [[(id, type(node)) for id, node in graph.nodes.items()] for graph in (one, other)]
    return kinds[0] == kinds[1] and one._edges == other._edges


def lockstep(graphs: Sequence[Graph], inputs: Sequence[Any], valids: Sequence[Any]) -> list[Exception | None]:
    """Train graphs with the same nodes and edges, each with its own inputs and validation data; what stopped each."""
    runs = [_begun(*each) for each in zip(graphs, inputs, valids, strict=True)]
    for steps in zip(*(graph._plan() for graph in graphs), strict=True):
        going = [(run, step) for run, step in zip(runs, steps, strict=True) if run.error is None]
        if going:
            _train(*map(list, zip(*going, strict=True)))
    for graph, run in zip(graphs, runs, strict=True):
        graph.state = {} if run.error else run.state
    return [run.error for run in runs]


def _begun(graph: Graph, inputs: Any, valid: Any) -> Run:
    try:
        return Run(*graph._lanes(inputs, valid))
    except Exception as error:
        return Run({}, None, error=error)


def _train(runs: list[Run], steps: list[Step]) -> None:
    found = train_steps(steps, [run.lane for run in runs], [run.valid for run in runs])
    for run, step, result in zip(runs, steps, found, strict=True):
        if isinstance(result, Exception):
            result.add_note(f"in node '{step.id}', training")
            run.error = result
        else:
            run.state[step.id] = result
