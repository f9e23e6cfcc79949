"""An embedding for several categorical columns at once."""

from collections.abc import Sequence
from itertools import accumulate

import torch


class CategoricalEmbedding(torch.nn.Module):
    """Each level of each column has a vector of its own: codes `(batch, columns)` -> `(batch, columns, embedding_dim)`.

    All vectors are the rows of one table, `weight`; the codes of each column start from 0 and are moved to its part.
    Initialised like `torch.nn.Embedding`, from the standard normal distribution.

    >>> CategoricalEmbedding((2, 3), 4)(torch.tensor([[1, 2]])).shape
    torch.Size([1, 2, 4])
    """

    offsets: torch.Tensor

    def __init__(self, num_embeddings: Sequence[int], embedding_dim: int):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.empty(sum(num_embeddings), embedding_dim))
        starts = list(accumulate(num_embeddings, initial=0))[:-1]
        self.register_buffer("offsets", torch.tensor(starts), persistent=False)
        torch.nn.init.normal_(self.weight)

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.embedding(codes + self.offsets, self.weight)

    def extra_repr(self) -> str:
        return f"{tuple(self.weight.shape)}, columns={len(self.offsets)}"
