"""Operators that shift and stretch numeric columns: scale, scalerange, scalemaxabs.

Each learns numbers for every column in a few passes over the frame and applies them as one expression for all columns.
Missing values pass through; a column without any value has nothing to learn from and comes out missing. Infinite values are
refused where they would spoil the whole column.
"""

import math
from collections.abc import Callable
from typing import ClassVar

import narwhals as nw

from pipeops.errors import ConfigError, DataError, listing
from pipeops.ops.base import Frame, Preprocess, Series, numeric, one_row, operator, with_nan
from pipeops.params import flag, real
from pipeops.shorthand import po

MAD = 1.4826
"""Makes the median absolute deviation of a normal distribution its standard deviation."""


Statistic = Callable[[nw.Expr], nw.Expr]


def statistics(frame: Frame, **wanted: Statistic) -> list[dict[str, float]]:
    """Numbers of each column by name, all in one pass; missing values are left out, NaN is where nothing was left."""
    frame, nan = wide(frame), with_nan(frame)
    plain, holed = [n for n in frame.columns if n not in nan], [n for n in frame.columns if n in nan]
    columns = [nw.col(*plain)] * bool(plain) + [nw.col(*holed).fill_nan(None)] * bool(holed)
    exprs = [what(column).name.prefix(f"{k} ") for k, what in wanted.items() for column in columns]
    row, order = iter(one_row(frame, exprs)), [*plain, *holed]
    found = [{name: float(next(row)) for name in order} for _ in wanted]
    return [{name: numbers[name] for name in frame.columns} for numbers in found]


def each(frame: Frame, change: Callable[[str], nw.Expr]) -> Frame:
    """Every column changed by an expression, integers as floats."""
    return frame.with_columns(change(name).alias(name) for name in frame.columns)


def wide(frame: Frame) -> Frame:
    """Integer columns as float64, so that arithmetic neither overflows nor truncates."""
    whole = [name for name, dtype in frame.schema.items() if not dtype.is_float()]
    return frame.with_columns(nw.col(*whole).cast(nw.Float64)) if whole else frame


def refuse_infinite(who: str, *learnt: dict[str, float]) -> None:
    """Refuse columns whose numbers (smallest and largest, middle, ...) are infinite, because their values are."""
    found = [name for name in learnt[0] if any(math.isinf(numbers[name]) for numbers in learnt)]
    if found:
        raise DataError(
            f"{who}: infinite values in {listing(found)}, which leave no scale to learn; replace them, or make them missing and "
            'impute them, for example with po("imputemean").'
        )


@po.add("scale")
@operator
class Scale(Preprocess):
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

    def fit(self, frame: Frame, target: Series | None) -> dict[str, dict[str, float]]:
        center, scale = self._robust(frame) if self.robust else self._usual(frame)
        return {"center": center, "scale": {name: value or 1.0 for name, value in scale.items()}}

    def _usual(self, frame: Frame) -> tuple[dict[str, float], dict[str, float]]:
        low, high, mean, variance, count = statistics(
            frame, low=nw.Expr.min, high=nw.Expr.max, mean=nw.Expr.mean, variance=nw.Expr.var, count=nw.Expr.count
        )
        refuse_infinite(self.id, low, high)
        constant = [name for name in low if low[name] == high[name]]
        mean.update({name: low[name] for name in constant})
        variance.update(dict.fromkeys(constant, 0.0))
        center = mean if self.center else dict.fromkeys(mean, 0.0)
        if not self.scale:
            return center, dict.fromkeys(mean, 1.0)
        return center, {n: self._spread(mean[n], variance[n], count[n]) for n in mean}

    def _spread(self, mean: float, variance: float, count: float) -> float:
        """The standard deviation, or around 0 the root mean square with divisor n - 1; 1 without any value."""
        if count == 0:
            return 1.0
        return (variance if self.center else variance + mean**2 * count / max(count - 1, 1)) ** 0.5

    def _robust(self, frame: Frame) -> tuple[dict[str, float], dict[str, float]]:
        (middle,) = statistics(frame, middle=nw.Expr.median)
        refuse_infinite(self.id, middle)
        center = middle if self.center else dict.fromkeys(middle, 0.0)
        if not self.scale:
            return center, dict.fromkeys(middle, 1.0)
        (spread,) = statistics(each(wide(frame), lambda n: (nw.col(n) - center[n]).abs()), spread=nw.Expr.median)
        refuse_infinite(self.id, spread)
        return center, {name: value * MAD for name, value in spread.items()}

    def apply(self, frame: Frame, state: dict[str, dict[str, float]]) -> Frame:
        center, scale = state["center"], state["scale"]
        return each(wide(frame), lambda n: (nw.col(n) - center[n]) / scale[n])


@po.add("scalerange")
@operator
class ScaleRange(Preprocess):
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

    def fit(self, frame: Frame, target: Series | None) -> dict[str, dict[str, float]]:
        low, high = statistics(frame, low=nw.Expr.min, high=nw.Expr.max)
        refuse_infinite(self.id, low, high)
        width = self.upper - self.lower
        return {"minimum": low, "scale": {n: width / (high[n] - low[n]) if high[n] != low[n] else 1.0 for n in low}}

    def apply(self, frame: Frame, state: dict[str, dict[str, float]]) -> Frame:
        low, scale = state["minimum"], state["scale"]
        return each(wide(frame), lambda n: (nw.col(n) - low[n]) * scale[n] + self.lower)


@po.add("scalemaxabs")
@operator
class ScaleMaxAbs(Preprocess):
    """Divide each numeric column so that its largest finite absolute value becomes `maxabs`.

    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"x": [1, -4, 2], "y": [0, 0, 1]}, target="y")
    >>> po("scalemaxabs").train([task])[0][0].matrix().ravel().tolist()
    [0.25, -1.0, 0.5]
    """

    kinds: ClassVar[tuple[str, ...]] = ("numeric",)

    maxabs: float = real(0, default=1.0)

    def fit(self, frame: Frame, target: Series | None) -> dict[str, float]:
        frame = wide(frame)
        columns = numeric(frame)
        largest = one_row(frame, [nw.when(c.is_finite()).then(c.abs()).max().alias(n) for n, c in columns.items()])
        return {name: value or 1.0 for name, value in zip(columns, largest, strict=True)}

    def apply(self, frame: Frame, state: dict[str, float]) -> Frame:
        return each(wide(frame), lambda n: nw.col(n) / state[n] * self.maxabs)
