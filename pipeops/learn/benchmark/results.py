"""The result of a benchmark: a record for each job, shown as polars tables.

Neighbours: jobs and measures below; run makes results, compare tests differences between learners.
"""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from pipeops.data import Task
from pipeops.data.stored import prototype
from pipeops.display import Block, Shown
from pipeops.errors import ConfigError, DataError, FormatError, UnknownKeyError, suggest
from pipeops.guesses import Guessing, by_name
from pipeops.learn.benchmark.compare import paired
from pipeops.learn.benchmark.jobs import JobLearner, Outcome
from pipeops.learn.learner import Learner
from pipeops.learn.measures.measure import DEFAULTS, Measure, MeasureWarning, as_measures
from pipeops.learn.plots.overlays import plot_scores
from pipeops.learn.plots.ranks import plot_critical, plot_intervals
from pipeops.learn.prediction.base import Prediction
from pipeops.saving import Encoder, read, savable, saved_as, write

NAN = float("nan")
IDS = ("task_id", "learner_id", "resampling_id")


class BenchmarkWarning(UserWarning):
    """A benchmark was interrupted and its result is not complete."""


@savable
@attrs.frozen(eq=False)
class Record:
    """One job: whose it is, and what it left. details: fold and repeat, or subsets, where the resampling has them."""

    task_id: str
    learner_id: str
    resampling_id: str
    iteration: int
    details: Mapping[str, Any]
    outcome: Outcome

    @property
    def ids(self) -> tuple[str, str, str]:
        return self.task_id, self.learner_id, self.resampling_id


class BenchmarkResult(Guessing, Shown):
    """What a benchmark found. Tables are polars frames with the columns task_id, learner_id and resampling_id first.

    seed: what splits and learners were seeded with.
    """

    def __init__(self, records: Sequence[Record], tasks: Mapping[str, Task], *, seed: int, measures: Any = None):
        self.records, self.tasks, self.seed = list(records), dict(tasks), seed
        self.measures: list[Measure] | None = None if measures is None else as_measures(measures)

    def __len__(self) -> int:
        return len(self.records)

    # ---------------------------------------------------------------- tables

    def score(self, measures: Any = None) -> Any:
        """A row for each iteration: ids, iteration, what the resampling says of it, and one column for each measure.

        A job that failed without a fallback scores NaN.
        """
        import polars as pl

        several = self._measures(measures)
        rows = [
            {**dict(zip(IDS, r.ids, strict=True)), "iteration": r.iteration, **r.details, **self._scores(r, several)}
            for r in self.records
        ]
        return pl.DataFrame(rows, infer_schema_length=None, schema_overrides={m.id: pl.Float64 for m in several})

    @by_name
    def aggregate(self, measures: Any = None) -> Any:
        """A row for each resampling run: ids, `iters`, and each measure over the iterations: their mean, or for measures
        with `average="micro"` the score of all predictions together; `msr("ci", measure=...)` has its bounds beside it."""
        import polars as pl

        several = self._measures(measures)
        rows = [
            {**dict(zip(IDS, ids, strict=True)), "iters": len(records), **self._columns(records, several)}
            for ids, records in self._runs().items()
        ]
        names = [name for m in several for name in (m.id, *m.bounds)]
        return pl.DataFrame(rows, schema_overrides=dict.fromkeys(names, pl.Float64))

    def _columns(self, records: Sequence[Record], measures: Iterable[Measure]) -> dict[str, float]:
        """What measures say of one run: a number each, and the bounds of those that have some."""
        found: dict[str, float] = {}
        for m in measures:
            found[m.id] = self._aggregated(records, m)
            if m.interval is not None:
                scores = [self._scores(r, [m])[m.id] for r in records]
                predictions = [self._on(r, m) for r in records]
                bounds = m.interval(scores, [r.outcome.sizes for r in records], predictions, **m.params)
                found |= dict(zip(m.bounds, bounds, strict=True))
        return found

    def predictions(self) -> Any:
        """All predictions one below the other: ids, iteration, row_ids, truth, response and the probabilities.

        Labels of several tasks become text where their types differ.
        """
        import narwhals as nw
        import polars as pl

        made = [(r, nw.from_native(r.outcome.prediction.to_frame()).to_polars()) for r in self.records if r.outcome.prediction]
        mixed = {name for name in ("truth", "response") if len({f.schema[name] for _, f in made}) > 1}
        frames = []
        for r, frame in made:
            ids = [pl.lit(v).alias(n) for n, v in zip(IDS, r.ids, strict=True)]
            own = [*ids, pl.lit(r.iteration, pl.Int64).alias("iteration")]
            frames.append(frame.select(*own, *(pl.col(n).cast(pl.String) if n in mixed else n for n in frame.columns)))
        return pl.concat(frames, how="diagonal_relaxed") if frames else pl.DataFrame()

    def errors(self) -> Any:
        """A row for each failure: ids, iteration, stage ("train" or "predict"), message and traceback."""
        import polars as pl

        names = (*IDS, "iteration", "stage", "message", "traceback")
        rows = [(*r.ids, r.iteration, f.stage, f.message, f.traceback) for r in self.records if (f := r.outcome.failure)]
        schema = {name: pl.Int64 if name == "iteration" else pl.String for name in names}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def compare(self, measure: Any = None) -> Any:
        """Every pair of learners on each task and resampling, by their scores on the same iterations.

        Columns: learner_id and other_id, n (iterations that both have a score for), mean_difference (first minus other),
        sd of the differences, p_value of the two-sided paired t-test (NaN where all differences are equal). Folds share
        training rows, so p-values are optimistic.
        """
        import polars as pl

        several = self._measures(measure)
        if len(several) != 1:
            raise ConfigError(f"compare: takes one measure, got {len(several)}.")
        scores = [(*r.ids, r.iteration, self._scores(r, several)[several[0].id]) for r in self.records]
        return pl.DataFrame(paired(scores), infer_schema_length=None)

    def plot(self, measure: Any = None, ax: Any = None, *, kind: str = "box") -> Any:
        """Draw a measure (extra `plot`) and return the axes.

        kind: "box", a box for each learner and a block for each task; "interval", means with their intervals; "critical", mean
        ranks over two tasks or more, and which of them Nemenyi's test does not tell apart.
        """
        several = self._measures(measure)
        if len(several) != 1:
            raise ConfigError(f"plot: takes one measure, got {len(several)}.")
        m, kinds = several[0], ("box", "interval", "critical")
        table, label = self.score(several), m.label or m.id
        if kind not in kinds:
            raise ConfigError(f"plot: no kind '{kind}' for a benchmark.{suggest(str(kind), kinds, 'kinds')}")
        if kind == "critical":
            return plot_critical(table, m.id, label, m.minimize, ax)
        return (plot_scores if kind == "box" else plot_intervals)(table, m.id, label, ax)

    # ---------------------------------------------------------------- parts

    def learners(self, task: Any = None, learner: Any = None, resampling: Any = None) -> list[Learner]:
        """The trained learners in the order of the iterations; `store_models=True` keeps them."""
        found = [r.outcome.learner for r in self.filter(task, learner, resampling).records]
        if any(one is None for one in found):
            raise ConfigError("learners: the models were not kept; run benchmark(..., store_models=True).")
        return found  # type: ignore[return-value]

    def prediction(self, task: Any = None, learner: Any = None, resampling: Any = None) -> Prediction:
        """The predictions of one resampling run, joined; ids may be left out where there is only one."""
        records = self._one_run("prediction", task, learner, resampling)
        return Prediction.combine([r.outcome.prediction for r in records if r.outcome.prediction is not None])

    def predictions_by_fold(self, task: Any = None, learner: Any = None, resampling: Any = None) -> list[Prediction | None]:
        """The predictions of one resampling run, iteration by iteration; None where one failed and had no fallback.

        >>> from pipeops import lrn, resample, rsmp, tsk
        >>> result = resample(tsk("iris"), lrn("classif.lda"), rsmp("cv", folds=3), seed=1)
        >>> [len(prediction) for prediction in result.predictions_by_fold()]
        [50, 50, 50]
        """
        return [r.outcome.prediction for r in self._one_run("predictions_by_fold", task, learner, resampling)]

    def _one_run(self, who: str, task: Any, learner: Any, resampling: Any) -> list[Record]:
        runs = self.filter(task, learner, resampling)._runs()
        if len(runs) != 1:
            raise ConfigError(f"{who}: {len(runs)} resampling runs fit; name task, learner and resampling.")
        return sorted(next(iter(runs.values())), key=lambda r: r.iteration)

    def filter(self, task: Any = None, learner: Any = None, resampling: Any = None) -> "BenchmarkResult":
        """Only these tasks, learners and resamplings, by id (one or a list)."""
        kept = self.records
        for name, wanted in zip(IDS, (task, learner, resampling), strict=True):
            if wanted is not None:
                kept = [r for r in kept if getattr(r, name) in self._known(name, wanted)]
        used = {r.task_id for r in kept}
        tasks = {name: t for name, t in self.tasks.items() if name in used}
        return BenchmarkResult(kept, tasks, seed=self.seed, measures=self.measures)

    def combine(self, *others: "BenchmarkResult") -> "BenchmarkResult":
        """This result and others as one; a job that is in two of them is refused."""
        records = [r for result in (self, *others) for r in result.records]
        places = [(r.ids, r.iteration) for r in records]
        if len(set(places)) < len(places):
            (ids, i) = next(p for p in places if places.count(p) > 1)
            raise ConfigError(f"combine: iteration {i} of {' / '.join(ids)} is in more than one result; give one another id.")
        tasks = {name: t for result in (self, *others) for name, t in result.tasks.items()}
        return BenchmarkResult(records, tasks, seed=self.seed, measures=self.measures)

    # ---------------------------------------------------------------- saving

    def save(self, path: str | Path) -> None:
        """Write the result to one file without pickle; tasks are kept without their rows. `load_benchmark` reads it.

        A stored model that cannot be written so (scikit-learn's trees) is left out, with a warning; its scores are kept.
        """
        write(path, "benchmark", BenchmarkResult(self._writable(), self.tasks, seed=self.seed, measures=self.measures))

    def _writable(self) -> list[Record]:
        """The records, without the models that cannot be saved."""
        left_out: dict[str, str] = {}
        records = list(self.records)
        for i, record in enumerate(records):
            try:
                Encoder().encode(record.outcome.learner)
            except FormatError as error:
                left_out.setdefault(record.learner_id, str(error))
                records[i] = attrs.evolve(record, outcome=attrs.evolve(record.outcome, learner=None))
        for learner, reason in left_out.items():
            warnings.warn(f"save: the models of '{learner}' are left out. {reason}", BenchmarkWarning, stacklevel=3)
        return records

    # ---------------------------------------------------------------- inside

    def _runs(self) -> dict[tuple[str, str, str], list[Record]]:
        runs: dict[tuple[str, str, str], list[Record]] = {}
        for record in self.records:
            runs.setdefault(record.ids, []).append(record)
        return runs

    def _measures(self, given: Any) -> list[Measure]:
        if given is not None:
            return as_measures(given)
        if self.measures is not None:
            return self.measures
        kinds = {task.task_type for task in self.tasks.values()}
        if len(kinds) != 1:
            raise DataError("score: the tasks are of different kinds; name the measures, or filter(task=...) first.")
        return as_measures(DEFAULTS[kinds.pop()])

    def _scores(self, record: Record, measures: Iterable[Measure]) -> dict[str, float]:
        outcome, task = record.outcome, self.tasks[record.task_id]
        return {m.id: self._score(self._on(record, m), m, task, JobLearner(outcome)) for m in measures}

    def _on(self, record: Record, m: Measure) -> Prediction | None:
        """The prediction on the rows that a measure scores."""
        if record.outcome.failure is None and record.outcome.on_train is None:
            m.check_sets(("test",))
        return record.outcome.on(m.predict_sets)

    def _score(self, prediction: Prediction | None, m: Measure, task: Task, learner: JobLearner) -> float:
        if m.predict_type is None:
            return m.score(prediction, task=task, learner=learner)
        if prediction is not None and len(prediction.missing):
            warnings.warn(
                f"{m.id}: NaN where a learner predicts nothing for some rows ({len(prediction.missing)} of {len(prediction)}).",
                MeasureWarning,
                stacklevel=4,
            )
        empty = prediction is None or len(prediction.missing)
        return NAN if empty else m.score(prediction, task=task, learner=learner)

    def _aggregated(self, records: Sequence[Record], m: Measure) -> float:
        if m.across is not None:
            return m.across([JobLearner(r.outcome) for r in records], self.tasks[records[0].task_id])
        if m.average == "macro" or m.predict_type is None:
            return float(np.mean([self._scores(r, [m])[m.id] for r in records]))
        found = [prediction for r in records if (prediction := self._on(r, m)) is not None]
        whole = Prediction.combine(found) if len(found) == len(records) else None
        return self._score(whole, m, self.tasks[records[0].task_id], JobLearner(records[0].outcome))

    def _known(self, name: str, wanted: Any) -> set[str]:
        ids = dict.fromkeys(getattr(r, name) for r in self.records)
        several = {wanted} if isinstance(wanted, str) else {getattr(one, "id", one) for one in _listed(wanted)}
        for one in several:
            if one not in ids:
                raise UnknownKeyError(f"filter: no {name} '{one}'.{suggest(str(one), ids, 'there are')}")
        return several

    def __repr__(self) -> str:
        return self._run_block().text()

    def _blocks(self) -> list[Block]:
        """The runs, their scores, and what failed."""
        return [self._run_block(), *self._score_blocks(), *self._error_blocks()]

    def _run_block(self) -> Block:
        runs = self._runs()
        rows = [(*ids, len(rs), sum(r.outcome.failure is not None for r in rs)) for ids, rs in runs.items()]
        head = f"BenchmarkResult of {len(self)} iterations in {len(runs)} resampling run{'s' * (len(runs) != 1)}:"
        return Block(head, (*IDS, "iters", "errors"), rows)

    def _score_blocks(self) -> list[Block]:
        """The scores of each run on a page, where it is plain by which measures."""
        if not self.records or (self.measures is None and len({task.task_type for task in self.tasks.values()}) != 1):
            return []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is undefined is shown as nan
            table = self.aggregate()
        rows = [tuple(f"{v:.4g}" if isinstance(v, float) else v for v in row) for row in table.iter_rows()]
        return [Block("Scores", [*table.columns], rows)]

    def _error_blocks(self) -> list[Block]:
        found = self.errors()
        rows = list(found.select(*IDS, "iteration", "stage", "message").iter_rows())
        return [Block("Errors", (*IDS, "iteration", "stage", "message"), rows, folded=True)] if rows else []


def _listed(wanted: Any) -> Iterable[Any]:
    return wanted if isinstance(wanted, list | tuple | set) else [wanted]


def _to_plain(result: BenchmarkResult) -> dict[str, Any]:
    tasks = {name: prototype(task) for name, task in result.tasks.items()}
    return {"records": result.records, "tasks": tasks, "seed": result.seed, "measures": result.measures}


_PLAIN = {"records": list[Record], "tasks": dict[str, Task], "seed": int, "measures": list[Measure] | None}
saved_as(BenchmarkResult, lambda plain: BenchmarkResult(**plain), _to_plain, plain=_PLAIN)


def load_benchmark(path: str | Path, trust: Iterable[Any] = ()) -> BenchmarkResult:
    """Read a result that `save` wrote. trust: classes and functions of your own that stored learners hold."""
    return read(path, "benchmark", trust, BenchmarkResult)
