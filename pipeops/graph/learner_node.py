"""A learner as a node: trains on the task that comes in and hands nothing on, predicts a labelled table.

`po("scale") >> lrn("classif.log_reg")` makes one. Neighbours: pipeop below, learners on the floor below; graph.py turns
learners into nodes, graph_learner.py makes a learner of the whole graph.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import attrs

from pipeops.errors import CompositionError
from pipeops.graph.pipeop import AutoId, Channel, PipeOp, operator
from pipeops.learn.learner import Learner
from pipeops.learn.validation import Passes
from pipeops.params import Configurable, Param, Setting
from pipeops.shorthand import lrn, po
from pipeops.text import call

NAMES = {"classif": "Classif", "regr": "Regr", "multiregr": "MultiRegr", "multilabel": "Multilabel", None: ""}


class HoldsLearner(Configurable):
    """Base of what holds a learner, in the field `learner` (or None), whose hyperparameters stand beside its own."""

    learner: Any

    def parts(self) -> dict[str, Learner]:
        """The learner, where there is one."""
        return {} if self.learner is None else {"": self.learner}

    def with_part(self, name: str, part: Learner) -> Self:
        """A copy with another learner."""
        return attrs.evolve(self, learner=part)  # type: ignore[type-var]


@po.add("learner")
@operator
class LearnerOp(HoldsLearner, Passes, PipeOp):
    """Train and predict with a learner; its hyperparameters are the node's.

    The learner is copied, so that the node never changes. id: the learner's with everything but letters, digits and
    underscores replaced by "_".

    >>> from pipeops import lrn, po
    >>> graph = po("nop") >> lrn("classif.featureless", method="sample")
    >>> graph.ids(), graph.params["classif_featureless.method"]
    (['nop', 'classif_featureless'], 'sample')
    """

    takes_valid: ClassVar[bool] = True
    example = staticmethod(lambda: {"learner": lrn("classif.featureless")})

    learner: Learner

    def __init__(self, learner: Learner | None = None, *, id: str | None = None):
        if learner is None:
            raise CompositionError('po("learner"): needs a learner, as in po("learner", learner=lrn("classif.log_reg")).')
        if not isinstance(learner, Learner):
            raise CompositionError(f'po("learner"): takes a learner, got {type(learner).__name__}; as in lrn("classif.log_reg").')
        chosen = AutoId(re.sub(r"\W", "_", learner.id)) if id is None else id
        self.__attrs_init__(id=chosen, learner=learner.clone())  # type: ignore[attr-defined]

    @property
    def inputs(self) -> tuple[Channel, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        task = f"Task{NAMES[self.learner.task_type]}"
        return (Channel("input", task, task),)

    @property
    def outputs(self) -> tuple[Channel, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return (Channel("output", "None", f"Prediction{NAMES[self.learner.task_type]}"),)

    def own_params(self) -> dict[str, Setting]:
        """The learner's predict type."""
        types = Param("choice", options=tuple(self.learner.predict_types), default="response")
        return {"predict_type": Setting(types, self.learner.predict_type)}

    def with_own(self, name: str, value: Any) -> Self:
        """A copy with a learner that predicts something else."""
        if name != "predict_type":
            return super().with_own(name, value)
        learner = self.learner.clone()
        learner.predict_type = value  # type: ignore[misc]
        return self.with_part("", learner)

    def _validating(self) -> Mapping[str, Learner]:
        return {"": self.learner.with_validation()}

    def _exchanged(self, others: Mapping[str, Any]) -> Self:
        return self.with_part("", others.get("", self.learner))

    def _state_of(self, state: Any, name: str) -> Any:
        return state.model

    def train(self, inputs: Sequence[Any], valid: Sequence[Any] | None = None) -> tuple[Sequence[Any], Any]:
        """Nothing comes out; the state is the learner's. Validation data that come in are validated on by learners that can."""
        learner = (self.learner.with_validation() if valid else self.learner).clone()
        learner.train(inputs[0], valid=valid[0] if valid else None)
        return [None], learner.state

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        """The learner's prediction."""
        return [self.trained(state).predict(inputs[0])]

    def trained(self, state: Any) -> Learner:
        """The learner with what it has learnt."""
        return self.learner.with_state(state)

    def __repr__(self) -> str:
        named = {} if isinstance(self.id, AutoId) else {"id": str(self.id)}
        return call("po", ['"learner"', repr(self.learner)], named)


def as_node(thing: Any) -> PipeOp:
    """A node, or a learner as one; refused when it is neither."""
    if isinstance(thing, Learner):
        return LearnerOp(thing)
    if not isinstance(thing, PipeOp):
        raise CompositionError(f"graph: takes one node here, got {type(thing).__name__}: {thing!r:.80}.")
    return thing
