"""Setting up a training run from a node and a descriptor, and the state that it leaves.

Neighbours: refusals and the loop below; the model node above.
"""

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
import numpy as np
import torch

from pipeops.data import Task
from pipeops.errors import ConfigError, TrainingError
from pipeops.learn.measures.measure import as_measures
from pipeops.net.callbacks.base import Callback, copied, copies
from pipeops.net.callbacks.checkpoint import Checkpoint, put_back
from pipeops.net.callbacks.context import Context
from pipeops.net.callbacks.shelf import RESERVED, EarlyStopping, History
from pipeops.net.inputs.batches import CutOrder, Epochs, Loader
from pipeops.net.inputs.link import Link, classes_of
from pipeops.net.inputs.streams import Reading, loader_for
from pipeops.net.layers.modules.members import MemberHead, PerMember
from pipeops.net.losses.weighted import by_rows
from pipeops.net.network.compile import compile_network
from pipeops.net.network.descriptor import Feed, ModelDescriptor, ingresses
from pipeops.net.network.unseen import levels_of
from pipeops.net.optimizers.base import WithLoss
from pipeops.net.training.course import Course
from pipeops.net.training.machine import Machine, machine_for
from pipeops.net.training.outputs import link_of_run, with_head
from pipeops.net.training.refusals import check
from pipeops.net.training.resume import identity, resumed, warm
from pipeops.net.training.settings import scorable
from pipeops.net.training.speedups import forward_of
from pipeops.net.training.state import TorchState
from pipeops.net.training.trainer import Trainer, Validation
from pipeops.params import UNSET

if TYPE_CHECKING:
    from pipeops.net.training.model import TorchModel

PREDICT_ROWS = 8192


def job_for(node: "TorchModel", descriptor: ModelDescriptor, valid: Feed | None, learner_id: str | None = None) -> Course:
    """A checked and compiled training run; learner_id: for its context."""
    link = link_of_run(node, descriptor)
    descriptor = with_head(descriptor, link)
    check(node, descriptor, valid, link)
    seed = int(np.random.SeedSequence().generate_state(1)[0]) if node.seed is None else node.seed
    machine = machine_for(node.device, node.num_threads, str(node.id), seed)
    with machine.training():
        trainer = _trainer(node, descriptor, valid, machine, link)
        trainer.ctx.learner_id = learner_id
        trainer.forward = forward_of(node, trainer.ctx)
        _resume(node, descriptor, valid, trainer, seed)
        general = node.engine == "autograd" or trainer.forward is not None
        return Course(trainer, descriptor.symbol, machine, general)


def _trainer(node: "TorchModel", descriptor: ModelDescriptor, valid: Feed | None, machine: Machine, link: Link) -> Trainer:
    task, symbol = descriptor.feed.task, descriptor.symbol
    network, inputs = machine.place(compile_network(symbol)), ingresses(symbol)
    rows = task.nrow if node.batch_size is UNSET else node.batch_size
    weighs = _weighs(node, task)
    batches = _batches(node, descriptor.feed, inputs, link, rows, machine, weighs)
    ctx = _context(node, attrs.evolve(descriptor, loss=descriptor.loss.for_outputs(link)), valid, network, machine)
    ctx.callbacks = _callbacks(node, descriptor, ctx)
    validation = None
    if valid is not None:
        rows = node.batch_size_predict or PREDICT_ROWS
        validation = Validation(valid.task, _batches(node, valid, inputs, link, rows, machine, weighs), levels_of(symbol))
    ctx.samplers = {name: copied(s) for name in ("sampler", "batch_sampler") if (s := getattr(node, name)) is not None}
    rows = ctx.samplers.get("batch_sampler")
    if node.sampler is not None:
        rows = CutOrder(ctx.samplers["sampler"], node.batch_size, node.drop_last)
    epochs = Epochs(batches, task, shuffle=node.shuffle, drop_last=node.drop_last, sampler=rows)
    positives = batches.tensors[-1][:, 0].cpu() if _counts_batches(ctx, task) else None
    return Trainer(ctx, epochs, link, list(ctx.callbacks.values()), validation, node.eval_freq, positives)


def _resume(node: "TorchModel", descriptor: ModelDescriptor, valid: Feed | None, trainer: Trainer, seed: int) -> None:
    """Let a run that is to be resumed know what it goes on from; runs that are written are told who they are."""
    ctx = trainer.ctx
    ctx.seed = seed
    trained_on = isinstance(node.resume, TorchState)
    if trained_on:
        trainer.put_back = functools.partial(warm, state=node.resume)
    if (node.resume is None or trained_on) and not any(isinstance(c, Checkpoint) for c in ctx.callbacks.values()):
        return
    ctx.identity = identity(node, descriptor, valid, ctx)
    kept = resumed(node, ctx)
    if trained_on:
        return
    if kept is not None:
        trainer.put_back, ctx.seed = functools.partial(put_back, kept=kept), kept.seed


def state_of(job: Course) -> TorchState:
    """What a finished run leaves behind; refused when weights are no numbers."""
    ctx = job.trainer.ctx
    _refuse_broken(ctx)
    kept = {name: c.state_dict() for name, c in ctx.callbacks.items()}
    return TorchState(
        network=ctx.network.to("cpu"),
        symbol=job.symbol,
        inputs=ingresses(job.symbol),
        link=job.trainer.link,
        seed=ctx.seed,
        epochs=ctx.epoch,
        history=kept["history"],
        best_epoch=kept.get(RESERVED, {}).get("best_epoch"),
        internal_valid_scores=dict(ctx.last_scores_valid),
        callbacks=kept,
        vectorized=job.together,
        engine=" and ".join(sorted(job.engines)) or "autograd",
    )


def _refuse_broken(ctx: Context) -> None:
    for name, weights in ctx.network.named_parameters():
        if weights.requires_grad and not torch.isfinite(weights).all():
            raise TrainingError(
                f"'{name}' of the network became NaN or infinite in the last steps (epoch {ctx.epoch}); lower the learning rate, "
                'scale the features with po("scale"), or look at the loss and its gradient.'
            )


def _context(
    node: "TorchModel", descriptor: ModelDescriptor, valid: Feed | None, network: torch.nn.Module, machine: Machine
) -> Context:
    task = descriptor.feed.task
    loss = descriptor.loss.build(task)
    if _weighs(node, task):
        loss = by_rows(descriptor.loss, loss, task)
    if descriptor.symbol.spec is not None and descriptor.symbol.spec.module is MemberHead:
        loss = PerMember(loss)
    loss = machine.place(loss)
    learns = WithLoss(network, loss) if isinstance(loss, torch.nn.Module) and any(True for _ in loss.parameters()) else network
    if not any(p.requires_grad for p in learns.parameters()):
        raise ConfigError(f'{node.id}: the network has no parameters to train; add a layer, such as nn("head").')
    return Context(
        network=network,
        loss=loss,
        stepper=descriptor.optimizer.stepper(learns),
        device=machine.device,
        task=task,
        task_valid=valid and valid.task,
        measures_train=scorable(node, "measures_train", task),
        measures_valid=scorable(node, "measures_valid", task) or ([] if valid is None else as_measures(["loss"])),
        epochs=node.epochs,
    )


def _callbacks(node: "TorchModel", descriptor: ModelDescriptor, ctx: Context) -> dict[str, Callback]:
    callbacks = copies(descriptor.callbacks)
    callbacks.setdefault("history", History())
    if ctx.measures_valid:
        watched = ctx.measures_valid[0]
        if watched.minimize is None and (node.patience or node.restore_best_weights):
            raise ConfigError(
                f"{node.id}: neither a high nor a low {watched.id} is better, it cannot be watched; put another first."
            )
        stopping = EarlyStopping(node.patience, node.min_delta, watched.minimize is not False, node.restore_best_weights)
        stopping.on_round = node.on_round
        callbacks[stopping.id] = stopping
    return callbacks


def _counts_batches(ctx: Context, task: Task) -> bool:
    return bool(getattr(ctx.callbacks["history"], "batches_without_positives", False)) and len(classes_of(task) or ()) == 2


def _batches(
    node: "TorchModel", feed: Feed, inputs: Sequence[str], link: Link, size: int, machine: Machine, weighs: bool
) -> Loader:
    weights = feed.task.weights() if weighs else None
    held = None if weights is None else torch.tensor(weights, dtype=torch.float32)
    sources = [feed.sources[name] for name in inputs]
    return loader_for(sources, link.target(feed.task), size, machine, reading_of(node), held)


def _weighs(node: "TorchModel", task: Task) -> bool:
    """Whether the loss is to use the weights of the rows: there are some, and no sampler draws by them."""
    return task.weight_column() is not None and not getattr(node.batch_sampler, "uses_weights", False)


def reading_of(node: "TorchModel") -> Reading:
    """How columns of tensors are read."""
    return Reading(node.loader, node.num_workers, node.pin_memory, node.prefetch)
