"""Tasks: data frames with column roles, their views and selectors, and the built-in data sets."""

from pipeops.data.several import TaskMultilabel, TaskMultiRegr
from pipeops.data.supervised import TaskClassif, TaskRegr, as_task_classif, as_task_multilabel, as_task_regr
from pipeops.data.task import Task

__all__ = [
    "Task",
    "TaskClassif",
    "TaskMultiRegr",
    "TaskMultilabel",
    "TaskRegr",
    "as_task_classif",
    "as_task_multilabel",
    "as_task_regr",
]
