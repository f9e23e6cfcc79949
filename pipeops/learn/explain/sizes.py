"""learning_curve: how well a learner predicts when it is trained on few rows and on more, with intervals over folds.

Neighbours: benchmark (which trains) and measures below, importance beside it has the intervals; the picture is in plots/planes.
"""

from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from pipeops.bars import bar
from pipeops.data import Task
from pipeops.display import Block, Shown
from pipeops.errors import ConfigError
from pipeops.guesses import by_name
from pipeops.learn.benchmark.run import resample
from pipeops.learn.explain.importance import interval
from pipeops.learn.learner import Learner
from pipeops.learn.measures.measure import DEFAULTS, Measure, as_measure
from pipeops.learn.plots.planes import plot_sizes
from pipeops.learn.resampling.base import Resampling
from pipeops.shorthand import rsmp

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


@attrs.frozen(eq=False, repr=False, slots=False)
class LearningCurve(Shown):
    """A measure by the number of training rows; prints as a table, `to_frame()` is one, `plot()` draws it.

    measure: its id; label: in words. sizes: numbers of training rows, ascending. train, test: `(sizes, folds)` scores on the rows
    that were trained on, and on the test rows. level: of the intervals. tested: test rows a fold, by which intervals are widened.
    """

    measure: str
    label: str
    sizes: list[int]
    train: Array
    test: Array
    level: float
    tested: float

    def to_frame(self) -> Any:
        """A polars frame with a row for each size and set ("train", "test"): size, set, mean, sd, lower, upper, n (folds)."""
        import polars as pl

        rows = [
            {"size": size, "set": name, "mean": found.pop("importance"), **found}
            for name, scores in (("train", self.train), ("test", self.test))
            for size, each in zip(self.sizes, scores, strict=True)
            for found in [interval(each, self.level, self.tested / size if name == "test" else 0.0)]
        ]
        return pl.DataFrame(rows)

    def plot(self, ax: Any = None) -> Any:
        """Draw it (extra `plot`) and return the axes: a line for each set, with its interval."""
        return plot_sizes(self.to_frame(), self.label, ax)

    def _blocks(self) -> list[Block]:
        frame = self.to_frame()
        rows = [tuple(f"{v:.4g}" if isinstance(v, float) else v for v in row) for row in frame.iter_rows()]
        return [Block(f"LearningCurve of {self.measure}", frame.columns, rows)]

    def __repr__(self) -> str:
        return self._blocks()[0].text()


@by_name
def learning_curve(
    learner: Learner,
    task: Task,
    *,
    sizes: int | Sequence[float] = 5,
    measure: Any = None,
    resampling: Resampling | int = 5,
    level: float = 0.95,
    seed: int | None = None,
) -> LearningCurve:
    """How a measure goes with the number of training rows: each fold is trained on some of them, and tested on all its test rows.

    sizes: shares of the training rows (up to 1.0) or numbers of rows, or a number of sizes, evenly spread up to all. The rows of
    smaller sizes are among those of larger ones; of classes each size has about the shares of all. measure: by default the error
    rate or the mean squared error. resampling: a number of folds, or a resampling. level: of intervals over folds. seed: of
    folds, rows and learners. Over epochs: `learner.plot_history()`.

    >>> from pipeops import learning_curve, lrn, tsk
    >>> curve = learning_curve(lrn("classif.lda"), tsk("iris"), sizes=[20, 1.0], resampling=3, seed=1)
    >>> curve.sizes, curve.test.shape
    ([20, 100], (2, 3))
    """
    if not isinstance(learner, Learner) or not isinstance(task, Task):
        raise ConfigError(f"learning_curve: takes a learner and a task, got {type(learner).__name__}, {type(task).__name__}.")
    m = as_measure(DEFAULTS[task.task_type] if measure is None else measure)
    seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed
    cut = rsmp("cv", folds=resampling) if isinstance(resampling, int) else resampling
    cut = cut if cut.is_instantiated else cut.instantiate(task, seed)
    folds = [_ordered(task, cut.train_set(i), np.random.default_rng([seed, i])) for i in range(cut.iters)]
    tests = [cut.test_set(i) for i in range(cut.iters)]
    numbers = _sizes(sizes, min(map(len, folds)))
    found = list[tuple[Array, Array]]()
    with bar("learning curve", len(numbers), "size") as shown:
        for n in numbers:
            sets = rsmp("custom", train_sets=[rows[:n].tolist() for rows in folds], test_sets=[t.tolist() for t in tests])
            found.append(_scores(task, learner, sets, m, seed))
            shown.tell(len(found))
    train, test = (np.stack(scores) for scores in zip(*found, strict=True))
    return LearningCurve(m.id, m.label or m.id, numbers, train, test, level, float(np.mean([len(t) for t in tests])))


def _scores(task: Task, learner: Learner, sets: Resampling, m: Measure, seed: int) -> tuple[Array, Array]:
    """A score for each fold, on its training rows and on its test rows."""
    result = resample(task, learner, sets, m, seed=seed, predict_sets=("train", "test"))
    both = (attrs.evolve(m, predict_sets=(name,)) for name in ("train", "test"))
    train, test = (result.score(one)[m.id].to_numpy() for one in both)
    return train, test


def _sizes(given: int | Sequence[float], most: int) -> list[int]:
    """Numbers of rows from shares, numbers or how many there shall be."""
    if isinstance(given, int) and not isinstance(given, bool) and given >= 1:
        given = [(k + 1) / given for k in range(given)]
    several = [] if isinstance(given, bool | int | str) else list(given)
    wrong = [s for s in several if isinstance(s, bool) or not 0 < s <= (1 if isinstance(s, float) else most)]
    if not several or wrong:
        raise ConfigError(
            f"learning_curve: sizes are shares in (0, 1], numbers of rows from 1 to {most} (of the smallest training set), or "
            f"how many sizes, got {wrong[0] if wrong else given!r}."
        )
    return sorted({max(round(s * most), 1) if isinstance(s, float) else int(s) for s in several})


def _ordered(task: Any, rows: Rows, rng: np.random.Generator) -> Rows:
    """The rows at random, such that the first ones have about the shares of the classes."""
    mixed = rng.permutation(rows)
    if task.task_type != "classif":
        return mixed
    codes = task.filter(mixed).class_codes()
    place = np.empty(len(mixed))
    for code in np.unique(codes):
        own = np.flatnonzero(codes == code)
        place[own] = (np.arange(len(own)) + 0.5) / len(own)
    return mixed[np.argsort(place, kind="stable")]
