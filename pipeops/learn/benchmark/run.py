"""benchmark and resample: every job of a grid, one after another or on joblib's workers.

Splits and seeds follow from one seed and the ids alone, so results depend neither on the order nor on the number of
workers. Neighbours: grid, jobs and store below, results beside it.
"""

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import Any, Literal, NoReturn

import attrs
import numpy as np

from pipeops.bars import bar
from pipeops.data import Task
from pipeops.errors import ConfigError, DataError
from pipeops.guesses import by_name
from pipeops.learn.benchmark.grid import BenchmarkGrid, GridRow, one_row
from pipeops.learn.benchmark.jobs import Done, Outcome, Sets, run_group, run_remote
from pipeops.learn.benchmark.results import BenchmarkResult, BenchmarkWarning, Record
from pipeops.learn.benchmark.store import Store
from pipeops.learn.learner import Learner
from pipeops.learn.measures.measure import Measure, as_measures, as_sets
from pipeops.learn.resampling.base import Resampling

CELLS = 1 << 26
"""How many values of a task are prepared before training, at most, where learners are trained together."""
TOGETHER = 64
"""How many learners are trained together, at most; more would hardly be faster, and an interrupt costs all of them."""


@attrs.frozen(eq=False)
class Job:
    """One iteration of a row of the grid, and where its outcome goes."""

    row: GridRow
    iteration: int
    seed: int
    predict_sets: tuple[str, ...] = ("test",)

    def sets(self) -> Sets:
        resampling, i = self.row.resampling, self.iteration
        return Sets(resampling.train_set(i), resampling.test_set(i), self.seed, self.predict_sets)


@by_name
def benchmark(
    grid: BenchmarkGrid,
    *,
    seed: int | None = None,
    n_jobs: int | None = None,
    store_models: bool = False,
    progress: bool | None = None,
    path: str | Path | None = None,
    measures: Any = None,
    vectorized: bool = True,
    errors: Literal["raise", "keep"] = "raise",
    predict_sets: Any = "test",
) -> BenchmarkResult:
    """Resample every row of a grid.

    seed: of the splits and of every learner that has none of its own; drawn when there is none. n_jobs: joblib workers
    (-1 for all cores); None is 1, or what `joblib.parallel_config` says, so that Dask or Ray can run the grid.
    store_models: keep the trained learners. progress: a bar; None shows it on a terminal and in
    notebooks, but not inside of another one. path: a folder that keeps each
    finished job, so that the same call goes on after an interruption. measures: what `score` and `aggregate` take when
    they are given none. vectorized: train the networks of a row's folds together where that is possible, on one worker, to the
    numbers that each would get alone but for rounding; False trains one by one, on all workers. The numbers of a row depend
    on nothing else in the grid. errors: a job that fails stops no other one; in the end the first error is raised, with
    the whole result as its attribute `result`, or all are kept in `errors()` alone ("keep"). An interrupt (Ctrl-C) and a
    worker that is killed return what is done, with a `BenchmarkWarning`. predict_sets: "test", or ("train", "test") to predict on
    the training rows too, for measures that ask for them: `msr("classif.acc", predict_sets="train")`.

    >>> from pipeops import benchmark, benchmark_grid, lrn, rsmp, tsk
    >>> grid = benchmark_grid(tsk("iris"), [lrn("classif.featureless"), lrn("classif.lda")], rsmp("cv", folds=3))
    >>> benchmark(grid, seed=1).aggregate("classif.acc")["classif.acc"].round(2).to_list()
    [0.26, 0.98]
    """
    if not isinstance(grid, BenchmarkGrid):
        raise ConfigError(f"benchmark: takes a grid, got {type(grid).__name__}; make one with benchmark_grid(...).")
    if errors not in ("raise", "keep"):
        raise ConfigError(f"benchmark: errors is 'raise' or 'keep', got {errors!r}.")
    scored = None if measures is None else as_measures(measures)
    sets = as_sets("benchmark", predict_sets)
    _check_measures(grid, scored or (), sets)
    store = None if path is None else Store(path, seed, store_models, vectorized)
    seed = _drawn(store.seed if store and seed is None else seed)
    seed = seed if store is None else store.begin(seed)
    jobs = _jobs(grid, seed, sets)
    done = _run(jobs, n_jobs, store_models, progress, store, vectorized)
    records = [_record(job, done[i].outcome) for i, job in enumerate(jobs) if i in done]
    result = BenchmarkResult(records, {row.task.id: row.task for row in grid}, seed=seed, measures=scored)
    failed = [done[i].error for i in sorted(done) if done[i].error]
    if failed and errors == "raise":
        _raise(failed, result)
    return result


def _raise(failed: Sequence[Any], result: BenchmarkResult) -> NoReturn:
    """The first error, with the result."""
    first: Any = failed[0]
    first.result = result
    others = f"{len(failed)} of {len(result)} jobs failed; the others are in the attribute `result` of this error"
    first.__notes__ = [others, *getattr(first, "__notes__", ())]
    raise first


def _check_measures(grid: BenchmarkGrid, measures: Sequence[Measure], sets: Sequence[str]) -> None:
    """Refuse before anything is trained what could not be scored after it."""
    if "test" not in sets:
        raise ConfigError(f"benchmark: predict_sets must have 'test', got {list(sets)}.")
    for m in measures:
        m.check_sets(sets)
        for task, learner, _ in grid:
            if m.task_type not in (None, task.task_type):
                raise ConfigError(f"benchmark: {m.id} scores {m.task_type} tasks, '{task.id}' is of type {task.task_type}.")
            if m.predict_type not in (None, "response", learner.predict_type):
                raise ConfigError(
                    f"benchmark: {m.id} needs probabilities; set predict_type={m.predict_type!r} in the learner '{learner.id}'."
                )
            if m.two_classes and len(task.class_names) != 2:  # type: ignore[attr-defined]
                raise ConfigError(f"benchmark: {m.id} is defined for two classes, the task '{task.id}' has more.")


@by_name
def resample(task: Task, learner: Learner, resampling: Resampling, measures: Any = None, **options: Any) -> BenchmarkResult:
    """Resample one learner on one task: a benchmark of one row, with the options of `benchmark`.

    >>> from pipeops import lrn, resample, rsmp, tsk
    >>> resample(tsk("iris"), lrn("classif.lda"), rsmp("cv", folds=3), "classif.acc", seed=1).aggregate()["iters"].to_list()
    [3]
    """
    return benchmark(one_row(task, learner, resampling), measures=measures, **options)


def _drawn(seed: int | None) -> int:
    return int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed


def _seed_for(seed: int, *what: object) -> int:
    """A seed that follows from the benchmark's and from what it is for."""
    digest = hashlib.sha256("\0".join(map(str, (seed, *what))).encode()).digest()
    return int.from_bytes(digest[:4], "little")


def _jobs(grid: BenchmarkGrid, seed: int, sets: tuple[str, ...]) -> list[Job]:
    """All jobs, with splits drawn once for each task and resampling; what cannot run is refused before anything runs."""
    splits: dict[tuple[str, str], Resampling] = {}
    jobs: list[Job] = []
    for task, learner, resampling in grid:
        learner._check(task)
        _check_failing(learner, task)
        _check_validation(learner)
        place = (task.id, resampling.id)
        if place not in splits:
            splits[place] = _split(task, resampling, _seed_for(seed, "split", *place))
        row = GridRow(task, learner, splits[place])
        jobs += [Job(row, i, _seed_for(seed, "job", *place, i), sets) for i in range(splits[place].iters)]
    return jobs


def _check_failing(learner: Learner, task: Task) -> None:
    """What is to happen on a failure must be possible; else it would come out in the middle of a benchmark."""
    if learner.encapsulate not in ("none", "try"):
        raise ConfigError(f"{learner.id}: encapsulate is 'none' or 'try', got {learner.encapsulate!r}.")
    if not isinstance(learner.fallback, Learner | None):
        raise ConfigError(f'{learner.id}: the fallback is a learner, as in lrn("classif.featureless"), got {learner.fallback!r}.')
    if learner.fallback is None:
        return
    learner.fallback._check(task)
    if learner.predict_type not in learner.fallback.predict_types:
        raise ConfigError(f"{learner.id}: the fallback '{learner.fallback.id}' cannot predict {learner.predict_type!r}.")


def _check_validation(learner: Learner) -> None:
    if learner.validates_on == "predefined":
        raise ConfigError(
            f'{learner.id}: validate="predefined" needs its data in train(task, valid=...), which a benchmark cannot give; use '
            'validate="test", a ratio, or a task.'
        )


def _split(task: Task, resampling: Resampling, seed: int) -> Resampling:
    made = resampling if resampling.is_instantiated else resampling.instantiate(task, seed)
    for i in range(made.iters):
        if not len(made.test_set(i)) or not len(made.train_set(i)):
            raise DataError(f"benchmark: iteration {i} of '{made.id}' on the task '{task.id}' has no rows to train or test on.")
    return made


def _run(
    jobs: Sequence[Job],
    n_jobs: int | None,
    store_models: bool,
    progress: bool | None,
    store: Store | None,
    vectorized: bool,
) -> dict[int, Done]:
    """What is done by position, as far as an interrupt let it come."""
    found = _finished_before(jobs, store)
    groups = [group for group in _groups(jobs, vectorized) if any(i not in found for i in group)]
    again = {i for group in groups for i in group}
    done = {i: Done(outcome) for i, outcome in found.items() if i not in again}
    with bar("benchmark", len(jobs), "job", shown=progress, begin=len(done)) as shown:
        try:
            for i, made in _outcomes(jobs, groups, n_jobs, store_models):
                done[i] = made
                if store and made.outcome.failure is None:
                    store.save(jobs[i].row.task, jobs[i].row.learner, jobs[i].sets(), made.outcome)
                failed = sum(each.outcome.failure is not None for each in done.values()) if shown.seen else 0
                shown.tell(len(done), {"failed": failed} if failed else None)
        except (KeyboardInterrupt, BrokenExecutor) as error:
            if not done:
                raise
            why = "interrupted" if isinstance(error, KeyboardInterrupt) else f"a worker was killed ({str(error).splitlines()[0]})"
            warnings.warn(f"benchmark: {why} after {len(done)} of {len(jobs)} jobs.", BenchmarkWarning, stacklevel=3)
    return done


def _finished_before(jobs: Sequence[Job], store: Store | None) -> dict[int, Outcome]:
    """What the folder has; jobs that failed are tried again."""
    if store is None:
        return {}
    found = ((i, store.load(job.row.task, job.row.learner, job.sets())) for i, job in enumerate(jobs))
    return {i: outcome for i, outcome in found if outcome is not None and outcome.failure is None}


def _groups(jobs: Sequence[Job], vectorized: bool) -> list[list[int]]:
    """Positions of the jobs that are run together: iterations of one row of the grid, as many as are held in memory at once.

    Which they are follows from the row alone, so that its numbers depend neither on other rows nor on the number of workers;
    and a group that was interrupted is run again as a whole.
    """
    groups: list[list[int]] = []
    row, cells = None, 0
    for i, job in enumerate(jobs):
        own = _cells(job)
        joins = vectorized and job.row is row and job.row.learner.vectorizes and len(groups[-1]) < TOGETHER
        if joins and cells + own <= CELLS:
            groups[-1].append(i)
            cells += own
        else:
            groups.append([i])
            row, cells = job.row, own
    return groups


def _cells(job: Job) -> int:
    """How many values of the task a job holds while it trains."""
    task, _, resampling = job.row
    return len(task.feature_names) * (len(resampling.train_set(job.iteration)) + len(resampling.test_set(job.iteration)))


def _outcomes(
    jobs: Sequence[Job], groups: Sequence[list[int]], n_jobs: int | None, store_models: bool
) -> Iterator[tuple[int, Done]]:
    """What is done, by position, as it comes."""
    if len(groups) < 2 or _workers(n_jobs) == 1:
        for group in groups:
            yield from zip(group, run_group(*_handed(jobs, group), store_models), strict=True)
    else:
        for k, made in _parallel(jobs, groups, n_jobs, store_models):
            yield from zip(groups[k], made, strict=True)


def _workers(n_jobs: int | None) -> int:
    """How many jobs joblib runs at once; None leaves it to `joblib.parallel_config`."""
    from joblib import effective_n_jobs

    count: Any = effective_n_jobs
    return count(n_jobs)


def _handed(jobs: Sequence[Job], group: Sequence[int]) -> tuple[Task, list[Learner], list[Sets]]:
    return jobs[group[0]].row.task, [jobs[i].row.learner for i in group], [jobs[i].sets() for i in group]


def _parallel(jobs: Sequence[Job], groups: Sequence[list[int]], n_jobs: int | None, store_models: bool) -> Iterator[Any]:
    """`(group, outcomes)` from joblib's workers, in the order in which they finish where the backend can say."""
    from joblib import Parallel, delayed, parallel

    def call(k: int) -> Any:
        return delayed(run_remote)(k, *_handed(jobs, groups[k]), store_models)

    backend: Any = parallel.get_active_backend()[0]
    streams = backend.supports_return_generator
    run = Parallel(n_jobs=n_jobs, return_as="generator_unordered" if streams else "list")
    yield from run(call(k) for k in range(len(groups)))  # type: ignore[misc]


def _record(job: Job, outcome: Outcome) -> Record:
    task, learner, resampling = job.row
    return Record(task.id, learner.id, resampling.id, job.iteration, dict(resampling.details(job.iteration)), outcome)
