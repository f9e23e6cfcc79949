"""A graph as a piece of a page: sections of SVG, which fold without any script; colours follow the page, light or dark.

Everything is escaped, long texts are cut and whole in tooltips. Neighbours: `scene.py`, `layers.py` and `sections.py` below;
`display.py` has the style sheet and puts the piece on a page.
"""

from collections.abc import Mapping, Sequence
from html import escape
from math import ceil

import attrs

from pipeops.graph.drawings.layers import Point, arranged, beside
from pipeops.graph.drawings.scene import Box, Line, Scene
from pipeops.graph.drawings.sections import Section, sections
from pipeops.text import cut

LETTERS = 30
LINE, TITLE = 15, 26
COLOURS = {"Task": "#3F94C8", "Prediction": "#2FA37A", "*": "currentColor"}
NETWORK = "#D98032"
TOP, BOTTOM = "^", "v"
"""The keys of where lines come in and go out of a section."""


def markup(scene: Scene) -> str:
    """The drawing of a scene, with what its colours mean."""
    if not scene.ids:
        return ""
    states = {box.state for box in scene.boxes.values()}
    words = [word for state, word in (("trained", "filled: trained"), ("skipped", "dashed: way not taken")) if state in states]
    return f'<div class="flow">{_column(scene)}</div><div class="quiet">{"; ".join(words) or "not trained"}</div>'


def _column(scene: Scene) -> str:
    cuts = sections(scene)
    around = zip([None, *cuts], cuts, [*cuts[1:], None], strict=False)
    return "".join(_section(scene, section, before, after) for before, section, after in around)


def _section(scene: Scene, section: Section, before: Section | None, after: Section | None) -> str:
    held, points = {*section.keys}, after is not None and after.held
    fan = before is not None and bool(before.title) and len(_crossing(scene, before, {*before.keys})) > 1
    entering = [line for line in scene.lines if line.target in held and line.source not in held]
    if fan:
        entering = [attrs.evolve(line, label="") for line in entering]
    if section.held:
        alone = before is not None and before.held
        return (_stub(entering) if alone else "") + _holder(scene.boxes[section.keys[0]])
    drawing = _svg({key: scene.boxes[key] for key in section.keys}, _lines(scene, section, held, entering, points), points)
    insides = "".join(_inside(i.title, i.scene) for key in section.keys for i in scene.boxes[key].inside)
    if not section.title:
        return drawing + insides
    opened = "" if section.closed else " open"
    return f"<details{opened}><summary>{escape(section.title)}</summary>{drawing}{insides}</details>"


def _crossing(scene: Scene, section: Section, held: set[str]) -> list[Line]:
    return [line for line in scene.lines if line.source in held and line.target not in held]


def _lines(scene: Scene, section: Section, held: set[str], entering: Sequence[Line], points: bool) -> list[Line]:
    """The lines of a section: inside it, from its top, and to its bottom; what goes out is named where several lines meet, and
    where it points at what is no SVG."""
    inside = [line for line in scene.lines if line.source in held and line.target in held]
    into = {line.target: attrs.evolve(line, source=TOP) for line in entering}
    leaving = _crossing(scene, section, held)
    named = points or (bool(section.title) and len(leaving) > 1)
    out = {line.source: attrs.evolve(line, target=BOTTOM, label=line.label if named else "") for line in leaving}
    return [*into.values(), *inside, *out.values()]


def _holder(box: Box) -> str:
    """A node with a graph in it: its box is what opens and closes."""
    words = "".join(f"<div>{escape(line)}</div>" for line in box.lines)
    head = f'<summary class="{box.state}" title="{escape(box.tip)}"><b>{escape(cut(box.title, LETTERS))}</b>{words}</summary>'
    columns = "".join(_column(i.scene) for i in box.inside)
    small = sum(len(i.scene.ids) for i in box.inside) <= 6
    return f'<details class="holder"{" open" if small else ""}>{head}{columns}</details>'


def _inside(title: str, scene: Scene) -> str:
    count = len(scene.ids)
    head = f"in {escape(cut(title, LETTERS))}, {count} node{'s' * (count != 1)}"
    return f'<details class="holder"><summary>{head}</summary>{_column(scene)}</details>'


# ---------------------------------------------------------------- SVG


def _size(box: Box) -> Point:
    """Width and height of a box, by its texts."""
    wide = max([8.3 * len(cut(box.title, LETTERS)), *(6.2 * len(line) for line in box.lines)])
    return max(wide + 20, 84.0), float(TITLE + LINE * len(box.lines) - 4 * (box.state == "end"))


def _room(key: str, size: Point, lines: Sequence[Line]) -> float:
    """The width that a box wants, with the words beside the lines at it."""
    words = [line.label for line in lines if key in (line.source, line.target)]
    return max(size[0], 2 * 6.0 * max(map(len, words), default=0))


def _stub(entering: Sequence[Line]) -> str:
    """A short line down from one thing that is no SVG to another."""
    return _svg({}, [attrs.evolve(line, source=TOP, target=BOTTOM) for line in entering[:1]], True)


def _svg(boxes: Mapping[str, Box], lines: Sequence[Line], points: bool) -> str:
    """A section; points: lines that leave it have heads."""
    ends = {line.source for line in lines} | {line.target for line in lines}
    sizes: dict[str, Point] = {TOP: (0.0, 0.0)} if TOP in ends else {}
    sizes |= {key: _size(box) for key, box in boxes.items()}
    sizes |= {BOTTOM: (0.0, 0.0)} if BOTTOM in ends else {}
    rooms = {key: _room(key, size, lines) for key, size in sizes.items()}
    layout = arranged(sizes, [(line.source, line.target) for line in lines], rooms)
    half, height = ceil(layout.half) + 2, ceil(layout.height) + 2 * (BOTTOM not in ends)
    drawn = [_path(line, way, lines, points) for line, way in zip(lines, layout.ways, strict=True)]
    drawn += [_box(box, layout.boxes[key], sizes[key]) for key, box in boxes.items()]
    top = 0 if TOP in ends else -1
    return (
        f'<svg role="img" width="{2 * half}" height="{height}" viewBox="{-half} {top} {2 * half} {height}">{"".join(drawn)}</svg>'
    )


def _path(line: Line, way: Sequence[Point], lines: Sequence[Line], points: bool) -> str:
    """A line with its head, and what flows in words."""
    (x, y), *rest = way
    steps = [f"M{x:.1f},{y:.1f}"]
    for u, v in rest:
        steps.append(f"C{x:.1f},{(y + v) / 2:.1f} {u:.1f},{(y + v) / 2:.1f} {u:.1f},{v:.1f}" if u != x else f"L{u:.1f},{v:.1f}")
        x, y = u, v
    colour = COLOURS.get(line.kind, NETWORK)
    blunt = line.target == BOTTOM and not points
    head = "" if blunt else f'<path d="M{x - 4:.1f},{y - 7:.1f} l4,7 l4,-7 z" fill="{colour}" stroke="none"/>'
    drawn = f'<path d="{" ".join(steps)}" fill="none" stroke="{colour}" stroke-width="1.4"/>'
    return f"<g><title>{escape(line.tip)}</title>{drawn}{head}{_words(line, way, lines)}</g>"


def _words(line: Line, way: Sequence[Point], lines: Sequence[Line]) -> str:
    """What flows, at the end of the line at which it is alone, and on the side from which the line does not come."""
    if not line.label:
        return ""
    alone = sum(other.target == line.target for other in lines) == 1
    x, y, right = beside(way, alone)
    place = f'x="{x + (7 if right else -7):.1f}" y="{y - 7 if alone else y + 14:.1f}" text-anchor="{"start" if right else "end"}"'
    return f'<text {place} font-size="10" fill-opacity=".75">{escape(line.label)}</text>'


LOOKS = {
    "trained": 'fill="rgba(0,114,178,.2)" stroke="currentColor"',
    "untrained": 'fill="none" stroke="currentColor" stroke-opacity=".75"',
    "skipped": 'fill="none" stroke="currentColor" stroke-dasharray="4 3" stroke-opacity=".6"',
    "end": 'fill="rgba(128,128,128,.15)" stroke="none"',
}


def _box(box: Box, place: Point, size: Point) -> str:
    (x, y), (width, height) = place, size
    round = height / 2 if box.state == "end" else 6
    room = f'x="{x - width / 2:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="{round:.0f}"'
    frame = f"<rect {room} {LOOKS[box.state]}/>"
    weight, size_ = (400, 11) if box.state == "end" else (600, 13)
    texts = [_text(cut(box.title, LETTERS), x, y + 15 + 2 * (box.state != "end"), size_, weight)]
    texts += [_text(line, x, y + TITLE + 8 + LINE * k, 11, 400) for k, line in enumerate(box.lines)]
    return f"<g><title>{escape(box.tip or box.title)}</title>{frame}{''.join(texts)}</g>"


def _text(text: str, x: float, y: float, size: int, weight: int) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" text-anchor="middle">{escape(text)}</text>'
