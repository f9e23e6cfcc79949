"""Categorical columns with chosen levels, in every frame library. Neighbours: `data.columns` below; impute, encode above."""

from collections.abc import Sequence
from typing import Any

import narwhals as nw

from pipeops.data.columns import codes_of

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


def from_codes(name: str, codes: Any, levels: Sequence[Any], like: Series | nw.DataFrame[Any]) -> Series:
    """Categories from positions in `levels` (-1 is missing), in `like`'s library."""
    library = like.implementation
    if library.is_pandas():
        import pandas as pd

        return _wrap(pd.Series(pd.Categorical.from_codes(codes, list(levels)), name=name))
    if library.is_pyarrow():
        import pyarrow as pa

        indices = pa.array(codes, type=pa.int32(), mask=codes < 0)
        made = pa.DictionaryArray.from_arrays(indices, pa.array(list(levels), type=pa.string()), ordered=True)
        return _wrap(pa.chunked_array([made])).alias(name)
    import polars as pl

    labels = pl.Series(list(levels), dtype=pl.Enum(list(levels)))
    return _wrap(labels.gather(pl.Series(codes).replace(-1, None)).alias(name))


def _wrap(native: Any) -> Series:
    return nw.from_native(native, series_only=True)
