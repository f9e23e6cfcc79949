"""Categorical columns with chosen levels, and texts as codes, in every frame library.

Neighbours: `data.columns` below; impute, encode above.
"""

from collections.abc import Sequence
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from pipeops.data.columns import codes_of, declared_levels, kind, levels_of

Series = nw.Series[Any]


def with_levels(column: Series, levels: Sequence[Any]) -> Series:
    """The column as categories with these levels, in this order; values that are none of them become missing.

    >>> import polars as pl
    >>> with_levels(nw.from_native(pl.Series(["b", "a", "z"]), series_only=True), ["b", "a"]).to_list()
    ['b', 'a', None]
    """
    if column.implementation.is_polars():
        import polars as pl

        return _wrap(column.to_native().cast(pl.Enum(levels), strict=False))
    if column.implementation.is_pandas() and hasattr(column.to_native().dtype, "categories"):
        return _wrap(column.to_native().cat.set_categories(list(levels)))
    return from_codes(column.name, codes_of(column, levels), levels, column)


FEW = 250
"""So many levels, and one more for a missing value, have codes of one byte."""


def text_codes(column: Series) -> tuple[list[str], npt.NDArray[np.uint8]] | None:
    """The levels of a column of texts, sorted, and their codes, in one pass; a missing value has their number.

    None where there are more than a few levels, or the library has no fast way.

    >>> import polars as pl
    >>> text_codes(nw.from_native(pl.Series(["b", "a", None, "b"]), series_only=True))
    (['a', 'b'], array([1, 0, 2, 1], dtype=uint8))
    """
    native: Any = column.to_native()
    if column.implementation.is_polars():
        return _polars_codes(native)
    native = getattr(native.array, "_pa_array", None) if column.implementation.is_pandas() else native
    return None if native is None else _arrow_codes(native)


def _polars_codes(native: Any) -> tuple[list[str], npt.NDArray[np.uint8]] | None:
    """By a cast to the levels of some rows, and once more where others occur."""
    import polars as pl

    holes, levels = native.null_count(), set[str]()
    more = native.gather_every(max(1, len(native) // 1000)).drop_nulls().unique().to_list()
    while len(levels := levels | set(more)) <= FEW:
        codes = native.cast(pl.Enum(sorted(levels)), strict=False).to_physical()
        if codes.null_count() == holes:
            return sorted(levels), codes.fill_null(len(levels)).to_numpy()
        more = native.filter(codes.is_null() & native.is_not_null()).unique().to_list()
    return None


def _arrow_codes(native: Any) -> tuple[list[str], npt.NDArray[np.uint8]] | None:
    import pyarrow as pa

    found = native.combine_chunks().dictionary_encode()
    present = found.dictionary.to_pylist()
    if len(present) > FEW:
        return None
    levels = sorted(present)
    place = np.array([*(levels.index(level) for level in present), len(levels)], dtype=np.uint8)
    return levels, place[found.indices.cast(pa.int64()).fill_null(len(present)).to_numpy(zero_copy_only=False)]


def counts(column: Series) -> dict[Any, int]:
    """How often each value occurs, in the order of levels, else sorted; missing values are left out.

    >>> import polars as pl
    >>> counts(nw.from_native(pl.Series(["b", "a", "b", None]), series_only=True))
    {'a': 1, 'b': 2}
    """
    if kind(column.dtype) == "categorical":
        levels = levels_of(column)
        codes = codes_of(column, levels)
        found = np.bincount(codes[codes >= 0], minlength=len(levels)).tolist()
        return {level: n for level, n in zip(levels, found, strict=True) if n}
    table = column.drop_nulls().value_counts(name="count of values")
    present = {_plain(v): int(n) for v, n in table.rows() if v == v}
    return dict(sorted(present.items()))


def trimmed(column: Series) -> Series:
    """The column without the levels that its type states and no row has."""
    return column if declared_levels(column) is None else with_levels(column, list(counts(column)))


def mode(column: Series) -> Any:
    """The most frequent value, the first of equals; None where all is missing."""
    if kind(column.dtype) == "numeric" and column.null_count() < len(column):
        values = column.drop_nulls().to_numpy()
        present, times = np.unique(values[values == values], return_counts=True)
        return present[int(times.argmax())].item() if len(present) else None
    found = counts(column)
    return max(found, key=found.__getitem__) if found else None


def _plain(value: Any) -> Any:
    """Python's own value for a numpy or pandas one."""
    convert = getattr(value, "to_pydatetime", None) or getattr(value, "item", None)
    return convert() if convert else value


def from_codes(name: str, codes: Any, levels: Sequence[Any], like: Series | nw.DataFrame[Any]) -> Series:
    """Categories from positions in `levels` (-1 is missing), in `like`'s library, ordered where `like` is."""
    library = like.implementation
    if library.is_pandas():
        import pandas as pd

        ordered = isinstance(like, nw.Series) and getattr(like.to_native().dtype, "ordered", False)
        return _wrap(pd.Series(pd.Categorical.from_codes(codes, list(levels), ordered=bool(ordered)), name=name))
    if library.is_pyarrow():
        import pyarrow as pa

        indices = pa.array(codes, type=pa.int32(), mask=codes < 0)
        made = pa.DictionaryArray.from_arrays(
            indices, pa.array(list(levels)) if levels else pa.array([], pa.string()), ordered=True
        )
        return _wrap(pa.chunked_array([made])).alias(name)
    import polars as pl

    labels = pl.Series(list(levels), dtype=pl.Enum(list(levels)))
    return _wrap(labels.gather(pl.Series(codes).replace(-1, None)).alias(name))


def _wrap(native: Any) -> Series:
    return nw.from_native(native, series_only=True)
