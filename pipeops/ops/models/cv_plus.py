"""learner_pi_cvplus: prediction intervals from models of several folds. Neighbours: `around` is the base."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from pipeops.errors import DataError
from pipeops.graph.pipeop import operator
from pipeops.learn.prediction.regr import PredictionRegr
from pipeops.ops.base import one_task
from pipeops.ops.models.around import AroundLearner, wrapped
from pipeops.params import integer, real
from pipeops.shorthand import lrn, po, rsmp

BLOCK = 1 << 22
"""At most so many numbers at a time."""


@po.add("learner_pi_cvplus")
@operator
class LearnerPICVPlus(AroundLearner):
    """Predict an interval by cross-validation+ (Barber and others, The Annals of Statistics 49, 2021).

    Each fold's model predicts; around these lie the absolute errors that the models made out of fold. The quantiles `alpha` of
    what is below and `1 - alpha` of what is above are the interval; the response is the median of the models. folds: how many.
    seed: of the folds; None draws one.

    >>> from pipeops import lrn, po, tsk
    >>> node = po("learner_pi_cvplus", lrn("regr.lm"), alpha=0.1, seed=1)
    >>> task = tsk("diabetes")
    >>> prediction = node.predict([task], node.train([task])[1])[0]
    >>> low, high = prediction.quantiles.T
    >>> bool(((low < prediction.truth) & (prediction.truth < high)).mean() > 0.75)
    True
    """

    example: ClassVar[Any] = staticmethod(lambda: {"learner": lrn("regr.featureless"), "seed": 0})

    folds: int = integer(2, default=3)
    alpha: float = real(0, 1, default=0.05)
    seed: int | None = integer(0, default=None)

    def __init__(self, learner: Any, *, id: str | None = None, **settings: Any):
        self.__attrs_init__(**wrapped(type(self).key, learner, id), **settings)  # type: ignore[attr-defined]

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], dict[str, Any]]:
        """Nothing comes out; the state has a model for each fold, and the fold and absolute error of each row."""
        task = one_task(self, inputs)
        if task.nrow < self.folds:
            raise DataError(f"{self.id}: {task.nrow} rows cannot be cut into {self.folds} folds; set fewer 'folds'.")
        cut = rsmp("cv", folds=self.folds).instantiate(task, seed=self.seed)
        states, fold, errors = list[Any](), np.zeros(task.nrow, dtype=np.int64), np.zeros(task.nrow)
        for k in range(cut.iters):
            test = np.isin(task.row_ids, cut.test_set(k))
            learner = self.learner.clone().train(task.filter(~test))
            prediction = learner.predict(task.filter(test))
            states.append(learner.state)
            fold[test], errors[test] = k, np.abs(prediction.truth - prediction.response)
        return [None], {"states": states, "fold": fold, "residuals": errors}

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        """The median of the models, and the interval as two quantiles."""
        made = self.predictions(one_task(self, inputs), state["states"])
        first, each = made[0], np.array([prediction.response for prediction in made])
        low, high = self._interval(each, state["fold"], state["residuals"])
        return [
            PredictionRegr(
                row_ids=first.row_ids,
                truth=first.truth,
                response=np.median(each, axis=0),
                quantiles={float(self.alpha): low, float(1 - self.alpha): high},
                weights=first.weights,
                backend=first.backend,
            )
        ]

    def _interval(self, each: Any, fold: Any, errors: Any) -> Any:
        """The two ends for each row, some rows at a time; `each` has the models' predictions `(folds, rows)`."""
        ends, step = np.empty((2, each.shape[1])), max(1, BLOCK // max(1, len(fold)))
        for start in range(0, each.shape[1], step):
            part = each[fold, start : start + step]
            ends[0, start : start + step] = np.quantile(part - errors[:, None], self.alpha, axis=0)
            ends[1, start : start + step] = np.quantile(part + errors[:, None], 1 - self.alpha, axis=0)
        return ends
