"""The archive of a search as a frame: a row for each trial, each hyperparameter in its own type.

Neighbours: search notes the columns; tuned learners show them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

PLAIN = {bool, int, float, str}


def archive_frame(columns: Mapping[str, list[Any]], scores: Sequence[str]) -> Any:
    """A polars frame: state (complete, pruned or failed), configuration, scores, seconds, error, history.

    Hyperparameters keep their own types: what differs in type from row to row is a column of objects. One that did not matter in
    a trial is missing there. history: the scores of validation of each fold after each round.
    """
    import polars as pl

    types = {"error": pl.String, "history": pl.List(pl.List(pl.Float64)), **dict.fromkeys(scores, pl.Float64)}
    return pl.DataFrame(
        [pl.Series(name, values, dtype=types.get(name, _dtype(values)), strict=False) for name, values in columns.items()]
    )


def _dtype(values: list[Any]) -> Any:
    """The type of a column that keeps its values as they are."""
    import polars as pl

    kinds = {type(v) for v in values if v is not None}
    if kinds == {list}:
        return pl.List(pl.String)
    return None if len(kinds) <= 1 and kinds <= PLAIN else pl.Object
