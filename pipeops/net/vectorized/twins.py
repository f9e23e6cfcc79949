"""Twins: one module that does for K networks at once what each network's own module does for one.

What flows has the network as its first dimension, `(K, batch, ...)`. A linear layer is a batched matrix product, elementwise
modules are themselves, dropout draws each network's mask from its own generator, and everything else goes through
`torch.func.vmap`. `Twins` runs a whole network of them. Whether a twin does what it should is tried on data before it is
used (`trial`), so that a module that looks at the whole batch, or keeps something between calls, is not trained so.
Neighbours: descriptor and network say what the network is; stacked trains it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import attrs
import torch
from torch import nn

from pipeops.net.layers.modules.embedding import CategoricalEmbedding
from pipeops.net.layers.modules.merges import Concatenation, Product, Sum
from pipeops.net.network.descriptor import Symbol

Tensors = Mapping[str, torch.Tensor]
Twin = Callable[..., torch.Tensor]

ELEMENTWISE = frozenset(
    {
        nn.Identity, nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish, nn.Sigmoid,
        nn.LogSigmoid, nn.Hardsigmoid, nn.Hardswish, nn.Hardtanh, nn.Hardshrink, nn.Softshrink, nn.Softplus, nn.Softsign,
        nn.Tanh, nn.Tanhshrink, nn.Threshold,
    }
)  # fmt: skip


@attrs.define(eq=False)
class Draws:
    """What the networks' random modules draw from: a generator each, and how many rows of the present batch are theirs."""

    generators: Sequence[torch.Generator]
    counts: Sequence[int] = ()


def _linear(weight: torch.Tensor, bias: torch.Tensor | None, x: torch.Tensor) -> torch.Tensor:
    """`(K, ..., in) -> (K, ..., out)`, computed as `weight @ x.T`, whose gradients lie in memory as the weights do."""
    flat = x if x.ndim == 3 else x.reshape(len(x), -1, x.shape[-1])
    turned = flat.transpose(1, 2)
    out = torch.bmm(weight, turned) if bias is None else torch.baddbmm(bias.unsqueeze(2), weight, turned)
    return out.transpose(1, 2) if x.ndim == 3 else out.transpose(1, 2).reshape(*x.shape[:-1], -1)


def _dropout(rates: Sequence[float], draws: Draws, x: torch.Tensor) -> torch.Tensor:
    """Zero entries at each network's rate, with the masks that `torch.nn.functional.dropout` would have drawn for it."""
    if not any(rates):
        return x
    mask = torch.ones(x.shape, dtype=x.dtype, device=x.device)
    for own, rate, count, generator in zip(mask, rates, draws.counts, draws.generators, strict=True):
        if rate == 1:
            own.zero_()
        elif rate:
            own[:count].bernoulli_(1 - rate, generator=generator).div_(1 - rate)
    return x * mask


def _layer_norm(module: nn.LayerNorm, params: Tensors, x: torch.Tensor) -> torch.Tensor:
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


def _mapped(module: nn.Module, params: Tensors, buffers: Tensors) -> Twin:
    """Any module, through vmap, which refuses what depends on values or draws random numbers."""
    values = {**params, **buffers}
    if not values:
        return torch.vmap(module)

    def one(values: dict[str, torch.Tensor], *inputs: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(module, values, inputs)

    return partial(torch.vmap(one), values)


def twin(modules: Sequence[nn.Module], params: Tensors, buffers: Tensors, draws: Draws) -> Twin:
    """The twin of the same module of K networks. params, buffers: its own, stacked, by name."""
    module = modules[0]
    kind = type(module)
    if kind is nn.Linear:
        return partial(_linear, params["weight"], params.get("bias"))
    if kind in ELEMENTWISE:
        return module
    if kind is nn.Dropout:
        return partial(_dropout, [m.p for m in modules], draws)  # type: ignore[misc]
    if type(module) is nn.LayerNorm:
        return partial(_layer_norm, module, params)
    if type(module) is CategoricalEmbedding:
        starts = torch.arange(len(modules), device=module.offsets.device) * len(module.weight)
        return partial(_embedding, params["weight"], (starts.unsqueeze(1) + buffers["offsets"]).unsqueeze(1))
    if type(module) is Concatenation:
        return partial(_concatenated, module)
    mapped = _mapped(module, params, buffers)
    return partial(_same_rank, module, mapped) if kind in (Sum, Product) else mapped


class Twins:
    """K networks of one blueprint as one: `(K, batch, ...)` for each ingress in, `(K, batch, width)` out.

    params: the stacked parameters by name, leaves of autograd.
    """

    def __init__(self, symbol: Symbol, networks: Sequence[nn.Module], draws: Draws):
        self.params = _stacked([dict(n.named_parameters()) for n in networks])
        buffers = _stacked([dict(n.named_buffers()) for n in networks])
        symbols = symbol.ancestors()
        self.inputs = [s.id for s in symbols if s.spec is None]
        self.output = symbol.id
        self.steps = [
            (s.id, tuple(i.id for i in s.inputs), twin(modules, _under(self.params, s.id), _under(buffers, s.id), draws))
            for s in symbols
            if s.spec is not None and (modules := [n.get_submodule(s.id) for n in networks])
        ]

    def hand_out(self, networks: Iterable[nn.Module]) -> None:
        """Let the networks' parameters be slices of the stacks."""
        slices = {name: stack.detach().unbind(0) for name, stack in self.params.items()}
        for k, network in enumerate(networks):
            for name, param in network.named_parameters():
                param.data = slices[name][k]

    def __call__(self, *inputs: torch.Tensor) -> torch.Tensor:
        values = dict(zip(self.inputs, inputs, strict=True))
        for id, sources, made in self.steps:
            values[id] = made(*[values[s] for s in sources])
        return values[self.output]


def _stacked(several: Sequence[Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    first = several[0]
    stacks = {name: torch.stack([one[name].detach() for one in several]) for name in first}
    return {name: stack.requires_grad_(first[name].requires_grad) for name, stack in stacks.items()}


def _under(tensors: Tensors, id: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(f"{id}."): t for name, t in tensors.items() if name.startswith(f"{id}.")}
