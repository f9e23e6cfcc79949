"""A drawing in sections, one below the other, so that parts of it can be folded away: ways side by side, long runs, and nodes
that hold a graph.

Sections meet at waists, nodes that everything passes. Neighbours: `scene.py` below; `markup.py` makes a piece of a page of each.
"""

from collections.abc import Sequence
from itertools import accumulate, groupby

import attrs

from pipeops.graph.drawings.scene import IN, OUT, Scene

RUN = 12
"""A longer run of nodes between which the same flows begins closed, and so do more nodes side by side."""
WAYS = 4
"""So many nodes side by side have a section of their own."""


@attrs.frozen(eq=False)
class Section:
    """Nodes that are drawn together. title: of what can be folded; empty for the rest. held: one node that holds a graph."""

    keys: Sequence[str]
    title: str = ""
    closed: bool = False
    held: bool = False


def waists(scene: Scene) -> set[str]:
    """The boxes that everything passes: no line goes around them."""
    keys = list(scene.boxes)
    place = {key: k for k, key in enumerate(keys)}
    change = [0] * (len(keys) + 1)
    for line in scene.lines:
        change[place[line.source] + 1] += 1
        change[place[line.target]] -= 1
    return {key for key, around in zip(keys, accumulate(change), strict=False) if not around}


def sections(scene: Scene) -> list[Section]:
    """The sections from top to bottom."""
    narrow, made = waists(scene), list[Section]()
    for key, group in groupby(enumerate(scene.boxes), lambda pair: pair[0] if pair[1] in narrow else -1):
        keys = [name for _, name in group]
        if key >= 0:
            made.append(Section(keys, held=bool(scene.boxes[keys[0]].inside)))
        else:
            made.append(Section(keys, _ways(scene, keys) if len(keys) >= WAYS else "", closed=len(keys) > RUN))
    runs = [run for section in _joined(made) for run in _runs(scene, section)]
    return _joined(runs)


def _ways(scene: Scene, keys: Sequence[str]) -> str:
    entering = {line.target for line in scene.lines if line.target in keys and line.source not in keys}
    return f"{len(entering)} side by side" + (f", {len(keys)} nodes" if len(keys) > len(entering) else "")


def _joined(made: Sequence[Section]) -> list[Section]:
    """Plain sections that follow one another as one."""
    found: list[Section] = []
    for plain, group in groupby(made, lambda section: not section.title and not section.held):
        several = list(group)
        found += [Section([key for section in several for key in section.keys])] if plain else several
    return found


def _runs(scene: Scene, section: Section) -> list[Section]:
    """A plain section, its long runs of nodes between which the same flows cut out."""
    if section.title or section.held:
        return [section]
    into = {line.target: line.kind for line in scene.lines}
    out = {line.source: line.kind for line in scene.lines}
    found: list[Section] = []
    for same, group in groupby(section.keys, lambda key: into.get(key) if into.get(key) == out.get(key) else None):
        keys = list(group)
        long = same is not None and len(keys) > RUN and not {IN, OUT} & {*keys}
        title = f"{scene.boxes[keys[0]].title} … {scene.boxes[keys[-1]].title}, {len(keys)} nodes" if long else ""
        found.append(Section(keys, title, closed=long))
    return found
