"""classifavg, regravg: several predictions of the same rows as one, their weighted mean.

Neighbours: `graph.kinds` below says what a multiplicity is; predictions are `learn.prediction`'s.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from pipeops.errors import ConfigError, DataError, listing
from pipeops.graph.kinds import Multiplicity
from pipeops.graph.pipeop import Channel, PipeOp, operator
from pipeops.learn.prediction.classif import PredictionClassif
from pipeops.learn.prediction.regr import PredictionRegr
from pipeops.params import Token, anything, choice, flag, integer, real
from pipeops.shorthand import po

Array = npt.NDArray[np.float64]


def refuse_weights(node: Any) -> None:
    """Refuse weights of predictions that are none."""
    if node.weights is None or isinstance(node.weights, Token):
        return
    given = np.atleast_1d(np.asarray(node.weights, dtype=object))
    numbers = given.ndim == 1 and all(isinstance(w, int | float | np.number) and w >= 0 for w in given)
    if not numbers or not float(given.sum()) > 0 or not np.isfinite(given.astype(float)).all():
        raise ConfigError(f"{node.id}: 'weights' are numbers from 0 on, not all 0, got {node.weights!r}.")


def shares_of(node: Any, number: int) -> Array:
    """The weights of so many predictions, with sum 1."""
    given = np.ones(1) if node.weights is None else np.atleast_1d(np.asarray(node.weights, dtype=np.float64))
    if len(given) not in (1, number):
        raise ConfigError(f"{node.id}: has {number} predictions and {len(given)} weights; give one for each, or one for all.")
    shares = np.broadcast_to(given, (number,))
    return shares / shares.sum()


@operator
class Average(PipeOp):
    """Base of the two: after several models, nothing flows in training and one prediction when predicting."""

    kind: ClassVar[str]

    innum: int = integer(0, default=0)
    collect_multiplicity: bool = flag(False)
    weights: Any = anything(None)

    def __attrs_post_init__(self) -> None:
        if self.collect_multiplicity and self.innum:
            raise ConfigError(f"{self.id}: set 'innum' or 'collect_multiplicity', not both.")
        refuse_weights(self)

    @property
    def inputs(self) -> tuple[Channel, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        if self.collect_multiplicity:
            return (Channel("[...]", "[None]", f"[{self.kind}]"),)
        if not self.innum:
            return (Channel("...", "None", self.kind, many=True),)
        return tuple(Channel(f"input{k + 1}", "None", self.kind) for k in range(self.innum))

    @property
    def outputs(self) -> tuple[Channel, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return (Channel("output", "None", self.kind),)

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], Any]:
        """Nothing to learn; wrong numbers of weights are refused."""
        shares_of(self, len(self._several(inputs)))
        return [None], {}

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        """The mean of the predictions."""
        several = self._several(inputs)
        first = several[0]
        for other in several[1:]:
            if not np.array_equal(first.row_ids, other.row_ids):
                raise DataError(
                    f"{self.id}: predictions of different rows ({listing(first.row_ids[:3])}, ... and "
                    f"{listing(other.row_ids[:3])}, ...) cannot be averaged; all models must predict the same task."
                )
        shares = shares_of(self, len(several))
        counting = [prediction for prediction, share in zip(several, shares, strict=True) if share]
        return [self._averaged(counting, shares[shares > 0])]

    @abstractmethod
    def _averaged(self, several: Sequence[Any], shares: Array) -> Any:
        """One prediction."""

    def _several(self, inputs: Sequence[Any]) -> Sequence[Any]:
        several = list(inputs[0]) if len(inputs) == 1 and isinstance(inputs[0], Multiplicity) else list(inputs)
        if not several:
            raise DataError(f"{self.id}: there is no prediction to average.")
        return several


@po.add("classifavg")
@operator
class ClassifAvg(Average):
    """Average the probabilities of several classifiers; where one gives labels only, each label counts as a vote.

    weights: one for each prediction in the order of the edges, or one for all; what has weight 0 is left out. innum: how many
    inputs, 0 for one that takes any number. collect_multiplicity: the predictions come as a multiplicity, through one edge.
    Probabilities go by label; classes are in the order of the first prediction. The most probable class is the response.
    prob_aggr: "mean" of probabilities, or "log", the mean of their logarithms (Genest and Zidek, Statistical Science 1, 1986),
    where none is below prob_aggr_eps.

    >>> from pipeops import PredictionClassif, po
    >>> one, other = (PredictionClassif(prob=[p], class_names=["M", "R"]) for p in (0.9, 0.3))
    >>> po("classifavg", weights=[1, 2]).predict([one, other], {})[0].prob.round(2).tolist()
    [[0.5, 0.5]]
    """

    kind: ClassVar[str] = "PredictionClassif"

    prob_aggr: str = choice("mean", "log", default="mean")
    prob_aggr_eps: float = real(0, 1, default=1e-12)

    def _averaged(self, several: Sequence[PredictionClassif], shares: Array) -> PredictionClassif:
        first = several[0]
        names = first.class_names
        for other in several[1:]:
            if set(other.class_names) != set(names):
                raise DataError(
                    f"{self.id}: the predictions have different classes, {listing(names)} and {listing(other.class_names)}."
                )
        voting = any(p.prob is None for p in several)
        prob = self._pooled([_by_label(p, names, voting) for p in several], shares, voting)
        return PredictionClassif.from_codes(
            first.row_ids,
            truth=None if (first.truth_codes < 0).all() else first.truth_codes,
            response=np.asarray(prob).argmax(axis=1) if voting else None,
            prob=np.asarray(prob),
            class_names=list(names),
            weights=first.weights,
            backend=first.backend,
        )

    def _pooled(self, each: Sequence[Array], shares: Array, voting: bool) -> Array:
        """One matrix of several: the mean of probabilities, or of votes, or of logarithms."""
        if self.prob_aggr == "mean" or voting:
            return np.tensordot(shares, np.array(each), 1)
        with np.errstate(divide="ignore"):
            logs = np.tensordot(shares, np.log(np.maximum(np.array(each), self.prob_aggr_eps)), 1)
        pooled = np.exp(logs - logs.max(axis=1, keepdims=True, initial=-np.inf))
        return pooled / pooled.sum(axis=1, keepdims=True)


def _by_label(prediction: PredictionClassif, names: Sequence[Any], voting: bool) -> Array:
    """Probabilities, or votes, with columns in this order."""
    order = [prediction.class_names.index(name) for name in names]
    if voting or prediction.prob is None:
        codes = prediction.response_codes
        votes = (codes[:, None] == np.arange(len(order))).astype(np.float64)
        votes[codes < 0] = np.nan
        return votes[:, order]
    return prediction.prob[:, order]


@po.add("regravg")
@operator
class RegrAvg(Average):
    """Average the numbers that several regressions predict.

    weights, innum, collect_multiplicity: as in `classifavg`. se_aggr: what becomes of standard errors. "none" leaves them out;
    "mean": of the weighted mean of estimates whose errors have the correlation se_aggr_rho; "within": the root of the weighted
    mean of the variances; "between": the spread of the responses; "predictive": both, by the law of total variance.

    >>> from pipeops import PredictionRegr, po
    >>> one, other = PredictionRegr(response=[1.0]), PredictionRegr(response=[4.0])
    >>> po("regravg", weights=[2, 1]).predict([one, other], {})[0].response.tolist()
    [2.0]
    """

    kind: ClassVar[str] = "PredictionRegr"

    se_aggr: str = choice("none", "predictive", "mean", "within", "between", default="none")
    se_aggr_rho: float = real(-1, 1, default=0.0)

    def _averaged(self, several: Sequence[PredictionRegr], shares: Array) -> PredictionRegr:
        first, responses = several[0], np.array([p.response for p in several])
        return PredictionRegr(
            row_ids=first.row_ids,
            truth=None if np.isnan(first.truth).all() else first.truth,
            response=shares @ responses,
            se=None if self.se_aggr == "none" else self._errors(several, responses, shares),
            weights=first.weights,
            backend=first.backend,
        )

    def _errors(self, several: Sequence[PredictionRegr], responses: Array, shares: Array) -> Array:
        between = shares @ (responses - shares @ responses) ** 2
        if self.se_aggr == "between":
            return np.sqrt(between)
        without = [k + 1 for k, p in enumerate(several) if p.se is None]
        if without:
            raise DataError(
                f"{self.id}: se_aggr='{self.se_aggr}' needs standard errors, which prediction {listing(without)} lacks; set "
                'predict_type="se" in the models.'
            )
        se = np.array([p.se for p in several])
        if self.se_aggr == "mean":
            weighted = shares[:, None] * se
            alone, rho = (weighted**2).sum(axis=0), max(self.se_aggr_rho, -1 / max(len(se) - 1, 1))
            return np.sqrt(np.maximum(alone + rho * (weighted.sum(axis=0) ** 2 - alone), 0))
        within = shares @ se**2
        return np.sqrt(within if self.se_aggr == "within" else within + between)
