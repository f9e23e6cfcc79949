"""The package as it is handed out: one version, extras that make sense, a typed surface, and what is in a wheel."""

import importlib.metadata
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import pipeops

ROOT = Path(pipeops.__file__).parents[1]
PROJECT = ROOT / "pyproject.toml"

pytestmark = pytest.mark.skipif(not PROJECT.exists(), reason="needs the source tree")


def project():
    return tomllib.loads(PROJECT.read_text())


def test_the_version_stands_in_one_place():
    said = project()
    assert "version" not in said["project"]
    assert said["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "pipeops.__version__"}
    assert re.fullmatch(r"\d+\.\d+\.\d+", pipeops.__version__)
    assert importlib.metadata.version("pipeops") == pipeops.__version__
    assert "version:" not in (ROOT / "CITATION.cff").read_text().replace("cff-version:", "")


def test_what_tests_need_has_the_bounds_of_the_extras():
    extras = project()["project"]["optional-dependencies"]
    bounds = {re.split(r"[><=]", need)[0]: need for name, needs in extras.items() if name != "test" for need in needs}
    assert [need for need in extras["test"] if bounds.get(re.split(r"[><=]", need)[0], need) != need] == []


@pytest.mark.slow
def test_a_strict_type_checker_accepts_a_users_program():
    checker = shutil.which("pyright") or str(Path(sys.executable).parent / "pyright")
    if not Path(checker).exists():
        pytest.skip("pyright is not installed")
    config = ROOT / "tests" / "typed_user.py"
    done = subprocess.run([checker, str(config)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_a_wheel_holds_the_package_and_no_tests(tmp_path):
    pytest.importorskip("build")
    source = tmp_path / "source"
    copied = ("pyproject.toml", "README.md", "LICENSE")
    shutil.copytree(ROOT / "pipeops", source / "pipeops", ignore=shutil.ignore_patterns("__pycache__"))
    for name in copied:
        shutil.copy(ROOT / name, source / name)
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path / "dist"), str(source)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {"pipeops/py.typed", "pipeops/shorthand.pyi"} <= set(names)
    assert {f"pipeops/{path.relative_to(ROOT / 'pipeops')}" for path in (ROOT / "pipeops").rglob("*.py")} <= set(names)
    tops = {name.split("/")[0] for name in names}
    assert tops == {"pipeops", f"pipeops-{pipeops.__version__}.dist-info"}
    assert f"pipeops-{pipeops.__version__}.tar.gz" in {path.name for path in (tmp_path / "dist").iterdir()}
