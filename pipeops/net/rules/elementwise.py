"""Rules of activations and of dropout that acts on single elements, by torch's own kernels for value and gradient.

Neighbours: base below; the table of layers names these.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from pipeops.net.rules.base import Call, Made, Rule

aten: Any = torch.ops.aten
functions: Any = torch._C._nn  # pyright: ignore[reportAttributeAccessIssue] - where torch has these with `out`


def elementwise(value: Callable[..., Any], gradient: Callable[..., Any], settings: Sequence[str] = (), of: str = "input") -> Rule:
    """The rule of a function of single numbers.

    value: `(x, *settings, out=)`. gradient: `(slope, x, *settings, grad_input=)`, or of what came out in place of x. settings:
    the attributes of the module that both take.
    """

    def rule(call: Call, x: torch.Tensor) -> Made:
        given = [getattr(call.modules[0], name) for name in settings]
        out, back, wanted = torch.empty_like(x), torch.empty_like(x), call.wanted[0]

        def forward(x: torch.Tensor) -> torch.Tensor:
            return value(x, *given, out=out)

        def backward(slope: torch.Tensor, x: torch.Tensor) -> Sequence[torch.Tensor | None]:
            return (gradient(slope, x if of == "input" else out, *given, grad_input=back) if wanted else None,)

        return Made(out, forward, backward)

    return rule


_relu_backward = aten.threshold_backward.grad_input._op  # past a Python layer


def _relu_gradient(slope: torch.Tensor, out: torch.Tensor, *, grad_input: torch.Tensor) -> torch.Tensor:
    return _relu_backward(slope, out, 0, grad_input=grad_input)


def _relu(x: torch.Tensor, *, out: torch.Tensor) -> torch.Tensor:
    return torch.clamp_min(x, 0, out=out)


def _relu6(x: torch.Tensor, *, out: torch.Tensor) -> torch.Tensor:
    return torch.clamp(x, 0, 6, out=out)


def _relu6_gradient(slope: torch.Tensor, x: torch.Tensor, *, grad_input: torch.Tensor) -> torch.Tensor:
    return aten.hardtanh_backward.grad_input(slope, x, 0.0, 6.0, grad_input=grad_input)


def _leaky_gradient(slope: torch.Tensor, x: torch.Tensor, leak: float, *, grad_input: torch.Tensor) -> torch.Tensor:
    return aten.leaky_relu_backward.grad_input(slope, x, leak, False, grad_input=grad_input)


def _exponential(x: torch.Tensor, alpha: float, *, out: torch.Tensor) -> torch.Tensor:
    return functions.elu(x, alpha, out=out)


def _exponential_gradient(slope: torch.Tensor, x: torch.Tensor, alpha: float, *, grad_input: torch.Tensor) -> torch.Tensor:
    return aten.elu_backward.grad_input(slope, alpha, 1.0, 1.0, False, x, grad_input=grad_input)


def _celu(x: torch.Tensor, alpha: float, *, out: torch.Tensor) -> torch.Tensor:
    return functions.elu(x, alpha, 1.0, 1.0 / alpha, out=out)


def _celu_gradient(slope: torch.Tensor, x: torch.Tensor, alpha: float, *, grad_input: torch.Tensor) -> torch.Tensor:
    return aten.elu_backward.grad_input(slope, alpha, 1.0, 1.0 / alpha, False, x, grad_input=grad_input)


SELU = (1.6732632423543772848170429916717, 1.0507009873554804934193349852946, 1.0)
"""Klambauer et al. 2017."""


def _selu(x: torch.Tensor, *, out: torch.Tensor) -> torch.Tensor:
    return functions.elu(x, *SELU, out=out)


def _selu_gradient(slope: torch.Tensor, x: torch.Tensor, *, grad_input: torch.Tensor) -> torch.Tensor:
    return aten.elu_backward.grad_input(slope, *SELU, False, x, grad_input=grad_input)


def _gelu(x: torch.Tensor, approximate: str, *, out: torch.Tensor) -> torch.Tensor:
    return functions.gelu(x, approximate=approximate, out=out)


def _gelu_gradient(slope: torch.Tensor, x: torch.Tensor, approximate: str, *, grad_input: torch.Tensor) -> torch.Tensor:
    return aten.gelu_backward.grad_input(slope, x, approximate=approximate, grad_input=grad_input)


def _mish_gradient(slope: torch.Tensor, x: torch.Tensor, *, grad_input: torch.Tensor) -> torch.Tensor:
    return aten.mish_backward(slope, x)


def _hardswish_gradient(slope: torch.Tensor, x: torch.Tensor, *, grad_input: torch.Tensor) -> torch.Tensor:
    return aten.hardswish_backward(slope, x)


def _log_sigmoid_gradient(slope: torch.Tensor, x: torch.Tensor, *, grad_input: torch.Tensor) -> torch.Tensor:
    return torch.mul(torch.sigmoid(-x), slope, out=grad_input)


def _softsign(x: torch.Tensor, *, out: torch.Tensor) -> torch.Tensor:
    return torch.div(x, x.abs().add_(1), out=out)


def _softsign_gradient(slope: torch.Tensor, x: torch.Tensor, *, grad_input: torch.Tensor) -> torch.Tensor:
    return torch.div(slope, x.abs().add_(1).square_(), out=grad_input)


def _tanhshrink(x: torch.Tensor, *, out: torch.Tensor) -> torch.Tensor:
    return torch.sub(x, x.tanh(), out=out)


def _tanhshrink_gradient(slope: torch.Tensor, x: torch.Tensor, *, grad_input: torch.Tensor) -> torch.Tensor:
    return torch.mul(slope, x.tanh().square_(), out=grad_input)


def _threshold(x: torch.Tensor, threshold: float, value: float, *, out: torch.Tensor) -> torch.Tensor:
    return aten.threshold.out(x, threshold, value, out=out)


def _threshold_gradient(
    slope: torch.Tensor, x: torch.Tensor, threshold: float, value: float, *, grad_input: torch.Tensor
) -> torch.Tensor:
    return aten.threshold_backward.grad_input(slope, x, threshold, grad_input=grad_input)


relu = elementwise(_relu, _relu_gradient, of="output")
relu6 = elementwise(_relu6, _relu6_gradient)
leaky_relu = elementwise(functions.leaky_relu, _leaky_gradient, ["negative_slope"])
elu = elementwise(_exponential, _exponential_gradient, ["alpha"])
celu = elementwise(_celu, _celu_gradient, ["alpha"])
selu = elementwise(_selu, _selu_gradient)
gelu = elementwise(_gelu, _gelu_gradient, ["approximate"])
silu = elementwise(functions.silu, aten.silu_backward.grad_input)
mish = elementwise(functions.mish, _mish_gradient)
sigmoid = elementwise(torch.sigmoid, aten.sigmoid_backward.grad_input, of="output")
log_sigmoid = elementwise(functions.log_sigmoid, _log_sigmoid_gradient)
hardsigmoid = elementwise(functions.hardsigmoid, aten.hardsigmoid_backward.grad_input)
hardswish = elementwise(functions.hardswish, _hardswish_gradient)
hardtanh = elementwise(functions.hardtanh, aten.hardtanh_backward.grad_input, ["min_val", "max_val"])
hardshrink = elementwise(aten.hardshrink.out, aten.hardshrink_backward.grad_input, ["lambd"])
softshrink = elementwise(functions.softshrink, aten.softshrink_backward.grad_input, ["lambd"])
softplus = elementwise(functions.softplus, aten.softplus_backward.grad_input, ["beta", "threshold"])
softsign = elementwise(_softsign, _softsign_gradient)
tanh = elementwise(torch.tanh, aten.tanh_backward.grad_input, of="output")
tanhshrink = elementwise(_tanhshrink, _tanhshrink_gradient)
threshold = elementwise(_threshold, _threshold_gradient, ["threshold", "value"])


def dropout(call: Call, x: torch.Tensor) -> Made:
    """Zero entries at each network's rate, with the masks that it would draw alone: one over the rate of keeping, or zero."""
    mask, out, back = torch.ones_like(x), torch.empty_like(x), torch.empty_like(x)
    parts = list(zip(mask.unbind(), call.modules, call.generators, strict=True))
    idle = not any(m.p and m.training for m in call.modules)

    def forward(x: torch.Tensor) -> torch.Tensor:
        if idle:
            return x
        for own, module, generator in parts:
            rate = module.p if module.training else 0.0
            if rate == 1:
                own.zero_()
            elif rate:
                own.bernoulli_(1 - rate, generator=generator).div_(1 - rate)
        return torch.mul(x, mask, out=out)

    def backward(slope: torch.Tensor, x: torch.Tensor) -> Sequence[torch.Tensor | None]:
        return (slope if idle else torch.mul(slope, mask, out=back),) if call.wanted[0] else (None,)

    return Made(out, forward, backward)


def rrelu(call: Call, x: torch.Tensor) -> Made:
    """`x` above zero and `a x` below, a factor drawn for each entry in training, and their mean otherwise (Xu et al. 2015)."""
    out, noise, back = torch.empty_like(x), torch.zeros_like(x), torch.empty_like(x)
    parts = list(zip(noise.unbind(), out.unbind(), call.modules, call.generators, strict=True))

    def forward(x: torch.Tensor) -> torch.Tensor:
        for own, (drawn, to, module, generator) in zip(x.unbind(), parts, strict=True):
            aten.rrelu_with_noise.out(own, drawn, module.lower, module.upper, module.training, generator, out=to)
        return out

    def backward(slope: torch.Tensor, x: torch.Tensor) -> Sequence[torch.Tensor | None]:
        if not call.wanted[0]:
            return (None,)
        for of, own, to, (drawn, _, m, _) in zip(slope.unbind(), x.unbind(), back.unbind(), parts, strict=True):
            to.copy_(aten.rrelu_with_noise_backward(of, own, drawn, m.lower, m.upper, m.training, False))
        return (back,)

    return Made(out, forward, backward)


ALPHA = 1.7580993408473766
"""Minus the value that a dropped entry gets (Klambauer et al. 2017)."""


def alpha_dropout(call: Call, x: torch.Tensor) -> Made:
    """Set entries to a low value and rescale, so that mean and variance stay."""
    factor, shift, out, back = torch.ones_like(x), torch.zeros_like(x), torch.empty_like(x), torch.empty_like(x)

    def draw(factor: torch.Tensor, shift: torch.Tensor, rate: float, generator: torch.Generator) -> None:
        if rate == 1:
            factor.zero_()
        elif rate:
            scale = 1 / ((ALPHA * ALPHA * rate + 1) * (1 - rate)) ** 0.5
            factor.bernoulli_(1 - rate, generator=generator)
            torch.sub(factor, 1, out=shift).mul_(ALPHA * scale).add_(ALPHA * scale * rate)
            factor.mul_(scale)

    def forward(x: torch.Tensor) -> torch.Tensor:
        for f, s, module, generator in zip(factor.unbind(), shift.unbind(), call.modules, call.generators, strict=True):
            draw(f, s, module.p if module.training else 0.0, generator)
        return torch.mul(x, factor, out=out).add_(shift)

    def backward(slope: torch.Tensor, x: torch.Tensor) -> Sequence[torch.Tensor | None]:
        return (torch.mul(slope, factor, out=back) if call.wanted[0] else None,)

    return Made(out, forward, backward)
