"""Numbers as ordered categories: quantilebin, histbin. Bins are learnt as inner borders; labels say what lies in each.

Neighbours: `powers` beside it; `data.levels` makes the categories.
"""

from abc import abstractmethod
from itertools import pairwise
from math import ceil, floor, isfinite, log2, log10
from typing import Any, ClassVar

import narwhals as nw
import numpy as np
import numpy.typing as npt

from pipeops.data.columns import number_arrays
from pipeops.data.levels import from_codes
from pipeops.errors import ConfigError, DataError
from pipeops.ops.base import Frame, Preprocess, Series, operator
from pipeops.params import anything, integer
from pipeops.shorthand import po

Values = npt.NDArray[np.float64]


@operator
class Bin(Preprocess):
    """Base of operators that cut numeric columns at borders; a value on a border belongs to the bin below it."""

    kinds: ClassVar[tuple[str, ...]] = ("numeric",)
    opening: ClassVar[str] = "("

    @abstractmethod
    def borders(self, name: str, values: Values) -> Values:
        """The borders between the bins, ascending; the values are finite, one or more."""

    def fit(self, frame: Frame, target: Series | None) -> dict[str, list[float]]:
        arrays = zip(frame.columns, number_arrays(frame, frame.columns), strict=True)
        finite = {name: _finite(np.asarray(values, dtype=np.float64)) for name, values in arrays}
        return {name: np.unique(self.borders(name, v)).tolist() if len(v) else [] for name, v in finite.items()}

    def apply(self, frame: Frame, state: dict[str, list[float]]) -> Frame:
        return frame.with_columns(*(self._cut(frame.get_column(name), borders) for name, borders in state.items()))

    def _cut(self, column: Series, borders: list[float]) -> nw.Series[Any]:
        (values,) = number_arrays(column.to_frame(), [column.name])
        return from_codes(column.name, bins_of(np.asarray(values, np.float64), borders), labels(borders, self.opening), column)


def _finite(values: Values) -> Values:
    good = np.isfinite(values)
    return values if good.all() else values[good]


FEW = 60
"""Up to so many borders it is faster to compare all values with each than to search the place of each value."""


def bins_of(values: Values, borders: list[float]) -> npt.NDArray[np.int64]:
    """The number of borders below each value, -1 for a missing one.

    >>> bins_of(np.array([0.5, 1.0, 3.0, np.nan]), [1.0, 2.0])
    array([ 0,  0,  2, -1])
    """
    if len(borders) > FEW:
        below = np.searchsorted(borders, values, side="left")
    else:
        below = np.zeros(len(values), dtype=np.uint8)
        for border in borders:
            below += values > border
    holes = np.isnan(values)
    codes = below.astype(np.int64)
    codes[holes] = -1
    return codes


def labels(borders: list[float], opening: str) -> list[str]:
    """One label for each bin, `(a,b]`, with as many digits as it takes to tell the borders apart, at least three."""
    texts: list[str] = []
    for digits in range(3, 18):
        texts = ["-Inf", *(f"{border:.{digits}g}" for border in borders), " Inf"]
        if len(set(texts)) == len(texts):
            break
    return [f"{'(' if k else opening}{a},{b}]" for k, (a, b) in enumerate(pairwise(texts))]


@po.add("quantilebin")
@operator
class QuantileBin(Bin):
    """Cut each numeric column at its quantiles, into ordered categories of about equal size.

    numsplits: how many bins; equal quantiles give fewer. The first and last bin are open; missing values stay missing.

    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"x": [1, 2, 3, 4], "y": [0, 0, 1, 1]}, target="y")
    >>> po("quantilebin").train([task])[0][0].data()["x"].to_list()
    ['(-Inf,2.5]', '(-Inf,2.5]', '(2.5, Inf]', '(2.5, Inf]']
    """

    numsplits: int = integer(2, default=2)

    def borders(self, name: str, values: Values) -> Values:
        return np.quantile(values, np.arange(1, self.numsplits) / self.numsplits)


@po.add("histbin")
@operator
class HistBin(Bin):
    """Cut each numeric column into bins of equal width at round numbers, as a histogram does; ordered categories.

    breaks: how many bins are aimed at, a number or the rule of "Sturges", "Scott" or "FD" (Freedman and Diaconis), or the borders
    themselves as a list. The first and last bin are open; missing values stay missing.

    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"x": [1, 2, 3, 9], "y": [0, 0, 1, 1]}, target="y")
    >>> po("histbin", breaks=2).train([task])[0][0].data()["x"].to_list()
    ['[-Inf,5]', '[-Inf,5]', '[-Inf,5]', '(5, Inf]']
    """

    opening: ClassVar[str] = "["

    breaks: Any = anything("Sturges")

    def __attrs_post_init__(self) -> None:
        given, rules = self.breaks, ("Sturges", "Scott", "FD")
        number = isinstance(given, int) and not isinstance(given, bool) and given > 0
        borders = isinstance(given, list | tuple) and all(isinstance(b, int | float) and isfinite(b) for b in given)
        if not (number or borders or (isinstance(given, str) and given in rules)):
            raise ConfigError(
                f"{self.id}: 'breaks' must be a number of bins, a list of borders or one of {rules}, got {given!r}."
            )

    def borders(self, name: str, values: Values) -> Values:
        low, high = float(values.min()), float(values.max())
        if isinstance(self.breaks, list | tuple):
            inner = np.sort(np.asarray(self.breaks, dtype=np.float64))[1:-1]
            if len(self.breaks) < 2 or low < min(self.breaks) or high > max(self.breaks):
                raise DataError(f"{self.id}: 'breaks' must reach over all of '{name}', from {low:g} to {high:g}.")
            return inner
        return round_borders(low, high, self._number(values, high - low))[1:-1]

    def _number(self, values: Values, reach: float) -> int:
        """How many bins the rule wants."""
        if isinstance(self.breaks, int):
            return self.breaks
        n, width = len(values), 0.0
        if self.breaks == "Scott" and n > 1:
            width = 3.5 * float(np.std(values, ddof=1)) * n ** (-1 / 3)
        if self.breaks == "FD":
            width = 2 * float(np.subtract(*np.quantile(values, [0.75, 0.25]))) * n ** (-1 / 3)
        if self.breaks == "Sturges":
            return ceil(log2(n) + 1)
        return max(ceil(reach / width), 1) if width else 1


def round_borders(low: float, high: float, number: int) -> npt.NDArray[Any]:
    """Equally spaced round numbers (1, 2 or 5 times a power of ten apart) from below `low` to above `high`."""
    if low == high:
        return np.array([low - 1, high + 1])
    if not isfinite(high - low):  # beyond float64: borders of halves, doubled
        return 2 * round_borders(low / 2, high / 2, number)
    wanted = (high - low) / number
    base = 10.0 ** floor(log10(wanted))
    step = base
    for larger, bias in ((2 * base, 1.5), (5 * base, 2.75), (10 * base, 1.5)):  # a larger step is taken though a little far
        if larger - wanted < bias * (wanted - step):
            step = larger
    first, last = floor(low / step + 1e-10), ceil(high / step - 1e-10)
    return np.arange(first, last + 1, dtype=np.float64) * step
