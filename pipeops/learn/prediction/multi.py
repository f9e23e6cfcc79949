"""Predictions of tasks with several targets: numbers, or labels each of which a row has or has not.

`truth` and `response` are arrays (rows, targets), columns in the order of `target_names`; in a frame each target has a column of
each (`truth.a`, `response.a`, `prob.a`). Neighbours: base below, regr and classif beside it; learners and graphs above.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from pipeops.errors import DataError, listing
from pipeops.learn.prediction.base import Array, Backend, Prediction
from pipeops.learn.prediction.labelled import numbers
from pipeops.saving import saved_as


class PredictionMulti(Prediction):
    """What both kinds share; abstract."""

    target_names: list[str]
    _truth: Array | None
    _response: Array

    def _keep(self, row_ids: Any, target_names: Sequence[str] | None, weights: Any, backend: Any) -> None:
        """The names, and what all predictions have, when the tables are there."""
        n, t = self._response.shape
        self.target_names = [f"y{i + 1}" for i in range(t)] if target_names is None else [str(name) for name in target_names]
        if len(set(self.target_names)) < t or len(self.target_names) != t:
            raise DataError(f"{type(self).__name__}: needs {t} different target_names, got {listing(self.target_names)}.")
        self._own(row_ids, n, weights, backend)
        for name, table in self._tables().items():
            if table is not None and table.shape != (n, t):
                raise DataError(f"{type(self).__name__}: '{name}' has the shape {table.shape} where the response has {(n, t)}.")

    def _tables(self) -> dict[str, Array | None]:
        return {"truth": self._truth, "response": self._response}

    @cached_property
    def response(self) -> Array:
        """The predicted values (rows, targets)."""
        return self._response

    @property
    def truth_is_missing(self) -> Array:
        return np.ones(len(self), dtype=bool) if self._truth is None else _holes(self._truth)

    def _parts(self) -> dict[str, Any]:
        return {"row_ids": self.row_ids, **self._tables(), "weights": self.weights}

    def _with(self, parts: dict[str, Any]) -> Self:
        make: Any = type(self)
        return make(**parts, target_names=self.target_names, backend=self.backend)

    def _frame_columns(self) -> dict[str, Any]:
        shown = {**self._tables(), "truth": self.truth}
        columns = {
            f"{name}.{target}": _column(table[:, j])
            for name, table in shown.items()
            if table is not None
            for j, target in enumerate(self.target_names)
        }
        return {"row_ids": self.row_ids, **columns} | ({} if self.weights is None else {"weights": self.weights})

    def _text_columns(self, rows: Array) -> dict[str, list[str]]:
        return {name: _texts(np.asarray(values)[rows]) for name, values in self._frame_columns().items()}


class PredictionMultiRegr(PredictionMulti):
    """Predicted numbers of several targets.

    row_ids: any ids, 0..n-1 when left out. truth, response: numbers (rows, targets); truth may be left out. target_names: y1,
    y2, ... when left out. weights: one for each observation, for measures.

    >>> print(PredictionMultiRegr(truth=[[1, 2.5]], response=[[1.25, 2]], target_names=["a", "b"]))
    <PredictionMultiRegr> for 1 observation:
     row_ids truth.a truth.b response.a response.b
           0       1     2.5       1.25          2
    """

    task_type = "multiregr"

    def __init__(
        self,
        *,
        row_ids: Any = None,
        truth: Any = None,
        response: Any = None,
        target_names: Sequence[str] | None = None,
        weights: Any = None,
        backend: Any = "polars",
    ):
        if response is None:
            raise DataError("PredictionMultiRegr: give the response, numbers (rows, targets).")
        self._response = _table(response, "response", "PredictionMultiRegr")
        self._truth = None if truth is None else _table(truth, "truth", "PredictionMultiRegr")
        self._keep(row_ids, target_names, weights, backend)

    @cached_property
    def truth(self) -> Array:
        """The observed values (rows, targets); NaN where missing."""
        return np.full(self._response.shape, np.nan) if self._truth is None else self._truth

    @property
    def predict_types(self) -> list[str]:
        return ["response"]

    @property
    def missing(self) -> Array:
        return self.row_ids[~np.isfinite(self._response).all(axis=1)]


class PredictionMultilabel(PredictionMulti):
    """Which labels each row has, and their probabilities where the learner gives them.

    row_ids: any ids, 0..n-1 when left out. truth, response: booleans, or 0 and 1, (rows, labels); truth may be left out. prob:
    the probability of each label (rows, labels). Without a response, a row has the labels of probability 0.5 or more.
    target_names: of the labels; y1, y2, ... when left out. weights: one for each observation, for measures.

    >>> print(PredictionMultilabel(truth=[[True, False]], prob=[[0.9, 0.5]], target_names=["red", "big"]))
    <PredictionMultilabel> for 1 observation:
     row_ids truth.red truth.big response.red response.big prob.red prob.big
           0      True     False         True         True      0.9      0.5
    """

    task_type = "multilabel"

    def __init__(
        self,
        *,
        row_ids: Any = None,
        truth: Any = None,
        response: Any = None,
        prob: Any = None,
        target_names: Sequence[str] | None = None,
        weights: Any = None,
        backend: Any = "polars",
    ):
        if response is None and prob is None:
            raise DataError("PredictionMultilabel: give a response, probabilities, or both.")
        self.prob = None if prob is None else _probabilities(prob)
        self._response = _labels(self._by_threshold(0.5) if response is None else response, "response")
        self._truth = None if truth is None else _labels(truth, "truth")
        self._keep(row_ids, target_names, weights, backend)

    def _by_threshold(self, threshold: Any) -> Array:
        if self.prob is None:
            raise DataError("set_threshold: this prediction has no probabilities; predict with predict_type='prob'.")
        return self.prob >= threshold

    def set_threshold(self, threshold: Any) -> Self:
        """A new prediction with the labels of at least this probability: a number for all labels, or a dictionary by label.

        >>> PredictionMultilabel(prob=[[0.9, 0.6]]).set_threshold(0.7).response.tolist()
        [[True, False]]
        """
        limits = threshold
        if isinstance(threshold, dict):
            if set(threshold) != set(self.target_names):
                raise DataError(f"set_threshold: needs a threshold for each of {listing(self.target_names)}, got {threshold!r}.")
            limits = [threshold[name] for name in self.target_names]
        values = np.asarray(limits)
        known = values.dtype.kind in "fiu" and values.ndim == isinstance(threshold, dict)
        if not known or not ((values >= 0) & (values <= 1)).all():
            raise DataError(f"set_threshold: takes a number in [0, 1], or a dictionary of them by label, got {threshold!r}.")
        return self._with({**self._parts(), "response": self._by_threshold(values)})

    @cached_property
    def truth(self) -> Array:
        """The observed labels (rows, labels), booleans; None where missing."""
        return np.full(self._response.shape, None, dtype=object) if self._truth is None else self._truth

    @property
    def predict_types(self) -> list[str]:
        return ["response"] if self.prob is None else ["response", "prob"]

    @property
    def missing(self) -> Array:
        return self.row_ids[:0] if self.prob is None else self.row_ids[np.isnan(self.prob).any(axis=1)]

    def _tables(self) -> dict[str, Array | None]:
        return {**super()._tables(), "prob": self.prob}


def _table(values: Any, name: str, who: str) -> Array:
    try:
        array = np.asarray(values)
        array = array if array.dtype.kind == "f" else np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{who}: '{name}' must be numbers, got {values!r:.80}.") from error
    if array.ndim != 2:
        raise DataError(f"{who}: '{name}' is a table (rows, targets), got an array of shape {array.shape}.")
    return array


def _labels(values: Any, name: str) -> Array:
    array = np.asarray(values)
    if array.ndim == 2 and array.dtype == bool:
        return array
    array = _table(values, name, "PredictionMultilabel")
    if not np.isin(array, (0, 1)).all():
        raise DataError(f"PredictionMultilabel: '{name}' is true or false (1 or 0) for each label, got other values.")
    return array.astype(bool)


def _probabilities(values: Any) -> Array:
    array = _table(values, "prob", "PredictionMultilabel")
    if not (np.isnan(array) | ((array >= 0) & (array <= 1))).all():
        raise DataError("PredictionMultilabel: probabilities are numbers from 0 to 1.")
    return array


def _holes(table: Array) -> Array:
    """The rows of a table with a missing value."""
    return np.asarray(np.isnan(table).any(axis=1)) if table.dtype.kind == "f" else np.zeros(len(table), dtype=bool)


def _column(values: Array) -> Any:
    """What a frame takes: missing truths as such."""
    return values.tolist() if values.dtype == object else values


def _texts(values: Array) -> list[str]:
    return ["<NA>"] * len(values) if values.dtype == object else numbers(values)


def _to_plain(p: PredictionMulti) -> dict[str, Any]:
    return {**p._parts(), "target_names": p.target_names, "backend": p.backend}


_PLAIN = {
    "row_ids": np.ndarray | list,
    "target_names": list[str],
    "weights": npt.NDArray[np.floating] | None,
    "backend": Backend,
}
saved_as(
    PredictionMultiRegr,
    lambda plain: PredictionMultiRegr(**plain),
    _to_plain,
    plain=_PLAIN | dict.fromkeys(("truth", "response"), npt.NDArray[np.floating] | None),
)
saved_as(
    PredictionMultilabel,
    lambda plain: PredictionMultilabel(**plain),
    _to_plain,
    plain=_PLAIN | dict.fromkeys(("truth", "response"), npt.NDArray[np.bool_] | None) | {"prob": npt.NDArray[np.floating] | None},
)
