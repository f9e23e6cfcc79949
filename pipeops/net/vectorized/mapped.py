"""The way through autograd: one module that does for K networks at once what each network's own module does for one.

What flows has the network as its first dimension, `(K, batch, ...)`. A linear layer is a batched matrix product, elementwise
modules are themselves, dropout draws each network's mask from its own generator, and everything else goes through
`torch.func.vmap`, which refuses what depends on values or draws random numbers; runs that it refuses are trained alone.
Neighbours: wiring says what the network is; the ensemble trains it.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn

from pipeops.net.layers.modules.embedding import CategoricalEmbedding
from pipeops.net.layers.modules.merges import Concatenation, Product, Sum
from pipeops.net.losses.of_terms import LossRule
from pipeops.net.vectorized.plans import NotRuledError, Plan, Wire

NamedTensors = Mapping[str, torch.Tensor]
Twin = Callable[..., torch.Tensor]

ELEMENTWISE = frozenset(
    {
        nn.Identity, nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish, nn.Sigmoid,
        nn.LogSigmoid, nn.Hardsigmoid, nn.Hardswish, nn.Hardtanh, nn.Hardshrink, nn.Softshrink, nn.Softplus, nn.Softsign,
        nn.Tanh, nn.Tanhshrink, nn.Threshold,
    }
)  # fmt: skip


def _linear(weight: torch.Tensor, bias: torch.Tensor | None, x: torch.Tensor) -> torch.Tensor:
    """`(K, ..., in) -> (K, ..., out)`, computed as `weight @ x.T`, whose gradients lie in memory as the weights do."""
    flat = x if x.ndim == 3 else x.reshape(len(x), -1, x.shape[-1])
    turned = flat.transpose(1, 2)
    out = torch.bmm(weight, turned) if bias is None else torch.baddbmm(bias.unsqueeze(2), weight, turned)
    return out.transpose(1, 2) if x.ndim == 3 else out.transpose(1, 2).reshape(*x.shape[:-1], -1)


def _dropout(modules: Sequence[nn.Dropout], generators: Sequence[torch.Generator], x: torch.Tensor) -> torch.Tensor:
    """Zero entries at each network's rate, with the masks that `torch.nn.functional.dropout` would have drawn for it."""
    mask = torch.ones(x.shape, dtype=x.dtype, device=x.device)
    for own, module, generator in zip(mask, modules, generators, strict=True):
        if module.p == 1:
            own.zero_()
        elif module.p:
            own.bernoulli_(1 - module.p, generator=generator).div_(1 - module.p)
    return x * mask


def _layer_norm(module: nn.LayerNorm, params: NamedTensors, x: torch.Tensor) -> torch.Tensor:
    out = nn.functional.layer_norm(x, module.normalized_shape, eps=module.eps)
    shape = (len(x), *[1] * (x.ndim - 1 - len(module.normalized_shape)), *module.normalized_shape)
    if "weight" in params:
        out = out * params["weight"].view(shape)
    return out + params["bias"].view(shape) if "bias" in params else out


def _embedding(weight: torch.Tensor, offsets: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    """`(K, batch, columns) -> (K, batch, columns, dim)`, from the rows of one long table."""
    return nn.functional.embedding(codes + offsets, weight.reshape(-1, weight.shape[-1]))


def _same_rank(module: nn.Module, mapped: Twin, *inputs: torch.Tensor) -> torch.Tensor:
    """Sums and products broadcast as they are, unless an input has fewer dimensions."""
    return module(*inputs) if len({x.ndim for x in inputs}) == 1 else mapped(*inputs)


def _concatenated(module: Concatenation, *inputs: torch.Tensor) -> torch.Tensor:
    return torch.cat(inputs, dim=module.dim if module.dim < 0 else module.dim + 1)


def _mapped(module: nn.Module, params: NamedTensors, buffers: NamedTensors) -> Twin:
    """Any module that keeps nothing between calls, through vmap."""
    if any(isinstance(part, nn.modules.batchnorm._NormBase) and part.track_running_stats for part in module.modules()):
        raise NotRuledError
    values = {**params, **buffers}
    if not values:
        return torch.vmap(module)

    def one(values: dict[str, torch.Tensor], *inputs: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(module, values, inputs)

    return partial(torch.vmap(one), values)


def twin(modules: Sequence[Any], params: NamedTensors, buffers: NamedTensors, generators: Sequence[torch.Generator]) -> Twin:
    """The twin of the same module of K networks. params, buffers: its own, `(K, ...)`, by name."""
    module, kind = modules[0], type(modules[0])
    if kind is nn.Linear:
        return partial(_linear, params["weight"], params.get("bias"))
    if kind in ELEMENTWISE:
        return module
    if kind is nn.Dropout:
        return partial(_dropout, modules, generators)
    if kind is nn.LayerNorm:
        return partial(_layer_norm, module, params)
    if kind is CategoricalEmbedding:
        starts = torch.arange(len(modules), device=module.offsets.device) * len(module.weight)
        return partial(_embedding, params["weight"], (starts.unsqueeze(1) + buffers["offsets"]).unsqueeze(1))
    if kind is Concatenation:
        return partial(_concatenated, module)
    mapped = _mapped(module, params, buffers)
    return partial(_same_rank, module, mapped) if kind in (Sum, Product) else mapped


class MappedPlan(Plan):
    """Networks by twins and autograd; rows of all sizes go through the same."""

    def __init__(self, wires: Sequence[Wire], generators: Sequence[torch.Generator], inputs: Sequence[torch.Tensor]):
        self.leaves = [{n: p.detach().requires_grad_(n in wire.grads) for n, p in wire.params.items()} for wire in wires]
        self.wires = wires
        self.steps = [
            (twin(wire.modules, leaves, wire.buffers, generators), wire.sources)
            for wire, leaves in zip(wires, self.leaves, strict=True)
        ]
        self.output: torch.Tensor = inputs[0]

    def forward(self, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        with torch.enable_grad():
            values = [x.clone() for x in inputs]
            for call, sources in self.steps:
                values.append(call(*[values[i] for i in sources]))
        self.output = values[-1]
        return self.output.detach()

    def backward(self, slope: torch.Tensor) -> None:
        self.output.backward(slope)
        for wire, leaves in zip(self.wires, self.leaves, strict=True):
            for name, grad in wire.grads.items():
                found = leaves[name].grad
                if found is None:
                    raise NotRuledError
                grad.copy_(found)
                leaves[name].grad = None


class OneByOne(LossRule):
    """Losses without a rule, by autograd from the outputs, network by network."""

    def __init__(self, losses: Sequence[Callable[..., torch.Tensor]]):
        self.losses = losses

    def fits(self, width: int, target: torch.Tensor) -> bool:
        return True

    def slope(self, output: torch.Tensor, target: Any, out: torch.Tensor) -> torch.Tensor:
        values: list[torch.Tensor] = []
        given = target if isinstance(target, tuple) else (target,)
        for loss, own, to, *labels in zip(self.losses, output, out, *given, strict=True):
            leaf = own.clone().requires_grad_()
            with torch.enable_grad():
                value = loss(leaf, *[t.clone() for t in labels])
            to.copy_(torch.autograd.grad(value, leaf)[0])
            values.append(value.detach())
        return torch.stack(values)
