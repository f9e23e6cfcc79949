"""Rules of layers with weights: linear, embedding, parametric ReLU. Neighbours: base below; the table of layers names these."""

from collections.abc import Callable, Sequence

import torch

from pipeops.net.rules.base import Call, Made


def linear(call: Call, x: torch.Tensor) -> Made:
    """`x W^T + b`: one batched product forward, one each for the gradients of weights and input."""
    weight, bias = call.params["weight"], call.params.get("bias")
    out = x.new_empty((*x.shape[:-1], weight.shape[1]))
    back = torch.empty_like(x) if call.wanted[0] else None
    k, turned = len(x), weight.transpose(1, 2)
    flat_out, flat_back = out.view(k, -1, out.shape[-1]), None if back is None else back.view(k, -1, x.shape[-1])
    added = None if bias is None else bias.unsqueeze(1)
    weight_grad, bias_grad = call.grads.get("weight"), call.grads.get("bias")
    product = torch.bmm if weight.shape[1] > 1 else torch.mul  # of a column and a row, which broadcasting makes faster
    seen: list[torch.Tensor] = [out, out.transpose(-1, -2)]  # a slope and the same turned; it mostly comes in one buffer
    total = None if bias_grad is None else _total(flat_out, bias_grad)

    def forward(x: torch.Tensor) -> torch.Tensor:
        flat = x if x.ndim == 3 else x.reshape(k, -1, x.shape[-1])
        if added is None:
            torch.bmm(flat, turned, out=flat_out)
        else:
            torch.baddbmm(added, flat, turned, out=flat_out)
        return out

    def backward(slope: torch.Tensor, x: torch.Tensor) -> Sequence[torch.Tensor | None]:
        if slope.ndim > 3:
            slope, x = slope.reshape(k, -1, slope.shape[-1]), x.reshape(k, -1, x.shape[-1])
        if slope is not seen[0]:
            seen[:] = slope, slope.transpose(1, 2)
        if weight_grad is not None:
            torch.bmm(seen[1], x, out=weight_grad)
        if total is not None:
            total(slope)
        if flat_back is not None:
            product(slope, weight, out=flat_back)
        return (back,)

    return Made(out, forward, backward)


SMALL = 1 << 15


def _total(like: torch.Tensor, to: torch.Tensor) -> Callable[[torch.Tensor], object]:
    """What writes the sum over the batch of `(K, batch, width)`: few numbers are added faster by a product with ones."""
    if like.numel() > SMALL:
        return lambda slope: torch.sum(slope, 1, out=to)
    ones, row = like.new_ones((len(like), 1, like.shape[1])), to.unsqueeze(1)
    return lambda slope: torch.bmm(ones, slope, out=row)


def embedding(call: Call, codes: torch.Tensor) -> Made:
    """Rows of each network's table: `(K, batch, columns) -> (K, batch, columns, dim)`."""
    weight, offsets, grad = call.params["weight"], call.buffers["offsets"], call.grads.get("weight")
    dim, places = weight.shape[-1], torch.empty_like(codes)
    out = weight.new_empty((*codes.shape, dim))
    columns = offsets.unsqueeze(1)

    def forward(codes: torch.Tensor) -> torch.Tensor:
        torch.add(codes, columns, out=places)
        for own, row, to in zip(weight.unbind(), places.unbind(), out.unbind(), strict=True):
            torch.index_select(own, 0, row.view(-1), out=to.view(-1, dim))
        return out

    def backward(slope: torch.Tensor, codes: torch.Tensor) -> Sequence[torch.Tensor | None]:
        if grad is not None:
            grad.zero_()
            for own, row, of in zip(grad.unbind(), places.unbind(), slope.unbind(), strict=True):
                own.index_add_(0, row.view(-1), of.reshape(-1, dim))
        return (None,)

    return Made(out, forward, backward)


def prelu(call: Call, x: torch.Tensor) -> Made:
    """`x` above zero and `w x` below, w for all or for each entry of dimension 1 (of one network)."""
    weight = call.params["weight"]
    shape = (len(x), 1, weight.shape[1], *[1] * (x.ndim - 3)) if x.ndim > 2 else (len(x), 1)
    factor, out, grads = weight.view(shape), torch.empty_like(x), call.grads

    def forward(x: torch.Tensor) -> torch.Tensor:
        return torch.where(x > 0, x, x * factor, out=out)

    def backward(slope: torch.Tensor, x: torch.Tensor) -> Sequence[torch.Tensor | None]:
        below = x.clamp(max=0) * slope
        if "weight" in grads:
            grads["weight"].copy_(below.sum_to_size(shape).view_as(weight))
        return (torch.where(x > 0, slope, slope * factor) if call.wanted[0] else None,)

    return Made(out, forward, backward)
