"""Tasks: data frames with column roles, their views and selectors, and the built-in data sets."""

from pipeops.data.several import TaskMultilabel, TaskMultiRegr, TaskUnsupervised, as_task_unsupervised
from pipeops.data.supervised import TaskClassif, TaskRegr, as_task_classif, as_task_multilabel, as_task_regr
from pipeops.data.task import Task

__all__ = [
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
]
