"""Pictures of data: the target of a task, its features in pairs, and which rows a resampling trains and tests on.

Neighbours: figures below; `task.plot` and `resampling.plot` call these.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeops.errors import ConfigError, DataError, suggest
from pipeops.learn.plots.figures import COLOURS, finish, new_axes, pyplot, short

KINDS = ("target", "pairs")
PAIRS = 6
"""As many features are drawn in pairs when none are named."""


def plot_task(task: Any, kind: str, ax: Any, features: Sequence[str] | None) -> Any:
    """Draw a task; see `Task.plot`."""
    if kind not in KINDS:
        raise ConfigError(f"plot: no kind '{kind}' for a task.{suggest(str(kind), KINDS, 'kinds')}")
    if not task.nrow or not task.has_target:
        raise DataError(f"plot: the task '{task.id}' has no rows with a target.")
    if task.task_type not in ("classif", "regr"):
        raise DataError(f"plot: draws tasks with one target, '{task.id}' has {len(task.target_names)}.")
    if kind == "target":
        return _classes(task, ax) if task.task_type == "classif" else _numbers(task, ax)
    if ax is not None:
        raise ConfigError('plot("pairs"): makes a figure of its own; leave ax out.')
    return _pairs(task, features)


def _classes(task: Any, ax: Any) -> Any:
    """A bar for each class, with its number and share of rows."""
    counts = np.bincount(task.class_codes(), minlength=len(task.class_names))
    names = [short(str(name), 24) for name in task.class_names]
    ax = new_axes(ax, 5.4, 1.1 + 0.36 * len(counts))
    ax.barh(range(len(counts)), counts, height=0.7, color=[COLOURS[k % len(COLOURS)] for k in range(len(counts))])
    for k, n in enumerate(counts.tolist()):
        ax.annotate(
            f"{n} ({n / task.nrow:.1%})", (n, k), xytext=(4, 0), textcoords="offset points", va="center", fontsize="small"
        )
    ax.set_yticks(range(len(counts)), names)
    ax.set_ylim(len(counts) - 0.5, -0.5)
    ax.margins(x=0.22)
    ax.tick_params(axis="y", length=0)
    return finish(ax, x="rows", y=short(task.target_name), title=short(task.id, 48), grid="x")


def _numbers(task: Any, ax: Any) -> Any:
    ax = new_axes(ax)
    ax.hist(task.truth(), bins="auto", color=COLOURS[0], edgecolor="white")
    return finish(ax, x=short(task.target_name), y="rows", title=short(task.id, 48), grid="y")


def _pairs(task: Any, features: Sequence[str] | None) -> Any:
    """A grid of scatter plots, each feature's spread on the diagonal, coloured by class or by the target's value."""
    able = [n for n, kind in task.feature_types.items() if kind in ("numeric", "boolean")]
    names = able[:PAIRS] if features is None else list(features)
    strange = [name for name in names if name not in able]
    if strange or len(names) < 2:
        problem = f"'{strange[0]}' is no numeric feature" if strange else f"needs two numeric features or more, got {names}"
        raise DataError(f"plot(\"pairs\"): {problem} of the task '{task.id}'; name some with features=.")
    x, k = task.matrix("float64", names), len(names)
    figure, grid = pyplot().subplots(k, k, figsize=(1.7 * k + 1.4, 1.7 * k), layout="constrained", squeeze=False)
    shades = _shades(task)
    for i in range(k):
        for j in range(k):
            _cell(grid[i, j], x[:, j], None if i == j else x[:, i], shades)
            grid[i, j].set_xlabel(short(names[j], 18) if i == k - 1 else "")
            grid[i, j].set_ylabel(short(names[i], 18) if j == 0 else "")
    _key(figure, grid, task, shades)
    return grid


def _shades(task: Any) -> dict[str, Any]:
    """What colours points: classes by theirs, numbers by a scale."""
    if task.task_type == "classif":
        return {"c": [COLOURS[k % len(COLOURS)] for k in task.class_codes()]}
    return {"c": task.truth(), "cmap": "viridis"}


def _cell(ax: Any, x: Any, y: Any, shades: dict[str, Any]) -> None:
    if y is None:
        ax.hist(x[np.isfinite(x)], bins=20, color="#B0B0B0", edgecolor="white")
    else:
        ax.scatter(x, y, s=8, alpha=float(np.clip(120 / max(len(x), 1) ** 0.8, 0.08, 0.75)), linewidths=0, **shades)
    ax.tick_params(labelsize="x-small")
    ax.spines[["top", "right"]].set_visible(False)


def _key(figure: Any, grid: Any, task: Any, shades: dict[str, Any]) -> None:
    """The legend of classes, or a bar of colours, to the right of all."""
    if task.task_type == "classif":
        dot = pyplot().Line2D
        marks = [dot([], [], marker="o", linestyle="", color=COLOURS[k % len(COLOURS)]) for k in range(len(task.class_names))]
        labels = [short(str(name), 20) for name in task.class_names]
        figure.legend(marks, labels, loc="outside right upper", frameon=False, title=short(task.target_name, 20))
    else:
        figure.colorbar(grid[0, 1].collections[0], ax=grid, label=short(task.target_name), fraction=0.05).solids.set_alpha(1)


def plot_folds(resampling: Any, ax: Any = None) -> Any:
    """A line of rows for each iteration: what is trained on, what is tested on, white what is neither; darker: drawn twice."""
    from matplotlib.colors import ListedColormap

    instance = resampling._instance()
    ids, order = np.unique(instance.row_ids, return_inverse=True)
    cells = np.zeros((resampling.iters, len(order)), dtype=np.int64)
    for i in range(resampling.iters):
        train = np.bincount(np.searchsorted(ids, resampling.train_set(i)), minlength=len(ids))
        test = np.isin(ids, resampling.test_set(i))
        cells[i] = np.where(test, 3, np.minimum(train, 2))[order]
    ax = new_axes(ax, 6.6, 1.3 + min(0.3 * len(cells), 6.0))
    colours = ["white", "#8DBDDB", COLOURS[0], COLOURS[1]]
    ax.imshow(cells, aspect="auto", interpolation="nearest", cmap=ListedColormap(colours), vmin=-0.5, vmax=3.5)
    ax.set_yticks(np.unique(np.linspace(0, len(cells) - 1, min(len(cells), 12)).astype(int)))
    patch = pyplot().Rectangle
    named = {"train": 1, "train, drawn again": 2, "test": 3, "neither": 0}
    shown = [(name, colours[k]) for name, k in named.items() if (cells == k).any()]
    handles = [patch((0, 0), 1, 1, facecolor=colour, edgecolor="#909090", linewidth=0.5) for _, colour in shown]
    ax.legend(
        handles, [name for name, _ in shown], loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4, frameon=False, fontsize="small"
    )
    return finish(ax, x=f"rows of '{short(instance.task_id)}', in order", y="iteration", grid="")
