"""Machine-learning pipelines as graphs: operators chained with `>>` into a DAG that compiles into a torch network.

The public names, loaded when first used: `import pipeops` imports neither torch nor scikit-learn nor a frame library.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeops.data import Task, TaskClassif, TaskRegr, as_task_classif, as_task_regr, selectors
    from pipeops.data.selectors import (
        selector_all,
        selector_cardinality_greater_than,
        selector_grep,
        selector_intersect,
        selector_invert,
        selector_missing,
        selector_name,
        selector_negative,
        selector_non_missing,
        selector_non_negative,
        selector_non_positive,
        selector_non_zero,
        selector_none,
        selector_positive,
        selector_repr,
        selector_setdiff,
        selector_type,
        selector_union,
    )
    from pipeops.graph import Graph, GraphLearner, PipeOp, as_learner, chain, gunion, operator
    from pipeops.learn import (
        BenchmarkResult,
        Learner,
        Prediction,
        PredictionClassif,
        PredictionRegr,
        auto_tuner,
        benchmark,
        benchmark_grid,
        calibration,
        fairness,
        importance,
        load_benchmark,
        load_learner,
        measure,
        partial_dependence,
        partition,
        prc_overlay,
        resample,
        roc_overlay,
        to_tune,
    )
    from pipeops.net import as_lazy_tensor, layer, torch_callback
    from pipeops.shorthand import flt, lrn, lrns, msr, msrs, nn, po, ppl, rsmp, rsmps, t_clbk, t_loss, t_opt, t_sampler, tsk, tsks
    from pipeops.sklearn import PipeOpsClassifier, PipeOpsRegressor, PipeOpsTransformer

__version__ = "0.1.0"

_HOMES = {
    "pipeops.data": ("Task", "TaskClassif", "TaskRegr", "as_task_classif", "as_task_regr", "selectors"),
    "pipeops.data.selectors": (
        "selector_all",
        "selector_cardinality_greater_than",
        "selector_grep",
        "selector_intersect",
        "selector_invert",
        "selector_missing",
        "selector_name",
        "selector_negative",
        "selector_non_missing",
        "selector_non_negative",
        "selector_non_positive",
        "selector_non_zero",
        "selector_none",
        "selector_positive",
        "selector_repr",
        "selector_setdiff",
        "selector_type",
        "selector_union",
    ),
    "pipeops.graph": ("Graph", "GraphLearner", "PipeOp", "as_learner", "chain", "gunion", "operator"),
    "pipeops.learn": (
        "BenchmarkResult",
        "Learner",
        "Prediction",
        "PredictionClassif",
        "PredictionRegr",
        "auto_tuner",
        "benchmark",
        "benchmark_grid",
        "calibration",
        "fairness",
        "importance",
        "load_benchmark",
        "load_learner",
        "measure",
        "partial_dependence",
        "partition",
        "prc_overlay",
        "resample",
        "roc_overlay",
        "to_tune",
    ),
    "pipeops.sklearn": ("PipeOpsClassifier", "PipeOpsRegressor", "PipeOpsTransformer"),
    "pipeops.net": ("as_lazy_tensor", "layer", "torch_callback"),
    "pipeops.shorthand": (
        "flt",
        "lrn",
        "lrns",
        "msr",
        "msrs",
        "nn",
        "po",
        "ppl",
        "rsmp",
        "rsmps",
        "t_clbk",
        "t_loss",
        "t_opt",
        "t_sampler",
        "tsk",
        "tsks",
    ),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "BenchmarkResult",
    "Graph",
    "GraphLearner",
    "Learner",
    "PipeOp",
    "PipeOpsClassifier",
    "PipeOpsRegressor",
    "PipeOpsTransformer",
    "Prediction",
    "PredictionClassif",
    "PredictionRegr",
    "Task",
    "TaskClassif",
    "TaskRegr",
    "as_lazy_tensor",
    "as_learner",
    "as_task_classif",
    "as_task_regr",
    "auto_tuner",
    "benchmark",
    "benchmark_grid",
    "calibration",
    "chain",
    "fairness",
    "flt",
    "gunion",
    "importance",
    "layer",
    "load_benchmark",
    "load_learner",
    "lrn",
    "lrns",
    "measure",
    "msr",
    "msrs",
    "nn",
    "operator",
    "partial_dependence",
    "partition",
    "po",
    "ppl",
    "prc_overlay",
    "resample",
    "roc_overlay",
    "rsmp",
    "rsmps",
    "selector_all",
    "selector_cardinality_greater_than",
    "selector_grep",
    "selector_intersect",
    "selector_invert",
    "selector_missing",
    "selector_name",
    "selector_negative",
    "selector_non_missing",
    "selector_non_negative",
    "selector_non_positive",
    "selector_non_zero",
    "selector_none",
    "selector_positive",
    "selector_repr",
    "selector_setdiff",
    "selector_type",
    "selector_union",
    "selectors",
    "t_clbk",
    "t_loss",
    "t_opt",
    "t_sampler",
    "to_tune",
    "torch_callback",
    "tsk",
    "tsks",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'pipeops' has no attribute '{name}'")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
