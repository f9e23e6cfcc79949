"""Row weights in losses: the weighted mean or sum of a loss's terms, one for each row.

A loss is a mean or sum of terms when it can say them: torch's own by `reduction="none"`, ours alike, and one's own when it
takes an argument `weights`, which is then given `(batch,)`. Weight 2 is the row twice, weight 0 the row left out; a batch
whose weights are all zero has the loss 0. Others, such as losses of ranks, have no terms and are refused. Neighbours: base
below; set-up asks for it where the task has weights that no sampler uses.
"""

import copy
import functools
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from pipeops.errors import ConfigError
from pipeops.net.losses.base import LossFunction, SmoothedTarget, TorchLoss, computes_as
from pipeops.net.losses.imbalanced import focal, focal_classes, logistic, logistic_classes
from pipeops.net.losses.numbers import gaussian_nll, pinball
from pipeops.text import source

Terms = Callable[[Tensor, Tensor], Tensor]
OURS = (focal, logistic, focal_classes, logistic_classes, pinball, gaussian_nll)


class ByRows(nn.Module):
    """A loss that takes row weights: `(input, target)` as it is, `(input, target, weights)` weighted."""

    def __init__(self, loss: LossFunction, weighted: Callable[[Tensor, Tensor, Tensor], Tensor]):
        super().__init__()
        self.loss, self._weighted = loss, weighted

    def forward(self, input: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        """A scalar; weights: `(batch,)`, at least 0."""
        return self.loss(input, target) if weights is None else self._weighted(input, target, weights)


def by_rows(spec: TorchLoss, loss: LossFunction, task: Any) -> ByRows:
    """The loss that was built from a spec, with row weights; refused where it is no mean or sum of terms."""
    if _takes_weights(loss):
        return ByRows(loss, lambda input, target, weights: loss(input, target, weights=weights))  # type: ignore[call-arg]
    found = _terms(loss)
    if found is None:
        raise ConfigError(
            f"torch_loss: {source(spec)} is no mean or sum of terms for the rows, so it cannot use the weights of the task "
            f"'{task.id}'; give a function of your own an argument `weights`, draw rows by them with "
            f'batch_sampler=t_sampler("weighted", batch_size=...), or drop them: with_roles({task.weight_role()}=[]).'
        )
    terms, mean, total = found
    return ByRows(loss, functools.partial(_weighted, terms, mean, total))


def _weighted(terms: Terms, mean: bool, total: Terms | None, input: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """The weighted sum of the terms, over the sum of the weights for a mean."""
    each = terms(input, target)
    each = each.reshape(len(each), -1)
    rows = each.mean(1) if mean else each.sum(1)
    value = (rows * weights).sum()
    if not mean:
        return value
    amount = (weights if total is None else weights * total(input, target)).sum()
    return value / torch.where(amount > 0, amount, torch.ones_like(amount))


def _terms(loss: Any) -> tuple[Terms, bool, Terms | None] | None:
    """The terms of a loss, whether it is their mean, and what a row of weight one adds to the divisor (None: one)."""
    if isinstance(loss, SmoothedTarget):
        found = _terms(loss.loss)
        return found and (_Smoothed(loss, found[0]), *found[1:])
    if isinstance(loss, functools.partial):
        known = not loss.args and (loss.func in OURS or computes_as(loss.func) is not None)
        mean = loss.keywords.get("reduction", "mean")
        return _checked(functools.partial(loss, reduction="none"), mean, None) if known else None
    if isinstance(loss, nn.Module):
        return _of_module(loss) if computes_as(loss) is not None and hasattr(loss, "reduction") else None
    return _checked(functools.partial(loss, reduction="none"), "mean", None) if loss in OURS or computes_as(loss) else None


def _of_module(loss: Any) -> tuple[Terms, bool, Terms | None] | None:
    single = copy.copy(loss)
    single.reduction = "none"
    counted = isinstance(loss, nn.CrossEntropyLoss)
    return _checked(single, loss.reduction, functools.partial(_class_amount, loss) if counted else None)


def _checked(terms: Any, reduction: Any, total: Terms | None) -> tuple[Terms, bool, Terms | None] | None:
    return (terms, reduction == "mean", total) if reduction in ("mean", "sum") else None


def _class_amount(loss: nn.CrossEntropyLoss, input: Tensor, target: Tensor) -> Tensor:
    """What torch's mean of cross entropies divides by, row by row: the weight of its class, and 0 where it is ignored."""
    kept = target != loss.ignore_index
    if loss.weight is None:
        return kept.to(input.dtype)
    return torch.where(kept, loss.weight[torch.where(kept, target, 0)], 0.0)


class _Smoothed:
    """The terms of a loss whose target is moved."""

    def __init__(self, loss: SmoothedTarget, terms: Terms):
        self.loss, self.terms = loss, terms

    def __call__(self, input: Tensor, target: Tensor) -> Tensor:
        return self.terms(input, self.loss.moved(target))


def _takes_weights(loss: Any) -> bool:
    """Whether a loss of one's own says that it takes row weights."""
    made = loss.forward if isinstance(loss, nn.Module) else loss
    try:
        parameters = inspect.signature(made).parameters
    except (TypeError, ValueError):
        return False
    return "weights" in parameters and not _filled(made)


def _filled(made: Any) -> bool:
    return isinstance(made, functools.partial) and "weights" in made.keywords
