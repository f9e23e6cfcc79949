"""A graph drawn with matplotlib (extra `plot`): what nodes hold stands in a frame in their boxes.

Neighbours: `scene.py`, `layers.py` and `sections.py` below; the colours are those of all pictures (`learn/plots/figures.py`).
"""

from itertools import pairwise
from math import ceil
from typing import Any

import attrs

from pipeops.graph.drawings.layers import Layout, Point, arranged, beside
from pipeops.graph.drawings.scene import Box, Line, Scene
from pipeops.graph.drawings.sections import waists
from pipeops.text import cut

LETTERS = 30
LINE, TITLE, EDGE = 14.0, 24.0, 14.0
ASIDE, COLUMN = 50.0, 16
"""Between columns, and so many nodes stand in one."""
INCH = 80.0
"""So many of the units of the layout are an inch."""
COLOURS = {"Task": "#0072B2", "Prediction": "#009E73", "*": "#6E6E6E"}
NETWORK = "#D55E00"
LOOKS: dict[str, dict[str, Any]] = {
    "trained": {"facecolor": "#D6E6F2", "edgecolor": "#404040"},
    "untrained": {"facecolor": "white", "edgecolor": "#404040"},
    "skipped": {"facecolor": "white", "edgecolor": "#909090", "linestyle": "--"},
    "end": {"facecolor": "#EBEBEB", "edgecolor": "none"},
}


@attrs.frozen(eq=False)
class Pictured:
    """A scene with its layout, and the plans of what boxes hold, side by side."""

    scene: Scene
    layout: Layout
    sizes: dict[str, Point]
    inside: "dict[str, list[Pictured]]"


def plot(scene: Scene, ax: Any = None) -> Any:
    """Draw it and return the axes; what is too tall goes on in further columns."""
    from pipeops.learn.plots.figures import new_axes

    plans = [_plan(part) for part in _columns(scene)]
    wide = sum(2 * plan.layout.half + ASIDE for plan in plans) - ASIDE + 20
    tall = max(plan.layout.height for plan in plans) + (20 if len(plans) == 1 else 60)
    ax = new_axes(ax, max(wide / INCH, 1.5), max(tall / INCH, 1.0))
    scale, middles, left = ax.get_window_extent().width / ax.figure.dpi * INCH / wide, list[float](), 10.0
    for plan in plans:
        middles.append(left + plan.layout.half)
        _draw(ax, plan, middles[-1], 0.0, scale)
        left += 2 * plan.layout.half + ASIDE
    for plan, x, far, after in zip(plans, middles, middles[1:], plans[1:], strict=False):
        line = next(one for one in scene.lines if one.source in plan.scene.boxes and one.target in after.scene.boxes)
        _over(ax, line, (x, plan.layout.height), (far, 0.0), far - after.layout.half - ASIDE / 2, scale)
    ax.set_xlim(0, wide)
    ax.set_ylim(tall - (10 if len(plans) == 1 else 30), -10 if len(plans) == 1 else -30)
    ax.set_axis_off()
    return ax


def _columns(scene: Scene) -> list[Scene]:
    """The scene cut where one node follows another and nothing goes around, into columns of about equal numbers of nodes."""
    keys, narrow = list(scene.boxes), waists(scene)
    most = ceil(len(keys) / ceil(len(keys) / COLUMN))
    parts: list[list[str]] = [[]]
    for before, key in pairwise(["", *keys]):
        if len(parts[-1]) >= most and {before, key} <= narrow:
            parts.append([])
        parts[-1].append(key)
    return [
        Scene({key: scene.boxes[key] for key in part}, [line for line in scene.lines if {line.source, line.target} <= {*part}])
        for part in parts
    ]


def _over(ax: Any, line: Line, start: Point, end: Point, between: float, scale: float) -> None:
    """A line from the bottom of a column to the top of the next one."""
    (x, y), (u, v), colour = start, end, COLOURS.get(line.kind, NETWORK)
    ax.plot([x, x, between, between, u], [y, y + 16, y + 16, v - 18, v - 18], color=colour, linewidth=1.2)
    look = {"arrowstyle": "-|>", "mutation_scale": 9 * scale, "color": colour, "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", (u, v), (u, v - 18), arrowprops=look)
    ax.text(u + 6, v - 8, line.label, fontsize=8 * scale, color="#404040", va="center")


def _plan(scene: Scene) -> Pictured:
    inside = {key: [_plan(i.scene) for i in box.inside] for key, box in scene.boxes.items()}
    sizes = {key: _size(box, inside[key]) for key, box in scene.boxes.items()}
    rooms = {key: max(size[0], _words(key, scene.lines)) for key, size in sizes.items()}
    return Pictured(scene, arranged(sizes, [(line.source, line.target) for line in scene.lines], rooms), sizes, inside)


def _words(key: str, lines: list[Line]) -> float:
    return 12.0 * max((len(line.label) for line in lines if key in (line.source, line.target)), default=0)


def _size(box: Box, inside: list[Pictured]) -> Point:
    wide = max([8.0 * len(cut(box.title, LETTERS)), *(6.4 * len(line) for line in box.lines)]) + 18
    tall = TITLE + LINE * len(box.lines) - 4 * (box.state == "end")
    if not inside:
        return max(wide, 70.0), tall
    held = sum(2 * plan.layout.half + EDGE for plan in inside) + EDGE
    return max(wide, held), tall + max(plan.layout.height for plan in inside) + EDGE


def _draw(ax: Any, plan: Pictured, x: float, y: float, scale: float) -> None:
    """Draw a plan with the middle of its top at a place; scale: of the texts, smaller where the axes are small."""
    for line, way in zip(plan.scene.lines, plan.layout.ways, strict=True):
        _line(ax, line, [(x + u, y + v) for u, v in way], plan.scene.lines, scale)
    for key, box in plan.scene.boxes.items():
        u, v = plan.layout.boxes[key]
        _box(ax, box, (x + u, y + v), plan.sizes[key], scale)
        held = plan.inside[key]
        left = x + u - sum(2 * each.layout.half + EDGE for each in held) / 2
        for each in held:
            _draw(ax, each, left + each.layout.half + EDGE / 2, y + v + TITLE + LINE * len(box.lines), scale)
            left += 2 * each.layout.half + EDGE


def _line(ax: Any, line: Line, way: list[Point], lines: list[Line], scale: float) -> None:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    points, codes = [way[0]], [Path.MOVETO]
    for (a, b), (c, d) in pairwise(way):
        points += [(a, (b + d) / 2), (c, (b + d) / 2), (c, d)]
        codes += [Path.CURVE4] * 3
    colour = COLOURS.get(line.kind, NETWORK)
    look: dict[str, Any] = {
        "arrowstyle": "-|>",
        "mutation_scale": 9 * scale,
        "color": colour,
        "linewidth": 1.2,
        "shrinkA": 0,
        "shrinkB": 0,
    }
    ax.add_patch(FancyArrowPatch(path=Path(points, codes), **look))
    alone = sum(other.target == line.target for other in lines) == 1
    x, y, right = beside(way, alone)
    place = (x + (6 if right else -6), y - 12 if alone else y + 12)
    ax.text(*place, line.label, fontsize=8 * scale, color="#404040", va="center", ha="left" if right else "right")


def _box(ax: Any, box: Box, place: Point, size: Point, scale: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    (x, y), (wide, tall) = place, size
    style = f"round,pad=0,rounding_size={tall / 2 if box.state == 'end' else 6}"
    ax.add_patch(FancyBboxPatch((x - wide / 2, y), wide, tall, boxstyle=style, **LOOKS[box.state]))
    weight, at = ("normal", 10) if box.state == "end" else ("bold", 13)
    ax.text(x, y + at, cut(box.title, LETTERS), ha="center", va="center", fontsize=10 * scale, fontweight=weight, color="black")
    for k, line in enumerate(box.lines):
        ax.text(x, y + TITLE + LINE * k + 4, line, ha="center", va="center", fontsize=8.5 * scale, color="#303030")
