"""The shelf of learners over scikit-learn: a row for each key.

A row names the estimator, which is imported when its key is first used, and what differs from its defaults. Keys are
mlr3's where the algorithm is the same one. Neighbours: sklearn_learner (the machinery) below; featureless is beside it.
"""

import inspect
from importlib import import_module
from typing import Any

from pipeops.errors import UnknownParameterError
from pipeops.guesses import argument_here
from pipeops.learn.learners.estimators import hyperparameters
from pipeops.learn.learners.sklearn_learner import SklearnLearner
from pipeops.params import UNSET
from pipeops.registry import Row
from pipeops.shorthand import lrn

WARNED = {"l1_ratios": (0.0,), "scoring": "neg_log_loss", "use_legacy_attributes": False}
"""What scikit-learn is going to make the default, where it warns about the old one."""


def row(key: str, path: str, label: str, **defaults: Any) -> None:
    """Register a learner: `lrn(key, id=, predict_type=, **hyperparameters)` makes it."""
    module, name = path.split(":")
    origin = (module, f"{name}:{key}")
    lrn.add(key, Row(lambda: _constructor(key, module, name, label, defaults), origin, __name__, label))


def _constructor(key: str, module: str, name: str, label: str, defaults: dict[str, Any]) -> Any:
    cls = getattr(import_module(module), name)
    declared = hyperparameters(cls)
    usual = {n: WARNED[n] for n, p in declared.items() if n in WARNED and p.default == "warn"} | defaults

    def make(id: str | None = None, predict_type: str = "response", **arguments: Any) -> SklearnLearner:
        for argument in arguments:
            if argument not in declared:
                raise UnknownParameterError(f"{key}: no hyperparameter '{argument}'.{argument_here(argument, declared)}")
        learner = SklearnLearner(cls(**usual), id=id, predict_type=predict_type, key=key)
        learner.usual = usual
        for argument, value in arguments.items():
            learner.params[argument] = value
        return learner

    make.__module__, make.__qualname__, make.__doc__ = __name__, key, label
    make.__signature__ = _signature([*declared])  # type: ignore[attr-defined]
    return make


def _signature(names: list[str]) -> inspect.Signature:
    keyword = inspect.Parameter.KEYWORD_ONLY
    named = {"id": None, "predict_type": "response", **dict.fromkeys(names, UNSET)}
    parameters = [inspect.Parameter(name, keyword, default=default) for name, default in named.items()]
    return inspect.Signature(parameters, return_annotation=SklearnLearner)


row("classif.log_reg", "sklearn.linear_model:LogisticRegression", "Logistic Regression", max_iter=1000)
row("classif.log_reg_cv", "sklearn.linear_model:LogisticRegressionCV", "Penalised Logistic Regression", max_iter=1000)
row("classif.svm", "sklearn.svm:SVC", "Support Vector Machine")
row("classif.tree", "sklearn.tree:DecisionTreeClassifier", "Classification Tree")
row("classif.random_forest", "sklearn.ensemble:RandomForestClassifier", "Random Forest")
row("classif.hist_gradient_boosting", "sklearn.ensemble:HistGradientBoostingClassifier", "Gradient Boosting on Histograms")
row("classif.knn", "sklearn.neighbors:KNeighborsClassifier", "Nearest Neighbours")
row("classif.naive_bayes", "sklearn.naive_bayes:GaussianNB", "Gaussian Naive Bayes")
row("classif.lda", "sklearn.discriminant_analysis:LinearDiscriminantAnalysis", "Linear Discriminant Analysis")
row("classif.qda", "sklearn.discriminant_analysis:QuadraticDiscriminantAnalysis", "Quadratic Discriminant Analysis")
row("regr.lm", "sklearn.linear_model:LinearRegression", "Linear Model")
row("regr.ridge", "sklearn.linear_model:Ridge", "Ridge Regression")
row("regr.lasso_cv", "sklearn.linear_model:LassoCV", "Lasso")
row("regr.elastic_net", "sklearn.linear_model:ElasticNet", "Elastic Net")
row("regr.elastic_net_cv", "sklearn.linear_model:ElasticNetCV", "Elastic Net, its Penalty by Cross-validation")
row("regr.svm", "sklearn.svm:SVR", "Support Vector Machine")
row("regr.tree", "sklearn.tree:DecisionTreeRegressor", "Regression Tree")
row("regr.random_forest", "sklearn.ensemble:RandomForestRegressor", "Random Forest")
row("regr.hist_gradient_boosting", "sklearn.ensemble:HistGradientBoostingRegressor", "Gradient Boosting on Histograms")
row("regr.knn", "sklearn.neighbors:KNeighborsRegressor", "Nearest Neighbours")
