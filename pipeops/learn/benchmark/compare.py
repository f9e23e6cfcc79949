"""Is the difference between two learners more than chance? Paired t-tests over iterations. Neighbours: results above."""

from collections.abc import Iterable
from itertools import combinations
from typing import Any

import numpy as np

Score = tuple[str, str, str, int, float]


def paired(scores: Iterable[Score]) -> list[dict[str, Any]]:
    """A row for each pair of learners within a task and resampling, from `(task, learner, resampling, iteration, score)`.

    >>> scores = [("t", "a", "cv", 0, 0.5), ("t", "a", "cv", 1, 0.75), ("t", "b", "cv", 0, 0.5), ("t", "b", "cv", 1, 0.5)]
    >>> paired(scores)[0]["mean_difference"]
    0.125
    """
    runs: dict[tuple[str, str], dict[str, dict[int, float]]] = {}
    for task, learner, resampling, iteration, score in scores:
        runs.setdefault((task, resampling), {}).setdefault(learner, {})[iteration] = score
    return [
        {"task_id": task, "resampling_id": resampling, "learner_id": a, "other_id": b, **t_test(by_learner[a], by_learner[b])}
        for (task, resampling), by_learner in runs.items()
        for a, b in combinations(by_learner, 2)
    ]


def t_test(one: dict[int, float], other: dict[int, float]) -> dict[str, Any]:
    """The paired t-test of two learners' scores by iteration, over the iterations where both have one."""
    from scipy.stats import t

    differences = np.array([one[i] - other[i] for i in one if i in other])
    differences = differences[np.isfinite(differences)]
    n = len(differences)
    mean = float(differences.mean()) if n else float("nan")
    sd = float(differences.std(ddof=1)) if n > 1 else float("nan")
    p_value = float(2 * t.sf(abs(mean) / (sd / n**0.5), n - 1)) if sd > 0 else float("nan")
    return {"n": n, "mean_difference": mean, "sd": sd, "p_value": p_value}
