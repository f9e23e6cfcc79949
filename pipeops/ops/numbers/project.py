"""Numbers as fewer or other numbers by a matrix: pca, ica, nmf, randomprojection.

Each learns a matrix from the affected columns at once; applying it is one product. Neighbours: `manifold` does the same without
a matrix; `rowwise` treats rows alone.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from math import isfinite
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from pipeops.data.columns import number_arrays
from pipeops.data.frames import View
from pipeops.data.maps import ColumnMap
from pipeops.data.matrix import blocks, source
from pipeops.errors import DataError, TrainingError, listing
from pipeops.ops import statistics as of
from pipeops.ops.base import Frame, Series, operator
from pipeops.ops.column_maps import ColumnMaps, Schema
from pipeops.ops.numbers.blockwise import ROWS, Projection, Rowwise, numbers_of
from pipeops.params import anything, choice, flag, integer, real
from pipeops.shorthand import po

Matrix = npt.NDArray[np.float64]
LARGEST = 1e300
"""The largest number that is taken: sums of many stay finite."""


def matrix_of(frame: Frame) -> Matrix:
    """All columns as a float64 matrix; missing values are NaN."""
    return np.column_stack([np.asarray(c, dtype=np.float64) for c in number_arrays(frame, frame.columns)])


@operator
class Embed(ColumnMaps):
    """Base of operators that replace numeric columns by new ones, `<prefix>1`, `<prefix>2`, ….

    Missing and infinite values are refused in training; in prediction they make the new values of their row missing. From
    fewer than two rows nothing is learnt: there are no new columns.
    """

    kinds: ClassVar[tuple[str, ...]] = ("numeric",)
    prefix: ClassVar[str] = "V"

    def learn_matrix(self, x: Matrix, names: list[str]) -> dict[str, Any]:
        """What is learnt from a matrix of two rows or more, with "size", the number of new columns."""
        raise NotImplementedError

    @abstractmethod
    def embed(self, x: Matrix, learnt: dict[str, Any]) -> Matrix:
        """The new values of rows without missing ones."""

    def learn_view(self, view: View, names: Sequence[str], target: Series | None) -> dict[str, Any]:
        if not _are_tame(view, names):
            self._refuse_wild(view, names)
        return self.learn_numbers(view, list(names)) if view.nrow > 1 else {"size": 0}

    def learn_numbers(self, view: View, names: list[str]) -> dict[str, Any]:
        """What is learnt from columns of finite numbers: of their matrix, unless a subclass can do without."""
        return self.learn_matrix(numbers_of(view, names).T, names)

    def _refuse_wild(self, view: View, names: Sequence[str]) -> None:
        """Refuse columns with missing, infinite or too large numbers."""
        found = of.statistics(view, names, {"low": of.low, "high": of.high, "count": of.count})
        low, high, count = found["low"], found["high"], found["count"]
        holed = [n for n in names if view.nrow > count[n] or not isfinite(high[n] / 2 - low[n] / 2)]
        if holed and view.nrow:
            raise DataError(
                f"{self.id}: missing or infinite values in {listing(holed)}; impute them first, for example with "
                'po("imputemean"), or leave the columns out with affect_columns.'
            )
        large = [name for name in names if max(-low[name], high[name]) > LARGEST]
        if large:
            raise DataError(f'{self.id}: the numbers in {listing(large)} are too large to be added up; use po("scale") before.')

    def maps(self, schema: Schema, state: Any) -> list[ColumnMap]:
        return [Rowwise(tuple(schema), self.made(state), lambda block: self._embedded(block, state))]

    def made(self, state: dict[str, Any]) -> tuple[str, ...]:
        """Names of the new columns."""
        return tuple(f"{self.prefix}{j + 1}" for j in range(state["size"]))

    def _embedded(self, block: Matrix, state: dict[str, Any]) -> Matrix:
        good = np.isfinite(block).all(axis=0)
        made = np.full((state["size"], block.shape[1]), np.nan)
        if good.any():
            made[:, good] = self.embed(np.ascontiguousarray(block[:, good].T), state).T
        return made

    def guarded(self, action: Callable[[], Any]) -> Any:
        """scikit-learn's own errors, told as ours."""
        try:
            return action()
        except (ValueError, ArithmeticError, np.linalg.LinAlgError) as error:
            raise TrainingError(f"{self.id}: scikit-learn could not fit: {error}") from error


def _blocks(view: View, names: Sequence[str]) -> Iterator[Matrix]:
    """All rows in blocks `(columns, rows)`."""
    return (block.T for _, _, block in blocks(source(view, names, view.nrow, np.float64), ROWS, np.float64))


def _are_tame(view: View, names: Sequence[str]) -> bool:
    """Whether all numbers are there, finite, and small enough to be squared; False may only mean that nobody looked closely."""
    with np.errstate(all="ignore"):
        if view.is_made and view.rows is None:
            columns = number_arrays(view.frame, names)
            return all(column.dtype == np.float64 and np.isfinite(np.dot(column, column)) for column in columns)
        return all(np.isfinite(np.einsum("ij,ij->i", block, block)).all() for block in _blocks(view, names))


@operator
class Project(Embed):
    """Base of operators that subtract a center, divide by a scale and multiply by a matrix."""

    def embed(self, x: Matrix, learnt: dict[str, Any]) -> Matrix:
        return (x - learnt["center"]) / learnt["scale"] @ learnt["matrix"]

    def maps(self, schema: Schema, state: Any) -> list[ColumnMap]:
        if not state["size"]:
            return super().maps(schema, state)
        matrix, center, scale = (np.asarray(state[key], dtype=np.float64) for key in ("matrix", "center", "scale"))
        return [Projection(tuple(schema), self.made(state), matrix, center, scale)]


def _projection(matrix: Any, center: Any = 0.0, scale: Any = 1.0) -> dict[str, Any]:
    return {"size": matrix.shape[1], "matrix": matrix, "center": center, "scale": scale}


@po.add("pca")
@operator
class PCA(Project):
    """Replace numeric columns by their principal components `PC1`, `PC2`, …; (n, p) -> (n, min(n, p)) (Hotelling 1933).

    center: subtract the means. scale: divide by the standard deviations; a constant column is refused. rank: at most so many
    components. The sign of a component means nothing.

    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"a": [1.0, 2.0, 3.0], "b": [2.0, 4.0, 6.0], "y": [0, 0, 1]}, target="y")
    >>> abs(po("pca", rank=1).train([task])[0][0].matrix(dtype="float64").ravel().round(3)).tolist()
    [2.236, 0.0, 2.236]
    """

    prefix: ClassVar[str] = "PC"

    center: bool = flag(True)
    scale: bool = flag(False)
    rank: int | None = integer(1, default=None)

    def learn_view(self, view: View, names: Sequence[str], target: Series | None) -> dict[str, Any]:
        found = _moments(view, names) if view.nrow > TALL * len(names) else None
        if found is not None:
            center, products = found if self.center else (0 * found[0], found[1] + view.nrow * np.outer(found[0], found[0]))
            scale = self._scale(np.diag(products) / (view.nrow - 1), names)
            values, vectors = np.linalg.eigh(products / scale / scale[:, None])
            if values[0] > CLEAR * values[-1]:
                return _projection(vectors[:, ::-1][:, : self.rank], center, scale)
        return super().learn_view(view, names, target)

    def learn_matrix(self, x: Matrix, names: list[str]) -> dict[str, Any]:
        center = x.mean(axis=0) if self.center else np.zeros(x.shape[1])
        scale = self._scale(((x - center) ** 2).sum(axis=0) / (len(x) - 1) if self.scale else center, names)
        corner = np.linalg.qr((x - center) / scale, mode="r")  # has the directions of all rows, in a square
        turned = np.linalg.svd(corner, full_matrices=False)[2].T
        return _projection(turned[:, : self.rank], center, scale)

    def _scale(self, squares: Matrix, names: Sequence[str]) -> Matrix:
        """What columns are divided by: the roots of their mean squares, or 1."""
        if not self.scale:
            return np.ones(len(names))
        flat = [name for name, square in zip(names, squares, strict=True) if not square > 0]
        if flat:
            raise DataError(f'{self.id}: {listing(flat)} cannot be scaled; remove constants with po("removeconstants").')
        return np.sqrt(squares)


TALL = 100
"""From so many rows for each column on directions may come from products of the columns."""
CLEAR = 1e-6
"""The smallest of their eigenvalues over the largest, from which on they are as exact as the rows themselves."""


def _moments(view: View, names: Sequence[str]) -> tuple[Matrix, Matrix] | None:
    """Means and products of all pairs of centered columns in one pass; None where a number is not finite or digits are lost.

    The first rows' means are subtracted on the way: what that leaves must be small beside the spread.
    """
    near, total, products = np.zeros(0), np.zeros(len(names)), np.zeros((len(names), len(names)))
    with np.errstate(all="ignore"):
        for block in _blocks(view, names):
            near = near if len(near) else block.mean(axis=1)
            moved = block - near[:, None]
            total += moved.sum(axis=1)
            products += moved @ moved.T
    rest = total / view.nrow
    if not np.isfinite(products).all() or (view.nrow * rest**2 > 0.5 * np.diag(products)).any():
        return None
    return near + rest, products - view.nrow * np.outer(rest, rest)


@po.add("ica")
@operator
class ICA(Project):
    """Replace numeric columns by independent components `V1`, `V2`, …; (n, p) -> (n, n_comp) (Hyvarinen and Oja 2000).

    n_comp: how many, all when None. alg_typ: all at once or one after another. fun, alpha: the measure of non-normality.
    maxit, tol: when to stop. row_norm: divide columns by their standard deviations before. w_init, seed: where the search begins,
    a matrix (n_comp, n_comp) or a draw. By scikit-learn's FastICA.

    >>> from pipeops import po, tsk
    >>> po("ica", n_comp=2, seed=1).train([tsk("iris")])[0][0].feature_names
    ['V1', 'V2']
    """

    example: ClassVar[Any] = {"affect_columns": ["a", "b"], "maxit": 2000, "n_comp": 2, "tol": 0.01}

    n_comp: int | None = integer(1, default=None)
    alg_typ: str = choice("parallel", "deflation", default="parallel")
    fun: str = choice("logcosh", "exp", default="logcosh")
    alpha: float = real(1, 2, default=1.0)
    maxit: int = integer(1, default=200)
    tol: float = real(0, default=1e-4)
    row_norm: bool = flag(False)
    w_init: Any = anything(None)
    seed: int = integer(0, default=0)

    def learn_matrix(self, x: Matrix, names: list[str]) -> dict[str, Any]:
        from sklearn.decomposition import FastICA

        spread = x.std(axis=0, ddof=1) if self.row_norm else np.ones(x.shape[1])
        spread = np.where(spread > 0, spread, 1.0)
        model = FastICA(
            self.n_comp,
            algorithm=self.alg_typ,
            fun=self.fun,
            fun_args={"alpha": self.alpha} if self.fun == "logcosh" else None,
            max_iter=self.maxit,
            tol=self.tol,
            random_state=self.seed,
            whiten="unit-variance",
            w_init=None if self.w_init is None else np.asarray(self.w_init, dtype=np.float64),
        )
        self.guarded(lambda: model.fit(x / spread))
        return _projection(np.asarray(model.components_).T, np.asarray(model.mean_) * spread, spread)


@po.add("nmf")
@operator
class NMF(Project):
    """Replace numeric columns without negative values by `NMF1`, …, the weights of their non-negative parts (Lee and Seung 1999).

    rank: how many parts. method: brunet, by the Kullback-Leibler divergence, or lee, by squares. nrun: the best of so many
    searches. seed: where they begin. The new values are the columns times the pseudo-inverse of the parts that scikit-learn's NMF
    finds, in training and in prediction alike.

    >>> from pipeops import po, tsk
    >>> po("nmf", rank=2).train([tsk("iris")])[0][0].feature_names
    ['NMF1', 'NMF2']
    """

    prefix: ClassVar[str] = "NMF"
    example: ClassVar[Any] = {"affect_columns": ["b", "c"]}

    rank: int = integer(1, default=2)
    method: str = choice("brunet", "lee", default="brunet")
    nrun: int = integer(1, default=1)
    seed: int = integer(0, default=0)

    def learn_matrix(self, x: Matrix, names: list[str]) -> dict[str, Any]:
        if (x < 0).any():
            negative = [name for name, low in zip(names, x.min(axis=0), strict=True) if low < 0]
            raise DataError(f'{self.id}: negative values in {listing(negative)}; use po("scalerange") first.')
        models = [self.guarded(lambda k=k: quietly(lambda: self._model(x, k).fit(x))) for k in range(self.nrun)]
        best = min(models, key=lambda model: model.reconstruction_err_)
        return _projection(np.linalg.pinv(np.asarray(best.components_)))

    def _model(self, x: Matrix, run: int) -> Any:
        """scikit-learn's model of a search; the first begins at the singular vectors, others at random."""
        from sklearn.decomposition import NMF as Model  # noqa: N811

        rule: Any = {"brunet": {"solver": "mu", "beta_loss": "kullback-leibler"}, "lee": {"solver": "cd"}}[self.method]
        start = "random" if run else "nndsvda"
        return Model(min(self.rank, *x.shape), init=start, random_state=self.seed + run, max_iter=1000, tol=1e-4, **rule)


def quietly(action: Callable[[], Any]) -> Any:
    """Without scikit-learn's warnings: that last digits may still change, that parts of the data had to be joined."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return action()


@po.add("randomprojection")
@operator
class RandomProjection(Project):
    """Replace numeric columns by random combinations `PR1`, `PR2`, …; (n, p) -> (n, rank) (Johnson and Lindenstrauss 1984).

    rank: how many. seed: which ones; the directions are orthogonal and of length 1 where rank is at most p.

    >>> from pipeops import po, tsk
    >>> po("randomprojection", rank=2, seed=1).train([tsk("iris")])[0][0].feature_names
    ['PR1', 'PR2']
    """

    prefix: ClassVar[str] = "PR"
    example: ClassVar[Any] = {"rank": 2}

    rank: int = integer(0, default=1)
    seed: int = integer(0, default=0)

    def learn_numbers(self, view: View, names: list[str]) -> dict[str, Any]:
        drawn = np.random.default_rng(self.seed).normal(size=(len(names), self.rank))
        q, r = np.linalg.qr(drawn) if self.rank <= len(names) else (drawn / np.linalg.norm(drawn, axis=0), np.eye(self.rank))
        return _projection(q * np.where(np.diag(r) < 0, -1.0, 1.0))
