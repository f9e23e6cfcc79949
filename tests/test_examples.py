"""Every example runs, with warnings as errors, and prints what it promises."""

import os
from pathlib import Path

import pytest

from tests.scripts import run_script

ROOT = Path(__file__).parents[1]
PROMISES = {
    "explain": "calibrated",
    "quickstart": "prob.malignant",
    "single_logit": "torch_loss.pos_weight",
    "aum_loss": "auc on the other half",
    "custom_nodes": "gated_2",
    "mixed_columns": "prob.yes",
    "resume_after_crash": "the same to the last bit: True",
    "fine_tuning": "the first layer is as it was: True",
    "search": "chosen: ['Petal.Length', 'Petal.Width']",
    "image_and_table": "accuracy on new images",
}
NEED_DATA = {"pictures", "single_logit"}
SLOW = {"compare_losses", "pictures"}
"""docs/comparing.md shows most of the one, tests of pictures of the other, and they run."""
PATHS = sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("path", [pytest.param(p, id=p.stem, marks=[pytest.mark.slow] * (p.stem in SLOW)) for p in PATHS])
def test_example_runs(path):
    if path.stem in NEED_DATA and "PIPEOPS_DATA" not in os.environ:
        pytest.skip("PIPEOPS_DATA is not set, and the example uses sonar")
    done = run_script(path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert PROMISES.get(path.stem, "") in done.stdout
