"""update_target: another target for good, also one of another type, without a way back.

Neighbours: `target` beside this folder has transformations that predictions come back from.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import narwhals as nw

from pipeops.data import as_task_classif, as_task_regr
from pipeops.data.stored import prototype
from pipeops.errors import ConfigError, DataError
from pipeops.graph.pipeop import Channel, PipeOp, operator
from pipeops.ops.base import one_target, one_task
from pipeops.params import anything, choice, flag
from pipeops.shorthand import po

MAKE: dict[str, Callable[..., Any]] = {"classif": as_task_classif, "regr": as_task_regr}


@po.add("update_target")
@operator
class UpdateTarget(PipeOp):
    """Give a task another target: a function of the one that it has, or one of its features.

    trafo: a function of the target as a narwhals series, which answers as many values; without one, `new_target_name` may be a
    feature, which becomes the target. new_target_name: default the old one. new_task_type: "classif" or "regr", default the
    task's. drop_original_target: else the old target becomes a feature, which data to predict must have.

    >>> import narwhals as nw
    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"x": [1, 2, 3], "y": [1.0, 5.0, 7.0]}, target="y")
    >>> node = po("update_target", trafo=lambda y: y > 4, new_target_name="large", new_task_type="classif")
    >>> made = node.train([task])[0][0]
    >>> made.task_type, made.target_name, made.truth().tolist()
    ('classif', 'large', [False, True, True])
    """

    inputs: ClassVar[tuple[Channel, ...]] = (Channel("input", "Task", "Task"),)
    outputs: ClassVar[tuple[Channel, ...]] = (Channel("output", "Task", "Task"),)
    target: ClassVar[bool] = True
    any_rows: ClassVar[bool] = False

    trafo: Any = anything(None)
    new_target_name: str | None = anything(None)
    new_task_type: str | None = choice("classif", "regr", None, default=None)
    drop_original_target: bool = flag(True)

    def __attrs_post_init__(self) -> None:
        if self.trafo is not None and not callable(self.trafo):
            raise ConfigError(f"{self.id}: 'trafo' is a function of a series, got {self.trafo!r}.")
        if self.new_target_name is not None and not isinstance(self.new_target_name, str):
            raise ConfigError(f"{self.id}: 'new_target_name' is the name of a column, got {self.new_target_name!r}.")

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], dict[str, Any]]:
        """The task with the other target; the state knows its columns and classes."""
        task = one_target(self, one_task(self, inputs))
        frame, name = self._frame(task), self._name(task)
        make = MAKE[self.new_task_type or task.task_type]
        others = {role: names for role, names in task.roles.items() if names and role not in ("feature", "target")}
        beside = [n for names in others.values() for n in names if n not in frame.columns]
        kept = nw.from_native(task.data(columns=beside), eager_only=True) if beside else frame.select()
        made = make(frame.with_columns(*kept.iter_columns()), target=name, id=task.id)
        made = made.with_roles(**others) if others else made
        made = made._with(_ids=task.row_ids)
        return (made,), {"prototype": prototype(made)}

    def predict(self, inputs: Sequence[Any], state: Mapping[str, Any]) -> Sequence[Any]:
        """New data for that task; its target where the old one, or the feature, is there."""
        task = one_task(self, inputs)
        made = state["prototype"].newdata(self._frame(task))
        return (made._with(_ids=task.row_ids),)

    def _name(self, task: Any) -> str:
        return self.new_target_name or task.target_name

    def _frame(self, task: Any) -> nw.DataFrame[Any]:
        """The features and the new target, where it can be known."""
        frame, name = task.frame(), self._name(task)
        old = task.target_series() if task.has_target else None
        if not self.drop_original_target and old is not None:
            frame = frame.with_columns(old)
        if self.trafo is None and name in task.feature_names:
            return frame
        if old is None:
            return frame
        return frame.with_columns(self._new(old).alias(name))

    def _new(self, old: nw.Series[Any]) -> nw.Series[Any]:
        if self.trafo is None:
            return old
        made = self.trafo(old)
        series = made if isinstance(made, nw.Series) else nw.new_series(old.name, list(made), backend=old.implementation)
        if len(series) != len(old):
            raise DataError(f"{self.id}: the transformation gave {len(series)} values for {len(old)} rows; one for each, please.")
        return series
