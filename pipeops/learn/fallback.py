"""What stands in for a learner that failed or took too long: its fallback, and the limit of time.

Neighbours: the learner beside it; benchmarks and searches ask for the fallback.
"""

from typing import Any


def in_its_place(learner: Any, seed: int) -> Any:
    """The fallback of a learner, untrained and seeded, asked for probabilities when the learner was."""
    fallback = learner.fallback.clone().seeded(seed)
    if fallback.predict_type != learner.predict_type and learner.predict_type in fallback.predict_types:
        fallback.predict_type = learner.predict_type
    return fallback
