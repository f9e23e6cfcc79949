"""Images that are turned, moved and scaled, by kornia (extra `images`).

Neighbours: `trafo` is the base, `augments` has flips, crops and colours.
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch

from pipeops.errors import ConfigError
from pipeops.extras import extra
from pipeops.graph.pipeop import operator
from pipeops.net.tensors.augments import bounds, centered
from pipeops.net.tensors.trafo import Augment, around, floats, like, padded, require_image
from pipeops.params import anything, choice, flag, real
from pipeops.shorthand import po


def warped(x: torch.Tensor, matrices: torch.Tensor, mode: str, fill: float, who: str) -> torch.Tensor:
    """Images `(n, ..., height, width)` under maps of pixels `(n, 2, 3)`; what was outside is `fill`."""
    warp = extra("kornia.geometry.transform", "images", who).warp_affine
    height, width = x.shape[-2:]
    flat = floats(x).reshape(len(x), -1, height, width) - fill
    found = warp(flat, matrices.to(flat), (height, width), mode=mode, padding_mode="zeros", align_corners=True)
    return like(found.reshape(x.shape) + fill, x)


def rotations(angles: torch.Tensor, scales: torch.Tensor, center: torch.Tensor, moves: torch.Tensor) -> torch.Tensor:
    """Maps `(n, 2, 3)` that turn by degrees against the clock around a point, scale there, and then move, in pixels."""
    radians = torch.deg2rad(angles)
    cos, sin = scales * radians.cos(), scales * radians.sin()
    linear = torch.stack([torch.stack([cos, sin], -1), torch.stack([-sin, cos], -1)], -2)
    return torch.cat([linear, (center + moves - (linear @ center[..., None])[..., 0])[..., None]], -1)


def middle(x: torch.Tensor) -> torch.Tensor:
    """The point in the middle of images: column and row."""
    return torch.tensor([(x.shape[-1] - 1) / 2, (x.shape[-2] - 1) / 2]).expand(len(x), 2)


@po.add("augment_rotate")
@operator
class AugmentRotate(Augment):
    """Images turned by `angle` degrees against the clock: `(n, ..., height, width)`, by kornia (extra `images`).

    resample: "nearest" or "bilinear". expand: make the image so large that all of it stays. center: (column, row) that stays
    where it is, the middle by default. fill: the value of what was outside.

    >>> from pipeops import po
    >>> po("augment_rotate", angle=30, fill=0.5)
    po("augment_rotate", angle=30, fill=0.5)
    """

    example: ClassVar[Mapping[str, Any]] = {"angle": 30.0}

    angle: float = real()
    resample: str = choice("nearest", "bilinear", default="nearest")
    expand: bool = flag(False)
    center: Any = anything(None)
    fill: float = real(default=0)

    def transform(self, x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
        who = str(self.id)
        require_image(x, who)
        if self.expand and self.center is not None:
            raise ConfigError(f"{who}: set either 'expand' or 'center', not both.")
        height, width = self._bounds(*x.shape[-2:]) if self.expand else x.shape[-2:]
        if self.expand:
            x = padded(x, around(x, height, width), self.fill, "constant", who)
        center = middle(x) if self.center is None else torch.tensor(self.center, dtype=torch.float32).expand(len(x), 2)
        angles, ones = torch.full((len(x),), float(self.angle)), torch.ones(len(x))
        found = warped(x, rotations(angles, ones, center, torch.zeros(len(x), 2)), self.resample, self.fill, who)
        return centered(found, height, width, who) if self.expand else found

    def _bounds(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of what holds the turned image."""
        cos, sin = abs(math.cos(math.radians(self.angle))), abs(math.sin(math.radians(self.angle)))
        return math.ceil(height * cos + width * sin - 1e-6), math.ceil(height * sin + width * cos - 1e-6)


@po.add("augment_random_affine")
@operator
class AugmentRandomAffine(Augment):
    """Images turned, moved and scaled, each in its own way: `(n, ..., height, width)`, by kornia (extra `images`).

    degrees: turned by at most so many, or from and to. translate: (columns, rows), moved by at most such a share of width and
    height. scale: from and to. resample: "nearest" or "bilinear". fillcolor: the value of what was outside.

    >>> from pipeops import po
    >>> po("augment_random_affine", degrees=10, translate=(0.1, 0.1))
    po("augment_random_affine", degrees=10, translate=(0.1, 0.1))
    """

    random: ClassVar[bool] = True
    example: ClassVar[Mapping[str, Any]] = {"degrees": 20, "translate": (0.2, 0.1), "scale": (0.8, 1.2)}

    degrees: Any = anything()
    translate: Any = anything(None)
    scale: Any = anything(None)
    resample: str = choice("nearest", "bilinear", default="nearest")
    fillcolor: float = real(default=0)

    def transform(self, x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
        who, n = str(self.id), len(x)
        require_image(x, who)
        drawn = torch.rand((4, n), generator=draws)
        (low, high), (small, large) = self._degrees(), (1.0, 1.0) if self.scale is None else bounds(self.scale, who, "scale")
        moves = (2 * drawn[1:3] - 1) * torch.tensor(self._most(x)).view(2, 1)
        angles, scales = low + drawn[0] * (high - low), small + drawn[3] * (large - small)
        matrices = rotations(angles, scales, middle(x), moves.round().T)
        return warped(x, matrices, self.resample, self.fillcolor, who)

    def _degrees(self) -> tuple[float, float]:
        several = [-self.degrees, self.degrees] if isinstance(self.degrees, int | float) else self.degrees
        if not isinstance(several, tuple | list) or len(several) != 2 or not several[0] <= several[1]:
            raise ConfigError(f"{self.id}: 'degrees' is a number from 0 or (from, to), got {self.degrees!r}.")
        return float(several[0]), float(several[1])

    def _most(self, x: torch.Tensor) -> list[float]:
        """By how many columns and rows images are moved at most."""
        shares = (0.0, 0.0) if self.translate is None else self.translate
        if not isinstance(shares, tuple | list) or len(shares) != 2 or not all(0 <= s <= 1 for s in shares):
            raise ConfigError(f"{self.id}: 'translate' is two shares from 0 to 1, (columns, rows), got {self.translate!r}.")
        return [shares[0] * x.shape[-1], shares[1] * x.shape[-2]]
