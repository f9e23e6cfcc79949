"""How values move through a graph: which slot feeds which node, values in by name, values out by name.

A *lane* is one pass of values, `{node id: outputs}`, with the open inputs in slot `""`; training has a second lane for
validation data. Training is a run that yields a fit for each node. Neighbours: `learn/fits.py` drives runs; `graph.py` calls
this and keeps the states.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pipeops.errors import CompositionError, ConfigError, DataError, UnknownKeyError, listing, suggest
from pipeops.graph.ends import Edge, End
from pipeops.graph.pipeop import Channel, PipeOp
from pipeops.learn.fits import Fit, Run

Lane = dict[str, Sequence[Any]]
Source = tuple[str, int]


class Step(NamedTuple):
    """One node in a run: where its inputs come from (slot, position), how many outputs it has, and what is over with it.

    used: whether an edge leaves it. over: slots that nothing reads after it, so that big data is let go. narrow: inputs by
    position whose type is narrower than what flows in, and so is checked.
    """

    id: str
    node: PipeOp
    sources: list[Source]
    width: int
    used: bool
    over: list[str]
    narrow: list[tuple[int, End]]

    def given(self, lane: Lane, phase: str) -> list[Any]:
        """The node's inputs."""
        values = [lane[slot][k] for slot, k in self.sources]
        for k, end in self.narrow:
            _check_value(end, values[k], phase)
        return values

    def keep(self, lane: Lane, outputs: Any) -> None:
        """Put the node's outputs into the lane; refused when they are not one for each channel."""
        if not isinstance(outputs, list | tuple) or len(outputs) != self.width:
            got = f"{len(outputs)} values" if isinstance(outputs, list | tuple) else type(outputs).__name__
            raise CompositionError(f"{self.id}: must return a list of {self.width}, one value for each output, got {got}.")
        lane[self.id] = outputs
        for slot in self.over:
            del lane[slot]


def plan(nodes: Mapping[str, PipeOp], edges: list[Edge], inputs: list[End], outputs: list[End]) -> list[Step]:
    """A step for each node, in order."""
    channels = {i: n.outputs for i, n in nodes.items()}
    places = {(i, c.name): k for i, cs in channels.items() for k, c in enumerate(cs)}
    feeds: dict[tuple[str, str], list[Source]] = {}
    for k, end in enumerate(inputs):
        feeds.setdefault((end.node, end.channel.name), []).append(("", k))
    for e in edges:
        feeds.setdefault((e.target, e.input), []).append((e.source, places[e.source, e.output]))
    fed = {i: [(s, c) for c in n.inputs for s in feeds.get((i, c.name), ())] for i, n in nodes.items()}
    sources = {i: [s for s, _ in pairs] for i, pairs in fed.items()}
    last = {slot: i for i, slots in sources.items() for slot, _ in slots}
    over: dict[str, list[str]] = {}
    for slot in last.keys() - {e.node for e in outputs}:
        over.setdefault(last[slot], []).append(slot)
    return [
        Step(i, n, sources[i], len(channels[i]), i in last, over.get(i, []), _narrow(i, fed[i], channels))
        for i, n in nodes.items()
    ]


def _narrow(
    id: str, fed: list[tuple[tuple[str, int], Channel]], outputs: Mapping[str, Sequence[Channel]]
) -> list[tuple[int, End]]:
    """The inputs that take less than what is said to flow in."""
    found: list[tuple[int, End]] = []
    for k, ((slot, place), takes) in enumerate(fed):
        gives = outputs[slot][place] if slot else takes
        if not (_within(gives.train, takes.train) and _within(gives.predict, takes.predict)):
            found.append((k, End(id, takes)))
    return found


def _within(gives: str, takes: str) -> bool:
    return takes == "*" or gives.startswith(takes)


def training(steps: Sequence[Step], lane: Lane, beside: Lane | None) -> Run[dict[str, Any]]:
    """Train every node in order: the run that returns their states, and leaves the outputs in the lanes."""
    state: dict[str, Any] = {}
    for step in steps:
        try:
            given, aside = step.given(lane, "train"), None if beside is None else step.given(beside, "predict")
            answer = yield Fit(step.node, given, aside if step.node.takes_valid else None)
            state[step.id] = _kept(step, answer, lane, beside, aside)
        except Exception as error:
            error.add_note(f"in node '{step.id}', training")
            raise
    return state


def _kept(step: Step, answer: Any, lane: Lane, beside: Lane | None, aside: list[Any] | None) -> Any:
    """Put what training answered into the lanes; the state."""
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise CompositionError(f"{step.id}: train must return (outputs, state), got {type(answer).__name__}.")
    step.keep(lane, answer[0])
    if beside is not None and aside is not None:
        step.keep(beside, step.node.predict(aside, answer[1]) if step.used else [None] * step.width)
    return answer[1]


def predicting(steps: Sequence[Step], lane: Lane, state: Mapping[str, Any]) -> None:
    """Apply every trained node in order; the outputs are left in the lane."""
    for step in steps:
        try:
            step.keep(lane, step.node.predict(step.given(lane, "predict"), state[step.id]))
        except Exception as error:
            error.add_note(f"in node '{step.id}', predicting")
            raise


def feed(given: Any, inputs: list[End], phase: str) -> Lane:
    """The values of the open inputs as slot `""`: one value for all, or a mapping by name."""
    if isinstance(given, Mapping):
        names = [*(e.name for e in inputs), *dict.fromkeys(e.node for e in inputs)]
        unknown = [k for k in given if k not in names]
        if unknown:
            raise UnknownKeyError(f"graph: no input '{unknown[0]}'.{suggest(str(unknown[0]), names, 'inputs')}")
        values = [_named(given, end) for end in inputs]
    else:
        values = [given] * len(inputs)
    for end, value in zip(inputs, values, strict=True):
        _check_value(end, value, phase)
    return {"": values}


def _named(given: Mapping[str, Any], end: End) -> Any:
    for name in (end.name, end.node):
        if name in given:
            return given[name]
    raise ConfigError(f"graph: input '{end.name}' is missing; got {listing(given) or 'nothing'}.")


def _check_value(end: End, value: Any, phase: str) -> None:
    wanted = getattr(end.channel, phase)
    if wanted == "*" or _is_a(value, wanted):
        return
    advice = "make one with as_task_classif(frame, target=...) or as_task_regr(frame, target=...)"
    hint = f"; {advice}." if wanted.startswith("Task") else "."
    raise DataError(f"{end.node}: input '{end.channel.name}' takes a {wanted} in {phase}, got {type(value).__name__}{hint}")


def _is_a(value: object, name: str) -> bool:
    return any(c.__name__ == name for c in type(value).__mro__) or (name == "None" and value is None)


def unwrap(lane: Lane, nodes: Mapping[str, PipeOp], outputs: list[End]) -> Any:
    """What a run answers: the value where there is one open output, else a dictionary by name."""
    found = {e.name: lane[e.node][[c.name for c in nodes[e.node].outputs].index(e.channel.name)] for e in outputs}
    return next(iter(found.values())) if len(found) == 1 else found
