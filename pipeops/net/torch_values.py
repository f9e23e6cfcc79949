"""How torch's own values stand in files: tensors, types of numbers, named classes, losses that were made already.

Classes are those of the tables here: losses, optimizers, schedules and the modules of the layer table. None of them is
called when a file is loaded but the losses, with plain arguments. Neighbours: saving below.
"""

import inspect
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules import loss as losses
from torch.optim import lr_scheduler

from pipeops.errors import FormatError
from pipeops.keys import KEYS
from pipeops.saving import saved_as, saved_names
from pipeops.saving.codecs import name_of
from pipeops.shorthand import nn as layers

DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.bool, torch.uint8, torch.uint16, torch.uint32,
        torch.uint64, torch.int8, torch.int16, torch.int32, torch.int64,
    )
}  # fmt: skip
"""The types of numbers that may stand in files, by name."""
OUTDATED = ("size_average", "reduce")


def dtype_named(name: str) -> torch.dtype:
    """The type of this name."""
    if name not in DTYPES:
        raise FormatError(f"load: no type of numbers '{name[:40]}'.")
    return DTYPES[name]


def _tensor_to_plain(value: torch.Tensor) -> dict[str, Any]:
    plain = value.detach().cpu().contiguous()
    name = str(plain.dtype).removeprefix("torch.")
    if name not in DTYPES or plain.layout is not torch.strided:
        raise FormatError(f"save: cannot save a tensor of {plain.dtype}, {plain.layout}.")
    half = plain.dtype == torch.bfloat16  # numpy has no such type: its bytes travel as integers
    return {"dtype": name, "values": (plain.view(torch.int16) if half else plain).numpy()}


def _tensor(plain: dict[str, Any]) -> torch.Tensor:
    dtype, values = dtype_named(plain["dtype"]), torch.from_numpy(plain["values"])
    values = values.view(torch.bfloat16) if dtype == torch.bfloat16 and values.dtype == torch.int16 else values
    if values.dtype != dtype:
        raise FormatError(f"load: a tensor of {dtype} holds {values.dtype}.")
    return values


@cache
def _classes() -> dict[str, type]:
    """The classes that may be named."""
    found: list[Any] = [*_losses(), *(getattr(torch.optim, n) for n in vars(torch.optim)), *vars(lr_scheduler).values()]
    found += [*vars(nn).values(), nn.modules.linear.NonDynamicallyQuantizableLinear]
    holders = [layers._find(key) for key in KEYS["nn"]]
    found += [getattr(getattr(h, "row", h), "wraps", None) for h in holders]
    kinds = (nn.Module, torch.optim.Optimizer, lr_scheduler.LRScheduler)
    known = [c for c in found if isinstance(c, type) and issubclass(c, kinds) and c.__module__.startswith("torch.")]
    return {name_of(c): c for c in known}


def _losses() -> list[type[nn.Module]]:
    """Losses that are made of plain arguments."""
    return [
        getattr(losses, n) for n in losses.__all__ if n not in ("AdaptiveLogSoftmaxWithLoss", "TripletMarginWithDistanceLoss")
    ]


def _loss_to_plain(module: nn.Module) -> dict[str, Any]:
    names = [n for n in inspect.signature(type(module)).parameters if n not in OUTDATED]
    return {"class": type(module), "arguments": {n: getattr(module, n) for n in names}}


def _loss(plain: dict[str, Any]) -> nn.Module:
    cls, arguments = plain["class"], plain["arguments"]
    names = inspect.signature(cls).parameters
    fine = all(v is None or isinstance(v, bool | int | float | str | torch.Tensor) for v in arguments.values())
    if cls not in _losses() or not fine or not set(arguments) <= set(names) - set(OUTDATED):
        raise FormatError(f"load: no loss of torch, or with other arguments: {cls.__name__}.")
    return cls(**arguments)


saved_as(
    [f"torch:{torch.Tensor.__name__}", name_of(nn.Parameter), name_of(nn.Buffer)],
    _tensor,
    _tensor_to_plain,
    plain={"dtype": str, "values": np.ndarray},
    tag="tensor",
    module=__name__,
)
saved_as(
    name_of(torch.dtype), dtype_named, lambda dtype: str(dtype).removeprefix("torch."), plain=str, tag="dtype", module=__name__
)
saved_as(
    map(name_of, _losses()), _loss, _loss_to_plain, plain={"class": type, "arguments": dict}, tag="torch_loss", module=__name__
)
saved_names("torch_class", "torch", _classes, module=__name__)
