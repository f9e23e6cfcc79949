"""Class labels and their integer codes: positions in `class_names`, -1 for missing. Neighbours: data's columns
below, prediction above."""

from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from pipeops.data.columns import declared_levels, positive_first
from pipeops.errors import DataError, listing, suggest

Array = npt.NDArray[Any]
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
    if not ((matrix >= 0) & (matrix <= 1)).all():
        raise DataError("PredictionClassif: 'prob' must hold numbers in [0, 1]; some are missing or outside.")
    if (abs(matrix.sum(axis=1) - 1) > SUM_TOLERANCE).any():
        row = int(np.argmax(abs(matrix.sum(axis=1) - 1)))
        raise DataError(f"PredictionClassif: each row of 'prob' must sum to 1, row {row} is {matrix[row].tolist()}.")
    return matrix
