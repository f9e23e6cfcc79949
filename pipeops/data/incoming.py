"""One column on its way in: from whatever holds its values to a series with a type, and from one library to another.

`column_of` reads values, `typed` gives a type that operators can take (decimals are numbers, fixed offsets are UTC, Python
objects what they hold), `moved` keeps values, missing ones and the order of categories when the library changes.
Neighbours: `columns` and `levels` below; `frames` reads tables with it.
"""

import sys
from collections import abc
from decimal import Decimal
from numbers import Real
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from pipeops.data.columns import LAZY, ROW, SOURCE, codes_of, declared_levels
from pipeops.data.levels import from_codes
from pipeops.data.tensors import LazyTensor, moved_lazy, structs
from pipeops.errors import DataError

Series = nw.Series[Any]


def is_array(data: Any) -> bool:
    """Whether this is a numpy array or a torch tensor."""
    torch = sys.modules.get("torch")
    return isinstance(data, np.ndarray) or (torch is not None and isinstance(data, torch.Tensor))


def as_array(data: Any) -> npt.NDArray[Any]:
    """A numpy array, from one or from a torch tensor on any device; half precision becomes float32."""
    if not isinstance(data, np.ndarray):
        data = data.detach().cpu()
        data = (data.float() if str(data.dtype) == "torch.bfloat16" else data).numpy()
    return data.astype(np.float32) if data.dtype == np.float16 else data


def describe(value: Any) -> str:
    """The type of a value, in words."""
    return f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")


def column_of(name: str, values: Any) -> Series:
    """Values of one column as a series: of their own library where they have one, else of polars.

    >>> column_of("x", [4, 3.9, None]).to_list()
    [4.0, 3.9, None]
    """
    if isinstance(values, LazyTensor):
        return values.column(name)
    if isinstance(values, str | bytes | abc.Mapping | abc.Set) or not hasattr(values, "__len__"):
        raise DataError(f"The column '{name}' is {describe(values)}; pass an array or a list with one value for each row.")
    native = _native(values)
    if native is not None:
        return typed(nw.from_native(native, series_only=True).alias(name))
    return typed(nw.from_native(_from_values(name, values), series_only=True))


def _native(values: Any) -> Any:
    """A series that narwhals knows, from one or from an array of pandas or Arrow; None for anything else."""
    if isinstance(values, nw.Series):
        return values.to_native()
    if type(values).__module__.partition(".")[0] == "pandas":
        import pandas as pd

        return values.reset_index(drop=True) if isinstance(values, pd.Series) else pd.Series(values)
    if type(values).__module__.partition(".")[0] == "pyarrow":
        import pyarrow as pa

        return pa.chunked_array([values]) if isinstance(values, pa.Array) else values
    return values if isinstance(nw.from_native(values, series_only=True, pass_through=True), nw.Series) else None


def _from_values(name: str, values: Any) -> Any:
    import polars as pl

    values = _as_one(name, values)
    if is_array(values) and not isinstance(values, np.ma.MaskedArray) and as_array(values).dtype != object:
        return pl.Series(name, np.array(as_array(values)))  # polars may keep an array as it is
    try:
        return pl.Series(name, _alike(values.tolist() if isinstance(values, np.ndarray) else list(values)))
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as error:
        raise DataError(f"The column '{name}' holds values of different types: {error}".split("\n")[0]) from None


def _as_one(name: str, values: Any) -> Any:
    """Arrays or tensors one for each row as one array; anything else as it is."""
    several = values if isinstance(values, list | tuple) else ()
    if not several or not all(is_array(v) and v.ndim for v in several):
        return values
    shapes = sorted({tuple(v.shape) for v in several})
    if len(shapes) > 1:
        raise DataError(
            f"The column '{name}' holds arrays of different shapes ({shapes[0]}, {shapes[1]}); as_lazy_tensor(values, "
            "shape=...) with None for what differs makes a column of them."
        )
    return np.stack([_numbers(as_array(v)) for v in several])


def _numbers(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """An array of arrays, as pandas makes of them, as one."""
    nested = array.dtype == object and array.ndim == 1 and len(array) and all(isinstance(v, np.ndarray) for v in array)
    return np.stack([_numbers(v) for v in array]) if nested else array


def _alike(values: list[Any]) -> list[Any]:
    """Values of one type where they are numbers of several, or values and the missing ones of other libraries."""
    types = set(map(type, values)) - {type(None)}
    if len(types) == 1 and types <= {int, float, bool, str}:
        return values
    found = [v.item() if isinstance(v, np.generic) else v for v in values]
    found = [None if type(v).__name__ in ("NAType", "NaTType") else v for v in found]
    kinds = {type(v) for v in found if v is not None}
    if kinds <= {int, float, Decimal} and kinds - {int}:
        return [v if v is None else float(v) for v in found]
    return [None if isinstance(v, Real) and v != v else v for v in found] if kinds == {str, float} else found


def typed(column: Series) -> Series:
    """The column in a type that operators can take, where it has one: numbers, booleans, texts, categories, moments."""
    dtype = column.dtype
    if any(dtype == kind for kind in (nw.Decimal, nw.Int128, nw.UInt128)):
        return column.cast(nw.Float64)
    if isinstance(dtype, nw.Datetime):
        return column.cast(nw.Datetime(dtype.time_unit, "UTC")) if _is_offset(dtype.time_zone) else column
    if column.implementation.is_pyarrow():
        return _typed_arrow(column)
    if column.implementation.is_pandas() and any(dtype == kind for kind in (nw.Object, nw.Unknown, nw.String)):
        return _typed_pandas(column)
    return column.cast(nw.Float64) if dtype == nw.Unknown and column.null_count() == len(column) else column


def _is_offset(zone: str | None) -> bool:
    return zone is not None and zone.startswith(("+", "-", "UTC+", "UTC-"))


def _typed_arrow(column: Series) -> Series:
    import pyarrow as pa

    native = column.to_native()
    if pa.types.is_dictionary(native.type):
        return nw.from_native(_one_dictionary(native), series_only=True).alias(column.name)
    if pa.types.is_null(native.type):
        return column.cast(nw.Float64)
    made = {
        pa.float16(): pa.float32(),
        pa.date64(): pa.date32(),
        pa.string_view(): pa.large_string(),
    }.get(native.type, pa.float64() if pa.types.is_decimal(native.type) else None)
    return column if made is None else nw.from_native(native.cast(made), series_only=True).alias(column.name)


def _one_dictionary(native: Any) -> Any:
    """Categories in chunks with dictionaries of their own, over one dictionary; no null stands in it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    parts = [chunk.dictionary for chunk in native.chunks]
    if len(parts) == 1 and not parts[0].null_count and len(parts[0].unique()) == len(parts[0]):
        return native
    value_type = native.type.value_type
    words = (pa.chunked_array(parts, type=value_type).unique() if parts else pa.array([], value_type)).drop_null()
    codes = pc.index_in(native.cast(value_type), words)  # type: ignore[attr-defined]
    codes = codes.combine_chunks() if isinstance(codes, pa.ChunkedArray) else codes
    return pa.chunked_array([pa.DictionaryArray.from_arrays(codes, words, ordered=native.type.ordered)])


def _typed_pandas(column: Series) -> Series:
    import pandas as pd

    native = column.to_native()
    if native.dtype == object:
        native = _typed_objects(native)
    elif isinstance(native.dtype, pd.SparseDtype):
        native = native.sparse.to_dense()
    elif str(native.dtype) == "float16":
        native = native.astype("float32")
    elif getattr(native.dt, "tz", None) is not None if hasattr(native, "dt") else False:
        native = native.dt.tz_convert("UTC")
    elif str(native.dtype) == "null[pyarrow]":
        native = native.astype("float64")
    return nw.from_native(native, series_only=True)


def _typed_objects(native: Any) -> Any:
    """A pandas column of Python objects as the type that they have in common, if any."""
    import pandas as pd

    if len(native) and all(isinstance(v, dict) and tuple(v) == (SOURCE, ROW) for v in native):
        numbers, rows = ([cell[part] for cell in native] for part in (SOURCE, ROW))  # pandas makes dictionaries of structs
        return structs(str(native.name), numbers, rows, nw.Implementation.PANDAS).to_native()
    if len(native) and all(is_array(v) and v.ndim for v in native):
        return _from_arrow(_from_values(str(native.name), list(native)).to_arrow(), nw.Implementation.PANDAS)
    if native.isna().all():
        return native.astype("float64")
    held = pd.api.types.infer_dtype(native, skipna=True)
    return native.astype("float64") if held == "decimal" else native if held == "string" else native.convert_dtypes()


def moved(column: Series, library: Any) -> Series:
    """The column in another library: the same values, missing where they were, categories in their order."""
    if column.implementation == library:
        return column
    if column.dtype == LAZY:
        return moved_lazy(column, library)
    levels = declared_levels(column)
    if levels is not None and all(isinstance(level, str) for level in levels):
        like = nw.new_series(column.name, [0], backend=library)
        return from_codes(column.name, codes_of(column, levels), levels, like)
    if isinstance(column.dtype, nw.Categorical | nw.Enum) and levels is None:
        column = column.cast(nw.String)
    return typed(nw.from_native(_from_arrow(column.to_arrow(), library), series_only=True).alias(column.name))


def _from_arrow(values: Any, library: Any) -> Any:
    import pyarrow as pa

    chunks = values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([values])
    chunks = chunks.cast(chunks.type.value_type) if pa.types.is_dictionary(chunks.type) else chunks
    if library.is_polars():
        import polars as pl

        return pl.Series(chunks)
    if library.is_pyarrow():
        return chunks
    import pandas as pd

    keeps = chunks.null_count or pa.types.is_nested(chunks.type)
    return chunks.to_pandas(types_mapper=pd.ArrowDtype) if keeps else chunks.to_pandas()
