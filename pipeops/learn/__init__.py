"""Learners, predictions, measures and how they are compared."""

from pipeops.learn.benchmark.grid import BenchmarkGrid, benchmark_grid
from pipeops.learn.benchmark.results import BenchmarkResult, load_benchmark
from pipeops.learn.benchmark.run import benchmark, resample
from pipeops.learn.explain.dependence import partial_dependence
from pipeops.learn.explain.fairness import fairness
from pipeops.learn.explain.importance import importance
from pipeops.learn.explain.reliability import calibration
from pipeops.learn.learner import Learner, load_learner
from pipeops.learn.measures.measure import measure
from pipeops.learn.plots.overlays import prc_overlay, roc_overlay
from pipeops.learn.prediction.base import Prediction
from pipeops.learn.prediction.classif import PredictionClassif
from pipeops.learn.prediction.multi import PredictionMultilabel, PredictionMultiRegr
from pipeops.learn.prediction.regr import PredictionRegr
from pipeops.learn.resampling.splits import partition
from pipeops.learn.tuning.fselect import AutoFSelector, auto_fselector
from pipeops.learn.tuning.ranges import to_tune
from pipeops.learn.tuning.tuner import AutoTuner, auto_tuner

__all__ = [
    "AutoFSelector",
    "AutoTuner",
    "BenchmarkGrid",
    "BenchmarkResult",
    "Learner",
    "Prediction",
    "PredictionClassif",
    "PredictionMultiRegr",
    "PredictionMultilabel",
    "PredictionRegr",
    "auto_fselector",
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
]
