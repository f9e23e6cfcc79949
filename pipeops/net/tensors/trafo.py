"""The base of what changes tensors on their way into a network: `trafo_` nodes always, `augment_` nodes in training only.

A node says in `transform` what becomes of a batch `(n, ...)`; nothing is read when a graph trains: the column gets one more
step, which is tried on zeros first, so that shapes that do not fit are refused before training. Neighbours: `sources` has the
columns with steps; `trafos`, `augments` and `warps` are the shelf.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch

from pipeops.errors import ConfigError, DataError
from pipeops.graph.pipeop import operator
from pipeops.net.network.node import require_set
from pipeops.net.tensors.reading import mapped
from pipeops.net.training.machine import SHARED, drawing
from pipeops.ops.base import Frame, Preprocess, Series
from pipeops.params import anything, choice, flag
from pipeops.shorthand import po


@operator
class Trafo(Preprocess):
    """A node that changes columns of tensors; those of other kinds pass untouched.

    stages: when it does, in "train", in "predict" or in "both". Rows are changed a batch at a time when they are read.
    """

    kinds: ClassVar[tuple[str, ...]] = ("tensor",)
    random: ClassVar[bool] = False
    """Whether it draws; then `transform` gets a generator that follows from seed, epoch and batch."""

    stages: str = choice("train", "predict", "both", default="both")

    @abstractmethod
    def transform(self, x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
        """What becomes of some rows `(n, ...)`."""

    def fit_apply(self, frame: Frame, target: Series | None) -> tuple[Frame, Any]:
        require_set(self)
        return self._behind(frame, "train"), {}

    def apply(self, frame: Frame, state: Any) -> Frame:
        return self._behind(frame, "predict")

    def _behind(self, frame: Frame, stage: str) -> Frame:
        step = self if self.stages in (stage, "both") else None
        return frame.with_columns(*(mapped(column, step) for column in frame.iter_columns()))


@operator
class Augment(Trafo):
    """A `Trafo` that by default works in training only, and mostly draws."""

    predict_equals_train: ClassVar[bool] = False

    stages: str = choice("train", "predict", "both", default="train")


def sides(value: Any, who: str, name: str = "size") -> tuple[int, int]:
    """Height and width, from one number for both or from two."""
    several = [value, value] if isinstance(value, int) else list(value) if isinstance(value, tuple | list) else []
    if len(several) != 2 or not all(type(v) is int and v > 0 for v in several):
        raise ConfigError(f"{who}: '{name}' is one size or (height, width), whole numbers from 1, got {value!r}.")
    return several[0], several[1]


def floats(x: torch.Tensor) -> torch.Tensor:
    """Real numbers of the same values."""
    return x if x.is_floating_point() else x.float()


def like(x: torch.Tensor, original: torch.Tensor) -> torch.Tensor:
    """Values in the type of the original; whole numbers are rounded."""
    return x if original.is_floating_point() else x.round().to(original.dtype)


def require_image(x: torch.Tensor, who: str, channels: int | None = None) -> None:
    """Refuse what is no image `(n, ..., height, width)`; with channels, `(n, channels, height, width)`."""
    if x.ndim < 3 or (channels and (x.ndim < 4 or x.shape[-3] != channels)):
        wanted = "(rows, ..., height, width)" if channels is None else f"(rows, {channels}, height, width)"
        raise DataError(f"{who}: takes images {wanted}, got the shape {(None, *x.shape[1:])}.")


def picked(x: torch.Tensor, places: torch.Tensor, dim: int) -> torch.Tensor:
    """Entries of one dimension: the same for all rows `(k,)`, or of each row its own `(n, k)`."""
    if places.ndim == 1:
        return torch.index_select(x, dim, places.to(x.device))
    view = [len(x), *[1] * (x.ndim - 1)]
    view[dim] = places.shape[1]
    shape = list(x.shape)
    shape[dim] = places.shape[1]
    return torch.gather(x, dim, places.to(x.device).view(view).expand(shape))


def around(x: torch.Tensor, height: int, width: int) -> list[int]:
    """The pixels at each edge that images lack in height and width: left, top, right, bottom."""
    down, across = max(0, height - x.shape[-2]), max(0, width - x.shape[-1])
    return [across // 2, down // 2, across - across // 2, down - down // 2]


PADDINGS = ("constant", "edge", "reflect", "symmetric")


def padded(x: torch.Tensor, edges: Sequence[int], fill: float, mode: str, who: str) -> torch.Tensor:
    """An image with so many pixels more at each edge: left, top, right, bottom; negative ones are cut off."""
    left, top, right, bottom = edges
    if min(x.shape[-2] + top + bottom, x.shape[-1] + left + right) < 1:
        raise DataError(f"{who}: nothing is left of images of the shape {tuple(x.shape[-2:])}.")
    if mode == "constant":
        return torch.nn.functional.pad(x, (left, right, top, bottom), value=fill)
    for dim, before, after in ((-2, top, bottom), (-1, left, right)):
        x = picked(x, _mirrored(x.shape[dim], before, after, mode, who), dim + x.ndim)
    return x


def _mirrored(size: int, before: int, after: int, mode: str, who: str) -> torch.Tensor:
    """Where each pixel of a padded side comes from."""
    places = torch.arange(-before, size + after)
    if mode == "edge":
        return places.clamp(0, size - 1)
    most = size - 1 if mode == "reflect" else size
    if max(before, after) > most:
        raise DataError(f"{who}: {mode} padding of {max(before, after)} takes images of more than {size} pixels.")
    doubled = 2 * size - (2 if mode == "reflect" else 0)
    places = places % doubled
    other = doubled - places - (0 if mode == "reflect" else 1)
    return torch.where(places < size, places, other)


def edges_of(padding: Any, who: str) -> tuple[int, int, int, int]:
    """Left, top, right, bottom, from one number, from two (left and right, top and bottom) or from four."""
    several = [padding] if isinstance(padding, int) else list(padding) if isinstance(padding, tuple | list) else []
    if len(several) not in (1, 2, 4) or not all(type(v) is int for v in several):
        raise ConfigError(
            f"{who}: 'padding' is one number, (sides, top and bottom) or (left, top, right, bottom), got {padding!r}."
        )
    left, top, right, bottom = several * (4 // len(several))
    return left, top, right, bottom


@po.add("trafo_fn")
@operator
class TrafoFn(Trafo):
    """A function of one's own, or a module, on the rows of tensor columns: `fn(x)` with `(n, ...)` to `(n, ...)`.

    fn: what is called; it answers the same for the same rows. rowwise: call it with one row `(...)` at a time.

    >>> from pipeops import as_lazy_tensor, as_task_regr, po
    >>> task = as_task_regr({"x": as_lazy_tensor(torch.ones(2, 3)), "y": [0.5, 1.5]}, target="y")
    >>> (double,), _ = po("trafo_fn", fn=lambda x: 2 * x).train([task])
    >>> double.tensor("x")[0]
    tensor([2., 2., 2.])
    """

    example: ClassVar[Mapping[str, Any]] = {"fn": torch.nn.functional.relu}

    fn: Any = anything()
    rowwise: bool = flag(False)

    def transform(self, x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
        return called(self.fn, x, self.rowwise)


@po.add("augment_fn")
@operator
class AugmentFn(Augment):
    """A random function of one's own, or a module such as kornia's, on the rows of tensor columns, in training.

    fn: what is called with rows `(n, ...)`; it may draw from torch's own generator, which is seeded around the call and then
    put back. rowwise: call it with one row `(...)` at a time.

    >>> from pipeops import po
    >>> po("augment_fn", fn=torch.nn.functional.dropout).stages
    'train'
    """

    random: ClassVar[bool] = True
    example: ClassVar[Mapping[str, Any]] = {"fn": torch.nn.functional.dropout}

    fn: Any = anything()
    rowwise: bool = flag(False)

    def transform(self, x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
        before = SHARED.get_state()
        try:
            with drawing(draws):
                return called(self.fn, x, self.rowwise)
        finally:
            SHARED.set_state(before)


def called(fn: Callable[[Any], Any], x: torch.Tensor, rowwise: bool) -> torch.Tensor:
    """What a function makes of a batch, or of its rows one by one."""
    return torch.stack([fn(row) for row in x]) if rowwise and len(x) else fn(x)
