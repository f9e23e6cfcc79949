"""What all pictures share: axes, colours that colour-blind people can tell apart, and where the legend goes.

matplotlib (extra `plot`) is imported when the first picture is drawn, and no global setting of it is changed. Neighbours:
plots (of one prediction) and curves (of several things) above.
"""

from collections.abc import Sequence
from typing import Any

from pipeops.extras import extra

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7F7F7F")
"""Okabe and Ito 2008, grey in place of yellow, which is too pale for lines on white."""
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1)))
QUIET = "#6E6E6E"
LEGEND_INSIDE = 3
"""As many entries find room beside the curves; more go to the right of the axes."""


def pyplot() -> Any:
    """matplotlib's pyplot, or an error that names the extra."""
    return extra("matplotlib.pyplot", "plot", "plot")


def style(k: int) -> dict[str, Any]:
    """Colour and dashes of the k-th line; neighbours differ in both once colours could be confused."""
    return {"color": COLOURS[k % len(COLOURS)], "linestyle": DASHES[(k // 4) % len(DASHES)]}


def new_axes(ax: Any, width: float = 5.0, height: float = 4.0, labels: Sequence[str] = ()) -> Any:
    """The axes given, or those of a new figure of that size in inches, wider by a legend of these labels beside it."""
    if ax is not None:
        return ax
    beside = 0.6 + 0.075 * max(map(len, labels)) if len(labels) > LEGEND_INSIDE else 0.0
    return pyplot().subplots(figsize=(width + beside, height), layout="constrained")[1]


def short(name: str, most: int = 32) -> str:
    """A long name with its middle left out.

    >>> short("scale.torch_ingress_num.linear.relu.head.torch_model_classif")
    'scale.torch_ingr…h_model_classif'
    """
    half = most // 2
    return name if len(name) <= most else f"{name[:half]}…{name[half + 1 - most :]}"


def finish(ax: Any, *, x: str, y: str, title: str = "", grid: str = "both") -> Any:
    """Labels, a pale grid behind the data, no box."""
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    if title:
        ax.set_title(title, loc="left", fontsize="medium")
    ax.spines[["top", "right"]].set_visible(False)
    if grid:
        ax.grid(axis=grid, color="#E4E4E4", linewidth=0.8)
        ax.set_axisbelow(True)
    return ax


def legend(ax: Any, where: str = "best", title: str | None = None) -> None:
    """A legend without a frame: inside when it is short, else to the right of the axes; none where nothing is labelled."""
    entries = len(ax.get_legend_handles_labels()[1])
    if not entries:
        return
    outside = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0), "borderaxespad": 0.0}
    inside = {"loc": where, "frameon": True, "framealpha": 0.85, "edgecolor": "none"}
    chosen = {**outside, "frameon": False} if entries > LEGEND_INSIDE else inside
    ax.legend(fontsize="small", handlelength=2.4, title=title, title_fontsize="small", **chosen)


def unit(ax: Any, *, x: bool = True, y: bool = True) -> None:
    """Limits for shares, with room for a line that lies on them."""
    if x:
        ax.set_xlim(-0.02, 1.02)
    if y:
        ax.set_ylim(-0.02, 1.02)
