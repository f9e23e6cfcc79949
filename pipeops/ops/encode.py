"""encode: categorical columns as numbers, by a contrast matrix with one row for each level.

What it answers are look-ups (`data.maps`): levels become codes once, and the columns are rows of the matrix by code.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from pipeops.data.maps import ColumnMap, Lookup
from pipeops.errors import DataError, listing
from pipeops.ops import statistics as of
from pipeops.ops.base import Series, operator
from pipeops.ops.column_maps import Answers, ColumnMaps, Schema
from pipeops.ops.impute import NEW_LEVEL
from pipeops.params import choice, flag
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
class Encode(ColumnMaps):
    """Encode categorical columns as numeric ones named `<column>.<level>`, or `<column>.<number>` for helmert, poly and sum.

    method: one-hot, or the contrasts treatment (without the first level), helmert, poly, sum (one column less than levels).
    A missing value gives a missing row. A level that training did not see gives zeros with one-hot, else a missing row. With
    extra_level=True both are the level ".MISSING", which stands after the others.

    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"f": ["a", "b", "a"], "y": [0, 1, 2]}, target="y")
    >>> po("encode").train([task])[0][0].data(columns=["f.a", "f.b"]).rows()
    [(1, 0), (0, 1), (1, 0)]
    """

    kinds: ClassVar[tuple[str, ...]] = ("categorical",)

    method: str = choice(ONE_HOT, "treatment", "helmert", "poly", "sum", default=ONE_HOT)
    extra_level: bool = flag(False)

    def ask(self, schema: Schema) -> of.Wanted:
        return {"levels": of.LEVELS}

    def learn(self, schema: Schema, answers: Answers, target: Series | None) -> dict[str, dict[str, Any]]:
        levels = answers["levels"]
        self._refuse_too_many(levels)
        learnt = {name: self._contrasts(name, known) for name, known in levels.items()}
        names = [name for one in learnt.values() for name in one["names"]]
        twice = sorted(name for name, times in Counter(names).items() if times > 1)
        if twice:
            raise DataError(f"{self.id}: {listing(twice)} would stand twice among the new columns; rename a feature first.")
        return learnt

    def _refuse_too_many(self, levels: Mapping[str, list[Any]]) -> None:
        """Refuse what would not fit: a column for each of very many levels."""
        many = {name: len(known) for name, known in levels.items() if len(known) > MANY}
        if many:
            name, k = max(many.items(), key=lambda item: item[1])
            raise DataError(
                f"{self.id}: the column '{name}' has {k:,} levels, which would make {k:,} columns (at most "
                f'{MANY:,}); leave it out with po("select", selector=~selector_name("{name}")), join rare levels before, or '
                'train an embedding of it in a network with po("torch_ingress_categ") >> nn("embedding", embedding_dim=8).'
            )

    def _contrasts(self, name: str, levels: list[Any]) -> dict[str, Any]:
        if self.extra_level:
            levels = list(dict.fromkeys([*levels, NEW_LEVEL]))
            matrix = np.eye(len(levels)) if self.method == ONE_HOT else CONTRASTS[self.method](len(levels))
            return {**self._named(name, levels), "matrix": matrix, "rest": matrix[levels.index(NEW_LEVEL)]}
        return self._named(name, levels)

    def _named(self, name: str, levels: list[Any]) -> dict[str, Any]:
        """Levels and names of a column, and its contrasts where they are not one-hot."""
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

    def maps(self, schema: Schema, state: Mapping[str, Mapping[str, Any]]) -> list[ColumnMap]:
        learnt = {name: state[name] for name in schema}
        return [
            Lookup(n, one["levels"], tuple(one["names"]), one.get("matrix"), rest=one.get("rest")) for n, one in learnt.items()
        ]
