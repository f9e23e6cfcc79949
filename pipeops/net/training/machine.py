"""Where and how a network runs: device, threads, and seeded generators that leave the global ones as they were.

Neighbours: model uses them around training and predicting.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import torch

from pipeops.errors import ConfigError


def device_for(name: Any, who: str) -> torch.device:
    """The device of this name; "auto" is CUDA where there is one, else the CPU. One that is not there is refused."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = named_device(name, who)
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f'{who}: the device {name!r} is not available here; use "auto" or "cpu".') from error
    return device


def named_device(name: Any, who: str) -> torch.device:
    """The device of this name, there or not; what torch does not know is refused."""
    try:
        return torch.device(name)
    except (RuntimeError, TypeError) as error:
        raise ConfigError(f'{who}: no device {name!r}; use "auto", "cpu" or "cuda" ("cuda:1" for the second one).') from error


@contextmanager
def seeded(seed: int, device: torch.device) -> Generator[None]:
    """Torch's generators seeded for a while; what they were before comes back. Others (numpy, random) are never touched."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)
        if devices:
            torch.cuda.manual_seed(seed)
        yield


@contextmanager
def threads(number: int) -> Generator[None]:
    """So many threads for torch's operations on the CPU, for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
