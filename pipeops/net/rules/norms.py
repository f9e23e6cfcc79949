"""Rules of normalizations: batch norm over the rows of each network's own batch, layer norm, RMS norm.

Neighbours: base below; the table of layers names these.
"""

from collections.abc import Sequence
from typing import Any

import torch

from pipeops.net.rules.base import Call, Made, beside, summed

aten: Any = torch.ops.aten
_batch_norm = aten.native_batch_norm.out._op  # past a Python layer
_batch_norm_backward = aten.native_batch_norm_backward.default._op


def layer_norm(call: Call, x: torch.Tensor) -> Made:
    """Mean 0 and variance 1 over the last dimensions, then each network's scale and shift (Ba et al. 2016)."""
    module, params, grads = call.modules[0], call.params, call.grads
    shape, eps = list(module.normalized_shape), module.eps
    weight = beside(params["weight"], x) if "weight" in params else None
    bias = beside(params["bias"], x) if "bias" in params else None
    kept: list[torch.Tensor] = [x, x, x]
    out = torch.empty_like(x)

    def forward(x: torch.Tensor) -> torch.Tensor:
        kept[:] = torch.native_layer_norm(x, shape, None, None, eps)
        if weight is None:
            return kept[0]
        torch.mul(kept[0], weight, out=out)
        return out if bias is None else out.add_(bias)

    def backward(slope: torch.Tensor, x: torch.Tensor) -> Sequence[torch.Tensor | None]:
        normed, mean, scale = kept
        if "weight" in grads:
            summed(grads, "weight", slope * normed)
        summed(grads, "bias", slope)
        if not call.wanted[0]:
            return (None,)
        inner = slope.contiguous() if weight is None else slope * weight
        return (aten.native_layer_norm_backward(inner, x, shape, mean, scale, None, None, [True, False, False])[0],)

    return Made(out, forward, backward)


def rms_norm(call: Call, x: torch.Tensor) -> Made:
    """Mean square 1 over the last dimensions, then each network's scale (Zhang & Sennrich 2019)."""
    module, params, grads = call.modules[0], call.params, call.grads
    over = tuple(range(-len(module.normalized_shape), 0))
    eps = torch.finfo(x.dtype).eps if module.eps is None else module.eps
    weight = beside(params["weight"], x) if "weight" in params else None
    out, normed, scale = torch.empty_like(x), torch.empty_like(x), [x]

    def forward(x: torch.Tensor) -> torch.Tensor:
        scale[0] = x.square().mean(over, keepdim=True).add_(eps).rsqrt_()
        torch.mul(x, scale[0], out=normed)
        return normed if weight is None else torch.mul(normed, weight, out=out)

    def backward(slope: torch.Tensor, x: torch.Tensor) -> Sequence[torch.Tensor | None]:
        if "weight" in grads:
            summed(grads, "weight", slope * normed)
        if not call.wanted[0]:
            return (None,)
        inner = slope if weight is None else slope * weight
        return ((inner - normed * (inner * normed).mean(over, keepdim=True)).mul_(scale[0]),)

    return Made(out, forward, backward)


def batch_norm(call: Call, x: torch.Tensor) -> Made:
    """Mean 0 and variance 1 over the rows of each network's batch, or by its running statistics in eval mode."""
    out, back = torch.empty_like(x), torch.empty_like(x)
    outs = out.unbind()
    norms = [_BatchNorm(call, k, own) for k, own in enumerate(x.unbind())]

    def forward(x: torch.Tensor) -> torch.Tensor:
        for norm, own, to in zip(norms, x.unbind(), outs, strict=True):
            norm.forward(own, to)
        return out

    def backward(slope: torch.Tensor, x: torch.Tensor) -> Sequence[torch.Tensor | None]:
        found = [norm.backward(of, own) for norm, of, own in zip(norms, slope.unbind(), x.unbind(), strict=True)]
        if not call.wanted[0]:
            return (None,)
        return (found[0].unsqueeze(0) if len(found) == 1 else torch.stack(found, out=back),)

    return Made(out, forward, backward)


class _BatchNorm:
    """Batch norm of one of the networks."""

    def __init__(self, call: Call, k: int, x: torch.Tensor):
        self.module = call.modules[k]
        self.weight, self.bias = (call.params[n][k] if n in call.params else None for n in ("weight", "bias"))
        self.grads = [call.grads[n][k] if n in call.grads else None for n in ("weight", "bias")]
        self.mean, self.variance = (call.buffers[n][k] if n in call.buffers else None for n in ("running_mean", "running_var"))
        self.seen = call.buffers["num_batches_tracked"][k] if "num_batches_tracked" in call.buffers else None
        self.by_batch = self.module.training or self.mean is None
        self.mask = [call.wanted[0], *(grad is not None for grad in self.grads)]
        width = x.shape[1]
        self.saved = (x.new_empty(width), x.new_empty(width)) if self.by_batch else (x.new_empty(0), x.new_empty(0))

    def forward(self, x: torch.Tensor, out: torch.Tensor) -> None:
        if self.by_batch and x.numel() == x.shape[1]:
            raise ValueError(f"Expected more than 1 value per channel when training, got input size {x.shape}")
        momentum = self.module.momentum
        if self.module.training and self.seen is not None:
            self.seen.add_(1)
            momentum = 1 / float(self.seen) if momentum is None else momentum
        mean, scale = self.saved
        _batch_norm(
            x,
            self.weight,
            self.bias,
            self.mean,
            self.variance,
            self.by_batch,
            momentum or 0.0,
            self.module.eps,
            out=out,
            save_mean=mean,
            save_invstd=scale,
        )

    def backward(self, slope: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        back, *made = _batch_norm_backward(
            slope, x, self.weight, self.mean, self.variance, *self.saved, self.by_batch, self.module.eps, self.mask
        )
        for grad, value in zip(self.grads, made, strict=True):
            if grad is not None:
                grad.copy_(value)
        return back
