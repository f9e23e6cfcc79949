"""Operators that shift and stretch numeric columns: scale, scalerange, scalemaxabs.

Each learns numbers for every column in a few passes over the frame and applies them as one expression for all columns.
Missing values pass through; a column without any value has nothing to learn from and comes out missing.
"""

from collections.abc import Callable
from typing import ClassVar

import narwhals as nw

from pipeops.errors import ConfigError
from pipeops.ops.base import Frame, Preprocess, Series, operator
from pipeops.params import flag, real
from pipeops.shorthand import po

NAN = float("nan")
MAD = 1.4826
"""Makes the median absolute deviation of a normal distribution its standard deviation."""


def numbers(frame: Frame) -> Frame:
    """Numeric columns as floats whose missing values are all null, so that statistics skip them."""
    floats = {name: dtype.is_float() for name, dtype in frame.schema.items()}
    return frame.with_columns(nw.col(n).fill_nan(None) if f else nw.col(n).cast(nw.Float64) for n, f in floats.items())


def statistic(frame: Frame, what: Callable[[str], nw.Expr]) -> dict[str, float]:
    """One number for each column; NaN where there was nothing to learn from."""
    values = frame.select(what(name).alias(name) for name in frame.columns).row(0)
    return {name: NAN if value is None else float(value) for name, value in zip(frame.columns, values, strict=True)}


def each(frame: Frame, change: Callable[[str], nw.Expr]) -> Frame:
    """Every column changed by an expression, integers as floats."""
    return frame.with_columns(change(name).alias(name) for name in frame.columns)


def wide(frame: Frame) -> Frame:
    """Integer columns as float64, so that arithmetic neither overflows nor truncates."""
    whole = [name for name, dtype in frame.schema.items() if not dtype.is_float()]
    return frame.with_columns(nw.col(*whole).cast(nw.Float64)) if whole else frame


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
        frame = numbers(frame)
        low, high = statistic(frame, lambda n: nw.col(n).min()), statistic(frame, lambda n: nw.col(n).max())
        constant = {name for name in low if low[name] == high[name]}
        center = dict.fromkeys(low, 0.0)
        if self.center:
            middle = statistic(frame, lambda n: nw.col(n).median() if self.robust else nw.col(n).mean())
            center = {name: low[name] if name in constant else middle[name] for name in low}
        return {"center": center, "scale": self._scale(frame, center)}

    def _scale(self, frame: Frame, center: dict[str, float]) -> dict[str, float]:
        if not self.scale:
            return dict.fromkeys(center, 1.0)
        if self.robust:
            spread = statistic(frame, lambda n: (nw.col(n) - center[n]).abs().median() * MAD)
        else:
            count = statistic(frame, lambda n: nw.col(n).count())
            square = statistic(frame, lambda n: ((nw.col(n) - center[n]) ** 2).sum())
            spread = {n: (square[n] / max(count[n] - 1, 1)) ** 0.5 if count[n] else 1.0 for n in center}
        return {name: value or 1.0 for name, value in spread.items()}

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
        frame = numbers(frame)
        low, high = statistic(frame, lambda n: nw.col(n).min()), statistic(frame, lambda n: nw.col(n).max())
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
        largest = statistic(numbers(frame), lambda n: nw.when(nw.col(n).is_finite()).then(nw.col(n).abs()).max())
        return {name: value or 1.0 for name, value in largest.items()}

    def apply(self, frame: Frame, state: dict[str, float]) -> Frame:
        return each(wide(frame), lambda n: nw.col(n) / state[n] * self.maxabs)
