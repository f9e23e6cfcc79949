"""What a training run shows to its callbacks. Neighbours: `base` has the stages that are called with it; the trainer fills it."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from pipeops.data import Task
from pipeops.errors import UnknownParameterError, suggest
from pipeops.net.optimizers.fused import ObjectStepper, Stepper

if TYPE_CHECKING:
    from pipeops.net.callbacks.base import Callback


class Context:
    """What a training run shows to its callbacks; they may change what the loop reads: `x`, `y`, `lr`, `terminate`.

    Other names are refused: what a callback wants to remember goes on its own `self`.

    network, loss, device, task, task_valid (or None), measures_train, measures_valid: as configured. epochs: how many
    there will be at most. epoch, step: which one it is, from 1; steps begin anew in each epoch, `global_step` does not.
    x, y: inputs (a tuple, one tensor for each ingress) and target of the batch, in memory that the next batches use again.
    y_hat: the network's output. mean_loss: of the epoch's batches, each as often as it has rows. evaluated: whether the epoch is
    scored. last_scores_train, last_scores_valid: by measure, empty when the epoch was not evaluated.
    batches_without_positives: of an evaluated epoch, where the callback "history" asks for it.
    terminate: set it to True to stop after this epoch.
    """

    network: torch.nn.Module
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    stepper: Stepper
    device: torch.device
    task: Task
    task_valid: Task | None = None
    measures_train: Sequence[Any] = ()
    measures_valid: Sequence[Any] = ()
    callbacks: "dict[str, Callback]"
    epochs: int = 0
    epoch: int = 0
    step: int = 0
    steps: int = 0
    global_step: int = 0
    terminate: bool = False
    x: tuple[torch.Tensor, ...] = ()
    y: torch.Tensor
    y_hat: torch.Tensor
    loss_value: torch.Tensor | None = None
    mean_loss: float = float("nan")
    evaluated: bool = False
    batches_without_positives: int | None = None
    last_scores_train: dict[str, float]
    last_scores_valid: dict[str, float]

    def __init__(self, **given: Any):
        vars(self).update({"last_scores_train": {}, "last_scores_valid": {}, "global_step": 0, **given})

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in Context.__annotations__ and name != "lr":
            raise UnknownParameterError(
                f"ctx: no attribute '{name}' that may be set.{suggest(name, [*Context.__annotations__, 'lr'])} A callback keeps "
                "what it wants to remember on itself (self)."
            )
        super().__setattr__(name, value)

    @property
    def last_loss(self) -> float:
        """The loss of the last batch; reading it waits for the device."""
        return float("nan") if self.loss_value is None else self.loss_value.item()

    @property
    def lr(self) -> float:
        """The learning rate; may be set."""
        return self.stepper.lr

    @lr.setter
    def lr(self, value: float) -> None:
        self.stepper.lr = value

    @property
    def optimizer(self) -> "torch.optim.Optimizer":
        """The optimizer as a torch object, for schedulers and the like; from then on the loop uses it, which is slower."""
        if not isinstance(self.stepper, ObjectStepper):
            self.stepper = ObjectStepper(self.stepper.object())
        return self.stepper.object()
