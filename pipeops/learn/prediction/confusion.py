"""The confusion matrix as a small labelled table. Neighbours: labelled below, prediction above."""

from typing import Any

import attrs
import numpy as np

from pipeops.display import Block, Shown
from pipeops.errors import UnknownKeyError, suggest


@attrs.frozen(eq=False, repr=False)
class Confusion(Shown):
    """Counts of predicted (rows) against true (columns) labels.

    labels: in level order; a last `None` stands for missing labels, when there are any. counts: integer array (k, k).

    >>> table = Confusion(("M", "R"), np.array([[5, 1], [0, 2]]))
    >>> print(table)
            truth
    response M R
           M 5 1
           R 0 2
    >>> table["M", "R"]
    1
    """

    labels: tuple[Any, ...]
    counts: np.ndarray

    @classmethod
    def from_codes(cls, truth: np.ndarray, response: np.ndarray, class_names: list[Any]) -> "Confusion":
        """Count pairs of class codes; -1 is missing."""
        missing = bool((truth < 0).any() or (response < 0).any())
        k = len(class_names) + missing
        counts = np.bincount((response.astype(np.int64) % k) * k + truth % k, minlength=k * k).reshape(k, k)
        return cls((*class_names, None) if missing else tuple(class_names), counts)

    def __getitem__(self, pair: tuple[Any, Any]) -> int:
        """The count of `confusion[response, truth]`."""
        response, truth = pair
        return int(self.counts[self._index(response), self._index(truth)])

    def _index(self, label: Any) -> int:
        if label not in self.labels:
            raise UnknownKeyError(f"confusion: no class {label!r}.{suggest(label, map(str, self.labels), 'classes')}")
        return self.labels.index(label)

    def to_frame(self) -> Any:
        """A polars frame: a column `response`, and one column of counts for each true label."""
        import polars as pl

        return pl.DataFrame({"response": list(self.labels)} | {str(c): self.counts[:, j] for j, c in enumerate(self.labels)})

    def _blocks(self) -> list[Block]:
        """The counts: a row for each response, a column for each truth."""
        names = ["<NA>" if label is None else str(label) for label in self.labels]
        rows = [[name, *map(str, counts)] for name, counts in zip(names, self.counts.tolist(), strict=True)]
        return [Block("Confusion, columns are the truth", ["response", *names], rows, right=True)]

    def __str__(self) -> str:
        (block,) = self._blocks()
        width = max(len("response"), *map(len, block.header[1:]))
        lines = attrs.evolve(block, title="").text().split("\n")
        return Block(" " * width + "truth", notes=[line[1:] for line in lines]).text()

    __repr__ = __str__
