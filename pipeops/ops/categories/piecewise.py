"""Numbers as shares of bins, 0 below, 1 above and linear within: encodeplquantiles, encodepltree (Gorishniy and others 2022).

Neighbours: `numbers.bins` cuts into categories.
"""

from abc import abstractmethod
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from pipeops.data.columns import new_frame, number_arrays
from pipeops.ops.base import Frame, Preprocess, Series, operator
from pipeops.ops.categories.impact import ByTarget
from pipeops.params import integer, real
from pipeops.shorthand import po

Values = npt.NDArray[np.float64]


@operator
class Piecewise(Preprocess):
    """Base of piecewise linear encodings: `<column>.bin1`, … for each bin between two borders; missing values stay missing."""

    kinds: ClassVar[tuple[str, ...]] = ("numeric",)

    @abstractmethod
    def borders(self, values: Values, target: Any) -> Values:
        """The borders of the bins from smallest to largest; values and target without those rows where the value is missing."""

    def fit(self, frame: Frame, target: Series | None) -> dict[str, list[float]]:
        arrays = zip(frame.columns, number_arrays(frame, frame.columns), strict=True)
        return {name: self._learnt(values.astype(np.float64), target) for name, values in arrays}

    def _learnt(self, values: Values, target: Series | None) -> list[float]:
        good = np.isfinite(values)
        seen = None if target is None else target.to_numpy()[good]
        return [float(b) for b in self.borders(values[good], seen)] if good.any() else [0.0, 0.0]

    def apply(self, frame: Frame, state: dict[str, list[float]]) -> Frame:
        made: dict[str, Values] = {}
        for name, values in zip(frame.columns, number_arrays(frame, frame.columns), strict=True):
            values, borders = values.astype(np.float64), state[name]
            for j, (low, high) in enumerate(pairwise(borders)):
                share = np.where(values >= high, 1.0, 0.0)
                if high > low:
                    share = np.clip((values - low) / (high - low), 0.0, 1.0)
                made[f"{name}.bin{j + 1}"] = np.where(np.isnan(values), np.nan, share)
        return new_frame(made, like=frame)


@po.add("encodeplquantiles")
@operator
class EncodePLQuantiles(Piecewise):
    """Encode each number by its place within the bins between quantiles; (n, p) -> (n, p * numsplits).

    numsplits: how many bins (Gorishniy and others 2022).

    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"x": [0.0, 1.0, 2.0, 4.0, 8.0], "y": [0, 0, 1, 1, 1]}, target="y")
    >>> po("encodeplquantiles").train([task])[0][0].matrix("float64")[1::2].round(3).tolist()
    [[0.5, 0.0], [1.0, 0.333]]
    """

    numsplits: int = integer(2, default=2)

    def borders(self, values: Values, target: Any) -> Values:
        return np.quantile(values, np.linspace(0, 1, self.numsplits + 1))


@po.add("encodepltree")
@operator
class EncodePLTree(Piecewise):
    """Encode each number by its place within the bins that a decision tree on it alone finds for the target.

    minsplit: fewest rows that may be split. minbucket: fewest rows of a bin, a third of minsplit when None. maxdepth: of the
    tree. cp: the share of the impurity that a split must take away. By scikit-learn's trees (Gorishniy and others 2022).

    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"x": [float(k) for k in range(40)], "y": [0.0] * 20 + [1.0] * 20}, target="y")
    >>> po("encodepltree").train([task])[1]["learnt"]
    {'x': [0.0, 19.5, 39.0]}
    """

    target: ClassVar[bool] = True

    minsplit: int = integer(2, default=20)
    minbucket: int | None = integer(1, default=None)
    maxdepth: int = integer(1, default=30)
    cp: float = real(0, 1, default=0.01)

    seen_target = ByTarget.seen_target

    def borders(self, values: Values, target: Any) -> Values:
        ends = [values.min(), values.max()]
        if target is None or len(values) < 2:
            return np.array(ends)
        from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

        classify = np.asarray(target).dtype.kind not in "fiub"
        y = np.unique(np.asarray(target, dtype=str), return_inverse=True)[1] if classify else np.asarray(target, dtype=np.float64)
        shares = np.bincount(y) / len(y) if classify else np.zeros(1)
        impurity = 1 - (shares**2).sum() if classify else y.var()
        tree: Any = (DecisionTreeClassifier if classify else DecisionTreeRegressor)(
            max_depth=self.maxdepth,
            min_samples_split=self.minsplit,
            min_samples_leaf=self.minbucket or max(round(self.minsplit / 3), 1),
            min_impurity_decrease=self.cp * impurity,
            random_state=0,
        )
        found = tree.fit(values[:, None], y).tree_
        return np.unique([*ends, *found.threshold[found.feature >= 0]])
