"""learner_quantiles: one model for each of several quantiles. Neighbours: `around` is the base; `cv_plus` makes intervals."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar

from pipeops.errors import ConfigError
from pipeops.graph.pipeop import operator
from pipeops.learn.learner import Learner
from pipeops.learn.prediction.regr import PredictionRegr
from pipeops.ops.base import one_task
from pipeops.ops.models.around import AroundLearner, wrapped
from pipeops.params import anything, real
from pipeops.shorthand import po


@po.add("learner_quantiles")
@operator
class LearnerQuantiles(AroundLearner):
    """Predict several quantiles by a learner that is trained for each of them.

    learner: has the hyperparameter `quantile`, as scikit-learn's QuantileRegressor or HistGradientBoostingRegressor, whose loss
    becomes "quantile"; or `alpha` and that loss, as GradientBoostingRegressor. q_vals: the quantiles, ascending. q_response:
    which of them is the response. Source: Koenker and Bassett, Regression quantiles, Econometrica 46 (1978).

    >>> from pipeops import po, as_task_regr
    >>> from sklearn.linear_model import QuantileRegressor
    >>> task = as_task_regr({"x": [0.0] * 5, "y": [1.0, 2.0, 3.0, 4.0, 5.0]}, target="y")
    >>> node = po("learner_quantiles", QuantileRegressor(alpha=0), q_vals=[0.1, 0.5], q_response=0.5)
    >>> node.predict([task], node.train([task])[1])[0].quantiles[0].round(3).tolist()
    [1.0, 3.0]
    """

    example: ClassVar[Any] = staticmethod(lambda: {"learner": _example()})

    q_vals: Sequence[float] = anything((0.05, 0.5, 0.95))
    q_response: float = real(0, 1, default=0.5)

    def __init__(self, learner: Any, *, id: str | None = None, **settings: Any):
        self.__attrs_init__(**wrapped(type(self).key, learner, id), **settings)  # type: ignore[attr-defined]

    def __attrs_post_init__(self) -> None:
        given = list(self.q_vals) if isinstance(self.q_vals, Sequence) and not isinstance(self.q_vals, str) else []
        numbers = all(isinstance(q, int | float) and not isinstance(q, bool) and 0 <= q <= 1 for q in given)
        if not given or not numbers or any(a >= b for a, b in pairwise(given)):
            raise ConfigError(f"{self.id}: 'q_vals' are ascending numbers from 0 to 1, got {self.q_vals!r}.")
        if self.q_response not in given:
            raise ConfigError(f"{self.id}: 'q_response' is one of q_vals, {given}, got {self.q_response!r}.")

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], dict[str, Any]]:
        """Nothing comes out; the state has one for each quantile."""
        task = one_task(self, inputs)
        return [None], {"states": [_at(self.learner, q, str(self.id)).train(task).state for q in self.q_vals]}

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        """The quantiles, and the response."""
        made = self.predictions(one_task(self, inputs), state["states"])
        quantiles = {float(q): prediction.response for q, prediction in zip(self.q_vals, made, strict=True)}
        first = made[0]
        return [
            PredictionRegr(
                row_ids=first.row_ids,
                truth=first.truth,
                response=quantiles[float(self.q_response)],
                quantiles=quantiles,
                weights=first.weights,
                backend=first.backend,
            )
        ]


def _at(learner: Learner, quantile: float, who: str) -> Learner:
    """The learner for one quantile."""
    made, names = learner.clone(), list(learner.params)
    place = next((n for last in ("quantile", "alpha") for n in names if n.rpartition(".")[2] == last), None)
    prefix = "" if place is None else place.removesuffix(place.rpartition(".")[2])
    has_loss = f"{prefix}loss" in names
    if place is None or (place.endswith("alpha") and not has_loss):
        raise ConfigError(
            f"{who}: {learner.id} predicts no quantiles; scikit-learn's QuantileRegressor, HistGradientBoostingRegressor and "
            "GradientBoostingRegressor do."
        )
    if has_loss:
        made.params[f"{prefix}loss"] = "quantile"
    made.params[place] = float(quantile)
    return made


def _example() -> Any:
    from sklearn.linear_model import QuantileRegressor

    return QuantileRegressor(alpha=0)
