"""Operators that transform the target for training and bring predictions back: targetmutate, targettrafoscalerange, targetinvert.

A transforming node has two outputs: the task, and `fun`, which brings a prediction back into the target's own unit and flows
around the model to targetinvert. `graph/templates.py` joins the three. Neighbours: `base` beside it, predictions below.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import attrs
import narwhals as nw
import numpy as np
import numpy.typing as npt

from pipeops.data.supervised import TaskRegr
from pipeops.errors import ConfigError, DataError
from pipeops.graph.kinds import declare
from pipeops.graph.pipeop import Channel, PipeOp, operator
from pipeops.learn.prediction.regr import PredictionRegr
from pipeops.ops.base import one_task
from pipeops.params import anything, real
from pipeops.shorthand import po

Array = npt.NDArray[np.float64]
INVERSE = declare("Inverse", how='it comes from the output "fun" of po("targetmutate") and its kin')


@attrs.frozen(eq=False)
class Inverse:
    """How a prediction comes back: a function of numbers, a factor for standard errors (None: there is none), and the truth."""

    function: Callable[[Array], Any]
    factor: float | None
    truth: Array | None

    def __call__(self, prediction: PredictionRegr, who: str) -> PredictionRegr:
        """The prediction in the target's own unit."""
        response = np.asarray(self.function(prediction.response), dtype=np.float64)
        if response.shape != prediction.response.shape:
            raise DataError(f"{who}: the inverter gave {response.shape} for {len(prediction)} predictions; one for each, please.")
        return PredictionRegr(
            row_ids=prediction.row_ids,
            truth=self.truth,
            response=response,
            se=None if self.factor is None or prediction.se is None else prediction.se * self.factor,
            weights=prediction.weights,
            backend=prediction.backend,
        )


@operator
class TargetTrafo(PipeOp):
    """Base of operators that transform a target: subclasses answer `fit`, `forward` and `inverse`."""

    inputs: ClassVar[tuple[Channel, ...]] = (Channel("input", "TaskRegr", "TaskRegr"),)
    outputs: ClassVar[tuple[Channel, ...]] = (Channel("fun", "None", "Inverse"), Channel("output", "TaskRegr", "TaskRegr"))
    target: ClassVar[bool] = True

    @abstractmethod
    def fit(self, truth: Array) -> Any:
        """What is learnt from the target, as plain data."""

    @abstractmethod
    def forward(self, truth: Array, state: Any) -> Any:
        """The transformed target."""

    @abstractmethod
    def inverse(self, state: Any) -> tuple[Callable[[Array], Any], float | None]:
        """The way back, and what it does to standard errors."""

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], Any]:
        """The task with another target; nothing flows to the inverter yet."""
        task = one_task(self, inputs)
        state = self.fit(np.asarray(task.truth(), dtype=np.float64))
        return [None, self._transformed(task, state)], state

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        """The way back with the truth as it was, and the task with the target transformed, where it has one."""
        task = one_task(self, inputs)
        truth = np.asarray(task.truth(), dtype=np.float64) if task.has_target else None
        return [Inverse(*self.inverse(state), truth), self._transformed(task, state) if task.has_target else task]

    def _transformed(self, task: TaskRegr, state: Any) -> TaskRegr:
        truth = np.asarray(task.truth(), dtype=np.float64)
        made = np.asarray(self.forward(truth, state), dtype=np.float64)
        if made.shape != truth.shape:
            raise DataError(
                f"{self.id}: the transformation gave {made.shape} for {len(truth)} rows; one number for each, please."
            )
        lost = ~np.isfinite(made) & np.isfinite(truth)
        if lost.any():
            raise DataError(
                f"{self.id}: {int(lost.sum())} values of the target, the first {truth[lost][0]:g}, are not finite after the "
                "transformation; choose one that is defined for all of them."
            )
        return task.with_target(nw.new_series(task.target_name, made, backend=task.frame([]).implementation))


@po.add("targetmutate")
@operator
class TargetMutate(TargetTrafo):
    """Transform a regression target by a function, for example its logarithm, and predictions back by its inverse.

    trafo, inverter: functions of an array of numbers `(rows,)` that answer as many; the identity by default. Standard errors are
    left out on the way back.

    >>> import numpy as np
    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"x": [1, 2], "y": [1.0, 100.0]}, target="y")
    >>> node = po("targetmutate", trafo=np.log10, inverter=lambda y: 10**y)
    >>> node.train([task])[0][1].truth().tolist()
    [0.0, 2.0]
    """

    trafo: Any = anything(None)
    inverter: Any = anything(None)

    def __attrs_post_init__(self) -> None:
        for name in ("trafo", "inverter"):
            given = getattr(self, name)
            if given is not None and not callable(given):
                raise ConfigError(f"{self.id}: '{name}' is a function of an array of numbers, got {given!r}.")
        if (self.trafo is None) != (self.inverter is None):
            raise ConfigError(f"{self.id}: 'trafo' and 'inverter' go together; give the other one, too.")

    def fit(self, truth: Array) -> dict[str, Any]:
        return {}

    def forward(self, truth: Array, state: Any) -> Any:
        return truth if self.trafo is None else self.trafo(truth)

    def inverse(self, state: Any) -> tuple[Callable[[Array], Any], float | None]:
        return (lambda y: y) if self.inverter is None else self.inverter, None


@po.add("targettrafoscalerange")
@operator
class TargetScaleRange(TargetTrafo):
    """Map a regression target linearly so that its smallest value in training becomes `lower`, its largest `upper`.

    A constant target becomes `lower`. Standard errors come back in the target's unit.

    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"x": [1, 2, 3], "y": [10.0, 20.0, 30.0]}, target="y")
    >>> po("targettrafoscalerange", lower=-1).train([task])[0][1].truth().tolist()
    [-1.0, 0.0, 1.0]
    """

    lower: float = real(default=0.0)
    upper: float = real(default=1.0)

    def __attrs_post_init__(self) -> None:
        if self.lower == self.upper:
            raise ConfigError(f"{self.id}: 'lower' and 'upper' must differ, both are {self.lower}.")

    def fit(self, truth: Array) -> dict[str, float]:
        known = truth[~np.isnan(truth)]
        low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
        return {"minimum": low, "scale": (self.upper - self.lower) / (high - low) if high > low else 1.0}

    def forward(self, truth: Array, state: dict[str, float]) -> Array:
        return (truth - state["minimum"]) * state["scale"] + self.lower

    def inverse(self, state: dict[str, float]) -> tuple[Callable[[Array], Any], float | None]:
        return lambda y: (y - self.lower) / state["scale"] + state["minimum"], 1 / abs(state["scale"])


@po.add("targetinvert")
@operator
class TargetInvert(PipeOp):
    """Bring a prediction back into the unit that the target had before `targetmutate` or its kin.

    >>> from pipeops import PredictionRegr, as_task_regr, po
    >>> node, task = po("targettrafoscalerange"), as_task_regr({"x": [1, 2], "y": [10.0, 30.0]}, target="y")
    >>> fun, _ = node.predict([task], node.train([task])[1])
    >>> po("targetinvert").predict([fun, PredictionRegr(response=[0.5, 1.0])], {})[0].response.tolist()
    [20.0, 30.0]
    """

    inputs: ClassVar[tuple[Channel, ...]] = (Channel("fun", "None", "Inverse"), Channel("prediction", "None", "PredictionRegr"))
    outputs: ClassVar[tuple[Channel, ...]] = (Channel("output", "None", "PredictionRegr"),)

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], Any]:
        """Nothing to learn."""
        return [None], {}

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        """The prediction in the target's own unit, with the truth as it was."""
        fun, prediction = inputs
        return [fun(prediction, str(self.id))]
