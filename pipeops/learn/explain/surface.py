"""prediction_surface: what a trained learner predicts over two features, all others at a typical value.

Neighbours: tasks and learners below; partial dependence, which averages over rows instead, beside it; the picture is in
plots/planes.
"""

from collections.abc import Sequence
from typing import Any

import attrs
import narwhals as nw
import numpy as np
import numpy.typing as npt

from pipeops.data import Task
from pipeops.display import Block, Shown
from pipeops.errors import ConfigError, DataError, UnknownKeyError, listing, suggest
from pipeops.guesses import by_name
from pipeops.learn.learner import Learner
from pipeops.learn.plots.planes import plot_surface_of_predictions

Array = npt.NDArray[Any]


@attrs.frozen(eq=False, repr=False, slots=False)
class PredictionSurface(Shown):
    """Predictions over a grid of two features; `to_frame()` is a table, `plot()` draws it with the rows of the task.

    features: on the axes. x, y: values of the grid. prediction: on the grid, the second feature running fastest. rows: `(n, 2)`
    of the task; own: what is predicted of them. fixed: the values of all other features.
    """

    learner_id: str
    features: tuple[str, str]
    x: Array
    y: Array
    prediction: Any
    rows: Array
    own: Any
    fixed: dict[str, Any]

    def to_frame(self) -> Any:
        """A frame with a row for each point: both features, then what was predicted."""
        import polars as pl

        points = {self.features[0]: np.repeat(self.x, len(self.y)), self.features[1]: np.tile(self.y, len(self.x))}
        made = nw.from_native(self.prediction.to_frame()).to_polars().drop("row_ids", "truth", strict=False)
        return pl.concat([pl.DataFrame(points), made], how="horizontal")

    def plot(self, ax: Any = None) -> Any:
        """Draw it (extra `plot`) and return the axes.

        Of classes which is predicted where, the paler the less sure, and the rows by their true class, crossed where it is
        missed; of numbers one scale of colours for both.
        """
        return plot_surface_of_predictions(self, ax)

    def _blocks(self) -> list[Block]:
        head = f"PredictionSurface of {self.learner_id} over {' and '.join(self.features)}, {len(self.x)} x {len(self.y)} points"
        facts = [(name, str(value)) for name, value in self.fixed.items()]
        return [Block(head), *([Block("All others are at", ("feature", "value"), facts)] if facts else [])]

    def __repr__(self) -> str:
        return "\n".join(block.text() for block in self._blocks())


@by_name
def prediction_surface(
    learner: Learner, task: Task, features: Sequence[str] | None = None, *, grid: int = 60
) -> PredictionSurface:
    """What a trained learner predicts where two numeric features have these values and all others a typical one.

    features: two names; may be left out where the task has two. grid: points on each side, evenly from the smallest to the
    largest value in the task; of whole numbers at most those between. Typical are the value nearest to the median, and the most
    frequent category. The rows of the task are kept for the picture, with what the learner predicts of them.

    >>> from pipeops import lrn, prediction_surface, tsk
    >>> learner = lrn("classif.lda", predict_type="prob").train(tsk("iris"))
    >>> prediction_surface(learner, tsk("iris"), ["Petal.Length", "Petal.Width"], grid=4).to_frame().shape
    (16, 6)
    """
    names = _checked(learner, task, features, grid)
    places = {name: _typical(task, name) for name in task.feature_names if name not in names}
    matrix = task.matrix("float64", list(names))
    frame = task.frame()
    x, y = (_even(frame.get_column(name).dtype, matrix[:, k], grid) for k, name in enumerate(names))
    points = {names[0]: np.repeat(x, len(y)), names[1]: np.tile(y, len(x))}
    count = len(points[names[0]])
    others = [task._take(np.full(count, at)).frame([name]).get_column(name) for name, at in places.items()]
    own = [nw.new_series(n, v, backend=frame.implementation).cast(frame.get_column(n).dtype) for n, v in points.items()]
    spread = task._take(np.zeros(count, dtype=np.int64))
    made = learner.predict(spread.with_features(spread.frame().with_columns(*others, *own)))
    fixed = {name: frame.get_column(name)[at] for name, at in places.items()}
    return PredictionSurface(learner.id, names, x, y, made, matrix, learner.predict(task), fixed)


def _checked(learner: Any, task: Any, features: Any, grid: int) -> tuple[str, str]:
    if not isinstance(learner, Learner) or not isinstance(task, Task):
        raise ConfigError(f"prediction_surface: takes a learner and a task, got {type(learner).__name__}, {type(task).__name__}.")
    learner._trained()
    names = tuple(task.feature_names if features is None else features)
    for name in names:
        if name not in task.feature_names:
            raise UnknownKeyError(f"prediction_surface: no feature '{name}'.{suggest(str(name), task.feature_names, 'features')}")
    if len(set(names)) != 2 or len(names) != 2 or grid < 2:
        raise ConfigError(f"prediction_surface: takes two features and a grid of 2 or more, got {listing(names)} and {grid!r}.")
    wrong = [name for name in names if task.feature_types[name] != "numeric"]
    if wrong or task.task_type not in ("classif", "regr") or not task.nrow:
        problem = f"'{wrong[0]}' is {task.feature_types[wrong[0]]}" if wrong else f"'{task.id}' has several targets, or no rows"
        raise DataError(f"prediction_surface: takes numeric features of a task with one target and rows; {problem}.")
    return names


def _typical(task: Task, name: str) -> int:
    """Where the value stands that is nearest to the median, or is the most frequent one; the first row where nothing is known."""
    kind = task.feature_types[name]
    if kind in ("numeric", "boolean"):
        values = task.matrix("float64", [name])[:, 0]
        return 0 if np.isnan(values).all() else int(np.nanargmin(np.abs(values - np.nanmedian(values))))
    if kind == "categorical":
        codes = task.codes(name)
        known = codes[codes >= 0]
        return int(np.flatnonzero(codes == np.bincount(known).argmax())[0]) if len(known) else 0
    return 0


def _even(dtype: Any, values: Array, grid: int) -> Array:
    """Values of the grid, in the type of the column."""
    if np.isnan(values).all():
        raise DataError("prediction_surface: a feature has no value in the task.")
    even = np.linspace(np.nanmin(values), np.nanmax(values), grid)
    return np.unique(np.round(even)).astype(np.int64) if dtype.is_integer() else even
