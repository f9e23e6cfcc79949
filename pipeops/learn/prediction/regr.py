"""PredictionRegr: predicted numbers, perhaps with standard errors or quantiles.

Neighbours: base below, classif beside it; learners and graphs above.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from pipeops.errors import DataError
from pipeops.learn.prediction.base import Array, Backend, Prediction
from pipeops.learn.prediction.labelled import numbers
from pipeops.saving import saved_as


class PredictionRegr(Prediction):
    """Predicted numbers.

    row_ids: any ids, 0..n-1 when left out. truth, response: numbers (NaN or None where missing; truth may be left out).
    se: standard errors, where the learner gives them. quantiles: numbers by probability, `{0.1: [...], 0.5: [...]}`, or an array
    `(n, q)` with `probs`; each probability has a column, as `q0.1`. The response is the median unless it is given. weights:
    one for each observation, for measures.

    >>> print(PredictionRegr(truth=[1.0, 2.0], response=[1.25, 2.0]))
    <PredictionRegr> for 2 observations:
     row_ids truth response
           0     1     1.25
           1     2     2.00
    """

    task_type = "regr"

    def __init__(
        self,
        *,
        row_ids: Any = None,
        truth: Any = None,
        response: Any = None,
        se: Any = None,
        quantiles: Any = None,
        probs: Sequence[float] | None = None,
        weights: Any = None,
        backend: Any = "polars",
    ):
        self.quantiles, self.probs = (None, ()) if quantiles is None else _quantiles(quantiles, probs)
        self._response = _floats(self._median() if response is None else response, "response")
        self._own(row_ids, len(self._response), weights, backend)
        self._truth = None if truth is None else _floats(truth, "truth")
        self.se = None if se is None else _floats(se, "se")
        self._check_length("truth", self._truth)
        self._check_length("response", self._response)
        self._check_length("se", self.se)
        self._check_length("quantiles", self.quantiles)

    def _median(self) -> Array:
        if self.quantiles is None or 0.5 not in self.probs:
            raise DataError("PredictionRegr: give the response, or quantiles with the probability 0.5, which is its median.")
        return self.quantiles[:, self.probs.index(0.5)]

    @cached_property
    def truth(self) -> Array:
        """The observed values; NaN where missing."""
        return np.full(len(self), np.nan) if self._truth is None else self._truth

    @cached_property
    def response(self) -> Array:
        """The predicted values."""
        return self._response

    @property
    def predict_types(self) -> list[str]:
        more = {"se": self.se, "quantiles": self.quantiles}
        return ["response", *(name for name, values in more.items() if values is not None)]

    @property
    def quantile_names(self) -> list[str]:
        """The columns of the quantiles: `q0.1` for the probability 0.1."""
        return [f"q{p:g}" for p in self.probs]

    @property
    def missing(self) -> Array:
        return self.row_ids[~np.isfinite(self._response)]

    @property
    def truth_is_missing(self) -> Array:
        return np.isnan(self.truth)

    def _parts(self) -> dict[str, Any]:
        named = {"row_ids": self.row_ids, "truth": self._truth, "response": self._response}
        return {**named, "se": self.se, "quantiles": self.quantiles, "weights": self.weights}

    def _with(self, parts: dict[str, Any]) -> Self:
        return type(self)(**parts, probs=self.probs or None, backend=self.backend)

    def _frame_columns(self) -> dict[str, Any]:
        each = {} if self.quantiles is None else dict(zip(self.quantile_names, self.quantiles.T, strict=True))
        more = {"se": self.se, **each, "weights": self.weights}
        columns = {"row_ids": self.row_ids, "truth": self.truth, "response": self.response}
        return columns | {name: values for name, values in more.items() if values is not None}

    def _text_columns(self, rows: Array) -> dict[str, list[str]]:
        return {name: numbers(values[rows]) for name, values in self._frame_columns().items()}


def _floats(values: Any, name: str) -> Array:
    try:
        array = np.asarray(values)
        array = array if array.dtype.kind == "f" else np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"PredictionRegr: '{name}' must be numbers, got {values!r:.80}.") from error
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise DataError(f"PredictionRegr: '{name}' must be one number for each row, got an array of shape {array.shape}.")
    return array


def _quantiles(given: Any, probs: Sequence[float] | None) -> tuple[Array, tuple[float, ...]]:
    """The quantiles `(n, q)` with rising probabilities."""
    if isinstance(given, Mapping):
        probs, given = list(given), np.column_stack([_floats(values, "quantiles") for values in given.values()])
    table, levels = np.asarray(given), tuple(float(p) for p in probs or ())
    if table.ndim != 2 or table.shape[1] != len(levels) or table.dtype.kind not in "fiu":
        raise DataError(
            f"PredictionRegr: quantiles are numbers (rows, probabilities) with probs=, or a dictionary by probability; got shape "
            f"{table.shape} and {len(levels)} probabilities."
        )
    if len(set(levels)) < len(levels) or not all(0 < p < 1 for p in levels):
        raise DataError(f"PredictionRegr: probabilities of quantiles are different numbers between 0 and 1, got {list(levels)}.")
    order = np.argsort(levels)
    return table[:, order], tuple(levels[i] for i in order)


_NUMBERS = dict.fromkeys(("truth", "response", "se", "quantiles", "weights"), npt.NDArray[np.floating] | None)
saved_as(
    PredictionRegr,
    lambda plain: PredictionRegr(**plain),
    lambda p: {**p._parts(), "probs": list(p.probs) or None, "backend": p.backend},
    plain={**_NUMBERS, "row_ids": np.ndarray | list, "probs": list[float] | None, "backend": Backend},
)
