"""`lrn("classif.module")`: a module of one's own as a learner, with an ingress for each argument of its `forward`.

Neighbours: `layers/own` has the node that makes the module; recipe and network_learner below.
"""

from collections.abc import Mapping
from typing import Any, Self

import attrs

from pipeops.errors import ConfigError, listing
from pipeops.graph.graph import Graph, gunion
from pipeops.graph.pipeop import PipeOp
from pipeops.net.layers.own import Module, OwnModule, own_module
from pipeops.net.learners.network_learner import LOSSES, MODELS, NetworkLearner, register
from pipeops.net.learners.recipe import Architecture, architecture
from pipeops.net.learners.shelf import CATEGORIES
from pipeops.net.losses.base import as_loss
from pipeops.params import anything, flag, hyperparameters
from pipeops.shorthand import lrn, po
from pipeops.text import source

INGRESS = {"num": "torch_ingress_num", "categ": "torch_ingress_categ", "ltnsr": "torch_ingress_ltnsr"}
WANTED = '"num", "categ", "ltnsr", or a graph that ends in an ingress; a dictionary has one for each argument of forward'


@architecture
class ModuleNetwork(Architecture):
    """A module of one's own: `forward` gets what the ingresses make of the task, and answers what the task needs.

    module: a class, a function that makes a module, or a module (copied, with its weights). Arguments of the class or function
    are hyperparameters beside these. ingress: "num" (all columns), "categ", "ltnsr", a graph that ends in an ingress, or a
    dictionary with one for each argument of `forward`, among which the columns are divided by their kind. freeze: see
    `nn("module")`.
    """

    name = "module"
    label = "Network of One's Own"
    takes_categories = True

    module: OwnModule | None = None
    ingress: Any = anything("num")
    freeze: bool = flag(False)

    def parts(self) -> dict[str, OwnModule]:
        """What makes the module."""
        return {} if self.module is None else {"": self.module}

    def with_part(self, name: str, part: OwnModule) -> Self:
        """A copy with other arguments."""
        return attrs.evolve(self, module=part)

    def own_params(self) -> Mapping[str, Any]:
        """The hyperparameters, the arguments of the module among them."""
        return {**super().own_params(), **({} if self.module is None else self.module.own_params())}

    def with_own(self, name: str, value: Any) -> Self:
        """A copy with one changed."""
        if self.module is not None and name not in hyperparameters(type(self)) and name in self.module.own_params():
            return attrs.evolve(self, module=self.module.with_own(name, value))
        return super().with_own(name, value)

    def network(self) -> Graph:
        entries = self._entries()
        return Graph().extend(gunion(entries)) >> Module(self.module, freeze=self.freeze, n_inputs=len(entries))

    def _entries(self) -> list[Any]:
        """What makes the input of each argument, in the order of the arguments."""
        names = self.module.ports() if self.module is not None else ("input",)
        if not isinstance(self.ingress, Mapping):
            if len(names) > 1:
                example = ", ".join(f'{source(name)}: "num"' for name in names)
                raise ConfigError(
                    f"module: forward takes {listing(names)}; say what each of them gets, as in ingress={{{example}}} "
                    '("num", "categ", "ltnsr").'
                )
            return [_entry(self.ingress, "", several=False)]
        if names == ("input",) and len(self.ingress) == 1:
            names = tuple(self.ingress)
        if set(names) != set(self.ingress) and names != ("input",):
            raise ConfigError(f"module: forward takes {listing(names)}, 'ingress' has {listing(self.ingress)}.")
        order = names if set(names) == set(self.ingress) else tuple(self.ingress)
        return [_entry(self.ingress[name], name, several=len(order) > 1) for name in order]


def _entry(given: Any, name: str, several: bool) -> Any:
    if isinstance(given, Graph | PipeOp):
        return given
    if not isinstance(given, str) or given not in INGRESS:
        raise ConfigError(f"module: 'ingress' is {WANTED}, got {given!r}.")
    node = po(INGRESS[given], **({"id": f"{name}_in"} if name else {}))
    if not several or given == "ltnsr":
        return node
    own = CATEGORIES if given == "categ" else ~CATEGORIES
    return po("select", id=f"{name}_columns", selector=own) >> node


def _kind(arguments: dict[str, Any]) -> ModuleNetwork:
    """The architecture of the arguments of a call, of which it takes the module and the module's own."""
    module = arguments.pop("module", None)
    if module is None:
        raise ConfigError('module: give the module, as in lrn("classif.module", module=MyNet, ...).')
    made = own_module(module, {})
    mine = {name: arguments.pop(name) for name in list(arguments) if name in made.own_params()}
    for name, value in mine.items():
        made = made.with_own(name, value)
    return ModuleNetwork(module=made)  # pyright: ignore[reportCallIssue]


register(ModuleNetwork, _kind)


def learner_of(module: Any, *, task_type: str | None = None, **settings: Any) -> NetworkLearner:
    """A learner of a plain `torch.nn.Module`; without a task_type, its loss says which (a classifier where it does not)."""
    loss = settings.get("loss")
    fits = MODELS if loss is None else {kind: None for kind in LOSSES if kind in as_loss(loss, {}).task_types}
    chosen = task_type or next(iter(fits))
    if chosen not in MODELS:
        raise ConfigError(f"as_learner: task_type is {listing(MODELS)}, got {task_type!r}.")
    return lrn(f"{chosen}.module", module=module, **settings)
