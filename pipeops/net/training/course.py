"""A training run that is set up: its trainer, the blueprint of its network, its random numbers, and how it is carried on.

Neighbours: set-up makes one; the driver of `vectorized` carries one or several through their epochs.
"""

from collections.abc import Callable
from typing import Any

import attrs
import torch

from pipeops.net.network.descriptor import Symbol
from pipeops.net.training.machine import SHARED, Machine, drawing
from pipeops.net.training.trainer import Epoch, Trained, Trainer, TrainingRun


@attrs.define(eq=False, slots=False)
class Course:
    """The course of one network's training. machine: what it runs on. state: torch's random state when it was set up.

    general: whether autograd is asked for. engines: the names of those that ran. together: with how many others it was
    trained, itself included. error: what stopped it. interrupted: whether it must be trained again from the start, alone.
    """

    trainer: Trainer
    symbol: Symbol
    machine: Machine
    general: bool = False
    state: torch.Tensor = attrs.field(factory=SHARED.get_state)
    generator: torch.Generator = attrs.field(factory=torch.Generator)
    engines: set[str] = attrs.field(factory=set)
    together: int = 1
    error: Exception | None = None
    interrupted: bool = False
    run: TrainingRun = attrs.field(init=False)
    compiled: tuple[torch.nn.Module, Any] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.compiled = (self.network, type(self.network).forward)

    @property
    def network(self) -> torch.nn.Module:
        """The network in training."""
        return self.trainer.ctx.network

    @property
    def tensors(self) -> tuple[torch.Tensor, ...]:
        """The training data: one tensor for each ingress, and the target."""
        return self.trainer.epochs.batches.tensors

    def begin(self) -> Epoch | None:
        """Begin: the first epoch, or None when there is none."""
        self.generator.set_state(self.state)
        self.run = self.trainer.run(SHARED)
        return self._turn(lambda: next(self.run))

    def go_on(self, trained: Trained | Exception) -> Epoch | None:
        """Hand over what came of an epoch: the next one, or None when the run is over, by its end or by an error."""
        return self._turn(lambda: self.run.throw(trained) if isinstance(trained, Exception) else self.run.send(trained))

    def stop(self) -> None:
        """Break off, where there is something to break off."""
        self._turn(self.run.close)

    def _turn(self, step: Callable[[], Epoch | None]) -> Epoch | None:
        try:
            with drawing(self.generator):
                return step()
        except StopIteration:
            return None
        except Exception as error:
            self.error = error
            return None
