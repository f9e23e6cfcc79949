"""How values move through a graph: which slot feeds which node, values in by name, values out by name.

A *lane* is one pass of values, `{node id: outputs}`, with the open inputs in slot `""`; training has a second lane for
validation data. Training is a run that yields a fit for each node. Neighbours: `learn/fits.py` drives runs; `graph.py` calls
this and keeps the states.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pipeops.errors import CompositionError, ConfigError, DataError, UnknownKeyError, listing, suggest
from pipeops.graph.ends import Edge, End
from pipeops.graph.kinds import INACTIVE, Multiplicity, depth
from pipeops.graph.pipeop import Channel, PipeOp, check_value
from pipeops.learn.fits import Fit, Run
from pipeops.learn.learner import reseeded

Lane = dict[str, Sequence[Any]]
Outlet = tuple[str, int]


class Step(NamedTuple):
    """One node in a run: where its inputs come from (slot, position), how many outputs it has, and what is over with it.

    used: whether an edge leaves it. over: slots that nothing reads after it, so that big data is let go. narrow: inputs by
    position whose kind is narrower than what flows in, and so is checked. fed: the channel of each
    input.
    """

    id: str
    node: PipeOp
    sources: list[Outlet]
    width: int
    used: bool
    over: list[str]
    narrow: list[tuple[int, End]]
    fed: list[tuple[Outlet, Channel]]
    learner_id: str | None = None

    def given(self, lane: Lane, phase: str) -> list[Any]:
        """The node's inputs."""
        values = [lane[slot][k] for slot, k in self.sources]
        for k, end in self.narrow:
            check_value(end.node, end.channel, values[k], phase)
        return values

    def idle(self, given: Sequence[Any]) -> bool:
        """Whether nothing comes in, and so nothing goes out; where only a part is missing, the ways must be joined before."""
        if self.node.takes_inactive or not any(value is INACTIVE for value in given):
            return False
        if not all(value is INACTIVE for value in given):
            raise DataError(
                f"{self.id}: gets nothing through {sum(v is INACTIVE for v in given)} of {len(given)} inputs, as a branch was "
                'not taken; join the ways with po("unbranch") first.'
            )
        return True

    def elements(self, given: Sequence[Any]) -> list[list[Any]] | None:
        """The inputs for each element of the multiplicities that this node does not take as such; None where there are none."""
        split = [depth(v) > c.train.depth for v, (_, c) in zip(given, self.fed, strict=True)]
        sizes = {len(v) for v, s in zip(given, split, strict=True) if s}
        if len(sizes) > 1:
            raise DataError(f"{self.id}: its inputs hold different numbers of values: {', '.join(map(str, sorted(sizes)))}.")
        if not sizes:
            return None
        return [[v[i] if s else v for v, s in zip(given, split, strict=True)] for i in range(sizes.pop())]

    def complete(self, outputs: Any) -> Sequence[Any]:
        """The outputs of a node; refused when they are not one for each channel."""
        if not isinstance(outputs, list | tuple) or len(outputs) != self.width:
            got = f"{len(outputs)} values" if isinstance(outputs, list | tuple) else type(outputs).__name__
            raise CompositionError(f"{self.id}: must return a list of {self.width}, one value for each output, got {got}.")
        return outputs

    def keep(self, lane: Lane, outputs: Sequence[Any]) -> None:
        """Put the node's outputs into the lane."""
        lane[self.id] = outputs
        for slot in self.over:
            del lane[slot]


def plan(
    nodes: Mapping[str, PipeOp], edges: list[Edge], inputs: list[End], outputs: list[End], keep_all: bool = False
) -> list[Step]:
    """A step for each node, in order. keep_all: let nothing go."""
    channels = {i: n.outputs for i, n in nodes.items()}
    places = {(i, c.name): k for i, cs in channels.items() for k, c in enumerate(cs)}
    feeds: dict[tuple[str, str], list[Outlet]] = {}
    for k, end in enumerate(inputs):
        feeds.setdefault((end.node, end.channel.name), []).append(("", k))
    for e in edges:
        feeds.setdefault((e.target, e.input), []).append((e.source, places[e.source, e.output]))
    fed = {i: [(s, c) for c in n.inputs for s in feeds.get((i, c.name), ())] for i, n in nodes.items()}
    sources = {i: [s for s, _ in pairs] for i, pairs in fed.items()}
    last = {slot: i for i, slots in sources.items() for slot, _ in slots}
    over: dict[str, list[str]] = {}
    for slot in () if keep_all else last.keys() - {e.node for e in outputs}:
        over.setdefault(last[slot], []).append(slot)
    return [
        Step(i, n, sources[i], len(channels[i]), i in last, over.get(i, []), _narrow(i, fed[i], channels), fed[i])
        for i, n in nodes.items()
    ]


def _narrow(
    id: str, fed: list[tuple[tuple[str, int], Channel]], outputs: Mapping[str, Sequence[Channel]]
) -> list[tuple[int, End]]:
    """The inputs that take less than what is said to flow in (or several at once, where that is not said)."""
    found: list[tuple[int, End]] = []
    for k, ((slot, place), takes) in enumerate(fed):
        gives = outputs[slot][place] if slot else takes
        if not (gives.train.within(takes.train) and gives.predict.within(takes.predict)):
            found.append((k, End(id, takes)))
    return found


class Occasion(NamedTuple):
    """Why a graph is trained. learner_id: by which learner; learnt: states of nodes that keep what they have learnt, by id."""

    learner_id: str | None = None
    learnt: Mapping[str, Any] = {}


ALONE = Occasion()


def training(steps: Sequence[Step], lane: Lane, beside: Lane | None, occasion: Occasion = ALONE) -> Run[dict[str, Any]]:
    """Train every node in order: the run that returns their states, and leaves the outputs in the lanes."""
    state: dict[str, Any] = {}
    for step in steps:
        try:
            step = step._replace(learner_id=occasion.learner_id)
            given, aside = step.given(lane, "train"), None if beside is None else step.given(beside, "predict")
            if step.id in occasion.learnt:
                kept = occasion.learnt[step.id]
                made = _made(step, (_predicted(step, given, kept), kept), aside)
            elif _special(given):
                made = yield from _trained(step, given, aside)
            else:
                made = _made(step, (yield _fit(step, given, aside)), aside)
        except Exception as error:
            error.add_note(f"in node '{step.id}', training")
            raise
        step.keep(lane, made.outputs)
        if beside is not None:
            step.keep(beside, made.aside)
        state[step.id] = made.state
    return state


class NodeMade(NamedTuple):
    """What one node made in training: its outputs, what it makes of the validation data, and its state."""

    outputs: Sequence[Any]
    aside: Sequence[Any]
    state: Any


def _fit(step: Step, given: list[Any], aside: list[Any] | None) -> Fit:
    return Fit(step.node, given, aside if step.node.takes_valid else None, step.learner_id)


def _made(step: Step, answer: Any, aside: list[Any] | None) -> NodeMade:
    """What follows from what a node's `train` answered."""
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise CompositionError(f"{step.id}: train must return (outputs, state), got {type(answer).__name__}.")
    outputs, state = step.complete(answer[0]), answer[1]
    if aside is None:
        return NodeMade(outputs, (), state)
    return NodeMade(outputs, step.complete(step.node.predict(aside, state)) if step.used else [None] * step.width, state)


def _trained(step: Step, given: list[Any], aside: list[Any] | None) -> Run[NodeMade]:
    """Train one node whatever comes in: a fit, one for each element of a multiplicity, or none where nothing came."""
    if step.idle(given):
        return NodeMade([INACTIVE] * step.width, [INACTIVE] * step.width, None)
    several = step.elements(given)
    if several is None:
        return _made(step, (yield _fit(step, given, aside)), aside)
    asides = [None] * len(several) if aside is None else step.elements(aside) or [aside] * len(several)
    made: list[NodeMade] = []
    for k, (one, other) in enumerate(zip(several, asides, strict=True)):
        made.append((yield from _trained(step._replace(node=reseeded(step.node, k)), one, other)))
    return NodeMade(_gathered([m.outputs for m in made]), _gathered([m.aside for m in made]), [m.state for m in made])


def predicting(steps: Sequence[Step], lane: Lane, state: Mapping[str, Any]) -> None:
    """Apply every trained node in order; the outputs are left in the lane."""
    for step in steps:
        try:
            given, own = step.given(lane, "predict"), state[step.id]
            made = _predicted(step, given, own) if _special(given) else step.complete(step.node.predict(given, own))
            step.keep(lane, made)
        except Exception as error:
            error.add_note(f"in node '{step.id}', predicting")
            raise


def _predicted(step: Step, given: list[Any], state: Any) -> Sequence[Any]:
    """What one trained node makes of its inputs, as `_trained` has it."""
    if step.idle(given):
        return [INACTIVE] * step.width
    several = step.elements(given)
    if several is not None:
        if not isinstance(state, list) or len(state) != len(several):
            trained = len(state) if isinstance(state, list) else 1
            raise DataError(f"{step.id}: was trained on {trained} values at once, got {len(several)}.")
        return _gathered([_predicted(step, one, own) for one, own in zip(several, state, strict=True)])
    return step.complete(step.node.predict(given, state))


def _special(given: Sequence[Any]) -> bool:
    """Whether something comes in that stands for no value or for several."""
    for value in given:  # noqa: SIM110 - a generator would cost every node as much as its other steps
        if value is INACTIVE or type(value) is Multiplicity:
            return True
    return False


def _gathered(several: Sequence[Sequence[Any]]) -> list[Any]:
    """The outputs of the elements of a multiplicity, by channel."""
    return [Multiplicity(values) for values in zip(*several, strict=True)]


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
        check_value(end.node, end.channel, value, phase)
    return {"": values}


def _named(given: Mapping[str, Any], end: End) -> Any:
    for name in (end.name, end.node):
        if name in given:
            return given[name]
    raise ConfigError(f"graph: input '{end.name}' is missing; got {listing(given) or 'nothing'}.")


def unwrap(lane: Lane, nodes: Mapping[str, PipeOp], outputs: list[End]) -> Any:
    """What a run answers: the value where there is one open output, else a dictionary by name."""
    found = {e.name: lane[e.node][[c.name for c in nodes[e.node].outputs].index(e.channel.name)] for e in outputs}
    return next(iter(found.values())) if len(found) == 1 else found
