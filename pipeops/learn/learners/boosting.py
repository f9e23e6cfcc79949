"""Gradient boosting by xgboost and lightgbm (extras of these names): trees that may be validated while they are added.

`Boosting` is a learner over an estimator with rounds: what it validates on, what it watches (log loss, or the root of the mean
squared error), early stopping, and the number of rounds as what training itself finds. Each library says how it is told.
Neighbours: sklearn_learner (the machinery) and validation below.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Self

import attrs
import numpy as np

from pipeops.data import Task
from pipeops.errors import ConfigError, DataError, FormatError, TrainingError, UnknownParameterError
from pipeops.extras import extra
from pipeops.guesses import argument_here
from pipeops.learn.learner import SAVED_PARTS, saved_parts, with_saved_parts
from pipeops.learn.learners import estimators
from pipeops.learn.learners.sklearn_learner import SklearnLearner, SklearnModel, _labels
from pipeops.learn.learners.tabular import Array, counting
from pipeops.learn.measures.measure import Measure
from pipeops.learn.resampling.splits import split
from pipeops.learn.validation import OnRound, predefined
from pipeops.params import Param, Setting, same
from pipeops.registry import Row
from pipeops.saving import saved_as
from pipeops.shorthand import lrn, msr

DECLARED = {
    "n_estimators": Param("integer", 1, default=100),
    "max_depth": Param("anything", default=None),
    "learning_rate": Param("real", 0, default=None, none=True),
    "subsample": Param("real", 0, 1, default=None, none=True),
    "colsample_bytree": Param("real", 0, 1, default=None, none=True),
    "early_stopping_rounds": Param("integer", 1, default=None, none=True),
    "n_jobs": Param("integer", default=1, none=True),
    "random_state": Param("anything", default=None),
}
"""Hyperparameters whose kind is known; the rest is what the library says it is."""
ANYTHING = Param("anything", default=None)
OWN = ("eval_metric", "metric", "callbacks", "feature_types", "enable_categorical", "kwargs")
"""Arguments of the libraries that the learner sets itself."""


@attrs.frozen(eq=False)
class Boosted(SklearnModel):
    """A fitted booster. history: its validation score after each round. kept: how many rounds predict."""

    history: Sequence[float] = ()
    kept: int = 0


@attrs.frozen(eq=False)
class Coded:
    """An estimator that was fitted on codes, answering labels. classes_: those that training saw, by code."""

    estimator: Any
    classes_: Array

    def predict(self, x: Array) -> Array:
        return self.classes_[np.asarray(self.estimator.predict(x), dtype=np.int64)]

    def predict_proba(self, x: Array) -> Array:
        return self.estimator.predict_proba(x)[:, : len(self.classes_)]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return self.estimator.get_params(deep)

    @property
    def feature_importances_(self) -> Array:
        return self.estimator.feature_importances_


@attrs.frozen(eq=False)
class BoostingFit:
    """What a booster is fitted on; `valid` has the same three where it is validated: features, target, weights."""

    train: tuple[Array, Array, Any]
    valid: tuple[Array, Array, Any] | None
    categorical: list[bool]
    tell: Any


class _Tells:
    """Hands on each round's score, and keeps what stopped it, since the library and `guarded` tell errors as theirs."""

    def __init__(self, on_round: OnRound | None):
        self.on_round, self.stopped = on_round, None

    def __call__(self, number: int, score: float) -> None:
        try:
            if self.on_round is not None:
                self.on_round(number, score)
        except Exception as error:
            self.stopped = error
            raise


class Boosting(SklearnLearner):
    """Base of boosted trees: a learner that may validate, as networks do.

    validate: a ratio of the training rows, "test" (of a resampling), "predefined" (`train(task, valid=...)`), a task, or None.
    `early_stopping_rounds` stops when so many rounds did not improve the validation score, and the best number of rounds
    predicts; `n_estimators=to_tune(high=500, internal=True)` is found by training itself. Missing values are taken, and
    categories as such. One thread, unless `n_jobs` says otherwise.
    """

    library: str = ""
    metrics: Mapping[str, str]

    def __init__(self, estimator: Any, *, validate: Any = None, **named: Any):
        super().__init__(estimator, **named)
        self.validate = _valid_choice(self.id, validate)
        self._on_round: OnRound | None = None

    @property
    def takes_missing(self) -> bool:  # type: ignore[override]
        """Yes: a split sends missing values where they fit best."""
        return True

    def own_params(self) -> dict[str, Setting]:
        """The arguments of the estimator that are free to be set."""
        usual = {"early_stopping_rounds": None, **type(self.estimator)(**self.usual).get_params()}
        values = {"early_stopping_rounds": None, **self.estimator.get_params()}
        return {name: Setting(_param(name, usual.get(name)), value) for name, value in values.items() if name not in OWN}

    def _named(self) -> dict[str, Any]:
        return super()._named() | ({} if self.validate is None else {"validate": self.validate})

    def _takes_categories(self) -> bool:
        return True

    # ---------------------------------------------------------------- validating

    @property
    def validates_on(self) -> Any:
        """What `validate` says."""
        return self.validate

    @property
    def watched(self) -> Measure | None:
        """The log loss, or the root of the mean squared error, where there is something to validate on."""
        return None if self.validate is None else msr("classif.logloss" if self.task_type == "classif" else "regr.rmse")

    @property
    def internal_params(self) -> tuple[str, ...]:
        """The number of rounds."""
        return ("n_estimators",)

    def watching(self, on_round: OnRound) -> Self:
        """A copy whose next trainings tell each round."""
        new = self.clone()
        new._on_round = on_round
        return new

    def with_validation(self) -> Self:
        """A copy that validates on what training is handed; itself where it has data of its own to validate on."""
        return predefined(self)

    def unvalidated(self) -> Self:
        """A copy that trains all its rounds."""
        new = self.clone()
        new.validate = None
        return new

    def internal_tuned(self, state: Boosted) -> Mapping[str, int]:
        """The round with the best validation score."""
        history = np.asarray(state.history)
        return {"n_estimators": int(np.nanargmin(history)) + 1} if np.isfinite(history).any() else {}

    def internal_scores(self, state: Boosted) -> Mapping[str, float]:
        """That of the rounds that predict."""
        key = "classif.logloss" if self.task_type == "classif" else "regr.rmse"
        return {key: float(state.history[state.kept - 1])} if len(state.history) else {}

    def internal_history(self, state: Boosted) -> Sequence[float | None]:
        """The validation score after each round."""
        return state.history

    def _sets(self, task: Task, valid: Task | None) -> tuple[Task, Task | None]:
        """What it trains on and what it is validated on."""
        if isinstance(self.validate, float):
            seed = self.estimator.get_params().get("random_state")
            train, rest = split(task, 1 - self.validate, seed)
            return task.filter(train), task.filter(rest)
        if isinstance(self.validate, str) and valid is None:
            raise DataError(f'{self.id}: validate="{self.validate}" needs the data: train(task, valid=other_task).')
        return task, self.validate if isinstance(self.validate, Task) else valid if self.validate is not None else None

    # ---------------------------------------------------------------- training

    def _matrix(self, task: Task, estimator: Any, features: Mapping[str, str], levels: Mapping[str, list[Any]]) -> Array:
        return super()._matrix(task, self.estimator, features, levels)

    def _train(self, task: Any, valid: Any) -> Boosted:
        task, valid = self._sets(task, valid)
        task = counting(task)
        features = task.feature_types
        levels = {name: task.levels(name) for name, kind in features.items() if kind == "categorical"}
        classes = task.class_names if self.task_type == "classif" else None
        seen = None if classes is None else np.unique(task.class_codes())
        tells = _Tells(self._on_round)
        data = [None if one is None else self._data(one, features, levels, seen) for one in (task, valid)]
        estimator = self._fresh(len(seen) if seen is not None else 0, valid is not None)
        fit = BoostingFit(data[0], data[1], [name in levels for name in features], tells)  # type: ignore[arg-type]
        try:
            history, kept = estimators.guarded(self.id, "fit", lambda: self._fit(estimator, fit))
        except TrainingError:
            if tells.stopped is not None:
                raise tells.stopped from None
            raise
        fitted = estimator if seen is None else Coded(estimator, _labels(classes or [])[seen])
        return Boosted(fitted, features, levels, classes, history=history, kept=kept)

    def _data(self, task: Any, features: Mapping[str, str], levels: Mapping[str, list[Any]], seen: Any) -> tuple[Any, Any, Any]:
        """Features, target (codes among the classes that training saw) and weights."""
        y = task.truth() if seen is None else np.searchsorted(seen, task.class_codes())
        if seen is not None and not np.isin(task.class_codes(), seen).all():
            raise DataError(f"{self.id}: the validation data of '{task.id}' have classes that are in no training row.")
        return self._matrix(task, self.estimator, features, levels), y, task.weights()

    def _fresh(self, classes: int, validated: bool) -> Any:
        """An estimator to fit; early stopping only where there is something to validate on."""
        params = {n: s.value for n, s in self.own_params().items() if s.value is not None}
        if not validated:
            params.pop("early_stopping_rounds", None)
        return type(self.estimator)(**params)

    @abstractmethod
    def _fit(self, estimator: Any, fit: BoostingFit) -> tuple[list[float], int]:
        """Fit; the validation score after each round, and how many rounds predict."""

    def _metric(self, y: Array) -> str:
        return self.metrics["regr" if self.task_type == "regr" else "two" if y.max(initial=0) < 2 else "many"]


class XGBoost(Boosting):
    """Boosted trees by xgboost (extra `xgboost`), whose arguments are the hyperparameters."""

    library = "xgboost"
    metrics = {"regr": "rmse", "two": "logloss", "many": "mlogloss"}  # noqa: RUF012

    def _fit(self, estimator: Any, fit: BoostingFit) -> tuple[list[float], int]:
        (x, y, weights), metric = fit.train, self._metric(fit.train[1])
        own: dict[str, Any] = {"eval_metric": metric, "feature_types": ["c" if c else "q" for c in fit.categorical]}
        estimator.set_params(**own, enable_categorical=True, callbacks=[self._callback(fit.tell, metric)] if fit.valid else None)
        given = {} if fit.valid is None else {"eval_set": [fit.valid[:2]]}
        if fit.valid is not None and fit.valid[2] is not None:
            given["sample_weight_eval_set"] = [fit.valid[2]]
        estimator.fit(x, y, sample_weight=weights, verbose=False, **given)
        estimator.set_params(callbacks=None)
        if fit.valid is None:
            return [], 0
        history = estimator.evals_result()["validation_0"][metric]
        stopped = estimator.early_stopping_rounds is not None
        return list(history), estimator.best_iteration + 1 if stopped else len(history)

    def _callback(self, tell: Any, metric: str) -> Any:
        base: Any = extra("xgboost", "xgboost", self.id).callback.TrainingCallback

        class Round(base):
            def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
                tell(epoch + 1, evals_log["validation_0"][metric][-1])
                return False

        return Round()


class LightGBM(Boosting):
    """Boosted trees by lightgbm (extra `lightgbm`), whose arguments are the hyperparameters."""

    library = "lightgbm"
    metrics = {"regr": "rmse", "two": "binary_logloss", "many": "multi_logloss"}  # noqa: RUF012

    def _fit(self, estimator: Any, fit: BoostingFit) -> tuple[list[float], int]:
        module, (x, y, weights), metric = extra("lightgbm", "lightgbm", self.id), fit.train, self._metric(fit.train[1])
        rounds = estimator.get_params().get("early_stopping_rounds")
        estimator = estimator.set_params(early_stopping_rounds=None) if rounds else estimator
        given: dict[str, Any] = {}
        if fit.valid is not None:
            callbacks = [lambda env: fit.tell(env.iteration + 1, env.evaluation_result_list[0][2])]
            callbacks += [module.early_stopping(rounds, verbose=False)] if rounds else []
            given = {
                "eval_X": (fit.valid[0],),
                "eval_y": (fit.valid[1],),
                "eval_sample_weight": [fit.valid[2]],
                "callbacks": callbacks,
            }
        columns = np.flatnonzero(fit.categorical).tolist()
        estimator.fit(x, y, sample_weight=weights, eval_metric=metric, categorical_feature=columns, **given)
        if fit.valid is None:
            return [], 0
        history = estimator.evals_result_["valid_0"][metric]
        return list(history), estimator.best_iteration_ if rounds else len(history)


def _param(name: str, default: Any) -> Param:
    return attrs.evolve(DECLARED.get(name, ANYTHING), default=default)


def _valid_choice(who: str, validate: Any) -> Any:
    ratio = isinstance(validate, float) and 0 < validate < 1
    if ratio or validate is None or validate in ("test", "predefined") or isinstance(validate, Task):
        return validate
    raise ConfigError(f'{who}: validate is a ratio in (0, 1), "test", "predefined", a task or None, got {validate!r:.80}.')


def _row(key: str, kind: type[Boosting], name: str, label: str, **usual: Any) -> None:
    """Register a learner: `lrn(key, id=, predict_type=, validate=, **hyperparameters)` makes it."""

    def make(id: str | None = None, predict_type: str = "response", validate: Any = None, **arguments: Any) -> Boosting:
        cls = getattr(extra(kind.library, kind.library, key), name)
        learner = kind(cls(**usual), id=id, predict_type=predict_type, key=key, validate=validate)
        learner.usual = usual
        for argument, value in arguments.items():
            known = learner.own_params()
            if argument not in known:
                raise UnknownParameterError(f"{key}: no hyperparameter '{argument}'.{argument_here(argument, known)}")
            learner.params[argument] = value
        return learner

    make.__module__, make.__qualname__, make.__doc__ = __name__, key, label
    lrn.add(key, Row(lambda: make, (__name__, f"{name}:{key}"), __name__, label))


_row("classif.xgboost", XGBoost, "XGBClassifier", "Gradient Boosting (xgboost)", n_estimators=100, n_jobs=1)
_row("regr.xgboost", XGBoost, "XGBRegressor", "Gradient Boosting (xgboost)", n_estimators=100, n_jobs=1)
_row("classif.lightgbm", LightGBM, "LGBMClassifier", "Gradient Boosting (lightgbm)", n_jobs=1, verbosity=-1)
_row("regr.lightgbm", LightGBM, "LGBMRegressor", "Gradient Boosting (lightgbm)", n_jobs=1, verbosity=-1)


def _to_plain(learner: Boosting) -> dict[str, Any]:
    usual = lrn(learner.key).own_params()
    changed = {n: s.value for n, s in learner.own_params().items() if not same(s.value, usual[n].value)}
    own = {"key": learner.key, "predict_type": learner.predict_type, "validate": learner.validate, "arguments": changed}
    return saved_parts(learner) | own


def _from_plain(plain: dict[str, Any]) -> Boosting:
    named = {name: plain[name] for name in ("id", "predict_type", "validate")}
    return with_saved_parts(lrn(plain["key"], **named, **plain["arguments"]), plain)


_SAVED: dict[str, Any] = SAVED_PARTS | {"key": str, "predict_type": str, "validate": object, "arguments": dict[str, Any]}


def _refused(model: Boosted) -> dict[str, Any]:
    raise FormatError(
        "save: fitted trees of a booster hold more than arrays and cannot be saved without pickle; save the learner untrained "
        "(learner.reset()) and train it again."
    )


saved_as(XGBoost, _from_plain, _to_plain, plain=_SAVED)
saved_as(LightGBM, _from_plain, _to_plain, plain=_SAVED)
saved_as(Boosted, lambda plain: Boosted(**plain), _refused, plain=dict[str, Any])
