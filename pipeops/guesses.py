"""Names that users guess first, and what they are called here: those of mlr3, scikit-learn, Keras and everyday speech.

A key, an argument or an attribute that does not exist is looked up here before anything of a near spelling is proposed. A row of
`KEYS` is text that follows "is"; `ARGUMENTS` has names to look for among those that there are; `ATTRIBUTES` says what to write.
Neighbours: errors below; the registry, hyperparameters and classes above ask.
"""

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ParamSpec, TypeVar

from pipeops.errors import UnknownAttributeError, UnknownParameterError, suggest

P = ParamSpec("P")
R = TypeVar("R")


def _both(key: str, here: str) -> dict[str, str]:
    return {f"{kind}.{key}": f'lrn("{kind}.{here}")' for kind in ("classif", "regr")}


KEYS: Mapping[str, Mapping[str, str]] = {
    "lrn": {
        **_both("ranger", "random_forest"),
        **_both("rpart", "tree"),
        **_both("decision_tree", "tree"),
        **_both("kknn", "knn"),
        **_both("nearest_neighbors", "knn"),
        **_both("gbm", "hist_gradient_boosting"),
        **_both("gradient_boosting", "hist_gradient_boosting"),
        **_both("nnet", "mlp"),
        **_both("svc", "svm"),
        **_both("svr", "svm"),
        **_both("dummy", "featureless"),
        "classif.cv_glmnet": 'lrn("classif.log_reg_cv")',
        "classif.glmnet": 'lrn("classif.log_reg", l1_ratio=..., solver="saga")',
        "classif.multinom": 'lrn("classif.log_reg")',
        "classif.logistic": 'lrn("classif.log_reg")',
        "classif.logistic_regression": 'lrn("classif.log_reg")',
        "classif.logreg": 'lrn("classif.log_reg")',
        "classif.gaussian_nb": 'lrn("classif.naive_bayes")',
        "regr.cv_glmnet": 'lrn("regr.lasso_cv")',
        "regr.glmnet": 'lrn("regr.elastic_net")',
        **_both("xgb", "xgboost"),
        **_both("lgbm", "lightgbm"),
        "regr.linear": 'lrn("regr.lm")',
        "regr.linear_regression": 'lrn("regr.lm")',
        "regr.km": "a Gaussian process: as_learner(sklearn.gaussian_process.GaussianProcessRegressor())",
        "classif.torch_model": 'a graph that ends in po("torch_model_classif")',
        "regr.torch_model": 'a graph that ends in po("torch_model_regr")',
    },
    "po": {
        "standardscaler": 'po("scale")',
        "standardize": 'po("scale")',
        "normalize": 'po("scale"), or po("spatialsign") for rows of length one',
        "minmaxscaler": 'po("scalerange")',
        "robustscaler": 'po("scale", robust=True)',
        "onehotencoder": 'po("encode")',
        "one_hot": 'po("encode")',
        "ordinalencoder": 'po("encode"), or po("torch_ingress_categ") before an embedding',
        "simpleimputer": 'po("imputemean"), po("imputemedian") or po("imputemode")',
        "impute": 'po("imputemean"), po("imputemedian"), po("imputemode") and others',
        "dropna": "what imputers are for; rows are taken by task.filter(...)",
        "polynomial": 'po("modelmatrix", formula=...)',
        "columntransformer": 'several ways side by side: [one, other] >> po("featureunion")',
        "vtreat": 'left out; po("encodeimpact") and po("encodetarget") encode by the target',
        "torch_model": 'po("torch_model_classif") or po("torch_model_regr")',
        "nn_block": 'nn("block")',
    },
    "nn": {
        "dense": 'nn("linear")',
        "output": 'nn("head")',
        "swish": 'nn("silu")',
        "concat": 'nn("merge_cat")',
        "concatenate": 'nn("merge_cat")',
        "add": 'nn("merge_sum")',
        "multiply": 'nn("merge_prod")',
        "batchnorm": 'nn("batch_norm1d")',
        "batch_norm": 'nn("batch_norm1d")',
        "batch_normalization": 'nn("batch_norm1d")',
        "layernorm": 'nn("layer_norm")',
        "layer_normalization": 'nn("layer_norm")',
        "attention": 'nn("multihead_attention")',
        "lambda": 'nn("fn", fn=...)',
        "residual": '[inside, nn("identity")] >> nn("merge_sum")',
    },
    "msr": {
        "accuracy": 'msr("classif.acc")',
        "acc": 'msr("classif.acc")',
        "auc": 'msr("classif.auc")',
        "roc_auc": 'msr("classif.auc")',
        "f1": 'msr("classif.fbeta")',
        "classif.accuracy": 'msr("classif.acc")',
        "classif.f1": 'msr("classif.fbeta")',
        "classif.roc_auc": 'msr("classif.auc")',
        "classif.average_precision": 'msr("classif.prauc")',
        "classif.log_loss": 'msr("classif.logloss")',
        "classif.cross_entropy": 'msr("classif.logloss")',
        "classif.brier": 'msr("classif.bbrier") for two classes, msr("classif.mbrier") for more',
        "classif.balanced_accuracy": 'msr("classif.bacc")',
        "mse": 'msr("regr.mse")',
        "rmse": 'msr("regr.rmse")',
        "mae": 'msr("regr.mae")',
        "r2": 'msr("regr.rsq")',
        "regr.r2": 'msr("regr.rsq")',
    },
    "rsmp": {
        "kfold": 'rsmp("cv", folds=...)',
        "k_fold": 'rsmp("cv", folds=...)',
        "repeated_kfold": 'rsmp("repeated_cv", folds=..., repeats=...)',
        "stratified_kfold": 'rsmp("cv", folds=..., stratify=True)',
        "stratified_cv": 'rsmp("cv", folds=..., stratify=True)',
        "group_kfold": 'rsmp("cv") on a task with the role group: task.with_roles(group=...)',
        "leave_one_out": 'rsmp("loo")',
        "shuffle_split": 'rsmp("subsampling")',
        "train_test_split": 'rsmp("holdout"), or partition(task)',
        "time_series_split": 'rsmp("forward_cv")',
        "forecast_cv": 'rsmp("forward_cv")',
        "fcst.cv": 'rsmp("forward_cv")',
        "rolling_cv": 'rsmp("forward_cv", window=...)',
        "montecarlo_cv": 'rsmp("subsampling")',
    },
    "t_loss": {
        "bce": 't_loss("cross_entropy")',
        "binary_cross_entropy": 't_loss("cross_entropy")',
        "categorical_crossentropy": 't_loss("cross_entropy")',
        "crossentropy": 't_loss("cross_entropy")',
        "mae": 't_loss("l1")',
        "quantile": 't_loss("pinball", quantiles=[...])',
        "hinge": 't_loss("hinge_pairs") on two classes, t_loss("multi_margin") on more',
        "poisson": 't_loss("poisson_nll")',
    },
    "t_clbk": {
        "early_stopping": 'a setting of the model node: po("torch_model_classif", patience=..., measures_valid=[...])',
        "earlystopping": 'a setting of the model node: po("torch_model_classif", patience=..., measures_valid=[...])',
        "model_checkpoint": 't_clbk("checkpoint")',
        "modelcheckpoint": 't_clbk("checkpoint")',
        "tensorboard": 't_clbk("tb")',
        "reduce_lr_on_plateau": 't_clbk("lr_reduce_on_plateau")',
        "cosine": 't_clbk("lr_cosine_annealing")',
        "warmup": 't_clbk("lr_warmup")',
    },
    "tsk": {
        "boston": 'tsk("boston_housing")',
        "california": 'tsk("california_housing")',
        "cancer": 'tsk("breast_cancer")',
        "credit_g": 'tsk("german_credit")',
        "spambase": 'tsk("spam")',
    },
}

ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "row_ids": ("rows",),
    "row_id": ("rows",),
    "cols": ("names", "columns", "selector", "features"),
    "columns": ("names", "selector", "affect_columns"),
    "upper": ("high",),
    "lower": ("low",),
    "max": ("high",),
    "min": ("low",),
    "logscale": ("log",),
    "measure": ("measures",),
    "measures": ("measure",),
    "metric": ("measures", "measure"),
    "metrics": ("measures", "measure"),
    "scoring": ("measures", "measure"),
    "task": ("tasks",),
    "learner": ("learners",),
    "resampling": ("resamplings",),
    "cv": ("resamplings", "resampling"),
    "n_evals": ("n_trials",),
    "term_evals": ("n_trials",),
    "term_time": ("seconds",),
    "timeout": ("seconds",),
    "max_time": ("seconds",),
    "space": ("search_space",),
    "param_grid": ("search_space",),
    "tuner": ("sampler",),
    "n_workers": ("n_jobs",),
    "random_state": ("seed",),
    "backend": ("data",),
    "X": ("data",),
    "label": ("target",),
    "positive_class": ("positive",),
    "pos_label": ("positive",),
    "stratified": ("stratify",),
    "ratio": ("frac",),
    "test_size": ("ratio", "horizon"),
    "n_splits": ("folds",),
    "k": ("folds",),
    "nfolds": ("folds",),
    "n_repeats": ("repeats",),
    "max_train_size": ("window",),
    "window_size": ("window",),
    "step_size": ("step",),
    "fixed_window": ("fixed",),
    "units": ("out_features",),
    "d_out": ("out_features",),
    "rate": ("p",),
    "learning_rate": ("lr",),
    "n_epochs": ("epochs",),
    "max_epochs": ("epochs",),
    "early_stopping_rounds": ("patience",),
    "nrounds": ("n_estimators",),
    "nthread": ("n_jobs",),
    "eta": ("learning_rate",),
    "opt": ("optimizer",),
    "opt.lr": ("lr",),
}

ATTRIBUTES: Mapping[str, str] = {
    "param_set": "params",
    "param_vals": "params",
    "get_params": "params, a view by address",
    "set_params": 'params["node.name"] = value',
    "configure": 'params["node.name"] = value, or params.update({...})',
    "fit": "train(task)",
    "predict_proba": 'predict(task).prob, with predict_type="prob"',
    "transform": "predict(task)",
    "feature_importances_": "importance(), for learners that have it",
    "classes_": "class_names of the task",
    "pipeops": "nodes",
    "graph_model": "graph",
    "col_roles": "roles, and with_roles(...) for another task",
    "set_col_roles": "with_roles(...), which answers another task",
    "backend": "frame()",
    "shape": "nrow and ncol",
    "columns": "feature_names",
    "n_features": "len(task.feature_names)",
    "formula": "feature_names and target_name",
    "n": "nrow",
    "confusion_matrix": "confusion",
    "probs": "prob",
    "data_table": "to_frame()",
    "aggr": "aggregate(...)",
    "scores": "score(...), a row for each fold, or aggregate(...)",
    "autoplot": "plot()",
    "resample_results": "filter(...), for one learner or task",
    "best_score": "aggregate(...)",
    "add_pipe_op": "add_pipeop(...)",
    "add_node": "add_pipeop(...)",
}


def key_here(shelf: str, key: str) -> str:
    """`" It is lrn("classif.tree") here."`, or nothing."""
    found = KEYS.get(shelf, {}).get(key.lower())
    return f" It is {found} here." if found else ""


def argument_here(name: str, known: Iterable[str]) -> str:
    """`" It is called 'rows' here."` where one of the names that it goes by is among those that are known, else a near one.

    >>> argument_here("row_ids", ["task", "rows"]), argument_here("folsd", ["folds", "task"])
    (" It is called 'rows' here.", " Did you mean 'folds'?")
    """
    names = list(known)
    found = next((other for other in ARGUMENTS.get(name, ()) if other in names), None)
    return f" It is called '{found}' here." if found else suggest(name, names)


class Guessing:
    """Base of what answers a guessed attribute with the right one."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or hasattr(type(self), name):
            return object.__getattribute__(self, name)  # it is absent, or a property whose own error is to be seen
        raise UnknownAttributeError(f"a {type(self).__name__} has no attribute '{name}'.{attribute_here(type(self), name)}")


def attribute_here(cls: type, name: str) -> str:
    """What an attribute is called here, or near ones."""
    found = ATTRIBUTES.get(name)
    return f" It is {found} here." if found else suggest(name, sorted(n for n in dir(cls) if not n.startswith("_")))


def by_name(function: Callable[P, R]) -> Callable[P, R]:
    """The function, which refuses an argument that it does not take with the name that it has."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except TypeError as error:
            trace = error.__traceback__
            if trace is None or trace.tb_next is not None or "unexpected keyword argument" not in str(error):
                raise
            name = str(error).split("'")[1]
            known = [n for n in function.__code__.co_varnames[: _count(function)] if n != "self"]
            raise UnknownParameterError(f"{function.__name__}: no argument '{name}'.{argument_here(name, known)}") from None

    return call


def _count(function: Any) -> int:
    return function.__code__.co_argcount + function.__code__.co_kwonlyargcount
