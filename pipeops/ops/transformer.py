"""transformer: any scikit-learn transformer as an operator, `po(PCA(n_components=4))`.

Its constructor's arguments are the node's hyperparameters; it is cloned before fitting. Numbers go in as a float64 matrix,
or one column of text where the estimator reads text, or a frame where it chooses columns itself; what comes out has the
estimator's own names.
Neighbours: `base` beside it; `learn.learners.estimators` below says how estimators are read and saved.
"""

import re
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import attrs
import narwhals as nw
import numpy as np

from pipeops.data.columns import KINDS, new_frame, number_arrays
from pipeops.data.several import TaskMulti
from pipeops.data.task import Task
from pipeops.errors import ConfigError, DataError, UnknownParameterError, listing, suggest
from pipeops.graph.pipeop import AutoId, operator
from pipeops.learn.learners import estimators
from pipeops.ops.base import Frame, Preprocess, Series
from pipeops.params import Setting
from pipeops.saving import savable
from pipeops.shorthand import po
from pipeops.text import call, source


@savable
@attrs.frozen(eq=False)
class FittedTransformer:
    """A fitted estimator and the names of the columns that it gives."""

    estimator: Any
    names: list[str]


@po.add("transformer")
@operator
class Transformer(Preprocess):
    """Fit a scikit-learn transformer on the affected columns and put what it gives in their place.

    transformer: an instance, which is cloned before fitting. affect_columns: which features; all that the estimator can take
    when None (categories and text where its tags say that it takes them, else numbers and booleans, as a float64 matrix in
    which missing is NaN; a ColumnTransformer takes all, by name). A supervised one sees the target. Names come from
    `get_feature_names_out`; sparse output is made dense, with a warning. id: the estimator's class in snake case.
    `po(StandardScaler())` makes this node, too.

    >>> from pipeops import as_task_regr, po
    >>> from sklearn.preprocessing import MinMaxScaler
    >>> node = po(MinMaxScaler(), feature_range=(0, 10))
    >>> node
    po("transformer", MinMaxScaler(feature_range=(0, 10)))
    >>> task = as_task_regr({"x": [1.0, 2.0, 3.0], "y": [0.0, 1.0, 2.0]}, target="y")
    >>> node.train([task])[0][0].matrix().ravel().tolist()
    [0.0, 5.0, 10.0]
    """

    predict_equals_train: ClassVar[bool] = False
    any_rows: ClassVar[bool] = False
    target: ClassVar[bool] = True
    example = staticmethod(lambda: {"transformer": _example()})

    transformer: Any

    def __init__(self, transformer: Any, *, id: str | None = None, affect_columns: Any = None, **arguments: Any):
        if isinstance(transformer, type) or not all(hasattr(transformer, n) for n in ("fit", "transform", "get_params")):
            made = f"{transformer.__name__}(), not the class" if isinstance(transformer, type) else "with fit and transform"
            raise ConfigError(f'po("transformer"): takes an instance of a scikit-learn transformer, {made}; got {transformer!r}.')
        chosen = AutoId(_snake(type(transformer).__name__)) if id is None else id
        unknown = [name for name in arguments if name not in transformer.get_params(deep=True)]
        if unknown:
            near = suggest(unknown[0], transformer.get_params(deep=True), "arguments")
            raise UnknownParameterError(f"{chosen}: a {type(transformer).__name__} has no argument '{unknown[0]}'.{near}")
        made = _changed(transformer, arguments)
        self.__attrs_init__(id=chosen, affect_columns=affect_columns, transformer=made)  # type: ignore[attr-defined]

    @property
    def kinds(self) -> tuple[str, ...]:  # type: ignore[override]
        """The kinds of columns that the estimator takes."""
        tags = _tags(self.transformer).input_tags
        if _chooses_columns(self.transformer):
            return KINDS
        if tags.categorical:
            return ("categorical",) if self.affect_columns is None else KINDS
        return ("numeric", "boolean") if tags.two_d_array else ("categorical",)

    def own_params(self) -> dict[str, Setting]:
        """`affect_columns` and the estimator's arguments."""
        return {**super().own_params(), **estimators.settings(self.transformer, {})}

    def with_own(self, name: str, value: Any) -> Self:
        """A copy with one hyperparameter changed."""
        if name in self.transformer.get_params(deep=True):
            return attrs.evolve(self, transformer=_changed(self.transformer, {name: value}))
        return super().with_own(name, value)

    # ---------------------------------------------------------------- columns

    def seen_target(self, task: Task) -> Series | None:
        """The target; none of several for an estimator that needs none."""
        if isinstance(task, TaskMulti) and not _tags(self.transformer).target_tags.required:
            return None
        return super().seen_target(task)

    def fit(self, frame: Frame, target: Series | None) -> FittedTransformer:
        return self.fit_apply(frame, target)[1]

    def fit_apply(self, frame: Frame, target: Series | None) -> tuple[Frame, FittedTransformer]:
        """Fit and transform in one, as scikit-learn does: cross-fitted estimators give other values in training."""
        estimator: Any = _changed(self.transformer, {})
        x, y = self._input(frame), self._target(target)
        made = estimators.guarded(str(self.id), "fit", lambda: _fit_transform(estimator, x, y))
        names = self._names(estimator, frame, made)
        state = FittedTransformer(estimator, names)
        return self._framed(made, frame, names), state

    def apply(self, frame: Frame, state: FittedTransformer) -> Frame:
        x = self._input(frame)
        made = (
            estimators.guarded(str(self.id), "transform", lambda: state.estimator.transform(x))
            if len(frame)
            else np.empty((0, len(state.names)))
        )
        return self._framed(made, frame, state.names)

    def _input(self, frame: Frame) -> Any:
        if _chooses_columns(self.transformer):
            return frame.to_pandas() if frame.implementation.is_pandas() else frame.to_polars()
        tags = _tags(self.transformer).input_tags
        if not tags.two_d_array:
            if len(frame.columns) != 1:
                raise DataError(
                    f"{self.id}: a {type(self.transformer).__name__} reads one column of text, got {listing(frame.columns)}; "
                    'choose it with affect_columns=["..."].'
                )
            return ["" if value is None else str(value) for value in frame[frame.columns[0]].to_list()]
        if tags.categorical:
            return np.array([column.to_list() for column in frame.iter_columns()], dtype=object).T
        return np.column_stack([np.asarray(column, dtype=np.float64) for column in number_arrays(frame, frame.columns)])

    def _target(self, target: Series | None) -> Any:
        if target is None:
            return None
        return target.to_numpy() if target.dtype.is_numeric() else np.asarray(target.cast(nw.String).to_list())

    def _names(self, estimator: Any, frame: Frame, made: Any) -> list[str]:
        if not hasattr(estimator, "get_feature_names_out"):
            same = made.shape[1] == len(frame.columns)
            return list(frame.columns) if same else [f"{self.id}_{j}" for j in range(made.shape[1])]
        given = frame.columns if _tags(self.transformer).input_tags.two_d_array else None
        return [str(name) for name in estimator.get_feature_names_out(given)]

    def _framed(self, made: Any, frame: Frame, names: list[str]) -> Frame:
        if hasattr(made, "toarray"):
            warnings.warn(
                f"{self.id}: {type(self.transformer).__name__} gives a sparse matrix, which is made dense.", stacklevel=2
            )
            made = made.toarray()
        columns = np.asarray(made)
        return new_frame({name: _column(columns[:, j]) for j, name in enumerate(names)}, like=frame)

    def __repr__(self) -> str:
        named: Mapping[str, Any] = {} if isinstance(self.id, AutoId) else {"id": str(self.id)}
        more = {} if self.affect_columns is None else {"affect_columns": self.affect_columns}
        return call("po", [source(type(self).key), " ".join(repr(self.transformer).split())], {**named, **more})


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _changed(estimator: Any, arguments: Mapping[str, Any]) -> Any:
    from sklearn.base import clone

    copied: Any = clone(estimator)
    return copied.set_params(**arguments)


def _tags(estimator: Any) -> Any:
    from sklearn.utils import get_tags

    return get_tags(estimator)


def _fit_transform(estimator: Any, x: Any, y: Any) -> Any:
    made = estimator.fit_transform(x, y) if hasattr(estimator, "fit_transform") else estimator.fit(x, y).transform(x)
    return made[0] if isinstance(made, tuple) else made  # cross decompositions transform the target beside


def _chooses_columns(estimator: Any) -> bool:
    """Whether it is, or holds, a ColumnTransformer, which takes columns of a frame by name."""
    from sklearn.compose import ColumnTransformer

    return any(isinstance(part, ColumnTransformer) for part in (estimator, *estimator.get_params(deep=True).values()))


def _column(values: Any) -> Any:
    return values.tolist() if values.dtype == object else values


def _example() -> Any:
    from sklearn.preprocessing import MaxAbsScaler

    return MaxAbsScaler()
