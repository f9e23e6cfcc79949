"""The loss of K networks at once: `(K, batch, ...)` against `(K, batch, ...)` gives one number for each network.

Batches may be ragged: of network k only the first `counts[k]` rows count. Losses that are means or sums of terms, one for
each row, are computed as terms, and rows that do not count get weight zero. Others go through `torch.func.vmap`, once for
each number of rows; what that refuses, and losses that are not the same for all networks, are called one by one.
Neighbours: losses make what is called here; stacked tries which of these ways is right.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

LossFunction = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
JointLoss = Callable[[torch.Tensor, torch.Tensor, Sequence[int]], torch.Tensor]


def joint_losses(losses: Sequence[LossFunction]) -> dict[str, JointLoss]:
    """The ways to compute these losses together by name, the quickest first."""
    ways: dict[str, JointLoss] = {}
    terms = _terms(losses)
    if terms is not None:
        ways["terms"] = terms
    if all(_same(losses[0], other) for other in losses[1:]):
        ways["mapped"] = functools.partial(_mapped, losses[0])
    return {**ways, "one by one": functools.partial(_one_by_one, losses)}


def _terms(losses: Sequence[LossFunction]) -> JointLoss | None:
    """For the losses of torch that are a mean or a sum over rows."""
    first, reductions = losses[0], {_reduction(one) for one in losses}
    if len(reductions) > 1 or len({type(one) for one in losses}) > 1:
        return None
    (reduction,) = reductions
    made = _terms_of(first, losses) if reduction in ("mean", "sum") else None
    return None if made is None else functools.partial(_reduced, made, reduction == "mean")


def _reduction(loss: Any) -> Any:
    if isinstance(loss, functools.partial):
        known = loss.func is functional.binary_cross_entropy_with_logits and not loss.args and set(loss.keywords) == {"reduction"}
        return loss.keywords["reduction"] if known else None
    return getattr(loss, "reduction", None)


def _terms_of(first: Any, losses: Sequence[Any]) -> LossFunction | None:
    """The function to unreduced losses, or None where there is none."""
    kind = type(first)
    if kind is functools.partial:
        return functools.partial(functional.binary_cross_entropy_with_logits, reduction="none")
    if kind is nn.MSELoss:
        return functools.partial(functional.mse_loss, reduction="none")
    if kind is nn.L1Loss:
        return functools.partial(functional.l1_loss, reduction="none")
    if kind is nn.HuberLoss and len({one.delta for one in losses}) == 1:
        return functools.partial(functional.huber_loss, reduction="none", delta=first.delta)
    if kind is nn.BCEWithLogitsLoss:
        return _weighted_binary(losses)
    if kind is nn.CrossEntropyLoss and all(map(_is_plain, losses)):
        return _cross_entropy
    return None


def _is_plain(loss: nn.CrossEntropyLoss) -> bool:
    return loss.weight is None and loss.ignore_index < 0 and not loss.label_smoothing


def _weighted_binary(losses: Sequence[nn.BCEWithLogitsLoss]) -> LossFunction | None:
    weights: dict[str, torch.Tensor | None] = {}
    for name in ("weight", "pos_weight"):
        several = [getattr(one, name) for one in losses]
        if all(w is None for w in several):
            weights[name] = None
        elif any(w is None or w.ndim for w in several):
            return None
        else:
            weights[name] = torch.stack(several).view(-1, 1, 1)
    return functools.partial(functional.binary_cross_entropy_with_logits, reduction="none", **weights)


def _cross_entropy(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    flat = functional.cross_entropy(output.reshape(-1, output.shape[-1]), target.reshape(-1), reduction="none")
    return flat.view(target.shape)


def _reduced(terms: LossFunction, mean: bool, output: torch.Tensor, target: torch.Tensor, counts: Sequence[int]) -> torch.Tensor:
    values = terms(output, target).flatten(1)
    rows = target.shape[1]
    if min(counts) == rows:
        return values.mean(1) if mean else values.sum(1)
    several = torch.tensor(counts, device=values.device)
    counted = torch.arange(rows, device=values.device) < several.unsqueeze(1)
    total = torch.where(counted, values, 0.0).sum(1)
    return total / several.clamp(min=1) if mean else total


def _mapped(loss: LossFunction, output: torch.Tensor, target: torch.Tensor, counts: Sequence[int]) -> torch.Tensor:
    together = torch.vmap(loss)
    if min(counts) == output.shape[1]:
        return together(output, target)
    values: list[Any] = [output.new_zeros(())] * len(counts)
    for count in set(counts) - {0}:
        which = [k for k, c in enumerate(counts) if c == count]
        for k, value in zip(which, together(output[which, :count], target[which, :count]), strict=True):
            values[k] = value
    return torch.stack(values)


def _one_by_one(
    losses: Sequence[LossFunction], output: torch.Tensor, target: torch.Tensor, counts: Sequence[int]
) -> torch.Tensor:
    zero = output.new_zeros(())
    parts = zip(losses, output, target, counts, strict=True)
    return torch.stack([loss(o[:count], t[:count]) if count else zero for loss, o, t, count in parts])


def _same(one: Any, other: Any) -> bool:
    """Whether two losses surely compute the same; modules and closures of one's own only when they are one object."""
    if one is other:
        return True
    if isinstance(one, functools.partial) and isinstance(other, functools.partial):
        return (
            one.func is other.func and _plain(one.args, one.keywords) and (one.args, one.keywords) == (other.args, other.keywords)
        )
    return isinstance(one, nn.Module) and _same_module(one, other)


def _plain(*things: Any) -> bool:
    """Whether these are numbers, strings and containers of them only, which can be compared."""
    return all(
        _plain(*thing.values()) if isinstance(thing, dict)
        else _plain(*thing) if isinstance(thing, tuple | list)
        else thing is None or isinstance(thing, int | float | str)
        for thing in things
    )  # fmt: skip


def _same_module(one: nn.Module, other: Any) -> bool:
    """Modules of torch with the same settings and equal tensors."""
    if type(one) is not type(other) or not type(one).__module__.startswith("torch."):
        return False
    tensors, others = dict(one.named_buffers()), dict(other.named_buffers())
    same = tensors.keys() == others.keys() and all(torch.equal(t, others[n]) for n, t in tensors.items())
    own, their = _settings(one), _settings(other)
    return same and _plain(own) and own == their


def _settings(module: nn.Module) -> dict[str, Any]:
    return {name: value for name, value in vars(module).items() if not name.startswith("_")}
