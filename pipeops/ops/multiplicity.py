"""Operators that make several values of one, or one of several: replicate, multiplicityimply and -exply, ovrsplit, ovrunite.

Several values that flow through one channel are a `Multiplicity`: every node that follows is trained once for each.
Neighbours: `graph/kinds.py` has the mark, branch.py chooses one way instead, `graph/templates.py` has `ovr`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from pipeops.data.supervised import TaskClassif, unmarked
from pipeops.errors import ConfigError, DataError, listing
from pipeops.graph.kinds import Multiplicity
from pipeops.graph.pipeop import Channel, PipeOp, operator
from pipeops.learn.prediction.classif import PredictionClassif
from pipeops.ops.average import refuse_weights, shares_of
from pipeops.ops.branch import ways
from pipeops.params import UNSET, anything, integer
from pipeops.shorthand import po


@po.add("replicate")
@operator
class Replicate(PipeOp):
    """Several times what comes in, as a multiplicity: what follows is trained `reps` times.

    >>> from pipeops import po
    >>> po("replicate", reps=2).predict([1], {})
    [Multiplicity([1, 1])]
    """

    outputs: ClassVar[tuple[Channel, ...]] = (Channel("output", "[*]", "[*]"),)
    example: ClassVar[Mapping[str, Any]] = {"reps": 2}

    reps: int = integer(1, default=1)

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], dict[str, Any]]:
        return self.predict(inputs, {}), {}

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        return [Multiplicity([inputs[0]] * self.reps)]


@po.add("multiplicityimply")
@operator
class MultiplicityImply(PipeOp):
    """All inputs as one multiplicity.

    innum: how many inputs, or their names; 0 takes any number through one.

    >>> from pipeops import po
    >>> po("multiplicityimply", innum=2).predict([1, 2], {})
    [Multiplicity([1, 2])]
    """

    outputs: ClassVar[tuple[Channel, ...]] = (Channel("output", "[*]", "[*]"),)

    innum: Any = anything(0)

    def __attrs_post_init__(self) -> None:
        if self.innum != 0 or isinstance(self.innum, bool):
            ways(self, "innum", self.innum, "input")

    @property
    def inputs(self) -> tuple[Channel, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        if self.innum == 0:
            return (Channel("...", "*", "*", many=True),)
        return tuple(Channel(name, "*", "*") for name in ways(self, "innum", self.innum, "input"))

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], dict[str, Any]]:
        return self.predict(inputs, {}), {}

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        return [Multiplicity(inputs)]


@po.add("multiplicityexply")
@operator
class MultiplicityExply(PipeOp):
    """The values of a multiplicity, each through an output of its own.

    outnum: how many they are.

    >>> from pipeops import po
    >>> graph = po("replicate", reps=2) >> po("multiplicityexply", outnum=2)
    >>> graph.train(3)
    {'multiplicityexply.output1': 3, 'multiplicityexply.output2': 3}
    """

    inputs: ClassVar[tuple[Channel, ...]] = (Channel("input", "[*]", "[*]"),)
    example: ClassVar[Mapping[str, Any]] = {"outnum": 2}

    outnum: int = integer(1)

    def __attrs_post_init__(self) -> None:
        if self.outnum is UNSET:
            raise ConfigError(f"{self.id}: set 'outnum', the number of outputs; the channels of a node follow from it.")

    @property
    def outputs(self) -> tuple[Channel, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return tuple(Channel(f"output{k + 1}", "*", "*") for k in range(self.outnum))

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], dict[str, Any]]:
        return self.predict(inputs, {}), {}

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        if len(inputs[0]) != self.outnum:
            raise DataError(f"{self.id}: gets {len(inputs[0])} values for {self.outnum} outputs; set 'outnum' to their number.")
        return list(inputs[0])


@po.add("ovrsplit")
@operator
class OVRSplit(PipeOp):
    """One task for each class, in which it is the positive class against all others; `po("ovrunite")` puts predictions together.

    >>> from pipeops import po, tsk
    >>> [task.class_names for task in po("ovrsplit").train([tsk("iris")])[0][0]][:2]
    [['setosa', 'rest'], ['versicolor', 'rest']]
    """

    inputs: ClassVar[tuple[Channel, ...]] = (Channel("input", "TaskClassif", "TaskClassif"),)
    outputs: ClassVar[tuple[Channel, ...]] = (Channel("output", "[TaskClassif]", "[TaskClassif]"),)

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], dict[str, Any]]:
        return self.predict(inputs, {}), {}

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        task: TaskClassif = inputs[0]
        return [Multiplicity(task.against_rest(label) for label in task.class_names)]


@po.add("ovrunite")
@operator
class OVRUnite(PipeOp):
    """One prediction of all classes from those of each class against the others, in the order in which they come.

    Probabilities of the positive classes are divided by their sum (equal where all are 0); without probabilities each prediction
    has one vote. The most probable class is the response. weights: one for each class in their order, or one for all.

    >>> from pipeops import lrn, po, tsk
    >>> graph = po("ovrsplit") >> lrn("classif.log_reg", predict_type="prob") >> po("ovrunite")
    >>> graph.train(tsk("iris"))
    >>> graph.predict(tsk("iris")).prob.shape
    (150, 3)
    """

    inputs: ClassVar[tuple[Channel, ...]] = (Channel("input", "[None]", "[PredictionClassif]"),)
    outputs: ClassVar[tuple[Channel, ...]] = (Channel("output", "None", "PredictionClassif"),)

    weights: Any = anything(None)

    def __attrs_post_init__(self) -> None:
        refuse_weights(self)

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], dict[str, Any]]:
        return [None], {}

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        several: Sequence[PredictionClassif] = inputs[0]
        wide = [p for p in several if len(p.class_names) != 2]
        if wide or not several:
            got = listing(wide[0].class_names) if wide else "no prediction"
            raise DataError(f'{self.id}: takes predictions of one class against the others, as after po("ovrsplit"), got {got}.')
        first = several[0]
        scores = [p.response_codes == 0 if p.prob is None else p.prob[:, 0] for p in several]
        shares = np.stack(scores, axis=1).astype(float) * shares_of(self, len(several))
        sums = shares.sum(axis=1)
        shares = np.where(sums[:, None] > 0, shares / np.where(sums > 0, sums, 1.0)[:, None], 1 / len(several))
        own = np.stack([p.truth_codes == 0 for p in several], axis=1)
        names = [unmarked(p.class_names[0]) for p in several]
        prob = None if any(p.prob is None for p in several) else shares
        truth, response = np.where(own.any(axis=1), own.argmax(axis=1), -1), shares.argmax(axis=1)
        parts: dict[str, Any] = {"truth": truth, "response": response, "prob": prob, "class_names": names}
        return [PredictionClassif.from_codes(first.row_ids, **parts, weights=first.weights, backend=first.backend)]
