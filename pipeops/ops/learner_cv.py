"""learner_cv: what a learner predicts out of fold becomes features, so that models can be stacked.

Neighbours: `graph.learner_node` is a learner that ends a graph; `average` puts predictions of several models together; splits are
`learn.resampling`'s.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import narwhals as nw
import numpy as np

from pipeops.data.columns import new_frame
from pipeops.data.levels import from_codes
from pipeops.data.selectors import resolve
from pipeops.errors import CompositionError, ConfigError, DataError
from pipeops.graph.learner_node import NAMES, HoldsLearner
from pipeops.graph.pipeop import AutoId, Channel, PipeOp, operator
from pipeops.learn.learner import Learner
from pipeops.learn.prediction.base import Prediction
from pipeops.ops.average import ClassifAvg, RegrAvg
from pipeops.ops.base import one_target, one_task
from pipeops.params import anything, choice, flag, integer, real
from pipeops.shorthand import lrn, po, rsmp
from pipeops.text import call


@po.add("learner_cv")
@operator
class LearnerCV(HoldsLearner, PipeOp):
    """Replace the features by what a learner predicts for them: out of fold in training, by the whole model when predicting.

    learner: is copied; its hyperparameters are the node's. method: "cv", each row of the training data is predicted by a model
    that did not see it (nor its group, nor another copy of it), or "insample", all by the one model. folds: of the
    cross-validation. keep_response: keep predicted labels beside probabilities. seed: of the folds; None draws one.
    predict_method: later data is predicted by a model of all rows ("full"), or by the models of the folds together
    ("cv_ensemble"), as `classifavg` and `regravg` do it with prob_aggr, prob_aggr_eps, se_aggr and se_aggr_rho; se_aggr="none"
    makes no feature of standard errors, None is "predictive". affect_columns: the features that the learner sees and that are
    replaced, all when None. Features are called `<id>.response`, `<id>.se` and `<id>.prob.<class>`, where the id is the learner's
    unless the node was given one. Validation data is predicted as later data is.

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
    predict_method: str = choice("full", "cv_ensemble", default="full")
    prob_aggr: str = choice("mean", "log", default="mean")
    prob_aggr_eps: float = real(0, 1, default=1e-12)
    se_aggr: str | None = choice("predictive", "mean", "within", "between", "none", None, default=None)
    se_aggr_rho: float = real(-1, 1, default=0.0)
    affect_columns: Any = anything(None)
    seed: int | None = integer(0, default=None)

    def __init__(self, learner: Learner, *, id: str | None = None, **settings: Any):
        if not isinstance(learner, Learner):
            raise CompositionError(f'po("learner_cv"): takes a learner, got {type(learner).__name__}; as in lrn("regr.lm").')
        chosen = AutoId(re.sub(r"\W", "_", learner.id)) if id is None else id
        self.__attrs_init__(id=chosen, learner=learner.clone(), **settings)  # type: ignore[attr-defined]

    def __attrs_post_init__(self) -> None:
        if self.method == "insample" and self.predict_method == "cv_ensemble":
            raise ConfigError(f"{self.id}: predict_method='cv_ensemble' needs the models of folds; set method='cv'.")

    @property
    def inputs(self) -> tuple[Channel, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        task = f"Task{NAMES[self.learner.task_type]}"
        return (Channel("input", task, task),)

    @property
    def outputs(self) -> tuple[Channel, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return (Channel("output", self.inputs[0].train, self.inputs[0].predict),)

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], Any]:
        """The task with out-of-fold predictions as features; the state is the learner's on all rows, or on each fold's."""
        task = one_target(self, one_task(self, inputs))
        self._check_rows(task)
        names = resolve(self.affect_columns, task)
        seen = task if self.affect_columns is None else task.select(names)
        if self.method == "insample":
            whole = self.learner.clone().train(seen)
            return [self._features(task, names, [(np.arange(task.nrow), whole.predict(seen))])], whole.state
        tests = list(self._folds(task))
        models = [self.learner.clone().train(seen.filter(~test)) for test in tests]
        parts = [(np.flatnonzero(test), model.predict(seen.filter(test))) for test, model in zip(tests, models, strict=True)]
        together = self.predict_method == "cv_ensemble"
        state = [model.state for model in models] if together else self.learner.clone().train(seen).state
        return [self._features(task, names, parts)], state

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        """The task with what the whole model, or those of all folds together, predict as features."""
        task, states = one_task(self, inputs), state if isinstance(state, list) else [state]
        names = [name for name in states[0].prototype.feature_names if name in task.feature_names]
        seen = task if self.affect_columns is None else task.select(names)
        several = [self.learner.with_state(one).predict(seen) for one in states]
        prediction = several[0] if len(several) == 1 else self._together(several)
        return [self._features(task, names, [(np.arange(task.nrow), prediction)])]

    def _together(self, several: Sequence[Prediction]) -> Prediction:
        """One prediction of those of all folds' models."""
        if self.learner.task_type == "classif":
            node: Any = ClassifAvg(prob_aggr=self.prob_aggr, prob_aggr_eps=self.prob_aggr_eps)
        else:
            node = RegrAvg(se_aggr=self._errors, se_aggr_rho=self.se_aggr_rho)
        return node.predict(several, {})[0]

    @property
    def _errors(self) -> str:
        """What becomes of standard errors."""
        predicted = "predictive" if self.se_aggr is None else self.se_aggr
        return predicted if self.learner.predict_type == "se" else "none"

    def _check_rows(self, task: Any) -> None:
        if self.method == "cv" and task.nrow < self.folds:
            raise DataError(f"{self.id}: {task.nrow} rows cannot be cut into {self.folds} folds; set fewer 'folds'.")
        if not task.nrow:
            raise DataError(f"{self.id}: the task '{task.id}' has no rows to train on.")

    def _folds(self, task: Any) -> Iterator[Any]:
        """Masks of the rows to predict; a row that stands in the task twice is never on both sides."""
        cut = rsmp("cv", folds=self.folds).instantiate(task, seed=self.seed)
        for k in range(cut.iters):
            yield np.isin(task.row_ids, cut.test_set(k))

    def _features(self, task: Any, names: Sequence[str], parts: Sequence[tuple[Any, Any]]) -> Any:
        """The task with predictions in the place of these features, put together from predictions at positions."""
        stem = self.learner.id if isinstance(self.id, AutoId) else str(self.id)
        columns: dict[str, Any] = {}
        for places, prediction in parts:
            for name, values in self._columns(prediction).items():
                columns.setdefault(name, np.full(task.nrow, -1 if values.dtype.kind == "i" else np.nan, dtype=values.dtype))
                columns[name][places] = values
        like = task.frame([])
        made = {f"{stem}.{name}": values for name, values in columns.items()}
        new = new_frame({name: self._series(name, v, parts, like) for name, v in made.items()}, like=like)
        others = [name for name in task.feature_names if name not in set(names)]
        return task.with_features(task.frame(others).with_columns(*new.iter_columns()) if others else new)

    def _columns(self, prediction: Any) -> dict[str, Any]:
        """Numbers of a prediction by name; labels as positions in `class_names`."""
        if self.learner.task_type == "regr":
            se = None if self._errors == "none" else prediction.se
            return {"response": prediction.response} | ({} if se is None else {"se": se})
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
