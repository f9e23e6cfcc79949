"""Where the boxes of a drawing stand: in layers from top to bottom, lines that pass a layer go around its boxes.

Layers are longest ways from the top; what stands side by side is ordered by the mean place of what it is joined to, a few times
down and up; across, each stands as near to the middle of its neighbours as the others of its layer let it (least squares under
distances, pool adjacent violators). Source: Sugiyama, Tagawa, Toda, Methods for visual understanding of hierarchical system
structures, IEEE Transactions on Systems, Man, and Cybernetics 11 (1981). Neighbours: `scene.py` says what is drawn.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import attrs

GAP = 26.0
"""Between boxes that stand side by side."""
STEP = 38.0
"""Between layers."""
SWEEPS = 4
Point = tuple[float, float]
Spot = tuple[int, int]
"""What stands in a layer: a box (its number, -1), or a line that passes (its number, the layer)."""


@attrs.frozen(eq=False)
class Layout:
    """Boxes by key: the middle of the top, across 0 in the middle. ways: the points of each line. half, height: how large."""

    boxes: Mapping[str, Point]
    ways: Sequence[Sequence[Point]]
    half: float
    height: float


def arranged(sizes: Mapping[str, Point], pairs: Sequence[tuple[str, str]], rooms: Mapping[str, float]) -> Layout:
    """Boxes of these sizes (width, height), in topological order, joined by these pairs; rooms: the widths they want."""
    depth = _depths(sizes, pairs)
    rows, joined = _rows(list(sizes), pairs, depth)
    _order(rows, joined)
    keys = list(sizes)
    width = {spot: rooms[keys[spot[0]]] if spot[1] < 0 else 12.0 for row in rows for spot in row}
    across = _across(rows, joined, width)
    tall = [max((sizes[keys[k]][1] for k, at in row if at < 0), default=0.0) for row in rows]
    top = [sum(tall[:d]) + d * STEP for d in range(len(rows))]
    places = {key: (across[k, -1], top[depth[key]] + (tall[depth[key]] - sizes[key][1]) / 2) for k, key in enumerate(keys)}
    ways = [_way(n, pair, places, sizes, depth, across, top, tall) for n, pair in enumerate(pairs)]
    half = max((abs(x) + width[spot] / 2 for spot, x in across.items()), default=0.0)
    return Layout(places, ways, half, sum(tall) + STEP * max(len(rows) - 1, 0))


def beside(way: Sequence[Point], at_end: bool) -> tuple[float, float, bool]:
    """Where a word about a line finds room: at its end or beginning, to the right (True) unless the line bends there."""
    (x, y), *rest = way[::-1] if at_end else way
    return x, y, next((u for u, _ in rest if u != x), x) <= x + 1


def _depths(keys: Mapping[str, Point], pairs: Sequence[tuple[str, str]]) -> dict[str, int]:
    """One below the lowest that leads there."""
    before: dict[str, list[str]] = {key: [] for key in keys}
    for start, end in pairs:
        before[end].append(start)
    depth: dict[str, int] = {}
    for key in keys:
        depth[key] = max((depth[b] + 1 for b in before[key]), default=0)
    return depth


def _rows(
    keys: Sequence[str], pairs: Sequence[tuple[str, str]], depth: Mapping[str, int]
) -> tuple[list[list[Spot]], list[tuple[Spot, Spot]]]:
    """What stands in each layer, and which two of neighbouring layers are joined."""
    rows: list[list[Spot]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    number = {key: k for k, key in enumerate(keys)}
    for key in keys:
        rows[depth[key]].append((number[key], -1))
    joined: list[tuple[Spot, Spot]] = []
    for n, (start, end) in enumerate(pairs):
        passing = [(n, at) for at in range(depth[start] + 1, depth[end])]
        for spot in passing:
            rows[spot[1]].append(spot)
        steps = [(number[start], -1), *passing, (number[end], -1)]
        joined += pairwise(steps)
    return rows, joined


def _neighbours(joined: Sequence[tuple[Spot, Spot]]) -> tuple[dict[Spot, list[Spot]], dict[Spot, list[Spot]]]:
    above: dict[Spot, list[Spot]] = {}
    below: dict[Spot, list[Spot]] = {}
    for one, other in joined:
        above.setdefault(other, []).append(one)
        below.setdefault(one, []).append(other)
    return above, below


def _order(rows: list[list[Spot]], joined: Sequence[tuple[Spot, Spot]]) -> None:
    """Put the spots of each layer in the order of the mean place of what they are joined to."""
    above, below = _neighbours(joined)
    for sweep in range(SWEEPS):
        for d in range(1, len(rows)) if sweep % 2 == 0 else range(len(rows) - 2, -1, -1):
            side, other = (above, rows[d - 1]) if sweep % 2 == 0 else (below, rows[d + 1])
            place = {spot: k - (len(other) - 1) / 2 for k, spot in enumerate(other)}
            own = {spot: k - (len(rows[d]) - 1) / 2 for k, spot in enumerate(rows[d])}
            rows[d].sort(key=lambda spot: _mean([place[s] for s in side.get(spot, ())], own[spot]))


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _across(
    rows: Sequence[Sequence[Spot]], joined: Sequence[tuple[Spot, Spot]], width: Mapping[Spot, float]
) -> dict[Spot, float]:
    """How far from the middle each spot stands: what is alone in its layer not at all, chains one below the other."""
    above, below = _neighbours(joined)
    found = {spot: x for row in rows for spot, x in zip(row, _apart(row, [0.0] * len(row), width), strict=True)}
    chained = {spot: near for spot, near in above.items() if len(near) > 1 or len(below[near[0]]) == 1}
    for sweep in range(SWEEPS + 1):
        side = chained if sweep == SWEEPS else below if sweep % 2 else above
        for row in rows[::-1] if sweep % 2 else rows:
            wanted = [_middle([(found[s], _weight(s)) for s in side.get(spot, ())], found[spot]) for spot in row]
            found |= zip(row, _apart(row, wanted, width) if len(row) > 1 else [0.0], strict=True)
    return found


def _weight(spot: Spot) -> float:
    """Lines that pass give way to boxes."""
    return 1.0 if spot[1] < 0 else 0.001


def _middle(places: Sequence[tuple[float, float]], otherwise: float) -> float:
    total = sum(weight for _, weight in places)
    return sum(x * weight for x, weight in places) / total if places else otherwise


def _apart(row: Sequence[Spot], wanted: Sequence[float], width: Mapping[Spot, float]) -> list[float]:
    """The places nearest to those wanted at which none is too near to the next."""
    ahead = [0.0]
    for one, other in pairwise(row):
        ahead.append(ahead[-1] + (width[one] + width[other]) / 2 + GAP)
    pools: list[tuple[float, float, int]] = []
    for spot, x, before in zip(row, wanted, ahead, strict=False):
        pool = (x - before, _weight(spot), 1)
        while pools and pools[-1][0] >= pool[0]:
            (a, v, m), (b, w, n) = pools.pop(), pool
            pool = ((a * v + b * w) / (v + w), v + w, m + n)
        pools.append(pool)
    flat = [x for x, _, n in pools for _ in range(n)]
    return [x + before for x, before in zip(flat, ahead, strict=False)]


def _way(
    n: int,
    pair: tuple[str, str],
    places: Mapping[str, Point],
    sizes: Mapping[str, Point],
    depth: Mapping[str, int],
    across: Mapping[Spot, float],
    top: Sequence[float],
    tall: Sequence[float],
) -> list[Point]:
    """The points of a line: out of the bottom of a box, past the layers between, into the top of another one."""
    (start, end) = pair
    (x, y), (u, v) = places[start], places[end]
    first, last = depth[start], depth[end]
    points = [(x, y + sizes[start][1]), (x, top[first] + tall[first])]
    for d in range(first + 1, last):
        points += [(across[n, d], top[d]), (across[n, d], top[d] + tall[d])]
    points += [(u, top[last]), (u, v)]
    return [point for point, before in zip(points, [None, *points], strict=False) if point != before]
