"""Merges: nodes that make one value of any number of incoming ones. Neighbours: `node` and `shape` below."""

from collections.abc import Sequence
from typing import Any, ClassVar

from pipeops.data import Task
from pipeops.errors import DataError
from pipeops.graph.kinds import INACTIVE
from pipeops.graph.pipeop import Channel, operator
from pipeops.net.layers.modules.merges import Concatenation, Product, Sum
from pipeops.net.network.descriptor import Shape, Symbol
from pipeops.net.network.node import NetworkNode
from pipeops.net.network.shape import broadcast, concatenated
from pipeops.net.rules import reshaping
from pipeops.params import integer
from pipeops.shorthand import nn


@operator
class Merge(NetworkNode):
    """A node with any number of inputs, whose rows must be the same; those of ways that were not taken are left out."""

    takes_inactive: ClassVar[bool] = True
    inputs: ClassVar[tuple[Channel, ...]] = (Channel("...", "ModelDescriptor", "Feed", many=True),)

    def merged(self, shapes: Sequence[Shape]) -> Shape:
        """The shape of the result."""
        return broadcast(shapes, self.id)

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], Any]:
        taken = [value for value in inputs if value is not INACTIVE]
        return super().train(taken) if taken else ([INACTIVE], {})

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        taken = [value for value in inputs if value is not INACTIVE]
        return super().predict(taken, state) if taken else [INACTIVE]

    def extend(self, inputs: Sequence[Symbol], task: Task | None) -> Symbol:
        shape = self.merged([s.shape for s in inputs])
        dtypes = {s.dtype for s in inputs}
        if len(dtypes) > 1:
            raise DataError(
                f"{self.id}: its inputs are of different types ({', '.join(sorted(str(d) for d in dtypes))}); "
                'nn("embedding", embedding_dim=...) makes real numbers of category codes.'
            )
        arguments = dict(self.params)
        return self.symbol(inputs, arguments, shape, dtypes.pop())


@nn.add("merge_sum")
@operator
class MergeSum(Merge):
    """Sum of all inputs: `n x (batch, ...) -> (batch, ...)`; sizes are equal or 1.

    >>> from pipeops import nn
    >>> nn("merge_sum").shape_out((None, 4), (None, 1))
    (None, 4)
    """

    torch_module = Sum
    rule = reshaping.added


@nn.add("merge_prod")
@operator
class MergeProd(Merge):
    """Product of all inputs: `n x (batch, ...) -> (batch, ...)`; sizes are equal or 1.

    >>> from pipeops import nn
    >>> nn("merge_prod").shape_out((None, 4), (None, 4), (None, 4))
    (None, 4)
    """

    torch_module = Product
    rule = reshaping.multiplied


@nn.add("merge_cat")
@operator
class MergeCat(Merge):
    """Inputs one after another along `dim`: `(batch, a), (batch, b) -> (batch, a + b)`; all other sizes are equal.

    >>> from pipeops import nn
    >>> nn("merge_cat").shape_out((None, 4), (None, 3))
    (None, 7)
    """

    torch_module = Concatenation
    rule = reshaping.concatenated

    dim: int = integer(default=-1)

    def merged(self, shapes: Sequence[Shape]) -> Shape:
        return concatenated(shapes, self.dim, self.id)
