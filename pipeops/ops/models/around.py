"""AroundLearner: the base of nodes that train one regression learner several times and put its predictions together.

Neighbours: `quantiles` and `cv_plus` are made from it; `graph.learner_node` is a learner as it is.
"""

import re
from collections.abc import Sequence
from typing import Any, ClassVar

from pipeops.errors import CompositionError
from pipeops.graph.graph_learner import as_learner
from pipeops.graph.learner_node import HoldsLearner
from pipeops.graph.pipeop import AutoId, Channel, PipeOp, operator
from pipeops.learn.learner import Learner
from pipeops.text import call


@operator
class AroundLearner(HoldsLearner, PipeOp):
    """Base of the nodes around a regression learner, whose hyperparameters stand beside the node's own."""

    inputs: ClassVar[tuple[Channel, ...]] = (Channel("input", "TaskRegr", "TaskRegr"),)
    outputs: ClassVar[tuple[Channel, ...]] = (Channel("output", "None", "PredictionRegr"),)
    target: ClassVar[bool] = True
    any_rows: ClassVar[bool] = False

    learner: Learner

    def predictions(self, task: Any, states: Sequence[Any]) -> list[Any]:
        """What the learner predicts with each of these states."""
        return [self.learner.with_state(state).predict(task) for state in states]

    def __repr__(self) -> str:
        named = {} if isinstance(self.id, AutoId) else {"id": str(self.id)}
        return call("po", [f'"{type(self).key}"', repr(self.learner)], {**named, **self.changed()})


def wrapped(key: str, learner: Any, id: str | None) -> dict[str, Any]:
    """The fields of a node around a learner: a copy of it, and the id, by default the learner's."""
    made = as_learner(learner)
    if made.task_type != "regr":
        raise CompositionError(f'po("{key}"): takes a regression learner, {made.id} is one for {made.task_type}.')
    return {"id": AutoId(re.sub(r"\W", "_", made.id)) if id is None else id, "learner": made.clone()}
