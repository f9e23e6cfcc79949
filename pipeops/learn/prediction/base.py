"""What all predictions share: row ids, weights, rows taken and joined, frames, printing and scoring.

Neighbours: labelled (how it prints), measures (how it is scored) and plots below; prediction, with the two kinds, above.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, ClassVar, Literal, Self

import narwhals as nw
import numpy as np
import numpy.typing as npt

from pipeops.data.positions import row_choice
from pipeops.display import Block, Shown
from pipeops.errors import DataError
from pipeops.guesses import Guessing, by_name
from pipeops.learn.measures.grouping import score_groups
from pipeops.learn.measures.measure import DEFAULTS, as_measures
from pipeops.learn.plots.single import plot_prediction
from pipeops.learn.prediction.labelled import preview

Array = npt.NDArray[Any]
Backend = Literal["polars", "pandas", "pyarrow"]
"""The frame library that tables come in, as it stands in files."""

SHOWN = 10
"""How many rows a page shows."""


class Prediction(Guessing, Shown, ABC):
    """What the kinds of predictions share."""

    task_type: ClassVar[str]
    row_ids: Array
    weights: Array | None
    backend: Any

    def _own(self, row_ids: Any, n: int, weights: Any, backend: Any) -> None:
        """Keep what all kinds have; n is the number of rows that the others agree on."""
        self.row_ids = np.arange(n) if row_ids is None else np.asarray(row_ids)
        self.weights = None if weights is None else np.asarray(weights, dtype=np.float64)
        self.backend = backend
        self._check_length("row_ids", self.row_ids, n)
        self._check_length("weights", self.weights, n)
        if self.weights is not None and not ((self.weights >= 0) & np.isfinite(self.weights)).all():
            raise DataError(f"{type(self).__name__}: weights must be finite numbers of at least 0.")

    def _check_length(self, name: str, values: Array | None, n: int | None = None) -> None:
        n = len(self) if n is None else n
        if values is not None and len(values) != n:
            raise DataError(f"{type(self).__name__}: '{name}' has {len(values)} rows where the others have {n}.")

    @property
    def default_measure(self) -> str:
        """The measure that scores it when none is named."""
        return DEFAULTS[self.task_type]

    def __len__(self) -> int:
        return len(self.row_ids)

    @cached_property
    @abstractmethod
    def truth(self) -> Array:
        """The observed values; missing ones are None among labels and NaN among numbers."""

    @cached_property
    @abstractmethod
    def response(self) -> Array:
        """The predicted values."""

    @property
    @abstractmethod
    def predict_types(self) -> list[str]:
        """What there is: "response" and perhaps "prob" (classification), "se" or "quantiles" (regression)."""

    @property
    @abstractmethod
    def missing(self) -> Array:
        """Row ids whose response is missing (of numbers: or infinite)."""

    @property
    @abstractmethod
    def truth_is_missing(self) -> Array:
        """A mask of the rows without truth."""

    @abstractmethod
    def _parts(self) -> dict[str, Any]:
        """The arrays with one entry a row, None where absent."""

    @abstractmethod
    def _with(self, parts: dict[str, Any]) -> Self:
        """The same kind of prediction on other rows."""

    @abstractmethod
    def _frame_columns(self) -> dict[str, Any]:
        """The columns of `to_frame`."""

    @abstractmethod
    def _text_columns(self, rows: Array) -> dict[str, list[str]]:
        """The cells of some rows as they print."""

    def to_frame(self) -> Any:
        """The table in the task's own kind of frame (polars for predictions made by hand)."""
        return nw.from_dict(self._frame_columns(), backend=self.backend).to_native()

    def filter(self, row_ids: Any) -> Self:
        """Only the rows with these ids, or where one boolean for each row is true, in the prediction's order."""
        chosen = row_choice(row_ids, len(self), "filter")
        return self.take(chosen if chosen.dtype == bool else np.isin(self.row_ids, chosen))

    @staticmethod
    def combine(predictions: Iterable["Prediction"], keep_duplicates: bool = True) -> "Prediction":
        """All rows of several predictions, one after another; without duplicates the last of equal row ids stays.

        >>> from pipeops.learn.prediction.regr import PredictionRegr
        >>> a, b = (PredictionRegr(row_ids=[i], truth=[1.0], response=[2.0]) for i in (0, 1))
        >>> len(Prediction.combine([a, b]))
        2
        """
        several = list(predictions)
        _check_alike(several)
        parts = [p._parts() for p in several]
        joined = {name: None if parts[0][name] is None else np.concatenate([p[name] for p in parts]) for name in parts[0]}
        whole = several[0]._with(joined)
        if keep_duplicates:
            return whole
        last = len(whole) - 1 - np.unique(whole.row_ids[::-1], return_index=True)[1]
        return whole.take(np.sort(last))

    @by_name
    def score(self, measures: Any = None, *, task: Any = None, learner: Any = None, weights: Any = None, by: Any = None) -> Any:
        """Score with measures: keys, `Measure` objects or functions `(truth, response)`.

        measures: one gives a float, a list gives a dictionary by measure id, none gives the default of the
        task type (`classif.ce`, `regr.mse`, ...). weights: one for each row, in place of the prediction's own. by: one group
        label for each row (an array, series or one-column frame); gives a frame with a row for each group.

        >>> from pipeops.learn.prediction.regr import PredictionRegr
        >>> PredictionRegr(truth=[1.0, 2.0], response=[1.0, 4.0]).score("regr.mae")
        1.0
        """
        prediction = self if weights is None else self.with_weights(weights)
        chosen = self.default_measure if measures is None else measures
        several = as_measures(chosen)
        if by is not None:
            return score_groups(prediction, several, by, task=task, learner=learner)
        scores = {m.id: m.score(prediction, task=task, learner=learner) for m in several}
        return scores if isinstance(chosen, list | tuple) else next(iter(scores.values()))

    def plot(self, kind: str | None = None, ax: Any = None, **options: Any) -> Any:
        """Draw it with matplotlib (extra `plot`) and return the axes.

        kind: of classes "confusion" (the default), "roc", "prc", "threshold" (measures by threshold; `measures=`),
        "histogram" (of probabilities, `bins=`) or "calibration" (`label=`, `bins=`, `strategy=`); of numbers "scatter" (the
        default), "residuals" or "histogram".
        ax: the axes to draw on, those of a new figure by default.

        >>> from matplotlib.figure import Figure
        >>> from pipeops.learn.prediction.regr import PredictionRegr
        >>> PredictionRegr(truth=[1.0, 2.0], response=[1.0, 4.0]).plot("scatter", Figure().subplots()).get_xlabel()
        'truth'
        """
        return plot_prediction(self, kind, ax, **options)

    def with_weights(self, weights: Any) -> Self:
        """The same prediction with one weight for each row (None: without weights)."""
        return self._with({**self._parts(), "weights": weights})

    def take(self, positions: Array) -> Self:
        """The rows at these positions (or where a mask is true)."""
        return self._with({name: None if part is None else part[positions] for name, part in self._parts().items()})

    def __str__(self) -> str:
        head = f"<{type(self).__name__}> for {len(self)} observation{'' if len(self) == 1 else 's'}:"
        return preview(head, len(self), self._text_columns).text()

    __repr__ = __str__

    def _blocks(self) -> list[Block]:
        """The first rows as a table."""
        shown = self._text_columns(np.arange(min(len(self), SHOWN)))
        rest = f", the first {SHOWN} of them" if len(self) > SHOWN else ""
        rows = list(zip(*shown.values(), strict=True))
        return [Block(f"{type(self).__name__} for {len(self)} observations{rest}", list(shown), rows)]


def _check_alike(several: Sequence[Prediction]) -> None:
    if not several:
        raise DataError("combine: needs at least one prediction.")
    kinds = sorted({type(p).__name__ for p in several})
    if len(kinds) > 1:
        raise DataError(f"combine: predictions are of different kinds: {', '.join(kinds)}.")
    for what in ("predict_types", "class_names", "probs", "target_names"):
        values = {str(getattr(p, what, None)) for p in several}
        if len(values) > 1:
            raise DataError(f"combine: predictions differ in {what}: {' and '.join(sorted(values))}.")
    if len({p.weights is None for p in several}) > 1:
        raise DataError("combine: some predictions have weights and some have not.")
