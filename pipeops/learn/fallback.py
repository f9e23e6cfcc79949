"""What stands in for a learner that failed or took too long: the limit of time, and its fallback.

Neighbours: the learner beside it asks for the limit; benchmarks and searches ask for the fallback.
"""

import ctypes
import math
import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pipeops.errors import ConfigError, TimeLimitError

R = TypeVar("R")
STAGES = ("train", "predict")


def within(seconds: float, who: str, stage: str, call: Callable[[], R]) -> R:
    """What a call answers, unless it takes longer than this: then it is stopped, with a `TimeLimitError`.

    It is stopped between two instructions of Python, so that one long call of a library ends before it is.

    >>> within(60, "a learner", "train", lambda: 3)
    3
    """
    if math.isinf(seconds):
        return call()
    watch = _Watch(threading.get_ident())
    timer = threading.Timer(seconds, watch.stop)
    timer.daemon = True
    try:
        try:
            timer.start()
            return call()
        finally:
            timer.cancel()
            watch.end()
    except watch.over:
        raise TimeLimitError(f"{who}: did not {stage} within {seconds:g} s, its timeout.") from None


class _Watch:
    """Stops a thread, unless it has ended before. over: what is raised in it, which no handler of errors takes for one."""

    def __init__(self, thread: int):
        self._thread, self._lock, self._ended = ctypes.c_ulong(thread), threading.Lock(), False
        self.over: type[BaseException] = type("OutOfTime", (BaseException,), {})

    def stop(self) -> None:
        """Raise in the thread."""
        with self._lock:
            if not self._ended:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(self._thread, ctypes.py_object(self.over))

    def end(self) -> None:
        """From here on nothing is raised."""
        with self._lock:
            self._ended = True
            ctypes.pythonapi.PyThreadState_SetAsyncExc(self._thread, None)


def limits_of(who: str, given: Any) -> dict[str, float]:
    """Seconds by stage, of a number for each of them, of a dictionary, or None for no limit."""
    each = given if isinstance(given, Mapping) else dict.fromkeys(STAGES, math.inf if given is None else given)
    unknown = [stage for stage in each if stage not in STAGES]
    wrong = [v for v in each.values() if isinstance(v, bool) or not isinstance(v, int | float) or not v > 0]
    if unknown or wrong:
        raise ConfigError(
            f'{who}: timeout is a number of seconds above 0, or {{"train": seconds, "predict": seconds}}, got {given!r}.'
        )
    return {stage: float(each.get(stage, math.inf)) for stage in STAGES}


def in_its_place(learner: Any, seed: int) -> Any:
    """The fallback of a learner, untrained and seeded, asked for probabilities when the learner was."""
    fallback = learner.fallback.clone().seeded(seed)
    if fallback.predict_type != learner.predict_type and learner.predict_type in fallback.predict_types:
        fallback.predict_type = learner.predict_type
    return fallback
