"""A process that has trained nothing yet: what a state alone can do, and what a node changes beyond its outputs.

The process is started once and answers for every node that is checked; it starts anew after a node that changed a setting of
the process. `python -m pipeops.testing.fresh` is that process. Neighbours: surroundings.py asks it.
"""

import os
import pickle
import subprocess
import sys
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from pipeops.testing.alike import Table, columns, is_table

PROGRAM = "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from pipeops.testing.fresh import serve; serve()"


ENVIRONMENT = {**os.environ, "PYTHONHASHSEED": "1"}
"""As it was before any node was tried, with other hashes."""


class Report(NamedTuple):
    """What the process answers for one node: tables of predicting and of training on each task, and settings that changed."""

    predicted: list[list[Table]]
    trained: list[list[Table]]
    changed: list[str]


class Fresh:
    """The running process, started when it is first asked."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, node: bytes, trials: bytes) -> Report | str:
        """The report on a pickled node with its pickled list of (task, state), or the error that stopped it, as text."""
        if self._process is None:
            self._process = self._start()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        pickle.dump((node, trials), self._process.stdin)
        self._process.stdin.flush()
        answer = pickle.load(self._process.stdout)
        return answer if isinstance(answer, str) else Report(*answer)

    def end(self) -> None:
        """Stop the process, which is not as it was; the next question starts another."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _start(self) -> subprocess.Popen[bytes]:
        import atexit
        import json

        command = [sys.executable, "-c", PROGRAM, json.dumps(sys.path)]
        atexit.register(self.end)
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT)


FRESH = Fresh()


def serve() -> None:
    """Answer for one node after another until the input ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a node prints is no answer
    warnings.simplefilter("ignore")
    while True:
        try:
            node, trials = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        pickle.dump(_answer(node, trials), answers)
        answers.flush()


def _answer(node: bytes, trials: bytes) -> Any:
    try:
        return tuple(_report(pickle.loads(node), pickle.loads(trials)))
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _report(node: Any, trials: Sequence[tuple[Any, Any]]) -> Report:
    from pipeops.testing.samples import predict, train

    before = settings()
    predicted = [_tables(predict(node, task, state)) for task, state in trials]
    trained = [_tables(train(node, task)[0]) for task, _ in reversed(trials)][::-1]
    after = settings()
    return Report(predicted, trained, [name for name, value in before.items() if after.get(name, value) != value])


def _tables(values: Sequence[Any]) -> list[Table]:
    return [columns(value) for value in values if is_table(value)]


def settings() -> dict[str, str]:
    """What a node must leave alone, as text: settings of Python, numpy and, when it is there, torch."""
    found = {
        "working directory": os.getcwd(),
        "environment": repr({k: v for k, v in os.environ.items() if not k.startswith(("KMP", "OMP", "TORCH"))}),
        "numpy error handling": repr(np.geterr()),
        "numpy print options": repr(np.get_printoptions()),
    }
    torch = sys.modules.get("torch")
    return found if torch is None else found | torch_settings(torch)


def torch_settings(torch: Any) -> dict[str, str]:
    """The settings of torch that a node must leave alone."""
    return {
        "default dtype": str(torch.get_default_dtype()),
        "number of threads": str(torch.get_num_threads()),
        "gradient mode": str(torch.is_grad_enabled()),
        "deterministic mode": str(torch.are_deterministic_algorithms_enabled()),
    }
