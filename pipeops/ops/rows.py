"""Operators that change rows or weights in training and nothing in prediction: subsample, classbalancing, classweights.

What is drawn follows from `seed`; without one a fresh seed is drawn and kept in the state. Row ids survive: a row drawn
twice has its id twice.
"""

from abc import abstractmethod
from collections.abc import Sequence
from math import ceil
from typing import Any, ClassVar

import numpy as np

from pipeops.data.columns import IntArray, new_frame
from pipeops.data.supervised import TaskClassif
from pipeops.errors import ConfigError, DataError
from pipeops.graph.pipeop import Channel, PipeOp, operator
from pipeops.ops.base import one_task
from pipeops.params import choice, flag, integer, real
from pipeops.shorthand import po

CLASSIF = Channel("input", "TaskClassif", "TaskClassif"), Channel("output", "TaskClassif", "TaskClassif")


@operator
class DrawRows(PipeOp):
    """Base of operators that draw rows in training and pass everything in prediction."""

    inputs: ClassVar[tuple[Channel, ...]] = (Channel("input", "Task", "Task"),)
    outputs: ClassVar[tuple[Channel, ...]] = (Channel("output", "Task", "Task"),)
    predict_equals_train: ClassVar[bool] = False
    changes_rows: ClassVar[bool] = True

    seed: int | None = integer(0, default=None)

    @abstractmethod
    def draw(self, task: Any, rng: np.random.Generator) -> IntArray:
        """Positions of the rows to keep, as often as each is wanted."""

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], dict[str, int]]:
        task = one_task(self, inputs)
        seed = int(np.random.SeedSequence().generate_state(1)[0]) if self.seed is None else self.seed
        positions = self.draw(task, np.random.default_rng(seed))
        return (task.filter(task.row_ids[positions]),), {"seed": seed}

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        return inputs


@po.add("subsample")
@operator
class Subsample(DrawRows):
    """Train on a random share of the rows.

    frac: the share, rounded up to whole rows. replace: draw with replacement. stratify: the same share of each class (needs
    use_groups=False). use_groups: draw whole groups, as many as come closest to the share, where the task has any.

    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"x": [1.0, 2.0, 3.0, 4.0], "y": [0.0, 1.0, 0.0, 1.0]}, target="y")
    >>> po("subsample", frac=0.5, seed=1).train([task])[0][0].nrow
    2
    """

    target: ClassVar[bool] = True

    frac: float = real(0, default=1 - float(np.exp(-1)))
    stratify: bool = flag(False)
    use_groups: bool = flag(True)
    replace: bool = flag(False)

    def __attrs_post_init__(self) -> None:
        if self.frac > 1 and not self.replace:
            raise ConfigError(f"{self.id}: 'frac' is {self.frac}; more rows than there are need replace=True.")
        if self.stratify and self.use_groups:
            raise ConfigError(f"{self.id}: rows are drawn by class or by group; with stratify=True set use_groups=False.")

    def draw(self, task: Any, rng: np.random.Generator) -> IntArray:
        groups = task.role_codes("group") if self.use_groups else None
        if groups is not None:
            return self._draw_groups(groups[0], rng)
        if not self.stratify:
            return self._share(np.arange(task.nrow), rng)
        if not isinstance(task, TaskClassif):
            raise DataError(f"{self.id}: only classification tasks can be stratified, '{task.id}' is none.")
        codes = task.class_codes()
        return np.concatenate([self._share(np.flatnonzero(codes == k), rng) for k in range(len(task.class_names))])

    def _share(self, rows: IntArray, rng: np.random.Generator) -> IntArray:
        return rng.choice(rows, ceil(self.frac * len(rows)), replace=self.replace) if len(rows) else rows

    def _draw_groups(self, codes: IntArray, rng: np.random.Generator) -> IntArray:
        sizes = np.bincount(codes)
        drawn = rng.permutation(len(sizes))
        if self.replace:
            while sizes[drawn].sum() < self.frac * len(codes):
                drawn = np.concatenate([drawn, rng.integers(0, len(sizes), len(sizes))])
            drawn = rng.choice(len(sizes), len(drawn))
        reached = np.cumsum(sizes[drawn]) / max(len(codes), 1)
        kept = drawn[: int(np.argmin(np.abs(reached - self.frac))) + 1]
        return np.concatenate([np.flatnonzero(codes == g) for g in kept])


@po.add("classbalancing")
@operator
class ClassBalancing(DrawRows):
    """Balance classes in training by leaving rows out and repeating others.

    Each adjusted class gets `ratio` times the reference's number of rows. reference: the mean size of all classes, the
    largest (major), the smallest (minor), the mean of all but one of these, or one row. adjust: which classes; upsample and
    downsample are those below and above the wanted size. shuffle: mix the rows.

    >>> from pipeops import as_task_classif, po
    >>> task = as_task_classif({"x": [1, 2, 3, 4], "y": ["a", "a", "a", "b"]}, target="y")
    >>> po("classbalancing", reference="major", seed=1).train([task])[0][0].truth().tolist().count("b")
    3
    """

    inputs: ClassVar[tuple[Channel, ...]] = CLASSIF[:1]
    outputs: ClassVar[tuple[Channel, ...]] = CLASSIF[1:]
    target: ClassVar[bool] = True

    ratio: float = real(0, default=1.0)
    reference: str = choice("all", "major", "minor", "nonmajor", "nonminor", "one", default="all")
    adjust: str = choice("all", "major", "minor", "nonmajor", "nonminor", "upsample", "downsample", default="all")
    shuffle: bool = flag(True)

    def draw(self, task: Any, rng: np.random.Generator) -> IntArray:
        codes = task.class_codes()
        sizes = np.bincount(codes, minlength=len(task.class_names))
        order = np.argsort(-sizes, kind="stable")
        wanted = round(self.ratio * self._reference(sizes[order]))
        keep, more = np.ones(len(codes), dtype=bool), []
        for k in self._adjusted(order, sizes, wanted):
            rows = rng.permutation(np.flatnonzero(codes == k))
            keep[rows[wanted:]] = False
            if 0 < len(rows) < wanted:
                more.append(np.resize(rows, wanted - len(rows)))
        drawn = np.concatenate([np.flatnonzero(keep), *more])
        return rng.permutation(drawn) if self.shuffle else drawn

    def _reference(self, sizes: IntArray) -> float:
        """The reference's size; sizes in descending order."""
        parts = {"all": sizes, "major": sizes[:1], "minor": sizes[-1:], "nonmajor": sizes[1:], "nonminor": sizes[:-1]}
        return float(parts[self.reference].mean()) if self.reference in parts else 1.0

    def _adjusted(self, order: IntArray, sizes: IntArray, wanted: int) -> IntArray:
        parts = {"all": order, "major": order[:1], "minor": order[-1:], "nonmajor": order[1:], "nonminor": order[:-1]}
        other = order[sizes[order] < wanted] if self.adjust == "upsample" else order[sizes[order] > wanted]
        return parts.get(self.adjust, other)


def weighted(node: Any, task: Any, weights: Any) -> Any:
    """The task with a column `.WEIGHTS` for learners or measures, as the node says; refused where it has such weights."""
    wanted = [role for role in ("weights_learner", "weights_measure") if getattr(node, role)]
    for role in wanted:
        if (present := task.weight_column(role.removeprefix("weights_"))) is not None:
            raise DataError(f"{node.id}: the task '{task.id}' has weights already ('{present}').")
    if not wanted:
        return task
    column = new_frame({".WEIGHTS": weights}, like=task.target_series().to_frame())
    return task.cbind(column).with_roles(**dict.fromkeys(wanted, ".WEIGHTS"))


@po.add("classweights")
@operator
class ClassWeights(PipeOp):
    """Give the rows of the smaller of two classes the weight `minor_weight`, all others 1; the task may not have weights yet.

    weights_learner, weights_measure: for whom they are.

    >>> from pipeops import as_task_classif, po
    >>> task = as_task_classif({"x": [1, 2, 3], "y": ["a", "a", "b"]}, target="y")
    >>> po("classweights", minor_weight=2).train([task])[0][0].weights().tolist()
    [1.0, 1.0, 2.0]
    """

    inputs: ClassVar[tuple[Channel, ...]] = CLASSIF[:1]
    outputs: ClassVar[tuple[Channel, ...]] = CLASSIF[1:]
    predict_equals_train: ClassVar[bool] = False
    target: ClassVar[bool] = True

    minor_weight: float = real(0, default=1.0)
    weights_learner: bool = flag(True)
    weights_measure: bool = flag(False)

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], dict[str, Any]]:
        task = one_task(self, inputs)
        if len(task.class_names) != 2:
            raise DataError(f"{self.id}: class weights need two classes, the task '{task.id}' has {len(task.class_names)}.")
        codes = task.class_codes()
        minor = int(np.argmin(np.bincount(codes, minlength=2)))
        return (weighted(self, task, np.where(codes == minor, float(self.minor_weight), 1.0)),), {}

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        return inputs
