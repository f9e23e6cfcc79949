"""Learners, predictions, measures and how they are compared."""

from pipeops.learn.learner import Learner, load_learner
from pipeops.learn.measures import measure
from pipeops.learn.prediction import Prediction, PredictionClassif, PredictionRegr
from pipeops.learn.splits import partition

__all__ = ["Learner", "Prediction", "PredictionClassif", "PredictionRegr", "load_learner", "measure", "partition"]
