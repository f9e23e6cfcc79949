"""The node at the end of a network: it compiles what the descriptor holds, trains it, and predicts labelled tables.

The state is the trained network with what predicting needs; nothing of the run stays on the node. Seeding, threads and
device are set for the time of a run and put back. Neighbours: network compiles, trainer trains, encode ties network and
task; loss, optimizer and callback nodes have filled the descriptor.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import attrs
import numpy as np
import torch

from pipeops.data import Task
from pipeops.errors import ConfigError, DataError
from pipeops.graph.pipeop import Channel, PipeOp, operator
from pipeops.learn.fits import attempt
from pipeops.net.callbacks.base import RESERVED, Callback, Context, copies
from pipeops.net.callbacks.shelf import EarlyStopping, History
from pipeops.net.inputs.batches import Batches, CutOrder, Epochs, draws_rows
from pipeops.net.inputs.link import Link, link_for
from pipeops.net.inputs.samplers import BalancedBatches, StratifiedBatches
from pipeops.net.network.compile import batch_norms, compile_network
from pipeops.net.network.descriptor import Feed, ModelDescriptor, Symbol
from pipeops.net.training.machine import device_for, seeded, threads
from pipeops.net.training.settings import device_field, measures_field, scorable, several
from pipeops.net.training.state import TorchState
from pipeops.net.training.trainer import Trainer, Validation
from pipeops.net.vectorized.groups import Job, stackable
from pipeops.net.vectorized.together import train_together
from pipeops.params import UNSET, anything, choice, flag, integer, real
from pipeops.shorthand import po

PREDICT_ROWS = 8192
_UNWEIGHTED = (StratifiedBatches, BalancedBatches)


@operator
class TorchModel(PipeOp):
    """What `torch_model_classif` and `torch_model_regr` share; the former says what each hyperparameter does."""

    task_type: ClassVar[str]
    takes_valid: ClassVar[bool] = True
    keeps_state: ClassVar[frozenset[str]] = frozenset({"predict_type", "batch_size_predict", "device", "num_threads"})
    example: ClassVar[Mapping[str, Any]] = {"epochs": 2, "batch_size": 4, "seed": 0}

    epochs: int = integer(0)
    batch_size: int = integer(1)
    batch_size_predict: int | None = integer(1, default=None)
    shuffle: bool = flag(True)
    drop_last: bool = flag(False)
    sampler: Any = anything(None)
    batch_sampler: Any = anything(None)
    device: str = device_field()
    num_threads: int = integer(1, default=1)
    seed: int | None = integer(default=None)
    measures_train: Any = measures_field()
    measures_valid: Any = measures_field()
    eval_freq: int = integer(1, default=1)
    patience: int = integer(0, default=0)
    min_delta: float = real(0, default=0.0)
    restore_best_weights: bool = flag(False)

    def train(self, inputs: Sequence[Any], valid: Sequence[Any] | None = None) -> tuple[Sequence[Any], Any]:
        """Compile and train; the state holds the network. Nothing comes out."""
        job = self._job(inputs, valid)
        job.alone()
        return self._result(job)

    @classmethod
    def train_many(
        cls, nodes: Sequence[Any], inputs: Sequence[Sequence[Any]], valids: Sequence[Sequence[Any] | None]
    ) -> list[tuple[Sequence[Any], Any] | Exception]:
        """What `train` answers for each node; networks that can be stacked are trained together, with the same numbers."""
        found = [attempt(node._begin, *given) for node, *given in zip(nodes, inputs, valids, strict=True)]
        train_together([job for job in found if isinstance(job, Job)])
        return [
            attempt(node._again if job.interrupted else node._result, job, *given) if isinstance(job, Job) else job
            for job, node, *given in zip(found, nodes, inputs, valids, strict=True)
        ]

    def _begin(self, inputs: Sequence[Any], valid: Sequence[Any] | None) -> Job | tuple[Sequence[Any], TorchState]:
        """A job that may be stacked, or what came of one that may not."""
        job = self._job(inputs, valid)
        if stackable(job):
            return job
        job.alone()
        return self._result(job)

    def _result(self, job: Job, *_: Any) -> tuple[Sequence[Any], TorchState]:
        if job.error is not None:
            raise job.error
        return [None], self._state(job)

    def _again(self, job: Job, inputs: Sequence[Any], valid: Sequence[Any] | None) -> tuple[Sequence[Any], Any]:
        """Train from the start, alone, what was interrupted in company."""
        return attrs.evolve(self, seed=job.seed).train(inputs, valid)

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        """The labelled table for the rows of a feed."""
        feed: Feed = inputs[0]
        device = device_for(self.device, str(self.id))
        network = state.network if device.type == "cpu" else copy.deepcopy(state.network).to(device)
        with torch.inference_mode(), threads(self.num_threads):
            output = _outputs(network, state, feed, self.batch_size_predict or PREDICT_ROWS, device)
            _refuse_nan(str(self.id), output, feed.task)
            return [link_for(state.class_names).predict(output, feed.task, self._with_prob())]

    def _with_prob(self) -> bool:
        return False

    # ---------------------------------------------------------------- before training

    def _check(self, descriptor: ModelDescriptor, valid: Feed | None) -> None:
        """Refuse whatever can be seen to be wrong before any weight is made."""
        task = descriptor.feed.task
        if task.task_type != self.task_type:
            other = {"classif": "regr", "regr": "classif"}[self.task_type]
            raise DataError(f"{self.id}: the task '{task.id}' is of type {task.task_type}; end with po(\"torch_model_{other}\").")
        self._check_settings(valid)
        self._check_configured(descriptor, task)
        self._check_rows(task)
        self._check_one_row(descriptor.symbol, task.nrow)
        self._check_output(descriptor.symbol, _link(task))

    def _check_settings(self, valid: Feed | None) -> None:
        required = ("epochs",) if self.batch_sampler is not None else ("epochs", "batch_size")
        for name in required:
            if getattr(self, name) is UNSET:
                raise ConfigError(f"{self.id}: set '{name}' before training.")
        if self.batch_sampler is not None and self.batch_size is not UNSET:
            raise ConfigError(f"{self.id}: set either 'batch_size' or 'batch_sampler', not both.")
        if self.batch_sampler is not None and self.sampler is not None:
            raise ConfigError(f"{self.id}: set either 'sampler' (rows in order, cut by batch_size) or 'batch_sampler', not both.")
        if not (self.sampler is None or draws_rows(self.sampler)):
            raise ConfigError(
                f"{self.id}: 'sampler' gives row positions, or is called with (task, generator), got {self.sampler!r}."
            )
        if not (self.batch_sampler is None or draws_rows(self.batch_sampler)):
            raise ConfigError(
                f"{self.id}: 'batch_sampler' must have a method batches(task, generator), be such a function, or give the "
                f"batches of an epoch, got {self.batch_sampler!r}."
            )
        if self._measured() or self.patience or self.restore_best_weights:
            self._check_validation(valid)

    def _measured(self) -> bool:
        return several(self.measures_valid) != []

    def _check_validation(self, valid: Feed | None) -> None:
        wants = "patience" if self.patience else "restore_best_weights" if self.restore_best_weights else "measures_valid"
        if not self._measured():
            raise ConfigError(f"{self.id}: '{wants}' needs a measure to watch; set measures_valid, as in [\"classif.ce\"].")
        if valid is None:
            raise ConfigError(
                f"{self.id}: '{wants}' needs validation data; as_learner(graph, validate=0.3), or train(task, valid=other)."
            )
        if valid.task.nrow == 0:
            raise DataError(f"{self.id}: the validation data has no rows.")

    def _check_configured(self, descriptor: ModelDescriptor, task: Task) -> None:
        for name in ("loss", "optimizer"):
            if getattr(descriptor, name) is None:
                raise ConfigError(f'{self.id}: the network has no {name}; put po("torch_{name}", ...) before this node.')
        if task.task_type not in descriptor.loss.task_types:
            allowed = " or ".join(descriptor.loss.task_types)
            raise ConfigError(
                f"{self.id}: the loss {descriptor.loss!r} is for {allowed}, the task '{task.id}' is {task.task_type}."
            )

    def _check_rows(self, task: Task) -> None:
        if task.nrow == 0:
            raise DataError(f"{self.id}: the task '{task.id}' has no rows to train on.")
        if task.roles["weight"] and (self.batch_sampler is None or isinstance(self.batch_sampler, _UNWEIGHTED)):
            raise DataError(
                f"{self.id}: does not use the weights of the task '{task.id}' in its loss; draw rows by them with batch_sampler="
                "WeightedBatches(batch_size=...), weight classes with class_weight= in the loss, or drop them: "
                "with_roles(weight=[])."
            )
        if self.drop_last and self.batch_sampler is None and self.sampler is None and self.batch_size > task.nrow:
            raise ConfigError(
                f"{self.id}: with drop_last no batch is left, batch_size is {self.batch_size} and the task has {task.nrow} rows."
            )

    def _check_one_row(self, symbol: Symbol, rows: int) -> None:
        """Batch norm cannot take a batch of one row, unless it has more dimensions to take the mean over."""
        if self.batch_sampler is not None or self.sampler is not None or not self.epochs:
            return
        size = min(self.batch_size, rows)
        if size > 1 and (self.drop_last or rows % size != 1):
            return
        norms = batch_norms(symbol)
        if norms:
            where = "batches have" if size == 1 else "the last batch has"
            raise ConfigError(
                f"{self.id}: '{norms[0]}' takes the mean over the rows of a batch, and {where} one row only ({rows} rows, "
                f"batch_size {self.batch_size}); set {'' if size == 1 else 'drop_last=True or '}another batch_size."
            )

    def _check_output(self, symbol: Symbol, link: Link) -> None:
        """The network's output must be what the task needs; nothing is broadcast into place."""
        if len(symbol.shape) != 2 or symbol.shape[1] not in (None, link.width):
            shape = tuple("batch" if i == 0 and n is None else n for i, n in enumerate(symbol.shape))
            text = "(" + ", ".join(map(str, shape)) + ")"
            raise ConfigError(f'{symbol.id}: puts out {text}, but {link.needs()}; end the network with nn("head").')

    # ---------------------------------------------------------------- training

    def _job(self, inputs: Sequence[Any], valid: Sequence[Any] | None) -> Job:
        """A checked and compiled training run."""
        descriptor: ModelDescriptor = inputs[0]
        feed: Feed | None = valid[0] if valid else None
        self._check(descriptor, feed)
        seed = int(np.random.SeedSequence().generate_state(1)[0]) if self.seed is None else self.seed
        device = device_for(self.device, str(self.id))
        with seeded(seed, device), threads(self.num_threads):
            return Job(self._trainer(descriptor, feed, device), descriptor.symbol, seed, self.num_threads)

    def _trainer(self, descriptor: ModelDescriptor, valid: Feed | None, device: torch.device) -> Trainer:
        task, symbol = descriptor.feed.task, descriptor.symbol
        network, link, inputs = compile_network(symbol).to(device), _link(task), _inputs(symbol)
        rows = task.nrow if self.batch_size is UNSET else self.batch_size
        batches = _batches(descriptor.feed, inputs, link, rows, network, device)
        ctx = self._context(descriptor, valid, network, device)
        ctx.callbacks = self._callbacks(descriptor, ctx)
        validation = None
        if valid is not None:
            rows = self.batch_size_predict or PREDICT_ROWS
            validation = Validation(valid.task, _batches(valid, inputs, link, rows, network, device))
        rows = self.batch_sampler if self.sampler is None else CutOrder(self.sampler, self.batch_size, self.drop_last)
        epochs = Epochs(batches, task, shuffle=self.shuffle, drop_last=self.drop_last, sampler=rows)
        positives = batches.tensors[-1][:, 0].cpu() if _counts_batches(ctx, task) else None
        return Trainer(ctx, epochs, link, list(ctx.callbacks.values()), validation, self.eval_freq, positives)

    def _state(self, job: Job) -> TorchState:
        ctx = job.trainer.ctx
        kept = {name: c.state_dict() for name, c in ctx.callbacks.items()}
        return TorchState(
            network=ctx.network.to("cpu"),
            symbol=job.symbol,
            inputs=_inputs(job.symbol),
            class_names=_classes(ctx.task),
            seed=job.seed,
            epochs=ctx.epoch,
            history=kept["history"],
            best_epoch=kept.get(RESERVED, {}).get("best_epoch"),
            internal_valid_scores=dict(ctx.last_scores_valid),
            callbacks=kept,
            stacked=job.together,
        )

    def _context(
        self, descriptor: ModelDescriptor, valid: Feed | None, network: torch.nn.Module, device: torch.device
    ) -> Context:
        task = descriptor.feed.task
        if not any(p.requires_grad for p in network.parameters()):
            raise ConfigError(f'{self.id}: the network has no parameters to train; add a layer, such as nn("head").')
        loss = descriptor.loss.build(task)
        return Context(
            network=network,
            loss=loss.to(device) if isinstance(loss, torch.nn.Module) else loss,
            stepper=descriptor.optimizer.stepper(network),
            device=device,
            task=task,
            task_valid=valid and valid.task,
            measures_train=scorable(self, "measures_train", task),
            measures_valid=scorable(self, "measures_valid", task),
            epochs=self.epochs,
        )

    def _callbacks(self, descriptor: ModelDescriptor, ctx: Context) -> dict[str, Callback]:
        callbacks = copies(descriptor.callbacks)
        callbacks.setdefault("history", History())
        if ctx.measures_valid:
            watched = ctx.measures_valid[0]
            if watched.minimize is None and (self.patience or self.restore_best_weights):
                raise ConfigError(
                    f"{self.id}: neither a high nor a low {watched.id} is better, it cannot be watched; put another first."
                )
            stopping = EarlyStopping(self.patience, self.min_delta, watched.minimize is not False, self.restore_best_weights)
            callbacks[stopping.id] = stopping
        return callbacks


@po.add("torch_model_classif")
@operator
class TorchModelClassif(TorchModel):
    """Trains the network as a classifier; predicts classes and, with `predict_type="prob"`, their probabilities.

    epochs: passes over the training rows; must be set. batch_size: rows in a batch; must be set, or batch_sampler in its
    place. batch_size_predict: rows at once when predicting and validating (8192). shuffle: a new order of the rows in each
    epoch. drop_last: leave out a last batch that is not full. sampler: what orders the rows of an epoch before
    they are cut into batches, in place of shuffle: row positions, torch's own samplers among them, or a function of (task,
    generator). batch_sampler: what chooses the rows of each batch, such as
    `StratifiedBatches(min_per_stratum=2)`, an object with `batches(task, generator)` or such a function. device: "auto"
    (CUDA where there is one), "cpu", "cuda:1". num_threads: torch's threads on the CPU. seed: of initial weights, order,
    dropout; None draws one, which the state keeps.

    measures_train, measures_valid: measures of each evaluated epoch, keys or objects, on the training batches and on the
    validation data (`as_learner(graph, validate=0.3)`); "loss" is the network's own, the mean of the batches' (each as often
    as it has rows) and that of all validation rows at once. The first of measures_valid is watched. eval_freq: evaluate every
    so many epochs, and after the last. patience: stop after so many evaluations in a row that do not improve the watched
    measure by more than min_delta (in its units); 0 never stops. restore_best_weights: end with the weights of the best
    evaluated epoch instead of the last one. predict_type: "response" or "prob". `docs/training.md` says more.

    >>> from pipeops import po
    >>> po("torch_model_classif", epochs=10, batch_size=32, predict_type="prob")
    po("torch_model_classif", epochs=10, batch_size=32, predict_type="prob")
    """

    inputs: ClassVar[tuple[Channel, ...]] = (Channel("input", "ModelDescriptor", "Feed"),)
    outputs: ClassVar[tuple[Channel, ...]] = (Channel("output", "None", "PredictionClassif"),)
    task_type = "classif"

    predict_type: str = choice("response", "prob", default="response")

    def _with_prob(self) -> bool:
        return self.predict_type == "prob"


@po.add("torch_model_regr")
@operator
class TorchModelRegr(TorchModel):
    """Trains the network as a regression; predicts numbers. Its hyperparameters are those of `torch_model_classif`.

    >>> from pipeops import po
    >>> po("torch_model_regr", epochs=10, batch_size=32, patience=3)
    po("torch_model_regr", epochs=10, batch_size=32, patience=3)
    """

    inputs: ClassVar[tuple[Channel, ...]] = (Channel("input", "ModelDescriptor", "Feed"),)
    outputs: ClassVar[tuple[Channel, ...]] = (Channel("output", "None", "PredictionRegr"),)
    task_type = "regr"


def _classes(task: Task) -> list[Any] | None:
    return list(task.class_names) if task.task_type == "classif" else None  # type: ignore[attr-defined]


def _counts_batches(ctx: Context, task: Task) -> bool:
    return bool(getattr(ctx.callbacks["history"], "batches_without_positives", False)) and len(_classes(task) or ()) == 2


def _link(task: Task) -> Link:
    return link_for(_classes(task))


def _inputs(symbol: Symbol) -> tuple[str, ...]:
    return tuple(s.id for s in symbol.ancestors() if s.spec is None)


def _batches(feed: Feed, inputs: Sequence[str], link: Link, size: int, network: torch.nn.Module, device: torch.device) -> Batches:
    tensors = [feed.sources[name].tensor().to(device) for name in inputs]
    spoiled = any(getattr(module, "inplace", False) for module in network.modules())
    return Batches(tensors, link.target(feed.task).to(device), size, spoiled)


def _refuse_nan(who: str, output: torch.Tensor, task: Task) -> None:
    """Refuse outputs that are no numbers; infinite ones are, and give a probability."""
    if torch.isnan(output.sum()) and (rows := torch.isnan(output).any(dim=1)).any():
        first = task.row_ids[rows.numpy()][:3].tolist()
        raise DataError(f"{who}: the network puts out NaN for {int(rows.sum())} rows, first for {first}; look at their features.")


def _outputs(network: torch.nn.Module, state: TorchState, feed: Feed, size: int, device: torch.device) -> torch.Tensor:
    """The network's outputs for all rows, on the CPU."""
    width = link_for(state.class_names).width
    output = torch.empty((feed.task.nrow, width))
    for blocks in zip(*(feed.sources[name].blocks(size) for name in state.inputs), strict=True):
        start, stop, _ = blocks[0]
        output[start:stop] = network(*(tensor.to(device) for _, _, tensor in blocks))
    return output
