"""encode: categorical columns as numbers, by a contrast matrix with one row for each level.

Levels become codes once; the columns are rows of the matrix looked up by code. One-hot columns, the everyday case, are
comparisons of codes kept in one byte a value.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from pipeops.data.columns import codes_of, levels_of, missing_mask, new_frame
from pipeops.errors import DataError, listing
from pipeops.ops.base import Frame, Preprocess, Series, operator
from pipeops.params import choice
from pipeops.shorthand import po

Matrix = npt.NDArray[np.float64]
ONE_HOT = "one-hot"
MANY = 10_000
"""More levels than this are refused; a contrast matrix of so many has already 0.8 GB."""


def treatment(k: int) -> Matrix:
    """One column for each level but the first."""
    return np.eye(k)[:, 1:]


def helmert(k: int) -> Matrix:
    """Each level against the mean of those before it."""
    return (np.diag(np.arange(k, dtype=float)) - np.triu(np.ones((k, k)), 1))[:, 1:]


def poly(k: int) -> Matrix:
    """Orthonormal polynomials of degree 1 to k - 1 over equally spaced levels."""
    scores = np.arange(k) - (k - 1) / 2
    q, r = np.linalg.qr(np.vander(scores, k, increasing=True))
    return (q * np.sign(np.diag(r)))[:, 1:]


def sum_to_zero(k: int) -> Matrix:
    """One column for each level but the last, which is -1 in all."""
    return np.vstack([np.eye(k - 1), -np.ones(k - 1)])


CONTRASTS: dict[str, Callable[[int], Matrix]] = {
    "treatment": treatment,
    "helmert": helmert,
    "poly": poly,
    "sum": sum_to_zero,
}


@po.add("encode")
@operator
class Encode(Preprocess):
    """Encode categorical columns as numeric ones named `<column>.<level>`, or `<column>.<number>` for helmert, poly and sum.

    method: one-hot, or the contrasts treatment (without the first level), helmert, poly, sum (one column less than levels).
    A missing value gives a missing row. A level that training did not see gives zeros with one-hot, else a missing row.

    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"f": ["a", "b", "a"], "y": [0, 1, 2]}, target="y")
    >>> po("encode").train([task])[0][0].data(columns=["f.a", "f.b"]).rows()
    [(1, 0), (0, 1), (1, 0)]
    """

    kinds: ClassVar[tuple[str, ...]] = ("categorical",)

    method: str = choice(ONE_HOT, "treatment", "helmert", "poly", "sum", default=ONE_HOT)

    def fit(self, frame: Frame, target: Series | None) -> dict[str, dict[str, Any]]:
        levels = {column.name: levels_of(column) for column in frame.iter_columns()}
        self._refuse_too_many(levels, len(frame))
        learnt = {name: self._contrasts(name, known) for name, known in levels.items()}
        names = [name for one in learnt.values() for name in one["names"]]
        twice = sorted(name for name, times in Counter(names).items() if times > 1)
        if twice:
            raise DataError(f"{self.id}: {listing(twice)} would stand twice among the new columns; rename a feature first.")
        return learnt

    def _refuse_too_many(self, levels: dict[str, list[Any]], nrow: int) -> None:
        """Refuse what would not fit: a column for each of very many levels."""
        many = {name: len(known) for name, known in levels.items() if len(known) > MANY}
        if many:
            name, k = max(many.items(), key=lambda item: item[1])
            raise DataError(
                f"{self.id}: the column '{name}' has {k:,} levels, which would make {k:,} columns for {nrow:,} rows (at most "
                f'{MANY:,}); leave it out with po("select", selector=~selector_name("{name}")), join rare levels before, or '
                'train an embedding of it in a network with po("torch_ingress_categ") >> nn("embedding", embedding_dim=8).'
            )

    def _contrasts(self, name: str, levels: list[Any]) -> dict[str, Any]:
        if self.method == ONE_HOT:
            return {"levels": levels, "names": [f"{name}.{level}" for level in levels]}
        if len(levels) < 2:
            raise DataError(
                f"{self.id}: the column '{name}' has {len(levels)} level, {self.method} contrasts need two; remove it with "
                'po("removeconstants") or use method="one-hot".'
            )
        matrix = CONTRASTS[self.method](len(levels))
        labels = levels[1:] if self.method == "treatment" else range(1, len(levels))
        return {"levels": levels, "names": [f"{name}.{label}" for label in labels], "matrix": matrix}

    def apply(self, frame: Frame, state: dict[str, dict[str, Any]]) -> Frame:
        made: dict[str, npt.NDArray[Any]] = {}
        for column in frame.iter_columns():
            learnt = state[column.name]
            codes = codes_of(column, learnt["levels"])
            values = _look_up(codes, learnt["matrix"]) if "matrix" in learnt else _one_hot(column, codes, len(learnt["levels"]))
            made.update(zip(learnt["names"], values, strict=True))
        return new_frame(made, like=frame) if made else frame.select()


def _look_up(codes: npt.NDArray[np.int64], matrix: Matrix) -> Matrix:
    """One array for each column of the matrix; NaN where the code is -1."""
    return np.vstack([matrix, np.full(matrix.shape[1], np.nan)])[codes].T


def _one_hot(column: Series, codes: npt.NDArray[np.int64], k: int) -> npt.NDArray[Any]:
    """One array for each level: int8, or float32 where values are missing."""
    small = codes.astype(np.int8 if k < 127 else np.int32)
    hot = (small == np.arange(k, dtype=small.dtype)[:, None]).view(np.int8)
    if not column.null_count():
        return hot
    hot = hot.astype(np.float32)
    hot[:, missing_mask(column)] = np.nan
    return hot
