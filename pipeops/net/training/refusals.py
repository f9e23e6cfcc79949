"""What can be seen to be wrong with a training run before any weight is made, and is refused then.

Neighbours: settings below; set-up calls `check` first.
"""

from typing import TYPE_CHECKING

from pipeops.data import Task
from pipeops.errors import ConfigError, DataError
from pipeops.net.inputs.batches import draws_rows
from pipeops.net.inputs.link import Link
from pipeops.net.network.compile import batch_norms
from pipeops.net.network.descriptor import Feed, ModelDescriptor, Symbol
from pipeops.net.training.settings import several
from pipeops.params import UNSET

if TYPE_CHECKING:
    from pipeops.net.training.model import TorchModel


def check(node: "TorchModel", descriptor: ModelDescriptor, valid: Feed | None, link: Link) -> None:
    """Refuse whatever can be seen to be wrong before any weight is made."""
    task = descriptor.feed.task
    if task.task_type != node.task_type:
        other = f'po("torch_model_{task.task_type}")'
        raise DataError(f"{node.id}: the task '{task.id}' is of type {task.task_type}; end with {other}.")
    _check_settings(node, valid)
    _check_configured(node, descriptor, task)
    _check_rows(node, task)
    _check_one_row(node, descriptor.symbol, task.nrow)
    _check_output(node, descriptor.symbol, link)


def _check_settings(node: "TorchModel", valid: Feed | None) -> None:
    required = ("epochs",) if node.batch_sampler is not None else ("epochs", "batch_size")
    for name in required:
        if getattr(node, name) is UNSET:
            raise ConfigError(f"{node.id}: set '{name}' before training.")
    if node.batch_sampler is not None and node.batch_size is not UNSET:
        raise ConfigError(f"{node.id}: set either 'batch_size' or 'batch_sampler', not both.")
    if node.batch_sampler is not None and node.sampler is not None:
        raise ConfigError(f"{node.id}: set either 'sampler' (rows in order, cut by batch_size) or 'batch_sampler', not both.")
    if not (node.sampler is None or draws_rows(node.sampler)):
        raise ConfigError(f"{node.id}: 'sampler' gives row positions, or is called with (task, generator), got {node.sampler!r}.")
    if not (node.batch_sampler is None or draws_rows(node.batch_sampler)):
        raise ConfigError(
            f"{node.id}: 'batch_sampler' must have a method batches(task, generator), be such a function, or give the "
            f"batches of an epoch, got {node.batch_sampler!r}."
        )
    if _measured(node) or node.patience or node.restore_best_weights:
        _check_validation(node, valid)


def _measured(node: "TorchModel") -> bool:
    return several(node.measures_valid) != []


def _check_validation(node: "TorchModel", valid: Feed | None) -> None:
    wants = "patience" if node.patience else "restore_best_weights" if node.restore_best_weights else "measures_valid"
    if not _measured(node):
        raise ConfigError(f"{node.id}: '{wants}' needs a measure to watch; set measures_valid, as in [\"classif.ce\"].")
    if valid is None:
        raise ConfigError(
            f"{node.id}: '{wants}' needs validation data; as_learner(graph, validate=0.3), or train(task, valid=other)."
        )
    if valid.task.nrow == 0:
        raise DataError(f"{node.id}: the validation data has no rows.")


def _check_configured(node: "TorchModel", descriptor: ModelDescriptor, task: Task) -> None:
    for name in ("loss", "optimizer"):
        if getattr(descriptor, name) is None:
            raise ConfigError(f'{node.id}: the network has no {name}; put po("torch_{name}", ...) before this node.')
    if task.task_type not in descriptor.loss.task_types:
        allowed = " or ".join(descriptor.loss.task_types)
        raise ConfigError(f"{node.id}: the loss {descriptor.loss!r} is for {allowed}, the task '{task.id}' is {task.task_type}.")


def _check_rows(node: "TorchModel", task: Task) -> None:
    if task.nrow == 0:
        raise DataError(f"{node.id}: the task '{task.id}' has no rows to train on.")
    if node.drop_last and node.batch_sampler is None and node.sampler is None and node.batch_size > task.nrow:
        raise ConfigError(
            f"{node.id}: with drop_last no batch is left, batch_size is {node.batch_size} and the task has {task.nrow} rows."
        )


def _check_one_row(node: "TorchModel", symbol: Symbol, rows: int) -> None:
    """Batch norm cannot take a batch of one row, unless it has more dimensions to take the mean over."""
    if node.batch_sampler is not None or node.sampler is not None or not node.epochs:
        return
    size = min(node.batch_size, rows)
    if size > 1 and (node.drop_last or rows % size != 1):
        return
    norms = batch_norms(symbol)
    if norms:
        where = "batches have" if size == 1 else "the last batch has"
        raise ConfigError(
            f"{node.id}: '{norms[0]}' takes the mean over the rows of a batch, and {where} one row only ({rows} rows, "
            f"batch_size {node.batch_size}); set {'' if size == 1 else 'drop_last=True or '}another batch_size."
        )


def _check_output(node: "TorchModel", symbol: Symbol, link: Link) -> None:
    """The network's output must be what the task needs; nothing is broadcast into place."""
    if len(symbol.shape) != 2 or symbol.shape[1] not in (None, link.width):
        shape = tuple("batch" if i == 0 and n is None else n for i, n in enumerate(symbol.shape))
        text = "(" + ", ".join(map(str, shape)) + ")"
        raise ConfigError(f'{symbol.id}: puts out {text}, but {link.needs()}; end the network with nn("head").')
