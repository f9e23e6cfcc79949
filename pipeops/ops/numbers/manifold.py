"""Numbers as fewer numbers by distances to the training rows: kernelpca, isomap.

scikit-learn fits; what is kept are the training rows and arrays, so that a state is plain data. Neighbours: `project` beside it.
"""

from typing import Any, ClassVar

import numpy as np

from pipeops.ops.base import operator
from pipeops.ops.numbers.project import Embed, Matrix, quietly
from pipeops.params import choice, integer, real
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


@po.add("kernelpca")
@operator
class KernelPCA(Embed):
    """Replace numeric columns by principal components in the space of a kernel, `V1`, `V2`, … (Schoelkopf and others 1998).

    kernel: rbfdot `exp(-sigma |x - y|^2)`, polydot `(scale <x, y> + offset)^degree`, vanilladot `<x, y>`, tanhdot
    `tanh(scale <x, y> + offset)` or laplacedot `exp(-sigma |x - y|)`. features: how many components, 0 for all with an eigenvalue
    (over the number of rows) above th. (n, p) -> (n, at most n).

    >>> from pipeops import po, tsk
    >>> po("kernelpca", features=2).train([tsk("iris")])[0][0].feature_names
    ['V1', 'V2']
    """

    example: ClassVar[Any] = {"features": 2}

    kernel: str = choice("rbfdot", "polydot", "vanilladot", "tanhdot", "laplacedot", default="rbfdot")
    sigma: float = real(0, default=0.1)
    degree: int = integer(1, default=1)
    scale: float = real(default=1.0)
    offset: float = real(default=1.0)
    features: int = integer(0, default=0)
    th: float = real(0, default=1e-4)

    def learn(self, x: Matrix, names: list[str]) -> dict[str, Any]:
        return {**_eigen(self._kernel(x, x), self.features, self.th * len(x)), "rows": x}

    def embed(self, x: Matrix, learnt: dict[str, Any]) -> Matrix:
        return _centered(self._kernel(x, np.asarray(learnt["rows"])), learnt) @ learnt["matrix"]

    def _kernel(self, x: Matrix, rows: Matrix) -> Any:
        if self.kernel in ("rbfdot", "laplacedot"):
            squares = _squares(x, rows)
            return np.exp(-self.sigma * (squares if self.kernel == "rbfdot" else np.sqrt(squares)))
        products = x @ rows.T
        if self.kernel == "vanilladot":
            return products
        inner = self.scale * products + self.offset
        return inner**self.degree if self.kernel == "polydot" else np.tanh(inner)


def _squares(x: Matrix, rows: Matrix) -> Any:
    from scipy.spatial.distance import cdist

    return cdist(x, rows, "sqeuclidean")


@po.add("isomap")
@operator
class Isomap(Embed):
    """Replace numeric columns by coordinates that keep the distances along the data, `isomap1`, … (Tenenbaum and others 2000).

    k: how many nearest rows are neighbours (fewer where there are fewer rows). ndim: how many coordinates. Distances are
    shortest paths from neighbour to neighbour; parts that are not connected are joined where they are nearest.

    >>> from pipeops import po, tsk
    >>> po("isomap", k=10).train([tsk("iris")])[0][0].feature_names
    ['isomap1', 'isomap2']
    """

    prefix: ClassVar[str] = "isomap"
    predict_equals_train: ClassVar[bool] = True

    k: int = integer(1, default=50)
    ndim: int = integer(1, default=2)

    def learn(self, x: Matrix, names: list[str]) -> dict[str, Any]:
        from sklearn.manifold import Isomap as Model

        near = min(self.k, len(x) - 1)
        model = Model(n_neighbors=near, n_components=min(self.ndim, len(x)))
        paths = np.asarray(self.guarded(lambda: quietly(lambda: model.fit(x))).dist_matrix_, dtype=np.float64)
        return {**_eigen(-0.5 * paths**2, self.ndim, 0.0), "rows": x, "paths": paths, "near": near}

    def embed(self, x: Matrix, learnt: dict[str, Any]) -> Matrix:
        rows, paths = np.asarray(learnt["rows"]), np.asarray(learnt["paths"])
        steps = np.sqrt(_squares(x, rows))
        nearest = np.argsort(steps, axis=1, kind="stable")[:, : learnt["near"]]
        through = np.take_along_axis(steps, nearest, axis=1)[:, :, None] + paths[nearest]
        return _centered(-0.5 * through.min(axis=1) ** 2, learnt) @ learnt["matrix"]
