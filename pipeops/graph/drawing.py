"""Drawings of a graph: layers from inputs to outputs, as SVG for pages, with matplotlib, and as text for Mermaid and Graphviz.

Neighbours: graph.py offers these as methods; `display.py` puts the SVG on a page.
"""

from collections.abc import Container, Mapping, Sequence
from html import escape
from typing import Any

from pipeops.graph.ends import Edge
from pipeops.graph.pipeop import PipeOp
from pipeops.text import source

WIDTH, HEIGHT, GAP_X, GAP_Y = 190, 38, 24, 30
LETTERS = 27

Places = Mapping[str, tuple[float, int]]


def places(ids: Sequence[str], edges: Sequence[Edge]) -> Places:
    """Where each node stands: across in its layer (0 is the middle), and its layer, one below all that feed it."""
    feeding: dict[str, list[str]] = {}
    for e in edges:
        feeding.setdefault(e.target, []).append(e.source)
    layer: dict[str, int] = {}
    for id in ids:
        layer[id] = max((layer[before] + 1 for before in feeding.get(id, ())), default=0)
    beside: dict[int, list[str]] = {}
    for id in ids:
        beside.setdefault(layer[id], []).append(id)
    return {id: (k - (len(row) - 1) / 2, depth) for depth, row in beside.items() for k, id in enumerate(row)}


def _cut(text: str) -> str:
    return text if len(text) <= LETTERS else f"{text[: LETTERS - 1]}…"


def _settings(node: PipeOp) -> str:
    """What of a node differs from its defaults."""
    return ", ".join(f"{name}={source(value)}" for name, value in node.changed().items())


def svg(nodes: Mapping[str, PipeOp], edges: Sequence[Edge], learnt: Container[str]) -> str:
    """The graph as SVG: a box a node with its id and what was set, filled when it has learnt; whole texts are tooltips."""
    where = places(list(nodes), edges)
    if not where:
        return ""
    half, depth = max(abs(x) for x, _ in where.values()), max(y for _, y in where.values())
    width, height = (2 * half + 1) * (WIDTH + GAP_X), (depth + 1) * (HEIGHT + GAP_Y) - GAP_Y + 4
    middle = {id: ((half + x + 0.5) * (WIDTH + GAP_X), y * (HEIGHT + GAP_Y) + 2) for id, (x, y) in where.items()}
    lines = [_line(e, middle) for e in edges]
    boxes = [_box(id, node, middle[id], id in learnt) for id, node in nodes.items()]
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size}>{"".join(lines + boxes)}</svg>'


def _line(edge: Edge, middle: Mapping[str, tuple[float, float]]) -> str:
    (x1, y1), (x2, y2) = middle[edge.source], middle[edge.target]
    top, bend = y1 + HEIGHT, (y2 - y1 - HEIGHT) / 2
    way = f"M{x1:.0f},{top:.0f} C{x1:.0f},{top + bend:.0f} {x2:.0f},{y2 - bend:.0f} {x2:.0f},{y2:.0f}"
    tip = escape(f"{edge.source}.{edge.output} to {edge.target}.{edge.input}")
    return f'<path d="{way}" fill="none" stroke="currentColor" stroke-opacity=".55"><title>{tip}</title></path>'


def _box(id: str, node: PipeOp, middle: tuple[float, float], learnt: bool) -> str:
    x, y = middle
    tip = escape(f"{id}: {node!r}, {'trained' if learnt else 'not trained'}")
    more = _settings(node)
    lines = [(id, 13, 600, 0.4 if more else 0.62)] + ([(more, 11, 400, 0.78)] if more else [])
    texts = "".join(
        f'<text x="{x:.0f}" y="{y + HEIGHT * at:.0f}" font-size="{size}" font-weight="{weight}" text-anchor="middle">'
        f"{escape(_cut(text))}</text>"
        for text, size, weight, at in lines
    )
    fill = "rgba(0,114,178,.18)" if learnt else "none"
    place = f'x="{x - WIDTH / 2:.0f}" y="{y:.0f}" width="{WIDTH}" height="{HEIGHT}"'
    box = f'<rect {place} rx="6" fill="{fill}" stroke="currentColor"/>'
    return f"<g><title>{tip}</title>{box}{texts}</g>"


def mermaid(nodes: Mapping[str, PipeOp], edges: Sequence[Edge]) -> str:
    """The graph for Mermaid: nodes are numbered, since ids may be words of its language."""
    number = {id: f"n{k}" for k, id in enumerate(nodes)}
    lines = [f'  {number[id]}["{_entities(id, node)}"]' for id, node in nodes.items()]
    several = {id for id, node in nodes.items() if len(node.outputs) > 1}
    lines += [f"  {number[e.source]} -->{f'|{e.output}|' if e.source in several else ''} {number[e.target]}" for e in edges]
    return "\n".join(["flowchart TD", *lines])


def _entities(id: str, node: PipeOp) -> str:
    more = _settings(node)
    return escape(f"{id}\n{_cut(more)}" if more else id).replace("\n", "<br>")


def dot(nodes: Mapping[str, PipeOp], edges: Sequence[Edge]) -> str:
    """The graph for Graphviz."""
    lines = [
        f"  {_quoted(id)} [label={_quoted(chr(10).join(filter(None, (id, _cut(_settings(n))))))}];" for id, n in nodes.items()
    ]
    several = {id for id, node in nodes.items() if len(node.outputs) > 1}
    for e in edges:
        label = f" [label={_quoted(e.output)}]" if e.source in several else ""
        lines.append(f"  {_quoted(e.source)} -> {_quoted(e.target)}{label};")
    return "\n".join(["digraph graph_of_pipeops {", "  node [shape=box, style=rounded];", *lines, "}"])


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def plot(nodes: Mapping[str, PipeOp], edges: Sequence[Edge], learnt: Container[str], ax: Any = None) -> Any:
    """The graph drawn with matplotlib (extra `plot`); the axes."""
    from pipeops.learn.plots.figures import COLOURS, new_axes

    where = places(list(nodes), edges)
    half = max((abs(x) for x, _ in where.values()), default=0.0)
    depth = max((y for _, y in where.values()), default=0)
    ax = new_axes(ax, 2.3 * (2 * half + 1) + 0.4, 0.7 * (depth + 1) + 0.4)
    for e in edges:
        arrow = {"arrowstyle": "->", "shrinkA": 14, "shrinkB": 14, "color": "0.4"}
        (x1, y1), (x2, y2) = where[e.source], where[e.target]
        ax.annotate("", (x2, -y2), (x1, -y1), arrowprops=arrow)
    for id, (x, y) in where.items():
        box = {"boxstyle": "round", "facecolor": "#D6E6F2" if id in learnt else "white", "edgecolor": COLOURS[0]}
        ax.text(x, -y, _cut(id), ha="center", va="center", fontsize=9, color="black", bbox=box)
    ax.set_xlim(-half - 0.6, half + 0.6)
    ax.set_ylim(-depth - 0.6, 0.6)
    ax.set_axis_off()
    return ax
