"""splines: each number as the values of a few smooth functions of it, B-splines or natural cubic splines.

Neighbours: `powers` beside it has other functions of single columns.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from pipeops.data.columns import new_frame, number_arrays
from pipeops.errors import ConfigError, DataError
from pipeops.ops.base import Frame, Preprocess, Series, operator
from pipeops.params import anything, choice, flag, integer
from pipeops.shorthand import po

Values = npt.NDArray[np.float64]
Basis = dict[str, Any]


@po.add("splines")
@operator
class Splines(Preprocess):
    """Replace each numeric column by spline functions of it, `<column>.splines.1`, …; (n, p) -> (n, sum of df) (de Boor 1978).

    type: natural, cubic with straight ends (df - 1 inner knots, df with an intercept), or polynomial, B-splines of a `degree`
    (df - degree inner knots). df: how many functions, 1 or `degree` when None. knots: inner knots by column, else they are
    quantiles. intercept: keep the function that makes all sum to 1. Boundary_knots: two numbers by column, else smallest and
    largest. Beyond them natural splines go on straight, polynomial ones as the last polynomial. Missing values stay missing.

    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"x": [0.0, 1.0, 2.0, 3.0], "y": [0, 0, 1, 1]}, target="y")
    >>> po("splines", type="polynomial", degree=1).train([task])[0][0].matrix(dtype="float64").ravel().round(3).tolist()
    [0.0, 0.333, 0.667, 1.0]
    """

    kinds: ClassVar[tuple[str, ...]] = ("numeric",)

    type: str = choice("natural", "polynomial", default="natural")
    df: int | None = integer(1, default=None)
    knots: Mapping[str, Any] | None = anything(None)
    degree: int = integer(1, default=3)
    intercept: bool = flag(False)
    Boundary_knots: Mapping[str, Any] | None = anything(None)

    def __attrs_post_init__(self) -> None:
        for name, given in (("knots", self.knots), ("Boundary_knots", self.Boundary_knots)):
            if given is not None and not isinstance(given, Mapping):
                raise ConfigError(f"{self.id}: '{name}' must be a dictionary from columns to lists of numbers, got {given!r}.")
        if self.type == "polynomial" and self.df is not None and self.df < self.degree + self.intercept:
            raise ConfigError(
                f"{self.id}: 'df' is {self.df}; splines of degree {self.degree} need {self.degree + self.intercept}."
            )

    def fit(self, frame: Frame, target: Series | None) -> dict[str, Basis]:
        arrays = zip(frame.columns, number_arrays(frame, frame.columns), strict=True)
        return {name: self._basis(name, values.astype(np.float64)) for name, values in arrays}

    def _basis(self, name: str, values: Values) -> Basis:
        values = values[np.isfinite(values)]
        low, high = (self.Boundary_knots or {}).get(name) or (values.min(initial=np.inf), values.max(initial=-np.inf))
        degree = 3 if self.type == "natural" else self.degree
        least = (1 if self.type == "natural" else degree) + self.intercept
        number = max((self.df or least) - least, 0)
        if not low < high:
            return {"degree": degree, "knots": [], "size": number + least}
        given = (self.knots or {}).get(name)
        inside = values[(values >= low) & (values <= high)]
        inner = np.quantile(inside, np.arange(1, number + 1) / (number + 1)) if given is None else np.sort(given)
        if len(inner) and not (low < inner[0] and inner[-1] < high):
            raise DataError(
                f"{self.id}: the inner knots of '{name}' ({inner.tolist()}) must lie between {low:g} and {high:g}; equal values "
                "leave no room for so many functions: choose a smaller 'df' or give 'knots'."
            )
        knots = [*[float(low)] * (degree + 1), *map(float, inner), *[float(high)] * (degree + 1)]
        return {"degree": degree, "knots": knots, "size": len(inner) + least}

    def apply(self, frame: Frame, state: dict[str, Basis]) -> Frame:
        made: dict[str, Values] = {}
        for name, values in zip(frame.columns, number_arrays(frame, frame.columns), strict=True):
            columns = self._values(values.astype(np.float64), state[name])
            made |= {f"{name}.splines.{j + 1}": columns[:, j] for j in range(columns.shape[1])}
        return new_frame(made, like=frame)

    def _values(self, values: Values, basis: Basis) -> Values:
        """The functions at each value; NaN where there is none, or where training had no two values."""
        made = np.full((len(values), basis["size"]), np.nan)
        good = np.isfinite(values)
        if basis["knots"] and good.any():
            made[good] = self._natural(values[good], basis) if self.type == "natural" else self._b_splines(values[good], basis)
        return made

    def _b_splines(self, values: Values, basis: Basis, derivative: int = 0) -> Values:
        from scipy.interpolate import BSpline

        knots, degree = np.asarray(basis["knots"]), basis["degree"]
        spline: Any = BSpline(knots, np.eye(len(knots) - degree - 1), degree, extrapolate=True)
        made = spline(values, nu=derivative) if derivative else spline(values)
        return np.asarray(made)[:, 0 if self.intercept else 1 :]

    def _natural(self, values: Values, basis: Basis) -> Values:
        """The combinations of B-splines whose second derivative at both ends is 0."""
        low, high = basis["knots"][0], basis["knots"][-1]
        ends = np.array([low, high])
        bent = self._b_splines(ends, basis, 2)
        straight = np.linalg.qr(bent.T, mode="complete")[0][:, 2:]
        inside = np.clip(values, low, high)
        slope = self._b_splines(ends, basis, 1)[np.where(values < low, 0, 1)]
        return (self._b_splines(inside, basis) + slope * (values - inside)[:, None]) @ straight
