"""Machine-learning pipelines as graphs: operators chained with `>>` into a DAG that compiles into a torch network.

The public names, loaded when first used: `import pipeops` imports neither torch nor scikit-learn nor a frame library.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeops.data import (
        Task,
        TaskClassif,
        TaskMultilabel,
        TaskMultiRegr,
        TaskRegr,
        TaskUnsupervised,
        as_task_classif,
        as_task_multilabel,
        as_task_regr,
        as_task_unsupervised,
        selectors,
    )
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
    from pipeops.learn.benchmark.grid import benchmark_grid
    from pipeops.learn.benchmark.results import BenchmarkResult, load_benchmark
    from pipeops.learn.benchmark.run import benchmark, resample
    from pipeops.learn.explain.dependence import partial_dependence
    from pipeops.learn.explain.fairness import fairness
    from pipeops.learn.explain.importance import importance
    from pipeops.learn.explain.reliability import calibration
    from pipeops.learn.explain.sizes import learning_curve
    from pipeops.learn.explain.surface import prediction_surface
    from pipeops.learn.learner import Learner, load_learner
    from pipeops.learn.measures.measure import measure
    from pipeops.learn.plots.overlays import prc_overlay, roc_overlay
    from pipeops.learn.prediction.base import Prediction
    from pipeops.learn.prediction.classif import PredictionClassif
    from pipeops.learn.prediction.multi import PredictionMultilabel, PredictionMultiRegr
    from pipeops.learn.prediction.regr import PredictionRegr
    from pipeops.learn.resampling.splits import partition
    from pipeops.learn.tuning.fselect import auto_fselector
    from pipeops.learn.tuning.ranges import to_tune
    from pipeops.learn.tuning.tuner import auto_tuner
    from pipeops.net import as_lazy_tensor, layer, torch_callback
    from pipeops.shorthand import flt, lrn, lrns, msr, msrs, nn, po, ppl, rsmp, rsmps, t_clbk, t_loss, t_opt, t_sampler, tsk, tsks
    from pipeops.sklearn import PipeOpsClassifier, PipeOpsRegressor, PipeOpsTransformer

__version__ = "0.1.0"

_HOMES = {
    "pipeops.data": (
        "Task",
        "TaskClassif",
        "TaskMultiRegr",
        "TaskMultilabel",
        "TaskRegr",
        "TaskUnsupervised",
        "as_task_classif",
        "as_task_multilabel",
        "as_task_regr",
        "as_task_unsupervised",
        "selectors",
    ),
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
    "pipeops.learn.benchmark.grid": ("benchmark_grid",),
    "pipeops.learn.benchmark.results": (
        "BenchmarkResult",
        "load_benchmark",
    ),
    "pipeops.learn.benchmark.run": (
        "benchmark",
        "resample",
    ),
    "pipeops.learn.explain.dependence": ("partial_dependence",),
    "pipeops.learn.explain.fairness": ("fairness",),
    "pipeops.learn.explain.importance": ("importance",),
    "pipeops.learn.explain.reliability": ("calibration",),
    "pipeops.learn.explain.sizes": ("learning_curve",),
    "pipeops.learn.explain.surface": ("prediction_surface",),
    "pipeops.learn.learner": (
        "Learner",
        "load_learner",
    ),
    "pipeops.learn.measures.measure": ("measure",),
    "pipeops.learn.plots.overlays": (
        "prc_overlay",
        "roc_overlay",
    ),
    "pipeops.learn.prediction.base": ("Prediction",),
    "pipeops.learn.prediction.classif": ("PredictionClassif",),
    "pipeops.learn.prediction.multi": (
        "PredictionMultiRegr",
        "PredictionMultilabel",
    ),
    "pipeops.learn.prediction.regr": ("PredictionRegr",),
    "pipeops.learn.resampling.splits": ("partition",),
    "pipeops.learn.tuning.fselect": ("auto_fselector",),
    "pipeops.learn.tuning.ranges": ("to_tune",),
    "pipeops.learn.tuning.tuner": ("auto_tuner",),
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
    "PredictionMultiRegr",
    "PredictionMultilabel",
    "PredictionRegr",
    "Task",
    "TaskClassif",
    "TaskMultiRegr",
    "TaskMultilabel",
    "TaskRegr",
    "TaskUnsupervised",
    "as_lazy_tensor",
    "as_learner",
    "as_task_classif",
    "as_task_multilabel",
    "as_task_regr",
    "as_task_unsupervised",
    "auto_fselector",
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
    "learning_curve",
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
    "prediction_surface",
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
        from pipeops.guesses import unknown_name

        raise unknown_name(name, __all__, sys._getframe(1))
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
