"""Numbers as fewer numbers by distances to the training rows: kernelpca, isomap.

scikit-learn fits; what is kept are the training rows and arrays, so that a state is plain data. Neighbours: `project` beside it.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from pipeops.errors import ConfigError, listing
from pipeops.ops.base import operator
from pipeops.ops.numbers.project import Embed, Matrix, quietly
from pipeops.params import Token, anything, choice, integer, real
from pipeops.shorthand import po


def _centered(k: Any, learnt: dict[str, Any]) -> Any:
    """A kernel between new rows and those of training, as if the training rows had mean 0 in its space."""
    return k - learnt["means"] - k.mean(axis=1, keepdims=True) + learnt["mean"]


def _eigen(k: Matrix, size: int | None, threshold: float) -> dict[str, Any]:
    """Means of a kernel matrix and the vectors that its centered form is multiplied by."""
    means = k.mean(axis=0)
    learnt = {"means": means, "mean": float(means.mean())}
    values, vectors = np.linalg.eigh(_centered(k, learnt))
    values, vectors = values[::-1], vectors[:, ::-1]
    keep = (values > max(threshold, 1e-12 * max(float(values[0]), 0.0)))[: size or None].sum()
    vectors = vectors[:, :keep]
    signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(keep)])
    return {**learnt, "size": int(keep), "matrix": vectors * signs / np.sqrt(values[:keep])}


SETTINGS: dict[str, dict[str, float]] = {
    "rbfdot": {"sigma": 1},
    "polydot": {"degree": 1, "scale": 1, "offset": 1},
    "vanilladot": {},
    "tanhdot": {"scale": 1, "offset": 1},
    "laplacedot": {"sigma": 1},
    "besseldot": {"sigma": 1, "order": 1, "degree": 1},
    "anovadot": {"sigma": 1, "degree": 1},
    "splinedot": {},
}
"""What each kernel can be told, and what it is without."""


@po.add("kernelpca")
@operator
class KernelPCA(Embed):
    """Replace numeric columns by principal components in the space of a kernel, `V1`, `V2`, … (Schoelkopf and others 1998).

    kernel: rbfdot `exp(-sigma |x - y|^2)`, polydot `(scale <x, y> + offset)^degree`, vanilladot `<x, y>`, tanhdot
    `tanh(scale <x, y> + offset)`, laplacedot `exp(-sigma |x - y|)`, besseldot, anovadot `(sum exp(-sigma (x - y)^2))^degree` or
    splinedot (kernels of kernlab, Karatzoglou and others 2004). kpar: a dictionary of its words above, by default
    `{"sigma": 0.1}` for what has that; all others are 1. features: how many components, 0 for all with an eigenvalue (over the
    number of rows) above th. (n, p) -> (n, at most n).

    >>> from pipeops import po, tsk
    >>> po("kernelpca", kpar={"sigma": 0.2}, features=2).train([tsk("iris")])[0][0].feature_names
    ['V1', 'V2']
    """

    example: ClassVar[Any] = {"features": 2}

    kernel: str = choice(*SETTINGS, default="rbfdot")
    kpar: Mapping[str, float] | None = anything(None)
    features: int = integer(0, default=0)
    th: float = real(0, default=1e-4)

    def __attrs_post_init__(self) -> None:
        known = SETTINGS.get(self.kernel, {})
        given: Any = {} if self.kpar is None or isinstance(self.kernel, Token) else self.kpar
        if not isinstance(given, Mapping) or not all(name in known for name in given):
            takes = listing(known) if known else "nothing"
            raise ConfigError(f"{self.id}: 'kpar' of the kernel {self.kernel} is a dictionary of {takes}, got {self.kpar!r}.")

    def learn_matrix(self, x: Matrix, names: list[str]) -> dict[str, Any]:
        learnt = _eigen(self._kernel(x, x), self.features, self.th * len(x))
        return {**learnt, "matrix": learnt["matrix"] * np.sqrt(len(x)), "rows": x}

    def embed(self, x: Matrix, learnt: dict[str, Any]) -> Matrix:
        return _centered(self._kernel(x, np.asarray(learnt["rows"])), learnt) @ learnt["matrix"]

    def _kernel(self, x: Matrix, rows: Matrix) -> Any:
        usual = {"sigma": 0.1} if self.kpar is None and "sigma" in SETTINGS[self.kernel] else {}
        return kernel_matrix(self.kernel, x, rows, {**SETTINGS[self.kernel], **usual, **(self.kpar or {})})


def kernel_matrix(kernel: str, x: Matrix, rows: Matrix, at: Mapping[str, float]) -> Any:
    """A kernel between rows `(n, p)` and others `(m, p)`: `(n, m)`.

    >>> kernel_matrix("polydot", np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]), {"degree": 2, "scale": 1, "offset": 1}).tolist()
    [[144.0]]
    """
    if kernel in ("rbfdot", "laplacedot"):
        squares = _squares(x, rows)
        return np.exp(-at["sigma"] * (squares if kernel == "rbfdot" else np.sqrt(squares)))
    if kernel == "besseldot":
        return _bessel(at["sigma"] * np.sqrt(_squares(x, rows)), at["order"]) ** at["degree"]
    if kernel == "anovadot":
        apart = (np.exp(-at["sigma"] * (a[:, None] - b) ** 2) for a, b in zip(x.T, rows.T, strict=True))
        return np.sum(list(apart), axis=0) ** at["degree"]
    if kernel == "splinedot":
        return np.prod([_spline(a[:, None], b) for a, b in zip(x.T, rows.T, strict=True)], axis=0)
    products = x @ rows.T
    inner = products if kernel == "vanilladot" else at["scale"] * products + at["offset"]
    return np.tanh(inner) if kernel == "tanhdot" else inner ** at.get("degree", 1)


def _bessel(distance: Matrix, order: float) -> Any:
    """The Bessel function of a distance over its power, 1 at 0."""
    from scipy.special import gamma, jv

    safe = np.maximum(distance, 1e-5)
    return np.where(distance < 1e-5, 1.0, jv(order, safe) * safe**-order * gamma(order + 1) * 2.0**order)


def _spline(a: Matrix, b: Matrix) -> Any:
    """The kernel of cubic splines of one column."""
    least = np.minimum(a, b)
    return 1 + a * b * (1 + least) - (a + b) / 2 * least**2 + least**3 / 3


def _squares(x: Matrix, rows: Matrix) -> Any:
    from scipy.spatial.distance import cdist

    return cdist(x, rows, "sqeuclidean")


@po.add("isomap")
@operator
class Isomap(Embed):
    """Replace numeric columns by coordinates that keep the distances along the data, `iso1`, … (Tenenbaum and others 2000).

    knn: how many nearest rows are neighbours (fewer where there are fewer rows). ndim: how many coordinates. Distances are
    shortest paths from neighbour to neighbour; parts that are not connected are joined where they are nearest.

    >>> from pipeops import po, tsk
    >>> po("isomap", knn=10).train([tsk("iris")])[0][0].feature_names
    ['iso1', 'iso2']
    """

    prefix: ClassVar[str] = "iso"
    predict_equals_train: ClassVar[bool] = True

    knn: int = integer(1, default=50)
    ndim: int = integer(1, default=2)

    def learn_matrix(self, x: Matrix, names: list[str]) -> dict[str, Any]:
        from sklearn.manifold import Isomap as Model

        near = min(self.knn, len(x) - 1)
        model = Model(n_neighbors=near, n_components=min(self.ndim, len(x)))
        paths = np.asarray(self.guarded(lambda: quietly(lambda: model.fit(x))).dist_matrix_, dtype=np.float64)
        return {**_eigen(-0.5 * paths**2, self.ndim, 0.0), "rows": x, "paths": paths, "near": near}

    def embed(self, x: Matrix, learnt: dict[str, Any]) -> Matrix:
        rows, paths = np.asarray(learnt["rows"]), np.asarray(learnt["paths"])
        steps = np.sqrt(_squares(x, rows))
        nearest = np.argsort(steps, axis=1, kind="stable")[:, : learnt["near"]]
        through = np.take_along_axis(steps, nearest, axis=1)[:, :, None] + paths[nearest]
        return _centered(-0.5 * through.min(axis=1) ** 2, learnt) @ learnt["matrix"]
