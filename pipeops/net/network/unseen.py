"""Answers of networks that have no room for levels that training did not see: never an error of an index.

An ingress gives such levels the code after all others. The layers of the library know it; a layer or module of the user's that
is sized by the levels alone does not. Neighbours: the model node predicts, and the trainer validates, through this.
"""

import warnings
from collections.abc import Sequence

import torch

from pipeops.net.network.descriptor import Symbol


def levels_of(symbol: Symbol) -> list[tuple[int, ...] | None]:
    """For each ingress of a network, in order, how many codes each column had in training; None where it gives numbers."""
    return [s.levels for s in symbol.ancestors() if s.spec is None]


def answer(network: torch.nn.Module, inputs: Sequence[torch.Tensor], levels: Sequence[tuple[int, ...] | None]) -> torch.Tensor:
    """What the network puts out; where its layers fail at codes that training did not see, these are the first level's, with a
    warning. On a GPU torch itself stops at such a code."""
    try:
        return network(*inputs)
    except (IndexError, RuntimeError):
        kept = [
            x if known is None else torch.where(x < x.new_tensor(known), x, 0) for x, known in zip(inputs, levels, strict=True)
        ]
        if all(map(torch.equal, kept, inputs)):
            raise
        found = network(*kept)
        warnings.warn(
            "the network has no room for levels that training did not see, they are taken for the first level of their column; "
            "size its layers by one more than the levels (pipeops.net.codes).",
            stacklevel=2,
        )
        return found
