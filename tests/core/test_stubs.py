"""The generated files are current, and a type checker reads the stub as meant."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import pipeops
from tests.scripts import run_script

ROOT = Path(pipeops.__file__).parent


def test_generated_files_are_current(tmp_path):
    """In a process of its own, so that what other tests registered is not in it."""
    (tmp_path / "check.py").write_text("import sys; from pipeops.stubs import main; sys.exit(main(['--check']))")
    done = run_script(tmp_path / "check.py")
    assert done.stdout.strip() == "current", done.stdout + done.stderr


def test_the_stub_is_python():
    tree = compile((ROOT / "shorthand.pyi").read_text(), "shorthand.pyi", "exec")
    assert tree.co_names


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pyright") is None, reason="pyright is not installed")
def test_a_type_checker_completes_keys_and_hyperparameters(tmp_path):
    (tmp_path / "snippet.py").write_text(
        "from pipeops import nn, po\n"
        "reveal_type(po('scale', center=False))\n"
        "po('scale', center=3)\n"
        "reveal_type(nn('linear', out_features=3))\n"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT.parent)}
    done = subprocess.run(["pyright", "snippet.py"], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert 'Type of "po(\'scale\', center=False)" is "Scale"' in done.stdout
    assert 'Argument of type "Literal[3]"' in done.stdout
