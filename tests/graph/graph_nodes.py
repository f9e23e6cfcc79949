"""Small nodes for the tests of graphs: one that records its calls, and stand-ins for a model and for sums."""

from typing import Any, ClassVar

from pipeops.graph import Channel, PipeOp, operator
from pipeops.params import anything, integer

CALLS: list[tuple[str, str, Any]] = []


@operator
class Recorder(PipeOp):
    """Adds `n` to what comes in, learns it, and notes each call in `CALLS`."""

    n: int = integer(default=1)

    def train(self, inputs: Any) -> Any:
        CALLS.append((str(self.id), "train", inputs[0]))
        return [inputs[0] + self.n], {"seen": inputs[0]}

    def predict(self, inputs: Any, state: Any) -> Any:
        CALLS.append((str(self.id), "predict", inputs[0]))
        return [inputs[0] + self.n]


@operator
class Wanting(Recorder):
    """A recorder that wants the validation inputs in training."""

    takes_valid: ClassVar[bool] = True

    def train(self, inputs: Any, valid: Any = None) -> Any:
        CALLS.append((str(self.id), "valid", valid and valid[0]))
        return super().train(inputs)


@operator
class Total(PipeOp):
    """Sums any number of inputs."""

    inputs: ClassVar[tuple[Channel, ...]] = (Channel("...", "*", "*", many=True),)

    def train(self, inputs: Any) -> Any:
        return [sum(inputs)], {}

    def predict(self, inputs: Any, state: Any) -> Any:
        return [sum(inputs)]


@operator
class Parts(PipeOp):
    """Two inputs, two outputs: quotient and remainder."""

    inputs: ClassVar[tuple[Channel, ...]] = (Channel("a", "*", "*"), Channel("b", "*", "*"))
    outputs: ClassVar[tuple[Channel, ...]] = (Channel("quotient", "*", "*"), Channel("rest", "*", "*"))

    def train(self, inputs: Any) -> Any:
        return list(divmod(*inputs)), {}

    def predict(self, inputs: Any, state: Any) -> Any:
        return divmod(*inputs)


@operator
class Answers(PipeOp):
    """Returns what it is told to, right or wrong."""

    answer: Any = anything(None)

    def train(self, inputs: Any) -> Any:
        return self.answer

    def predict(self, inputs: Any, state: Any) -> Any:
        return inputs


@operator
class Fresh(PipeOp):
    """Makes something new of whatever comes in, and keeps nothing."""

    make: Any = anything()

    def train(self, inputs: Any) -> Any:
        return [self.make()], {}

    def predict(self, inputs: Any, state: Any) -> Any:
        return [self.make()]


@operator
class Features(PipeOp):
    """A stand-in for an operator on tasks."""

    inputs: ClassVar[tuple[Channel, ...]] = (Channel("input", "Task", "Task"),)
    outputs: ClassVar[tuple[Channel, ...]] = (Channel("output", "Task", "Task"),)

    def train(self, inputs: Any) -> Any:
        return inputs, {}

    def predict(self, inputs: Any, state: Any) -> Any:
        return inputs


@operator
class ClassifFeatures(Features):
    """A stand-in for an operator on classification tasks."""

    inputs: ClassVar[tuple[Channel, ...]] = (Channel("input", "TaskClassif", "TaskClassif"),)
    outputs: ClassVar[tuple[Channel, ...]] = (Channel("output", "TaskClassif", "TaskClassif"),)


@operator
class Model(PipeOp):
    """A stand-in for a learner of either task type: nothing in training, a prediction when predicting."""

    task_type: str = anything("Classif")

    @property
    def inputs(self) -> tuple[Channel, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return (Channel("input", f"Task{self.task_type}", f"Task{self.task_type}"),)

    @property
    def outputs(self) -> tuple[Channel, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return (Channel("output", "None", f"Prediction{self.task_type}"),)

    def train(self, inputs: Any) -> Any:
        return [None], {}

    def predict(self, inputs: Any, state: Any) -> Any:
        return [None]
