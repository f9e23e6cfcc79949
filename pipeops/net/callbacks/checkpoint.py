"""Checkpoints: all that a run goes on from, written after an epoch in one file, whole or not at all.

A `Snapshot` holds weights, the optimizer's memory, random state, what callbacks and samplers remember, and the run's `identity`,
so that nothing else goes on from it. Files are those of `saving`, without pickle. Neighbours: `training/resume.py` finds a
snapshot and refuses what does not fit; the trainer puts it back after `on_begin`.
"""

import inspect
import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import attrs
import torch

from pipeops.errors import ConfigError, FormatError
from pipeops.net.callbacks.base import Callback
from pipeops.net.callbacks.context import Context
from pipeops.net.optimizers.fused import ObjectStepper
from pipeops.net.training.machine import draw_on, random_states
from pipeops.params import UNSET, anything, integer
from pipeops.saving import Encoder, savable, write
from pipeops.shorthand import t_clbk

NAME = re.compile(r"epoch(\d{6,})\.pipeops")


@savable
@attrs.frozen(eq=False)
class Snapshot:
    """A run after an epoch. identity: digests by name of what must be the same in a run that goes on; seed: of the run."""

    identity: dict[str, str]
    seed: int
    epoch: int
    global_step: int
    ended: bool
    network: dict[str, torch.Tensor]
    loss: dict[str, torch.Tensor]
    optimizer: dict[str, Any]
    fused: bool
    random: list[torch.Tensor]
    samplers: dict[str, Any]
    callbacks: dict[str, Any]
    scores: dict[str, dict[str, float]]
    mean_loss: float


def snapshot(ctx: Context) -> Snapshot:
    """A run as it is now, between two epochs."""
    return Snapshot(
        identity=dict(ctx.identity),
        seed=ctx.seed,
        epoch=ctx.epoch,
        global_step=ctx.global_step,
        ended=ctx.terminate,
        network=dict(ctx.network.state_dict()),
        loss=dict(ctx.loss.state_dict()) if isinstance(ctx.loss, torch.nn.Module) else {},
        optimizer=ctx.stepper.state_dict(),
        fused=not isinstance(ctx.stepper, ObjectStepper),
        random=random_states(ctx.device),
        samplers={name: _remembered(sampler) for name, sampler in ctx.samplers.items()},
        callbacks={id: _plain_state(c) for id, c in ctx.callbacks.items() if not isinstance(c, Checkpoint)},
        scores={"train": dict(ctx.last_scores_train), "valid": dict(ctx.last_scores_valid)},
        mean_loss=ctx.mean_loss,
    )


def put_back(ctx: Context, kept: Snapshot) -> None:
    """Let a run that has just begun be where the one was that a snapshot is of."""
    ctx.network.load_state_dict(kept.network)
    if isinstance(ctx.loss, torch.nn.Module):
        ctx.loss.load_state_dict(kept.loss)
    if not kept.fused and not isinstance(ctx.stepper, ObjectStepper):
        _ = ctx.optimizer
    ctx.stepper.load_state_dict(kept.optimizer)
    for name, state in kept.callbacks.items():
        if state:
            ctx.callbacks[name].load_state_dict(state)
    for name, state in kept.samplers.items():
        _remind(ctx.samplers[name], state)
    ctx.epoch, ctx.global_step, ctx.terminate, ctx.mean_loss = kept.epoch, kept.global_step, kept.ended, kept.mean_loss
    ctx.last_scores_train, ctx.last_scores_valid = dict(kept.scores["train"]), dict(kept.scores["valid"])
    draw_on(kept.random, ctx.device)


def _plain_state(callback: Callback) -> Any:
    """What a callback remembers, which must be plain data."""
    state, encoder = callback.state_dict(), Encoder()
    try:
        encoder.encode(state)
    except FormatError as error:
        raise ConfigError(f"checkpoint: the state of the callback '{callback.id}' cannot be written. {error}") from error
    if encoder.named:
        raise ConfigError(
            f"checkpoint: the state of the callback '{callback.id}' holds {encoder.named[0]!r}, which is no plain data; give "
            "it a state_dict() of numbers, texts, lists, dictionaries and tensors, and a load_state_dict(state)."
        )
    return state


def _remembered(sampler: Any) -> Any:
    """What a sampler remembers between epochs: what it says itself, or its plain attributes and its generator."""
    if hasattr(sampler, "state_dict"):
        return sampler.state_dict()
    kept: dict[str, Any] = {}
    for name, value in getattr(sampler, "__dict__", {}).items():
        encoder = Encoder()
        if isinstance(value, torch.Generator):
            kept[name] = {"generator": value.get_state()}
        else:
            with suppress(FormatError):
                encoder.encode(value)
                kept.update({} if encoder.named else {name: value})
    return kept


def _remind(sampler: Any, state: Any) -> None:
    if hasattr(sampler, "load_state_dict"):
        sampler.load_state_dict(state)
        return
    for name, value in state.items():
        own = vars(sampler).get(name)
        if isinstance(own, torch.Generator):
            own.set_state(value["generator"])
        else:
            vars(sampler)[name] = value


def folder_of(path: Any, ctx: Context, who: str) -> Path:
    """The folder that is meant: a path, or what a function (of the context or of nothing) answers."""
    found = (path(ctx) if inspect.signature(path).parameters else path()) if callable(path) else path
    if not isinstance(found, str | Path) or not str(found):
        raise ConfigError(f"{who} must be the path of a folder, or a function that answers one, got {found!r}.")
    return Path(found)


def written(folder: Path) -> dict[int, Path]:
    """The checkpoints in a folder by epoch, in order."""
    names = list(folder.iterdir()) if folder.is_dir() else []
    found = {int(match[1]): path for path in names if (match := NAME.fullmatch(path.name))}
    return dict(sorted(found.items()))


@t_clbk.add("checkpoint")
@attrs.define(eq=False, repr=False, slots=False)
class Checkpoint(Callback):
    """Writes all that training goes on from, after every `freq` epochs and after the last; `resume=` of the model reads it.

    path: a folder, new or of this run; or a function of the context (or of nothing) that answers one, so that folds of a
    resampling do not share it: `lambda ctx: f"runs/{ctx.run_id}"`. keep: how many of the newest files stay, all by default.
    A file is there as a whole or not at all, whenever the process dies. It is called after all other callbacks.

    >>> from pipeops import t_clbk
    >>> t_clbk("checkpoint", path="runs/first", freq=5)
    t_clbk("checkpoint", path="runs/first", freq=5)
    """

    only_reads: ClassVar[bool] = True
    weight = math.inf
    path: str | Path | Callable[..., Any] = anything()
    freq: int = integer(1, default=1)
    keep: int | None = integer(1, default=None)

    def on_begin(self, ctx: Context) -> None:
        if self.path is UNSET:
            raise ConfigError("checkpoint: set 'path' before training.")
        self.folder = str(folder_of(self.path, ctx, "checkpoint: 'path'"))
        folder = Path(self.folder)
        if written(folder) and ctx.resumes != folder.resolve():
            raise ConfigError(
                f"checkpoint: {folder} holds checkpoints of another run; resume={self.folder!r} of the model goes on from them, "
                "or choose a folder of its own for this run."
            )
        self._own = set(written(folder).values())
        folder.mkdir(parents=True, exist_ok=True)
        for part in folder.glob(".epoch*.part"):  # what a process that was killed has left
            part.unlink(missing_ok=True)

    def on_epoch_end(self, ctx: Context) -> None:
        if ctx.epoch % self.freq == 0 or ctx.epoch == ctx.epochs or ctx.terminate:
            folder = Path(self.folder)
            file = folder / f"epoch{ctx.epoch:06d}.pipeops"
            if file.exists() and file not in self._own:
                raise ConfigError(
                    f"checkpoint: another run writes into {folder} too; folds of a resampling need folders of their own, as in "
                    'path=lambda ctx: f"runs/{ctx.run_id}".'
                )
            write(file, "checkpoint", snapshot(ctx))
            self._own.add(file)
            for path in list(written(folder).values())[: -self.keep if self.keep else 0]:
                path.unlink(missing_ok=True)

    def state_dict(self) -> Mapping[str, Any]:  # type: ignore[override]
        """The folder that was written to."""
        return {"folder": self.folder} if hasattr(self, "folder") else {}
