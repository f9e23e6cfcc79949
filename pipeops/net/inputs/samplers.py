"""Batch samplers: which rows of the training task make up each batch of an epoch.

A batch sampler is anything with `batches(task, generator)`, called once an epoch and answering a list of int64 tensors,
positions of rows in the training task; `generator` is the run's own `torch.Generator`, so a seed fixes the batches. They are
for training only: validation and prediction go through every row once, in order. These three, `t_sampler("stratified")` and
its like, are for tasks where some classes or strata are rare. Neighbours: a task's roles and class codes below; the trainer
calls it.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, runtime_checkable

import attrs
import torch

from pipeops.data import Task, TaskClassif
from pipeops.errors import ConfigError, DataError, UnknownKeyError, suggest
from pipeops.params import Configurable, Param, Token
from pipeops.saving import savable
from pipeops.shorthand import t_sampler


@runtime_checkable
class BatchSampler(Protocol):
    """What `batch_sampler=` takes."""

    def batches(self, task: Task, generator: torch.Generator) -> list[torch.Tensor]:
        """The batches of one epoch: positions of rows, int64 `(rows,)` each."""
        ...


class Sampler(Configurable):
    """Base of the registered ones: their fields are hyperparameters, which the model node passes on."""

    key: ClassVar[str] = ""
    shelf: ClassVar[str] = ""


def _count(sampler: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    if attribute.metadata["param"].problem(value) is not None:
        raise ConfigError(f"{type(sampler).__name__}: '{attribute.name}' must be an integer from 1, got {value!r}.")


def _counting(**default: Any) -> Any:
    return attrs.field(validator=_count, metadata={"param": Param("integer", 1, **default)}, **default)


@t_sampler.add("stratified")
@savable
@attrs.frozen
class StratifiedBatches(Sampler):
    """Every row once an epoch, in as many batches as leave at least `min_per_stratum` rows of each stratum in each.

    Strata are the combinations of the columns with the role `stratum`, or the classes when there are none. A stratum's
    numbers in two batches differ by at most one, and so do the sizes of two batches. A stratum with fewer rows than
    `min_per_stratum` is a DataError.

    >>> from pipeops.data import as_task_classif
    >>> task = as_task_classif({"x": range(9), "y": ["a"] * 7 + ["b"] * 2}, target="y")
    >>> [len(batch) for batch in StratifiedBatches(min_per_stratum=1).batches(task, torch.Generator())]
    [5, 4]
    """

    min_per_stratum: int = _counting(default=1)

    def batches(self, task: Task, generator: torch.Generator) -> list[torch.Tensor]:
        """Rows sorted by stratum, shuffled within, and dealt out like cards."""
        codes, labels = strata(task, "StratifiedBatches")
        if not len(codes):
            return []
        sizes = codes.bincount(minlength=len(labels)).tolist()
        for label, size in zip(labels, sizes, strict=True):
            if 0 < size < self.min_per_stratum:
                raise DataError(
                    f"StratifiedBatches: the stratum {label!r} has {size} rows, fewer than "
                    f"min_per_stratum={self.min_per_stratum}; lower it or merge strata."
                )
        number = min(size // self.min_per_stratum for size in sizes if size)
        shuffled = torch.randperm(len(codes), generator=generator)
        deck = shuffled[codes[shuffled].argsort(stable=True)]
        return [deck[start::number] for start in range(number)]


@t_sampler.add("balanced")
@savable
@attrs.frozen
class BalancedBatches(Sampler):
    """Batches with as many rows of one stratum as of any other (one more of some, in turn, when they do not divide).

    Strata as in `StratifiedBatches`. There are as many batches an epoch as it takes to go once through as many rows as
    the task has; rows of a rare stratum come several times, and no row of a stratum a second time before all others of it.

    >>> from pipeops.data import as_task_classif
    >>> task = as_task_classif({"x": range(9), "y": ["a"] * 7 + ["b"] * 2}, target="y")
    >>> [(batch > 6).sum().item() for batch in BalancedBatches(batch_size=4).batches(task, torch.Generator())]
    [2, 2, 2]
    """

    batch_size: int = _counting()

    def batches(self, task: Task, generator: torch.Generator) -> list[torch.Tensor]:
        """A share of each stratum for each batch, from its rows in passes of fresh order."""
        codes, _ = strata(task, "BalancedBatches")
        present = codes.unique()
        if len(present) > self.batch_size:
            raise ConfigError(f"BalancedBatches: batch_size={self.batch_size} is fewer than the {len(present)} strata; raise it.")
        number = -(-len(codes) // self.batch_size)
        shares = _shares(self.batch_size, len(present), number)
        parts = [
            _passes((codes == code).nonzero().reshape(-1), int(shares[:, i].sum()), generator).split(shares[:, i].tolist())
            for i, code in enumerate(present)
        ]
        return [torch.cat(batch) for batch in zip(*parts, strict=True)]


@t_sampler.add("weighted")
@savable
@attrs.frozen
class WeightedBatches(Sampler):
    """Rows drawn with replacement in proportion to their weights, as many an epoch as the task has.

    weights: a dictionary by class label (1 for those left out), one number for each row, or None for the task's column
    with the role `weight`.

    >>> from pipeops.data import as_task_classif
    >>> task = as_task_classif({"x": range(4), "y": ["a", "a", "b", "b"]}, target="y")
    >>> [batch.tolist() for batch in WeightedBatches(batch_size=3, weights=[0, 0, 0, 1]).batches(task, torch.Generator())]
    [[3, 3, 3], [3]]
    """

    batch_size: int = _counting()
    weights: Any = attrs.field(
        default=None,
        converter=lambda w: w if w is None or isinstance(w, Mapping | Token) else tuple(map(float, w)),
        metadata={"param": Param("anything", default=None)},
    )

    @property
    def uses_weights(self) -> bool:
        """Whether it draws by the weights of the task, so that the loss must not count them again."""
        return self.weights is None

    def batches(self, task: Task, generator: torch.Generator) -> list[torch.Tensor]:
        """Draws by inverting the cumulative weights."""
        if not task.nrow:
            return []
        upto = _row_weights(self.weights, task).cumsum(0)
        draws = torch.rand(task.nrow, generator=generator, dtype=torch.float64) * upto[-1]
        last = torch.searchsorted(upto, upto[-1:])
        rows = torch.searchsorted(upto, draws, right=True).minimum(last)
        return list(rows.split(self.batch_size))


def strata(task: Task, who: str) -> tuple[torch.Tensor, list[Any]]:
    """A code for each row, int64 `(n,)`, and the label of each code: of the role `stratum`, else of the classes."""
    found = task.role_codes("stratum")
    if found is None and isinstance(task, TaskClassif):
        found = task.class_codes(), task.class_names
    if found is None:
        raise DataError(f"{who}: the task '{task.id}' has no strata; set some with task.with_roles(stratum=...).")
    return torch.tensor(found[0], dtype=torch.int64), found[1]


def _shares(size: int, groups: int, number: int) -> torch.Tensor:
    """`(number, groups)`: how many rows of each group each batch holds; what does not divide goes round."""
    share, rest = divmod(size, max(groups, 1))
    turn = (torch.arange(groups)[None, :] - rest * torch.arange(number)[:, None]) % max(groups, 1)
    return share + (turn < rest).long()


def _passes(rows: torch.Tensor, wanted: int, generator: torch.Generator) -> torch.Tensor:
    """So many rows, going through all of them in a fresh order before any comes again."""
    times = -(-wanted // len(rows))
    return torch.cat([rows[torch.randperm(len(rows), generator=generator)] for _ in range(times)])[:wanted]


def _row_weights(given: Any, task: Task) -> torch.Tensor:
    """The weight of each row, float64 `(n,)`; not all of them zero."""
    if isinstance(given, Mapping):
        weights = _weights_by_class(given, task)
    elif given is None:
        own = task.weights()
        if own is None:
            raise DataError(
                f"WeightedBatches: the task '{task.id}' has no weights; give weights= or a column by task.with_roles(weight=...)."
            )
        weights = torch.tensor(own)
    else:
        weights = torch.tensor(given, dtype=torch.float64)
    if len(weights) != task.nrow:
        raise DataError(
            f"WeightedBatches: {len(weights)} weights for {task.nrow} training rows; use a column with the role 'weight', "
            "which follows its rows."
        )
    if not (bool((weights >= 0).all()) and 0 < float(weights.sum()) < float("inf")):
        raise DataError("WeightedBatches: weights must be finite numbers from 0, not all of them 0.")
    return weights


def _weights_by_class(given: Mapping[Any, float], task: Task) -> torch.Tensor:
    if not isinstance(task, TaskClassif):
        raise ConfigError("WeightedBatches: weights by label need a classification task; give one number for each row.")
    for label in given:
        if label not in task.class_names:
            raise UnknownKeyError(
                f"WeightedBatches: no class {label!r}.{suggest(str(label), map(str, task.class_names), 'classes')}"
            )
    table = torch.tensor([float(given.get(name, 1.0)) for name in task.class_names], dtype=torch.float64)
    return table[torch.tensor(task.class_codes(), dtype=torch.int64)]
