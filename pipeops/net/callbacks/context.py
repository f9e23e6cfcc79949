"""What a training run shows to its callbacks. Neighbours: `base` has the stages that are called with it; the trainer fills it."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from pipeops.data import Task
from pipeops.errors import TrainingError, UnknownParameterError, suggest
from pipeops.net.optimizers.fused import ObjectStepper, Stepper

if TYPE_CHECKING:
    from pipeops.net.callbacks.base import Callback


class Context:
    """What a training run shows to its callbacks; they may change what the loop reads: `x`, `y`, `lr`, `terminate`.

    Other names are refused: what a callback wants to remember goes on its own `self`.

    learner_id: of the learner that is trained, None for a bare graph. run_id: of the run, the same whenever task, split, graph
    and settings are; `seed`, `identity`, `samplers`, `resumes`: what checkpoints need to know.

    network, loss, device, task, task_valid (or None), measures_train, measures_valid: as configured. epochs: how many
    there will be at most. epoch, step: which one it is, from 1; steps begin anew in each epoch, `global_step` does not. steps:
    how many the epoch has; before the first epoch 0 where a sampler decides.
    row_weights: of the batch, None where rows have none.
    x, y: inputs (a tuple, one tensor for each ingress) and target of the batch, in memory that the next batches use again.
    y_hat: the network's output. mean_loss: of the epoch's batches, each as often as it has rows. evaluated: whether the epoch is
    scored. last_scores_train, last_scores_valid: by measure, empty when the epoch was not evaluated.
    batches_without_positives: of an evaluated epoch, where the callback "history" asks for it.
    terminate: set it to True to stop after this epoch. hold: set it to True in `on_after_backward` for no step now; the gradients
    stay, and those of the next batch are added to them.
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
    hold: bool = False
    row_weights: torch.Tensor | None = None
    learner_id: str | None = None
    seed: int = 0
    identity: Mapping[str, str]
    samplers: Mapping[str, Any]
    resumes: Path | None = None
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
        empty: dict[str, Any] = {name: {} for name in ("last_scores_train", "last_scores_valid", "identity", "samplers")}
        vars(self).update({**empty, "global_step": 0, **given})

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in Context.__annotations__ and name != "lr":
            raise UnknownParameterError(
                f"ctx: no attribute '{name}' that may be set.{suggest(name, [*Context.__annotations__, 'lr'])} A callback keeps "
                "what it wants to remember on itself (self)."
            )
        super().__setattr__(name, value)

    def prediction(self, of: Literal["valid", "train"] | None = None) -> Any:
        """The labelled predictions of this epoch: on the validation data, else (or with "train") those made while training.

        Those are there where measures_train has a measure beside the loss. Raises `TrainingError` where there are none.
        """
        wanted = of or ("train" if self.task_valid is None else "valid")
        found = vars(self).get("predictions", {}).get(wanted)
        if found is None:
            how = {
                "valid": "an evaluated epoch, from on_valid_end on",
                "train": "a measure in measures_train, from on_before_valid on",
            }
            raise TrainingError(f'ctx.prediction: none of "{wanted}" in epoch {self.epoch} here; it takes {how[wanted]}.')
        return found

    @property
    def run_id(self) -> str:
        """A short name of the run, the same in every process: for folders and logs."""
        return hashlib.sha256(repr(sorted(self.identity.items())).encode()).hexdigest()[:12]

    def training_batches(self) -> Iterable[tuple[Any, ...]]:
        """The inputs, targets (and weights) of all training rows in order, in batches."""
        return vars(self)["batches"].ordered()

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
