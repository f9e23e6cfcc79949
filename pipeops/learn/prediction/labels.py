"""Class labels and their integer codes: positions in `class_names`, -1 for missing. Neighbours: data's columns
below, prediction above."""

from collections.abc import Mapping
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from pipeops.data.columns import declared_levels, positive_first
from pipeops.errors import DataError, listing, suggest

Array = npt.NDArray[Any]
ONE_IS_POSITIVE = ({"0", "1"}, {"-1", "1"}, {"False", "True"})
"""Labels whose order is not the sorted one."""
SUM_TOLERANCE = 1e-3
"""How far a row of probabilities may be from summing to 1 (numbers rounded by hand still pass)."""


def plain(labels: Any) -> list[Any]:
    """Labels as a list of Python's own strings, integers or booleans."""
    array = labels if isinstance(labels, list | tuple) else np.asarray(labels)
    return [v.item() if isinstance(v, np.generic) else v for v in array]


def is_missing(label: Any) -> bool:
    """None, NaN and the missing values of pandas."""
    return label is None or type(label).__name__ in ("NAType", "NaTType") or label != label


def levels(*columns: Any) -> list[Any]:
    """The order that a column's own type declares, else the labels seen, sorted; of booleans, 0/1 and -1/1 the positive first.

    >>> levels(["b", "a"], None)
    ['a', 'b']
    >>> levels([0, 1, 1])
    [1, 0]
    """
    for column in columns:
        series = nw.from_native(column, series_only=True, pass_through=True)
        declared = declared_levels(series) if isinstance(series, nw.Series) else None
        if declared is not None:
            return positive_first(declared)
    seen = {v for column in columns if column is not None for v in plain(column) if not is_missing(v)}
    if seen and seen <= {0, 1}:
        return [True, False] if all(isinstance(v, bool) for v in seen) else [1, 0]
    if seen in ({-1, 1}, {"-1", "1"}, {"0", "1"}):
        return sorted(seen, key=int, reverse=True)
    try:
        return positive_first(sorted(seen))
    except TypeError as error:
        raise DataError(f"PredictionClassif: labels of different types, {listing(seen)}; give class_names.") from error


def encode(labels: Any, class_names: list[Any], name: str) -> Array:
    """The code of each label; what is no class and not missing is refused."""
    known = {label: code for code, label in enumerate(class_names)}
    values = plain(labels)
    codes = np.fromiter((known.get(v, -1) if v.__hash__ else -1 for v in values), dtype=np.int64, count=len(values))
    for position in np.flatnonzero(codes < 0):
        if not is_missing(values[position]):
            wrong = values[position]
            hint = suggest(str(wrong), map(str, class_names), "classes")
            raise DataError(f"PredictionClassif: '{name}' holds {wrong!r}, which is no class.{hint}")
    return codes


def labelled(prob: Any) -> tuple[list[Any], list[Any]] | None:
    """The names and columns of probabilities that say whose they are: of a frame, a dictionary or a named series; else None.

    Names as in `to_frame()`, `prob.yes`, are read as labels.
    """
    frame = nw.from_native(prob, pass_through=True, allow_series=True)
    if isinstance(frame, nw.Series):
        return ([frame.name], [frame.to_numpy()]) if frame.name else None
    if isinstance(frame, nw.DataFrame):
        names, columns = frame.columns, [column.to_numpy() for column in frame.iter_columns()]
    elif isinstance(prob, Mapping):
        names, columns = list(prob), [np.asarray(column) for column in prob.values()]
    else:
        return None
    if all(isinstance(name, str) and name.startswith("prob.") for name in names):
        names = [name.removeprefix("prob.") for name in names]
    return plain(names), columns


def by_label(names: list[Any], columns: list[Any], class_names: list[Any]) -> Any:
    """Named columns in the order of the classes; a name that is no class is refused, and so is a class without a column."""
    known = {str(label): code for code, label in enumerate(class_names)} | {label: c for c, label in enumerate(class_names)}
    foreign = [name for name in names if name not in known]
    if foreign:
        raise DataError(
            f"PredictionClassif: 'prob' has a column {listing(foreign)}, which is no class of {listing(class_names)}; "
            "name all classes with class_names=, or hand in an array in their order."
        )
    column = {known[name]: values for name, values in zip(names, columns, strict=True)}
    if len(class_names) == 2 and len(names) == 1:
        (code,) = column
        column[1 - code] = 1 - np.asarray(column[code], dtype=np.float64)
    absent = [label for code, label in enumerate(class_names) if code not in column]
    if absent or len(column) < len(names):
        raise DataError(f"PredictionClassif: 'prob' needs one column for each of {listing(class_names)}, got {listing(names)}.")
    return np.column_stack([column[code] for code in range(len(class_names))])


def refuse_ambiguous(prob: Any, class_names: list[Any]) -> None:
    """A matrix without names may stand either way round where the positive class is not the first when sorted (1 before 0)."""
    two_columns = np.ndim(prob) == 2 and np.shape(prob)[1] == 2
    if two_columns and {str(c) for c in class_names} in ONE_IS_POSITIVE and class_names != sorted(class_names):
        raise DataError(
            f"PredictionClassif: which column of 'prob' is which class? Here the positive class {class_names[0]!r} comes first, "
            f"in scikit-learn the smallest; say how the columns stand, class_names={class_names!r} or {sorted(class_names)!r}."
        )


def probabilities(prob: Any, class_names: list[Any]) -> Array:
    """A matrix (n, k) of probabilities; one column for two classes is the positive class's."""
    try:
        matrix = np.asarray(prob)
        matrix = matrix if matrix.dtype.kind == "f" else np.array(prob, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"PredictionClassif: 'prob' must be numbers, got {prob!r:.80}.") from error
    if len(class_names) == 2 and (matrix.ndim == 1 or (matrix.ndim == 2 and matrix.shape[1] == 1)):
        matrix = np.column_stack([matrix.ravel(), 1 - matrix.ravel()])
    if matrix.ndim != 2 or matrix.shape[1] != len(class_names):
        raise DataError(
            f"PredictionClassif: 'prob' needs a column for each of {listing(class_names)}, got an array of shape {matrix.shape}."
        )
    try:
        return distributions(matrix)
    except ValueError as error:
        raise DataError(f"PredictionClassif: {error}") from error


def distributions(matrix: Array) -> Array:
    """The matrix, unless a row is no distribution: a `ValueError` says which."""
    if not ((matrix >= 0) & (matrix <= 1)).all():
        raise ValueError("'prob' must hold numbers in [0, 1]; some are missing or outside.")
    if len(matrix) and (abs(matrix.sum(axis=1) - 1) > SUM_TOLERANCE).any():
        row = int(np.argmax(abs(matrix.sum(axis=1) - 1)))
        raise ValueError(f"each row of 'prob' must sum to 1, row {row} is {matrix[row].tolist()}.")
    return matrix
