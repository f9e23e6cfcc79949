"""Power transformations that make numeric columns look normal: boxcox, yeojohnson; and by ranks: quantiletransform.

The power is the one of greatest likelihood (scipy) and is learnt for each column. Neighbours: `bins` and `splines` beside it.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from pipeops.data.frames import View
from pipeops.data.maps import ColumnMap
from pipeops.data.matrix import columns
from pipeops.errors import ConfigError, DataError
from pipeops.ops.base import Series, operator
from pipeops.ops.column_maps import ColumnMaps, Schema
from pipeops.ops.numbers.blockwise import Each
from pipeops.params import choice, flag, integer, real
from pipeops.shorthand import po

Values = npt.NDArray[np.float64]
Learnt = dict[str, dict[str, Any]]


@operator
class EachNumbers(ColumnMaps):
    """Base of operators that learn from each numeric column alone and change its values; missing ones stay missing."""

    kinds: ClassVar[tuple[str, ...]] = ("numeric",)

    @abstractmethod
    def learn_column(self, name: str, values: Values) -> dict[str, Any]:
        """What is learnt from the values of a column that are there."""

    @abstractmethod
    def change(self, name: str, values: Values, learnt: dict[str, Any]) -> Values:
        """These values, none of them missing, anew."""

    def learn_view(self, view: View, names: Sequence[str], target: Series | None) -> Learnt:
        blocks = columns(view, names, 1)
        return {name: self.learn_column(name, block[0][~np.isnan(block[0])]) for (name,), block in blocks}

    def maps(self, schema: Schema, state: Learnt) -> list[ColumnMap]:
        return [Each(tuple(schema), lambda name, values: self.change(name, values, state[name]))]


@operator
class Power(EachNumbers):
    """Base of boxcox and yeojohnson: a power of greatest likelihood, then mean 0 and standard deviation 1."""

    standardize: bool = flag(True)
    eps: float = real(0, default=0.001)

    def __attrs_post_init__(self) -> None:
        lower, upper = self.bounds()
        if lower >= upper:
            raise ConfigError(f"{self.id}: 'lower' must be below 'upper', got {lower} and {upper}.")

    @abstractmethod
    def bounds(self) -> tuple[float, float]:
        """Between which powers the best one is looked for."""

    @abstractmethod
    def likelihood(self, power: float, values: Values) -> float:
        """The log-likelihood of normal values after the transformation."""

    @abstractmethod
    def raised(self, values: Values, power: float) -> Values:
        """The values transformed by a power."""

    def learn_column(self, name: str, values: Values) -> dict[str, Any]:
        self.check(name, values)
        power = self._best(values) if len(values) and values.min() < values.max() else 1.0
        made = self.raised(values, power)
        mean = float(made.mean()) if len(made) else 0.0
        spread = float(np.std(made, ddof=1)) if len(made) > 1 else 0.0
        if not (np.isfinite(mean) and np.isfinite(spread)):
            raise DataError(f"{self.id}: the numbers in '{name}' are too large for a power; use po(\"scale\") before.")
        return {"power": power, "mean": mean, "sd": spread or 1.0}

    def _best(self, values: Values) -> float:
        from scipy.optimize import minimize_scalar

        found: Any = minimize_scalar(lambda power: -self.likelihood(power, values), bounds=self.bounds(), method="bounded")
        return 0.0 if abs(found.x) < self.eps else float(found.x)

    def check(self, name: str, values: Values) -> None:
        """Refuse values that have no power."""
        if not np.isfinite(values).all():
            raise DataError(f"{self.id}: infinite values in '{name}'; replace them, or make them missing and impute them.")

    def change(self, name: str, values: Values, learnt: dict[str, Any]) -> Values:
        self.check(name, values)
        made = self.raised(values, learnt["power"])
        return (made - learnt["mean"]) / learnt["sd"] if self.standardize else made


@po.add("boxcox")
@operator
class BoxCox(Power):
    """Make positive numeric columns look normal: `(x^p - 1) / p`, and `log(x)` for p = 0 (Box and Cox 1964).

    standardize: then to mean 0 and standard deviation 1. lower, upper: where the power p of greatest likelihood is looked for.
    eps: powers closer to 0 are 0. Missing values stay missing; values that are not positive are refused.

    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"x": [1.0, 2.0, 4.0, 8.0], "y": [0, 0, 1, 1]}, target="y")
    >>> po("boxcox").train([task])[0][0].matrix(dtype="float64").ravel().round(2).tolist()
    [-1.16, -0.39, 0.39, 1.16]
    """

    example: ClassVar[Any] = {"affect_columns": "b"}

    lower: float = real(default=-1.0)
    upper: float = real(default=2.0)

    def bounds(self) -> tuple[float, float]:
        return self.lower, self.upper

    def likelihood(self, power: float, values: Values) -> float:
        from scipy.stats import boxcox_llf

        return float(boxcox_llf(power, values))

    def raised(self, values: Values, power: float) -> Values:
        from scipy.special import boxcox

        return boxcox(values, power)

    def check(self, name: str, values: Values) -> None:
        Power.check(self, name, values)
        if (values <= 0).any():
            raise DataError(
                f"{self.id}: '{name}' has values that are not positive (the smallest is {values.min():g}); use "
                'po("yeojohnson"), which takes all numbers, or leave the column out with affect_columns.'
            )


@po.add("yeojohnson")
@operator
class YeoJohnson(Power):
    """Make numeric columns look normal by powers that negative numbers have, too (Yeo and Johnson 2000).

    standardize: then to mean 0 and standard deviation 1. lower, upper: where the power of greatest likelihood is looked for.
    eps: powers closer to 0 are 0. Missing values stay missing.

    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"x": [-1.0, 0.0, 1.0], "y": [0, 0, 1]}, target="y")
    >>> (po("yeojohnson").train([task])[0][0].matrix().ravel().round(3) + 0).tolist()
    [-1.0, 0.0, 1.0]
    """

    lower: float = real(default=-5.0)
    upper: float = real(default=5.0)

    def bounds(self) -> tuple[float, float]:
        return self.lower, self.upper

    def likelihood(self, power: float, values: Values) -> float:
        from scipy.stats import yeojohnson_llf

        return float(yeojohnson_llf(power, values))

    def raised(self, values: Values, power: float) -> Values:
        from scipy.stats import yeojohnson

        return np.asarray(yeojohnson(values, lmbda=power)) if len(values) else values


@po.add("quantiletransform")
@operator
class QuantileTransform(EachNumbers):
    """Map each numeric column to its place among the quantiles of training: uniform on [0, 1], or normal.

    n_quantiles: how many quantiles are kept. Values beyond those of training get the first or last place. Equal to scikit-learn's
    QuantileTransformer without its subsampling.

    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"x": [1.0, 2.0, 30.0], "y": [0, 0, 1]}, target="y")
    >>> po("quantiletransform").train([task])[0][0].matrix().ravel().tolist()
    [0.0, 0.5, 1.0]
    """

    n_quantiles: int = integer(2, default=1000)
    output_distribution: str = choice("uniform", "normal", default="uniform")

    def learn_column(self, name: str, values: Values) -> dict[str, Any]:
        if not len(values):
            return {"quantiles": np.zeros(0)}
        places = np.linspace(0, 1, max(min(self.n_quantiles, len(values)), 2))
        return {
            "quantiles": np.maximum.accumulate(np.interp(places * (len(values) - 1), np.arange(len(values)), np.sort(values)))
        }

    def change(self, name: str, values: Values, learnt: dict[str, Any]) -> Values:
        known = np.asarray(learnt["quantiles"])
        if not len(known):
            return np.full(len(values), np.nan)
        places = np.linspace(0, 1, len(known))
        found = np.interp(values, known, places)
        if (known[1:] == known[:-1]).any():  # of equal quantiles the middle place
            found = (found - np.interp(-values, -known[::-1], -places[::-1])) / 2
            found = np.where(values <= known[0], 0.0, np.where(values >= known[-1], 1.0, found))
        found = np.where(known[0] == known[-1], np.where(values > known[0], 1.0, 0.0), found)
        return found if self.output_distribution == "uniform" else _normal(found)


def _normal(places: Values) -> Values:
    """The normal quantile of each place, 0 and 1 at the ends that scikit-learn has."""
    from scipy.special import ndtri

    end = -ndtri(1e-7 - np.spacing(1))
    with np.errstate(divide="ignore"):
        return np.clip(ndtri(places), -end, end)
