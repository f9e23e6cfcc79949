"""Pictures of a search for hyperparameters: its history, the surface of two, parallel coordinates of all, and their importance.

All take `ax` and return it. Neighbours: figures below; `tuning/shown` calls these with the archive by column.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from pipeops.errors import ConfigError, DataError, UnknownKeyError, suggest
from pipeops.learn.plots.figures import COLOURS, QUIET, finish, legend, new_axes, pyplot, short

Array = npt.NDArray[np.float64]
NO_PARAMS = {"trial", "state", "seconds", "error", "history", "batch"}
TREES = 100


@attrs.frozen(eq=False)
class Axis:
    """A hyperparameter over the trials: a number for each, NaN where it did not matter; names: of the values of categories."""

    name: str
    values: Array
    names: Sequence[str]
    log: bool

    def place(self, ax: Any, which: str) -> None:
        """Scale, ticks and label of an axis of a picture."""
        if self.names:
            (ax.set_xticks if which == "x" else ax.set_yticks)(range(len(self.names)), [short(n, 18) for n in self.names])
        elif self.log:
            (ax.set_xscale if which == "x" else ax.set_yscale)("log")


def axis(name: str, values: Sequence[Any], log: bool) -> Axis:
    """A column of an archive as numbers; what is not a number is a category, in the order of its texts."""
    plain = [v for v in values if v is not None]
    if plain and all(isinstance(v, int | float) and not isinstance(v, bool) for v in plain):
        return Axis(name, np.array([np.nan if v is None else float(v) for v in values]), (), log)
    names = sorted({str(v) for v in plain})
    return Axis(name, np.array([np.nan if v is None else float(names.index(str(v))) for v in values]), names, False)


def plot_search(
    archive: Mapping[str, list[Any]], measure: Any, kind: str, ax: Any, params: Sequence[str] | None, log: Collection[str]
) -> Any:
    """Draw the archive of a search; see `AutoTuner.plot`."""
    kinds = {"history": _history, "surface": _surface, "parallel": _parallel, "importance": _importance}
    if kind not in kinds:
        raise ConfigError(f"plot: no kind '{kind}' for a search.{suggest(str(kind), kinds, 'kinds')}")
    scores = np.array([np.nan if score is None else score for score in archive[measure.id]], dtype=np.float64)
    if not np.isfinite(scores).any():
        raise DataError("plot: no trial has a score.")
    if kind == "history":
        return _history(archive["state"], scores, measure, ax)
    known = [name for name, values in archive.items() if name not in NO_PARAMS and not _is_score(name, archive, measure, values)]
    for name in params or ():
        if name not in known:
            raise UnknownKeyError(f"plot: no hyperparameter '{name}' was searched.{suggest(str(name), known, 'there are')}")
    axes = [axis(name, archive[name], name in log) for name in params or known]
    return kinds[kind](axes, scores, measure, ax)  # type: ignore[operator]


def _is_score(name: str, archive: Mapping[str, list[Any]], measure: Any, values: Sequence[Any]) -> bool:
    """Columns of scores stand from the first measure on; lists and what never differs tell nothing."""
    order = list(archive)
    return (
        order.index(name) >= order.index(measure.id) or any(isinstance(v, list) for v in values) or len({*map(str, values)}) < 2
    )


def _history(states: Sequence[str], scores: Array, measure: Any, ax: Any) -> Any:
    """Scores by trial, the best so far as steps; marks at the bottom: trials without a score."""
    ax, trials = new_axes(ax, 5.4, 3.6), np.arange(len(scores))
    running = np.fmin.accumulate(scores) if measure.minimize else np.fmax.accumulate(scores)
    ax.step(trials, running, where="post", color=COLOURS[0], linewidth=1.6, label="best so far")
    ax.scatter(trials, scores, s=20, color=COLOURS[1], alpha=0.8, linewidths=0, zorder=3, label="trial")
    for state, mark in (("pruned", "|"), ("failed", "x")):
        out = [k for k, own in enumerate(states) if own == state]
        if out:
            ax.scatter(
                out, np.zeros(len(out)), transform=ax.get_xaxis_transform(), marker=mark, color=QUIET, label=state, zorder=3
            )
    ax.xaxis.get_major_locator().set_params(integer=True)
    finish(ax, x="trial", y=measure.label or measure.id)
    legend(ax)
    return ax


def _surface(axes: Sequence[Axis], scores: Array, measure: Any, ax: Any) -> Any:
    """The trials over two hyperparameters, coloured by their scores, which are interpolated between them."""
    if len(axes) < 2:
        raise DataError(f'plot("surface"): needs two hyperparameters, {len(axes)} took different values.')
    one, other = axes if len(axes) == 2 else _two(axes, scores)
    ax = new_axes(ax, 5.4, 4.2)
    for each, which in ((one, "x"), (other, "y")):
        each.place(ax, which)
    kept = np.isfinite(scores) & np.isfinite(one.values) & np.isfinite(other.values)
    x, y, z = one.values[kept], other.values[kept], scores[kept]
    look = {"cmap": "viridis_r" if measure.minimize else "viridis", "vmin": z.min(), "vmax": z.max()}
    if not one.names and not other.names and _spread(one, x) and _spread(other, y) and len(z) > 3:
        _between(ax, one, other, x, y, z, look)
    dots = ax.scatter(x, y, c=z, s=34, edgecolors="white", linewidths=0.6, zorder=3, **look)
    ax.figure.colorbar(dots, ax=ax, label=measure.label or measure.id)
    return finish(ax, x=short(one.name, 40), y=short(other.name, 40), grid="")


def _two(axes: Sequence[Axis], scores: Array) -> list[Axis]:
    """The two most important, numbers before categories."""
    parts = importances(axes, scores)
    order = sorted(range(len(axes)), key=lambda k: (bool(axes[k].names), -parts[k]))
    return [axes[k] for k in sorted(order[:2])]


def _spread(one: Axis, values: Array) -> bool:
    return len(np.unique(values)) > 2 and (not one.log or bool((values > 0).all()))


def _between(ax: Any, one: Axis, other: Axis, x: Array, y: Array, z: Array, look: Mapping[str, Any]) -> None:
    """Linear interpolation on a grid, in the units of the axes, pale."""
    from scipy.interpolate import LinearNDInterpolator
    from scipy.spatial import QhullError

    grids = [_grid(values, each.log) for values, each in ((x, one), (y, other))]
    units = [_unit(values, each.log) for values, each in ((x, one), (y, other))]
    try:
        surface = LinearNDInterpolator(np.column_stack(units), z)
    except QhullError:  # all on a line
        return
    u, v = np.meshgrid(np.linspace(0, 1, 80), np.linspace(0, 1, 80))
    ax.pcolormesh(*grids, surface(u, v), shading="nearest", alpha=0.55, rasterized=True, **look)


def _unit(values: Array, log: bool) -> Array:
    scale = np.log(values) if log else values
    return (scale - scale.min()) / (scale.max() - scale.min())


def _grid(values: Array, log: bool) -> Array:
    return (np.geomspace if log else np.linspace)(values.min(), values.max(), 80)


def _parallel(axes: Sequence[Axis], scores: Array, measure: Any, ax: Any) -> Any:
    """A line a trial across all hyperparameters to its score; good ones dark and on top."""
    if not axes:
        raise DataError('plot("parallel"): no hyperparameter took different values.')
    ax, kept = new_axes(ax, 1.8 + 1.35 * (len(axes) + 1), 4.2), np.flatnonzero(np.isfinite(scores))
    several = [*axes, Axis(measure.id, scores, (), False)]
    heights = np.stack([_height(each, each.values[kept]) for each in several])
    shade = heights[-1] if not measure.minimize else 1 - heights[-1]
    cmap = pyplot().get_cmap("viridis_r")
    for k in np.argsort(shade, kind="stable"):
        ax.plot(range(len(several)), heights[:, k], color=cmap(shade[k]), linewidth=1.3, alpha=0.8, marker=".", markersize=4)
    for at, each in enumerate(several):
        ax.axvline(at, color=QUIET, linewidth=0.8, zorder=0)
        _ticks(ax, at, each, each.values[kept])
    ax.set_xticks(range(len(several)), [short(each.name, 22) for each in several], rotation=20, ha="right")
    ax.set_yticks([])
    finish(ax, x="", y="", grid="")
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    return ax


def _height(each: Axis, values: Array) -> Array:
    """Between 0 and 1; below all where it did not matter."""
    known = values[np.isfinite(values)]
    log = each.log and bool((known > 0).all())
    scale, ends = (np.log(values), np.log(known)) if log else (values, known)
    width = ends.max() - ends.min()
    return np.where(np.isfinite(values), (scale - ends.min()) / width if width else 0.5, -0.08)


def _ticks(ax: Any, at: int, each: Axis, values: Array) -> None:
    """The ends of a range, or all categories, beside their axis."""
    known = np.unique(values[np.isfinite(values)])
    shown = known if each.names else known[[0, -1]] if len(known) > 1 else known
    for value, height in zip(shown, _height(each, np.array([*shown, *known]))[: len(shown)], strict=True):
        text = short(each.names[int(value)], 14) if each.names else f"{value:.4g}"
        ax.annotate(text, (at, height), xytext=(3, 0), textcoords="offset points", fontsize="x-small", va="center")


def importances(axes: Sequence[Axis], scores: Array) -> Array:
    """The share of each hyperparameter in how much a random forest of the scores lessens their variance."""
    from sklearn.ensemble import RandomForestRegressor

    kept = np.isfinite(scores)
    x = np.column_stack([np.nan_to_num(each.values[kept], nan=-1.0) for each in axes])
    forest = RandomForestRegressor(TREES, random_state=0, n_jobs=1).fit(x, scores[kept])
    return forest.feature_importances_


def _importance(axes: Sequence[Axis], scores: Array, measure: Any, ax: Any) -> Any:
    if not axes or np.isfinite(scores).sum() < 2:
        raise DataError('plot("importance"): needs two trials with scores, and hyperparameters that took different values.')
    found = importances(axes, scores)
    order = np.argsort(-found)
    ax = new_axes(ax, 5.4, 1.1 + 0.36 * len(axes))
    ax.barh(range(len(axes)), found[order], height=0.65, color=COLOURS[0])
    ax.set_yticks(range(len(axes)), [short(axes[k].name) for k in order])
    ax.set_ylim(len(axes) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    return finish(ax, x=f"share in the variance of {measure.label or measure.id}", y="", grid="x")
