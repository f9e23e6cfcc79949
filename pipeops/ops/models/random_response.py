"""randomresponse: a response that is drawn from what was predicted.

Neighbours: `threshold` above this folder chooses the response of probabilities.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from pipeops.errors import ConfigError, DataError
from pipeops.graph.pipeop import Channel, PipeOp, operator
from pipeops.learn.prediction.classif import PredictionClassif
from pipeops.learn.prediction.regr import PredictionRegr
from pipeops.ops.missing.draws import uniforms
from pipeops.params import anything, integer
from pipeops.shorthand import po


@po.add("randomresponse")
@operator
class RandomResponse(PipeOp):
    """Draw the response of a prediction: a class by its probabilities, a number by mean and standard error.

    What was not predicted with either passes as it is; probabilities and standard errors are left out. rdistfun: a function
    `(n, mean, sd)` that answers n numbers; without one they are normal, and the draw of a row follows from `seed` and its id
    alone.

    >>> from pipeops import PredictionClassif, po
    >>> sure = PredictionClassif(prob=[[1.0, 0.0], [0.0, 1.0]], class_names=["M", "R"])
    >>> po("randomresponse").predict([sure], {})[0].response.tolist()
    ['M', 'R']
    """

    inputs: ClassVar[tuple[Channel, ...]] = (Channel("input", "None", "Prediction"),)
    outputs: ClassVar[tuple[Channel, ...]] = (Channel("output", "None", "Prediction"),)

    rdistfun: Callable[[int, Any, Any], Any] | None = anything(None)
    seed: int = integer(0, default=0)

    def __attrs_post_init__(self) -> None:
        if self.rdistfun is not None and not callable(self.rdistfun):
            raise ConfigError(f"{self.id}: 'rdistfun' is a function (n, mean, sd), got {self.rdistfun!r}.")

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], dict[str, Any]]:
        """Nothing to learn."""
        return [None], {}

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        """The prediction with a response that was drawn."""
        (prediction,) = inputs
        if isinstance(prediction, PredictionClassif) and prediction.prob is not None:
            return [self._class(prediction)]
        if isinstance(prediction, PredictionRegr) and prediction.se is not None:
            return [self._number(prediction)]
        return [prediction]

    def _class(self, prediction: PredictionClassif) -> PredictionClassif:
        u = uniforms(self.seed, "response", prediction.row_ids)
        edges = np.cumsum(np.asarray(prediction.prob), axis=1)
        drawn = (u[:, None] * edges[:, -1:] >= edges).sum(axis=1).clip(max=edges.shape[1] - 1)
        lost = np.isnan(edges).any(axis=1)
        return PredictionClassif.from_codes(
            prediction.row_ids,
            truth=None if (prediction.truth_codes < 0).all() else prediction.truth_codes,
            response=np.where(lost, -1, drawn),
            class_names=list(prediction.class_names),
            weights=prediction.weights,
            backend=prediction.backend,
        )

    def _number(self, prediction: PredictionRegr) -> PredictionRegr:
        made = np.asarray(self._drawn(prediction), dtype=np.float64)
        if made.shape != prediction.response.shape:
            raise DataError(f"{self.id}: 'rdistfun' gave {made.shape} for {len(prediction)} rows; one number for each, please.")
        return PredictionRegr(
            row_ids=prediction.row_ids,
            truth=None if np.isnan(prediction.truth).all() else prediction.truth,
            response=made,
            weights=prediction.weights,
            backend=prediction.backend,
        )

    def _drawn(self, prediction: PredictionRegr) -> Any:
        if self.rdistfun is not None:
            return self.rdistfun(len(prediction), prediction.response, prediction.se)
        from scipy.stats import norm

        u = uniforms(self.seed, "response", prediction.row_ids)
        return prediction.response + np.asarray(prediction.se) * norm.ppf(u.clip(2.0**-53))
