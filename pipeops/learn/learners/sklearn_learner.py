"""scikit-learn estimators as learners: any one of them, and those on the shelf `lrn`.

A learner keeps an estimator that is never fitted; training fits a clone on a matrix of the features. Labels go in as what
they are. Missing values, categories and infinite values are refused by column name unless the estimator handles them.
Neighbours: tabular and estimators below; the shelf is in learners; `as_learner` wraps an estimator of one's own.
"""

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import attrs
import numpy as np

from pipeops.data import Task
from pipeops.data.columns import TENSOR_ADVICE
from pipeops.errors import ConfigError, DataError, FormatError, NotTrainedError, listing
from pipeops.learn.learner import SAVED_PARTS, Learner, saved_parts, with_saved_parts
from pipeops.learn.learners import estimators
from pipeops.learn.learners.tabular import Array, FlatLearner, class_prediction, counting, number_prediction
from pipeops.learn.prediction.labels import distributions, encode
from pipeops.params import UNSET, Setting, same
from pipeops.saving import Encoder, saved_as
from pipeops.saving.codecs import fields
from pipeops.saving.declared import declared
from pipeops.shorthand import lrn
from pipeops.text import call, source


@attrs.frozen(eq=False)
class SklearnModel:
    """A fitted estimator and the layout that it was fitted on.

    features: kind by name. levels: of categorical features. class_names: all classes of the task, None for a regression.
    covariance: of the coefficients of a linear model, intercept first, where standard errors were asked for. loglik: of models
    that maximise it, the log-likelihood of the training rows, the number of parameters and of rows.
    """

    estimator: Any
    features: dict[str, str]
    levels: dict[str, list[Any]]
    class_names: list[Any] | None
    covariance: Array | None = None
    loglik: tuple[float, int, int] | None = None

    @property
    def oob_error(self) -> float:
        """One minus the estimator's own out-of-bag score; NaN for one that has none."""
        has_one = "oob_score" in self.estimator.get_params(deep=False) and hasattr(self.estimator, "oob_score_")
        return 1 - float(self.estimator.oob_score_) if has_one else float("nan")


def _model_to_plain(model: SklearnModel) -> dict[str, Any]:
    try:
        Encoder().encode(model.estimator)
    except FormatError as error:
        raise FormatError(
            f"save: a fitted {type(model.estimator).__name__} holds more than arrays and cannot be saved without pickle; "
            "save the learner untrained (learner.reset()) and train it again."
        ) from error
    return fields(model)


saved_as(SklearnModel, lambda plain: SklearnModel(**plain), _model_to_plain, plain=lambda: declared(SklearnModel))


class SklearnLearner(FlatLearner):
    """A learner around a scikit-learn estimator (a classifier or a regressor), which is cloned before fitting.

    Its constructor's arguments are the hyperparameters; `usual` holds defaults that differ from scikit-learn's.
    predict_type: "prob" where the estimator gives probabilities, or has a decision function, which is then calibrated by
    cross-validation. The role `weight` becomes `sample_weight`; a task with weights is refused by an estimator that
    takes none.

    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from pipeops import as_learner, tsk
    >>> learner = as_learner(DecisionTreeClassifier(max_depth=2), id="stump").train(tsk("iris"))
    >>> learner.predict(tsk("iris")).score("classif.acc")
    0.96
    """

    def __init__(self, estimator: Any, *, id: str | None = None, predict_type: str = "response", key: str = ""):
        from sklearn.base import is_classifier, is_regressor

        name = type(estimator).__name__
        if isinstance(estimator, type):
            raise ConfigError(f"as_learner: give an instance, {estimator.__name__}(), not the class.")
        if not is_classifier(estimator) and not is_regressor(estimator):
            raise ConfigError(f"as_learner: {name} is neither a classifier nor a regressor.")
        super().__init__(id or key or name)
        self.key, self.estimator, self.usual = key, estimator, dict[str, Any]()
        self.task_type = "classif" if is_classifier(estimator) else "regr"
        self.predict_type = predict_type

    @property
    def predict_types(self) -> tuple[str, ...]:  # type: ignore[override]
        """What this estimator can predict."""
        if self.task_type == "classif":
            scored = hasattr(self.estimator, "predict_proba") or hasattr(self.estimator, "decision_function")
            return ("response", "prob") if scored else ("response",)
        return ("response", "se") if type(self.estimator).__name__ == "LinearRegression" else ("response",)

    @property
    def takes_missing(self) -> bool:  # type: ignore[override]
        """Whether the estimator handles missing values."""
        return _allows_missing(self.estimator)

    @property
    def takes_categories(self) -> bool:  # type: ignore[override]
        """Whether the estimator can be told which columns are categories."""
        return self._takes_categories()

    def own_params(self) -> dict[str, Setting]:
        return estimators.settings(self.estimator, self.usual)

    def _change(self, name: str, value: Any) -> None:
        from sklearn.base import clone

        copied: Any = clone(self.estimator)
        self.estimator = copied.set_params(**{name: value})

    def selected_features(self) -> list[str]:
        """The features that the model uses: those with a coefficient or an importance other than 0."""
        model: SklearnModel = self.model
        used = getattr(model.estimator, "coef_", getattr(model.estimator, "feature_importances_", None))
        if used is None:
            raise DataError(f"{self.id}: a {type(self.estimator).__name__} does not say which features it uses.")
        return [name for name, on in zip(model.features, np.any(np.atleast_2d(used) != 0, axis=0), strict=True) if on]

    def importance(self) -> dict[str, float]:
        """What the model says of each feature, the most important one first: importances of trees, absolute coefficients."""
        model: SklearnModel = self.model
        values = getattr(model.estimator, "feature_importances_", None)
        if values is None:
            coefficients = getattr(model.estimator, "coef_", None)
            if coefficients is None:
                raise DataError(f"{self.id}: a {type(self.estimator).__name__} does not say how important its features are.")
            values = np.abs(np.atleast_2d(coefficients)).mean(axis=0)
        found = dict(zip(model.features, np.asarray(values, dtype=np.float64).tolist(), strict=True))
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    def __repr__(self) -> str:
        if self.key or type(self) is not SklearnLearner or self.predict_type != "response":
            return super().__repr__()
        cls = type(self.estimator)
        return call("as_learner", [source(cls) + repr(self.estimator).removeprefix(cls.__name__)], self._named())

    # ---------------------------------------------------------------- training

    def _train(self, task: Any, valid: Task | None) -> SklearnModel:
        self._check_set()
        task = counting(task)
        features = task.feature_types
        levels = {name: task.levels(name) for name, kind in features.items() if kind == "categorical"}
        estimator = self._prepared(list(levels), features)
        x = self._matrix(task, estimator, features, levels)
        classes = task.class_names if self.task_type == "classif" else None
        y = task.truth() if classes is None else _labels(classes)[task.class_codes()]
        weights = self._weights(task, estimator)
        estimators.guarded(self.id, "fit", lambda: estimator.fit(x, y, **({} if weights is None else {"sample_weight": weights})))
        if self.key in estimators.AFTER_FIT:
            estimators.AFTER_FIT[self.key](estimator, x, y)
        covariance = _covariance(estimator, x, y, weights) if self.predict_type == "se" else None
        return SklearnModel(estimator, features, levels, classes, covariance, estimators.loglik(estimator, x, y, weights))

    def _check_set(self) -> None:
        unset = [name for name, setting in self.own_params().items() if setting.value is UNSET]
        if unset:
            raise ConfigError(f"{self.id}: set {listing(unset)} before training.")

    def _prepared(self, categorical: list[str], features: Mapping[str, str]) -> Any:
        """A clone to fit: told which columns are categories, calibrated where probabilities need it."""
        from sklearn.base import clone

        estimator: Any = clone(self.estimator)
        if categorical and self._takes_categories():
            estimator.set_params(categorical_features=[name in categorical for name in features])
        if self.predict_type == "prob" and not hasattr(estimator, "predict_proba"):
            from sklearn.calibration import CalibratedClassifierCV

            return CalibratedClassifierCV(estimator, ensemble=False)  # pyright: ignore[reportArgumentType] - its own default is a string
        return estimator

    def _takes_categories(self) -> bool:
        return isinstance(self.estimator.get_params().get("categorical_features"), str)

    def _weights(self, task: Task, estimator: Any) -> Array | None:
        from sklearn.utils.validation import has_fit_parameter

        weights = task.weights()
        if weights is not None and not has_fit_parameter(estimator, "sample_weight"):
            raise DataError(
                f"{self.id}: cannot use the weights of the task '{task.id}'; train on "
                f"task.with_roles({task.weight_role()}=None) instead."
            )
        return weights

    def _matrix(self, task: Task, estimator: Any, features: Mapping[str, str], levels: Mapping[str, list[Any]]) -> Array:
        """The features as float64, categories as codes; what the estimator cannot handle is refused by name."""
        self._check_features(features, levels)
        x = _with_codes(task, features, levels) if levels else task.matrix("float64", list(features))
        holes = np.array(list(features))[np.isnan(x).any(axis=0)].tolist() if math.isnan(x.sum()) else []
        if holes and not _allows_missing(estimator):
            imputer = "imputemedian" if all(features[name] == "numeric" for name in holes) else "imputemode"
            raise DataError(
                f"{self.id}: {listing(holes)} {'has' if len(holes) == 1 else 'have'} missing values; impute them first, "
                f'as in po("{imputer}") >> ...'
            )
        return x

    def _check_features(self, features: Mapping[str, str], levels: Mapping[str, list[Any]]) -> None:
        if not features:
            raise DataError(f"{self.id}: the task has no features.")
        if levels and not self._takes_categories():
            raise DataError(f'{self.id}: {listing(levels)} must be numbers; encode categories first, as in po("encode") >> ...')
        other = [f"'{name}' ({kind})" for name, kind in features.items() if kind in ("datetime", "tensor")]
        if other:
            hint = TENSOR_ADVICE if "tensor" in features.values() else ""
            raise DataError(f"{self.id}: takes numeric and boolean features, got {', '.join(other[:8])}{hint}.")

    # ---------------------------------------------------------------- predicting

    def _predict(self, task: Task, model: SklearnModel) -> Any:
        kinds = task.feature_types
        known = {} if kinds == model.features else model.features
        changed = [f"'{n}' is {kinds[n]}, was {kind}" for n, kind in known.items() if kinds.get(n, kind) != kind]
        if changed:
            raise DataError(f"{self.id}: the features are not those of training: {', '.join(changed[:8])}.")
        x = self._matrix(task, model.estimator, model.features, model.levels)
        if model.class_names is None:
            response = estimators.guarded(self.id, "predict", lambda: _numbers(model.estimator, x)) if len(x) else np.empty(0)
            return number_prediction(task, response, self._errors(x, model))
        if self.predict_type == "prob":
            return class_prediction(task, model.class_names, prob=self._probabilities(x, model, model.class_names))
        labels = estimators.guarded(self.id, "predict", lambda: model.estimator.predict(x)) if len(x) else np.empty(0)
        known = _labels(model.class_names).tolist()
        codes = estimators.guarded(self.id, "predict", partial(_codes, labels, known))
        return class_prediction(task, model.class_names, codes=codes)

    def _probabilities(self, x: Array, model: SklearnModel, class_names: list[Any]) -> Array:
        """One column for each class of the task, 0 for those that training did not see."""
        if not hasattr(model.estimator, "predict_proba"):
            raise NotTrainedError(f'{self.id}: was trained without probabilities; train it again with predict_type "prob".')
        prob = np.zeros((len(x), len(class_names)))
        if len(x):
            known = _labels(class_names).tolist()
            seen = [known.index(label) for label in model.estimator.classes_.tolist()]
            prob[:, seen] = estimators.guarded(
                self.id, "predict", lambda: _checked(model.estimator.predict_proba(x), len(x), len(seen))
            )
        return prob

    @property
    def oob_error(self) -> float:
        """One minus the estimator's own out-of-bag score; NaN for one that has none."""
        return self.model.oob_error

    @property
    def loglik(self) -> tuple[float, int, int] | None:
        """Log-likelihood of the training rows, number of parameters, number of rows; None for models that do not maximise it."""
        return self.model.loglik

    def _errors(self, x: Array, model: SklearnModel) -> Array | None:
        """Standard errors of the predicted means of a linear model."""
        if self.predict_type != "se":
            return None
        if model.covariance is None:
            raise NotTrainedError(f'{self.id}: was trained without standard errors; train it again with predict_type "se".')
        x = _design(model.estimator, x)
        return np.sqrt(np.einsum("ij,jk,ik->i", x, model.covariance, x))


def _with_codes(task: Task, features: Mapping[str, str], levels: Mapping[str, list[Any]]) -> Array:
    """Numbers, and codes of categories, NaN where they are missing or unknown."""
    x = np.empty((task.nrow, len(features)))
    x[:, [name not in levels for name in features]] = task.matrix("float64", [name for name in features if name not in levels])
    for j, name in enumerate(features):
        if name in levels:
            codes = task.codes(name, levels[name]).astype(np.float64)
            x[:, j] = np.where(codes < 0, np.nan, codes)
    return x


def _numbers(estimator: Any, x: Array) -> Array:
    """One number for each row."""
    found = np.asarray(estimator.predict(x), dtype=np.float64)
    if found.shape not in ((len(x),), (len(x), 1)):
        raise ValueError(f"it answers an array of shape {found.shape} for {len(x)} rows.")
    return found.reshape(len(x))


def _codes(labels: Any, class_names: list[Any]) -> Array:
    try:
        return encode(labels, class_names, "response")
    except DataError as error:
        raise ValueError(f"it answers other labels: {error}") from error


def _checked(prob: Any, rows: int, classes: int) -> Array:
    """Probabilities of the classes that were seen; a row that holds NaN is a missing one."""
    found = np.asarray(prob, dtype=np.float64)
    if found.shape != (rows, classes):
        raise ValueError(f"its probabilities have the shape {found.shape}, right ({rows}, {classes}).")
    whole = ~np.isnan(found).any(axis=1)
    found[whole] = distributions(found[whole])
    return found


def _allows_missing(estimator: Any) -> bool:
    from sklearn.utils import get_tags

    return get_tags(estimator).input_tags.allow_nan


def _labels(class_names: list[Any]) -> Array:
    """Class labels as an array of their own type; fractions, which scikit-learn takes for a regression, as texts."""
    labels = np.asarray(class_names)
    if labels.dtype.kind == "f" and (labels % 1 != 0).any():
        return np.array([str(name) for name in class_names])
    if labels.tolist() == class_names:
        return labels
    labels = np.empty(len(class_names), dtype=object)
    labels[:] = class_names
    return labels


def _design(estimator: Any, x: Array) -> Array:
    return np.column_stack([np.ones(len(x)), x]) if estimator.fit_intercept else x


def _covariance(estimator: Any, x: Array, y: Array, weights: Array | None) -> Array:
    """The covariance of the least-squares coefficients."""
    design, root = _design(estimator, x), np.ones(len(x)) if weights is None else np.sqrt(weights)
    residual = (y - estimator.predict(x)) * root
    weighted = design * root[:, None]
    freedom = len(x) - np.linalg.matrix_rank(weighted)
    return (
        np.linalg.pinv(weighted.T @ weighted) * (residual @ residual) / freedom
        if freedom > 0
        else np.full((design.shape[1],) * 2, np.nan)
    )


def _to_plain(learner: SklearnLearner) -> dict[str, Any]:
    """One of the shelf by its key and what was set, any other by its estimator."""
    plain = {**saved_parts(learner), "key": learner.key, "predict_type": learner.predict_type}
    if learner.key not in lrn:
        return {**plain, "estimator": learner.estimator}
    usual: Any = lrn(learner.key).estimator
    standard = usual.get_params(deep=False)
    values = learner.estimator.get_params(deep=False)
    return {**plain, "arguments": {n: v for n, v in values.items() if v is not standard[n] and not same(v, standard[n])}}


def _from_plain(plain: dict[str, Any]) -> SklearnLearner:
    key, named = plain["key"], {"id": plain["id"], "predict_type": plain["predict_type"]}
    if "arguments" in plain:
        return with_saved_parts(lrn(key, **named, **plain["arguments"]), plain)
    learner = SklearnLearner(plain["estimator"], **named, key=key)
    if key:
        learner.usual = lrn(key).usual
    return with_saved_parts(learner, plain)


saved_as(
    SklearnLearner,
    _from_plain,
    _to_plain,
    plain=lambda: (
        SAVED_PARTS | {"key": str, "predict_type": str, "estimator": object, "arguments": dict[str, Any], "usual": dict}
    ),
)


def as_sklearn_learner(estimator: Any, id: str | None = None) -> Learner | None:
    """A learner around something with `fit`, `predict` and `get_params`; None for anything else."""
    if all(hasattr(estimator, name) for name in ("fit", "predict", "get_params")):
        return SklearnLearner(estimator, id=id)
    return None
