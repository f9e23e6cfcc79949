"""The way in: whatever users hold (pandas, polars, pyarrow, dictionary, numpy, torch) becomes one narwhals frame.

`read_frame` takes a table, `read_xy` features and labels apart; both answer a frame with unique text column names, plain
positions as index and a type for each column. `View` is a frame and the rows in use of it: filtering copies no data.
Neighbours: `columns` below, `task` above.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from pipeops.data.columns import IntArray, kind
from pipeops.errors import DataError, listing

ACCEPTED = "a pandas, polars or pyarrow table or a dictionary of arrays"


class View:
    """A frame and, when filtered, the positions of the rows in use; `memo` keeps what was worked out from the whole frame."""

    __slots__ = ("frame", "memo", "rows")

    def __init__(self, frame: nw.DataFrame[Any], rows: IntArray | None = None, memo: dict[Any, Any] | None = None):
        self.frame, self.rows = frame, rows
        self.memo: dict[Any, Any] = {} if memo is None else memo

    def __getstate__(self) -> tuple[nw.DataFrame[Any], IntArray | None]:
        return self.frame, self.rows

    def __setstate__(self, state: tuple[nw.DataFrame[Any], IntArray | None]) -> None:
        self.frame, self.rows = state
        self.memo = {}

    def take(self, positions: IntArray) -> "View":
        """The rows at these positions of this view, in that order."""
        return View(self.frame, positions if self.rows is None else self.rows[positions], self.memo)

    @property
    def schema(self) -> Mapping[str, nw.dtypes.DType]:
        """Types by column name."""
        if "schema" not in self.memo:
            self.memo["schema"] = dict(self.frame.schema)
        return self.memo["schema"]

    def select(self, names: Sequence[str]) -> nw.DataFrame[Any]:
        """These columns for the rows in use; the frame itself when that is all of it."""
        frame = self.frame if list(names) == self.frame.columns else _some(self.frame, names)
        return frame if self.rows is None or not names else _gather(frame, self.rows)

    def column(self, name: str) -> nw.Series[Any]:
        """One column for the rows in use."""
        if self.rows is None:
            return self.frame.get_column(name)
        return self.select([name]).get_column(name)


def _some(frame: nw.DataFrame[Any], names: Sequence[str]) -> nw.DataFrame[Any]:
    if frame.implementation.is_polars() and names:
        return frame[list(names)]
    return frame.select(*names)


def _gather(frame: nw.DataFrame[Any], rows: IntArray) -> nw.DataFrame[Any]:
    return _plain_index(frame[rows])


def _plain_index(frame: nw.DataFrame[Any]) -> nw.DataFrame[Any]:
    """pandas aligns by index when frames meet; positions are the only index here."""
    if frame.implementation.is_pandas_like():
        native = frame.to_native()
        index = native.index
        if not (type(index).__name__ == "RangeIndex" and index.start == 0 and index.step == 1):
            return nw.from_native(native.reset_index(drop=True), eager_only=True)
    return frame


def read_frame(data: Any) -> nw.DataFrame[Any]:
    """A table as a narwhals frame of its own library; lazy frames are collected, dictionaries become polars.

    >>> read_frame({"a": [1, 2], "b": ["x", "y"]}).columns
    ['a', 'b']
    """
    if isinstance(data, Mapping):
        data = _from_dict(data)
    elif isinstance(data, nw.DataFrame | nw.LazyFrame):
        data = data.to_native()
    _refuse_duplicates(data)
    try:
        frame = nw.from_native(data)
    except TypeError:
        raise DataError(f"Cannot read a table from {_describe(data)}; pass {ACCEPTED}, or X and y apart.") from None
    return _typed(_plain_index(_apart(frame.collect() if isinstance(frame, nw.LazyFrame) else frame)))


def _apart(frame: nw.DataFrame[Any]) -> nw.DataFrame[Any]:
    """The same columns in a frame of their own, so that what users write into theirs later does not reach the task."""
    native: Any = frame.to_native()
    if frame.implementation.is_polars():
        return nw.from_native(native.clone(), eager_only=True)
    return nw.from_native(native.copy(deep=False), eager_only=True) if frame.implementation.is_pandas() else frame


def read_xy(x: Any, y: Any, target: str | None) -> tuple[nw.DataFrame[Any], str]:
    """Features and labels apart as one frame and the name of the label column (`target`, else y's own name, else "y")."""
    if isinstance(y, str):
        raise DataError(f"y is the text {y!r}, not a column of labels; to name the target column write target={y!r}.")
    frame = read_frame(x) if not _is_array(x) else _from_array(_to_numpy(x))
    name = str(target or getattr(y, "name", None) or "y")
    if name in frame.columns:
        raise DataError(f"X already has a column '{name}': name the labels otherwise with target=, or leave y out.")
    labels = _labels(name, y, frame)
    if frame.columns and len(labels) != len(frame):
        raise DataError(f"X has {len(frame)} rows and y has {len(labels)} values; they must be equally many.")
    return _typed(frame.with_columns(labels) if frame.columns else labels.to_frame()), name


def _labels(name: str, y: Any, frame: nw.DataFrame[Any]) -> nw.Series[Any]:
    if not _is_array(y):
        try:
            series = nw.from_native(y, series_only=True)
            if series.implementation == frame.implementation:
                return _plain_index(series.alias(name).to_frame()).get_column(name)
            y = series.to_list()
        except TypeError:
            y = list(y)
    values = np.array(_to_numpy(y)) if _is_array(y) else y
    if isinstance(values, np.ndarray) and values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if isinstance(values, np.ndarray) and values.ndim != 1:
        raise DataError(f"y has the shape {values.shape}; pass one label for each row.")
    return nw.new_series(name, _plain(values), backend=frame.implementation)


def _is_array(data: Any) -> bool:
    torch = sys.modules.get("torch")
    return isinstance(data, np.ndarray) or (torch is not None and isinstance(data, torch.Tensor))


def _to_numpy(data: Any) -> npt.NDArray[Any]:
    if isinstance(data, np.ndarray):
        return data
    data = data.detach().cpu()
    return data.float().numpy() if str(data.dtype) in ("torch.bfloat16", "torch.float16") else data.numpy()


def _plain(values: Any) -> Any:
    """Object arrays as lists, so that frame libraries look at the values."""
    return values.tolist() if isinstance(values, np.ndarray) and values.dtype == object else values


def _from_array(array: npt.NDArray[Any]) -> nw.DataFrame[Any]:
    if array.ndim != 2:
        raise DataError(f"X has the shape {array.shape}; an array of features has two dimensions, (rows, features).")
    return read_frame({f"V{j + 1}": array[:, j] for j in range(array.shape[1])})


def _from_dict(data: Mapping[Any, Any]) -> Any:
    import polars as pl

    series = [_from_values(str(name), values) for name, values in data.items()]
    lengths = {s.name: len(s) for s in series}
    if len(set(lengths.values())) > 1:
        raise DataError(f"The columns have unequal lengths: {', '.join(f'{k!r} {n}' for k, n in lengths.items())}.")
    return pl.DataFrame(series)


def _from_values(name: str, values: Any) -> Any:
    import polars as pl

    if isinstance(values, str | bytes) or not hasattr(values, "__len__"):
        raise DataError(f"The column '{name}' is {_describe(values)}; pass an array or a list with one value for each row.")
    values = _plain(np.array(_to_numpy(values)) if _is_array(values) else values)  # polars may keep an array as it is
    if hasattr(values, "to_list") and not isinstance(values, pl.Series):
        values = values.to_list()
    try:
        return pl.Series(name, values)
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise DataError(f"The column '{name}' holds values of different types: {error}".split("\n")[0]) from None


def _refuse_duplicates(data: Any) -> None:
    if hasattr(data, "collect"):
        return
    names = getattr(data, "column_names", None) or getattr(data, "columns", ())
    try:
        texts = [str(name) for name in names]
    except TypeError:
        return
    twice = sorted({name for name in texts if texts.count(name) > 1}) if len(set(texts)) < len(texts) else []
    if twice:
        raise DataError(f"Duplicate column names: {listing(twice)}; rename or drop all but one of each.")


def _typed(frame: nw.DataFrame[Any]) -> nw.DataFrame[Any]:
    """Text names; a type for columns that came without one (all null, or Python objects in pandas)."""
    if not all(isinstance(name, str) for name in frame.columns):
        frame = frame.rename({name: str(name) for name in frame.columns})
    untyped = (nw.Object, nw.Unknown, nw.String) if frame.implementation.is_pandas() else (nw.Object, nw.Unknown)
    loose = {name: _infer(frame.get_column(name)) for name, dtype in frame.schema.items() if dtype in untyped}
    changed = [column for name, column in loose.items() if column.dtype != frame.schema[name]]
    return frame.with_columns(*changed) if changed else frame


def _infer(column: nw.Series[Any]) -> nw.Series[Any]:
    if column.dtype == nw.String and column.to_native().dtype != object:
        return column
    if column.null_count() == len(column):
        return column.cast(nw.Float64)
    if column.dtype == nw.Object and column.implementation.is_pandas():
        return nw.from_native(column.to_native().convert_dtypes(), series_only=True)
    return column


def refuse_unsupported(frame: nw.DataFrame[Any], names: Sequence[str]) -> None:
    """Refuse columns of a type that no operator could take, all in one message."""
    schema = frame.schema
    strange = [f"'{name}' ({schema[name]})" for name in names if kind(schema[name]) == "unsupported"]
    if strange:
        raise DataError(
            f"Columns of a type that a task cannot hold: {', '.join(strange[:8])}; convert them to numbers, booleans, text, "
            "categories, dates or fixed-size arrays, or drop them."
        )


def _describe(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
