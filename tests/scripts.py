"""Scripts run as by `python -W error script.py`, in processes of their own that need not import torch and this package first.

A server, one for each process of tests, imports what takes seconds (no polars, whose threads a fork would lose) and forks for
each script. `python tests/scripts.py` is that server. Where it counts what is imported, tests start Python anew.
"""

import atexit
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
IMPORTED = ("torch", "torch._dynamo", "scipy.stats", "sklearn.datasets", "matplotlib.pyplot", "pipeops.net", "pipeops.ops")
SECONDS = 120
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "1"}


class Done(NamedTuple):
    """How a script ended and what it printed."""

    returncode: int
    stdout: str
    stderr: str


def run_script(path: Path, *arguments: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Done:
    """Run a script to its end; `env` is added to the environment."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        job = [str(path), list(arguments), str(cwd or Path.cwd()), dict(env or {}), str(out), str(err)]
        code = _SERVER.ask(json.dumps(job))
        return Done(code, out.read_text(), err.read_text())


class _Server:
    """The running process, started when it is first asked."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def ask(self, job: str) -> int:
        if self._process is None:
            command = [sys.executable, "-W", "error", __file__]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
            atexit.register(self._process.communicate)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(job, file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())


_SERVER = _Server()


def serve() -> None:
    """Run one script after another, each in a fork, until the input ends."""
    for name in IMPORTED:
        __import__(name)
    for line in iter(sys.stdin.readline, ""):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # pyarrow's allocator has a thread, and says to forks that it has
            child = os.fork()
        if child == 0:
            _become(*json.loads(line))
            return
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _become(path: str, arguments: list[str], cwd: str, env: dict[str, str], out: str, err: str) -> None:
    """Be the process of this script; it is ended where it takes too long."""
    signal.alarm(SECONDS)
    for file, descriptor in ((os.devnull, 0), (out, 1), (err, 2)):
        os.dup2(os.open(file, os.O_RDWR | os.O_CREAT), descriptor)
    os.chdir(cwd)
    os.environ.update(env)
    sys.argv, sys.path[0] = [path, *arguments], str(Path(path).parent)
    runpy.run_path(path, run_name="__main__")


if __name__ == "__main__":
    serve()
