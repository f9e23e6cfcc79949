"""Groups of parameters with settings of their own (`lr={"head": 0.01, "*": 0.001}`), each stepped by a fused stepper.

Neighbours: kernels has the steppers, `by_node` says what names mean; the shelf makes these, and `joint` takes them apart again.
"""

from collections.abc import Sequence
from typing import Any

import torch

from pipeops.net.optimizers.fused import FusedStepper, Stepper


class SteppersApart(Stepper):
    """Several fused steppers, one for each group of parameters."""

    def __init__(self, parts: Sequence[FusedStepper]):
        self._parts = list(parts)

    @property
    def parts(self) -> Sequence[FusedStepper]:
        return self._parts

    @property
    def lr(self) -> float:  # type: ignore[override]
        """The learning rate of the first group; setting it changes those of all groups by the same factor."""
        return self._parts[0].lr

    @lr.setter
    def lr(self, value: float) -> None:
        before = self.lr
        for part in self._parts[1:]:
            part.lr = part.lr * (value / before) if before else value
        self._parts[0].lr = value

    @property
    def groups(self) -> list[dict[str, Any]]:
        return [part.settings for part in self._parts]

    def adjust(self, groups: list[dict[str, Any]]) -> None:
        for part, settings in zip(self._parts, groups, strict=True):
            part.adjust([settings])

    def follow(self) -> None:
        for part in self._parts:
            part.follow()

    def exchange(self, old: torch.nn.Parameter | None, new: torch.nn.Parameter) -> bool:
        if any(param is new for part in self._parts for param in part.params):
            return True
        holder = next((part for part in self._parts if any(param is old for param in part.params)), None)
        return holder is not None and holder.exchange(old, new)

    def step(self) -> None:
        for part in self._parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        return {"groups": [part.state_dict() for part in self._parts]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for part, own in zip(self._parts, state["groups"], strict=True):
            part.load_state_dict(own)

    def object(self) -> "torch.optim.Optimizer":
        made, *others = [part.object() for part in self._parts]
        for other in others:
            made.param_groups += other.param_groups
            made.state.update(other.state)
        return made
