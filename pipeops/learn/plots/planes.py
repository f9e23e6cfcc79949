"""Pictures of what a learner has learnt: scores by the number of training rows, and predictions over two features.

All take `ax` and return it. Neighbours: figures below; explain/sizes and explain/surface call these.
"""

from typing import Any

import numpy as np

from pipeops.learn.plots.figures import COLOURS, finish, legend, new_axes, short


def plot_sizes(frame: Any, label: str, ax: Any = None) -> Any:
    """A line for the test rows and a dashed one for those that were trained on, each in its interval."""
    ax = new_axes(ax, 5.0, 3.6)
    for k, (name, text, dashes) in enumerate((("test", "test rows", "-"), ("train", "training rows", "--"))):
        rows = frame.filter(frame["set"] == name)
        x, mean, low, high = (rows[column].to_numpy() for column in ("size", "mean", "lower", "upper"))
        ax.fill_between(x, low, high, color=COLOURS[k], alpha=0.15, linewidth=0)
        ax.plot(x, mean, color=COLOURS[k], linestyle=dashes, marker="o", markersize=4, label=text)
    finish(ax, x="training rows", y=label)
    legend(ax, title="score on")
    return ax


def plot_surface_of_predictions(found: Any, ax: Any = None) -> Any:
    """Predictions as colours of the plane, rows as dots on it."""
    labels = [str(name) for name in getattr(found.prediction, "class_names", ())]
    ax = new_axes(ax, 5.4, 4.2, labels)
    (_classes if labels else _numbers)(found, ax)
    ax.margins(0)
    title = "" if not found.fixed else f"{len(found.fixed)} other feature{'s' * (len(found.fixed) != 1)} at typical values"
    finish(ax, x=short(found.features[0]), y=short(found.features[1]), title=title, grid="")
    if labels:
        legend(ax, title="class")
    return ax


def _classes(found: Any, ax: Any) -> None:
    """The colour of the class that is predicted, paler where it is less probable; crosses: rows of another class."""
    from matplotlib.colors import to_rgb

    prediction, own, k = found.prediction, found.own, len(found.prediction.class_names)
    colours = np.array([to_rgb(COLOURS[j % len(COLOURS)]) for j in range(k)])
    codes = prediction.response_codes
    sure = np.ones(len(codes)) if prediction.prob is None else prediction.prob[np.arange(len(codes)), codes]
    strength = 0.12 + 0.4 * np.clip((sure - 1 / k) / (1 - 1 / k), 0, 1)
    image = 1 - strength[:, None] * (1 - colours[codes])
    image = image.reshape(len(found.x), len(found.y), 3).transpose(1, 0, 2)
    ax.pcolormesh(found.x, found.y, image, shading="nearest", rasterized=True)
    for code, label in enumerate(prediction.class_names):
        rows = own.truth_codes == code
        ax.scatter(
            *found.rows[rows].T,
            s=20,
            color=COLOURS[code % len(COLOURS)],
            edgecolors="white",
            linewidths=0.5,
            label=short(str(label), 20),
        )
    missed = (own.truth_codes >= 0) & (own.truth_codes != own.response_codes)
    if missed.any():
        ax.scatter(*found.rows[missed].T, s=26, marker="x", color="black", linewidths=1.0, label="missed")


def _numbers(found: Any, ax: Any) -> None:
    """One scale for what is predicted and for the truth of the rows."""
    surface = found.prediction.response.reshape(len(found.x), len(found.y)).T
    truth = found.own.truth
    both = np.concatenate([surface.ravel(), truth[np.isfinite(truth)]])
    look = {"cmap": "viridis", "vmin": both.min(), "vmax": both.max()}
    mesh = ax.pcolormesh(found.x, found.y, surface, shading="nearest", rasterized=True, **look)
    ax.scatter(*found.rows.T, c=truth, s=20, edgecolors="white", linewidths=0.5, **look)
    ax.figure.colorbar(mesh, ax=ax, label="prediction; dots: truth")
