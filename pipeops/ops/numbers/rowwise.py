"""Operators on each row of the numeric columns: spatialsign, rowapply.

Neighbours: `project` multiplies all rows by a matrix.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from pipeops.data.columns import new_frame
from pipeops.data.maps import ColumnMap
from pipeops.errors import ConfigError, DataError
from pipeops.ops.base import Frame, Preprocess, Series, operator
from pipeops.ops.column_maps import Answers, ColumnMaps, Schema
from pipeops.ops.numbers.blockwise import Rowwise
from pipeops.ops.numbers.project import Matrix, matrix_of
from pipeops.params import anything, real
from pipeops.shorthand import po


@po.add("spatialsign")
@operator
class SpatialSign(ColumnMaps):
    """Divide the numbers of each row by their norm, so that all rows have the same one.

    length: the norm that rows get. norm: which one, `(sum |x|^norm)^(1/norm)`; `float("inf")` the largest absolute value. A row
    of zeros stays one; a missing value makes its row missing.

    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"a": [3.0, 0.0], "b": [4.0, 0.0], "y": [0, 1]}, target="y")
    >>> po("spatialsign").train([task])[0][0].matrix(dtype="float64").tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """

    kinds: ClassVar[tuple[str, ...]] = ("numeric",)

    length: float = real(0, default=1.0)
    norm: float = real(0, default=2.0)

    def learn(self, schema: Schema, answers: Answers, target: Series | None) -> dict[str, Any]:
        return {}

    def maps(self, schema: Schema, state: Any) -> list[ColumnMap]:
        return [Rowwise(tuple(schema), tuple(schema), self._signs)]

    def _signs(self, block: Matrix) -> Matrix:
        sizes = _lengths(block) if self.norm == 2 else None
        if sizes is None:
            sizes = _norms(np.abs(block), self.norm)
            sizes = np.where(sizes == 0, 1.0, sizes)
            sizes[np.isnan(block).any(axis=0)] = np.nan
        return block / sizes * self.length if self.length != 1 else block / sizes


def _lengths(x: Matrix) -> Matrix | None:
    """The Euclidean norm of each column; None where one is 0, missing, or its square too large or small for float64."""
    squares = np.einsum("ij,ij->j", x, x)
    safe = squares.size and squares.min() > 1e-200 and squares.max() < 1e300
    return np.sqrt(squares) if safe else None


def _norms(x: Matrix, norm: float) -> Matrix:
    """The norm of each column of a matrix without negative values; divided by its largest first, so that nothing overflows."""
    largest = x.max(axis=0, initial=0)
    if np.isinf(norm):
        return largest
    if norm == 0:  # the limit: more than one number that is not 0 makes the norm infinite
        return np.where((x != 0).sum(axis=0) > 1, np.inf, largest)
    shares = x / np.where(largest > 0, largest, 1.0)
    return largest * (shares**norm).sum(axis=0) ** (1 / norm)


@po.add("rowapply")
@operator
class RowApply(Preprocess):
    """Replace numeric columns by what a function answers for each row, in training and in prediction alike.

    applicator: takes a row as a float64 array (missing is NaN) and answers a number, numbers, or a dictionary of numbers by name.
    col_prefix: stands with a dot before the new columns' names, which are the dictionary's; else those of the columns where there
    are as many numbers, or `V1`, `V2`, ….

    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"a": [3.0, 0.0], "b": [4.0, 2.0], "y": [0, 1]}, target="y")
    >>> made = po("rowapply", applicator=lambda row: {"total": row.sum()}).train([task])[0][0]
    >>> made.data()["total"].to_list()
    [7.0, 2.0]
    """

    kinds: ClassVar[tuple[str, ...]] = ("numeric",)

    applicator: Callable[[Any], Any] | None = anything(None)
    col_prefix: str = anything("")

    def __attrs_post_init__(self) -> None:
        if self.applicator is not None and not callable(self.applicator):
            raise ConfigError(f"{self.id}: 'applicator' must be a function of a row, got {self.applicator!r}.")
        if not isinstance(self.col_prefix, str):
            raise ConfigError(f"{self.id}: 'col_prefix' must be a text, got {self.col_prefix!r}.")

    def fit(self, frame: Frame, target: Series | None) -> list[str]:
        return list(self._applied(matrix_of(frame[:1])[0], frame.columns)) if len(frame) else []

    def apply(self, frame: Frame, state: list[str]) -> Frame:
        made = np.full((len(frame), len(state)), np.nan)
        for k, row in enumerate(matrix_of(frame)) if state else ():
            found = self._applied(row, frame.columns)
            if list(found) != state:
                raise DataError(f"{self.id}: the applicator answers {list(found)} for one row, {state} for another.")
            made[k] = list(found.values())
        return new_frame({name: made[:, j] for j, name in enumerate(state)}, like=frame) if state else frame.select()

    def _applied(self, row: Any, names: list[str]) -> dict[str, float]:
        made = row if self.applicator is None else self.applicator(row)
        named = made if isinstance(made, Mapping) else _named(np.atleast_1d(made), names)
        prefix = f"{self.col_prefix}." if self.col_prefix else ""
        try:
            return {f"{prefix}{name}": float(value) for name, value in named.items()}
        except (TypeError, ValueError):
            raise DataError(f"{self.id}: the applicator must answer numbers, got {made!r}.") from None


def _named(values: Any, names: list[str]) -> dict[str, Any]:
    """Numbers by the names of the columns where they are as many, else by their own."""
    return dict(zip(names if len(values) == len(names) else [f"V{j + 1}" for j in range(len(values))], values, strict=True))
