"""partial_dependence: what a trained learner predicts on average when one or two features are set to a value for all rows.

Neighbours: tasks and learners below; the pictures are in plots/explained.
"""

from collections.abc import Sequence
from itertools import product
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from pipeops.data import Task
from pipeops.display import Block, Shown
from pipeops.errors import ConfigError, DataError, UnknownKeyError, suggest
from pipeops.guesses import by_name
from pipeops.learn.learner import Learner
from pipeops.learn.plots.explained import plot_dependence, plot_surface

Array = npt.NDArray[Any]


@attrs.frozen(eq=False, repr=False, slots=False)
class PartialDependence(Shown):
    """Mean predictions over a grid of observed values; `to_frame()` is a table, `plot()` draws it.

    features: one or two. values: for each the grid, as what the column holds. labels: what is predicted: the classes whose
    probability (or share of responses) it is, of two the positive one; or the target. means: `(points, labels)`, the last
    feature running fastest. each: `(points, rows, labels)` of the rows whose own curves were asked for. kinds: of the
    features. y: what the means are, in words.
    """

    features: tuple[str, ...]
    values: tuple[list[Any], ...]
    labels: list[Any]
    means: Array
    each: Array
    kinds: tuple[str, ...]
    y: str

    def to_frame(self) -> Any:
        """A polars frame with a row for each point and label: the features, `label`, `mean`."""
        import polars as pl

        points = list(product(*self.values))
        columns: dict[str, Any] = {name: [p[j] for p in points for _ in self.labels] for j, name in enumerate(self.features)}
        return pl.DataFrame({**columns, "label": self.labels * len(points), "mean": self.means.ravel()})

    def plot(self, ax: Any = None, label: Any = None) -> Any:
        """Draw it (extra `plot`) and return the axes: a curve for each label, or for two features the surface of one label."""
        if len(self.features) == 1:
            return plot_dependence(self, ax)
        chosen = self.labels[0] if label is None else label
        if chosen not in self.labels:
            raise UnknownKeyError(f"plot: no label {label!r}.{suggest(str(label), map(str, self.labels), 'labels')}")
        return plot_surface(self, self.labels.index(chosen), ax)

    def _blocks(self) -> list[Block]:
        frame = self.to_frame()
        rows = [tuple(f"{v:.4g}" if isinstance(v, float) else v for v in row) for row in frame.iter_rows()]
        return [Block(f"PartialDependence of {' and '.join(self.features)}, {self.y}", frame.columns, rows)]

    def __repr__(self) -> str:
        return self._blocks()[0].text()


@by_name
def partial_dependence(
    learner: Learner, task: Task, features: str | Sequence[str], *, grid: int = 20, individual: int = 0
) -> PartialDependence:
    """What a trained learner predicts on average over the rows of a task when features have a value (Friedman 2001).

    features: one name, or two for their surface. grid: at most so many points a number: the observed values nearest to an even
    grid from its 5th to its 95th percentile, so types and levels stay what they are; categories and booleans: all that occur.
    individual: keep the curves of so many rows, evenly chosen (Goldstein and others, 2015). Means heed the task's weights.
    Classes: probabilities where the learner predicts them, else the shares of responses.

    >>> from pipeops import lrn, partial_dependence, tsk
    >>> learner = lrn("regr.lm").train(tsk("diabetes"))
    >>> partial_dependence(learner, tsk("diabetes"), "bmi", grid=3).means.shape
    (3, 1)
    """
    names = (features,) if isinstance(features, str) else tuple(features)
    _check(learner, task, names, grid)
    places = [_places(task, name, grid) for name in names]
    chosen = np.unique(np.linspace(0, task.nrow - 1, min(individual, task.nrow)).round().astype(int))
    points = [_predicted(learner, _constant(task, names, at)) for at in product(*places)]
    labels, y = _labels(learner, task)
    found = np.stack([p[:, : len(labels)] for p in points])
    values = tuple(task._take(np.asarray(at)).frame([n]).get_column(n).to_list() for n, at in zip(names, places, strict=True))
    means = np.average(found, axis=1, weights=task.weights())
    return PartialDependence(names, values, labels, means, found[:, chosen], tuple(task.feature_types[n] for n in names), y)


def _check(learner: Any, task: Any, names: tuple[str, ...], grid: int) -> None:
    if not isinstance(learner, Learner) or not isinstance(task, Task):
        raise ConfigError(f"partial_dependence: takes a learner and a task, got {type(learner).__name__}, {type(task).__name__}.")
    learner._trained()
    if task.task_type not in ("classif", "regr"):
        raise DataError(f"partial_dependence: takes a task with one target, '{task.id}' has {len(task.target_names)}.")
    if not 1 <= len(names) <= 2 or len(set(names)) != len(names) or grid < 2:
        raise ConfigError(f"partial_dependence: takes one or two features and a grid of 2 or more, got {names!r} and {grid!r}.")
    for name in names:
        if name not in task.feature_names:
            raise UnknownKeyError(f"partial_dependence: no feature '{name}'.{suggest(str(name), task.feature_names, 'features')}")
        if task.feature_types[name] == "tensor":
            raise DataError(f"partial_dependence: '{name}' is a column of tensors, which has no grid.")


def _places(task: Task, name: str, grid: int) -> list[int]:
    """Where the values of the grid stand in the task, ascending (categories: in the order of their levels)."""
    numbers = task.codes(name) if task.feature_types[name] == "categorical" else _numbers(task, name)
    known = np.flatnonzero(numbers >= 0 if task.feature_types[name] == "categorical" else ~np.isnan(numbers))
    if not len(known):
        raise DataError(f"partial_dependence: '{name}' has no value in '{task.id}'.")
    values, first = np.unique(numbers[known], return_index=True)
    places = known[first]
    even = task.feature_types[name] != "categorical" and len(values) > grid
    return (places[_nearest(values, numbers[known], grid)] if even else places).tolist()


def _numbers(task: Task, name: str) -> Array:
    """A column as float64 `(rows,)`, dates as their microseconds; NaN where missing."""
    column = task.frame([name]).get_column(name)
    if task.feature_types[name] != "datetime":
        return task.matrix("float64", [name])[:, 0]
    dates = column.to_numpy().astype("datetime64[us]")
    return np.where(np.isnat(dates), np.nan, dates.astype(np.int64))


def _nearest(values: Array, numbers: Array, grid: int) -> Array:
    """Positions of the distinct ascending values that are nearest to an even grid over most of the numbers."""
    low, high = np.quantile(numbers, [0.05, 0.95])
    return np.unique(np.abs(values[:, None] - np.linspace(low, high, grid)).argmin(axis=0))


def _constant(task: Task, names: tuple[str, ...], at: tuple[int, ...]) -> Task:
    """The task with each feature set to its value in a row."""
    columns = [task._take(np.full(task.nrow, k)).frame([n]).get_column(n) for n, k in zip(names, at, strict=True)]
    return task.with_features(task.frame().with_columns(*columns))


def _predicted(learner: Learner, task: Task) -> Array:
    """`(rows, labels)`: probabilities, responses as indicators, or numbers."""
    prediction = learner.predict(task)
    if task.task_type == "regr":
        return np.asarray(prediction.response, dtype=np.float64)[:, None]
    if prediction.prob is not None:
        return np.asarray(prediction.prob, dtype=np.float64)
    return np.eye(len(prediction.class_names))[prediction.response_codes]


def _labels(learner: Learner, task: Any) -> tuple[list[Any], str]:
    """What is predicted, and in which unit."""
    if task.task_type == "regr":
        return [task.target_name], "mean prediction"
    classes = task.class_names[: 1 if len(task.class_names) == 2 else None]
    return classes, "mean probability" if learner.predict_type == "prob" else "share of responses"
