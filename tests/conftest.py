"""Set-up shared by all tests: one torch thread, repeatable hypothesis runs, small tasks, and the reference's outputs."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile(
    "pipeops", derandomize=True, deadline=None, database=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("pipeops")


@pytest.fixture(autouse=True)
def settings_of_torch() -> Any:
    """A test leaves torch's default dtype, gradients and threads as they were, or is the one that fails."""
    before = _settings_of_torch()
    yield
    after = _settings_of_torch()
    if before is not None:
        torch = sys.modules["torch"]
        torch.set_default_dtype(before[0])
        torch.set_grad_enabled(before[1])
        torch.set_num_threads(before[2])
        assert after == before, f"the test left torch with {after}; before it was {before}"


def _settings_of_torch() -> tuple[Any, bool, int] | None:
    torch = sys.modules.get("torch")
    return torch and (torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_num_threads())


@pytest.fixture(scope="session")
def reference() -> Callable[[str], Any]:
    """The content of one file of reference outputs: `reference("08_graph")`."""
    folder = os.environ.get("PIPEOPS_REFERENCE")
    if not folder:
        pytest.skip("PIPEOPS_REFERENCE names no folder with reference outputs")
    return lambda name: json.loads(Path(folder, f"{name}.json").read_text())


@pytest.fixture
def binary() -> Any:
    """A task with two classes, six rows, two numeric features."""
    from pipeops import as_task_classif

    columns = {"a": [1.0, 2.0, 3.0, 4.0, 5.0, 7.0], "b": [0.5, 0.1, 0.4, 0.2, 0.9, 0.3], "y": ["p", "n", "p", "n", "p", "n"]}
    return as_task_classif(columns, target="y", positive="p", id="binary")


@pytest.fixture
def regr() -> Any:
    """A regression task with five rows and one numeric feature."""
    from pipeops import as_task_regr

    return as_task_regr({"x": [1.0, 2.0, 4.0, 8.0, 16.0], "y": [0.0, 1.0, 2.0, 3.0, 4.5]}, target="y", id="regr")
