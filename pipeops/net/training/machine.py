"""The machine that networks run on: where tensors live, which generator is drawn from, and with how many threads.

A `Machine` answers all three for one training run or prediction; nothing else in `net` asks torch for a device, seeds it, or sets
its threads (tests/net/test_machine.py). What is seeded or set comes back afterwards. Neighbours: set-up makes one for a run, the
model node one for a prediction; the driver of runs works on it.
"""

import os
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import attrs
import torch

from pipeops.errors import ConfigError

CPU = torch.device("cpu")
SHARED = torch.default_generator
"""Torch's own generator, from which layers such as dropout draw whoever calls them."""


@attrs.frozen
class Machine:
    """device: where tensors live. threads: of torch's operations on the CPU. seed: of everything that is drawn.

    >>> Machine().place(torch.ones(2)).device
    device(type='cpu')
    """

    device: torch.device = CPU
    threads: int = 1
    seed: int = 0

    @property
    def is_cpu(self) -> bool:
        """Whether tensors live in the processor's own memory."""
        return self.device.type == "cpu"

    def place(self, thing: Any) -> Any:
        """A tensor or a module where this machine has them; what has no place (a plain function) as it is."""
        return thing.to(self.device) if isinstance(thing, torch.Tensor | torch.nn.Module) else thing

    @contextmanager
    def training(self) -> Generator[None]:
        """Seeded, with gradients, and with these threads, for a while."""
        with seeded(self.seed, self.device), threads(self.threads):
            yield

    @contextmanager
    def predicting(self) -> Generator[None]:
        """Without gradients, with these threads, and float32 by default, for a while."""
        with torch.inference_mode(), threads(self.threads):
            if torch.get_default_dtype() is torch.float32 and _shared.inside == 1:
                yield
            else:
                with _shared.turn, float32():
                    yield


def machine_for(device: Any, threads: int, who: str, seed: int = 0) -> Machine:
    """The machine with the device of this name; one that is not there is refused."""
    return Machine(device_for(device, who), threads, seed)


def unplaced() -> Any:
    """Tensors that are made have a shape and no memory, for a while (torch's device "meta")."""
    return torch.device("meta")


@contextmanager
def drawing(generator: torch.Generator) -> Generator[None]:
    """What draws from torch's own generator draws from this one, for a while."""
    if generator is SHARED:
        yield
        return
    SHARED.set_state(generator.get_state())
    try:
        yield
    finally:
        generator.set_state(SHARED.get_state())


def random_states(device: torch.device) -> list[torch.Tensor]:
    """The state of torch's own generator, and of the device's where that is another."""
    return [SHARED.get_state(), *([torch.cuda.get_rng_state(device)] if device.type == "cuda" else [])]


def reseed(seed: int) -> None:
    """Draw from now on what this seed gives, where training is going on."""
    SHARED.manual_seed(seed)


def draw_on(states: list[torch.Tensor], device: torch.device) -> None:
    """Go on drawing from states that `random_states` answered."""
    SHARED.set_state(states[0])
    if device.type == "cuda" and len(states) > 1:
        torch.cuda.set_rng_state(states[1], device)


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
def seeded(seed: int, device: torch.device = CPU) -> Generator[None]:
    """Torch's generators seeded for a while, with gradients and float32 as they are by default; what was before comes back.

    One thread at a time, since layers such as dropout draw from the generator that all share. Others (numpy, random) are
    never touched.
    """
    devices = [device] if device.type == "cuda" else []
    with _shared.turn, float32(), torch.inference_mode(False), torch.enable_grad(), torch.random.fork_rng(devices=devices):
        SHARED.manual_seed(seed)
        if devices:
            torch.cuda.manual_seed(seed)
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
