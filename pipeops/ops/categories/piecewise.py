"""Numbers as shares of bins, 0 below, 1 above and linear within: encodeplquantiles, encodepltree (Gorishniy and others 2022).

Neighbours: `numbers.bins` cuts into categories.
"""

from abc import abstractmethod
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from pipeops.data.columns import new_frame, number_arrays
from pipeops.graph.pipeop import Channel
from pipeops.ops.base import Frame, Preprocess, Series, operator
from pipeops.ops.categories.impact import ByTarget
from pipeops.params import choice, integer, real
from pipeops.shorthand import po

Values = npt.NDArray[np.float64]
QUANTILES = (
    *("inverted_cdf", "averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf", "hazen", "weibull"),
    *("linear", "median_unbiased", "normal_unbiased"),
)
"""numpy's names of the nine kinds of sample quantiles (Hyndman and Fan, The American Statistician 50, 1996)."""


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

    numsplits: how many bins (Gorishniy and others 2022). type: which of the nine kinds of quantiles (Hyndman and Fan 1996).

    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"x": [0.0, 1.0, 2.0, 4.0, 8.0], "y": [0, 0, 1, 1, 1]}, target="y")
    >>> po("encodeplquantiles").train([task])[0][0].matrix("float64")[1::2].round(3).tolist()
    [[0.5, 0.0], [1.0, 0.333]]
    """

    numsplits: int = integer(2, default=2)
    type: int = integer(1, 9, default=7)

    def borders(self, values: Values, target: Any) -> Values:
        method: Any = QUANTILES[self.type - 1]
        return np.quantile(values, np.linspace(0, 1, self.numsplits + 1), method=method)


@po.add("encodepltree")
@operator
class EncodePLTree(Piecewise):
    """Encode each number by its place within the bins that a decision tree on it alone finds for the target.

    minsplit: fewest rows that may be split. minbucket: fewest rows of a bin, a third of minsplit when None. maxdepth: of the
    tree. cp: what a split must take away, as a share of the errors without any: of the squares, or of the wrong classes
    (Breiman and others 1984). task_type: "TaskClassif" or "TaskRegr" takes no other. By scikit-learn's trees (Gorishniy and
    others 2022).

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
    task_type: str | None = choice("TaskClassif", "TaskRegr", None, default=None)

    @property
    def inputs(self) -> tuple[Channel, ...]:  # type: ignore[override]
        task = self.task_type or "Task"
        return (Channel("input", task, task),)

    @property
    def outputs(self) -> tuple[Channel, ...]:  # type: ignore[override]
        return (self.inputs[0]._replace(name="output"),)

    seen_target = ByTarget.seen_target

    def borders(self, values: Values, target: Any) -> Values:
        known, places = np.unique(values, return_inverse=True)
        if target is None or len(known) < 2:
            return known[[0, -1]]
        from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

        classify = np.asarray(target).dtype.kind not in "fiub"
        y = np.unique(np.asarray(target, dtype=str), return_inverse=True)[1] if classify else np.asarray(target, dtype=np.float64)
        model: Any = (DecisionTreeClassifier if classify else DecisionTreeRegressor)(
            max_depth=self.maxdepth,
            min_samples_split=self.minsplit,
            min_samples_leaf=self.minbucket or max(round(self.minsplit / 3), 1),
            random_state=0,
        )
        tree = model.fit(places[:, None], y).tree_
        errors = tree.n_node_samples * (1 - tree.value[:, 0].max(axis=1) if classify else tree.impurity)
        cuts = tree.threshold[_worthwhile(tree, errors, self.cp * errors[0], 0)[1]].astype(np.int64)
        return np.concatenate([known[:1], np.sort((known[cuts] + known[cuts + 1]) / 2), known[-1:]])


def _worthwhile(tree: Any, errors: Values, price: float, node: int) -> tuple[float, Sequence[int]]:
    """The least errors below a node, each split counting as so many, and the splits that have them."""
    if tree.feature[node] < 0:
        return float(errors[node]), []
    left, right = (_worthwhile(tree, errors, price, int(sons[node])) for sons in (tree.children_left, tree.children_right))
    total = left[0] + right[0] + price
    return (total, [*left[1], node, *right[1]]) if total < errors[node] else (float(errors[node]), [])
