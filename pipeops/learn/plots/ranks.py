"""Pictures of a benchmark beside its boxes: intervals of the mean, and critical differences of ranks over tasks.

Neighbours: figures and overlays below; `result.plot(kind=)` calls these.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeops.errors import ConfigError, DataError
from pipeops.learn.plots.figures import COLOURS, QUIET, finish, new_axes, short
from pipeops.learn.plots.overlays import _blocks


def plot_intervals(table: Any, measure: str, label: str, ax: Any = None, level: float = 0.95) -> Any:
    """The mean score of each learner with its t-interval over iterations, a group of lines for each task.

    Folds share training rows, so the intervals are rather too narrow.
    """
    from scipy.stats import t

    blocks = _blocks(table, measure)
    learners = list(dict.fromkeys(table["learner_id"].to_list()))
    ax = new_axes(ax, 6.4, 1.0 + 0.34 * sum(len(b) + 0.8 for b in blocks.values()))
    ticks, y = list[tuple[float, str]](), 0.0
    for head, block in blocks.items():
        for name, values in block.items():
            n, colour = len(values), COLOURS[learners.index(name) % len(COLOURS)]
            half = t.ppf((1 + level) / 2, n - 1) * values.std(ddof=1) / n**0.5 if n > 1 else np.nan
            if n:
                ax.errorbar(values.mean(), y, xerr=half, fmt="o", color=colour, capsize=3, linewidth=1.6, markersize=5)
            ticks.append((y, short(name if len(blocks) == 1 else f"{name} · {head}", 40)))
            y += 1
        y += 0.8
    ax.set_yticks([at for at, _ in ticks], [text for _, text in ticks])
    ax.set_ylim(y - 1.2, -0.6)
    ax.tick_params(axis="y", length=0)
    return finish(ax, x=f"{label}, mean with {level:.0%} interval", y="", grid="x")


def ranks(table: Any, measure: str, minimize: bool | None) -> dict[str, float]:
    """The mean rank of each learner over tasks (and resamplings), by mean score; 1 is best, equal scores share ranks."""
    from scipy.stats import rankdata

    if minimize is None:
        raise ConfigError(f"plot: neither a high nor a low {measure} is better, so learners have no ranks by it.")
    blocks = [{name: float(v.mean()) if len(v) else np.nan for name, v in b.items()} for b in _blocks(table, measure).values()]
    names = list(blocks[0])
    if len(blocks) < 2 or len(names) < 2:
        raise DataError("plot: critical differences need two tasks or more, and two learners or more.")
    if any(set(b) != set(names) or np.isnan(list(b.values())).any() for b in blocks):
        raise DataError("plot: critical differences need a score of every learner on every task.")
    scores = np.array([[b[name] for name in names] for b in blocks])
    mean = np.mean([rankdata(row if minimize else -row) for row in scores], axis=0)
    return dict(sorted(zip(names, mean.tolist(), strict=True), key=lambda pair: pair[1]))


def critical_difference(learners: int, tasks: int, level: float = 0.95) -> float:
    """Mean ranks that differ by more are different at this level (Nemenyi's test; Demsar, JMLR 7, 2006).

    >>> round(critical_difference(4, 14), 2)
    1.25
    """
    from scipy.stats import studentized_range

    q = float(studentized_range.ppf(level, learners, np.inf)) / 2**0.5
    return q * (learners * (learners + 1) / (6 * tasks)) ** 0.5


def plot_critical(table: Any, measure: str, label: str, minimize: bool | None, ax: Any = None) -> Any:
    """Mean ranks of learners over tasks; a bar joins those that Nemenyi's test does not tell apart."""
    found = ranks(table, measure, minimize)
    names, places = list(found), list(found.values())
    tasks = len(_blocks(table, measure))
    cd = critical_difference(len(names), tasks)
    bars = _alike(places, cd)
    ax = new_axes(ax, 6.2, 1.3 + 0.3 * (len(names) + len(bars)))
    for y, place in enumerate(places):
        ax.hlines(y, 1, place, color="#D8D8D8", linewidth=1, zorder=1)
        ax.scatter(place, y, s=36, color=COLOURS[y % len(COLOURS)], zorder=3)
    for k, (first, last) in enumerate(bars):
        ax.hlines(len(names) + 0.1 + 0.6 * k, places[first] - 0.03, places[last] + 0.03, color=QUIET, linewidth=3.5)
    ax.set_yticks(range(len(names)), [short(name) for name in names])
    ax.set_ylim(len(names) + 0.6 * max(len(bars), 1), -0.6)
    ax.set_xlim(0.9, len(names) + 0.1)
    ax.tick_params(axis="y", length=0)
    title = f"critical difference {cd:.2f} ({tasks} tasks)"
    return finish(ax, x=f"mean rank by {short(label, 36)}", y="", title=title, grid="x")


def _alike(places: Sequence[float], cd: float) -> list[tuple[int, int]]:
    """The longest runs of ascending ranks that lie within the critical difference, by first and last."""
    runs = [(i, max(j for j in range(len(places)) if places[j] - places[i] <= cd)) for i in range(len(places))]
    return [(i, j) for k, (i, j) in enumerate(runs) if j > i and not any(a <= i and j <= b for a, b in runs[:k])]
