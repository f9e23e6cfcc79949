"""Resampling: how a task is cut into pairs of training and test rows.

`Resampling` is a specification that never changes; `instantiate(task, seed)` answers one that knows its rows. Most kinds
draw: `Drawn` asks a subclass only how to draw among units (rows, or groups) and how often each then stands in the training
set of an iteration, and does strata and groups for all of them; the rest of the rows is the test set. `Listed` is for kinds that
state their sets. Neighbours: splits below; the shelf in `resamplings` and `same_other`; benchmark above.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import attrs
import numpy as np

from pipeops.data import Task
from pipeops.display import Block, Shown
from pipeops.errors import ConfigError, DataError
from pipeops.learn.plots.splits_and_tasks import plot_folds
from pipeops.learn.prediction.labelled import preview
from pipeops.learn.resampling.splits import IntArray, Seed, Units, units
from pipeops.params import Configurable, anything
from pipeops.registry import own_key
from pipeops.saving import savable
from pipeops.text import call, source


@savable
@attrs.frozen(eq=False)
class Instance:
    """What drawing left.

    task_id, row_ids: the task that was drawn from. drawn: what the kind of resampling made of it. items: what stands at
    each place of `drawn`, a row position or a group code. group: the group code of each row, where there are groups.
    details: one dictionary for each iteration, or none at all.
    """

    task_id: str
    row_ids: IntArray
    drawn: Any
    items: IntArray | None = None
    group: IntArray | None = None
    details: Sequence[Mapping[str, Any]] = ()


@attrs.frozen(eq=False, repr=False, kw_only=True, slots=False)
class Resampling(Configurable, Shown, ABC):
    """Base of all resamplings.

    id: a name for tables, the key by default. Iterations count from 0.
    """

    key: ClassVar[str] = ""
    shelf: ClassVar[str] = ""

    id: str = attrs.field(default=attrs.Factory(lambda self: own_key(type(self)) or type(self).__name__, takes_self=True))
    instance: Instance | None = attrs.field(init=False, default=None)

    @property
    @abstractmethod
    def iters(self) -> int:
        """The number of iterations."""

    @abstractmethod
    def _draw(self, task: Task, rng: np.random.Generator) -> Instance:
        """Fix the sets for a task."""

    @abstractmethod
    def _train_rows(self, instance: Instance, i: int) -> IntArray:
        """Row ids of a training set."""

    @abstractmethod
    def _test_rows(self, instance: Instance, i: int) -> IntArray:
        """Row ids of a test set."""

    @property
    def is_instantiated(self) -> bool:
        """Whether the rows of each set are fixed."""
        return self.instance is not None

    def instantiate(self, task: Task, seed: Seed = None) -> Self:
        """The same resampling with fixed sets for this task; the roles `stratum` and `group` are honoured, also together."""
        if not isinstance(task, Task):
            raise DataError(
                f"{self.id}: takes a task, got {type(task).__name__}; make one with tsk, as_task_classif or as_task_regr."
            )
        return self._with(self._draw(task, np.random.default_rng(seed)))

    def without_sets(self) -> Self:
        """The specification alone, to be instantiated on another task."""
        return self._with(None)

    def _with(self, instance: Instance | None) -> Self:
        new = attrs.evolve(self)  # pyright: ignore[reportArgumentType] - an abstract attrs class
        object.__setattr__(new, "instance", instance)
        return new

    def train_set(self, i: int) -> IntArray:
        """Row ids to train on in iteration i (from 0)."""
        return self._train_rows(*self._at(i))

    def test_set(self, i: int) -> IntArray:
        """Row ids to test on in iteration i (from 0)."""
        return self._test_rows(*self._at(i))

    def details(self, i: int) -> Mapping[str, Any]:
        """What else there is to say about iteration i: fold and repeat, or the subsets of `same_other_cv`."""
        instance, i = self._at(i)
        return instance.details[i] if instance.details else {}

    def belongs_to(self, task: Task) -> bool:
        """Whether it was instantiated on these very rows."""
        own = self.instance
        return own is not None and own.task_id == task.id and np.array_equal(own.row_ids, task.row_ids)

    def plot(self, ax: Any = None) -> Any:
        """Draw which rows each iteration trains and tests on (extra `plot`), and return the axes."""
        return plot_folds(self, ax)

    def table(self) -> Any:
        """A polars frame with a row for each iteration: its details and the number of training and test rows."""
        import polars as pl

        return pl.DataFrame([self._row(i) for i in range(self.iters)])

    def _row(self, i: int) -> dict[str, Any]:
        return {"iteration": i, **self.details(i), "train": len(self.train_set(i)), "test": len(self.test_set(i))}

    def _at(self, i: int) -> tuple[Instance, int]:
        instance = self._instance()
        if not isinstance(i, int | np.integer) or not 0 <= i < self.iters:
            raise ConfigError(f"{self.id}: iterations go from 0 to {self.iters - 1}, got {i!r}.")
        return instance, int(i)

    def _instance(self) -> Instance:
        if self.instance is None:
            raise ConfigError(
                f"{self.id}: has not been instantiated yet; instantiate answers a new one, so keep its answer: "
                "resampling = resampling.instantiate(task, seed=...)."
            )
        return self.instance

    def __repr__(self) -> str:
        key, name = own_key(type(self)), type(self).__name__
        arguments = {"id": self.id, **self.changed()} if self.id != (key or name) else self.changed()
        text = call(self.shelf, [source(key)], arguments) if key else call(name, [], arguments)
        if self.instance is None:
            return text
        return preview(f"{text}, instantiated on '{self.instance.task_id}':", self.iters, self._text_columns).text()

    def _blocks(self) -> list[Block]:
        """Its settings, and the iterations where there are any."""
        first = Block(f"{type(self).__name__} {self.id}", ("", ""), [(name, source(v)) for name, v in self.changed().items()])
        if self.instance is None:
            return [first]
        shown = self._text_columns(np.arange(self.iters))
        return [first, Block(f"Iterations on '{self.instance.task_id}'", list(shown), list(zip(*shown.values(), strict=True)))]

    def _text_columns(self, rows: IntArray) -> dict[str, list[str]]:
        made = [self._row(i) for i in rows.tolist()]
        return {name: [str(row[name]) for row in made] for name in (made[0] if made else ())}


@attrs.frozen(eq=False, repr=False, kw_only=True, slots=False)
class Drawn(Resampling):
    """Base of resamplings that draw their training sets and test on all other rows.

    stratify: strata where the task has no such role: True for the target (numbers by their quartiles), columns,
    or for numbers how many bins of equal size.
    """

    stratify: Any = anything(None)

    @abstractmethod
    def draw(self, among: Units, rng: np.random.Generator) -> IntArray:
        """What is drawn among units: an array (draws, units), in the order of `among.items`."""

    @abstractmethod
    def times(self, drawn: IntArray, i: int) -> IntArray:
        """How often each item stands in the training set of iteration i."""

    def _draw(self, task: Task, rng: np.random.Generator) -> Instance:
        among = units(task, self.stratify)
        return Instance(task.id, task.row_ids, self.draw(among, rng), among.items, among.unit, self._details())

    def _details(self) -> Sequence[Mapping[str, Any]]:
        return ()

    def _times_of_rows(self, instance: Instance, i: int) -> IntArray:
        times = self.times(instance.drawn, i).astype(np.int64)
        by_item = np.empty_like(times)
        by_item[instance.items] = times
        return by_item if instance.group is None else by_item[instance.group]

    def _train_rows(self, instance: Instance, i: int) -> IntArray:
        return np.repeat(instance.row_ids, self._times_of_rows(instance, i))

    def _test_rows(self, instance: Instance, i: int) -> IntArray:
        return instance.row_ids[self._times_of_rows(instance, i) == 0]


class Listed(Resampling):
    """Base of resamplings that state their sets: `drawn` is a pair of lists of arrays of row ids."""

    @property
    def iters(self) -> int:
        return len(self._instance().drawn[0])

    @abstractmethod
    def sets(self, task: Task, rng: np.random.Generator) -> tuple[list[IntArray], list[IntArray], Sequence[Mapping[str, Any]]]:
        """Training sets, test sets, and details of each iteration (or none)."""

    def _draw(self, task: Task, rng: np.random.Generator) -> Instance:
        train, test, details = self.sets(task, rng)
        return Instance(task.id, task.row_ids, [train, test], details=list(details))

    def _train_rows(self, instance: Instance, i: int) -> IntArray:
        return instance.drawn[0][i]

    def _test_rows(self, instance: Instance, i: int) -> IntArray:
        return instance.drawn[1][i]
