"""What the rule of a loss is, and of one that is a mean or sum of terms, which rows may weigh.

Neighbours: `rules` has the rules, the engines work with them; `weighted` is the same for autograd.
"""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor


class LossRule(ABC):
    """The losses of K networks."""

    def fits(self, width: int, target: Tensor) -> bool:
        """Whether the loss takes outputs `(batch, width)` with targets like these, `(batch, ...)`."""
        return target.is_floating_point() and target.shape[1:] == (width,)

    @abstractmethod
    def slope(self, output: Tensor, target: Any, out: Tensor) -> Tensor | None:
        """Write the gradient in the output `(K, batch, width)` to `out`; the values `(K,)`, or None when `values` has them.

        target: the labels, or labels and row weights `(K, batch)` for a loss that takes these.
        """

    def values(self, output: Tensor, target: Any) -> Tensor:
        """The losses `(steps, K)` of several steps, `(steps, K, batch, width)` and their targets."""
        raise NotImplementedError


class OfTerms(LossRule):
    """A mean or sum of terms, some for each row."""

    mean: bool

    @abstractmethod
    def terms(self, output: Tensor, target: Tensor) -> Tensor:
        """All terms, `(..., batch, terms of a row)`."""

    def amounts(self, target: Tensor) -> Tensor | None:
        """What each row adds to the divisor of a mean, `(..., batch)`; None where that is one."""
        del target
        return None

    def values(self, output: Tensor, target: Tensor) -> Tensor:
        terms, amounts = self.terms(output, target), self.amounts(target) if self.mean else None
        if amounts is not None:
            return terms.sum((-2, -1)) / amounts.sum(-1)
        return terms.mean((-2, -1)) if self.mean else terms.sum((-2, -1))


class Weighted(LossRule):
    """The weighted mean or sum of the terms of a loss; a batch whose weights are all zero has the loss 0."""

    def __init__(self, rule: OfTerms):
        self.rule, self.mean = rule, rule.mean
        rule.mean = False

    def fits(self, width: int, target: Tensor) -> bool:
        return self.rule.fits(width, target)

    def slope(self, output: Tensor, target: tuple[Tensor, Tensor], out: Tensor) -> None:
        self.rule.slope(output, target[0], out)
        out.mul_(self._shares(out.shape[-1] if target[0].ndim == out.ndim else 1, *target).unsqueeze(-1))

    def values(self, output: Tensor, target: tuple[Tensor, Tensor]) -> Tensor:
        terms = self.rule.terms(output, target[0])
        return (terms.sum(-1) * self._shares(terms.shape[-1], *target)).sum(-1)

    def _shares(self, terms: int, target: Tensor, weights: Tensor) -> Tensor:
        """What each of so many terms of a row is multiplied by."""
        if not self.mean:
            return weights
        amounts = self.rule.amounts(target)
        total = (weights if amounts is None else weights * amounts).sum(-1, keepdim=True)
        return weights / (torch.where(total > 0, total, 1.0) * terms)
