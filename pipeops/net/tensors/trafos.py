"""What is done to tensors in training and prediction: `trafo_` nodes. Hyperparameters, and numbers for images between 0 and
1 or of whole numbers 0 to 255, are those of torchvision. Neighbours: `trafo` is the base; `augments` work in training only.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch.nn import functional

from pipeops.errors import ConfigError, DataError
from pipeops.extras import extra
from pipeops.graph.pipeop import operator
from pipeops.net.tensors.trafo import PADDINGS, Trafo, edges_of, floats, like, padded, require_image, sides
from pipeops.params import anything, choice, integer, real
from pipeops.shorthand import po

GRAY = (0.2989, 0.587, 0.114)
INTERPOLATIONS = ("nearest", "bilinear", "bicubic")


@po.add("trafo_nop")
@operator
class TrafoNop(Trafo):
    """Tensors as they are: `(n, ...)` to `(n, ...)`.

    >>> from pipeops import po
    >>> po("trafo_nop").stages
    'both'
    """

    def transform(self, x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
        return x


@po.add("trafo_reshape")
@operator
class TrafoReshape(Trafo):
    """Rows in another shape: `(n, ...)` to `shape`, which begins with -1 for the rows.

    >>> from pipeops import po
    >>> po("trafo_reshape", shape=(-1, 12)).transform(torch.zeros(2, 3, 4), torch.Generator()).shape
    torch.Size([2, 12])
    """

    example: ClassVar[Mapping[str, Any]] = {"shape": (-1, 90)}

    shape: Any = anything()

    def transform(self, x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
        shape = tuple(self.shape) if isinstance(self.shape, tuple | list) else ()
        if not shape or shape[0] not in (-1, None) or not all(type(s) is int for s in shape[1:]) or -1 in shape[1:]:
            raise ConfigError(f"{self.id}: 'shape' begins with -1 for the rows, as in (-1, 1, 28, 28), got {self.shape!r}.")
        return x.reshape(-1, *shape[1:])


@po.add("trafo_normalize")
@operator
class TrafoNormalize(Trafo):
    """Values less `mean`, over `std`: `(n, channels, ...)` to real numbers of the same shape.

    mean, std: a number, or one for each channel.

    >>> from pipeops import po
    >>> po("trafo_normalize", mean=1.0, std=2.0).transform(torch.full((1, 1, 1, 1), 5.0), torch.Generator()).item()
    2.0
    """

    example: ClassVar[Mapping[str, Any]] = {"mean": 0.5, "std": (0.2, 0.3, 0.4)}

    mean: Any = anything()
    std: Any = anything()

    def transform(self, x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
        x = floats(x)
        std = self._by_channel("std", x)
        if not bool((std > 0).all()):
            raise ConfigError(f"{self.id}: 'std' is above 0, got {self.std!r}.")
        return (x - self._by_channel("mean", x)) / std

    def _by_channel(self, name: str, x: torch.Tensor) -> torch.Tensor:
        values = torch.as_tensor(getattr(self, name), dtype=x.dtype, device=x.device)
        if values.ndim == 0:
            return values
        if values.ndim != 1 or x.ndim < 2 or len(values) not in (1, x.shape[1]):
            raise DataError(f"{self.id}: '{name}' has {len(values)} values for tensors of the shape {(None, *x.shape[1:])}.")
        return values.view(-1, *[1] * (x.ndim - 2))


@po.add("trafo_resize")
@operator
class TrafoResize(Trafo):
    """Images in another size: `(n, channels, height, width)`, by torch's `interpolate` with antialiasing.

    size: (height, width), or the length of the shorter side, so that the ratio stays. interpolation: "nearest", "bilinear" or
    "bicubic".

    >>> from pipeops import po
    >>> po("trafo_resize", size=4).transform(torch.zeros(1, 3, 8, 16), torch.Generator()).shape
    torch.Size([1, 3, 4, 8])
    """

    example: ClassVar[Mapping[str, Any]] = {"size": (4, 6)}

    size: Any = anything()
    interpolation: str = choice(*INTERPOLATIONS, default="bilinear")

    def transform(self, x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
        return resized(x, self.size, self.interpolation, str(self.id))


def resized(x: torch.Tensor, size: Any, mode: str, who: str) -> torch.Tensor:
    """Images in another size."""
    require_image(x, who)
    height, width = sides(size, who)
    if not isinstance(size, tuple | list):
        h, w = x.shape[-2:]
        height, width = (size, int(size * w / h)) if h <= w else (int(size * h / w), size)
    smooth = {} if mode == "nearest" else {"antialias": True, "align_corners": False}
    flat = floats(x).reshape(len(x), -1, *x.shape[-2:])
    found = functional.interpolate(flat, (height, width), mode=mode, **smooth).reshape(*x.shape[:-2], height, width)
    low, high = (0, 255) if x.dtype == torch.uint8 else (None, None)
    return like(found if low is None else found.clamp(low, high), x)


@po.add("trafo_pad")
@operator
class TrafoPad(Trafo):
    """Images with more pixels at the edges: `(n, ..., height, width)`.

    padding: one number, (left and right, top and bottom) or (left, top, right, bottom); negative ones cut off. padding_mode:
    "constant" (the value `fill`), "edge" (the last one), "reflect" (without it) or "symmetric" (with it).

    >>> from pipeops import po
    >>> po("trafo_pad", padding=1, padding_mode="reflect").transform(torch.arange(9.0).view(1, 3, 3), torch.Generator())[0, 0]
    tensor([4., 3., 4., 5., 4.])
    """

    example: ClassVar[Mapping[str, Any]] = {"padding": (1, 2)}

    padding: Any = anything()
    fill: float = real(default=0)
    padding_mode: str = choice(*PADDINGS, default="constant")

    def transform(self, x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
        require_image(x, str(self.id))
        return padded(x, edges_of(self.padding, str(self.id)), self.fill, self.padding_mode, str(self.id))


def brightest(x: torch.Tensor) -> float:
    """The value of white: 1 for real numbers, 255 for whole ones."""
    return 1.0 if x.is_floating_point() else 255.0


def blended(x: torch.Tensor, other: torch.Tensor | float, share: torch.Tensor | float) -> torch.Tensor:
    """So much of x and the rest of another, within black and white; more than all moves away from the other."""
    values = floats(x)
    return like((share * values + (1 - share) * other).clamp(0, brightest(x)), x)


def grayed(x: torch.Tensor, who: str) -> torch.Tensor:
    """One channel of brightness, in real numbers."""
    require_image(x, who, 3)
    weights = torch.tensor(GRAY, dtype=floats(x).dtype, device=x.device).view(3, 1, 1)
    return (floats(x) * weights).sum(-3, keepdim=True)


@po.add("trafo_adjust_brightness")
@operator
class TrafoAdjustBrightness(Trafo):
    """Brighter or darker images: `(n, ...)`, times `brightness_factor`, within black and white.

    >>> from pipeops import po
    >>> po("trafo_adjust_brightness", brightness_factor=2.0).transform(torch.tensor([[0.25, 0.75]]), torch.Generator())
    tensor([[0.5000, 1.0000]])
    """

    example: ClassVar[Mapping[str, Any]] = {"brightness_factor": 0.5}

    brightness_factor: float = real(0)

    def transform(self, x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
        return blended(x, 0.0, self.brightness_factor)


@po.add("trafo_adjust_gamma")
@operator
class TrafoAdjustGamma(Trafo):
    """Images to the power of `gamma`, times `gain`, on a scale from black 0 to white 1: `(n, ...)`.

    >>> from pipeops import po
    >>> po("trafo_adjust_gamma", gamma=2.0).transform(torch.tensor([[0.5]]), torch.Generator())
    tensor([[0.2500]])
    """

    example: ClassVar[Mapping[str, Any]] = {"gamma": 2.0}

    gamma: float = real(0)
    gain: float = real(default=1)

    def transform(self, x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
        white = brightest(x)
        return like(white * (self.gain * (floats(x) / white) ** self.gamma).clamp(0, 1), x)


@po.add("trafo_adjust_hue")
@operator
class TrafoAdjustHue(Trafo):
    """Images with other hues: `(n, 3, height, width)`, turned by `hue_factor` of the circle, by kornia (extra `images`).

    >>> from pipeops import po
    >>> po("trafo_adjust_hue", hue_factor=-0.25)
    po("trafo_adjust_hue", hue_factor=-0.25)
    """

    example: ClassVar[Mapping[str, Any]] = {"hue_factor": 0.25}

    hue_factor: float = real(-0.5, 0.5)

    def transform(self, x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
        return turned(x, torch.full((len(x),), self.hue_factor), str(self.id))


def turned(x: torch.Tensor, parts: torch.Tensor, who: str) -> torch.Tensor:
    """Images whose hues are turned by a part of the circle, of each row its own."""
    require_image(x, who, 3)
    enhance, white = extra("kornia.enhance", "images", who), brightest(x)
    return like(white * enhance.adjust_hue(floats(x) / white, 2 * torch.pi * parts.to(x.device)).clamp(0, 1), x)


@po.add("trafo_adjust_saturation")
@operator
class TrafoAdjustSaturation(Trafo):
    """Images with more or less colour: `(n, 3, height, width)`; `saturation_factor` 0 is gray, 1 as they are.

    >>> from pipeops import po
    >>> red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    >>> po("trafo_adjust_saturation", saturation_factor=0.0).transform(red, torch.Generator()).flatten()
    tensor([0.2989, 0.2989, 0.2989])
    """

    example: ClassVar[Mapping[str, Any]] = {"saturation_factor": 0.5}

    saturation_factor: float = real()

    def transform(self, x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
        return blended(x, grayed(x, str(self.id)), self.saturation_factor)


@po.add("trafo_grayscale")
@operator
class TrafoGrayscale(Trafo):
    """Images without colour: `(n, 3, height, width)` to `(n, num_output_channels, height, width)`.

    >>> from pipeops import po
    >>> po("trafo_grayscale", num_output_channels=1).transform(torch.ones(2, 3, 4, 4), torch.Generator()).shape
    torch.Size([2, 1, 4, 4])
    """

    example: ClassVar[Mapping[str, Any]] = {"num_output_channels": 1}

    num_output_channels: int = integer(1, 3)

    def transform(self, x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
        gray = like(grayed(x, str(self.id)), x)
        return gray.expand(*gray.shape[:-3], self.num_output_channels, *gray.shape[-2:])


@po.add("trafo_rgb_to_grayscale")
@operator
class TrafoRgbToGrayscale(Trafo):
    """Images of one channel: `(n, 3, height, width)` to `(n, 1, height, width)`.

    >>> from pipeops import po
    >>> po("trafo_rgb_to_grayscale").transform(torch.ones(2, 3, 4, 4), torch.Generator()).shape
    torch.Size([2, 1, 4, 4])
    """

    def transform(self, x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
        return like(grayed(x, str(self.id)), x)
