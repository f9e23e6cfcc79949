"""The grid of a benchmark: which learner is resampled on which task, and how. Neighbours: run above."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from pipeops.data import Task
from pipeops.display import Block, Shown
from pipeops.errors import ConfigError, DataError
from pipeops.guesses import by_name
from pipeops.learn.learner import Learner
from pipeops.learn.resampling.base import Resampling

ADVICE = {
    "task": 'make one with as_task_classif, as_task_regr or tsk("...").',
    "learner": 'make one with as_learner(graph) or lrn("...").',
    "resampling": 'make one with rsmp("cv", folds=5) and its like.',
}


class GridRow(NamedTuple):
    """One resampling run to be."""

    task: Task
    learner: Learner
    resampling: Resampling


class BenchmarkGrid(Sequence[GridRow], Shown):
    """Rows of task, learner and resampling; concatenates with `+`."""

    def __init__(self, rows: Sequence[GridRow]):
        self.rows = list(rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: Any) -> Any:
        return BenchmarkGrid(self.rows[i]) if isinstance(i, slice) else self.rows[i]

    def __iter__(self) -> Iterator[GridRow]:
        return iter(self.rows)

    def __add__(self, other: "BenchmarkGrid") -> "BenchmarkGrid":
        return BenchmarkGrid([*self.rows, *other.rows])

    def __repr__(self) -> str:
        return self._blocks()[0].text()

    def _blocks(self) -> list[Block]:
        ids = [(row.task.id, row.learner.id, row.resampling.id) for row in self.rows]
        return [Block(f"BenchmarkGrid with {len(self)} rows:", ("task", "learner", "resampling"), ids)]


@by_name
def benchmark_grid(tasks: Any, learners: Any, resamplings: Any, paired: bool = False) -> BenchmarkGrid:
    """Every task with every learner and every resampling; what they share a task for shares its splits.

    Each is one or a list. paired: the first resampling belongs to the first task and so on, all of them instantiated.
    A resampling that is instantiated must be so on the task. Raises `ConfigError` where two have the same id.

    >>> from pipeops import benchmark_grid, lrn, rsmp, tsk
    >>> benchmark_grid(tsk("iris"), [lrn("classif.lda"), lrn("classif.featureless")], rsmp("cv", folds=3))
    BenchmarkGrid with 2 rows:
      task  learner              resampling
      iris  classif.lda          cv
      iris  classif.featureless  cv
    """
    return _grid("benchmark_grid", tasks, learners, resamplings, paired)


def one_row(task: Any, learner: Any, resampling: Any) -> BenchmarkGrid:
    """The grid of one resampling run; what is wrong with it is said in the name of `resample`."""
    return _grid("resample", [task], [learner], [resampling], paired=False)


def _grid(who: str, tasks: Any, learners: Any, resamplings: Any, paired: bool) -> BenchmarkGrid:
    tasks, learners = _several(who, tasks, Task, "task"), _several(who, learners, Learner, "learner")
    resamplings = _several(who, resamplings, Resampling, "resampling", unique=not paired)
    pairs = _pairs(tasks, resamplings) if paired else [(task, r) for task in tasks for r in resamplings]
    for task, resampling in pairs:
        if resampling.is_instantiated and not resampling.belongs_to(task):
            raise DataError(
                f"{who}: the resampling '{resampling.id}' is instantiated on '{resampling._instance().task_id}', not on "
                f"the rows of the task '{task.id}'; hand in one that is not instantiated."
            )
    rows = {}
    for task, resampling in pairs:
        rows.setdefault(id(task), []).append(resampling)
    return BenchmarkGrid([GridRow(t, learner, r) for t in tasks for learner in learners for r in rows[id(t)]])


def _several(who: str, things: Any, kind: type, name: str, unique: bool = True) -> list[Any]:
    found = list(things) if isinstance(things, list | tuple) else [things]
    if not found:
        raise ConfigError(f"{who}: needs at least one {name}.")
    for thing in found:
        if not isinstance(thing, kind):
            raise ConfigError(f"{who}: {thing!r:.80} is a {type(thing).__name__}, not a {name}; {ADVICE[name]}")
    ids = [thing.id for thing in found]
    twice = next((i for i in ids if ids.count(i) > 1), None)
    if twice is not None and unique:
        raise ConfigError(f"{who}: two {name}s are called '{twice}'; give each an id of its own.")
    return found


def _pairs(tasks: list[Task], resamplings: list[Resampling]) -> list[tuple[Task, Resampling]]:
    if len(tasks) != len(resamplings):
        raise ConfigError(f"benchmark_grid: paired needs as many resamplings as tasks, got {len(resamplings)} and {len(tasks)}.")
    plain = [r.id for r in resamplings if not r.is_instantiated]
    if plain:
        raise ConfigError(f"benchmark_grid: paired needs instantiated resamplings, '{plain[0]}' is not.")
    return list(zip(tasks, resamplings, strict=True))
