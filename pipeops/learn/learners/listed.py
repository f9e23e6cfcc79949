"""How scikit-learn's estimators stand in files: the listed ones, by name, with the attributes that are listed here.

Each attribute has its kind, and arrays have theirs and their dimensions, which must agree within an estimator: the compiled
parts of scikit-learn read as far as one array says in another. Nothing is fitted when it is loaded but the nearest
neighbours, which are their data. Neighbours: saving below; sklearn_learner above.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from pipeops.errors import FormatError
from pipeops.params import Token
from pipeops.saving import saved_as
from pipeops.saving.codecs import name_of

Values = dict[str, Any]


class ListedEstimator(NamedTuple):
    """An estimator that may stand in files. parts: arguments that hold estimators. refit: arrays and how to fit on them."""

    path: str
    fitted: Mapping[str, str]
    parts: tuple[str, ...] = ()
    check: Callable[[Values], bool] | None = None


def _svm(values: Values) -> bool:
    """What libsvm takes for granted when it predicts."""
    vectors, sizes, rows = values["support_"], values["_n_support"], values["shape_fit_"][0]
    classes = len(values["classes_"]) if "classes_" in values else 2
    pairs = classes * (classes - 1) // 2
    return (
        len(sizes) == classes
        and ("classes_" not in values or int(sizes.sum()) == len(vectors))
        and bool((sizes >= 0).all() and (vectors >= 0).all() and (vectors < rows).all())
        and values["_dual_coef_"].shape[0] == classes - 1
        and len(values["_intercept_"]) == pairs
        and all(len(values[name]) in (0, pairs) for name in ("_probA", "_probB"))
        and values["_sparse"] is False
    )


_COMMON = {"n_features_in_": "i", "n_iter_": "i|i(*)|n"}
_CLASSES = {**_COMMON, "classes_": "l(c)"}
_LINES = {**_CLASSES, "coef_": "F(r,p)", "intercept_": "F(r)"}
_LINE = {**_COMMON, "coef_": "F(p)", "intercept_": "F|F(*)"}
_PATH = {**_LINE, "alpha_": "f", "alphas_": "f(*)", "mse_path_": "f(*,*)|f(*,*,*)", "dual_gap_": "f", "l1_ratio_": "f"}
_SVM = {
    **_COMMON, "nu": "f", "epsilon": "f", "probability": "b", "class_weight": "n", "random_state": "n", "_sparse": "b",
    "class_weight_": "f(*)", "_effective_probability": "b", "_gamma": "F", "support_": "i(v)", "support_vectors_": "F(v,p)",
    "_n_support": "i(*)", "dual_coef_": "F(m,v)", "intercept_": "F(q)", "_probA": "F(*)", "_probB": "F(*)", "fit_status_": "i",
    "_num_iter": "i(*)", "shape_fit_": "t", "_intercept_": "F(q)", "_dual_coef_": "F(m,v)",
}  # fmt: skip
_NEIGHBOURS: dict[str, str] = {}
_BAYES = {
    **_CLASSES,
    "class_count_": "f(c)",
    "feature_count_": "f(c,p)",
    "feature_log_prob_": "F(c,p)",
    "class_log_prior_": "F(c)",
}

LISTED = {
    "LogisticRegression": ListedEstimator("sklearn.linear_model._logistic", _LINES),
    "LogisticRegressionCV": ListedEstimator("sklearn.linear_model._logistic", {
        **_LINES, "n_iter_": "i(*,*,*)|i(*,*,*,*)", "Cs_": "f(*)", "C_": "f|f(*)", "l1_ratio_": "f|n|l(*)",
        "l1_ratios_": "f(*)|l(*)|n", "scores_": "d|f(*,*,*)", "coefs_paths_": "d|f(*,*,*,*,*)",
    }),
    "RidgeClassifier": ListedEstimator("sklearn.linear_model._ridge", {}),
    "LinearSVC": ListedEstimator("sklearn.svm._classes", _LINES),
    "SVC": ListedEstimator("sklearn.svm._classes", {**_SVM, "classes_": "l(c)"}, check=_svm),
    "SVR": ListedEstimator("sklearn.svm._classes", _SVM, check=_svm),
    "LinearSVR": ListedEstimator("sklearn.svm._classes", _LINE),
    "GaussianNB": ListedEstimator("sklearn.naive_bayes", {
        **_CLASSES, "epsilon_": "f", "theta_": "F(c,p)", "var_": "F(c,p)", "class_count_": "f(c)", "class_prior_": "F(c)",
    }),
    "BernoulliNB": ListedEstimator("sklearn.naive_bayes", _BAYES),
    "MultinomialNB": ListedEstimator("sklearn.naive_bayes", _BAYES),
    "LinearDiscriminantAnalysis": ListedEstimator("sklearn.discriminant_analysis", {
        **_LINES, "priors_": "F(c)", "means_": "F(c,p)", "xbar_": "F(p)", "scalings_": "F(p,*)", "covariance_": "F(p,p)",
        "explained_variance_ratio_": "f(*)", "_max_components": "i", "_n_features_out": "i",
    }),
    "QuadraticDiscriminantAnalysis": ListedEstimator("sklearn.discriminant_analysis", {
        **_CLASSES, "priors_": "F(c)", "means_": "F(c,p)", "scalings_": "[F(*)]",
        "rotations_": "[F(p,*)]", "covariance_": "[F(p,p)]",
    }),
    "DummyClassifier": ListedEstimator("sklearn.dummy", {
        **_CLASSES, "_strategy": "s", "sparse_output_": "b", "n_outputs_": "i", "n_classes_": "i", "class_prior_": "F(c)",
    }),
    "DummyRegressor": ListedEstimator("sklearn.dummy", {**_COMMON, "n_outputs_": "i", "constant_": "F(*,*)"}),
    "KNeighborsClassifier": ListedEstimator("sklearn.neighbors._classification", _NEIGHBOURS),
    "KNeighborsRegressor": ListedEstimator("sklearn.neighbors._regression", _NEIGHBOURS),
    "LinearRegression": ListedEstimator("sklearn.linear_model._base", {**_LINE, "rank_": "i", "singular_": "f(*)"}),
    "Ridge": ListedEstimator("sklearn.linear_model._ridge", {**_LINE, "solver_": "s"}),
    "RidgeCV": ListedEstimator("sklearn.linear_model._ridge", {**_LINE, "alpha_": "f", "best_score_": "f"}),
    "Lasso": ListedEstimator("sklearn.linear_model._coordinate_descent", {**_PATH, "l1_ratio": "f"}),
    "LassoCV": ListedEstimator("sklearn.linear_model._coordinate_descent", _PATH),
    "ElasticNet": ListedEstimator("sklearn.linear_model._coordinate_descent", _PATH),
    "ElasticNetCV": ListedEstimator("sklearn.linear_model._coordinate_descent", _PATH),
    "HuberRegressor": ListedEstimator("sklearn.linear_model._huber", {**_LINE, "scale_": "f", "outliers_": "b(*)"}),
    "QuantileRegressor": ListedEstimator("sklearn.linear_model._quantile", _LINE),
    "BayesianRidge": ListedEstimator("sklearn.linear_model._bayes", {
        **_LINE, "X_offset_": "F(p)", "X_scale_": "F(p)", "scores_": "f(*)|[f]", "alpha_": "F", "lambda_": "F",
        "sigma_": "F(p,p)",
    }),
    "StandardScaler": ListedEstimator("sklearn.preprocessing._data", {
        **_COMMON, "n_samples_seen_": "i|f|i(p)", "mean_": "F(p)|n", "var_": "F(p)|n", "scale_": "F(p)|n",
    }),
    "MinMaxScaler": ListedEstimator("sklearn.preprocessing._data", {
        **_COMMON, "n_samples_seen_": "i", **dict.fromkeys(("scale_", "min_", "data_min_", "data_max_", "data_range_"), "F(p)"),
    }),
    "MaxAbsScaler": ListedEstimator("sklearn.preprocessing._data", {
        **_COMMON, "n_samples_seen_": "i", "max_abs_": "F(p)", "scale_": "F(p)",
    }),
    "RobustScaler": ListedEstimator("sklearn.preprocessing._data", {**_COMMON, "center_": "F(p)|n", "scale_": "F(p)|n"}),
    "PCA": ListedEstimator("sklearn.decomposition._pca", {
        **_COMMON, "_fit_svd_solver": "s", "mean_": "F(p)", "noise_variance_": "f", "n_samples_": "i", "n_components_": "i",
        "components_": "F(k,p)", "explained_variance_": "F(k)", "explained_variance_ratio_": "f(k)", "singular_values_": "f(k)",
    }),
    "Pipeline": ListedEstimator("sklearn.pipeline", {}, ("steps",), lambda values: values.get("memory") is None),
    "CalibratedClassifierCV": ListedEstimator(
        "sklearn.calibration", {**_CLASSES, "calibrated_classifiers_": "[e]"}, ("estimator",),
    ),
    "_CalibratedClassifier": ListedEstimator("sklearn.calibration", {}, ("estimator", "calibrators")),
    "_SigmoidCalibration": ListedEstimator("sklearn.calibration", {"a_": "F", "b_": "F"}),
    **{name: ListedEstimator(f"sklearn.{module}", {}) for module, name in (
        ("tree._classes", "DecisionTreeClassifier"), ("tree._classes", "DecisionTreeRegressor"),
        ("ensemble._forest", "RandomForestClassifier"), ("ensemble._forest", "RandomForestRegressor"),
        ("ensemble._forest", "ExtraTreesClassifier"), ("ensemble._forest", "ExtraTreesRegressor"),
        ("ensemble._gb", "GradientBoostingClassifier"), ("ensemble._gb", "GradientBoostingRegressor"),
        ("ensemble._hist_gradient_boosting.gradient_boosting", "HistGradientBoostingClassifier"),
        ("ensemble._hist_gradient_boosting.gradient_boosting", "HistGradientBoostingRegressor"),
        ("linear_model._stochastic_gradient", "SGDClassifier"), ("linear_model._stochastic_gradient", "SGDRegressor"),
        ("neural_network._multilayer_perceptron", "MLPClassifier"), ("neural_network._multilayer_perceptron", "MLPRegressor"),
    )},
}  # fmt: skip
"""What may stand in files. Those without fitted attributes can be saved as long as they are not fitted.

Kinds: f number, F finite number, i integer, b flag, s text, n None, t pair of integers, d arrays by label, e estimator;
with dimensions in brackets arrays of these, l(...) of labels; [x] a list of x; | or.
"""

REFITTED = ("KNeighborsClassifier", "KNeighborsRegressor")
"""Estimators that are their data, and are fitted on it when loaded."""


def to_plain(estimator: Any) -> Values:
    """Class and attributes; `FormatError` for an attribute that is not listed."""
    name, values = type(estimator).__name__, dict(vars(estimator))
    if name in REFITTED and "_fit_X" in values:
        y = values["_y"] if "classes_" not in values else values["classes_"][values["_y"]]
        return {"class": name, "values": {n: values[n] for n in _arguments(type(estimator))}, "refit": [values["_fit_X"], y]}
    allowed = {*_arguments(type(estimator)), *LISTED[name].fitted, *(("radius",) if name in REFITTED else ())}
    for one in values:
        if one not in allowed:
            raise FormatError(f"save: a fitted {name} has '{one}', which is nothing that is saved.")
    return {"class": name, "values": values}


def _arguments(cls: type) -> list[str]:
    return list(inspect.signature(cls).parameters)


def from_plain(plain: Values) -> Any:
    """The estimator that `to_plain` was given, made without calling anything; nearest neighbours are fitted on their data."""
    name, values = plain["class"], plain["values"]
    if name not in LISTED:
        raise FormatError(f"load: '{name[:80]}' is no estimator that may stand in a file.")
    cls = getattr(import_module(LISTED[name].path), name)
    estimator, dims = cls.__new__(cls), dict[str, int]()
    arguments = _arguments(cls)
    for one, value in values.items():
        kind = LISTED[name].fitted.get(one, "n" if one == "radius" else None)
        asked = isinstance(value, Token) or _is_argument(value, one in LISTED[name].parts)
        if not (asked if one in arguments else kind and _is(value, kind, dims)):
            raise FormatError(f"load: a {name} cannot have this '{one}': {str(value)[:80]!r}.")
    missing = [n for n in arguments if n not in values]
    estimator.__dict__.update(_defaults(cls, missing) | values)
    _check(name, cls, estimator, dims)
    return _fitted_again(estimator, plain["refit"]) if "refit" in plain else estimator


def _defaults(cls: type, names: list[str]) -> Values:
    parameters = inspect.signature(cls).parameters
    if any(parameters[n].default is inspect.Parameter.empty for n in names):
        raise FormatError(f"load: a {cls.__name__} lacks {', '.join(names)}.")
    return {n: parameters[n].default for n in names}


def _check(name: str, cls: type, estimator: Any, dims: Mapping[str, int]) -> None:
    """Arguments must be what scikit-learn declares, and arrays of the sizes that belong together."""
    if hasattr(cls, "_parameter_constraints"):
        ranges = [n for n, value in vars(estimator).items() if isinstance(value, Token)]
        checked: Any = object.__new__(cls)
        vars(checked).update(vars(estimator) | _defaults(cls, ranges))
        checked._validate_params()
    lines, classes, features = dims.get("r"), dims.get("c"), dims.get("p")
    wrong = (lines is not None and classes is not None and lines != (1 if classes == 2 else classes)) or (
        features is not None and features != getattr(estimator, "n_features_in_", features)
    )
    check = LISTED[name].check
    fitted = name == "Pipeline" or len(dims) > 0
    if wrong or (check is not None and fitted and not check(vars(estimator))):
        raise FormatError(f"load: the arrays of a {name} do not fit each other.")


def _fitted_again(estimator: Any, data: list[Any]) -> Any:
    plain = estimator.metric_params is None and isinstance(estimator.metric, str) and not callable(estimator.weights)
    dims: dict[str, int] = {}
    fits = len(data) == 2 and _is(data[0], "F(n,p)", dims) and _is(data[1], "l(n)", dims)
    if type(estimator).__name__ not in REFITTED or not fits or not plain:
        raise FormatError("load: these are no data for nearest neighbours.")
    return estimator.fit(*data)


# ---------------------------------------------------------------- kinds

_KIND = re.compile(r"(\w)\(([\w*,]+)\)")
_DTYPES = {"f": "f", "F": "f", "i": "iu", "b": "b", "l": "UObiuf"}
_PLAIN = (type(None), bool, int, float, str)


def _is(value: Any, kinds: str, dims: dict[str, int]) -> bool:
    return any(_is_one(value, kind, dims) for kind in kinds.split("|"))


def _is_one(value: Any, kind: str, dims: dict[str, int]) -> bool:
    if kind.startswith("["):
        return isinstance(value, list) and all(_is(v, kind[1:-1], dims) for v in value)
    match = _KIND.fullmatch(kind)
    if match is None:
        return _SCALARS[kind](value)
    return isinstance(value, np.ndarray) and _is_array(value, match[1], match[2].split(","), dims)


def _is_array(value: np.ndarray, kind: str, sizes: list[str], dims: dict[str, int]) -> bool:
    if value.ndim != len(sizes) or value.dtype.kind not in _DTYPES[kind] or (kind == "F" and not np.isfinite(value).all()):
        return False
    if value.dtype.kind == "O" and not all(isinstance(v, _PLAIN) for v in value.ravel()):
        return False
    return all(size == "*" or dims.setdefault(size, n) == n for size, n in zip(sizes, value.shape, strict=True))


def _is_estimator(value: Any) -> bool:
    return (
        type(value).__name__ in LISTED and name_of(type(value)) == f"{LISTED[type(value).__name__].path}:{type(value).__name__}"
    )


_SCALARS: dict[str, Callable[[Any], bool]] = {
    "f": lambda v: isinstance(v, int | float) and not isinstance(v, bool),
    "F": lambda v: isinstance(v, int | float) and not isinstance(v, bool) and bool(np.isfinite(v)),
    "i": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "b": lambda v: isinstance(v, bool),
    "s": lambda v: isinstance(v, str),
    "n": lambda v: v is None,
    "t": lambda v: isinstance(v, tuple) and len(v) == 2 and all(type(n) is int for n in v),
    "d": lambda v: isinstance(v, dict) and all(isinstance(a, np.ndarray) and a.dtype.kind == "f" for a in v.values()),
    "e": _is_estimator,
}


def _is_argument(value: Any, part: bool) -> bool:
    """Whether it is plain data, or, in a part, an estimator or a list of them with their names."""
    if isinstance(value, _PLAIN) or (part and _is_estimator(value)):
        return True
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "biufU" or all(isinstance(v, _PLAIN) for v in value.ravel())
    if isinstance(value, dict):
        return all(isinstance(k, _PLAIN) and _is_argument(v, False) for k, v in value.items())
    return isinstance(value, list | tuple) and all(_is_argument(v, part) for v in value)


saved_as(
    [f"{listed.path}:{name}" for name, listed in LISTED.items()],
    from_plain,
    to_plain,
    plain={"class": str, "values": dict[str, Any], "refit": list},
    tag="estimator",
    module=__name__,
)
