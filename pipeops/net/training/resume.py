"""Going on from a checkpoint: which one, whether it is one of this run, and what a run is told apart by.

Neighbours: `callbacks/checkpoint.py` writes and puts back; set-up asks before anything is trained.
"""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeops.errors import ConfigError, FormatError
from pipeops.learn.benchmark.fingerprint import Fingerprints
from pipeops.learn.benchmark.parts import UnhashableError
from pipeops.learn.learner import derived
from pipeops.net.callbacks.checkpoint import Checkpoint, Snapshot, folder_of, written
from pipeops.net.callbacks.context import Context
from pipeops.net.network.blueprint import topology
from pipeops.net.network.descriptor import Feed, ModelDescriptor
from pipeops.net.training.machine import reseed
from pipeops.net.training.state import TorchState
from pipeops.saving import read

if TYPE_CHECKING:
    from pipeops.net.training.model import TorchModel

FREE = (
    *("epochs", "resume", "device", "num_threads", "batch_size_predict", "predict_type", "engine"),
    *("loader", "num_workers", "pin_memory", "prefetch", "compile"),
)
"""Hyperparameters of the model that a run that goes on may have otherwise."""
WORDS = {
    "task": "another task",
    "rows": "other training rows",
    "split": "other validation data",
    "features": "other features or targets, after preprocessing",
    "graph": "another graph (layers, or how they are joined)",
    "loss": "another loss",
    "optimizer": "another optimizer, or other settings of it",
    "callbacks": "another set of callbacks",
}


def identity(node: "TorchModel", descriptor: ModelDescriptor, valid: Feed | None, ctx: Context) -> dict[str, str]:
    """Digests by name of all that decides how a run goes."""
    task, settings = descriptor.feed.task, dict(node.params.items())
    parts: dict[str, Any] = {
        "task": task.id,
        "rows": task.row_ids.tolist(),
        "split": None if valid is None else valid.task,
        "graph": topology(descriptor.symbol),
        "loss": descriptor.loss,
        "optimizer": descriptor.optimizer,
        **{f"'{name}'": value for name, value in settings.items() if name.split(".")[0] not in FREE},
        "features": task,
        "callbacks": sorted((name, type(c).__qualname__) for name, c in ctx.callbacks.items() if not isinstance(c, Checkpoint)),
        **{f"'{c.id}.{name}'": value for c in ctx.callbacks.values() if not c.only_reads for name, value in c.params.items()},
    }
    digests = Fingerprints()
    return {name: _digest(digests, part) for name, part in parts.items()}


def _digest(digests: Fingerprints, part: Any) -> str:
    """The digest of a part; what cannot be looked into counts by its class alone."""
    try:
        return digests.of(part).hex()[:32]
    except UnhashableError:
        return type(part).__qualname__


def wanted_folder(node: "TorchModel", ctx: Context) -> Path | None:
    """The folder that `resume` means; with True the one that the callback writes to."""
    if node.resume is None or node.resume is False:
        return None
    if not (node.resume is True or isinstance(node.resume, TorchState)):
        return folder_of(node.resume, ctx, f"{node.id}: 'resume'")
    writer: Any = ctx.callbacks.get("checkpoint")
    if not isinstance(writer, Checkpoint):
        raise ConfigError(f'{node.id}: resume=True goes on from the folder of t_clbk("checkpoint", ...), and there is none.')
    return folder_of(writer.path, ctx, "checkpoint: 'path'")


def resumed(node: "TorchModel", ctx: Context) -> Snapshot | None:
    """The newest whole checkpoint of this run, or None where none is written yet; one of another run is refused."""
    folder = wanted_folder(node, ctx)
    if folder is None:
        return None
    vars(ctx)["resumes"] = folder.resolve()
    for path in reversed(written(folder).values()):
        try:
            kept = read(path, "checkpoint", of=Snapshot)
        except FormatError as error:
            warnings.warn(f"{node.id}: a checkpoint cannot be read, an older one is taken. {error}", stacklevel=2)
            continue
        _refuse_other(kept, ctx, path)
        return kept
    return None


def warm(ctx: Context, state: TorchState) -> None:
    """Let a run that has just begun go on from a trained network, its history and its epochs; the optimizer begins anew."""
    try:
        ctx.network.load_state_dict(state.network.state_dict())
    except RuntimeError as error:
        raise ConfigError(
            f"train_more: the task '{ctx.task.id}' makes another network than the one that is trained: {error}"
        ) from error
    ctx.epoch = state.epochs
    ctx.callbacks["history"].load_state_dict(state.history)
    reseed(derived(state.seed, state.epochs + 1))


def _refuse_other(kept: Snapshot, ctx: Context, path: Path) -> None:
    """Refuse to go on from the checkpoint of another run, by what differs first."""
    for name in {**ctx.identity, **kept.identity}:
        if kept.identity.get(name) != ctx.identity.get(name):
            what = WORDS.get(name, f"another {name}")
            raise ConfigError(
                f"resume: {path} is of a run with {what}; resume with what it was written with, or choose another folder "
                f"(this run: task '{ctx.task.id}', callbacks {', '.join(ctx.callbacks)})."
            )
