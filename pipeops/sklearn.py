"""Graphs as scikit-learn estimators: `PipeOpsClassifier`, `PipeOpsRegressor` and `PipeOpsTransformer`.

They take arrays or frames as scikit-learn does, make a task of them, train a learner (`learner_`) and answer in
scikit-learn's terms: `classes_` sorted, probabilities in that order, hyperparameters by `get_params` with `__` for the dot of
an address. Neighbours: `as_learner` and tasks below; nothing in the package imports this.
"""

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Self

import narwhals as nw
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_array, check_is_fitted, column_or_1d, validate_data

from pipeops.data import Task, as_task_classif, as_task_regr
from pipeops.errors import ConfigError, DataError, PipeOpsError, UnknownParameterError, suggest
from pipeops.graph import Graph, PipeOp, as_learner, chain
from pipeops.learn.learner import Learner
from pipeops.learn.learner import Learner as AnyLearner

TARGET = "target"
WEIGHT = "sample_weight"


class _Estimator(BaseEstimator):
    """What the estimators share: hyperparameters by address, and data as tasks."""

    graph: Any

    # ---------------------------------------------------------------- hyperparameters

    def _own(self) -> dict[str, Any]:
        return BaseEstimator.get_params(self, deep=False)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's arguments and, with `deep`, the graph's hyperparameters: `linear__out_features`."""
        inner = {name: self._params()[address] for name, address in self._addresses().items()} if deep else {}
        return {**inner, **self._own()}

    def set_params(self, **params: Any) -> Self:
        """Set arguments or hyperparameters of the graph, which is copied first: nobody else's graph changes."""
        own = self._own()
        for name in own.keys() & params.keys():
            setattr(self, name, params[name])
        inner = {name: value for name, value in params.items() if name not in own}
        if inner:
            self._set_inner(inner)
        return self

    def _set_inner(self, inner: Mapping[str, Any]) -> None:
        addresses = self._addresses()
        unknown = [name for name in inner if name not in addresses]
        if unknown:
            names = [*self._own(), *addresses]
            raise UnknownParameterError(f"{type(self).__name__}: no parameter '{unknown[0]}'.{suggest(unknown[0], names)}")
        self.graph = _copied(self.graph)
        for name, value in inner.items():
            self._params()[addresses[name]] = value

    def _params(self) -> Any:
        return (chain([self.graph]) if isinstance(self.graph, PipeOp) else self.graph).params

    def _addresses(self) -> dict[str, str]:
        """scikit-learn's name of each hyperparameter, and its address."""
        known = isinstance(self.graph, Graph | PipeOp | Learner)
        return {address.replace(".", "__"): address for address in self._params()} if known else {}

    # ---------------------------------------------------------------- data

    def _features(self, X: Any, reset: bool) -> nw.DataFrame[Any]:  # noqa: N803 - scikit-learn's name
        """The features as a frame: frames stay what they are, anything else must be a matrix of numbers, NaN for missing."""
        frame = _as_frame(X)
        if frame is None:
            x: Any = validate_data(self, X, reset=reset, ensure_all_finite="allow-nan", dtype="numeric")
            return _framed(x, getattr(self, "feature_names_in_", [f"x{j}" for j in range(x.shape[1])]))
        validate_data(self, X, skip_check_array=True, reset=reset)
        if reset or hasattr(self, "feature_names_in_"):
            return frame
        return frame.rename({name: f"x{j}" for j, name in enumerate(frame.columns)})

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = _takes_missing(self.graph)
        tags.input_tags.categorical = tags.input_tags.string = True
        return tags


def _framed(x: Any, names: Any) -> nw.DataFrame[Any]:
    import polars as pl

    return nw.from_native(pl.from_numpy(x, schema=list(names)), eager_only=True)


def _takes_missing(graph: Any) -> bool:
    """Whether a node fills missing values or models them, for all that can be seen from outside."""
    inner = getattr(graph, "graph", graph)
    nodes = inner.nodes.values() if isinstance(inner, Graph) else [inner]
    return any(str(getattr(node, "key", "")).startswith("impute") or _models_missing(node) for node in nodes)


def _models_missing(node: Any) -> bool:
    estimator = getattr(getattr(node, "learner", node), "estimator", None)
    return estimator is not None and get_tags(estimator).input_tags.allow_nan


@contextmanager
def _told(estimator: Any, frame: nw.DataFrame[Any], weights: Any = None) -> Generator[None]:
    """What the graph refuses, told with scikit-learn's own words where missing values or weights are the reason."""
    try:
        yield
    except PipeOpsError as error:
        if weights is not None:
            raise DataError(f"{type(estimator).__name__}, sample_weight: {error}") from error
        if any(nan.any() for nan in _nan(frame)):
            raise DataError(f"{type(estimator).__name__}: input X contains NaN: {error}") from error
        raise


def _nan(frame: nw.DataFrame[Any]) -> Iterator[Any]:
    for column in frame.iter_columns():
        yield column.is_null()
        if column.dtype.is_float():
            yield column.is_nan().fill_null(False)


def _as_frame(thing: Any) -> nw.DataFrame[Any] | None:
    """A frame of any library as narwhals sees it, its columns named by text; None for what is none."""
    if hasattr(thing, "set_axis") and not all(isinstance(name, str) for name in thing.columns):
        kinds = {type(name).__name__ for name in thing.columns}
        thing = thing.set_axis([f"x{j}" for j in range(thing.shape[1])], axis=1) if "str" not in kinds else thing
    frame = nw.from_native(thing, eager_only=True, pass_through=True)
    return frame if isinstance(frame, nw.DataFrame) else None


def _with_columns(frame: nw.DataFrame[Any], **columns: Any) -> tuple[nw.DataFrame[Any], dict[str, str]]:
    """The frame and further columns, under names that are free; which names they got."""
    names: dict[str, str] = {}
    for wanted, values in columns.items():
        name = wanted
        while name in frame.columns:
            name += "_"
        series = nw.new_series(name, np.asarray(values), backend=frame.implementation)
        if frame.implementation.is_pandas():
            series = nw.from_native(series.to_native().set_axis(frame.to_native().index), series_only=True)
        frame, names[wanted] = frame.with_columns(series), name
    return frame, names


def _copied(graph: Any) -> Any:
    """An untrained graph or learner of the same nodes."""
    if isinstance(graph, PipeOp):
        return chain([graph])
    return graph.clone() if isinstance(graph, Learner) else graph.copy()


class _Predictor(_Estimator):
    """What classifier and regressor share: training a learner on a task of the rows."""

    __metadata_request__fit: ClassVar[dict[str, Any]] = {WEIGHT: None, "X_val": None, "y_val": None}

    def __init__(self, graph: Any, *, validate: Any = None, random_state: Any = None):
        self.graph = graph
        self.validate = validate
        self.random_state = random_state

    def _learner(self) -> AnyLearner:
        if not isinstance(self.graph, Graph | PipeOp | Learner):
            raise ConfigError(f"{type(self).__name__}: graph is a graph, a node or a learner, got {self.graph!r}.")
        learner = as_learner(_copied(self.graph))
        if self.validate is not None:
            learner.validate = self.validate
        if self.random_state is not None:
            from sklearn.utils import check_random_state

            learner.seeded(int(check_random_state(self.random_state).randint(2**31 - 1)))
        return learner

    def _fit(self, X: Any, y: Any, given: dict[str, Any]) -> Self:  # noqa: N803
        unknown = [name for name in given if name not in (WEIGHT, "X_val", "y_val")]
        if unknown:
            known = [WEIGHT, "X_val", "y_val"]
            raise TypeError(f"{type(self).__name__}.fit: no argument '{unknown[0]}'.{suggest(unknown[0], known)}")
        frame = self._features(X, reset=True)
        if y is None:
            validate_data(self, X="no_validation", y=y)  # pyright: ignore[reportArgumentType] - refuses it in its own words
        weights = given.get(WEIGHT)
        task, learner = self._task(frame, self._target(y), weights), self._learner()
        valid = self._validation(given)
        with _told(self, frame, weights):
            learner.train(task, valid=valid)
        self.learner_ = learner
        return self

    def _validation(self, given: Mapping[str, Any]) -> Task | None:
        X, y = given.get("X_val"), given.get("y_val")  # noqa: N806
        if (X is None) != (y is None):
            raise DataError(f"{type(self).__name__}: give X_val and y_val, or neither.")
        return None if X is None else self._task(self._features(X, reset=False), self._known_target(y))

    def _target(self, y: Any) -> Any:
        raise NotImplementedError

    def _known_target(self, y: Any) -> Any:
        return self._target(y)

    def _make(self, frame: Any, target: str) -> Task:
        raise NotImplementedError

    def _task(self, frame: nw.DataFrame[Any], target: Any, weights: Any = None) -> Task:
        if len(frame) != len(target):
            raise DataError(f"{type(self).__name__}: X has {len(frame)} rows and y has {len(target)}; they must be equally many.")
        more = {} if weights is None else {WEIGHT: _weights(weights, len(frame))}
        whole, names = _with_columns(frame, **{TARGET: target}, **more)
        task = self._make(whole.to_native(), names[TARGET])
        return task.with_roles(weight=names[WEIGHT]) if more else task

    def _predict(self, X: Any) -> Any:  # noqa: N803
        check_is_fitted(self, "learner_")
        frame = self._features(X, reset=False)
        with _told(self, frame):
            return self.learner_.predict_newdata(frame.to_native())

    @property
    def history_(self) -> Any:
        """A polars frame with a row for each epoch, where the graph trains a network."""
        check_is_fitted(self, "learner_")
        return self.learner_.history  # type: ignore[attr-defined]

    @property
    def network_(self) -> Any:
        """The trained torch module, where there is one."""
        check_is_fitted(self, "learner_")
        return self.learner_.network  # type: ignore[attr-defined]


def _weights(weights: Any, rows: int) -> Any:
    array = column_or_1d(check_array(weights, ensure_2d=False, dtype="float64", input_name=WEIGHT))
    if len(array) != rows:
        raise DataError(f"{WEIGHT} has {len(array)} values for {rows} rows.")
    return array


def _gives_probabilities(estimator: Any) -> bool:
    learner = estimator.learner_ if hasattr(estimator, "learner_") else estimator._learner()
    return "prob" in learner.predict_types


class PipeOpsClassifier(ClassifierMixin, _Predictor):
    """A graph that ends in a classifier, as a scikit-learn classifier.

    graph: a graph, a node or a learner; it is copied before training. validate: as in `as_learner`, a ratio of rows to validate
    on. random_state: seeds whatever in the graph has no seed. `fit(X, y, sample_weight=, X_val=, y_val=)`: X is a frame of
    any library (categories, text, dates and missing values as the graph takes them) or a matrix of numbers `(rows, columns)`;
    sample_weight becomes the task's weights; X_val and y_val are scored while training and never fitted on.

    After fitting: `classes_` (sorted), `learner_`, `history_`, `network_`, `feature_names_in_`, `n_features_in_`. Weights are
    passed by keyword: operators before the model need not count a row of weight 2 twice.

    >>> from pipeops import PipeOpsClassifier, lrn, po
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> PipeOpsClassifier(po("scale") >> lrn("classif.log_reg")).fit(X, y).predict_proba(X[:2]).shape
    (2, 3)
    """

    def fit(self, X: Any, y: Any, **given: Any) -> Self:  # noqa: N803
        """Train on rows X with labels y."""
        return self._fit(X, y, given)

    def _target(self, y: Any) -> Any:
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        self.classes_ = np.unique(y)
        labels = self.classes_.tolist()
        plain = all(isinstance(label, str) for label in labels) or all(type(label) in (int, bool) for label in labels)
        self._labels = labels if plain else [str(label) for label in labels]
        return self._coded(y)

    def _known_target(self, y: Any) -> Any:
        return self._coded(column_or_1d(y, warn=True))

    def _coded(self, y: Any) -> Any:
        codes = np.searchsorted(self.classes_, y)
        wrong = (codes >= len(self.classes_)) | (self.classes_[np.minimum(codes, len(self.classes_) - 1)] != y)
        if wrong.any():
            raise DataError(f"{type(self).__name__}: y holds {np.asarray(y)[wrong][0]!r}, which is none of {self.classes_}.")
        return np.asarray(self._labels)[codes]

    def _make(self, frame: Any, target: str) -> Task:
        return as_task_classif(frame, target=target)

    def _learner(self) -> AnyLearner:
        learner = super()._learner()
        if "prob" in learner.predict_types:
            learner.predict_type = "prob"  # type: ignore[misc]
        return learner

    def predict(self, X: Any) -> Any:  # noqa: N803
        """The label of each row, of the type of `classes_`."""
        places = {label: code for code, label in enumerate(self._places())}
        return self.classes_[[places[label] for label in np.asarray(self._predict(X).response).tolist()]]

    @available_if(_gives_probabilities)
    def predict_proba(self, X: Any) -> Any:  # noqa: N803
        """Probabilities `(rows, classes)`, in the order of `classes_`."""
        prediction = self._predict(X)
        return np.asarray(prediction.prob)[:, [list(prediction.class_names).index(label) for label in self._places()]]

    def _places(self) -> list[Any]:
        check_is_fitted(self, "learner_")
        return self._labels


class PipeOpsRegressor(RegressorMixin, _Predictor):
    """A graph that ends in a regression, as a scikit-learn regressor; arguments and attributes as in `PipeOpsClassifier`.

    >>> from pipeops import PipeOpsRegressor, lrn, po
    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True)
    >>> round(PipeOpsRegressor(po("scale") >> lrn("regr.lm")).fit(X, y).score(X, y), 3)
    0.518
    """

    def fit(self, X: Any, y: Any, **given: Any) -> Self:  # noqa: N803
        """Train on rows X with numbers y."""
        return self._fit(X, y, given)

    def _target(self, y: Any) -> Any:
        return column_or_1d(check_array(y, ensure_2d=False, dtype="float64", input_name="y"), warn=True)

    def _make(self, frame: Any, target: str) -> Task:
        return as_task_regr(frame, target=target)

    def predict(self, X: Any) -> Any:  # noqa: N803
        """The predicted number of each row."""
        return np.asarray(self._predict(X).response)


class PipeOpsTransformer(TransformerMixin, _Estimator):
    """A graph that ends in a task (operators alone), as a scikit-learn transformer.

    A frame goes in and a frame of the same library comes out; of a matrix a matrix. `y` is the target of operators that
    look at it; `task_type` says what it is, "classif" or "regr".

    >>> from pipeops import PipeOpsTransformer, po
    >>> PipeOpsTransformer(po("scale")).fit_transform([[1.0], [2.0], [3.0]]).ravel().tolist()
    [-1.0, 0.0, 1.0]
    """

    def __init__(self, graph: Any, *, task_type: str = "regr"):
        self.graph = graph
        self.task_type = task_type

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803
        """Train the operators on rows X."""
        if self.task_type not in ("classif", "regr"):
            raise ConfigError(f'PipeOpsTransformer: task_type must be "classif" or "regr", got {self.task_type!r}.')
        frame = self._features(X, reset=True)
        if y is not None:
            type_of_target(y, raise_unknown=True)
        graph = _copied(self.graph)
        trained = graph.train(self._task(frame, np.arange(len(frame)) % 2 if y is None else column_or_1d(y)))
        if not isinstance(trained, Task):
            raise ConfigError("PipeOpsTransformer: the graph must end in one task; a model makes a PipeOpsClassifier.")
        self.graph_, self._out = graph, list(trained.feature_names)
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _task(self, frame: nw.DataFrame[Any], target: Any) -> Task:
        whole, names = _with_columns(frame, **{TARGET: target})
        make = as_task_classif if self.task_type == "classif" else as_task_regr
        return make(whole.to_native(), target=names[TARGET])

    def transform(self, X: Any) -> Any:  # noqa: N803
        """The transformed features: a frame of a frame, a matrix of a matrix."""
        check_is_fitted(self, "graph_")
        frame = self._features(X, reset=False)
        task: Any = self.graph_.predict(self._task(frame, np.arange(len(frame)) % 2))
        out = task.frame(list(task.feature_names))
        return out.to_native() if _as_frame(X) is not None else out.to_numpy()

    def get_feature_names_out(self, input_features: Any = None) -> Any:
        """The names of the columns that come out."""
        check_is_fitted(self, "graph_")
        return np.asarray(self._out, dtype=object)
