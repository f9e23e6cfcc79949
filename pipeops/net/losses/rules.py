"""Losses written out: value and gradient for K networks at once, `(K, batch, width)` against their targets, without autograd.

`loss_rule` finds the rule of losses that are all of one kind, by the class or function that computes them; others have none.
Neighbours: `of_terms` says what a rule is; the losses themselves beside it; the engine asks.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeops.net.losses.aum import aum, aum_slope
from pipeops.net.losses.base import SmoothedTarget
from pipeops.net.losses.imbalanced import logistic
from pipeops.net.losses.of_terms import LossRule, OfTerms, Weighted
from pipeops.net.losses.ranking import hinge_pairs, hinge_slope, square_pairs, square_slope
from pipeops.net.losses.weighted import ByRows


def loss_rule(losses: Sequence[Any], width: int, target: Tensor) -> LossRule | None:
    """The rule of these losses for outputs `(batch, width)` and targets like this one; None where there is none."""
    made = _rule(losses)
    return made if made is not None and made.fits(width, target) else None


def _rule(losses: Sequence[Any]) -> LossRule | None:
    kinds = {_kind(one) for one in losses}
    make = RULES.get(kinds.pop()) if len(kinds) == 1 else None
    return None if make is None else make(losses)


def _kind(loss: Any) -> Any:
    if isinstance(loss, functools.partial):
        return loss.func if not loss.args else None
    return type(loss) if isinstance(loss, nn.Module) else loss


def _setting(losses: Sequence[Any], name: str, default: Any = None) -> Any:
    """What all losses are set to; None where they differ."""
    found = [
        one.keywords.get(name, default) if isinstance(one, functools.partial) else getattr(one, name, default) for one in losses
    ]
    return found[0] if all(other == found[0] for other in found) else None


def _mean(losses: Sequence[Any]) -> bool | None:
    """Whether the losses are means over rows, or sums; None where they are neither."""
    return {"mean": True, "sum": False}.get(str(_setting(losses, "reduction", "mean")))


@functools.lru_cache
def _share(terms: int) -> Tensor:
    """One over a number of terms, as a tensor, which is multiplied by faster than a number is."""
    return torch.tensor(1 / terms, dtype=torch.float64)


_square_slope = torch.ops.aten.mse_loss_backward.grad_input._op  # past a Python layer


@functools.lru_cache
def _factor(value: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor(value, dtype=dtype, device=device)


def _mean_difference(output: Tensor, target: Tensor, times: int, out: Tensor) -> None:
    """Write `times (output - target)` over the number of each network's terms, in one pass: the slope of a mean of squares."""
    factor = _factor(times / 2 / (output.shape[-2] * output.shape[-1]), output.dtype, output.device)
    _square_slope(factor, output, target, 2, grad_input=out)


class Binary(OfTerms):
    """Binary cross entropy of logits, with a weight for all rows and one for positive ones of each network."""

    def __init__(self, mean: bool, weight: Tensor | None = None, positive: Tensor | None = None, smoothing: float = 0.0):
        self.mean, self.weight, self.positive, self.smoothing = mean, weight, positive, smoothing

    def _smoothed(self, target: Tensor) -> Tensor:
        return target * (1 - self.smoothing) + self.smoothing / 2 if self.smoothing else target

    def slope(self, output: Tensor, target: Tensor, out: Tensor) -> None:
        target = self._smoothed(target)
        torch.sigmoid(output, out=out)
        if self.mean and self.weight is None and self.positive is None:
            _mean_difference(out, target, 1, out)
            return
        if self.positive is None:
            out.sub_(target)
        else:
            pulled = target * self.positive
            out.mul_(pulled - target + 1).sub_(pulled)
        if self.weight is not None:
            out.mul_(self.weight)
        if self.mean:
            out.mul_(_share(output.shape[1] * output.shape[2]))

    def terms(self, output: Tensor, target: Tensor) -> Tensor:
        return torch.binary_cross_entropy_with_logits(output, self._smoothed(target), self.weight, self.positive, 0)


def _numbers(values: Sequence[Any]) -> Tensor:
    """One number for each network beside `(K, batch, width)`."""
    return torch.stack([torch.as_tensor(v, dtype=torch.float32).reshape(()) for v in values]).view(-1, 1, 1)


def _plain_binary(losses: Sequence[Any]) -> LossRule | None:
    mean = _mean(losses)
    known = all(
        (isinstance(one, functools.partial) and set(one.keywords) <= {"reduction"}) or not hasattr(one, "keywords")
        for one in losses
    )
    return Binary(mean) if mean is not None and known else None


def _weighted_binary(losses: Sequence[nn.BCEWithLogitsLoss]) -> Binary | None:
    weights: list[Any] = []
    for name in ("weight", "pos_weight"):
        several = [getattr(one, name) for one in losses]
        if all(w is None for w in several):
            weights.append(None)
        elif any(w is None or w.numel() != 1 for w in several):
            return None
        else:
            weights.append(_numbers(several))
    mean = _mean(losses)
    return None if mean is None else Binary(mean, *weights)


def _smoothed_binary(losses: Sequence[SmoothedTarget]) -> LossRule | None:
    inner, smoothing = _rule([one.loss for one in losses]), _setting(losses, "smoothing")
    if not isinstance(inner, Binary) or smoothing is None:
        return None
    return Binary(inner.mean, inner.weight, inner.positive, float(smoothing))


def _logistic(losses: Sequence[Any]) -> Binary | None:
    pairs, mean = [one.keywords.get("weight", (1.0, 1.0)) for one in losses], _mean(losses)
    if mean is None or not all(no > 0 for _, no in pairs):
        return None
    return Binary(mean, _numbers([no for _, no in pairs]), _numbers([yes / no for yes, no in pairs]))


class Multiclass(OfTerms):
    """Cross entropy over k classes. weight: of each class in each network, `(K, k)`; smoothing: the part of a label that is
    spread over all classes; ignored: a class whose rows count for nothing, or a negative number.
    """

    def __init__(self, mean: bool, weight: Tensor | None, smoothing: float, ignored: int):
        self.mean, self.weight, self.smoothing, self.ignored = mean, weight, smoothing, ignored
        self.plain = weight is None and not smoothing and ignored < 0
        self.tables: tuple[Tensor, Tensor] | None = None

    def fits(self, width: int, target: Tensor) -> bool:
        return target.dtype == torch.int64 and target.ndim == 1 and width > 1

    def slope(self, output: Tensor, target: Tensor, out: Tensor) -> None:
        torch.softmax(output, -1, out=out)
        if self.plain:
            out.scatter_add_(-1, target.unsqueeze(-1), _factor(-1.0, out.dtype, out.device).expand(*target.shape, 1))
            if self.mean:
                out.mul_(_share(output.shape[-2]))
            return
        rows = self._rows(output, target)
        out.mul_(rows.sum(-1, keepdim=True)).sub_(rows)
        if self.mean:
            out.div_(self._amounts(target).sum(-1).view(-1, 1, 1))

    def terms(self, output: Tensor, target: Tensor) -> Tensor:
        logarithms = torch.log_softmax(output, -1)
        if self.plain:
            return logarithms.gather(-1, target.unsqueeze(-1)).neg_()
        return -(self._rows(output, target) * logarithms).sum(-1, keepdim=True)

    def amounts(self, target: Tensor) -> Tensor | None:
        return None if self.plain else self._amounts(target)

    def _amounts(self, target: Tensor) -> Tensor:
        assert self.tables is not None
        return self.tables[1].take(self._places(target))

    def _places(self, target: Tensor) -> Tensor:
        """Where the labels stand in the tables."""
        assert self.tables is not None
        k, classes = self.tables[1].shape
        return target + torch.arange(k).unsqueeze(1) * classes

    def _rows(self, output: Tensor, target: Tensor) -> Tensor:
        """The weights of each row's logarithms."""
        if self.tables is None:
            k, classes = output.shape[-3], output.shape[-1]
            self.tables = self._tables(output.new_ones(k, classes) if self.weight is None else self.weight.clone())
        return functional.embedding(self._places(target), self.tables[0])

    def _tables(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """For each network and class the weights of all logarithms `(K k, k)`, and the weight of a row `(K, k)`."""
        classes = weight.shape[1]
        spread = (weight * (self.smoothing / classes)).unsqueeze(1).expand(-1, classes, -1)
        wanted = torch.diag_embed(weight) * (1 - self.smoothing) + spread
        if 0 <= self.ignored < classes:
            wanted[:, self.ignored], weight[:, self.ignored] = 0.0, 0.0
        return wanted.flatten(0, 1), weight


def _multiclass(losses: Sequence[nn.CrossEntropyLoss]) -> LossRule | None:
    mean, smoothing, ignored = _mean(losses), _setting(losses, "label_smoothing", 0.0), _setting(losses, "ignore_index", -100)
    weights = [one.weight for one in losses]
    if mean is None or smoothing is None or ignored is None or len({w is None for w in weights}) > 1:
        return None
    return Multiclass(mean, None if weights[0] is None else torch.stack(weights), smoothing, ignored)  # type: ignore[arg-type]


class Distance(OfTerms):
    """A loss that is a sum or mean of a function of the differences."""

    def __init__(self, mean: bool, value: Callable[[Tensor, Tensor], Tensor], bend: Callable[[Tensor], object]):
        """bend: turns differences into gradients, in place."""
        self.mean, self.value, self.bend = mean, value, bend

    def slope(self, output: Tensor, target: Tensor, out: Tensor) -> None:
        if self.mean and self.value is _squares:
            _mean_difference(output, target, 2, out)
            return
        torch.sub(output, target, out=out)
        self.bend(out)
        if self.mean:
            out.mul_(_share(out.shape[-2] * out.shape[-1]))

    def terms(self, output: Tensor, target: Tensor) -> Tensor:
        return self.value(output, target)


_squares = functools.partial(functional.mse_loss, reduction="none")


def _square(losses: Sequence[Any]) -> LossRule | None:
    mean = _mean(losses)
    return None if mean is None else Distance(mean, _squares, lambda d: d.mul_(2))


def _absolute(losses: Sequence[Any]) -> LossRule | None:
    mean = _mean(losses)
    return None if mean is None else Distance(mean, functools.partial(functional.l1_loss, reduction="none"), Tensor.sign_)


def _huber(losses: Sequence[Any]) -> LossRule | None:
    mean, delta = _mean(losses), _setting(losses, "delta")
    if mean is None or delta is None:
        return None
    return Distance(
        mean, functools.partial(functional.huber_loss, reduction="none", delta=delta), lambda d: d.clamp_(-delta, delta)
    )


class Pairs(LossRule):
    """A loss of ranks, with its value and gradient in closed form, network by network."""

    def __init__(self, functions: Sequence[Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]]):
        self.functions = functions

    def fits(self, width: int, target: Tensor) -> bool:
        return width == 1 and target.shape[1:] in ((), (1,))

    def slope(self, output: Tensor, target: Tensor, out: Tensor) -> Tensor:
        values: list[Tensor] = []
        for function, score, label, to in zip(self.functions, output.unbind(), target.unbind(), out.unbind(), strict=True):
            value, slope = function(score.view(-1), label.view(-1) > 0)
            to.copy_(slope.view_as(to))
            values.append(value)
        return torch.stack(values)


def _by_rows(losses: Sequence[ByRows]) -> LossRule | None:
    rule = _rule([one.loss for one in losses])
    return Weighted(rule) if isinstance(rule, OfTerms) else None


def _pairs(function: Callable[..., tuple[Tensor, Tensor]], losses: Sequence[Any]) -> LossRule:
    return Pairs([functools.partial(function, **getattr(one, "keywords", {})) for one in losses])


RULES: dict[Any, Callable[[Sequence[Any]], LossRule | None]] = {
    functional.binary_cross_entropy_with_logits: _plain_binary,
    nn.BCEWithLogitsLoss: _weighted_binary,
    SmoothedTarget: _smoothed_binary,
    logistic: _logistic,
    nn.CrossEntropyLoss: _multiclass,
    nn.MSELoss: _square,
    nn.L1Loss: _absolute,
    nn.HuberLoss: _huber,
    aum: functools.partial(_pairs, aum_slope),
    hinge_pairs: functools.partial(_pairs, hinge_slope),
    square_pairs: functools.partial(_pairs, square_slope),
    ByRows: _by_rows,
}
