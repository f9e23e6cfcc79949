"""Maps of numbers that operators answer: `Projection` and `Rowwise` look at rows, `Each` at single columns, `Missing` at holes.

Each says what happens to a block of float64 `(columns, rows)`; a frame is made by reading it in such blocks. What is no sum or
product has no expressions, and refuses lazy frames. Neighbours: `data.maps` has the base, and the maps of scale and encode.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, cast

import attrs
import narwhals as nw
import numpy as np
import numpy.typing as npt

from pipeops.data.columns import kind, missing_mask, new_frame
from pipeops.data.frames import View
from pipeops.data.levels import from_codes
from pipeops.data.maps import BlockStep, ColumnMap, Frame, Numbers, Schema
from pipeops.data.matrix import blocks, source
from pipeops.errors import ConfigError, listing

ROWS = 1 << 12
"""Rows of a frame that are changed at a time."""


def matrix_frame(names: Sequence[str], made: Numbers, like: Frame) -> Frame:
    """A frame of `like`'s library over a block `(columns, rows)`; for pandas without a copy."""
    if not like.implementation.is_pandas() or not names:
        return new_frame(dict(zip(names, made, strict=True)), like=like) if names else like.select()
    import pandas as pd

    return nw.from_native(pd.DataFrame(made.T, columns=list(names), copy=False), eager_only=True)


class Blockwise(ColumnMap):
    """Base of maps from a block of float64 to another one; without expressions, unless a subclass has them."""

    def types(self, schema: Schema) -> dict[str, nw.dtypes.DType]:
        return dict.fromkeys(self.makes, nw.Float64())

    def frame(self, frame: Frame) -> Frame:
        step = cast(BlockStep, self.step(self.makes, frame.schema))
        made = np.empty((len(self.makes), len(frame)))
        if self.makes:
            with np.errstate(all="ignore"):
                for start, stop, block in blocks(source(View(frame), self.takes, len(frame), np.float64), ROWS, np.float64):
                    made[:, start:stop] = step(block.T)
        return matrix_frame(self.makes, made, like=frame)

    def exprs(self, schema: Schema) -> list[nw.Expr]:
        what = listing(self.makes)
        raise ConfigError(f"There are no expressions of a lazy frame that make {what}; collect it first, with frame.collect().")


class Together(Blockwise):
    """Base of maps whose columns are made of all columns that they take, row by row."""

    joint: ClassVar[bool] = True

    @abstractmethod
    def rule(self, block: Numbers) -> Numbers:
        """The new columns of a block of the old ones."""

    def step(self, names: Sequence[str], schema: Schema) -> BlockStep | None:
        if tuple(names) == self.makes:
            return self.rule
        wanted = [self.makes.index(name) for name in names]
        return lambda block: self.rule(block)[wanted]


@attrs.frozen(eq=False)
class Rowwise(Together):
    """What a function makes of a block.

    >>> import polars as pl
    >>> total = Rowwise(("a", "b"), ("sum",), lambda block: block.sum(axis=0, keepdims=True))
    >>> total.frame(nw.from_native(pl.DataFrame({"a": [1, 2], "b": [3, 4]}))).rows()
    [(4.0,), (6.0,)]
    """

    takes: tuple[str, ...]  # type: ignore[assignment]
    makes: tuple[str, ...]  # type: ignore[assignment]
    function: Callable[[Numbers], Numbers]

    def rule(self, block: Numbers) -> Numbers:
        return self.function(block)


@attrs.frozen(eq=False)
class Projection(Together):
    """Centered, scaled and multiplied by a matrix `(takes, makes)`; a row with a missing or infinite value becomes missing.

    >>> import polars as pl
    >>> half = Projection(("a", "b"), ("m",), np.array([[0.5], [0.5]]))
    >>> half.frame(nw.from_native(pl.DataFrame({"a": [1.0, 2.0], "b": [3.0, None]}))).rows()
    [(2.0,), (nan,)]
    """

    takes: tuple[str, ...]  # type: ignore[assignment]
    makes: tuple[str, ...]  # type: ignore[assignment]
    matrix: npt.NDArray[np.float64]
    center: Any = 0.0
    scale: Any = 1.0

    def rule(self, block: Numbers) -> Numbers:
        return cast(BlockStep, self.step(self.makes, {}))(block)

    def step(self, names: Sequence[str], schema: Schema) -> BlockStep | None:
        weights = (self.matrix / np.reshape(self.scale, (-1, 1))).T
        if tuple(names) != self.makes:
            weights = weights[[self.makes.index(name) for name in names]]
        center = np.reshape(self.center, (-1, 1)) if np.any(self.center) else None

        def product(block: Numbers) -> Numbers:
            made = weights @ (block if center is None else block - center)
            if not np.isfinite(made).all():
                made[:, ~np.isfinite(block).all(axis=0)] = np.nan
            return made

        return product

    def exprs(self, schema: Schema) -> list[nw.Expr]:
        center, scale = (np.broadcast_to(values, len(self.takes)).tolist() for values in (self.center, self.scale))
        scaled = [(nw.col(n).cast(nw.Float64) - c) / s for n, c, s in zip(self.takes, center, scale, strict=True)]
        made: list[nw.Expr] = []
        for name, weights in zip(self.makes, self.matrix.T.tolist(), strict=True):
            total = sum((x * weight for x, weight in zip(scaled, weights, strict=True)), start=nw.lit(0.0))
            made.append(nw.when(total.is_finite()).then(total).alias(name))
        return made


@attrs.frozen(eq=False)
class Each(Blockwise):
    """Every column by a function of its name and its values that are there; missing ones stay missing.

    >>> import polars as pl
    >>> double = Each(("x",), lambda name, values: values * 2)
    >>> double.frame(nw.from_native(pl.DataFrame({"x": [1, None]}))).rows()
    [(2.0,), (nan,)]
    """

    takes: tuple[str, ...]  # type: ignore[assignment]
    change: Callable[[str, Numbers], Numbers]

    @property
    def makes(self) -> tuple[str, ...]:
        return self.takes

    def step(self, names: Sequence[str], schema: Schema) -> BlockStep | None:
        def changed(block: Numbers) -> Numbers:
            for name, values in zip(names, block, strict=True):
                there = ~np.isnan(values)
                whole = bool(there.all())
                values[slice(None) if whole else there] = self.change(name, values if whole else values[there])
            return block

        return changed


@attrs.frozen(eq=False)
class Missing(ColumnMap):
    """Whether the values of columns are missing, as columns of other names and one kind.

    >>> import polars as pl
    >>> Missing(("x",), ("gone",), "boolean").frame(nw.from_native(pl.DataFrame({"x": [1.0, None]}))).rows()
    [(False,), (True,)]
    """

    takes: tuple[str, ...]  # type: ignore[assignment]
    makes: tuple[str, ...]  # type: ignore[assignment]
    kind: str

    def types(self, schema: Schema) -> dict[str, nw.dtypes.DType]:
        return dict.fromkeys(self.makes, _INDICATORS[self.kind][0])

    def frame(self, frame: Frame) -> Frame:
        pairs = zip(self.takes, self.makes, strict=True)
        made = {new: self._indicator(frame, name, new) for name, new in pairs}
        return new_frame(made, like=frame) if made else frame.select()

    def _indicator(self, frame: Frame, name: str, new: str) -> Any:
        mask = missing_mask(frame.get_column(name))
        if self.kind == "categorical":
            return from_codes(new, 1 - mask.astype(np.int64), INDICATED, frame)
        return mask.astype(_INDICATORS[self.kind][1], copy=False)

    def exprs(self, schema: Schema) -> list[nw.Expr]:
        columns = [nw.col(n).fill_nan(None) if schema[n].is_float() else nw.col(n) for n in self.takes]
        if self.kind == "categorical":
            texts = [nw.when(x.is_null()).then(nw.lit(INDICATED[0])).otherwise(nw.lit(INDICATED[1])) for x in columns]
            return [x.cast(nw.Enum(INDICATED)).alias(name) for x, name in zip(texts, self.makes, strict=True)]
        return [x.is_null().cast(_INDICATORS[self.kind][0]).alias(name) for x, name in zip(columns, self.makes, strict=True)]

    def step(self, names: Sequence[str], schema: Schema) -> BlockStep | None:
        numbers = all(kind(schema[name]) in ("numeric", "boolean") for name in self.takes)
        return np.isnan if numbers and self.kind != "categorical" else None


INDICATED = ["missing", "present"]
_INDICATORS: dict[str, tuple[nw.dtypes.DType, Any]] = {
    "categorical": (nw.Enum(INDICATED), object),
    "boolean": (nw.Boolean(), np.bool_),
    "integer": (nw.Int64(), np.int64),
    "numeric": (nw.Float64(), np.float64),
}
"""The type of an indicator, for each kind."""


def numbers_of(view: View, names: Sequence[str]) -> npt.NDArray[np.float64]:
    """All values of columns as one block `(columns, rows)`; missing ones are NaN."""
    made = np.empty((len(names), view.nrow))
    if names:
        for start, stop, block in blocks(source(view, names, view.nrow, np.float64), ROWS, np.float64):
            made[:, start:stop] = block.T
    return made
