"""Scores by group: a frame with one row for each group of rows. Neighbours: measure below, predictions above."""

from collections.abc import Iterable
from typing import Any

import narwhals as nw
import numpy as np

from pipeops.errors import DataError
from pipeops.learn.measures.measure import Measure
from pipeops.learn.prediction.labels import is_missing


def score_groups(prediction: Any, measures: Iterable[Measure], by: Any, **given: Any) -> Any:
    """A frame with one row for each group, in order of appearance: its label, its size `n`, and its scores.

    Rows whose group is missing (None, NaN, NaT, NA) are one group.
    """
    name, labels = _groups(by)
    if len(labels) != len(prediction):
        raise DataError(f"score: 'by' has {len(labels)} rows where the prediction has {len(prediction)}.")
    positions: dict[Any, list[int]] = {}
    for i, label in enumerate(labels):
        positions.setdefault(None if is_missing(label) else label, []).append(i)
    parts = [prediction.take(np.array(where)) for where in positions.values()]
    columns = {name: list(positions), "n": [len(part) for part in parts]}
    columns |= {m.id: [m.score(part, **given) for part in parts] for m in measures}
    return nw.from_dict(columns, backend=prediction.backend).to_native()


def _groups(by: Any) -> tuple[str, list[Any]]:
    """The name and the labels of an array, a series or a frame with one column."""
    frame = nw.from_native(by, pass_through=True, allow_series=True)
    if isinstance(frame, nw.DataFrame):
        if len(frame.columns) != 1:
            raise DataError(f"score: 'by' must be one column, got {frame.columns}.")
        return frame.columns[0], frame[frame.columns[0]].to_list()
    if isinstance(frame, nw.Series):
        return frame.name or "group", frame.to_list()
    return "group", np.asarray(by).tolist()
