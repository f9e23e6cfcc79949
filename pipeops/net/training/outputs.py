"""What the outputs of a network mean: its link, chosen from task, loss and model node, and a head of the size that it needs.

Classes and labels follow from the task. Of a regression the loss says what it wants (`TorchLoss.output`), and one that takes
anything gets what is asked for by `predict_type`. Neighbours: links below; set-up asks before anything else.
"""

from typing import TYPE_CHECKING, Any

import attrs

from pipeops.errors import ConfigError
from pipeops.net.inputs.link import Link, link_of
from pipeops.net.inputs.link_multi import MultiRegrLink
from pipeops.net.inputs.link_regr import GaussianLink, NumberLink, quantile_link
from pipeops.net.network.descriptor import ModelDescriptor, Symbol
from pipeops.params import UNSET

if TYPE_CHECKING:
    from pipeops.net.training.model import TorchModel

ASKED = {"se": "gaussian", "quantiles": "quantiles"}
NEEDS = {
    "gaussian": 'a loss that learns a variance, loss="gaussian_nll"',
    "quantiles": 'a loss for quantiles, loss="pinball"',
}


def link_of_run(node: "TorchModel", descriptor: ModelDescriptor) -> Link:
    """What the outputs of this network are to mean; refused where node and loss want different things."""
    task, loss = descriptor.feed.task, descriptor.loss
    if loss is None or task.task_type != node.task_type or task.task_type not in ("regr", "multiregr"):
        return link_of(task)
    if task.task_type == "multiregr":
        return MultiRegrLink(task.target_names, exponential=loss.output == "exponential")
    kind = _kind(node, loss)
    if kind == "gaussian":
        return GaussianLink()
    if kind == "quantiles":
        return quantile_link(str(node.id), _probs(node, loss))
    return NumberLink(exponential=kind == "exponential")


def _kind(node: Any, loss: Any) -> str:
    asked = "quantiles" if node.quantiles is not None else ASKED.get(node.predict_type)
    given = loss.output
    if asked and given and asked != given:
        why = f"predict_type={node.predict_type!r}" if node.predict_type in ASKED else f"quantiles={node.quantiles!r}"
        raise ConfigError(f"{node.id}: {why} needs {NEEDS[asked]}, got {loss!r}.")
    return given or asked or "number"


def _probs(node: Any, loss: Any) -> Any:
    own, of_loss = node.quantiles, loss.params.get("quantiles")
    if own is not None and of_loss not in (None, UNSET) and sorted(own) != sorted(of_loss):
        raise ConfigError(f"{node.id}: the loss has the quantiles {of_loss!r} and this node {own!r}; give them once.")
    found = own if own is not None else of_loss
    if found in (None, UNSET):
        raise ConfigError(f"{node.id}: say which quantiles: quantiles=[0.1, 0.5, 0.9].")
    return found


HEADS = ("head", "member_head", "constant")
"""The layers that size themselves."""


def with_head(descriptor: ModelDescriptor, link: Link) -> ModelDescriptor:
    """The descriptor with a head at its end made as wide as the link needs; any other end stays as it is."""
    symbol: Symbol = descriptor.symbol
    if symbol.spec is None or symbol.spec.key not in HEADS or symbol.shape[1] == link.width:
        return descriptor
    spec = attrs.evolve(symbol.spec, arguments={**symbol.spec.arguments, "out_features": link.width})
    return attrs.evolve(descriptor, symbol=attrs.evolve(symbol, spec=spec, shape=(symbol.shape[0], link.width)))
