"""A graph as a learner: `as_learner(graph)` trains and predicts it, splits off validation data, and shows what is inside.

Neighbours: graph.py runs the nodes; the learner's base is `learn/learner.py`.
"""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from pipeops.data import Task
from pipeops.errors import CompositionError, ConfigError, DataError, FormatError, NotTrainedError, listing
from pipeops.graph.drawings.axes import plot
from pipeops.graph.drawings.scene import scene
from pipeops.graph.driver import Occasion
from pipeops.graph.graph import Graph
from pipeops.graph.kinds import ANY, PREDICTION, TASK
from pipeops.graph.learner_node import NAMES, LearnerOp
from pipeops.graph.pipeop import PipeOp
from pipeops.learn.fits import Run
from pipeops.learn.learner import SAVED_PARTS, Learner, saved_parts, with_saved_parts
from pipeops.learn.learners.sklearn_learner import as_sklearn_learner
from pipeops.learn.measures.measure import Measure
from pipeops.learn.plots.overlays import plot_history
from pipeops.learn.prediction.base import Prediction
from pipeops.learn.resampling.splits import split
from pipeops.learn.validation import Passes, predefined
from pipeops.saving import saved_as

Validate = float | str | Task | None


class GraphLearner(Passes, Learner):
    """A learner that trains and predicts a graph with task inputs and one prediction as output.

    graph: copied, so that training the learner leaves it alone. id: the node ids joined by dots by default.
    validate: the data that the model is validated on while it trains: a ratio of the training rows (split off before
    anything is fitted, stratified when the task has the role `stratum`), a task, "test" (the test rows, given by
    `resample`), "predefined" (`train(..., valid=)`), or None.
    """

    def __init__(self, graph: Graph | PipeOp, id: str | None = None, validate: Validate = None):
        graph = graph.copy() if isinstance(graph, Graph) else Graph().extend(graph)
        _check_ends(graph)
        super().__init__(id if id is not None else ".".join(graph.ids()))
        self.graph, self.validate = graph, _valid_choice(validate)
        self._learnt: Mapping[str, Any] = {}

    @property
    def task_type(self) -> str | None:  # type: ignore[override]
        """What it learns from, "classif", "regr", "multiregr" or "multilabel", as the graph's output says."""
        kind = self.graph.outputs[0].channel.predict.removeprefix("Prediction")
        return next((task_type for task_type, name in NAMES.items() if name == kind), None)

    def parts(self) -> dict[str, Graph]:
        """The graph."""
        return {"": self.graph}

    def _set_param(self, address: str, value: Any) -> None:
        if not self.graph._set_param(address, value):
            self.reset()

    @property
    def validates_on(self) -> Validate:
        """What `validate` says."""
        return self.validate

    @property
    def watched(self) -> Measure | None:
        """That of the graph, where there is something to validate on."""
        return None if self.validate is None else super().watched

    def with_validation(self) -> Self:
        """A copy that validates on what training is handed; itself where it has data of its own."""
        return predefined(self)

    def unvalidated(self) -> Self:
        """A copy without validation."""
        new = super().unvalidated()
        new.validate = None
        return new

    def _validating(self) -> Mapping[str, Graph]:
        return {"": self.graph}

    def _exchanged(self, others: Mapping[str, Any]) -> Self:
        new = self.clone()
        new.graph = others.get("", self.graph)
        return new

    def _state_of(self, state: Any, name: str) -> Any:
        return state

    @property
    def predict_types(self) -> tuple[str, ...]:  # type: ignore[override]
        """What the node at the end can predict."""
        params = self._last.params
        return params.setting("predict_type").param.options if "predict_type" in params else ("response",)

    @property
    def predict_type(self) -> str:
        """What the node at the end predicts; may be set, before training or after."""
        return self._last.params.get("predict_type", "response")

    @predict_type.setter
    def predict_type(self, value: str) -> None:
        if value not in self.predict_types:
            raise ConfigError(f"{self.id}: predict_type must be one of {self.predict_types}, got {value!r}.")
        if value != self.predict_type:
            self._set_param(f"{self._last.id}.predict_type", value)

    @property
    def _last(self) -> PipeOp:
        """The node that predicts: the last one with a `predict_type`, else the output's."""
        predicting = [node for node in self.graph.nodes.values() if "predict_type" in node.params]
        return predicting[-1] if predicting else self.graph[self.graph.outputs[0].node]

    def _train(self, task: Task, valid: Task | None) -> Run[dict[str, Any]]:
        graph, task, valid = self._split(task, valid)
        trained = yield from graph.training(task, valid, occasion=Occasion(self.id, self._learnt))
        return trained.state

    def train_more(self, task: Task, rows: Any = None, *, epochs: int, valid: Task | None = None) -> Self:
        """Train the network on from its present weights, for so many epochs more, on this task (warm start).

        The operators before it stay as they were fitted, but for those that choose or make rows; history and epochs go on, the
        optimizer, schedules and early stopping begin anew. Raises `ConfigError` where there is no network, or another one is
        made of this task.
        """
        if epochs < 0:
            raise ConfigError(f"{self.id}: train_more trains for so many epochs more, from 0, got {epochs!r}.")
        states = self._trained().model
        models = {i: found for i, node in self.graph.nodes.items() if (found := _network_of(node, states[i])) is not None}
        if not models:
            raise ConfigError(f"{self.id}: has no network that could be trained on; train it anew.")
        more = self.clone()
        more._learnt = {i: states[i] for i, node in self.graph.nodes.items() if _stays(node)}
        graph = more.graph
        for i, network in models.items():
            for name, value in (("epochs", network.epochs + epochs), ("resume", network), ("seed", network.seed)):
                graph.params[f"{i}.{name}"] = value
        more.graph = graph
        more.train(task, rows, valid=valid)
        self.state, self.timings = more.state, more.timings
        return self

    @property
    def vectorizes(self) -> bool:  # type: ignore[override]
        """Whether a node of the graph can train several of its kind at once."""
        return any(type(node).train_many is not None for node in self.graph.nodes.values())

    def _predict(self, task: Task, model: Any) -> Any:
        prediction = self.graph.predict_with(model, task)
        if not isinstance(prediction, Prediction):
            raise CompositionError(f"{self.id}: the graph must end in a prediction, it gave {type(prediction).__name__}.")
        return prediction

    def _split(self, task: Task, valid: Task | None) -> tuple[Graph, Task, Task | None]:
        """What trains on what, and is validated on what."""
        if isinstance(self.validate, str):
            if valid is None:
                raise DataError(f'{self.id}: validate="{self.validate}" needs the data: train(task, valid=other_task).')
            return self.graph, task, valid
        if isinstance(self.validate, Task):
            return self.graph, task, self.validate
        if self.validate is None:
            return self.graph, task, valid
        graph, seed = self._seeded_graph()
        train, test = split(task, 1 - self.validate, seed)
        return graph, task.filter(train), task.filter(test)

    def _seeded_graph(self) -> tuple[Graph, int]:
        """The graph and the seed of its model, which governs the validation split as well; one is drawn where there is none."""
        models = [node for node in self.graph.nodes.values() if node.takes_valid and "seed" in node.own_params()]
        drawn = int(np.random.SeedSequence().generate_state(1)[0])
        if not models:
            return self.graph, next(iter(self._seeds()), drawn)
        seed = models[-1].params["seed"]
        if seed is not None:
            return self.graph, seed
        graph = self.graph.copy()
        graph.params[f"{models[-1].id}.seed"] = drawn
        return graph, drawn

    def _seeds(self) -> list[int]:
        """The seeds of learners that may validate."""
        params = {i: node.params for i, node in self.graph.nodes.items() if isinstance(node, LearnerOp)}
        return [seed for own in params.values() if isinstance(seed := own.get("random_state", own.get("seed")), int)]

    @property
    def network(self) -> Any:
        """The trained `torch.nn.Module` of the graph's model node."""
        return self._of_model("network")

    @property
    def history(self) -> Any:
        """A polars frame with one row for each epoch: `epoch`, `train.<measure>`, `valid.<measure>` (callback `history`)."""
        import polars as pl

        return pl.DataFrame(self._of_model("history"))

    @property
    def best_epoch(self) -> int | None:
        """The epoch, from 1, with the best first validation measure."""
        return self._of_model("best_epoch")

    @property
    def oob_error(self) -> float:
        """The out-of-bag error of the learner in the graph; NaN where it has none."""
        models: list[Any] = [getattr(state, "model", None) for state in self._trained().model.values()]
        return next((model.oob_error for model in reversed(models) if hasattr(model, "oob_error")), float("nan"))

    def importance(self) -> dict[str, float]:
        """What the last learner in the graph that can say so says of the features that come to it."""
        return self._of_learner("importance")

    def selected_features(self) -> list[str]:
        """The features that the last learner in the graph that can say so uses, of those that come to it."""
        return self._of_learner("selected_features")

    def _of_learner(self, name: str) -> Any:
        states, nodes = self._trained().model, list[Any](self.graph.nodes.values())
        for node in reversed(nodes):
            if isinstance(node, LearnerOp) and states[node.id] is not None and hasattr(node.learner, name):
                return getattr(node.trained(states[node.id]), name)()
        raise DataError(f"{self.id}: no learner in the graph has '{name}'.")

    def plot_history(self, ax: Any = None, measures: Any = None) -> Any:
        """Draw the scores of the epochs (extra `plot`) and return the axes; measures: an id or a list, all by default."""
        return plot_history(self._of_model("history"), self.best_epoch, ax, measures)

    def summary(self) -> Any:
        """The network as a table: a row for each module with the shape that comes out and its parameters, and their sum."""
        return self._of_model("summary")()

    def _of_model(self, name: str) -> Any:
        states = self._trained().model.values()
        found = [getattr(s, name) for s in states if hasattr(s, name)]
        if not found:
            raise NotTrainedError(f"{self.id}: no node of this graph has a '{name}'; it belongs to a torch model node.")
        return found[-1]

    def plot(self, ax: Any = None) -> Any:
        """Draw the graph with what was learnt, as `Graph.plot` does (extra `plot`), and return the axes."""
        return plot(scene(self.graph, self._states()), ax)

    def _drawing(self) -> str:
        """The graph as sections of SVG."""
        return self.graph._drawing(self._states())

    def _states(self) -> Mapping[str, Any]:
        return {} if self.state is None else self.state.model

    def __copy__(self) -> "GraphLearner":
        new = object.__new__(type(self))
        vars(new).update(vars(self), graph=self.graph.copy())
        return new


def _network_of(node: PipeOp, state: Any) -> Any:
    """What a model node has learnt, or that of the ready-made learner in a node; None where there is no network."""
    if state is None or "resume" not in node.params:
        return None
    ready: Any = node.parts().get("")
    return state if ready is None else state.model[ready.graph.outputs[0].node]


def _stays(node: PipeOp) -> bool:
    """Whether an operator on tasks keeps what it has learnt when the network after it is trained on."""
    kinds = [kind for channel in (*node.inputs, *node.outputs) for kind in (channel.train, channel.predict)]
    return not node.changes_rows and all(kind.within(TASK) for kind in kinds)


def _valid_choice(validate: Validate) -> Validate:
    number = isinstance(validate, float) and 0 < validate < 1
    word = isinstance(validate, str) and validate in ("test", "predefined")
    if number or word or validate is None or isinstance(validate, Task):
        return validate
    got = repr(validate) if isinstance(validate, str | int | float) else f"a {type(validate).__name__}"
    raise ConfigError(f'as_learner: validate is a ratio in (0, 1), "test", "predefined", a task or None, got {got}.')


def _check_ends(graph: Graph) -> None:
    outputs, inputs = graph.outputs, graph.inputs
    unknown = len(outputs) == 1 and outputs[0].channel.predict == ANY and not graph[outputs[0].node].passes_types
    if len(outputs) != 1 or not (unknown or outputs[0].channel.predict.within(PREDICTION)):
        ends = ", ".join(f"{e.name} ({e.channel.predict})" for e in outputs) or "none"
        more = PREDICTION.advice(outputs[0].channel.predict) if outputs else ""
        raise CompositionError(f"as_learner: the graph must end in one Prediction, its outputs are: {ends}.{more}")
    wrong = [e for e in inputs if not TASK.fits(e.channel.train)]
    if not inputs or wrong:
        ends = ", ".join(f"{e.name} ({e.channel.train})" for e in inputs) or "none"
        raise CompositionError(f"as_learner: the graph must begin with tasks, its inputs are: {ends}.")


def _to_plain(learner: GraphLearner) -> dict[str, Any]:
    return {**saved_parts(learner), "graph": learner.graph.copy(), "validate": learner.validate}


def _from_plain(plain: dict[str, Any]) -> GraphLearner:
    learner = GraphLearner(plain["graph"], id=plain["id"], validate=plain["validate"])
    states = plain["state"] and plain["state"].model
    if states is not None and not (isinstance(states, dict) and set(states) == set(learner.graph.ids())):
        raise FormatError(f"load: the states of {learner.id} are not those of its nodes.")
    return with_saved_parts(learner, plain)


saved_as(GraphLearner, _from_plain, _to_plain, plain=SAVED_PARTS | {"graph": Graph, "validate": Validate})


def as_learner(thing: Any, *, id: str | None = None, validate: Validate = None, **settings: Any) -> Any:
    """A learner from a graph or a node that ends in a model, from a scikit-learn estimator, or from a learner, changed.

    id: default the node ids joined by dots. validate: see `GraphLearner`. Raises `CompositionError` for a graph that
    does not take a task or does not end in one prediction. A `torch.nn.Module` (or a class of them) takes `settings`, those of
    `lrn("classif.module")`: epochs, batch_size, loss, optimizer, ingress, ...; task_type "regr" for a regression.
    """
    if _is_module(thing):
        from pipeops.net.learners.own_module import learner_of

        return learner_of(thing, id=id, validate=validate, **settings)
    if settings:
        raise ConfigError(f"as_learner: {listing(settings)} {'is' if len(settings) == 1 else 'are'} for a torch.nn.Module.")
    if isinstance(thing, Learner):
        return _changed(thing, id, validate)
    if not isinstance(thing, Graph | PipeOp):
        learner = as_sklearn_learner(thing, id)
        if learner is None:
            raise CompositionError(f"as_learner: cannot make a learner of {type(thing).__name__}; give a graph or a node.")
        return _changed(learner, None, validate)
    return GraphLearner(thing, id=id, validate=validate)


def _is_module(thing: Any) -> bool:
    """Whether it is a module of torch, or a class of them; torch is not imported for it."""
    cls = thing if isinstance(thing, type) else type(thing)
    return any(f"{base.__module__}.{base.__qualname__}" == "torch.nn.modules.module.Module" for base in cls.__mro__)


def _changed(learner: Learner, id: str | None, validate: Validate) -> Learner:
    """The learner itself, or a copy: another id keeps what was learnt, other validation data does not."""
    if id is None and validate is None:
        return learner
    new: Any = learner.clone()
    new.id = learner.id if id is None else id
    if validate is None:
        new.state, new.timings = learner.state, learner.timings
    elif isinstance(learner, GraphLearner):
        new.validate = _valid_choice(validate)
    else:
        raise ConfigError(f"as_learner: validate={validate!r}: {learner.id} has no validation while it trains; leave it out.")
    return new
