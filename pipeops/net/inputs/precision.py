"""What float32 cannot tell apart: a warning where values of a feature or target become equal on their way into a network.

Neighbours: `ingress` asks for features, `link` for targets.
"""

import warnings
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pipeops.errors import listing

ROWS = 500
"""So many rows are looked at."""
SHARE = 0.1
"""From this share of neighbouring values on that become equal; numbers that fill a type's range meet now and then."""


def sample(n: int) -> slice:
    """Every so many rows."""
    return slice(None, None, max(1, n // ROWS))


def warn_of_equal(names: Sequence[str], values: npt.NDArray[np.float64], who: str) -> None:
    """Warn of the columns of a matrix `(rows, columns)` in float64 whose values are mostly the same in float32.

    >>> warn_of_equal(["x"], np.array([[1.0], [2.0]]), "demo")
    """
    ordered = np.sort(values, axis=0)
    apart = ordered[1:] != ordered[:-1]
    with np.errstate(over="ignore"):
        narrow = ordered.astype(np.float32)
    merged = apart & (narrow[1:] == narrow[:-1])
    lost = merged.sum(axis=0) > SHARE * apart.sum(axis=0)
    if lost.any():
        found = [name for name, bad in zip(names, lost.tolist(), strict=True) if bad]
        warnings.warn(
            f"{who}: {listing(found)} holds different values that are equal in float32, which networks compute in; scale or "
            'center before, for example with po("scale") for features, or subtract a constant.',
            stacklevel=2,
        )
