"""A ready-made network as a learner, `lrn("classif.mlp", neurons=[64], epochs=10, batch_size=32)`, and how one is registered.

Its hyperparameters are those of its recipe; the graph follows from them. Neighbours: recipe below, the shelf registers
architectures.
"""

import inspect
from collections.abc import Callable
from typing import Any

from pipeops.data import Task
from pipeops.errors import ConfigError, DataError, FormatError
from pipeops.graph.graph import Graph
from pipeops.graph.graph_learner import GraphLearner, Validate
from pipeops.learn.fits import Run
from pipeops.learn.learner import SAVED_PARTS, saved_parts, with_saved_parts
from pipeops.net.callbacks.attach import SetCallbacks
from pipeops.net.learners.recipe import Architecture, Recipe
from pipeops.net.losses.base import as_loss
from pipeops.net.optimizers.base import as_optimizer
from pipeops.net.training.model import TorchModelClassif, TorchModelMultilabel, TorchModelMultiRegr, TorchModelRegr
from pipeops.params import UNSET, hyperparameters, same
from pipeops.registry import Row
from pipeops.saving import saved_as
from pipeops.shorthand import lrn

MODELS = {
    "classif": TorchModelClassif,
    "regr": TorchModelRegr,
    "multiregr": TorchModelMultiRegr,
    "multilabel": TorchModelMultilabel,
}
LOSSES = {"classif": "cross_entropy", "regr": "mse", "multiregr": "mse", "multilabel": "cross_entropy"}


class NetworkLearner(GraphLearner):
    """A learner whose graph follows from a recipe.

    `graph` can be looked into, taken apart and extended (`as_learner(learner.graph.replace(...))`); it is a copy, and the
    hyperparameters of the learner are those of the recipe.
    """

    def __init__(self, recipe: Recipe, id: str | None = None, validate: Validate = None):
        self.recipe = recipe
        super().__init__(recipe.graph(), id=recipe.id if id is None else id, validate=validate)
        self.takes_missing, self.takes_categories = recipe.architecture.takes_missing, recipe.architecture.takes_categories

    @property
    def graph(self) -> Graph:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The graph that follows from the recipe, a copy: nothing that is done to it changes the learner."""
        return self._graph.copy()

    @graph.setter
    def graph(self, graph: Graph) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        self._graph = graph

    def __copy__(self) -> "NetworkLearner":
        new = object.__new__(type(self))
        vars(new).update(vars(self))
        return new

    def parts(self) -> dict[str, Any]:  # type: ignore[override]
        """The recipe."""
        return {"": self.recipe}

    def _set_param(self, address: str, value: Any) -> None:
        before = self.recipe
        recipe = before.with_param(address, value)
        self.recipe, self.graph = recipe, recipe.graph()
        if not (address in recipe.model.keeps_state or same(before.params[address], recipe.params[address])):
            self.reset()

    @property
    def predict_type(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What it predicts; may be set, before training or after."""
        return self.recipe.params.get("predict_type", "response")

    @predict_type.setter
    def predict_type(self, value: str) -> None:
        if value not in self.predict_types:
            raise ConfigError(f"{self.id}: predict_type must be one of {self.predict_types}, got {value!r}.")
        if value != self.predict_type:
            self._set_param("predict_type", value)

    def _train(self, task: Task, valid: Task | None) -> Run[dict[str, Any]]:
        if not task.feature_names and not self.takes_missing:
            raise DataError(f"{self.id}: the task '{task.id}' has no features left; a network needs at least one column.")
        return super()._train(task, valid)


def made(kind: Callable[[dict[str, Any]], Architecture], task_type: str, arguments: dict[str, Any]) -> NetworkLearner:
    """A learner from the arguments of a call: those of CONSTRUCTION, and hyperparameters by address."""
    taken = {name: arguments.pop(name, default) for name, default in CONSTRUCTION.items()}
    key, callbacks = arguments.pop("key"), taken["callbacks"]
    recipe = Recipe(
        id=key,
        architecture=kind(arguments),
        loss=as_loss(LOSSES[task_type] if taken["loss"] is None else taken["loss"], {}),
        optimizer=as_optimizer(taken["optimizer"], {}),
        callbacks=callbacks if isinstance(callbacks, SetCallbacks) else SetCallbacks(callbacks),
        model=MODELS[task_type](),
    )
    for address, value in arguments.items():
        recipe = recipe.with_param(address, value)
    return NetworkLearner(recipe, id=taken["id"], validate=taken["validate"])


CONSTRUCTION: dict[str, Any] = {"id": None, "validate": None, "loss": None, "optimizer": "adam", "callbacks": ()}


def register(cls: type[Architecture], kind: Callable[[dict[str, Any]], Architecture] | None = None, home: str = "") -> None:
    """Put an architecture on the shelf `lrn`, for each type of task.

    kind: makes it of the arguments of a call, of which it takes away what is its own; by default it is made without.
    """
    for task_type in MODELS:
        key = f"{task_type}.{cls.name}"
        origin = (cls.__module__, f"{cls.__qualname__}:{key}")
        make: Callable[[], Any] = _constructor(cls, kind or (lambda arguments: cls()), task_type, key)
        lrn.add(key, Row(make, origin, home or cls.__module__, cls.label))


def _constructor(cls: type[Architecture], kind: Any, task_type: str, key: str) -> Callable[[], Any]:
    def make(**arguments: Any) -> NetworkLearner:
        return made(kind, task_type, {"key": key, **arguments})

    def build() -> Any:
        make.__module__, make.__qualname__, make.__doc__ = cls.__module__, key, cls.label
        make.__signature__ = _signature(cls, task_type)  # type: ignore[attr-defined]
        return make

    return build


def _signature(cls: type[Architecture], task_type: str) -> inspect.Signature:
    """The arguments by name; those with a dot (`opt.lr`), and those of a module, go with the rest."""
    keyword = inspect.Parameter.KEYWORD_ONLY
    own = [*hyperparameters(cls), *hyperparameters(MODELS[task_type])]
    named = CONSTRUCTION | dict.fromkeys(own, UNSET)
    parameters = [inspect.Parameter(name, keyword, default=default) for name, default in named.items()]
    rest = inspect.Parameter("addresses", inspect.Parameter.VAR_KEYWORD)
    return inspect.Signature([*parameters, rest], return_annotation=NetworkLearner)


def _to_plain(learner: NetworkLearner) -> dict[str, Any]:
    return {**saved_parts(learner), "recipe": learner.recipe, "validate": learner.validate}


def _from_plain(plain: dict[str, Any]) -> NetworkLearner:
    learner = NetworkLearner(plain["recipe"], id=plain["id"], validate=plain["validate"])
    states = plain["state"] and plain["state"].model
    if states is not None and not (isinstance(states, dict) and set(states) == set(learner.graph.ids())):
        raise FormatError(f"load: the states of {learner.id} are not those of its nodes.")
    return with_saved_parts(learner, plain)


saved_as(NetworkLearner, _from_plain, _to_plain, plain=SAVED_PARTS | {"recipe": Recipe, "validate": Validate})
