"""How predictions print: right-aligned columns as in a data table, long ones cut in the middle by a line of dashes.

Numbers in one column share their decimals: as many as seven significant digits need, no more.
Neighbours: prediction above; display below.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from pipeops.display import Block

DIGITS = 7
SHOW_ALL = 10
ENDS = 3


def numbers(values: npt.ArrayLike) -> list[str]:
    """Numbers as text with common decimals, at most 7 significant digits; NaN is `NA`.

    >>> numbers([0.5, 0.25, 1.0])
    ['0.50', '0.25', '1.00']
    """
    array = np.asarray(values)
    if array.dtype.kind in "iub":
        return [str(v) for v in array.tolist()]
    floats: list[float] = [float(str(v)) if array.dtype == np.float32 else float(v) for v in array]
    finite = [v for v in floats if math.isfinite(v)]
    parts = [_digits(v) for v in finite]
    decimals = max((max(0, n - 1 - exponent) for n, exponent in parts), default=0)
    significant = max((n for n, _ in parts), default=1)
    fixed = max((len(f"{v:.{decimals}f}") for v in finite), default=0)
    scientific = max((len(f"{v:.{significant - 1}e}") for v in finite), default=0)
    style = f".{decimals}f" if fixed <= scientific else f".{significant - 1}e"
    return ["NA" if math.isnan(v) else format(v, style) if math.isfinite(v) else ("Inf" if v > 0 else "-Inf") for v in floats]


def _digits(value: float) -> tuple[int, int]:
    """How many significant digits a number needs (at most 7), and its decimal exponent."""
    mantissa, exponent = f"{value:.{DIGITS - 1}e}".split("e")
    return max(1, len(mantissa.lstrip("-").replace(".", "").rstrip("0"))), int(exponent)


def preview(title: str, n: int, columns: Callable[[np.ndarray], Mapping[str, list[str]]]) -> Block:
    """A table of n rows, cut in the middle; `columns` gives the text of the rows it is asked for."""
    shown = columns(np.arange(n) if n <= SHOW_ALL else np.r_[:ENDS, n - ENDS : n])
    cut = shown if n <= SHOW_ALL else {name: [*cells[:ENDS], "---", *cells[ENDS:]] for name, cells in shown.items()}
    return Block(title, list(cut), list(zip(*cut.values(), strict=True)), right=True)
