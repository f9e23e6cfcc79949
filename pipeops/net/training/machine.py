"""Where and how a network runs: device, threads, and seeded generators that leave the global ones as they were.

Neighbours: model uses them around training and predicting.
"""

import os
import threading
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


class _Shared:
    """What a process has once, whatever its threads do: torch's own generators, its default dtype and its number of threads.

    turn: held by whoever uses what there is only one of. inside: how many hold `threads` now, and `before` what they found.
    """

    def __init__(self) -> None:
        self.turn, self.counting = threading.RLock(), threading.Lock()
        self.inside, self.before = 0, 0


_shared = _Shared()
os.register_at_fork(after_in_child=_shared.__init__)


@contextmanager
def seeded(seed: int, device: torch.device) -> Generator[None]:
    """Torch's generators seeded for a while, with gradients and float32 as they are by default; what was before comes back.

    One thread at a time, since layers such as dropout draw from the generator that all share. Others (numpy, random) are
    never touched.
    """
    devices = [device] if device.type == "cuda" else []
    with _shared.turn, float32(), torch.inference_mode(False), torch.enable_grad(), torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)
        if devices:
            torch.cuda.manual_seed(seed)
        yield


@contextmanager
def predicting(number: int) -> Generator[None]:
    """Without gradients, with so many threads, and float32 by default."""
    with torch.inference_mode(), threads(number):
        if torch.get_default_dtype() is torch.float32 and _shared.inside == 1:
            yield
        else:
            with _shared.turn, float32():
                yield


@contextmanager
def float32() -> Generator[None]:
    """float32 is torch's default dtype, for a while."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def threads(number: int) -> Generator[None]:
    """So many threads for torch's operations on the CPU, for a while."""
    with _shared.counting:
        if not _shared.inside:
            _shared.before = torch.get_num_threads()
        _shared.inside += 1
    before = _shared.before
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        with _shared.counting:
            _shared.inside -= 1
