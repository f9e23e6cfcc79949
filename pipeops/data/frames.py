"""The way in: whatever users hold (pandas, polars, pyarrow, dictionary, numpy, torch) becomes one narwhals frame.

`read_frame` takes a table, `read_xy` features and labels apart; both answer a frame with unique text column names, plain
positions as index and a type for each column. `View` is a frame and the rows in use of it: filtering copies no data.
Neighbours: `columns` and `maps` below, `task` above.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from pipeops.data.columns import IntArray, kind, levels_of, schema_of, slice_of, small_codes
from pipeops.data.incoming import as_array, column_of, describe, is_array, moved, typed
from pipeops.data.levels import text_codes
from pipeops.data.maps import ColumnMap, Lookup, after, run
from pipeops.data.positions import names_of
from pipeops.data.tensors import TensorSource, sources
from pipeops.errors import DataError, listing

Frame = nw.DataFrame[Any]
LONG = 10_000
"""From so many rows on the codes of texts are kept, one byte each."""
ACCEPTED = "a pandas, polars or pyarrow table or a dictionary of arrays"


class View:
    """A frame and, when filtered, the positions of the rows in use; `memo` keeps what was worked out from the whole frame.

    A mapped view has no frame at first, but maps and a view `below` them: it knows the names and types of its columns, `matrix`
    reads its numbers through the maps, and only `frame` makes columns of them, once. The sources of lazy tensors that the frame
    mentions are kept alive by it.
    """

    __slots__ = ("_frame", "below", "maps", "memo", "names", "rows")

    def __init__(self, frame: Frame | None, rows: IntArray | None = None, memo: dict[Any, Any] | None = None):
        self._frame, self.rows = frame, rows
        self.memo: dict[Any, Any] = {"sources": [] if frame is None else sources.claim(frame)} if memo is None else memo
        self.below: Any = None
        self.names: tuple[str, ...] = ()
        self.maps: tuple[ColumnMap, ...] = ()

    def __getstate__(self) -> tuple[Frame, IntArray | None, list[TensorSource]]:
        return self.frame, self.rows, self.memo["sources"]

    def __setstate__(self, state: tuple[Frame, IntArray | None, list[TensorSource]]) -> None:
        frame, rows, held = state
        View.__init__(self, frame, rows, {"sources": sources.adopt(held)})

    def mapped(self, names: Sequence[str], maps: Sequence[ColumnMap]) -> "View":
        """These columns after maps over some of them; what the maps need of the data is looked at, nothing is run."""
        over = [each.over(self.column(each.column)) if isinstance(each, Lookup) else each for each in maps]
        names = list(self.schema) if not self.is_made else names
        schema, blockwise = dict(self.types(tuple(names))), True
        for each in over:
            blockwise = blockwise and each.step(each.makes, schema) is not None
            schema.update(each.types(schema))
        new = View(None)
        new.below, new.names, new.maps = (self, tuple(names), ()) if self.is_made else (self.below, self.names, self.maps)
        new.maps += tuple(over)
        new.memo["sources"] = new.below.memo["sources"]
        new.memo["schema"] = {name: schema[name] for name in after(names, over)}
        return new if blockwise else View(new.frame)

    @property
    def is_made(self) -> bool:
        """Whether there is a frame, and not only maps."""
        return self._frame is not None

    @property
    def frame(self) -> Frame:
        """The whole frame; made here where there were only maps."""
        if self._frame is None:
            self._frame = run(self.below.select(self.names), self.maps)
        return self._frame

    @property
    def nrow(self) -> int:
        """How many rows are in use."""
        if self.rows is not None:
            return len(self.rows)
        return len(self.frame) if self.is_made else self.below.nrow

    def take(self, positions: IntArray) -> "View":
        """The rows at these positions of this view, in that order."""
        if self.is_made:
            return View(self.frame, positions if self.rows is None else self.rows[positions], self.memo)
        new = View(None, memo=self.memo)
        new.below, new.names, new.maps = self.below.take(positions), self.names, self.maps
        return new

    @property
    def schema(self) -> Mapping[str, nw.dtypes.DType]:
        """Types by column name."""
        if "schema" not in self.memo:
            self.memo["schema"] = schema_of(self.frame)
        return self.memo["schema"]

    def types(self, names: tuple[str, ...]) -> dict[str, nw.dtypes.DType]:
        """The types of some columns; the same dictionary each time."""
        if ("types", names) not in self.memo:
            schema = self.schema
            whole = tuple(schema) == names
            self.memo["types", names] = dict(schema) if whole else {name: schema[name] for name in names}
        return self.memo["types", names]

    def kinds(self, names: tuple[str, ...]) -> dict[str, str]:
        """The kinds of some columns; the same dictionary each time."""
        if ("kinds", names) not in self.memo:
            types = self.types(names)
            known = dict(zip(map(id, types.values()), types.values(), strict=True))
            kinds = {place: kind(dtype) for place, dtype in known.items()}
            one = dict.fromkeys(names, *kinds.values()) if len(kinds) == 1 else None
            self.memo["kinds", names] = one or {name: kinds[id(dtype)] for name, dtype in types.items()}
        return self.memo["kinds", names]

    def select(self, names: Sequence[str]) -> Frame:
        """These columns for the rows in use; the frame itself when that is all of it."""
        if not self.is_made and self._untouched(names):
            return self.below.select(names)
        frame = chosen(self.frame, names)
        return frame if self.rows is None or not names else _gather(frame, self.rows)

    def column(self, name: str) -> nw.Series[Any]:
        """One column for the rows in use."""
        if not self.is_made and self._untouched([name]):
            return self.below.column(name)
        if self.rows is None:
            return self.frame.get_column(name)
        return self.select([name]).get_column(name)

    def levels(self, name: str) -> list[Any]:
        """The levels of a categorical column in their order."""
        found = self._texts(name)
        return levels_of(self.column(name)) if found is None else list(found[0])

    def codes(self, name: str, levels: Sequence[Any]) -> npt.NDArray[Any]:
        """As `small_codes` of a column."""
        found = self._texts(name)
        if found is None:
            return small_codes(self.column(name), levels)
        present, codes = found
        if present == list(levels):
            return codes
        place, k = {level: code for code, level in enumerate(levels)}, len(levels)
        return np.array([*(place.get(level, k) for level in present), k], dtype=np.uint8 if k < 250 else np.int32)[codes]

    def _texts(self, name: str) -> tuple[list[str], npt.NDArray[np.uint8]] | None:
        """Levels and codes of a long column of texts, which are found once for the whole frame; None for others."""
        if not self.is_made:
            return self.below._texts(name) if self._untouched([name]) else None
        if self.rows is not None or self.nrow < LONG or self.schema[name] != nw.String:
            return None
        if ("texts", name) not in self.memo:
            self.memo["texts", name] = text_codes(self.column(name))
        return self.memo["texts", name]

    def _untouched(self, names: Sequence[str]) -> bool:
        """Whether no map makes any of these columns."""
        return all(set(names).isdisjoint(each.makes) for each in self.maps)


def chosen(frame: Frame, names: Sequence[str]) -> Frame:
    """Some columns, in this order; the frame itself when that is all of it. An expression for each takes ten times as long."""
    if list(names) == frame.columns:
        return frame
    if not frame.implementation.is_pandas() or not names:
        return frame[list(names)] if names else frame.select()
    native = frame.to_native()
    present = native.columns.tolist()
    if len(names) > 1 and (block := slice_of(names, present)) is not None:
        return nw.from_native(native.iloc[:, block], eager_only=True)  # a view, where a choice of columns copies each
    wanted = set(names)
    others = [name for name in present if name not in wanted]
    if len(others) < len(names) and [name for name in present if name in wanted] == list(names):
        return nw.from_native(native.drop(columns=others), eager_only=True)  # ten times as fast in a wide frame
    return nw.from_native(native[list(names)], eager_only=True)


def _gather(frame: Frame, rows: IntArray) -> Frame:
    if not len(rows) and frame.implementation.is_polars():
        return nw.from_native(frame.to_native().clear(), eager_only=True)  # fast, and holds on to no data
    return _plain_index(frame[rows])


def _plain_index(frame: Frame) -> Frame:
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
        raise DataError(f"Cannot read a table from {describe(data)}; pass {ACCEPTED}, or X and y apart.") from None
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
    frame = read_table(x)
    labels = _labels(y)
    name = labels.name if target is None else str(target)
    if name in frame.columns:
        raise DataError(f"X already has a column '{name}': name the labels otherwise with target=, or leave y out.")
    if frame.columns and len(labels) != len(frame):
        raise DataError(f"X has {len(frame)} rows and y has {len(labels)} values; they must be equally many.")
    labels = moved(labels, frame.implementation).alias(name)
    return _typed(_plain_index(_beside(frame, labels) if frame.columns else labels.to_frame())), name


def read_table(x: Any) -> nw.DataFrame[Any]:
    """Features as one frame, also from an array or a tensor (rows, features)."""
    return _from_array(as_array(x)) if is_array(x) else read_frame(x)


def several_y(y: Any, names: Any) -> dict[str, Any] | None:
    """The columns of targets apart, by name (`names`, else their own, else y1, y2, ...); None where there is one."""
    if isinstance(y, Mapping) or _is_table(y):
        frame = read_frame(y)
        columns: list[Any] = list(frame.iter_columns())
        own = frame.columns
    else:
        array = as_array(y) if is_array(y) else np.empty(0)
        columns = list(array.T) if array.ndim == 2 else []
        own = [f"y{i + 1}" for i in range(len(columns))]
    if len(columns) < 2:
        return None
    wanted = own if names is None else names_of(names)
    if len(wanted) != len(columns):
        raise DataError(f"y has {len(columns)} columns, target= names {len(wanted)}: {listing(wanted)}.")
    return dict(zip(wanted, columns, strict=True))


def _beside(frame: nw.DataFrame[Any], column: nw.Series[Any]) -> nw.DataFrame[Any]:
    """The frame with one more column; a pandas frame stays the few blocks that it is, which wide ones live by."""
    if not frame.implementation.is_pandas():
        return frame.with_columns(column)
    native = frame.to_native().assign(**{column.name: column.to_native().array})
    return nw.from_native(native, eager_only=True)


def _labels(y: Any) -> nw.Series[Any]:
    """Labels apart as a series under their own name, from values or a frame of one column."""
    if isinstance(y, Mapping) or _is_table(y):
        frame = read_frame(y)
        if len(frame.columns) != 1:
            raise DataError(f"y is a {describe(y)} with {len(frame.columns)} columns; pass the one column of labels.")
        return frame.get_column(frame.columns[0])
    if is_array(y):
        y = as_array(y)
        y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
        if y.ndim != 1:
            raise DataError(f"y has the shape {y.shape}; pass one label for each row.")
    name = getattr(y, "name", None)
    return column_of("y" if name in (None, "") else str(name), list(y) if isinstance(y, Iterator) else y)


def _is_table(data: Any) -> bool:
    return isinstance(nw.from_native(data, pass_through=True), nw.DataFrame | nw.LazyFrame)


def _from_array(array: npt.NDArray[Any]) -> nw.DataFrame[Any]:
    if array.ndim != 2:
        raise DataError(f"X has the shape {array.shape}; an array of features has two dimensions, (rows, features).")
    return read_frame({f"V{j + 1}": array[:, j] for j in range(array.shape[1])})


def _from_dict(data: Mapping[Any, Any]) -> Any:
    import polars as pl

    series = [moved(column_of(str(name), values), nw.Implementation.POLARS).to_native() for name, values in data.items()]
    lengths = {s.name: len(s) for s in series}
    if len(set(lengths.values())) > 1:
        raise DataError(f"The columns have unequal lengths: {', '.join(f'{k!r} {n}' for k, n in lengths.items())}.")
    return pl.DataFrame(series)


def as_table(data: Any) -> Any:
    """Rows to predict on, where they come as Python's own: one dictionary of values or a list of them, else what came."""
    if isinstance(data, Mapping) and data and not any(hasattr(v, "__len__") and not isinstance(v, str) for v in data.values()):
        return {name: [value] for name, value in data.items()}
    if isinstance(data, list | tuple) and data and all(isinstance(row, Mapping) for row in data):
        return {name: [row.get(name) for row in data] for name in dict.fromkeys(name for row in data for name in row)}
    return data


def _refuse_duplicates(data: Any) -> None:
    if hasattr(data, "collect"):
        return
    names = getattr(data, "column_names", None) or getattr(data, "columns", ())
    try:
        texts = list(map(str, names))
    except TypeError:
        return
    if len(set(texts)) == len(texts):
        return
    twice = sorted(name for name, times in Counter(texts).items() if times > 1)
    if twice:
        raise DataError(f"Duplicate column names: {listing(twice)}; rename or drop all but one of each.")


def _typed(frame: nw.DataFrame[Any]) -> nw.DataFrame[Any]:
    """Text names, and a type for each column."""
    if not frame.implementation.is_polars() and not all(isinstance(name, str) for name in frame.columns):
        frame = frame.rename({name: str(name) for name in frame.columns})
    refuse_patterns(frame)
    schema = schema_of(frame)
    if set(map(type, schema.values())) <= _SETTLED:
        return frame
    loose = {name: typed(frame.get_column(name)) for name, dtype in schema.items() if _is_loose(dtype, frame)}
    changed = [column.alias(name) for name, column in loose.items() if column.dtype != schema[name] or _is_arrow(frame)]
    return frame.with_columns(*changed) if changed else frame


_SETTLED = {nw.Float32, nw.Float64, nw.Boolean, nw.Int8, nw.Int16, nw.Int32, nw.Int64, nw.UInt8, nw.UInt16, nw.UInt32, nw.UInt64}
"""Types that stay what they are in every library."""


def _is_arrow(frame: nw.DataFrame[Any]) -> bool:
    return frame.implementation.is_pyarrow()


def _is_loose(dtype: nw.dtypes.DType, frame: nw.DataFrame[Any]) -> bool:
    """Whether a column of this type may have to change."""
    texts = dtype == nw.String and (frame.implementation.is_pandas() or _is_arrow(frame))
    chunks = isinstance(dtype, nw.Categorical | nw.Enum) and _is_arrow(frame)
    return texts or chunks or isinstance(dtype, nw.Object | nw.Unknown | nw.Decimal | nw.Datetime) or kind(dtype) == "unsupported"


_PATTERN = re.compile(r"\*$|\^.*\$$", re.DOTALL).fullmatch


def refuse_patterns(frame: nw.DataFrame[Any]) -> None:
    """Refuse names that polars would read as a pattern for several columns."""
    if frame.implementation.is_polars():
        strange = list(filter(_PATTERN, frame.columns))
        if strange:
            raise DataError(f"polars reads {listing(strange)} as a pattern for the names of several columns; rename them.")


def refuse_unsupported(frame: nw.DataFrame[Any], names: Sequence[str]) -> None:
    """Refuse columns of a type that no operator could take, all in one message."""
    schema = schema_of(frame)
    strange = [f"'{name}' ({schema[name]})" for name in names if kind(schema[name]) == "unsupported"]
    if strange:
        raise DataError(
            f"Columns of a type that a task cannot hold: {', '.join(strange[:8])}; convert them to numbers, booleans, text, "
            "categories, dates or fixed-size arrays, or drop them."
        )
