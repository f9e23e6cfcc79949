"""Operators that shift and stretch numeric columns: scale, scalerange, scalemaxabs.

Each asks for numbers of every column and answers one map for all of them.
Missing values pass through; a column without any value has nothing to learn from and comes out missing. Infinite values are
refused where they would spoil the whole column.
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from pipeops.data.maps import ColumnMap, Elementwise
from pipeops.errors import ConfigError, DataError, listing
from pipeops.ops import statistics as of
from pipeops.ops.base import Series, operator
from pipeops.ops.column_maps import Answers, ColumnMaps, Schema
from pipeops.params import flag, real
from pipeops.shorthand import po

MAD = 1.4826
"""Makes the median absolute deviation of a normal distribution its standard deviation."""
HUGE = 2.0**1000
"""From this spread on the distance of two numbers may not fit into float64; then both are halved first."""


def refuse_infinite(who: str, *learnt: Mapping[str, float]) -> None:
    """Refuse columns whose numbers (smallest and largest, middle, ...) are infinite, because their values are."""
    found = [name for name in learnt[0] if any(math.isinf(numbers[name]) for numbers in learnt)]
    if found:
        raise DataError(
            f"{who}: infinite values in {listing(found)}, which leave no scale to learn; replace them, or make them missing and "
            'impute them, for example with po("imputemean").'
        )


@po.add("scale")
@operator
class Scale(ColumnMaps):
    """Center numeric columns to mean 0 and scale them to standard deviation 1 (divisor n - 1).

    center, scale: whether to. robust: by median and median absolute deviation instead. Without centering the scale is the
    root mean square. Constant columns are only centered.

    >>> from pipeops import as_task_regr, po
    >>> po("scale").train([as_task_regr({"x": [1, 2, 3], "y": [0, 0, 1]}, target="y")])[0][0].matrix().ravel().tolist()
    [-1.0, 0.0, 1.0]
    """

    kinds: ClassVar[tuple[str, ...]] = ("numeric",)

    center: bool = flag(True)
    scale: bool = flag(True)
    robust: bool = flag(False)

    def ask(self, schema: Schema) -> Mapping[str, of.Statistic]:
        if self.robust:
            middle, spread = of.median, of.deviation if self.center else of.median_size
        else:
            middle, spread = of.mean, of.spread if self.center else of.root_mean_square
        return {"low": of.low, "high": of.high, "center": middle, "scale": spread}

    def learn(self, schema: Schema, answers: Answers, target: Series | None) -> dict[str, dict[str, float]]:
        low, high, center, scale = (answers[key] for key in ("low", "high", "center", "scale"))
        refuse_infinite(self.id, *([center, scale] if self.robust else [low, high]))
        constant = {name for name in low if low[name] == high[name]}
        center = {n: (low[n] if n in constant else v) if self.center else 0.0 for n, v in center.items()}
        factor = MAD if self.robust else 1.0
        return {"center": center, "scale": {n: self._unit(v * factor, n in constant) for n, v in scale.items()}}

    def _unit(self, spread: float, constant: bool) -> float:
        """What to divide by; 1 where there is no spread, or no value at all."""
        return spread if self.scale and spread and not math.isnan(spread) and not (constant and self.center) else 1.0

    def maps(self, schema: Schema, state: dict[str, dict[str, float]]) -> list[ColumnMap]:
        center, scale = numbers(schema, state["center"], state["scale"])
        if (scale <= HUGE).all():
            return [Elementwise(tuple(schema), _standard, (center, scale), _standardize)]
        return [Elementwise(tuple(schema), _halved, (center, scale, np.where(scale > HUGE, 0.5, 1.0)))]


def numbers(schema: Schema, *learnt: Mapping[str, float]) -> list[npt.NDArray[np.float64]]:
    """Numbers of columns, in their order."""
    return [np.array([values[name] for name in schema], dtype=np.float64) for values in learnt]


def _times(x: Any, half: Any) -> Any:
    return x * half if np.any(np.asarray(half) != 1) else x


def _standard(x: Any, center: Any, scale: Any) -> Any:
    """How far from the center, in units of the scale."""
    return (x - center) / scale


def _standardize(x: Any, center: Any, scale: Any) -> Any:
    """The same in place."""
    x -= center
    x /= scale
    return x


def _halved(x: Any, center: Any, scale: Any, half: Any) -> Any:
    """The same, both halved where their distance would be too large."""
    return (_times(x, half) - center * half) / (scale * half)


@po.add("scalerange")
@operator
class ScaleRange(ColumnMaps):
    """Map each numeric column linearly so that its smallest value becomes `lower` and its largest `upper`.

    A constant column becomes `lower`.

    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"x": [1, 2, 3], "y": [0, 0, 1]}, target="y")
    >>> po("scalerange", lower=-1, upper=1).train([task])[0][0].matrix().ravel().tolist()
    [-1.0, 0.0, 1.0]
    """

    kinds: ClassVar[tuple[str, ...]] = ("numeric",)

    lower: float = real(default=0.0)
    upper: float = real(default=1.0)

    def __attrs_post_init__(self) -> None:
        if self.lower == self.upper:
            raise ConfigError(f"{self.id}: 'lower' and 'upper' must differ, both are {self.lower}.")

    def ask(self, schema: Schema) -> Mapping[str, of.Statistic]:
        return {"low": of.low, "high": of.high}

    def learn(self, schema: Schema, answers: Answers, target: Series | None) -> dict[str, Mapping[str, float]]:
        low, high = answers["low"], answers["high"]
        refuse_infinite(self.id, low, high)
        return {"minimum": low, "scale": {n: self._slope(low[n], high[n]) for n in low}}

    def _slope(self, low: float, high: float) -> float:
        """Units of the result for one of the column; 1 where it is constant, or its range too small to divide by."""
        half = (self.upper - self.lower) / 2
        slope = half / (high / 2 - low / 2) if high / 2 - low / 2 else 1.0
        return slope if math.isfinite(slope) else 1.0

    def maps(self, schema: Schema, state: dict[str, dict[str, float]]) -> list[ColumnMap]:
        low, scale = numbers(schema, state["minimum"], state["scale"])
        return [Elementwise(tuple(schema), self._mapped, (low, scale, np.where(scale < 1 / HUGE, 0.5, 1.0)))]

    def _mapped(self, x: Any, low: Any, scale: Any, half: Any) -> Any:
        return (_times(x, half) - low * half) * (scale / half) + self.lower


@po.add("scalemaxabs")
@operator
class ScaleMaxAbs(ColumnMaps):
    """Divide each numeric column so that its largest finite absolute value becomes `maxabs`.

    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"x": [1, -4, 2], "y": [0, 0, 1]}, target="y")
    >>> po("scalemaxabs").train([task])[0][0].matrix().ravel().tolist()
    [0.25, -1.0, 0.5]
    """

    kinds: ClassVar[tuple[str, ...]] = ("numeric",)

    maxabs: float = real(0, default=1.0)

    def ask(self, schema: Schema) -> Mapping[str, of.Statistic]:
        return {"largest": of.size}

    def learn(self, schema: Schema, answers: Answers, target: Series | None) -> dict[str, float]:
        return {name: value or 1.0 for name, value in answers["largest"].items()}

    def maps(self, schema: Schema, state: dict[str, float]) -> list[ColumnMap]:
        return [Elementwise(tuple(schema), self._divided, tuple(numbers(schema, state)))]

    def _divided(self, x: Any, largest: Any) -> Any:
        return x / largest * self.maxabs
