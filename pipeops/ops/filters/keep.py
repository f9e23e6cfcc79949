"""filter: keep the features with the best scores.

Neighbours: `base` says what a filter is; `features` beside this folder selects by name and kind.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import attrs
import numpy as np

from pipeops.data.selectors import resolve
from pipeops.data.task import Task
from pipeops.errors import CompositionError, ConfigError
from pipeops.graph.pipeop import AutoId, Channel, PipeOp, operator
from pipeops.ops.base import one_task
from pipeops.ops.filters.base import Filter
from pipeops.params import anything, integer, real
from pipeops.registry import own_key
from pipeops.shorthand import flt, po
from pipeops.text import call

CHANCE = ".__permuted__"
CRITERIA = ("nfeat", "frac", "cutoff", "permuted")


@po.add("filter")
@operator
class FilterFeatures(PipeOp):
    """Keep the features that a filter scores best; features of kinds that it cannot score stay.

    filter: `flt("anova")`, or its key; its hyperparameters are the node's. Exactly one of these says how many: nfeat, a number;
    frac, a share; cutoff, those with at least this score; permuted, those before so many copies of features whose rows were mixed
    (the scores of chance). seed: of that mixing. affect_columns: the features that it is about, others stay. The scores are in
    the state. id: the filter's key.

    >>> from pipeops import flt, po, tsk
    >>> (task,), state = po("filter", flt("anova"), nfeat=2).train([tsk("iris")])
    >>> task.feature_names, [round(score, 1) for score in state["scores"].values()]
    (['Petal.Length', 'Petal.Width'], [90.5, 84.4, 30.8, 16.3])
    """

    inputs: ClassVar[tuple[Channel, ...]] = (Channel("input", "Task", "Task"),)
    outputs: ClassVar[tuple[Channel, ...]] = (Channel("output", "Task", "Task"),)
    target: ClassVar[bool] = True
    predict_equals_train: ClassVar[bool] = True
    example: ClassVar[Any] = staticmethod(lambda: {"filter": flt("variance"), "nfeat": 2})

    filter: Filter = attrs.field()
    nfeat: int | None = integer(0, default=None)
    frac: float | None = real(0, 1, default=None)
    cutoff: float | None = real(default=None)
    permuted: int | None = integer(1, default=None)
    affect_columns: Any = anything(None)
    seed: int = integer(0, default=0)

    def __init__(self, filter: Any, *, id: str | None = None, **settings: Any):
        made = flt(filter) if isinstance(filter, str) else filter
        if not isinstance(made, Filter):
            raise CompositionError(f'po("filter"): takes a filter, as in flt("anova"), got {filter!r:.80}.')
        chosen = AutoId(own_key(type(made)) or "filter") if id is None else id
        self.__attrs_init__(id=chosen, filter=made, **settings)  # type: ignore[attr-defined]

    def __attrs_post_init__(self) -> None:
        if len(self._criteria()) > 1:
            raise ConfigError(f"{self.id}: set one of {', '.join(CRITERIA)}, not {' and '.join(self._criteria())}.")

    def _criteria(self) -> list[str]:
        return [name for name in CRITERIA if getattr(self, name) is not None]

    def parts(self) -> dict[str, Filter]:
        """The filter, whose hyperparameters stand beside the node's."""
        return {"": self.filter}

    def with_part(self, name: str, part: Filter) -> Self:
        """A copy with another filter."""
        return attrs.evolve(self, filter=part)

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], dict[str, Any]]:
        """The task with the best features; the state has all scores, best first."""
        task = one_task(self, inputs)
        if not self._criteria():
            raise ConfigError(f"{self.id}: set one of {', '.join(CRITERIA)} before training.")
        seen = task if self.affect_columns is None else task.select(resolve(self.affect_columns, task))
        scores = self.filter.calculate(seen if self.permuted is None else self._with_chance(seen))
        kept, scored = set(self._kept(scores)), set(self.filter.scored(seen))
        features = [name for name in task.feature_names if name in kept or name not in scored]
        return (task.select(features),), {"scores": scores, "features": features}

    def predict(self, inputs: Sequence[Any], state: Mapping[str, Any]) -> Sequence[Any]:
        """The same features."""
        return (one_task(self, inputs).select(state["features"]),)

    def _kept(self, scores: Mapping[str, float]) -> list[str]:
        """The names that stay, of those that have scores."""
        names = list(scores)
        if self.cutoff is not None:
            return [name for name, score in scores.items() if score >= self.cutoff]
        if self.permuted is not None:
            chance = np.cumsum([name.startswith(CHANCE) for name in names])
            return names[: int(np.searchsorted(chance, self.permuted))]
        return names[: self.nfeat if self.frac is None else round(self.frac * len(names))]

    def _with_chance(self, task: Task) -> Task:
        """The task with a copy of each feature whose rows are mixed."""
        rng, frame = np.random.default_rng(self.seed), task.frame(self.filter.scored(task))
        mixed = [c[rng.permutation(task.nrow)].alias(f"{CHANCE}{c.name}") for c in frame.iter_columns()]
        return task.with_features(task.frame().with_columns(*mixed)) if mixed else task

    def __repr__(self) -> str:
        named = {} if isinstance(self.id, AutoId) else {"id": str(self.id)}
        return call("po", ['"filter"', repr(self.filter)], {**named, **self.changed()})
