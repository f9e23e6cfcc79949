"""Losses of regressions with more to say than a number: quantiles, and a mean with its variance.

Both are means of terms, one for each row and output. Neighbours: `scores` below, the shelf registers them.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from pipeops.errors import DataError
from pipeops.net.losses.scores import Reduction, check_reduction

SMALLEST = 1e-6
"""The smallest variance, as torch's own loss has it."""


def pinball(input: Tensor, target: Tensor, quantiles: Sequence[float] = (0.5,), reduction: Reduction = "mean") -> Tensor:
    """The pinball loss of quantiles, averaged over them; a scalar.

    `input` a column for each probability of `quantiles` (n, q), `target` (n, 1). A prediction below the truth costs `p` a unit,
    one above it `1 - p`, so that the minimum is the quantile of probability `p` (Koenker & Bassett 1978).

    >>> pinball(torch.tensor([[0.0, 4.0]]), torch.tensor([[2.0]]), quantiles=(0.1, 0.9))  # (0.1 * 2 + 0.1 * 2) / 2
    tensor(0.2000)
    """
    check_reduction("pinball", reduction, "none")
    if input.ndim != 2 or input.shape[1] != len(quantiles) or target.shape != (len(input), 1):
        raise DataError(f"pinball: needs (n, {len(quantiles)}) outputs and (n, 1) targets, got {_shapes(input, target)}.")
    levels = torch.tensor(quantiles, dtype=input.dtype, device=input.device)
    miss = target - input
    return _reduced(torch.maximum(levels * miss, (levels - 1) * miss).mean(1), reduction)


def gaussian_nll(input: Tensor, target: Tensor, reduction: Reduction = "mean") -> Tensor:
    """The negative log-likelihood of a normal distribution, without its constant; a scalar.

    `input` the mean and the logarithm of the variance (n, 2), `target` (n, 1). A row costs half of
    `log variance + (target - mean)² / variance`, the variance at least 1e-6 (Nix & Weigend 1994).

    >>> gaussian_nll(torch.tensor([[1.0, 0.0]]), torch.tensor([[3.0]]))
    tensor(2.)
    """
    check_reduction("gaussian_nll", reduction, "none")
    if input.ndim != 2 or input.shape[1] != 2 or target.shape != (len(input), 1):
        raise DataError(f"gaussian_nll: needs (n, 2) outputs and (n, 1) targets, got {_shapes(input, target)}.")
    variance = torch.exp(input[:, 1]).clamp(min=SMALLEST)
    return _reduced((torch.log(variance) + (target[:, 0] - input[:, 0]) ** 2 / variance) / 2, reduction)


def _reduced(terms: Tensor, reduction: Reduction) -> Tensor:
    return terms if reduction == "none" else terms.sum() if reduction == "sum" else terms.mean()


def _shapes(input: Tensor, target: Tensor) -> str:
    return f"{tuple(input.shape)} and {tuple(target.shape)}"
