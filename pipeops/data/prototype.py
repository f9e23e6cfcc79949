"""A task without its rows: what a trained learner remembers of its data.

Neighbours: `task` and `stored` below; learners keep a prototype so that `predict_newdata` can read a bare frame.
"""

from typing import Any

from pipeops.data.task import Task


def prototype(task: Task) -> Any:
    """The same task without rows: features and their types, target, classes, roles, kind of frame.

    >>> from pipeops import as_task_regr
    >>> prototype(as_task_regr({"x": [1, 2], "y": [0.5, 1.5]}, target="y")).nrow
    0
    """
    return task.without_rows()
