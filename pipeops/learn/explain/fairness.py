"""fairness: the scores of groups of rows side by side, and how far apart they are.

Neighbours: measures and predictions below; plots/explained draws it.
"""

from typing import Any

import attrs
import narwhals as nw
import numpy as np

from pipeops.display import Block, Shown
from pipeops.errors import DataError
from pipeops.guesses import by_name
from pipeops.learn.measures.measure import Measure, as_measures, measure
from pipeops.learn.plots.explained import plot_groups

NAN = float("nan")


def _selected(truth: Any, response: Any, positive: Any, weights: Any) -> float:
    return float(np.average(response == positive, weights=weights))


SELECTED = measure("selected", _selected, minimize=None, task_type="classif", range=(0, 1), label="Share Predicted Positive")
"""Demographic parity compares it."""
TWO = ("classif.acc", "classif.tpr", "classif.fpr", "classif.ppv")


@attrs.frozen(eq=False, repr=False, slots=False)
class Fairness(Shown):
    """Scores by group. groups: their labels. n: rows of each. scores: by measure one for each group. overall: of all rows."""

    name: str
    groups: list[Any]
    n: list[int]
    scores: dict[str, list[float]]
    overall: dict[str, float]

    def to_frame(self) -> Any:
        """A polars frame with a row for each group: its label, `n` and the scores."""
        import polars as pl

        return pl.DataFrame({self.name: self.groups, "n": self.n, **self.scores})

    def gaps(self) -> Any:
        """A polars frame with a row for each measure: overall, lowest and highest (and whose), their difference and ratio."""
        import polars as pl

        return pl.DataFrame([self._gap(name) for name in self.scores])

    def _gap(self, name: str) -> dict[str, Any]:
        values = np.array(self.scores[name], dtype=np.float64)
        row: dict[str, Any] = {"measure": name, "overall": self.overall[name]}
        if np.isnan(values).all():
            return {**row, "lowest": NAN, "lowest_in": None, "highest": NAN, "highest_in": None, "difference": NAN, "ratio": NAN}
        low, high = int(np.nanargmin(values)), int(np.nanargmax(values))
        return {
            **row,
            "lowest": values[low],
            "lowest_in": str(self.groups[low]),
            "highest": values[high],
            "highest_in": str(self.groups[high]),
            "difference": values[high] - values[low],
            "ratio": values[low] / values[high] if values[high] else NAN,
        }

    def plot(self, ax: Any = None) -> Any:
        """Draw a block of groups for each measure (extra `plot`) and return the axes; the line is the score of all rows."""
        return plot_groups(self, ax)

    def _blocks(self) -> list[Block]:
        frames = {f"Fairness by {self.name}": self.to_frame(), "Gaps": self.gaps()}
        return [
            Block(head, frame.columns, [tuple(map(_text, row)) for row in frame.iter_rows()]) for head, frame in frames.items()
        ]

    def __repr__(self) -> str:
        return "\n".join(block.text() for block in self._blocks())


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@by_name
def fairness(prediction: Any, by: Any, measures: Any = None) -> Fairness:
    """Score a prediction by group, with the gaps between groups.

    by: a label for each row, as in `prediction.score(by=)`. measures: one or several; by default accuracy, true and false
    positive rate, precision and the share predicted positive of two classes, the error rate of more, the mean absolute
    error of numbers. Scores that are undefined in a group are NaN, with a warning.

    >>> from pipeops import PredictionClassif, fairness
    >>> made = PredictionClassif(truth=["M", "R", "M", "R"], response=["M", "R", "R", "R"], class_names=["M", "R"])
    >>> fairness(made, ["a", "a", "b", "b"], "classif.acc").gaps()["difference"].item()
    0.5
    """
    several = _defaults(prediction) if measures is None else as_measures(measures)
    if not several:
        raise DataError("fairness: give one measure or more.")
    table = nw.from_native(prediction.score(several, by=by), eager_only=True)
    name = table.columns[0]
    overall = prediction.score(several)
    scores = {m.id: [float(v) for v in table.get_column(m.id).to_list()] for m in several}
    return Fairness(name, table.get_column(name).to_list(), table.get_column("n").to_list(), scores, overall)


def _defaults(prediction: Any) -> list[Measure]:
    if prediction.task_type == "regr":
        return as_measures(["regr.mae"])
    return as_measures([*TWO, SELECTED] if len(prediction.class_names) == 2 else ["classif.ce"])
