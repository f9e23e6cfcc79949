"""What is done to images in training only: flips, crops and colours, fixed or drawn anew for each image.

Names and hyperparameters are the reference's, offsets count from 0. Neighbours: `trafo` is the base, `trafos` has what this
is made of; `warps` turns and bends.
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch

from pipeops.errors import ConfigError, DataError
from pipeops.graph.pipeop import operator
from pipeops.net.tensors.trafo import PADDINGS, Augment, around, edges_of, padded, picked, require_image, sides
from pipeops.net.tensors.trafos import INTERPOLATIONS, blended, grayed, resized, turned
from pipeops.params import anything, choice, flag, integer, real
from pipeops.shorthand import po


@po.add("augment_hflip")
@operator
class AugmentHflip(Augment):
    """Images mirrored left to right: `(n, ..., height, width)`.

    >>> from pipeops import po
    >>> po("augment_hflip").transform(torch.tensor([[[1, 2], [3, 4]]]), torch.Generator()).tolist()
    [[[2, 1], [4, 3]]]
    """

    def transform(self, x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
        require_image(x, str(self.id))
        return x.flip(-1)


@po.add("augment_vflip")
@operator
class AugmentVflip(Augment):
    """Images upside down: `(n, ..., height, width)`.

    >>> from pipeops import po
    >>> po("augment_vflip").transform(torch.tensor([[[1, 2], [3, 4]]]), torch.Generator()).tolist()
    [[[3, 4], [1, 2]]]
    """

    def transform(self, x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
        require_image(x, str(self.id))
        return x.flip(-2)


def _chosen(x: torch.Tensor, other: torch.Tensor, p: float, draws: torch.Generator) -> torch.Tensor:
    """Of each row the other one with probability p."""
    taken = torch.rand(len(x), generator=draws) < p
    return torch.where(taken.to(x.device).view(-1, *[1] * (x.ndim - 1)), other, x)


@po.add("augment_random_horizontal_flip")
@operator
class AugmentRandomHorizontalFlip(Augment):
    """Images mirrored left to right, each with probability `p`: `(n, ..., height, width)`.

    >>> from pipeops import po
    >>> po("augment_random_horizontal_flip", p=1.0).transform(torch.tensor([[[1, 2]]]), torch.Generator()).tolist()
    [[[2, 1]]]
    """

    random: ClassVar[bool] = True

    p: float = real(0, 1, default=0.5)

    def transform(self, x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
        require_image(x, str(self.id))
        return _chosen(x, x.flip(-1), self.p, draws)


@po.add("augment_random_vertical_flip")
@operator
class AugmentRandomVerticalFlip(Augment):
    """Images upside down, each with probability `p`: `(n, ..., height, width)`.

    >>> from pipeops import po
    >>> po("augment_random_vertical_flip", p=0.0).transform(torch.tensor([[[1], [2]]]), torch.Generator()).tolist()
    [[[1], [2]]]
    """

    random: ClassVar[bool] = True

    p: float = real(0, 1, default=0.5)

    def transform(self, x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
        require_image(x, str(self.id))
        return _chosen(x, x.flip(-2), self.p, draws)


def cropped(x: torch.Tensor, top: int, left: int, height: int, width: int, who: str) -> torch.Tensor:
    """A part of each image; refused where it is not within."""
    require_image(x, who)
    if top + height > x.shape[-2] or left + width > x.shape[-1]:
        raise DataError(
            f"{who}: a crop of {height} x {width} at ({top}, {left}) is not within images of {x.shape[-2]} x {x.shape[-1]}; "
            'po("trafo_pad") makes them larger.'
        )
    return x[..., top : top + height, left : left + width]


@po.add("augment_crop")
@operator
class AugmentCrop(Augment):
    """A part of each image: `(n, ..., height, width)`, from row `top` and column `left`, which count from 0.

    >>> from pipeops import po
    >>> crop = po("augment_crop", top=1, left=0, height=1, width=2)
    >>> crop.transform(torch.tensor([[[1, 2], [3, 4]]]), torch.Generator()).tolist()
    [[[3, 4]]]
    """

    example: ClassVar[Mapping[str, Any]] = {"top": 1, "left": 2, "height": 3, "width": 4}

    top: int = integer(0)
    left: int = integer(0)
    height: int = integer(1)
    width: int = integer(1)

    def transform(self, x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
        return cropped(x, self.top, self.left, self.height, self.width, str(self.id))


@po.add("augment_resized_crop")
@operator
class AugmentResizedCrop(AugmentCrop):
    """A part of each image, in another size: as `augment_crop` and then `trafo_resize`.

    >>> from pipeops import po
    >>> crop = po("augment_resized_crop", top=0, left=0, height=2, width=2, size=4)
    >>> crop.transform(torch.ones(1, 3, 8, 8), torch.Generator()).shape
    torch.Size([1, 3, 4, 4])
    """

    example: ClassVar[Mapping[str, Any]] = {"top": 1, "left": 2, "height": 3, "width": 4, "size": (6, 6)}

    size: Any = anything()
    interpolation: str = choice(*INTERPOLATIONS, default="bilinear")

    def transform(self, x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
        part = cropped(x, self.top, self.left, self.height, self.width, str(self.id))
        return resized(part, self.size, self.interpolation, str(self.id))


@po.add("augment_center_crop")
@operator
class AugmentCenterCrop(Augment):
    """The middle of each image, `size` or (height, width) large: `(n, ..., height, width)`; smaller images are filled with 0.

    >>> from pipeops import po
    >>> po("augment_center_crop", size=2).transform(torch.arange(16).view(1, 4, 4), torch.Generator()).tolist()
    [[[5, 6], [9, 10]]]
    """

    example: ClassVar[Mapping[str, Any]] = {"size": (4, 8)}

    size: Any = anything()

    def transform(self, x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
        require_image(x, str(self.id))
        return centered(x, *sides(self.size, str(self.id)), str(self.id))


def centered(x: torch.Tensor, height: int, width: int, who: str, fill: float = 0) -> torch.Tensor:
    """The middle of each image, filled where it is smaller."""
    x = padded(x, around(x, height, width), fill, "constant", who)
    return cropped(x, round((x.shape[-2] - height) / 2), round((x.shape[-1] - width) / 2), height, width, who)


@po.add("augment_random_crop")
@operator
class AugmentRandomCrop(Augment):
    """A part of each image from anywhere in it: `(n, ..., height, width)` to `size`, or (height, width).

    padding, fill, padding_mode: pixels that are put around before, as `trafo_pad` has them. pad_if_needed: make images that are
    too small as large as the crop.

    >>> from pipeops import po
    >>> po("augment_random_crop", size=2, padding=1).transform(torch.ones(5, 1, 2, 2), torch.Generator()).shape
    torch.Size([5, 1, 2, 2])
    """

    random: ClassVar[bool] = True
    example: ClassVar[Mapping[str, Any]] = {"size": 5, "padding": 2}

    size: Any = anything()
    padding: Any = anything(None)
    pad_if_needed: bool = flag(False)
    fill: float = real(default=0)
    padding_mode: str = choice(*PADDINGS, default="constant")

    def transform(self, x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
        who, (height, width) = str(self.id), sides(self.size, str(self.id))
        require_image(x, who)
        if self.padding is not None:
            x = padded(x, edges_of(self.padding, who), self.fill, self.padding_mode, who)
        if self.pad_if_needed:
            more = [max(0, width - x.shape[-1]), max(0, height - x.shape[-2])]
            x = padded(x, [*more, *more], self.fill, self.padding_mode, who)
        cropped(x, 0, 0, height, width, who)
        for dim, size in ((x.ndim - 2, height), (x.ndim - 1, width)):
            first = torch.randint(x.shape[dim] - size + 1, (len(x), 1), generator=draws)
            x = picked(x, first + torch.arange(size), dim)
        return x


@po.add("augment_random_resized_crop")
@operator
class AugmentRandomResizedCrop(Augment):
    """A part of each image of random size and form, in one size: `(n, ..., height, width)` to `size`, or (height, width).

    scale: the part's area, from and to, as a share of the image's. ratio: its width over its height, from and to; as Inception
    was trained (Szegedy et al., 2015). interpolation: as `trafo_resize` has it.

    >>> from pipeops import po
    >>> po("augment_random_resized_crop", size=(4, 6)).transform(torch.ones(2, 3, 8, 8), torch.Generator()).shape
    torch.Size([2, 3, 4, 6])
    """

    random: ClassVar[bool] = True
    example: ClassVar[Mapping[str, Any]] = {"size": 6}

    size: Any = anything()
    scale: Any = anything((0.08, 1.0))
    ratio: Any = anything((3 / 4, 4 / 3))
    interpolation: str = choice(*INTERPOLATIONS, default="bilinear")

    def transform(self, x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
        who, size = str(self.id), sides(self.size, str(self.id))
        require_image(x, who)
        boxes = [self._box(x.shape[-2], x.shape[-1], draws) for _ in range(len(x))]
        parts = [resized(row[None], size, self.interpolation, who) for row in map(_part, x, boxes)]
        return torch.cat(parts) if parts else x.new_zeros((0, *x.shape[1:-2], *size))

    def _box(self, height: int, width: int, draws: torch.Generator) -> tuple[int, int, int, int]:
        """Top, left, height and width of a part; after ten that are not within, the largest of a fitting form in the middle."""
        (low, high), ratios = bounds(self.scale, str(self.id), "scale"), bounds(self.ratio, str(self.id), "ratio")
        logs = [math.log(r) for r in ratios]
        for _ in range(10):
            area, form, y, x = torch.rand(4, generator=draws, dtype=torch.float64).tolist()
            area, form = height * width * (low + area * (high - low)), math.exp(logs[0] + form * (logs[1] - logs[0]))
            w, h = round(math.sqrt(area * form)), round(math.sqrt(area / form))
            if 0 < w <= width and 0 < h <= height:
                return int(y * (height - h + 1)), int(x * (width - w + 1)), h, w
        form = min(max(width / height, ratios[0]), ratios[1])
        h, w = min(height, round(width / form)), min(width, round(height * form))
        return (height - h) // 2, (width - w) // 2, h, w


def _part(row: torch.Tensor, box: tuple[int, int, int, int]) -> torch.Tensor:
    top, left, height, width = box
    return row[..., top : top + height, left : left + width]


def bounds(value: Any, who: str, name: str) -> tuple[float, float]:
    """From and to, above 0."""
    several = list(value) if isinstance(value, tuple | list) else []
    if len(several) != 2 or not all(isinstance(v, int | float) for v in several) or not 0 < several[0] <= several[1]:
        raise ConfigError(f"{who}: '{name}' is (from, to), above 0, got {value!r}.")
    return float(several[0]), float(several[1])


@po.add("augment_color_jitter")
@operator
class AugmentColorJitter(Augment):
    """Images in other colours, each in its own: `(n, 3, height, width)`, in a random order of the four.

    brightness, contrast, saturation: each is times a number from 1 - this to 1 + this (not below 0). hue: turned by up to so
    much of the circle, by kornia (extra `images`), at most 0.5.

    >>> from pipeops import po
    >>> jitter = po("augment_color_jitter", brightness=0.5)
    >>> jitter.transform(torch.full((4, 3, 2, 2), 0.5), torch.Generator())[:, 0, 0, 0].unique().numel()
    4
    """

    random: ClassVar[bool] = True
    example: ClassVar[Mapping[str, Any]] = {"brightness": 0.2, "contrast": 0.2, "saturation": 0.2, "hue": 0.1}

    brightness: float = real(0, default=0)
    contrast: float = real(0, default=0)
    saturation: float = real(0, default=0)
    hue: float = real(0, 0.5, default=0)

    def transform(self, x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
        who = str(self.id)
        require_image(x, who)
        for name in [("brightness", "contrast", "saturation", "hue")[k] for k in torch.randperm(4, generator=draws).tolist()]:
            most = getattr(self, name)
            drawn = 2 * torch.rand(len(x), generator=draws) - 1
            if not most:
                continue
            if name == "hue":
                x = turned(x, most * drawn, who)
                continue
            share = (1 + most * drawn).clamp(min=0).to(x.device).view(-1, *[1] * (x.ndim - 1))
            x = blended(x, 0.0 if name == "brightness" else self._other(name, x), share)
        return x

    def _other(self, name: str, x: torch.Tensor) -> torch.Tensor:
        """What an image is mixed with: its gray, or the mean of that."""
        gray = grayed(x, str(self.id))
        return gray if name == "saturation" else gray.mean((-3, -2, -1), keepdim=True)


@operator
class _Several(Augment):
    """Several transforms of one kind or another, given as nodes or functions."""

    random: ClassVar[bool] = True

    transforms: Any = anything()

    def _all(self) -> list[Any]:
        several = list(self.transforms) if isinstance(self.transforms, tuple | list) else []
        if not several or not all(callable(t) or hasattr(t, "transform") for t in several):
            raise ConfigError(
                f"{self.id}: 'transforms' is a list of nodes such as po(\"augment_hflip\") or of functions, "
                f"got {self.transforms!r}."
            )
        return several


def _by(one: Any, x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
    return one.transform(x, draws) if hasattr(one, "transform") else one(x)


def _two() -> Mapping[str, Any]:
    return {"transforms": (po("augment_hflip"), po("augment_vflip"))}


@po.add("augment_random_choice")
@operator
class AugmentRandomChoice(_Several):
    """One of several transforms for each batch: nodes such as `po("augment_hflip")`, or functions of `(n, ...)`.

    >>> from pipeops import po
    >>> choice = po("augment_random_choice", transforms=[po("augment_hflip")])
    >>> choice.transform(torch.tensor([[[1, 2]]]), torch.Generator()).tolist()
    [[[2, 1]]]
    """

    example: ClassVar[Any] = _two

    def transform(self, x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
        several = self._all()
        return _by(several[int(torch.randint(len(several), (1,), generator=draws))], x, draws)


@po.add("augment_random_order")
@operator
class AugmentRandomOrder(_Several):
    """Several transforms in an order that is drawn for each batch: nodes such as `po("augment_hflip")`, or functions.

    >>> from pipeops import po
    >>> order = po("augment_random_order", transforms=[po("augment_hflip"), po("augment_hflip")])
    >>> order.transform(torch.tensor([[[1, 2]]]), torch.Generator()).tolist()
    [[[1, 2]]]
    """

    example: ClassVar[Any] = _two

    def transform(self, x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
        several = self._all()
        for k in torch.randperm(len(several), generator=draws).tolist():
            x = _by(several[k], x, draws)
        return x
