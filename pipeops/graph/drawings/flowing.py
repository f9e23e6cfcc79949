"""What flows along the edges of a graph, as far as it is known: kinds of channels, and shapes between the nodes of a network.

Shapes are those of the trained network where a state has it (`values`); before, nodes say what they make of what comes in
(`shape_start`, `shape_out`), asked twice with different sizes in place of unknown ones: what stays the same is known.
Neighbours: `scene.py` puts both on the lines of a drawing.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from typing import Any

from pipeops.errors import PipeOpsError
from pipeops.graph.composing import Composition
from pipeops.graph.pipeop import Channel, PipeOp

Shape = tuple[int | None, ...]
Values = Mapping[str, Sequence[Shape]]
"""The shapes of the values in a trained network, by the name of what made them, in the order in which they were made."""
Shapes = dict[tuple[str, str], Shape | None]
"""The shape at each output `(id, channel)`, as far as it is known."""
FILLINGS = (83, 89)
_COPY = re.compile(r"\d+\.")


def sources(graph: Composition) -> dict[str, list[tuple[str, str]]]:
    """What feeds each node, as `(id, output)`."""
    found: dict[str, list[tuple[str, str]]] = {id: [] for id in graph._nodes}
    for edge in graph._edges:
        found[edge.target].append((edge.source, edge.output))
    return found


def kinds(graph: Composition) -> dict[tuple[str, str], Channel]:
    """The channel at each output; nodes that hand on what comes in have the kinds of that."""
    found: dict[tuple[str, str], Channel] = {}
    before = sources(graph)
    for id, node in graph._nodes.items():
        into = [found[place] for place in before[id]]
        carried = reduce(Channel.common, into) if node.passes_types and into else None
        found |= {(id, c.name): c if carried is None else c.carrying(carried) for c in node.outputs}
    return found


def shapes(graph: Composition, states: Mapping[str, Any], values: Values, entering: Shape | None) -> Shapes:
    """The shape at each output, None where it is not known. entering: of what goes into the open inputs."""
    found: Shapes = {}
    before = sources(graph)
    for id, node in graph._nodes.items():
        made = _made(id, node, values)
        if made is None:
            made = _worked_out(node, states.get(id), [found[place] for place in before[id]] or [entering])
        found |= {(id, c.name): shape for c, shape in zip(node.outputs, made, strict=True)}
    return found


def inner(id: str, values: Values) -> Values:
    """The values that were made inside a node, under the names that they have there; those of its copies together."""
    found: dict[str, list[Shape]] = {}
    for name, several in values.items():
        if name.startswith(f"{id}."):
            found.setdefault(_COPY.sub("", name.removeprefix(f"{id}."), count=1), []).extend(several)
    return found


def common(several: Iterable[Shape | None]) -> Shape | None:
    """What shapes have in common: None for sizes that differ, and in place of all where the number of dimensions does."""
    known = list(several)
    if not known or None in known or len({len(shape or ()) for shape in known}) > 1:
        return None
    return tuple(sizes[0] if len({*sizes}) == 1 else None for sizes in zip(*(shape or () for shape in known), strict=True))


def _made(id: str, node: PipeOp, values: Values) -> list[Shape | None] | None:
    """What a node made in the trained network; None where it is not in there."""
    n, exact = len(node.outputs), values.get(id, ())
    if n and len(exact) >= n:
        return [common(exact[k::n]) for k in range(n)]
    inside = [shape for name, several in values.items() if name.startswith(f"{id}.") for shape in several]
    return [*inside[-n:]] if n and len(inside) >= n else None


def _worked_out(node: Any, state: Any, into: Sequence[Shape | None]) -> list[Shape | None]:
    """What a node says that it makes, before there is a network."""
    unknown: list[Shape | None] = [None] * len(node.outputs)
    if hasattr(node, "shape_start"):
        return [node.shape_start(state)]
    if None in into or not hasattr(node, "shape_out"):
        return unknown
    try:
        tries = [node.shape_out(*(_filled(shape, size) for shape in into if shape is not None)) for size in FILLINGS]
    except PipeOpsError:
        return unknown
    return [common(tries)] * len(node.outputs)


def _filled(shape: Shape, size: int) -> Shape:
    """The batch stays unknown."""
    return (*shape[:1], *(size if one is None else one for one in shape[1:]))


def text(shape: Shape) -> str:
    """A shape as it is shown.

    >>> text((None, 60, None))
    '(batch, 60, ?)'
    """
    return f"({', '.join(['batch', *('?' if size is None else str(size) for size in shape[1:])])})"
