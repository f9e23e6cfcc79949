"""Trackers: the scores of each epoch go to TensorBoard or MLflow (extra `track`), to a writer or run of one's own or a new one.

Neighbours: base has the stages; the scores are those of the history.
"""

from abc import abstractmethod
from typing import Any, ClassVar, Self

import attrs

from pipeops.errors import ConfigError
from pipeops.extras import extra
from pipeops.net.callbacks.base import Callback
from pipeops.net.callbacks.context import Context
from pipeops.params import anything, flag
from pipeops.shorthand import t_clbk


class Tracker(Callback):
    """Base: a subclass opens what is written to, writes one number to it, and closes it."""

    log_train_loss: Any

    def __deepcopy__(self, memo: Any) -> Self:
        """A copy for a run, which writes to the same place."""
        return attrs.evolve(self)  # pyright: ignore[reportArgumentType]

    def on_epoch_end(self, ctx: Context) -> None:
        scores = {"train.loss": ctx.mean_loss, **{f"train.{name}": v for name, v in ctx.last_scores_train.items()}}
        for name, value in (scores | {f"valid.{name}": v for name, v in ctx.last_scores_valid.items()}).items():
            self.log(name, value, ctx.epoch)
        self.log("lr", ctx.lr, ctx.epoch)

    def log_batch(self, ctx: Context) -> None:
        """The loss of a batch, by its number in the run."""
        self.log("train.batch_loss", ctx.last_loss, ctx.global_step)

    @abstractmethod
    def log(self, name: str, value: float, step: int) -> None:
        """Write one number."""

    def state_dict(self) -> dict[str, Any]:
        """Nothing to keep."""
        return {}


@t_clbk.add("tb")
@attrs.define(eq=False, repr=False, slots=False)
class TensorBoard(Tracker):
    """Writes the scores of each epoch as events for TensorBoard, whose writer is closed at the end.

    path: the folder of the events. writer: a `SummaryWriter` (or what has its `add_scalar` and `close`) in its place.
    log_train_loss: the loss of each batch too.

    >>> from pipeops import t_clbk
    >>> t_clbk("tb", path="runs/first")
    t_clbk("tb", path="runs/first")
    """

    only_reads: ClassVar[bool] = True
    path: Any = anything(None)
    writer: Any = anything(None)
    log_train_loss: bool = flag(False)

    def __attrs_post_init__(self) -> None:
        if self.log_train_loss:
            self.on_batch_end = self.log_batch

    def on_begin(self, ctx: Context) -> None:
        if (self.path is None) == (self.writer is None):
            raise ConfigError("tb: set 'path', the folder of the events, or 'writer', a SummaryWriter.")
        self._writer = self.writer or extra("torch.utils.tensorboard", "track", "tb").SummaryWriter(str(self.path))

    def log(self, name: str, value: float, step: int) -> None:
        self._writer.add_scalar(name, value, step)

    def on_exit(self, ctx: Context) -> None:
        if hasattr(self, "_writer"):
            self._writer.close()


@t_clbk.add("mlflow")
@attrs.define(eq=False, repr=False, slots=False)
class MLflow(Tracker):
    """Writes the scores of each epoch as metrics of an MLflow run, which is ended at the end (failed where training failed).

    path: where MLflow stores runs (a folder or an address), its own setting by default. experiment: its name. run: a run that is
    there already, in place of both. log_train_loss: the loss of each batch too.

    >>> from pipeops import t_clbk
    >>> t_clbk("mlflow", path="runs", experiment="first")
    t_clbk("mlflow", path="runs", experiment="first")
    """

    only_reads: ClassVar[bool] = True
    path: Any = anything(None)
    experiment: str = anything("Default")
    run: Any = anything(None)
    log_train_loss: bool = flag(False)

    def __attrs_post_init__(self) -> None:
        if self.log_train_loss:
            self.on_batch_end = self.log_batch

    def on_begin(self, ctx: Context) -> None:
        if self.run is not None and self.path is not None:
            raise ConfigError("mlflow: set either 'path' or 'run', not both.")
        client = extra("mlflow", "track", "mlflow").MlflowClient
        self._client = client() if self.path is None else client(tracking_uri=str(self.path))
        self._status, self._id = "FAILED", self._new(ctx) if self.run is None else self.run.info.run_id

    def _new(self, ctx: Context) -> str:
        found = self._client.get_experiment_by_name(self.experiment)
        experiment = self._client.create_experiment(self.experiment) if found is None else found.experiment_id
        return self._client.create_run(experiment, run_name=ctx.learner_id).info.run_id

    def log(self, name: str, value: float, step: int) -> None:
        self._client.log_metric(self._id, name, value, step=step)

    def on_end(self, ctx: Context) -> None:
        self._status = "FINISHED"

    def on_exit(self, ctx: Context) -> None:
        if hasattr(self, "_id"):
            self._client.set_terminated(self._id, self._status)
