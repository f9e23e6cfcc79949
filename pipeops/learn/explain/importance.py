"""importance: how much worse a score gets when a feature is shuffled, or left out, in each fold of a resampling.

Neighbours: benchmark (which trains the folds) and measures below; the picture is in plots/explained.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import attrs
import numpy as np
import numpy.typing as npt

from pipeops.data import Task
from pipeops.display import Block, Shown
from pipeops.errors import ConfigError, DataError, UnknownKeyError, suggest
from pipeops.guesses import by_name
from pipeops.learn.benchmark.run import resample
from pipeops.learn.learner import Learner
from pipeops.learn.measures.measure import DEFAULTS, Measure, as_measure
from pipeops.learn.plots.explained import plot_importance
from pipeops.learn.resampling.base import Resampling
from pipeops.shorthand import rsmp

Array = npt.NDArray[np.float64]
Groups = dict[str, list[str]]


@attrs.frozen(eq=False, repr=False, slots=False)
class Importance(Shown):
    """How much a measure loses without each feature; prints as a table, `to_frame()` is one, `plot()` draws it.

    method: "permutation" or "drop". measure: its id. level: of the intervals. values: by feature one number for each fold (for
    each repeat where a trained learner was looked at), positive where the feature helps. ratio: test rows for each training
    row, by which intervals over folds are widened.
    """

    method: str
    measure: str
    level: float
    values: Mapping[str, Array]
    ratio: float

    def to_frame(self) -> Any:
        """A polars frame, the most important feature first: feature, importance, sd, lower, upper, n (folds)."""
        import polars as pl

        rows = [{"feature": name, **interval(values, self.level, self.ratio)} for name, values in self.values.items()]
        return pl.DataFrame(sorted(rows, key=lambda row: -row["importance"]))

    def plot(self, ax: Any = None, most: int = 20) -> Any:
        """Draw the most important features with their intervals (extra `plot`) and return the axes."""
        return plot_importance(self.to_frame(), f"{self.measure} lost ({self.method})", ax, most)

    def _blocks(self) -> list[Block]:
        frame = self.to_frame()
        rows = [tuple(f"{v:.4g}" if isinstance(v, float) else v for v in row) for row in frame.iter_rows()]
        head = f"Importance by {self.method}: {self.measure} lost, intervals at {self.level:g}"
        return [Block(head, frame.columns, rows)]

    def __repr__(self) -> str:
        return self._blocks()[0].text()


def interval(values: Array, level: float, ratio: float) -> dict[str, Any]:
    """Mean, standard deviation and t-interval of one number a fold; NaN where there is one fold only.

    Folds share training rows, so the variance of the mean is `sd^2 (1/n + test rows / training rows)` (Nadeau and Bengio,
    Inference for the Generalization Error, Machine Learning 52, 2003).

    >>> {name: round(value, 3) for name, value in interval(np.array([1.0, 2.0, 3.0]), 0.95, 0.0).items()}
    {'importance': 2.0, 'sd': 1.0, 'lower': -0.484, 'upper': 4.484, 'n': 3}
    """
    from scipy.stats import t

    n, mean = len(values), float(np.mean(values))
    sd = float(np.std(values, ddof=1)) if n > 1 else float("nan")
    half = float(t.ppf((1 + level) / 2, n - 1)) * sd * (1 / n + ratio) ** 0.5 if n > 1 else float("nan")
    return {"importance": mean, "sd": sd, "lower": mean - half, "upper": mean + half, "n": n}


@by_name
def importance(
    learner: Learner,
    task: Task,
    method: Literal["permutation", "drop"] = "permutation",
    *,
    measure: Any = None,
    features: Sequence[str] | Mapping[str, Sequence[str]] | None = None,
    resampling: Resampling | int | None = 5,
    repeats: int = 5,
    level: float = 0.95,
    seed: int | None = None,
) -> Importance:
    """How much a measure loses when the model does not have a feature, with intervals over folds.

    method: "permutation" shuffles the feature's values among the test rows of each fold, `repeats` times (Breiman, Random
    Forests, 2001); "drop" trains again without it. measure: a key, measure or function with a direction, by default the
    error rate or the mean squared error. features: names, all by default, or groups that go together by name. resampling: a
    number of folds, a resampling, or None: the learner is trained and its own model is looked at on this task, with
    intervals over repeats (permutation alone). level: of the intervals. seed: of folds, learners and shuffling.

    >>> from pipeops import importance, lrn, tsk
    >>> importance(lrn("classif.lda"), tsk("iris"), seed=1).to_frame()["feature"][0]
    'Petal.Length'
    """
    _check(learner, task, method, resampling, repeats, level)
    m, groups = _measure(measure, task), _groups(features, task)
    seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed
    if resampling is None:
        return _of_trained(learner, task, m, groups, repeats, level, seed)
    cut = rsmp("cv", folds=resampling) if isinstance(resampling, int) else resampling
    cut = cut if cut.is_instantiated else cut.instantiate(task, seed)
    result = resample(task, learner, cut, m, store_models=method == "permutation", seed=seed, progress=False)
    before = _scores(result, m)
    if method == "drop":
        values = {name: _without(learner, task, cut, m, names, seed) for name, names in groups.items()}
        values = {name: _worse(m, before, after) for name, after in values.items()}
    else:
        folds = [task.filter(cut.test_set(i)) for i in range(cut.iters)]
        parts = [_shuffled(*fold, m, groups, repeats, seed) for fold in zip(result.learners(), folds, strict=True)]
        values = {name: np.array([_worse(m, b, p[name]).mean() for b, p in zip(before, parts, strict=True)]) for name in groups}
    return Importance(method, m.id, level, values, _ratio(cut))


def _check(learner: Any, task: Any, method: str, resampling: Any, repeats: int, level: float) -> None:
    if not isinstance(learner, Learner) or not isinstance(task, Task):
        raise ConfigError(
            f"importance: takes a learner and a task, got {type(learner).__name__} and {type(task).__name__}; as_learner(graph) "
            "makes a learner of a graph."
        )
    if method not in ("permutation", "drop"):
        raise ConfigError(f'importance: method is "permutation" or "drop", got {method!r}.')
    if resampling is not None and not isinstance(resampling, int | Resampling):
        raise ConfigError(f"importance: resampling is a number of folds, rsmp(...) or None, got {resampling!r}.")
    if resampling is None and (method == "drop" or not learner.is_trained):
        raise ConfigError("importance: resampling=None looks at a trained learner by permutation; give a number of folds.")
    if repeats < 1 or not 0 < level < 1:
        raise ConfigError(f"importance: repeats is at least 1 and level in (0, 1), got {repeats!r} and {level!r}.")


def _measure(given: Any, task: Task) -> Measure:
    m = as_measure(DEFAULTS[task.task_type] if given is None else given)
    if m.minimize is None or m.predict_type is None:
        raise ConfigError(f"importance: takes a measure of predictions with a direction, {m.id} is none.")
    return m


def _groups(features: Any, task: Task) -> Groups:
    """The columns that are shuffled together, by name."""
    wanted = task.feature_names if features is None else [features] if isinstance(features, str) else features
    groups = {n: list(names) for n, names in wanted.items()} if isinstance(wanted, Mapping) else {n: [n] for n in wanted}
    for name in (name for names in groups.values() for name in names):
        if name not in task.feature_names:
            raise UnknownKeyError(f"importance: no feature '{name}'.{suggest(str(name), task.feature_names, 'features')}")
    if not groups or not all(groups.values()):
        raise DataError(f"importance: there is no feature to look at in '{task.id}'.")
    return groups


def _worse(m: Measure, before: Any, after: Any) -> Array:
    """By how much a score is worse, positive where it is."""
    return np.asarray(after - before if m.minimize else before - after, dtype=np.float64)


def _scores(result: Any, m: Measure) -> Array:
    return result.score(m)[m.id].to_numpy()


def _ratio(cut: Resampling) -> float:
    return float(np.mean([len(cut.test_set(i)) / len(cut.train_set(i)) for i in range(cut.iters)]))


def _without(learner: Learner, task: Task, cut: Resampling, m: Measure, names: list[str], seed: int) -> Array:
    """The score of each fold of a learner that never had these features."""
    rest = [name for name in task.feature_names if name not in names]
    if not rest:
        raise DataError(f"importance: nothing is left of '{task.id}' without {', '.join(names)}; method='permutation' can say.")
    return _scores(resample(task.select(rest), learner, cut, m, seed=seed, progress=False), m)


def _shuffled(learner: Learner, task: Task, m: Measure, groups: Groups, repeats: int, seed: int) -> dict[str, Array]:
    """The scores of a trained learner on rows whose values of each group were shuffled, one for each repeat."""
    rng = np.random.default_rng([seed, len(task.row_ids), int(task.row_ids[0])])
    scored: Callable[[Task], float] = lambda task: m.score(learner.predict(task), task=task, learner=learner)  # noqa: E731
    return {name: np.array([scored(t) for t in _shuffles(task, names, repeats, rng)]) for name, names in groups.items()}


def _shuffles(task: Task, names: list[str], repeats: int, rng: np.random.Generator) -> Iterator[Task]:
    for _ in range(repeats):
        other = task._take(rng.permutation(task.nrow)).frame(names)
        yield task.with_features(task.frame().with_columns(*other.iter_columns()))


def _of_trained(learner: Learner, task: Task, m: Measure, groups: Groups, repeats: int, level: float, seed: int) -> Importance:
    before = m.score(learner.predict(task), task=task, learner=learner)
    after = _shuffled(learner, task, m, groups, repeats, seed)
    return Importance("permutation", m.id, level, {name: _worse(m, before, v) for name, v in after.items()}, 0.0)
