"""What a column is and how its values become numbers, one implementation for every frame library.

Kinds, levels, integer codes, missing values and numpy views of single columns. Nothing here knows about tasks.
Neighbours: `frames` reads what users hand in, `matrix` fills arrays from columns, `task` puts roles on them.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from pipeops.errors import DataError

KINDS = ("numeric", "boolean", "categorical", "datetime", "tensor")
IntArray = npt.NDArray[np.int64]

SOURCE, ROW = "tensor_source", "tensor_row"
LAZY = nw.Struct({SOURCE: nw.Int64, ROW: nw.Int64})
"""The type of a column of tensors that are read when they are needed, see `tensors`."""
TENSOR_ADVICE = (
    '; tensors go into a network by po("torch_ingress_ltnsr"), or are left out by po("select", selector=~selector_type("tensor"))'
)

_INTEGERS = (nw.Int8, nw.Int16, nw.Int32, nw.Int64, nw.UInt8, nw.UInt16, nw.UInt32, nw.UInt64)
_KINDS: dict[type[nw.dtypes.DType], str] = {
    **dict.fromkeys((*_INTEGERS, nw.Float32, nw.Float64, nw.Decimal), "numeric"),
    **dict.fromkeys((nw.String, nw.Categorical, nw.Enum), "categorical"),
    **dict.fromkeys((nw.Date, nw.Datetime), "datetime"),
    nw.Boolean: "boolean",
    nw.Array: "tensor",
}
_PLAIN = {*_INTEGERS, nw.Float32, nw.Float64, nw.Boolean, nw.String}
"""Types without arguments."""


def kind(dtype: nw.dtypes.DType) -> str:
    """The kind of a column: one of `KINDS`, or "unsupported" (lists, other structs, durations, arbitrary objects).

    >>> kind(nw.Int64()), kind(nw.Enum(["a", "b"]))
    ('numeric', 'categorical')
    """
    known = _KINDS.get(type(dtype))
    return known or ("tensor" if isinstance(dtype, nw.Struct) and dtype == LAZY else "unsupported")


def schema_of(frame: nw.DataFrame[Any]) -> dict[str, nw.dtypes.DType]:
    """Types by column name; for pandas each of numpy's types is looked up once.

    >>> import polars as pl
    >>> schema_of(nw.from_native(pl.DataFrame({"a": [1]})))
    {'a': Int64}
    """
    if frame.implementation.is_polars():
        return _schema_of_polars(frame)
    if not frame.implementation.is_pandas():
        return dict(frame.schema)
    known: dict[Any, nw.dtypes.DType] = {}
    found: dict[str, nw.dtypes.DType] = {}
    dtypes = frame.to_native().dtypes
    for name, dtype in zip(dtypes.index.tolist(), dtypes.tolist(), strict=True):
        if not isinstance(dtype, np.dtype) or dtype.kind == "O":
            found[name] = frame.get_column(name).dtype
            continue
        if dtype not in known:
            known[dtype] = frame.get_column(name).dtype
        found[name] = known[dtype]
    return found


def _schema_of_polars(frame: nw.DataFrame[Any]) -> dict[str, nw.dtypes.DType]:
    """A polars type that is nothing but its class is looked up once, by the identity of the class (equality takes longer)."""
    native: Any = frame.to_native()
    known: dict[int, nw.dtypes.DType] = {}
    found: dict[str, nw.dtypes.DType] = {}
    names, dtypes = native.columns, native.dtypes
    if len(set(map(type, dtypes))) == 1 and type(one := frame.get_column(names[0]).dtype) in _PLAIN:
        return dict.fromkeys(names, one)
    for name, dtype in zip(names, dtypes, strict=True):
        place = id(type(dtype))
        if place not in known:
            known[place] = frame.get_column(name).dtype
        found[name] = known[place] if type(known[place]) in _PLAIN else frame.get_column(name).dtype
    return found


def missing_mask(column: nw.Series[Any]) -> npt.NDArray[np.bool_]:
    """True where the column is null or NaN."""
    if column.implementation.is_polars() and column.dtype.is_float():
        native = column.to_native()
        return (native.is_null() | native.is_nan()).to_numpy()
    mask = column.is_null()
    if column.dtype.is_float():
        mask = mask | column.is_nan().fill_null(True)
    return mask.to_numpy().astype(bool, copy=False)


def missing_counts(frame: nw.DataFrame[Any]) -> dict[str, int]:
    """Nulls and NaNs in each column.

    >>> import polars as pl
    >>> missing_counts(nw.from_native(pl.DataFrame({"a": [1.0, None, float("nan")], "b": ["x", None, "y"]})))
    {'a': 2, 'b': 1}
    """
    return {column.name: _missing_count(column) for column in frame.iter_columns()}


def _missing_count(column: nw.Series[Any]) -> int:
    if column.implementation.is_polars() and column.dtype.is_float():
        native = column.to_native()
        return int(native.null_count() + (native.is_nan().sum() or 0))
    if column.dtype.is_float():
        return int(np.count_nonzero(np.isnan(column.to_numpy())))
    return int(column.null_count())


def declared_levels(column: nw.Series[Any]) -> list[Any] | None:
    """The order of levels that the column's own type states (Enum, pandas Categorical, ordered dictionary), else None."""
    dtype, native = column.dtype, column.to_native()
    if not isinstance(dtype, nw.Enum | nw.Categorical):
        return None
    if column.implementation.is_polars():
        return list(dtype.categories) if isinstance(dtype, nw.Enum) else None
    if hasattr(getattr(native, "dtype", None), "categories"):
        return native.dtype.categories.tolist()
    arrow = native.combine_chunks() if column.implementation.is_pyarrow() else column.to_arrow()
    return arrow.dictionary.to_pylist() if arrow.type.ordered else None


def levels_of(column: nw.Series[Any]) -> list[Any]:
    """The levels in their order: the declared ones, else those present, sorted; missing values are no level.

    >>> import polars as pl
    >>> levels_of(nw.from_native(pl.Series(["b", "a", None, "b"]), series_only=True))
    ['a', 'b']
    """
    declared = declared_levels(column)
    if declared is not None:
        return declared
    present = column.drop_nulls().unique()
    values = [v.item() if isinstance(v, np.generic) else v for v in present.to_list()]
    return sorted({v + 0.0 if isinstance(v, float) else v: None for v in values if v == v}, key=_sort_key)


def positive_first(levels: Sequence[Any]) -> list[Any]:
    """Classes in order, but of 0 and 1, or -1 and 1, as numbers, texts or booleans, 1 comes first.

    >>> positive_first(["0", "1"]), positive_first(["a", "b"])
    (['1', '0'], ['a', 'b'])
    """
    pair = [int(level) if isinstance(level, bool) else str(level).removesuffix(".0") for level in levels]
    return list(reversed(levels)) if [str(p) for p in pair] in (["0", "1"], ["-1", "1"]) else list(levels)


def _sort_key(value: Any) -> tuple[str, Any]:
    return ("", value) if isinstance(value, bool | int | float) else (type(value).__name__, value)


def codes_of(column: nw.Series[Any], levels: Sequence[Any]) -> IntArray:
    """Position of each value in `levels`, int64; -1 for missing values and for values that are not among them.

    >>> import polars as pl
    >>> codes_of(nw.from_native(pl.Series(["b", "a", None, "z"]), series_only=True), ["a", "b"])
    array([ 1,  0, -1, -1])
    """
    if not len(levels) or not len(column):
        return np.full(len(column), -1, dtype=np.int64)
    if kind(column.dtype) == "categorical" and all(isinstance(level, str) for level in levels):
        codes = _physical(column, levels)
        if codes is not None:
            return codes
    column = column + 0.0 if column.dtype.is_float() else column  # -0.0 is 0.0
    found = column.replace_strict(list(levels), list(range(len(levels))), default=-1, return_dtype=nw.Int64)
    return found.to_numpy().astype(np.int64, copy=False)


def small_codes(column: nw.Series[Any], levels: Sequence[Any]) -> npt.NDArray[Any]:
    """As `codes_of`, but in one byte where there are few levels, and with their number for what is none of them."""
    k = len(levels)
    if column.implementation.is_polars() and isinstance(column.dtype, nw.String | nw.Enum) and 0 < k < 250:
        import polars as pl

        native = column.to_native().cast(pl.Enum(levels), strict=False).to_physical()
        if native.dtype == pl.UInt8:
            return native.fill_null(k).to_numpy()
    codes = codes_of(column, levels)
    small = codes.astype(np.uint8 if k < 250 else np.int32)
    small[codes < 0] = k
    return small


def _physical(column: nw.Series[Any], levels: Sequence[str]) -> IntArray | None:
    """Codes from the integers that a library itself keeps for categories, without looking at texts again; None without any."""
    native = column.to_native()
    if column.implementation.is_polars():
        import polars as pl

        return native.cast(pl.Enum(levels), strict=False).to_physical().cast(pl.Int64).fill_null(-1).to_numpy()
    if column.implementation.is_pandas() and "pyarrow" in str(getattr(native.dtype, "storage", "")):
        native = native.array._pa_array
    elif column.implementation.is_pandas() and hasattr(native, "cat"):
        return _translated(native.cat.codes.to_numpy(), native.cat.categories.tolist(), levels)
    if hasattr(native, "combine_chunks"):
        import pyarrow as pa

        found = native.combine_chunks()
        found = found if pa.types.is_dictionary(found.type) else found.dictionary_encode()
        return _translated(
            found.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False), found.dictionary.to_pylist(), levels
        )
    return None


def _translated(codes: npt.NDArray[Any], present: Sequence[Any], levels: Sequence[str]) -> IntArray:
    """Codes over `present` as codes over `levels`; the last entry of the table stands for -1."""
    place = {level: code for code, level in enumerate(levels)}
    return np.array([*(place.get(value, -1) for value in present), -1], dtype=np.int64)[codes]


def combined_codes(columns: Sequence[nw.Series[Any]]) -> tuple[IntArray, list[Any]]:
    """A code for each row, from 0, and the label of each code: the values that occur, or tuples of them for several columns.

    A missing value is a label of its own, None.
    """
    parts = [_present_codes(column) for column in columns]
    if len(parts) == 1:
        return parts[0]
    seen, codes = np.unique(np.stack([c for c, _ in parts], axis=1), axis=0, return_inverse=True)
    labels = [tuple(known[i] for (_, known), i in zip(parts, row, strict=True)) for row in seen.tolist()]
    return codes.reshape(-1).astype(np.int64), labels


def _present_codes(column: nw.Series[Any]) -> tuple[IntArray, list[Any]]:
    levels = levels_of(column)
    codes = codes_of(column, levels)
    present = np.unique(codes)
    labels = [None if code < 0 else levels[code] for code in present.tolist()]
    return np.searchsorted(present, codes).astype(np.int64), labels


def weight_values(column: nw.Series[Any], task_id: str) -> npt.NDArray[np.float64]:
    """A column of weights as float64; refused where one is missing or negative."""
    weights = column.cast(nw.Float64).to_numpy() if kind(column.dtype) in ("numeric", "boolean") else np.array([np.nan])
    if not ((weights >= 0) & np.isfinite(weights)).all():
        raise DataError(
            f"The weights in '{column.name}' of the task '{task_id}' must be finite numbers from 0, none of them missing."
        )
    return weights


def label_array(levels: Sequence[Any], codes: IntArray) -> npt.NDArray[Any]:
    """The labels that codes stand for, as what they are: ints, floats, bools, else objects; code -1 is missing (None or NaN).

    >>> label_array(["M", "R"], np.array([1, 0, -1]))
    array(['R', 'M', None], dtype=object)
    """
    kinds = {type(level) for level in levels}
    plain = kinds.pop() if len(kinds) == 1 and kinds <= {bool, int, float} else object
    labels = np.empty(len(levels) + 1, dtype=object)
    labels[:-1] = list(levels)
    if plain is object or (plain is not float and (codes < 0).any()):
        return labels[codes]
    labels[-1] = np.nan if plain is float else False
    return labels.astype(plain)[codes]


class Holed:
    """A polars column with missing values as an array of floats with NaN, of which a window of rows only is made at a time."""

    NUMBERS = 1 << 21
    """So many in the windows of all columns together; a small window costs more to ask for than to fill."""

    def __init__(self, column: Any, window: int):
        self.column, self.window = column, window
        self.dtype = np.dtype(np.float32 if str(column.dtype) == "Float32" else np.float64)
        self._start, self._made = 0, np.empty(0, dtype=self.dtype)

    def __getitem__(self, rows: Any) -> npt.NDArray[Any]:
        if not isinstance(rows, slice):
            return self._filled(self.column.gather(rows))
        start, stop, _ = rows.indices(len(self.column))
        if not self._start <= start <= stop <= self._start + len(self._made):
            self._start, self._made = start, self._filled(self.column[start : max(stop, start + self.window)])
        return self._made[start - self._start : stop - self._start]

    @staticmethod
    def _filled(column: Any) -> npt.NDArray[Any]:
        return column.fill_null(float("nan")).to_numpy()  # five times as fast as to_numpy, which looks at every value


def number_arrays(frame: nw.DataFrame[Any], names: Iterable[str]) -> list[npt.NDArray[Any]]:
    """Numeric and boolean columns as numpy arrays, without a copy where their memory allows.

    Booleans stay bool; what has missing values becomes float, with NaN.
    """
    return [column[:] for column in readable(frame, names)]


def readable(frame: nw.DataFrame[Any], names: Iterable[str]) -> list[npt.NDArray[Any] | Holed]:
    """As `number_arrays`, but polars columns with missing values are made where they are read."""
    names = list(names)
    wanted, found = set(names), dict[str, npt.NDArray[Any] | Holed]()
    window = max(Holed.NUMBERS // max(1, len(names)), 1 << 13)
    for name, column in _native_columns(frame):
        if name in wanted:
            found[name] = _number_array(frame, name, column, window)
    return [found[name] for name in names]


def _number_array(frame: nw.DataFrame[Any], name: str, column: Any, window: int) -> npt.NDArray[Any] | Holed:
    if frame.implementation.is_polars() and column.dtype.is_float() and column.null_count():
        return Holed(column, window)
    array = column if isinstance(column, np.ndarray) else column.to_numpy()
    return array if array.dtype.kind in "fiub" else frame.get_column(name).cast(nw.Float64).to_numpy()


WIDE = 1 << 12
"""Rows up to which the columns of a polars frame are copied to one matrix rather than looked at one by one."""


def number_matrix(frame: nw.DataFrame[Any], names: Sequence[str]) -> npt.NDArray[Any] | None:
    """Float columns of one type as one array (columns, rows), where that costs less than walking over them."""
    native: Any = frame.to_native()
    if frame.implementation.is_polars():
        if len(frame) > WIDE or len(names) < 2:
            return None
        some = native if list(names) == native.columns else native[list(names)]
        types = set(map(type, some.dtypes))
        return some.to_numpy().T if len(types) == 1 and types.pop().is_float() else None
    if not frame.implementation.is_pandas() or len(names) < 2:
        return None
    run = slice_of(names, native.columns.tolist())
    some = native if run is None else native.iloc[:, run]
    plain = run is not None and isinstance(some.dtypes.iloc[0], np.dtype) and some.dtypes.nunique() == 1
    return some.to_numpy().T if plain and some.dtypes.iloc[0].kind == "f" else None


def slice_of(names: Sequence[str], present: list[str]) -> slice | None:
    """Where these names stand next to each other among those present."""
    first = present.index(names[0])
    return slice(first, first + len(names)) if present[first : first + len(names)] == list(names) else None


def is_matrix(frame: nw.DataFrame[Any]) -> bool:
    """Whether this is a pandas frame over numpy's own types, whose columns are one matrix."""
    return frame.implementation.is_pandas() and all(isinstance(dtype, np.dtype) for dtype in frame.to_native().dtypes)


def _native_columns(frame: nw.DataFrame[Any]) -> Iterable[tuple[str, Any]]:
    """Name and column, in the library's own type where that is cheaper to walk over."""
    native: Any = frame.to_native()
    if frame.implementation.is_polars():
        return ((column.name, column) for column in native.get_columns())
    if frame.implementation.is_pandas():
        if all(isinstance(dtype, np.dtype) and dtype.kind in "fiub" for dtype in set(native.dtypes)):
            return zip(native.columns, _columns_of(native), strict=True)
        return native.items()
    return ((column.name, column) for column in frame.iter_columns())


def _columns_of(native: Any) -> Iterable[npt.NDArray[Any]]:
    """Columns of a pandas frame as arrays: of its one block where there is one, which costs a hundredth of walking over it."""
    if native.dtypes.nunique() == 1:
        return native.to_numpy().T
    return (column.to_numpy() for _, column in native.items())


def new_frame(columns: Mapping[str, Any], like: nw.DataFrame[Any]) -> nw.DataFrame[Any]:
    """A frame of `like`'s library from arrays or series of equal length.

    >>> import polars as pl
    >>> new_frame({"a": np.array([1, 2])}, like=nw.from_native(pl.DataFrame({"b": [0]}))).to_native().shape
    (2, 1)
    """
    series = [c for c in columns.values() if isinstance(c, nw.Series)]
    if series and len(series) == len(columns):  # from_dict would take an Enum for a Categorical
        named = [c.alias(name) for name, c in columns.items()]
        return named[0].to_frame().with_columns(*named[1:])
    return nw.from_dict(dict(columns), backend=like.implementation)
