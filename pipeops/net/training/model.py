"""The node at the end of a network: it compiles what the descriptor holds, trains it, and predicts labelled tables.

The state is the trained network with what predicting needs; nothing of the run stays on the node. Neighbours: set-up makes
a training run of it after the refusals, the trainer trains; loss, optimizer and callback nodes have filled the descriptor.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

import attrs
import torch

from pipeops.data import Task
from pipeops.errors import ConfigError, DataError
from pipeops.graph.pipeop import Channel, PipeOp, operator
from pipeops.learn.fits import attempt
from pipeops.learn.measures.measure import Measure
from pipeops.learn.validation import OnRound, Validates
from pipeops.net.inputs.ingress_tensor import TensorInput
from pipeops.net.inputs.link import Link
from pipeops.net.inputs.streams import loader_for
from pipeops.net.network.descriptor import Feed, Source
from pipeops.net.network.unseen import answer, levels_of
from pipeops.net.training.course import Course
from pipeops.net.training.interrupts import patient, warn_of
from pipeops.net.training.machine import Machine, machine_for
from pipeops.net.training.outputs import ASKED
from pipeops.net.training.settings import device_field, measures_field, sampler_field, watched_of
from pipeops.net.training.setup import PREDICT_ROWS, job_for, reading_of, state_of
from pipeops.net.training.state import TorchState
from pipeops.net.vectorized.groups import reads_only
from pipeops.net.vectorized.together import train_alone, train_together
from pipeops.params import Configurable, anything, choice, flag, integer, real
from pipeops.shorthand import po


@operator
class TorchModel(PipeOp, Validates):
    """What `torch_model_classif`, `torch_model_regr` and their like share; the former says what each hyperparameter does."""

    task_type: ClassVar[str]
    takes_valid: ClassVar[bool] = True
    takes_learner: ClassVar[bool] = True
    keeps_state: ClassVar[frozenset[str]] = frozenset(
        {"predict_type", "batch_size_predict", "device", "num_threads", "loader", "num_workers", "pin_memory", "prefetch"}
    )
    example: ClassVar[Mapping[str, Any]] = {"epochs": 2, "batch_size": 4, "seed": 0}

    epochs: int = integer(0)
    batch_size: int = integer(1)
    batch_size_predict: int | None = integer(1, default=None)
    shuffle: bool = flag(True)
    drop_last: bool = flag(False)
    sampler: Any = anything(None)
    batch_sampler: Any = sampler_field()
    device: str = device_field()
    num_threads: int = integer(1, default=1)
    seed: int | None = integer(default=None)
    measures_train: Any = measures_field()
    measures_valid: Any = measures_field()
    eval_freq: int = integer(1, default=1)
    patience: int = integer(0, default=0)
    min_delta: float = real(0, default=0.0)
    restore_best_weights: bool = flag(False)
    engine: str = choice("auto", "autograd", default="auto")
    resume: Any = anything(None)
    precision: str = choice("fp32", "bf16", "fp16", default="fp32")
    compile: bool = flag(False)
    loader: str = choice("auto", "resident", "stream", default="auto")
    num_workers: int = integer(0, default=0)
    pin_memory: bool = flag(False)
    prefetch: int = integer(1, default=2)
    on_round: OnRound | None = attrs.field(init=False, default=None)

    def parts(self) -> dict[str, Configurable]:
        """The samplers, where they have hyperparameters."""
        held = {name: getattr(self, name) for name in ("sampler", "batch_sampler")}
        return {name: sampler for name, sampler in held.items() if isinstance(sampler, Configurable)}

    def with_part(self, name: str, part: Any) -> Self:
        """A copy with a changed sampler."""
        return attrs.evolve(self, **{name: part})

    @property
    def watched(self) -> Measure | None:
        """The first of `measures_valid`."""
        return watched_of(self)

    @property
    def internal_params(self) -> tuple[str, ...]:
        """The number of epochs."""
        return ("epochs",)

    def watching(self, on_round: OnRound) -> Self:
        """A copy that tells the watched score of each evaluated epoch."""
        new = attrs.evolve(self)
        object.__setattr__(new, "on_round", on_round)
        return new

    def unvalidated(self) -> Self:
        """A copy that trains all its epochs."""
        return attrs.evolve(self, patience=0, restore_best_weights=False, measures_valid=())

    def internal_tuned(self, state: TorchState) -> dict[str, int]:
        """The best epoch."""
        return {} if state.best_epoch is None else {"epochs": state.best_epoch}

    def internal_scores(self, state: TorchState) -> dict[str, float]:
        """Those of the weights that were kept."""
        return state.internal_valid_scores

    def internal_history(self, state: TorchState) -> list[float | None]:
        """That of the watched measure, epoch by epoch."""
        return [] if self.watched is None else state.history.get(f"valid.{self.watched.id}", [])

    def train(
        self, inputs: Sequence[Any], valid: Sequence[Any] | None = None, learner_id: str | None = None
    ) -> tuple[Sequence[Any], Any]:
        """Compile and train; the state holds the network. Nothing comes out."""
        course = self._course(inputs, valid, learner_id)
        with patient(course.trainer.interrupt):
            train_alone(course)
        warn_of(course.trainer)
        return self._result(course)

    @classmethod
    def train_many(
        cls,
        nodes: Sequence[Any],
        inputs: Sequence[Sequence[Any]],
        valids: Sequence[Sequence[Any] | None],
        learner_ids: Sequence[str | None],
    ) -> list[tuple[Sequence[Any], Any] | Exception]:
        """What `train` answers for each node; networks that may be are trained as one, with the same numbers but for rounding."""
        found = [attempt(node._course, *given) for node, *given in zip(nodes, inputs, valids, learner_ids, strict=True)]
        train_together([course for course in found if isinstance(course, Course)])
        return [
            attempt(node._again if course.interrupted else node._result, course, *given) if isinstance(course, Course) else course
            for course, node, *given in zip(found, nodes, inputs, valids, learner_ids, strict=True)
        ]

    def _course(self, inputs: Sequence[Any], valid: Sequence[Any] | None, learner_id: str | None) -> Course:
        return job_for(self, inputs[0], valid[0] if valid else None, learner_id)

    def _result(self, course: Course, *_: Any) -> tuple[Sequence[Any], TorchState]:
        if course.error is not None:
            raise course.error
        return [None], state_of(course)

    def _again(self, course: Course, *given: Any) -> tuple[Sequence[Any], Any]:
        """Train from the start, alone, what was interrupted in company."""
        return attrs.evolve(self, seed=course.machine.seed).train(*given)

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        """The labelled table for the rows of a feed."""
        feed: Feed = inputs[0]
        machine = machine_for(self.device, self.num_threads, str(self.id))
        network = _evaluating(state.network, machine)
        with machine.predicting():
            output = _outputs(network, state, feed, self, machine)
            _refuse_nan(str(self.id), output, feed.task)
            return [state.link.predict(output, feed.task, self._with_all(state.link))]

    def _with_all(self, link: Link) -> bool:
        """Whether more than the response is wanted."""
        raise NotImplementedError


@po.add("torch_model_classif")
@operator
class TorchModelClassif(TorchModel):
    """Trains the network as a classifier; predicts classes and, with `predict_type="prob"`, their probabilities.

    epochs: passes over the training rows; must be set. batch_size: rows in a batch; must be set, or batch_sampler in its
    place. batch_size_predict: rows at once when predicting and validating (8192). shuffle: a new order of the rows in each
    epoch. drop_last: leave out a last batch that is not full. sampler: what orders the rows of an epoch before
    they are cut into batches, in place of shuffle: row positions, torch's own samplers among them, or a function of (task,
    generator). batch_sampler: what chooses the rows of each batch: a key of `t_sampler`, such as
    `t_sampler("stratified", min_per_stratum=2)`, an object with `batches(task, generator)` or such a function. device: "auto"
    (CUDA where there is one), "cpu", "cuda:1". num_threads: torch's threads on the CPU. seed: of initial weights, order,
    dropout; None draws one, which the state keeps.

    measures_train, measures_valid: measures of each evaluated epoch, keys or objects, on the training batches and on the
    validation data (`as_learner(graph, validate=0.3)`); "loss" is the network's own, the mean of the batches' (each as often
    as it has rows) and that of all validation rows at once. The first of measures_valid is watched. eval_freq: evaluate every
    so many epochs, and after the last. patience: stop after so many evaluations in a row that do not improve the watched
    measure by more than min_delta (in its units); 0 never stops. restore_best_weights: end with the weights of the best
    evaluated epoch instead of the last one. resume: the folder of `t_clbk("checkpoint", path=folder)` (or a function as there, or
    True for the callback's own), from whose newest checkpoint training goes on; nothing there yet: it starts. engine:
    "autograd" forces the general way where rules would do. precision: "bf16" and "fp16" train in half precision where torch
    thinks it safe. compile: train through `torch.compile`, where that works. predict_type: "response" or "prob".
    `docs/training.md` says more.

    loader: how columns of tensors are read, once ("resident"), in each epoch ("stream"), or as their size says ("auto");
    num_workers: processes that read them, prefetch: batches that each reads ahead, pin_memory: for a GPU (`docs/tensors.md`).

    >>> from pipeops import po
    >>> po("torch_model_classif", epochs=10, batch_size=32, predict_type="prob")
    po("torch_model_classif", epochs=10, batch_size=32, predict_type="prob")
    """

    inputs: ClassVar[tuple[Channel, ...]] = (Channel("input", "ModelDescriptor", "Feed"),)
    outputs: ClassVar[tuple[Channel, ...]] = (Channel("output", "None", "PredictionClassif"),)
    task_type = "classif"

    predict_type: str = choice("response", "prob", default="response")

    def _with_all(self, link: Link) -> bool:
        return self.predict_type == "prob"


@po.add("torch_model_regr")
@operator
class TorchModelRegr(TorchModel):
    """Trains the network as a regression; predicts numbers. Its hyperparameters are those of `torch_model_classif`.

    predict_type: "response"; "se", standard errors too, of a mean and a variance that are learnt by `loss="gaussian_nll"`; or
    "quantiles", of the probabilities `quantiles`, by `loss="pinball"`, in a column each; the response is their median. A head
    at the end of the network has as many outputs as this needs. quantiles: different numbers between 0 and 1, 0.5 among them.

    >>> from pipeops import po
    >>> po("torch_model_regr", epochs=10, batch_size=32, patience=3)
    po("torch_model_regr", epochs=10, batch_size=32, patience=3)
    """

    inputs: ClassVar[tuple[Channel, ...]] = (Channel("input", "ModelDescriptor", "Feed"),)
    outputs: ClassVar[tuple[Channel, ...]] = (Channel("output", "None", "PredictionRegr"),)
    task_type = "regr"

    predict_type: str = choice("response", "se", "quantiles", default="response")
    quantiles: Any = anything(None)

    def _with_all(self, link: Link) -> bool:
        if self.predict_type != "response" and link.kind != ASKED[self.predict_type]:
            raise ConfigError(
                f"{self.id}: a {link.kind} was learnt, which has no {self.predict_type}; set predict_type before training."
            )
        return self.predict_type != "response"


@po.add("torch_model_multiregr")
@operator
class TorchModelMultiRegr(TorchModel):
    """Trains the network as a regression on several targets, an output for each.

    Its hyperparameters are those of `torch_model_classif`; it predicts responses only.

    >>> from pipeops import po
    >>> po("torch_model_multiregr", epochs=10, batch_size=32)
    po("torch_model_multiregr", epochs=10, batch_size=32)
    """

    inputs: ClassVar[tuple[Channel, ...]] = (Channel("input", "ModelDescriptor", "Feed"),)
    outputs: ClassVar[tuple[Channel, ...]] = (Channel("output", "None", "PredictionMultiRegr"),)
    task_type = "multiregr"

    predict_type: str = choice("response", default="response")

    def _with_all(self, link: Link) -> bool:
        return False


@po.add("torch_model_multilabel")
@operator
class TorchModelMultilabel(TorchModel):
    """Trains the network on labels, any number of which a row may have; an output, the logit, for each.

    Its hyperparameters are those of `torch_model_classif`; `predict_type="prob"` predicts the probability of each label, too.

    >>> from pipeops import po
    >>> po("torch_model_multilabel", epochs=10, batch_size=32, predict_type="prob")
    po("torch_model_multilabel", epochs=10, batch_size=32, predict_type="prob")
    """

    inputs: ClassVar[tuple[Channel, ...]] = (Channel("input", "ModelDescriptor", "Feed"),)
    outputs: ClassVar[tuple[Channel, ...]] = (Channel("output", "None", "PredictionMultilabel"),)
    task_type = "multilabel"

    predict_type: str = choice("response", "prob", default="response")

    def _with_all(self, link: Link) -> bool:
        return self.predict_type == "prob"


def _evaluating(network: torch.nn.Module, machine: Machine) -> torch.nn.Module:
    """The network in eval mode on a device: a copy where it is not, so that predicting changes nothing, in any thread."""
    if machine.is_cpu and not any(module.training for module in network.modules()):
        return network
    return machine.place(copy.deepcopy(network)).eval()


def _refuse_nan(who: str, output: torch.Tensor, task: Task) -> None:
    """Refuse outputs that are no numbers. Infinite logits of labels and of two classes give probabilities."""
    if bool(torch.isfinite(output.sum())):
        return
    logit = task.task_type == "multilabel" or (task.task_type == "classif" and output.shape[1] == 1)
    rows = (torch.isnan(output) if logit else ~torch.isfinite(output)).any(dim=1)
    if rows.any():
        first, what = task.row_ids[rows.numpy()][:3].tolist(), "NaN" if torch.isnan(output).any() else "infinity"
        raise DataError(
            f"{who}: the network puts out {what} for {int(rows.sum())} rows, first for {first}; look at their features."
        )


def _outputs(network: torch.nn.Module, state: TorchState, feed: Feed, node: TorchModel, machine: Machine) -> torch.Tensor:
    """The network's outputs for all rows, on the CPU."""
    output = torch.empty((feed.task.nrow, state.link.width), dtype=torch.float32)
    start, levels, plain = 0, levels_of(state.symbol), all(reads_only(module) for module in network.children())
    for inputs in _inputs([feed.sources[name] for name in state.inputs], output, node, machine):
        stop = start + len(inputs[0])
        output[start:stop] = answer(network, _even(inputs) if plain else inputs, levels)[: stop - start]
        start = stop
    return output


def _even(inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    """Rows of tables in fours, the last one again where some are missing: most products round every row of whole fours alike.

    So what is predicted for a row hardly depends, by rounding, on which others are predicted with it.
    """
    spare = -len(inputs[0]) % 4
    if not spare or any(x.ndim > 2 for x in inputs):
        return inputs
    return tuple(torch.cat([x, x[-1:].expand(spare, *x.shape[1:])]) for x in inputs)


def _inputs(
    sources: Sequence[Source], output: torch.Tensor, node: TorchModel, machine: Machine
) -> Iterator[tuple[torch.Tensor, ...]]:
    """What the network takes, block by block."""
    blocks = [source.column.block() for source in sources if isinstance(source, TensorInput)]
    size = node.batch_size_predict or min([PREDICT_ROWS, *blocks])
    if not blocks:
        for several in zip(*(source.blocks(size) for source in sources), strict=True):
            yield tuple(machine.place(tensor) for *_, tensor in several)
    elif len(output):
        yield from (inputs for inputs, *_ in loader_for(sources, output, size, machine, reading_of(node), once=True).ordered())
