"""imputesample, imputehist: missing values are drawn from what training saw.

A draw follows from `seed`, the column and the id of the row alone: the same row gets the same value in training and
prediction, in whatever company. Neighbours: `by_task` is the base; `numbers.bins` cuts at round numbers, too.
"""

import zlib
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from math import ceil, log2
from typing import Any, ClassVar

import narwhals as nw
import numpy as np
import numpy.typing as npt

from pipeops.data.columns import declared_levels, kind, missing_mask, number_arrays
from pipeops.data.levels import counts
from pipeops.data.task import Task
from pipeops.errors import DataError
from pipeops.ops.base import Series, operator
from pipeops.ops.impute import as_type, within
from pipeops.ops.missing.by_task import ImputeByTask, filled
from pipeops.ops.numbers.bins import round_borders
from pipeops.params import integer
from pipeops.shorthand import po

Array = npt.NDArray[np.float64]


def uniforms(seed: int, name: str, row_ids: Any) -> Array:
    """One number from [0, 1) for each row id, always the same for the same seed, name and id.

    By the finalizer of splitmix64 (Steele, Lea and Flood 2014).

    >>> uniforms(0, "x", np.array([3, 5])).tolist() == uniforms(0, "x", np.array([5, 3]))[::-1].tolist()
    True
    """
    z = np.asarray(row_ids, dtype=np.int64).view(np.uint64)
    for salt in (seed, zlib.crc32(name.encode())):
        z = z + np.uint64((salt * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) % 2**64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)).astype(np.float64) / 2.0**53


def picked(weights: Sequence[float], u: Array) -> npt.NDArray[np.int64]:
    """Positions drawn with these weights, from uniform numbers."""
    edges = np.cumsum(weights, dtype=np.float64)
    return np.minimum(np.searchsorted(edges, u * edges[-1], side="right"), len(edges) - 1)


@operator
class ImputeByDraw(ImputeByTask):
    """Base of imputers that draw: subclasses learn from a column, and draw for rows by two uniform numbers each."""

    seed: int = integer(0, default=0)

    @abstractmethod
    def learn_column(self, column: Series) -> dict[str, Any]:
        """What is learnt from a column."""

    @abstractmethod
    def draw(self, column: Series, learnt: Mapping[str, Any], u: Array, v: Array) -> Series:
        """The column with its missing values drawn."""

    def learn(self, task: Task, names: Sequence[str]) -> dict[str, Any]:
        frame = task.frame()
        return {name: self.learn_column(frame.get_column(name)) for name in names}

    def fill(self, task: Task, learnt: Mapping[str, Any]) -> list[Series]:
        frame, made = task.frame(), list[Series]()
        for name, known in learnt.items():
            column = frame.get_column(name)
            ids = task.row_ids[missing_mask(column)]
            u, v = uniforms(self.seed, name, ids), uniforms(self.seed, f"{name} within", ids)
            made += [self.draw(column, known, u, v)] if len(ids) else []
        return made


@po.add("imputesample")
@operator
class ImputeSample(ImputeByDraw):
    """Impute columns of any kind by values drawn from those of training.

    seed: of the draws; the value of a row follows from its id. A column without any value gets 0, the empty text, or one of its
    declared levels, True and False, at random.

    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"x": ["b", None, "b", None], "y": [0, 0, 1, 1]}, target="y")
    >>> po("imputesample").train([task])[0][0].data()["x"].to_list()
    ['b', 'b', 'b', 'b']
    """

    def learn_column(self, column: Series) -> dict[str, Any]:
        found = counts(column) or dict.fromkeys(_nothing(column), 1)
        return {"values": list(found), "counts": list(found.values())}

    def draw(self, column: Series, learnt: Mapping[str, Any], u: Array, v: Array) -> Series:
        return filled(column, learnt["values"], picked(learnt["counts"], u)) if learnt["values"] else column


def _nothing(column: Series) -> list[Any]:
    """What a column without any value may be."""
    if column.dtype == nw.Boolean:
        return [True, False]
    if kind(column.dtype) == "categorical":
        levels = declared_levels(column)
        return [""] if levels is None else levels
    return [as_type(column.dtype, 0)]


@po.add("imputehist")
@operator
class ImputeHist(ImputeByDraw):
    """Impute numeric and datetime columns by draws from a histogram of those of training.

    The borders of its bins are round, about as many as Sturges' rule says (Sturges, The choice of a class interval, JASA 21,
    1926): a bin is drawn by how many values it has, then a number within it, rounded for integer columns. seed: of the draws;
    the value of a row follows from its id. A column without any value gets 0.

    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"x": [1.0, None, 2.0, 3.0], "y": [0, 0, 1, 1]}, target="y")
    >>> made, state = po("imputehist").train([task])
    >>> state["learnt"]["x"]
    {'breaks': [1.0, 1.5, 2.0, 2.5, 3.0], 'counts': [1, 1, 0, 1]}
    >>> 1 <= made[0].data()["x"][1] <= 3
    True
    """

    kinds: ClassVar[tuple[str, ...]] = ("numeric", "datetime")

    def learn_column(self, column: Series) -> dict[str, Any]:
        values = _numbers(column)
        if not len(values):
            return {"breaks": [0.0, 0.0], "counts": [1]}
        if not np.isfinite(values).all():
            raise DataError(f"{self.id}: infinite values in '{column.name}', which have no histogram; make them missing before.")
        breaks = round_borders(float(values.min()), float(values.max()), ceil(log2(len(values)) + 1))
        codes = np.searchsorted(breaks[1:-1], values, side="left")
        return {"breaks": breaks.tolist(), "counts": np.bincount(codes, minlength=len(breaks) - 1).tolist()}

    def draw(self, column: Series, learnt: Mapping[str, Any], u: Array, v: Array) -> Series:
        breaks, bins = np.asarray(learnt["breaks"]), picked(learnt["counts"], u)
        drawn = breaks[bins] + v * (breaks[bins + 1] - breaks[bins])
        return filled(column, [within(column.dtype, x) for x in drawn.tolist()], np.arange(len(drawn)))


def _numbers(column: Series) -> Array:
    """The values that are there, as numbers: those of `impute`, microseconds since 1970 for dates."""
    if kind(column.dtype) == "datetime":
        column = column.dt.timestamp("us").cast(nw.Float64)
    (values,) = number_arrays(column.to_frame(), [column.name])
    return values[~np.isnan(values.astype(np.float64))].astype(np.float64)
