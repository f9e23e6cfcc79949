"""classweightsex: weights of rows by how frequent their class is.

Neighbours: `rows` beside this folder has `classweights`, a weight for the smaller of two classes.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from pipeops.errors import ConfigError, DataError, listing
from pipeops.graph.pipeop import Channel, PipeOp, operator
from pipeops.ops.base import one_task
from pipeops.ops.rows import weighted
from pipeops.params import anything, choice, flag
from pipeops.shorthand import po

METHODS = ("explicit", "inverse_class_frequency", "inverse_square_root_of_frequency", "median_frequency_balancing")


@po.add("classweightsex")
@operator
class ClassWeightsEx(PipeOp):
    """Give each row a weight that follows from its class; the task may not have weights yet.

    weight_method: inverse_class_frequency, one over the share of the class; inverse_square_root_of_frequency, its root;
    median_frequency_balancing, the median of all shares over it (Eigen and Fergus, ICCV 2015); explicit, by `mapping`, a
    dictionary from each class to its weight, without which nothing changes. Classes without rows count for nothing.
    weights_learner, weights_measure: for whom the weights are.

    >>> from pipeops import as_task_classif, po
    >>> task = as_task_classif({"x": [1, 2, 3], "y": ["a", "a", "b"]}, target="y")
    >>> po("classweightsex", weight_method="inverse_class_frequency").train([task])[0][0].weights().tolist()
    [1.5, 1.5, 3.0]
    """

    inputs: ClassVar[tuple[Channel, ...]] = (Channel("input", "TaskClassif", "TaskClassif"),)
    outputs: ClassVar[tuple[Channel, ...]] = (Channel("output", "TaskClassif", "TaskClassif"),)
    predict_equals_train: ClassVar[bool] = False
    target: ClassVar[bool] = True

    weight_method: str = choice(*METHODS, default="explicit")
    mapping: Mapping[Any, float] | None = anything(None)
    weights_learner: bool = flag(True)
    weights_measure: bool = flag(False)

    def __attrs_post_init__(self) -> None:
        given: Any = {} if self.mapping is None else self.mapping
        values = list(given.values()) if isinstance(given, Mapping) else [None]
        if not all(isinstance(v, int | float | np.number) and np.isfinite(v) and v >= 0 for v in values):
            raise ConfigError(f"{self.id}: 'mapping' is a dictionary from classes to weights from 0 on, got {self.mapping!r}.")

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], dict[str, Any]]:
        """The task with weights."""
        task = one_task(self, inputs)
        if self.weight_method == "explicit" and self.mapping is None:
            return (task,), {}
        return (weighted(self, task, self._by_class(task)[task.class_codes()]),), {}

    def _by_class(self, task: Any) -> Any:
        """A weight for each class, in their order."""
        if self.weight_method == "explicit":
            return self._mapped(task.class_names)
        sizes = np.bincount(task.class_codes(), minlength=len(task.class_names))
        share = np.where(sizes > 0, sizes / max(task.nrow, 1), np.nan)
        if self.weight_method == "inverse_square_root_of_frequency":
            return 1 / np.sqrt(share)
        return (np.nanmedian(share) if self.weight_method == "median_frequency_balancing" and task.nrow else 1.0) / share

    def _mapped(self, classes: Sequence[Any]) -> Any:
        mapping = self.mapping or {}
        absent = [name for name in classes if name not in mapping]
        other = [name for name in mapping if name not in classes]
        if absent or other:
            what = f"lacks the classes {listing(absent)}" if absent else f"has {listing(other)}, which are no classes of the task"
            raise DataError(f"{self.id}: 'mapping' {what}; it must have a weight for each of {listing(classes)}.")
        return np.array([float(mapping[name]) for name in classes])

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        """What comes in."""
        return inputs
