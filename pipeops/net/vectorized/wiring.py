"""From courses to an ensemble: whether rules hold for every call, and the tensors of K networks that they work on.

A rule holds for a module as it was made: nothing listens to it, its class and its `forward` are those of its row, and it does not
work in place. Neighbours: plans and ensemble use what is made here.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import nn as torch_nn

from pipeops.net.losses.rules import loss_rule
from pipeops.net.losses.weighted import ByRows
from pipeops.net.network.descriptor import Symbol
from pipeops.net.optimizers.joint import Joint, joint
from pipeops.net.rules.base import Rule
from pipeops.net.training.course import Course
from pipeops.net.training.plain import called_once, is_known, is_plain, is_tied
from pipeops.net.vectorized.plans import Wire
from pipeops.shorthand import nn


class Joined(NamedTuple):
    """A tensor of K networks as one `(K, ...)`; each network's own is a view of it until it is given back."""

    whole: torch.Tensor
    several: Sequence[torch.Tensor]
    own: Sequence[torch.Tensor]

    def give(self) -> None:
        """Let each have its own memory again."""
        for k, (tensor, own) in enumerate(zip(self.several, self.own, strict=True)):
            own.copy_(self.whole[k])
            tensor.data = own


def joined(several: Sequence[torch.Tensor]) -> Joined:
    """Tensors of K networks as one; that of one network is itself."""
    if len(several) == 1:
        return Joined(several[0].detach().unsqueeze(0), (), ())
    whole, own = torch.stack([t.detach() for t in several]), [t.data for t in several]
    for k, tensor in enumerate(several):
        tensor.data = whole[k]
    return Joined(whole, several, own)


def rule_of(symbol: Symbol, module: Any) -> Rule | None:
    """The rule of the call that makes this value, where it holds for the module."""
    spec = symbol.spec
    assert spec is not None
    node: Any = nn[spec.key] if spec.key in nn else None  # noqa: SIM401 a registry has no get
    rule, wraps = getattr(node, "rule", None), getattr(node, "torch_module", None)
    same = wraps is spec.module and (type(module) is wraps or not isinstance(wraps, type)) and "forward" not in vars(module)
    patched = type(module).__module__.startswith("torch.") and not is_known(module)
    return rule if same and not patched and not getattr(module, "inplace", False) else None


def has_rules(course: Course) -> bool:
    """Whether the network of a course, as it is now, can be trained by rules."""
    weighted = course.trainer.epochs.batches.weights is not None
    if course.general or weighted != isinstance(course.trainer.ctx.loss, ByRows) or not is_plain(course):
        return False
    symbols = [s for s in course.symbol.ancestors() if s.spec is not None]
    if not called_once(symbols) or not course.machine.is_cpu:
        return False
    found = dict(course.network.named_modules())
    known = all(s.id in found and rule_of(s, found[s.id]) is not None for s in symbols)
    trainer = course.trainer
    loss = loss_rule([trainer.ctx.loss], trainer.link.width, course.tensors[-1])
    return known and loss is not None and not is_tied(course.network)


class JoinedNetworks(NamedTuple):
    """The networks of some courses as one."""

    wires: list[Wire]
    joint: Joint
    buffers: list[Joined]


def held(courses: Sequence[Course]) -> JoinedNetworks | None:
    """The calls of the courses' blueprint over their tensors; None where their optimizers do not join."""
    networks = [course.network for course in courses]
    together = joint([course.trainer.ctx.stepper for course in courses], networks)
    if together is None:
        return None
    together.take()
    trained = [name for name, p in networks[0].named_parameters() if p.requires_grad]
    params, grads = dict(zip(trained, together.stacks, strict=True)), dict(zip(trained, together.grads, strict=True))
    frozen = {n: joined(several) for n, several in _several(networks, "named_parameters") if n not in params}
    buffers = {n: joined(several) for n, several in _several(networks, "named_buffers")}
    values = params | {n: s.whole for n, s in frozen.items()}
    symbols = courses[0].symbol.ancestors()
    places = {s.id: i for i, s in enumerate([*(s for s in symbols if s.spec is None), *(s for s in symbols if s.spec)])}
    wires = [
        Wire(
            rule_of(s, networks[0].get_submodule(s.id)),
            [network.get_submodule(s.id) for network in networks],
            [places[i.id] for i in s.inputs],
            _under(values, s.id),
            _under(grads, s.id),
            _under({n: b.whole for n, b in buffers.items()}, s.id),
        )
        for s in symbols
        if s.spec is not None
    ]
    return JoinedNetworks(wires, together, [*frozen.values(), *buffers.values()])


def _several(networks: Sequence[torch_nn.Module], which: str) -> list[tuple[str, list[torch.Tensor]]]:
    named = [dict(getattr(network, which)()) for network in networks]
    return [(name, [own[name] for own in named]) for name in named[0]]


def _under(tensors: dict[str, torch.Tensor], id: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(f"{id}."): t for name, t in tensors.items() if name.startswith(f"{id}.")}
