"""Shapes of what flows through a network, known before any weight exists.

`None` is a size that is not known yet; the first dimension is the batch and always unknown. The general way is to run
the module on the meta device for several fillings of the unknown sizes (`traced`). That imports torch's symbolic
machinery, about a second, so everyday rows carry a rule in one word (`RULES`) and the contract suite compares the two.
Neighbours: `descriptor` below, `layer` and `merge` above.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import torch

from pipeops.errors import ConfigError, DataError
from pipeops.net.network.descriptor import Shape
from pipeops.net.training.machine import float32, unplaced

ShapeRule = Callable[[Shape, Mapping[str, Any], str], Shape]
"""From the shape that comes in, the module's arguments and the node's id to the shape that goes out."""

FILLINGS = (2, 10007, 20011)
"""One small and two large primes: kernels fail on small inputs, cropping looks like the identity on large ones, and
strided layers map neighbouring sizes to the same result."""
SMALL_FILLINGS = (83, 89)

DIMENSIONS = {
    2: "(batch, features)",
    3: "(batch, channels, length)",
    4: "(batch, channels, height, width)",
    5: "(batch, channels, depth, height, width)",
}


def text(shape: Shape) -> str:
    """A shape as it is shown: `(None, 60)`."""
    return "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"


def check_rank(shape: Shape, ranks: tuple[int, ...], who: str) -> None:
    """Refuse a shape whose number of dimensions is none of `ranks` (empty: any is fine)."""
    if ranks and len(shape) not in ranks:
        wanted = " or ".join(str(r) for r in ranks)
        named = " or ".join(DIMENSIONS[r] for r in ranks if r in DIMENSIONS)
        raise DataError(f"{who}: takes a {wanted}-dimensional input {named}, got {text(shape)}.")


def check_type(dtype: torch.dtype, takes: torch.dtype | None, who: str) -> None:
    """Refuse another type than the one that a module takes (None: any will do)."""
    if takes is None or dtype == takes:
        return
    names = [str(d).removeprefix("torch.") for d in (takes, dtype)]
    help = {
        torch.int64: 'nn("embedding", embedding_dim=...) makes real numbers of category codes.',
        torch.float32: 'category codes come from po("torch_ingress_categ").',
    }
    raise DataError(f"{who}: takes {names[0]}, got {names[1]}; {help.get(dtype, 'convert it before.')}")


def position(dim: int, rank: int, shape: Shape, who: str) -> int:
    """A dimension counted from the front; refused when there is none such among `rank` of them."""
    if not -rank <= dim < rank:
        raise ConfigError(f"{who}: there is no dimension {dim} in {text(shape)}; dim goes from {-rank} to {rank - 1}.")
    return dim % rank


def same(shape: Shape, arguments: Mapping[str, Any], who: str) -> Shape:
    """The same shape comes out."""
    if "dim" in arguments:
        position(arguments["dim"], len(shape), shape, who)
    return shape


def features(shape: Shape, arguments: Mapping[str, Any], who: str) -> Shape:
    """The last dimension becomes `out_features`."""
    return (*shape[:-1], arguments["out_features"])


def halved(shape: Shape, arguments: Mapping[str, Any], who: str) -> Shape:
    """One dimension (`dim`, the last unless given) has half the size: gated units."""
    at = position(arguments.get("dim", -1), len(shape), shape, who)
    size = shape[at]
    if size is not None and size % 2:
        raise DataError(f"{who}: halves dimension {at}, whose size must be even, got {text(shape)}.")
    return (*shape[:at], None if size is None else size // 2, *shape[at + 1 :])


def embedded(shape: Shape, arguments: Mapping[str, Any], who: str) -> Shape:
    """A new last dimension of size `embedding_dim`."""
    return (*shape, arguments["embedding_dim"])


def flattened(shape: Shape, arguments: Mapping[str, Any], who: str) -> Shape:
    """Dimensions `start_dim` to `end_dim` become one."""
    start = position(arguments["start_dim"], len(shape), shape, who)
    end = position(arguments["end_dim"], len(shape), shape, who)
    if end < start:
        raise ConfigError(f"{who}: 'end_dim' must not come before 'start_dim', got dimensions {end} and {start}.")
    sizes = [s for s in shape[start : end + 1] if s is not None]
    return (*shape[:start], prod(sizes) if len(sizes) == end + 1 - start else None, *shape[end + 1 :])


def target_sizes(given: Any, who: str) -> tuple[int, ...]:
    """The sizes of a new shape, all known but for one -1."""
    sizes = tuple(given) if isinstance(given, tuple | list) else ()
    whole = all(isinstance(s, int) and not isinstance(s, bool) and (s > 0 or s == -1) for s in sizes)
    if not sizes or not whole or sizes.count(-1) > 1:
        raise ConfigError(f"{who}: 'shape' has sizes from 1 and at most one -1 (what is left), as in (-1, 2, 3), got {given!r}.")
    return sizes


def reshaped(shape: Shape, arguments: Mapping[str, Any], who: str) -> Shape:
    """The sizes in `shape`, where -1 stands for what is left of the elements."""
    target = target_sizes(arguments["shape"], who)
    if target[0] == -1 and None not in shape[1:]:
        rest, wanted = prod(s or 1 for s in shape[1:]), prod(target[1:])
        if rest != wanted:
            raise DataError(f"{who}: cannot reshape {text(shape)} to {target}: a row has {rest} values, not {wanted}.")
    return tuple(None if s == -1 else s for s in target)


def squeezed(shape: Shape, arguments: Mapping[str, Any], who: str) -> Shape:
    """Without the dimensions in `dims`."""
    return tuple(s for i, s in enumerate(shape) if i not in arguments["dims"])


def unsqueezed(shape: Shape, arguments: Mapping[str, Any], who: str) -> Shape:
    """With a new dimension of size 1 at `dim`."""
    at = position(arguments["dim"], len(shape) + 1, shape, who)
    return (*shape[:at], 1, *shape[at:])


RULES: dict[str, ShapeRule] = {
    "same": same,
    "features": features,
    "halved": halved,
    "embedded": embedded,
    "flattened": flattened,
    "reshaped": reshaped,
    "squeezed": squeezed,
    "unsqueezed": unsqueezed,
}


def check_ranks_equal(shapes: Sequence[Shape], who: str) -> None:
    """Refuse shapes with different numbers of dimensions."""
    if len({len(s) for s in shapes}) > 1:
        raise DataError(
            f"{who}: all inputs must have the same number of dimensions, got {', '.join(map(text, shapes))}; "
            'nn("flatten"), nn("unsqueeze") or nn("reshape") before it can help.'
        )


def broadcast(shapes: Sequence[Shape], who: str) -> Shape:
    """The shape of an elementwise result: sizes are equal or 1; dimensions are never added, the first is the batch.

    >>> broadcast([(None, 1), (None, 6)], "merge_sum")
    (None, 6)
    """
    check_ranks_equal(shapes, who)
    return tuple(_common(sizes, i, shapes, who) for i, sizes in enumerate(zip(*shapes, strict=True)))


def _common(sizes: tuple[int | None, ...], at: int, shapes: Sequence[Shape], who: str) -> int | None:
    large = {s for s in sizes if s is not None and s != 1}
    if len(large) > 1:
        raise DataError(
            f"{who}: cannot combine {', '.join(map(text, shapes))}: dimension {at} has the sizes "
            f"{' and '.join(map(str, sorted(large)))}; they must be equal or 1."
        )
    return large.pop() if large else None if None in sizes else 1


def concatenated(shapes: Sequence[Shape], dim: int, who: str) -> Shape:
    """The shape of a concatenation along `dim`; all other sizes must be equal.

    >>> concatenated([(None, 3), (None, 2)], -1, "merge_cat")
    (None, 5)
    """
    check_ranks_equal(shapes, who)
    at = position(dim, len(shapes[0]), shapes[0], who)
    result: list[int | None] = []
    for i, sizes in enumerate(zip(*shapes, strict=True)):
        known = {s for s in sizes if s is not None}
        if i == at:
            result.append(None if None in sizes else sum(s or 0 for s in sizes))
        elif len(known) > 1:
            raise DataError(
                f"{who}: cannot concatenate {', '.join(map(text, shapes))} along dimension {at}: "
                f"dimension {i} has the sizes {' and '.join(map(str, sorted(known)))}."
            )
        else:
            result.append(known.pop() if known else None)
    return tuple(result)


def traced(
    build: Callable[[], torch.nn.Module], inputs: Sequence[tuple[Shape, torch.dtype]], who: str
) -> tuple[Shape, torch.dtype]:
    """Shape and type of what a module answers that answers one value: see `traced_values`."""
    return traced_values(build, inputs, who, 1)[0]


def traced_values(
    build: Callable[[], torch.nn.Module], inputs: Sequence[tuple[Shape, torch.dtype]], who: str, outputs: int
) -> Sequence[tuple[Shape, torch.dtype]]:
    """Shape and type of each value that a module answers, by running it without data for several sizes of unknown dimensions.

    A size that is the same for every filling is known. Fillings that the module refuses are left out; when it refuses
    all of them, so do we, with its reason.
    """
    with float32():
        module = _on_meta(build, who)
        found, problem = _runs(module, inputs, FILLINGS, who, outputs)
        if len(found) < 2:
            found += _runs(module, inputs, SMALL_FILLINGS, who, outputs)[0]
    if not found:
        shapes = ", ".join(f"{text(s)} {str(d).removeprefix('torch.')}" for s, d in inputs)
        raise DataError(f"{who}: cannot take {shapes}: {_explained(problem)}")
    return [_common_shape(several) for several in zip(*found, strict=True)]


def _common_shape(found: Sequence[torch.Tensor]) -> tuple[Shape, torch.dtype]:
    """What the answers for several fillings share."""
    sizes = zip(*(value.shape for value in found), strict=True)
    return tuple(s[0] if len(set(s)) == 1 else None for s in sizes), found[0].dtype


def _explained(problem: str) -> str:
    """What torch says of a run without data, without the sizes that were filled in."""
    if "same device" in problem:
        return "it must make its tensors on the device of what comes in, as in torch.ones(..., device=x.device)."
    if "meta" in problem:
        return "its shape is found without data, so it may not look at values (.item(), .numpy(), a comparison in an if)."
    shown = re.sub(r"\d+", lambda found: _size(int(found[0])), problem)
    return f"{shown.rstrip('.')}; it must work for any batch size." if "*batch" in shown else shown


def _size(number: int) -> str:
    times, rest = divmod(number, FILLINGS[-1])
    return str(number) if rest or not times else "batch" if times == 1 else f"{times}*batch"


def _on_meta(build: Callable[[], torch.nn.Module], who: str) -> torch.nn.Module:
    try:
        with unplaced():
            return build().train()
    except Exception as error:
        raise ConfigError(f"{who}: its module cannot be made: {reason(error)}") from error


def reason(error: Exception) -> str:
    """The first line of an error's text, as a sentence."""
    line = (str(error).strip() or type(error).__name__).split("\n")[0].rstrip(".")
    return line + "."


def _runs(
    module: torch.nn.Module, inputs: Sequence[tuple[Shape, torch.dtype]], fillings: Sequence[int], who: str, outputs: int
) -> tuple[list[Sequence[torch.Tensor]], str]:
    found: list[Sequence[torch.Tensor]] = []
    problem = ""
    for filling in fillings:
        given = [torch.empty([filling if s is None else s for s in sh], dtype=d, device="meta") for sh, d in inputs]
        try:
            with torch.no_grad():
                value = module(*given)
        except Exception as error:
            problem = reason(error)
            continue
        found.append(_answered(value, who, outputs))
    return found, problem


def _answered(value: Any, who: str, outputs: int) -> Sequence[torch.Tensor]:
    """The tensors that a module answers; refused when they are not so many."""
    several: list[Any] = list(value) if isinstance(value, tuple | list) and outputs > 1 else [value]
    if len(several) != outputs or not all(isinstance(v, torch.Tensor) for v in several):
        wanted = "one tensor" if outputs == 1 else f"{outputs} tensors, one for each of its outputs"
        got = f"{len(value)} values" if isinstance(value, tuple | list) else type(value).__name__
        raise DataError(f"{who}: its module must return {wanted}, got {got}; layer(..., outputs=[...]) names several.")
    return several
