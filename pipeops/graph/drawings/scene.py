"""What is drawn of a graph: a box a node with what was set and whether it is trained, a line a pair of nodes with what flows,
and the same of the graphs inside nodes (blocks, learners).

Where things stand and how they look is no matter here. Neighbours: `flowing.py` below; `layers.py` and the renderers above.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from pipeops.graph.composing import Composition
from pipeops.graph.drawings.flowing import Shape, Shapes, Values, common, inner, kinds, shapes, text
from pipeops.graph.pipeop import Channel, PipeOp
from pipeops.params import same
from pipeops.text import cut, source

IN, OUT = "<", ">"
"""The keys of the two ends of a graph, which no node can have."""
SETTING, SETTINGS = 34, 4
"""So many letters of a setting are shown, and so many settings."""


@attrs.frozen(eq=False)
class Box:
    """A node. state: "trained", "untrained", "skipped" (on a way that was not taken), or "end" for an end of the graph."""

    title: str
    lines: tuple[str, ...] = ()
    tip: str = ""
    state: str = "untrained"
    inside: "tuple[Inside, ...]" = ()


@attrs.frozen(eq=False)
class Line:
    """From one node to another: what flows, in a word, and all of it as a tooltip. kind: the widest word but "*" for its kind."""

    source: str
    target: str
    label: str
    tip: str
    kind: str


@attrs.frozen(eq=False)
class Scene:
    """Boxes by key in topological order, the ends first and last, and the lines between them."""

    boxes: dict[str, Box]
    lines: list[Line]

    @property
    def ids(self) -> list[str]:
        """The keys of the nodes."""
        return [key for key in self.boxes if key not in (IN, OUT)]


@attrs.frozen(eq=False)
class Inside:
    """A graph that a node holds."""

    title: str
    scene: Scene


def scene(graph: Composition, states: Mapping[str, Any], values: Values | None = None, entering: Shape | None = None) -> Scene:
    """What is to be drawn of a graph with these states; values: the shapes in its network, found in the states by default."""
    states = {id: _one(state) for id, state in states.items()}
    known = values if values is not None else _values(states)
    flowing = shapes(graph, states, known, entering)
    boxes = {id: _box(id, node, states, known, flowing, graph) for id, node in graph._nodes.items()}
    return Scene({IN: Box("input", state="end"), **boxes, OUT: Box("output", state="end")}, _lines(graph, flowing, entering))


def _one(state: Any) -> Any:
    """Of a node that was trained several times, the first state."""
    return state[0] if isinstance(state, list | tuple) and state else state


def _values(states: Mapping[str, Any]) -> Values:
    found: dict[str, Any] = {}
    for state in states.values():
        found |= getattr(state, "shapes", {})
    return found


# ---------------------------------------------------------------- boxes


def _box(id: str, node: PipeOp, states: Mapping[str, Any], values: Values, flowing: Shapes, graph: Composition) -> Box:
    state = "untrained" if id not in states else "skipped" if states[id] is None else "trained"
    words = {"untrained": "not trained", "skipped": "not trained, its way was not taken"}.get(state, state)
    near = common([flowing[place] for place in flowing if place[0] == id] + _into(id, flowing, graph))
    inside = tuple(Inside(title, scene(held, *_within(id, held, states, values), near)) for title, held in _held(node, id))
    return Box(id, _settings(node), f"{id}: {node!r}, {words}", state, inside)


def _into(id: str, flowing: Shapes, graph: Composition) -> list[Shape | None]:
    return [flowing[e.source, e.output] for e in graph._edges if e.target == id]


def _held(thing: Any, title: str) -> Iterator[tuple[str, Composition]]:
    """The graphs in a node or learner, each under the name of what holds it."""
    for name, part in thing.parts().items():
        graph = part if isinstance(part, Composition) else getattr(part, "graph", None)
        named = getattr(part, "id", None) or (f"{title}.{name}" if name else title)
        if isinstance(graph, Composition):
            yield str(named), graph
        else:
            yield from _held(part, str(named))


def _within(id: str, held: Composition, states: Mapping[str, Any], values: Values) -> tuple[Mapping[str, Any], Values | None]:
    """The states of a graph in a node, and the shapes of its network: its own, or those under the name of the node."""
    if states.get(id) is None:
        return {}, {}
    own = getattr(states[id], "model", None)
    if isinstance(own, Mapping) and {*own} == {*held._nodes}:
        return own, None  # pyright: ignore[reportUnknownVariableType]
    return {key: {} for key in held._nodes}, inner(id, values)


def _settings(node: PipeOp) -> tuple[str, ...]:
    """What of a node differs from its defaults, its key first where the id does not begin with it; graphs are drawn."""
    found = {n: v for n, v in node.changed().items() if not isinstance(getattr(node, n, None), Composition)}
    for name, part in node.parts().items():
        if not isinstance(part, Composition | PipeOp) and name == "" and hasattr(part, "predict_type"):
            found |= _of_learner(part)
    key = str(type(node).key or type(node).__name__)
    lines = [] if str(node.id).startswith(key) or "learner" in key else [key]
    lines += [cut(f"{name}={source(value)}", SETTING) for name, value in found.items()]
    return tuple(lines if len(lines) <= SETTINGS else [*lines[: SETTINGS - 1], f"and {len(lines) - SETTINGS + 1} more"])


def _of_learner(learner: Any) -> dict[str, Any]:
    """What of a learner in a node differs; of one with a graph that is drawn nothing more."""
    if isinstance(getattr(learner, "graph", None), Composition):
        return {}
    kept = {"predict_type": learner.predict_type} if learner.predict_type != "response" else {}
    settings = learner.params.settings()
    return kept | {
        n: s.value for n, s in settings.items() if s.value is not s.param.default and not same(s.value, s.param.default)
    }


# ---------------------------------------------------------------- lines


def _lines(graph: Composition, flowing: Shapes, entering: Shape | None) -> list[Line]:
    """A line for each pair of nodes that are joined, whatever number of channels joins them."""
    several = {id for id, node in graph._nodes.items() if len(node.outputs) > 1}
    made = kinds(graph)
    joined: dict[tuple[str, str], list[tuple[str, Channel, Shape | None, str]]] = {}
    for end in graph._inputs:
        joined.setdefault((IN, end.node), []).append(("", end.channel, entering, f"input to {end.name}"))
    for e in graph._edges:
        place, name = (e.source, e.output), e.output if e.source in several else ""
        tip = f"{e.source}.{e.output} to {e.target}.{e.input}"
        joined.setdefault((e.source, e.target), []).append((name, made[place], flowing[place], tip))
    for end in graph._outputs:
        place, name = (end.node, end.channel.name), end.channel.name if end.node in several else ""
        joined.setdefault((end.node, OUT), []).append((name, made[place], flowing[place], f"{end.name} to output"))
    return [_line(*pair, found) for pair, found in joined.items()]


def _line(start: str, end: str, found: list[tuple[str, Channel, Shape | None, str]]) -> Line:
    labels = [": ".join(filter(None, (name, _flow(channel, shape)))) for name, channel, shape, _ in found]
    tips = [f"{tip}: {_kinds(channel)}{', ' + text(shape) if shape else ''}" for _, channel, shape, tip in found]
    chain = _kind(found[0][1]).core.chain()
    return Line(start, end, ", ".join(dict.fromkeys(filter(None, labels))), "\n".join(tips), str(chain[max(len(chain) - 2, 0)]))


def _kind(channel: Channel) -> Any:
    return channel.predict if channel.train == "None" else channel.train


def _flow(channel: Channel, shape: Shape | None) -> str:
    """What flows in a word: the shape where it is known, else the kind; nothing where anything may flow."""
    kind = _kind(channel)
    return text(shape) if shape else "" if kind == "*" else str(kind)


def _kinds(channel: Channel) -> str:
    return str(channel.train) if channel.train == channel.predict else f"{channel.train} in training, {channel.predict} after it"
