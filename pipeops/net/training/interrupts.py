"""Ctrl-C while a network trains: it stops after the batch and is trained as far as it came; the second one stops at once.

Only where training was asked for by itself, in the main thread, and nobody else listens: a benchmark is broken off as ever.
Neighbours: the engines look after each batch, the trainer before each epoch; the model node listens around both.
"""

import signal
import threading
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs

from pipeops.learn.fits import is_direct

if TYPE_CHECKING:
    from pipeops.net.training.trainer import Trainer


@attrs.define
class Interrupt:
    """Whether a run was asked to stop."""

    asked: bool = False


class Interrupted(Exception):  # noqa: N818 it is no error
    """A run stops after this batch."""


@contextmanager
def patient(interrupt: Interrupt) -> Generator[None]:
    """Let Ctrl-C ask for the end of a run, for a while."""
    ours = threading.current_thread() is threading.main_thread() and is_direct()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return

    def ask(number: int, frame: Any) -> None:
        if interrupt.asked:
            signal.default_int_handler(number, frame)
        interrupt.asked = True

    signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def warn_of(trainer: "Trainer") -> None:
    """Say that a run was stopped, and how far it came."""
    if trainer.interrupt.asked:
        done = f"{trainer.ctx.epoch} of {trainer.ctx.epochs} epochs"
        warnings.warn(f"training was interrupted after {done}; the network is trained as far as it came.", stacklevel=2)
