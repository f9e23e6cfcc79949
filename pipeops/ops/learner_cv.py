"""learner_cv: what a learner predicts out of fold becomes features, so that models can be stacked.

Neighbours: `graph.learner_node` is a learner that ends a graph; splits are `learn.resampling`'s.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import narwhals as nw
import numpy as np

from pipeops.data.columns import new_frame
from pipeops.data.levels import from_codes
from pipeops.errors import CompositionError, DataError
from pipeops.graph.learner_node import NAMES, HoldsLearner
from pipeops.graph.pipeop import AutoId, Channel, PipeOp, operator
from pipeops.learn.learner import Learner
from pipeops.ops.base import one_target, one_task
from pipeops.params import choice, flag, integer
from pipeops.shorthand import lrn, po, rsmp
from pipeops.text import call


@po.add("learner_cv")
@operator
class LearnerCV(HoldsLearner, PipeOp):
    """Replace the features by what a learner predicts for them: out of fold in training, by the whole model when predicting.

    learner: is copied; its hyperparameters are the node's. method: "cv", each row of the training data is predicted by a model
    that did not see it (nor its group, nor another copy of it), or "insample", all by the one model. folds: of the
    cross-validation. keep_response: keep predicted labels beside probabilities. seed: of the folds; None draws one.
    Features are called `<id>.response`, `<id>.se` and `<id>.prob.<class>`, where the id is the learner's unless the node was
    given one. Validation data is predicted by the whole model.

    >>> from pipeops import lrn, po, tsk
    >>> node = po("learner_cv", lrn("classif.lda", predict_type="prob"), folds=5, seed=1)
    >>> node.train([tsk("iris")])[0][0].feature_names
    ['classif.lda.prob.setosa', 'classif.lda.prob.versicolor', 'classif.lda.prob.virginica']
    """

    predict_equals_train: ClassVar[bool] = False
    any_rows: ClassVar[bool] = False
    target: ClassVar[bool] = True
    example = staticmethod(lambda: {"learner": lrn("regr.featureless"), "seed": 0})

    learner: Learner
    method: str = choice("cv", "insample", default="cv")
    folds: int = integer(2, default=3)
    keep_response: bool = flag(False)
    seed: int | None = integer(0, default=None)

    def __init__(self, learner: Learner, *, id: str | None = None, **settings: Any):
        if not isinstance(learner, Learner):
            raise CompositionError(f'po("learner_cv"): takes a learner, got {type(learner).__name__}; as in lrn("regr.lm").')
        chosen = AutoId(re.sub(r"\W", "_", learner.id)) if id is None else id
        self.__attrs_init__(id=chosen, learner=learner.clone(), **settings)  # type: ignore[attr-defined]

    @property
    def inputs(self) -> tuple[Channel, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        task = f"Task{NAMES[self.learner.task_type]}"
        return (Channel("input", task, task),)

    @property
    def outputs(self) -> tuple[Channel, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return (Channel("output", self.inputs[0].train, self.inputs[0].predict),)

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], Any]:
        """The task with out-of-fold predictions as features; the state is that of the learner trained on all rows."""
        task = one_target(self, one_task(self, inputs))
        self._check_rows(task)
        whole = self.learner.clone().train(task)
        if self.method == "insample":
            return [self._features(task, [(np.arange(task.nrow), whole.predict(task))])], whole.state
        return [self._features(task, [self._out_of_fold(task, test) for test in self._folds(task)])], whole.state

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        """The task with the whole model's predictions as features."""
        task, learner = one_task(self, inputs), self.learner.clone()
        learner.state = state
        return [self._features(task, [(np.arange(task.nrow), learner.predict(task))])]

    def _check_rows(self, task: Any) -> None:
        if self.method == "cv" and task.nrow < self.folds:
            raise DataError(f"{self.id}: {task.nrow} rows cannot be cut into {self.folds} folds; set fewer 'folds'.")
        if not task.nrow:
            raise DataError(f"{self.id}: the task '{task.id}' has no rows to train on.")

    def _out_of_fold(self, task: Any, test: Any) -> tuple[Any, Any]:
        """Where the rows of a fold stand, and what a model that was trained on all others predicts for them."""
        return np.flatnonzero(test), self.learner.clone().train(task.filter(~test)).predict(task.filter(test))

    def _folds(self, task: Any) -> Iterator[Any]:
        """Masks of the rows to predict; a row that stands in the task twice is never on both sides."""
        cut = rsmp("cv", folds=self.folds).instantiate(task, seed=self.seed)
        for k in range(cut.iters):
            yield np.isin(task.row_ids, cut.test_set(k))

    def _features(self, task: Any, parts: Sequence[tuple[Any, Any]]) -> Any:
        """The task with predictions as its features, put together from predictions at positions."""
        stem = self.learner.id if isinstance(self.id, AutoId) else str(self.id)
        columns: dict[str, Any] = {}
        for places, prediction in parts:
            for name, values in self._columns(prediction).items():
                columns.setdefault(name, np.full(task.nrow, -1 if values.dtype.kind == "i" else np.nan, dtype=values.dtype))
                columns[name][places] = values
        like = task.frame([])
        made = {f"{stem}.{name}": values for name, values in columns.items()}
        return task.with_features(new_frame({name: self._series(name, v, parts, like) for name, v in made.items()}, like=like))

    def _columns(self, prediction: Any) -> dict[str, Any]:
        """Numbers of a prediction by name; labels as positions in `class_names`."""
        if self.learner.task_type == "regr":
            return {"response": prediction.response} | ({} if prediction.se is None else {"se": prediction.se})
        prob = {} if prediction.prob is None else dict(zip(prediction.class_names, prediction.prob.T, strict=True))
        kept = {"response": prediction.response_codes.astype(np.int64)} if not prob or self.keep_response else {}
        return kept | {f"prob.{label}": values for label, values in prob.items()}

    def _series(self, name: str, values: Any, parts: Sequence[tuple[Any, Any]], like: nw.DataFrame[Any]) -> Any:
        if values.dtype.kind != "i":
            return nw.new_series(name, values, backend=like.implementation)
        return from_codes(name, values, [str(label) for label in parts[0][1].class_names], like)

    def __repr__(self) -> str:
        named = {} if isinstance(self.id, AutoId) else {"id": str(self.id)}
        return call("po", ['"learner_cv"', repr(self.learner)], {**named, **self.changed()})
