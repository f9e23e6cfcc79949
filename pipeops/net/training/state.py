"""What training a network leaves behind, and how it is saved: as a blueprint and weights, without pickle.

Neighbours: network compiles the blueprint; model makes states and predicts from them.
"""

from typing import Any

import attrs
import torch

from pipeops.errors import FormatError
from pipeops.net.inputs.link import Link, link_for
from pipeops.net.network.blueprint import from_topology, restored, room_for, topology
from pipeops.net.network.descriptor import Shape, Symbol
from pipeops.net.training.machine import seeded
from pipeops.net.training.summary import Summary, summarize
from pipeops.saving import saved_as
from pipeops.saving.codecs import fields
from pipeops.saving.declared import declared


@attrs.frozen(eq=False)
class TorchState:
    """A trained network. `symbol` is its blueprint, `inputs` the ingresses in the order of its arguments.

    link: what its outputs mean. epochs: how many were run. history: columns by name. best_epoch: from 1, by the
    first validation measure. internal_valid_scores: of the weights that are here. callbacks: what they kept, by id.
    engine: what made its steps, "rules" or "autograd". vectorized: how many networks were trained together, this one included.
    """

    network: torch.nn.Module
    symbol: Symbol
    inputs: tuple[str, ...]
    link: Link
    seed: int
    epochs: int
    history: dict[str, list[Any]]
    best_epoch: int | None
    internal_valid_scores: dict[str, float]
    callbacks: dict[str, dict[str, Any]]
    vectorized: int = 1
    engine: str = "autograd"

    @property
    def class_names(self) -> list[Any] | None:
        """The classes in level order; None for a regression."""
        return self.link.class_names

    @property
    def shapes(self) -> dict[str, list[Shape]]:
        """The shapes of the values, None for the batch, by the id of what made them, in the order of the network."""
        found: dict[str, list[Shape]] = {}
        for value in self.symbol.ancestors():
            found.setdefault(value.id, []).append(value.shape)
        return found

    def summary(self) -> Summary:
        """A row for each module: what comes out, and how many parameters it has; the engine, and how many trained as one."""
        together = {"networks trained as one": self.vectorized} if self.vectorized > 1 else {}
        return summarize(self.network, self.symbol, epochs=self.epochs, seed=self.seed, engine=self.engine, **together)


def _to_plain(state: TorchState) -> dict[str, Any]:
    return fields(state) | {"network": dict(state.network.state_dict()), "symbol": topology(state.symbol)}


def _from_plain(plain: dict[str, Any]) -> TorchState:
    weights = plain["network"]
    symbol = from_topology(plain["symbol"], room_for(weights))
    names = tuple(s.id for s in symbol.ancestors() if s.spec is None)
    if plain["inputs"] != names:
        raise FormatError(f"load: the network reads {names}, not {plain['inputs']}.")
    if "class_names" in plain:  # files of version 0.1.0
        names_of_classes = plain.pop("class_names")
        plain["link"] = link_for(names_of_classes)
        plain["vectorized"] = plain.pop("stacked", 1)
    with seeded(plain["seed"]):
        made: dict[str, Any] = {"network": restored(symbol, weights).eval(), "symbol": symbol}
    return TorchState(**(plain | made))


saved_as(
    TorchState,
    _from_plain,
    _to_plain,
    plain=lambda: {
        **declared(TorchState),
        "network": dict[str, torch.Tensor],
        "symbol": list[dict],
        "class_names": list[Any] | None,
        "stacked": int,
    },
)
