"""What losses over real-valued scores share: one shape for scores and labels, and a value whose gradient is known.

The rank losses (`aum`, `ranking`) compute their gradient in closed form; taking it through a sort would be slower and,
for large batches, less exact. Neighbours: `aum`, `ranking` and `imbalanced` above, nothing of the package but the errors below.
"""

from typing import Literal

import torch
from torch import Tensor

from pipeops.errors import ConfigError, DataError, listing

Reduction = Literal["mean", "sum", "none"]


def flat_scores(who: str, input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Scores `(n,)` in at least float32 and whether each is positive `(n,)`, from shapes (n,) or (n, 1); others are a DataError.

    A label is positive when it is above zero, so 0/1, -1/1 and booleans all do.

    >>> flat_scores("demo", torch.zeros(2, 1), torch.tensor([True, False]))
    (tensor([0., 0.]), tensor([ True, False]))
    """
    for name, tensor in (("scores", input), ("labels", target)):
        if tensor.ndim == 0 or tensor.ndim > 2 or (tensor.ndim == 2 and tensor.shape[1] != 1):
            raise DataError(f"{who}: {name} must have shape (n,) or (n, 1), got {tuple(tensor.shape)}.")
    if input.shape[0] != target.shape[0]:
        raise DataError(f"{who}: one label for each score is needed, got {input.shape[0]} scores and {target.shape[0]} labels.")
    score = input.reshape(-1)
    score = score.to(torch.promote_types(score.dtype, torch.float32))
    return score, target.reshape(-1) > 0


def with_slope(value: Tensor, slope: Tensor, score: Tensor) -> Tensor:
    """`value`, with `slope` as its gradient in `score`; both are given detached. First derivatives only.

    Plain operations rather than an `autograd.Function`, so that vmap, func.grad, jvp and compile take it as it is.

    >>> x = torch.tensor([3.0, 4.0], requires_grad=True)
    >>> with_slope(torch.tensor(5.0), torch.tensor([0.1, 0.2]), x).backward()
    >>> x.grad
    tensor([0.1000, 0.2000])
    """
    return value + torch.dot(score - score.detach(), slope)


def check_reduction(who: str, reduction: str, *others: str) -> None:
    """Refuse everything but mean and sum, and "none" where there are terms."""
    if reduction not in ("mean", "sum", *others):
        known = listing(["mean", "sum", *others])
        raise ConfigError(f"{who}: reduction must be one of {known}, got {reduction!r}.")
