"""Operators that choose a way through a graph: branch, unbranch, proxy.

A branch hands its input on through one output; through the others flows `INACTIVE`, and what gets that is not trained. An
unbranch hands on the one value that came. Neighbours: `graph/kinds.py` has the marks, `graph/templates.py` puts both around
several ways, flow.py and multiplicity.py move tasks without choosing.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import attrs

from pipeops.errors import CompositionError, ConfigError, DataError, listing
from pipeops.graph.graph import Graph
from pipeops.graph.kinds import INACTIVE
from pipeops.graph.pipeop import Channel, PipeOp, operator
from pipeops.ops.flow import FeatureUnion
from pipeops.params import UNSET, Param, Parameterized, Setting, Token, anything, integer
from pipeops.shorthand import po


def ways(node: PipeOp, setting: str, options: Any, prefix: str) -> list[str]:
    """The names of channels that a setting says: those that are given, or so many numbered ones."""
    if isinstance(options, int) and not isinstance(options, bool) and options >= 1:
        return [f"{prefix}{k + 1}" for k in range(options)]
    if not isinstance(options, list | tuple) or not options or not all(isinstance(o, str) and o for o in options):
        raise ConfigError(f"{node.id}: '{setting}' are names, or a number of at least 1, got {options!r}.")
    if len({*options}) < len(options):
        raise ConfigError(f"{node.id}: '{setting}' must be different names, got {listing(options)}.")
    return list(options)


@po.add("branch")
@operator
class Branch(PipeOp):
    """Hand on what comes in through the output that `selection` names; the others are inactive, and what follows is not trained.

    options: the outputs' names, or their number (`output1`, ...). selection: one of the names, or a number from 1 where they
    are numbered; the first by default; tunable.

    >>> from pipeops import po
    >>> po("branch", options=["a", "b"], selection="b").predict([1], {})
    [INACTIVE, 1]
    """

    passes_types: ClassVar[bool] = True
    example: ClassVar[Mapping[str, Any]] = {"options": ["a", "b"]}

    options: Any = anything()
    selection: Any = anything(None)

    def __attrs_post_init__(self) -> None:
        if self.options is UNSET:
            raise ConfigError(f"{self.id}: set 'options', the names of the ways; the channels of a node follow from them.")
        if not isinstance(self.selection, Token) and self.chosen not in self.names:
            raise ConfigError(f"{self.id}: 'selection' must be one of {listing(self.names)}, got {self.selection!r}.")

    @property
    def names(self) -> list[str]:
        """The names of the ways."""
        return ways(self, "options", self.options, "output")

    @property
    def chosen(self) -> str:
        """The way that is taken."""
        given: Any = self.selection
        return self.names[0] if given is None else f"output{given}" if type(given) is int else given

    @property
    def outputs(self) -> tuple[Channel, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return tuple(Channel(name, "*", "*") for name in self.names)

    def own_params(self) -> dict[str, Setting]:
        """`options`, and `selection` as a choice among them."""
        found = dict(super().own_params())
        param = Param("choice", options=tuple(self.names), default=self.names[0])
        return found | {"selection": Setting(param, self.selection if isinstance(self.selection, Token) else self.chosen)}

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], dict[str, Any]]:
        return self.predict(inputs, {}), {}

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        return [inputs[0] if name == self.chosen else INACTIVE for name in self.names]


@po.add("unbranch")
@operator
class Unbranch(PipeOp):
    """Hand on the one input that is active: the way that a branch has taken.

    options: 0 takes any number of ways through one input; a number or names make as many inputs.

    >>> from pipeops import po
    >>> graph = po("branch", options=["a", "b"]) >> [po("scale"), po("nop")] >> po("unbranch")
    >>> graph.ids()
    ['branch', 'scale', 'nop', 'unbranch']
    """

    passes_types: ClassVar[bool] = True
    takes_inactive: ClassVar[bool] = True
    example: ClassVar[Mapping[str, Any]] = {"options": 1}

    options: Any = anything(0)

    def __attrs_post_init__(self) -> None:
        if self.options != 0 or isinstance(self.options, bool):
            ways(self, "options", self.options, "input")

    @property
    def inputs(self) -> tuple[Channel, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        if self.options == 0:
            return (Channel("...", "*", "*", many=True),)
        return tuple(Channel(name, "*", "*") for name in ways(self, "options", self.options, "input"))

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], dict[str, Any]]:
        return self.predict(inputs, {}), {}

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        active = [value for value in inputs if value is not INACTIVE]
        if len(active) > 1:
            raise DataError(
                f"{self.id}: {len(active)} of its {len(inputs)} inputs are active, one may be; what runs side by side is "
                'joined by po("featureunion").'
            )
        return active or [INACTIVE]


@po.add("proxy")
@operator
class Proxy(PipeOp):
    """A place for a node or a graph that is chosen later: `content` is a hyperparameter, and has its own behind its address.

    content: a node, a graph or a learner; by default what comes in is handed on, the features of several tasks as one task.
    innum: how many inputs, 0 for any number. outnum: how many outputs.

    >>> from pipeops import po
    >>> graph = po("proxy", content=po("scale")) >> po("nop")
    >>> graph.params["proxy.content.center"] = False
    >>> graph.params["proxy.content"]
    po("scale", center=False)
    """

    example: ClassVar[Mapping[str, Any]] = {"innum": 1}

    content: Any = anything(None)
    innum: int = integer(0, default=0)
    outnum: int = integer(1, default=1)

    def __attrs_post_init__(self) -> None:
        self._graph()

    @property
    def inputs(self) -> tuple[Channel, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        if self.innum == 0:
            return (Channel("...", "*", "*", many=True),)
        return tuple(Channel(f"input{k + 1}", "*", "*") for k in range(self.innum))

    @property
    def outputs(self) -> tuple[Channel, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return tuple(Channel("output" if self.outnum == 1 else f"output{k + 1}", "*", "*") for k in range(self.outnum))

    def parts(self) -> Mapping[str, Parameterized]:
        """The content, where it has hyperparameters."""
        return {"content": self.content} if isinstance(self.content, Parameterized) else {}

    def with_part(self, name: str, part: Any) -> Self:
        """A copy with another content."""
        return attrs.evolve(self, content=part)

    def _graph(self) -> Graph:
        """The content as a graph of its own."""
        graph = Graph() if self.content is None or isinstance(self.content, Token) else Graph().extend(self.content)
        if len(graph) and len(graph.outputs) != self.outnum:
            raise CompositionError(
                f"{self.id}: the content has {len(graph.outputs)} outputs, 'outnum' says {self.outnum}; they must be as many."
            )
        return graph

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], Any]:
        graph = self._graph()
        if not len(graph):
            return self._passed(inputs), {}
        return self._listed(graph, graph.train(self._named(graph, inputs))), graph.state

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        graph = self._graph()
        return self._listed(graph, graph.predict_with(state, self._named(graph, inputs))) if len(graph) else self._passed(inputs)

    def _passed(self, inputs: Sequence[Any]) -> Sequence[Any]:
        if len(inputs) > 1 == self.outnum:
            return FeatureUnion(id=str(self.id)).predict(inputs, {})
        if len(inputs) != self.outnum:
            raise CompositionError(f"{self.id}: {len(inputs)} inputs make no {self.outnum} outputs; set 'content'.")
        return inputs

    def _named(self, graph: Graph, inputs: Sequence[Any]) -> dict[str, Any]:
        """The inputs by the names of the content's ends; one goes to all."""
        ends = [end.name for end in graph.inputs]
        values = list(inputs) * len(ends) if len(inputs) == 1 else list(inputs)
        if len(values) != len(ends):
            raise CompositionError(f"{self.id}: gets {len(inputs)} inputs, the content takes {len(ends)} ({listing(ends)}).")
        return dict(zip(ends, values, strict=True))

    def _listed(self, graph: Graph, output: Any) -> list[Any]:
        return [output] if self.outnum == 1 else [output[end.name] for end in graph.outputs]
