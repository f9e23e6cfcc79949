"""Files as a data set: images of a folder, or anything that a function reads from a path. Neighbours: `sources` takes it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeops.errors import DataError
from pipeops.extras import extra

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")


def image(picture: Any, mode: str | None = None) -> torch.Tensor:
    """A Pillow image as uint8 `(channels, height, width)`, in a mode of Pillow's; palettes become RGB."""
    mode = mode or ("RGB" if picture.mode in ("P", "CMYK", "YCbCr") else picture.mode)
    picture = picture if picture.mode == mode else picture.convert(mode)
    values = torch.from_numpy(np.array(picture))
    values = values.to(torch.uint8) * 255 if values.dtype == torch.bool else values
    return (values[None] if values.ndim == 2 else values.permute(2, 0, 1)).contiguous()


def read_image(path: str | Path, mode: str | None = None) -> torch.Tensor:
    """An image file as uint8 `(channels, height, width)`, by Pillow (extra `images`); mode: "RGB" or another of Pillow's."""
    with extra("PIL.Image", "images", "as_lazy_tensor").open(path) as picture:
        return image(picture, mode)


def files_in(folder: Path, anything: bool = False) -> list[Path]:
    """The images (or all files) in a folder and below, sorted by path."""
    if not folder.is_dir():
        raise DataError(f"as_lazy_tensor: there is no folder {folder}.")
    found = [p for p in sorted(folder.rglob("*")) if p.is_file() and (anything or p.suffix.lower() in IMAGES)]
    if not found:
        raise DataError(f"as_lazy_tensor: there are no images in {folder}; they end in {', '.join(IMAGES)}.")
    return found


class Files:
    """Files, each of which `read` makes a tensor of."""

    def __init__(self, paths: Sequence[str | Path], read: Callable[[Any], Any] | None):
        self.paths, self.read = [str(path) for path in paths], read or read_image

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int) -> Any:
        return self.read(self.paths[row])

    def stamps(self) -> list[tuple[int, int]]:
        """Size and time of each file, by which a changed one is noticed."""
        found = [Path(path).stat() for path in self.paths]
        return [(each.st_size, each.st_mtime_ns) for each in found]
