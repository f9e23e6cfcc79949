"""Rules held against autograd: what one computes for K modules is what each module gets by itself.

Neighbours: `net/rules` has them; the contract of layers runs this on every row that has one, one's own included.
"""

import copy
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch

from pipeops.net.rules.base import Call, Made, Rule
from pipeops.net.training.machine import seeded

SINGLE, DOUBLE = (1e-4, 1e-5), (1e-9, 1e-11)
"""How far rounding may go in the sums of a few dozen numbers, relative and absolute."""


class Ruled:
    """A rule at work on modules of the same settings: `out`, and after `backward` the gradients of parameters and inputs.

    inputs: tensors `(K, batch, ...)`. frozen: parameters that are not trained. wanted: for each input, whether its gradient is.
    """

    def __init__(
        self,
        rule: Rule,
        modules: Sequence[torch.nn.Module],
        inputs: Sequence[torch.Tensor],
        frozen: Collection[str] = (),
        wanted: Sequence[bool] | None = None,
    ):
        self.inputs, named = inputs, [dict(m.named_parameters()) for m in modules]
        params = {n: torch.stack([own[n].detach() for own in named]) for n in named[0]}
        self.grads = {n: torch.full_like(p, torch.nan) for n, p in params.items() if n not in frozen}
        self.buffers = {n: torch.stack([dict(m.named_buffers())[n] for m in modules]) for n, _ in modules[0].named_buffers()}
        generators = [torch.Generator().manual_seed(k) for k in range(len(modules))]
        wanted = [x.is_floating_point() for x in inputs] if wanted is None else wanted
        with torch.no_grad():
            made = rule(Call(modules, params, self.grads, self.buffers, wanted, generators), *inputs)
            assert made is not None, "the rule does not hold for these settings"
            self.made: Made = made
            self.out = made.forward(*inputs)
        assert made.out.shape == self.out.shape, "what the rule answers first has another shape than what comes out"

    def backward(self, slope: torch.Tensor) -> list[Any]:
        """Gradients of the inputs from that of what came out."""
        with torch.no_grad():
            return list(self.made.backward(slope, *self.inputs))


def by_autograd(module: torch.nn.Module, inputs: Sequence[torch.Tensor], slope: torch.Tensor, k: int) -> tuple[Any, ...]:
    """What module k gives by itself: the value, the gradients of the inputs, and those of the parameters by name."""
    leaves = [x.clone().requires_grad_(x.is_floating_point()) for x in inputs]
    with seeded(k):
        out = module(*leaves)
    out.backward(slope)
    return out.detach(), [leaf.grad for leaf in leaves], {n: p.grad for n, p in module.named_parameters()}


def agrees(rule: Rule, modules: Sequence[torch.nn.Module], inputs: Sequence[torch.Tensor], frozen: Collection[str] = ()) -> None:
    """Raise `AssertionError` where a rule and autograd differ, or where the rule writes into what it is given."""
    alone, before = copy.deepcopy(list(modules)), [x.clone() for x in inputs]
    run = Ruled(rule, modules, inputs, frozen)
    slope = torch.randn_like(run.out)
    kept = slope.clone()
    backs = run.backward(slope)
    assert torch.equal(slope, kept), "the rule writes into the gradient that it is given"
    assert all(map(torch.equal, before, inputs)), "the rule writes into its inputs"
    tolerance = SINGLE if run.out.dtype == torch.float32 else DOUBLE
    for k, module in enumerate(alone):
        value, slopes, wanted = by_autograd(module, [x[k] for x in inputs], slope[k], k)
        _close({"value": run.out[k]}, {"value": value}, tolerance)
        assert [b is None for b in backs] == [s is None for s in slopes], "the rule answers other gradients than autograd"
        known = [i for i, slope in enumerate(slopes) if slope is not None]
        _close(
            {f"gradient of input {i}": backs[i][k] for i in known},
            {f"gradient of input {i}": slopes[i] for i in known},
            tolerance,
        )
        _close({n: grad[k] for n, grad in run.grads.items()}, wanted, tolerance)
        _close({n: buffer[k] for n, buffer in run.buffers.items()}, dict(module.named_buffers()), tolerance)


def _close(found: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor], tolerance: tuple[float, float]) -> None:
    for name, value in found.items():
        try:
            torch.testing.assert_close(value, wanted[name], rtol=tolerance[0], atol=tolerance[1])
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error
