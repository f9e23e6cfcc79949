"""Learners, predictions, measures and how they are compared."""

from pipeops.learn.curves import prc_overlay, roc_overlay
from pipeops.learn.grid import BenchmarkGrid, benchmark_grid
from pipeops.learn.learner import Learner, load_learner
from pipeops.learn.measures import measure
from pipeops.learn.prediction import Prediction, PredictionClassif, PredictionRegr
from pipeops.learn.results import BenchmarkResult, load_benchmark
from pipeops.learn.run import benchmark, resample
from pipeops.learn.search_space import to_tune
from pipeops.learn.splits import partition
from pipeops.learn.tune import AutoTuner, auto_tuner

__all__ = [
    "AutoTuner",
    "BenchmarkGrid",
    "BenchmarkResult",
    "Learner",
    "Prediction",
    "PredictionClassif",
    "PredictionRegr",
    "auto_tuner",
    "benchmark",
    "benchmark_grid",
    "load_benchmark",
    "load_learner",
    "measure",
    "partition",
    "prc_overlay",
    "resample",
    "roc_overlay",
    "to_tune",
]
