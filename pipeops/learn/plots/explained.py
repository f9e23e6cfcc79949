"""Pictures of explanations: importance, partial dependence in one and two features, calibration, scores by group.

All take `ax` and return it. Neighbours: figures below; explain, which makes what is drawn, above.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeops.errors import ConfigError
from pipeops.learn.plots.figures import COLOURS, QUIET, finish, legend, new_axes, short, style, unit

SLANTED = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"}
LETTERS = 30
"""More letters than that on one axis are set aslant."""


def plot_importance(frame: Any, label: str, ax: Any = None, most: int = 20) -> Any:
    """A dot with its interval for each feature, the most important on top; the title tells where some are left out."""
    if most < 1:
        raise ConfigError(f"plot: most is at least 1, got {most!r}.")
    shown = frame.head(most)
    ax, y = new_axes(ax, 5.6, 1.1 + 0.3 * len(shown)), np.arange(len(shown))
    middle, low, high = (shown[name].to_numpy() for name in ("importance", "lower", "upper"))
    ax.axvline(0, color=QUIET, linewidth=1, zorder=1)
    ax.hlines(y, low, high, color=COLOURS[0], linewidth=1.6)
    ax.scatter(middle, y, s=34, color=COLOURS[0], zorder=3)
    ax.set_yticks(y, [short(str(name)) for name in shown["feature"]])
    ax.set_ylim(len(shown) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    title = f"the first {len(shown)} of {len(frame)} features" if len(frame) > len(shown) else ""
    ax.locator_params(axis="x", nbins=6)
    return finish(ax, x=short(label, 40), y="", title=title, grid="x")


# ---------------------------------------------------------------- partial dependence


def plot_dependence(found: Any, ax: Any = None) -> Any:
    """A curve for each label over a number, dots over categories; pale: the curves of single rows."""
    numbers, values = found.kinds[0] in ("numeric", "datetime"), found.values[0]
    ax = new_axes(ax, 4.8, 3.8, [str(label) for label in found.labels])
    x = values if numbers else np.arange(len(values))
    for k, label in enumerate(found.labels):
        if found.each.shape[1]:
            ax.plot(x, found.each[:, :, k], color=style(k)["color"], linewidth=0.6, alpha=0.25)
        line = style(k) if numbers else {"color": style(k)["color"], "linestyle": ":"}
        ax.plot(x, found.means[:, k], label=short(str(label)), linewidth=2, marker=None if numbers else "o", **line)
    if not numbers:
        _named(ax, "x", values)
    finish(ax, x=found.features[0], y=found.y)
    if found.kinds[0] == "datetime":
        ax.tick_params(axis="x", labelrotation=30)
    if len(found.labels) > 1:
        legend(ax)
    else:
        ax.set_title(short(str(found.labels[0]), 48), loc="left", fontsize="medium")
    return ax


def plot_surface(found: Any, k: int, ax: Any = None) -> Any:
    """The mean of one label over two features, by colour, with a bar that says what colours mean."""
    ax = new_axes(ax, 5.4, 4.4)
    places = [_place(kind, values) for kind, values in zip(found.kinds, found.values, strict=True)]
    table = found.means[:, k].reshape(len(found.values[0]), len(found.values[1]))
    mesh = ax.pcolormesh(*places, table.T, cmap="viridis", shading="nearest")
    ax.figure.colorbar(mesh, ax=ax, label=f"{found.y} ({short(str(found.labels[k]))})")
    for axis, kind, values in zip("xy", found.kinds, found.values, strict=True):
        if kind not in ("numeric", "datetime"):
            _named(ax, axis, values)
    return finish(ax, x=found.features[0], y=found.features[1], grid="")


def _place(kind: str, values: Sequence[Any]) -> Any:
    return np.asarray(values) if kind in ("numeric", "datetime") else np.arange(len(values))


def _named(ax: Any, axis: str, values: Sequence[Any]) -> None:
    """Names of categories on an axis, aslant where they would run into each other."""
    names = [short(str(value), 20) for value in values]
    crowded = axis == "x" and max(map(len, names)) * len(names) > LETTERS
    (ax.set_xticks if axis == "x" else ax.set_yticks)(range(len(names)), names, **(SLANTED if crowded else {}))


# ---------------------------------------------------------------- calibration and groups


def plot_calibration(curves: Mapping[str, Any], ax: Any = None) -> Any:
    """Observed shares against predicted probabilities, by name; on the dotted line they are equal. Larger dots: more rows."""
    ax = new_axes(ax, 4.6, 4.4, list(curves))
    ax.plot([0, 1], [0, 1], color=QUIET, linewidth=1, linestyle=":", zorder=1)
    largest = max(int(curve["n"].max()) for curve in curves.values())
    for k, (name, curve) in enumerate(curves.items()):
        x, y, n = (curve[column].to_numpy() for column in ("predicted", "observed", "n"))
        ax.plot(x, y, label=short(name), linewidth=1.6, **style(k))
        ax.scatter(x, y, s=8 + 40 * n / largest, color=style(k)["color"], zorder=3)
    finish(ax, x="predicted probability", y="observed share")
    unit(ax)
    ax.set_aspect("equal", adjustable="box", anchor="W")
    if len(curves) > 1:
        legend(ax, "upper left")
    return ax


def plot_groups(found: Any, ax: Any = None) -> Any:
    """A block of groups for each measure: dots whose size is that of the group, and a line at the score of all rows."""
    step = len(found.groups) + 1.6
    ax, ticks = new_axes(ax, 5.8, 1.0 + 0.26 * step * len(found.scores)), list[tuple[float, str]]()
    area = 20 + 90 * np.asarray(found.n) / max(found.n)
    for k, (name, scores) in enumerate(found.scores.items()):
        top = k * step
        y = top + 1 + np.arange(len(found.groups))
        ax.annotate(name, (0, top), xycoords=("axes fraction", "data"), xytext=(4, 0), textcoords="offset points", va="center",
                    fontweight="bold", fontsize="small")  # fmt: skip
        ax.vlines(found.overall[name], top + 0.5, top + len(scores) + 0.5, color=QUIET, linewidth=1.2, linestyle="--")
        ax.scatter(scores, y, s=area, color=[COLOURS[j % len(COLOURS)] for j in range(len(scores))], alpha=0.85, lw=0, zorder=3)
        ticks += [(at, f"{short(str(group), 20)} (n={n})") for at, group, n in zip(y, found.groups, found.n, strict=True)]
    ax.set_yticks([at for at, _ in ticks], [text for _, text in ticks], fontsize="small")
    ax.set_ylim(step * len(found.scores) - 0.6, -0.8)
    ax.tick_params(axis="y", length=0)
    return finish(ax, x=f"score by {found.name}; dashed: all rows", y="", grid="x")
