"""imputelearner: missing values are what a learner predicts from the other features.

Neighbours: `by_task` is the base; `graph.learner_node` is a learner that ends a graph.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import narwhals as nw
import numpy as np

from pipeops.data import as_task_classif, as_task_regr
from pipeops.data.columns import declared_levels, kind, missing_mask
from pipeops.data.levels import mode
from pipeops.data.selectors import resolve
from pipeops.data.task import Task
from pipeops.errors import CompositionError
from pipeops.graph.graph_learner import as_learner
from pipeops.graph.learner_node import HoldsLearner
from pipeops.graph.pipeop import AutoId
from pipeops.learn.learner import Learner
from pipeops.ops.base import Frame, Series, operator
from pipeops.ops.impute import as_type, within
from pipeops.ops.missing.by_task import ImputeByTask, filled
from pipeops.params import anything
from pipeops.shorthand import lrn, po
from pipeops.text import call

TARGET = ".impute_col"


@po.add("imputelearner")
@operator
class ImputeLearner(HoldsLearner, ImputeByTask):
    """Impute columns by the predictions of a learner, which is trained for each of them on the rows that have a value.

    learner: a regression learner imputes numeric and datetime columns, a classifier categorical and boolean ones; others pass.
    Learners, graphs and estimators are taken; its hyperparameters are the node's. context_columns: which features it predicts
    from, all but the imputed one when None; where they have missing values too, the learner must take these, or impute first, as
    in `po("imputemedian") >> lrn("regr.lm")`. A column with one value or none in training gets that value, or 0, or its first
    level.

    >>> from pipeops import as_task_regr, lrn, po
    >>> task = as_task_regr({"a": [1.0, 2.0, 3.0, None], "b": [2.0, 4.0, 6.0, 8.0], "y": [0, 0, 1, 1]}, target="y")
    >>> po("imputelearner", lrn("regr.lm"), affect_columns="a").train([task])[0][0].data()["a"].round(6).to_list()
    [1.0, 2.0, 3.0, 4.0]
    """

    example = staticmethod(lambda: {"learner": lrn("regr.featureless")})
    any_rows: ClassVar[bool] = False

    learner: Learner
    context_columns: Any = anything(None)

    def __init__(self, learner: Any, *, id: str | None = None, affect_columns: Any = None, context_columns: Any = None):
        made = as_learner(learner)
        if made.task_type not in ("classif", "regr"):
            raise CompositionError('po("imputelearner"): takes a classifier or a regression learner, as in lrn("regr.lm").')
        chosen = AutoId("imputelearner") if id is None else id
        own = {"affect_columns": affect_columns, "context_columns": context_columns}
        self.__attrs_init__(id=chosen, learner=made.clone(), **own)  # type: ignore[attr-defined]

    @property
    def kinds(self) -> tuple[str, ...]:  # type: ignore[override]
        """The kinds of columns that the learner can predict."""
        return ("numeric", "datetime") if self.learner.task_type == "regr" else ("boolean", "categorical")

    def learn(self, task: Task, names: Sequence[str]) -> dict[str, Any]:
        context, frame = resolve(self.context_columns, task), task.frame()
        return {name: self._learnt(frame, name, [c for c in context if c != name]) for name in names}

    def _learnt(self, frame: Frame, name: str, context: list[str]) -> dict[str, Any]:
        """The state of the learner for one column, or the only value that it can have."""
        column = frame.get_column(name)
        known = frame[np.flatnonzero(~missing_mask(column))]
        column = known.get_column(name)
        only = _only(column)
        if only is not None or not context:
            return {"value": mode(column) if only is None else only, "context": context}
        learner = self.learner.clone().train(self._task(known.select(*context), _predictable(column)))
        return {"state": learner.state, "context": context}

    def _task(self, context: Frame, target: Series) -> Any:
        make = as_task_regr if self.learner.task_type == "regr" else as_task_classif
        return make(context.with_columns(target.alias(TARGET)), target=TARGET, id="imputing")

    def fill(self, task: Task, learnt: Mapping[str, Any]) -> list[Series]:
        frame, made = task.frame(), list[Series]()
        for name, known in learnt.items():
            rows = np.flatnonzero(missing_mask(frame.get_column(name)))
            if len(rows):
                made.append(self._column(frame, frame.get_column(name), rows, known))
        return made

    def _column(self, frame: Frame, column: Series, rows: Any, known: Mapping[str, Any]) -> Series:
        if "value" in known:
            return filled(column, [known["value"]], np.zeros(len(rows), dtype=np.int64))
        learner = self.learner.with_state(known["state"])
        response = learner.predict_newdata(frame.select(*known["context"])[rows]).response
        values = [within(column.dtype, v) if self.learner.task_type == "regr" else v for v in np.asarray(response).tolist()]
        return filled(column, values, np.arange(len(rows)))

    def __repr__(self) -> str:
        named = {} if isinstance(self.id, AutoId) else {"id": str(self.id)}
        return call("po", ['"imputelearner"', repr(self.learner)], {**named, **self.changed()})


def _predictable(column: Series) -> Series:
    """A column as a target: numbers, microseconds since 1970 for dates, and what has categories as it is."""
    return column.dt.timestamp("us").cast(nw.Float64) if kind(column.dtype) == "datetime" else column


def _only(column: Series) -> Any:
    """The value of a column that has one value or none; None where there are more."""
    if not len(column):
        levels = declared_levels(column)
        return (levels or [""])[0] if kind(column.dtype) == "categorical" else as_type(column.dtype, 0)
    return column[0] if kind(column.dtype) in ("boolean", "categorical") and column.n_unique() == 1 else None
