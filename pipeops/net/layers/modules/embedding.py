"""An embedding for several categorical columns at once."""

from collections.abc import Sequence
from itertools import accumulate

import torch


class CategoricalEmbedding(torch.nn.Module):
    """Each level of each column has a vector of its own: codes `(batch, columns)` -> `(batch, columns, embedding_dim)`.

    All vectors are the rows of one table, `weight`; the codes of each column start from 0 and are moved to its part. A code
    beyond those, which stands for a level that training did not see, is the mean of its column's vectors (in eval mode; there
    are none in training). Initialised like `torch.nn.Embedding`, from the standard normal distribution.

    >>> CategoricalEmbedding((2, 3), 4)(torch.tensor([[1, 2]])).shape
    torch.Size([1, 2, 4])
    """

    offsets: torch.Tensor
    sizes: torch.Tensor

    def __init__(self, num_embeddings: Sequence[int], embedding_dim: int):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.empty(sum(num_embeddings), embedding_dim))
        starts = list(accumulate(num_embeddings, initial=0))[:-1]
        self.register_buffer("offsets", torch.tensor(starts), persistent=False)
        self.register_buffer("sizes", torch.tensor(list(num_embeddings)), persistent=False)
        torch.nn.init.normal_(self.weight)

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        if self.training:
            return torch.nn.functional.embedding(codes + self.offsets, self.weight)
        seen = (codes >= 0) & (codes < self.sizes)
        vectors = torch.nn.functional.embedding(torch.where(seen, codes, 0) + self.offsets, self.weight)
        return torch.where(seen.unsqueeze(-1), vectors, self.means())

    def means(self) -> torch.Tensor:
        """The mean vector of each column, `(columns, embedding_dim)`."""
        rows = torch.arange(len(self.weight), device=self.weight.device)
        own = (rows >= self.offsets.unsqueeze(1)) & (rows < (self.offsets + self.sizes).unsqueeze(1))
        return own.to(self.weight.dtype) @ self.weight / self.sizes.clamp(min=1).unsqueeze(1)

    def extra_repr(self) -> str:
        return f"{tuple(self.weight.shape)}, columns={len(self.offsets)}"
