"""Operators that move data through a graph without changing features: nop, copy, featureunion."""

from collections.abc import Sequence
from typing import Any, ClassVar

from pipeops.graph.pipeop import PipeOp, operator
from pipeops.shorthand import po


@po.add("nop")
@operator
class NOP(PipeOp):
    """Hand on what comes in.

    >>> from pipeops import po
    >>> po("nop").predict([1], {})
    [1]
    """

    passes_types: ClassVar[bool] = True

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], dict[str, Any]]:
        return inputs, {}

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        return inputs
