"""Plugins: a real package, installed beside, is found by its entry point; a broken one does not break the rest."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PLUGIN = Path(__file__).parent / "plugin"
ROOT = Path(__file__).parents[1]


def install(folder: Path) -> None:
    """Lay the package and its metadata out as an installer would, from its own pyproject.toml."""
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text())["project"]
    shutil.copytree(PLUGIN / "src", folder, dirs_exist_ok=True)
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = [f"[{g}]\n" + "".join(f"{k} = {v}\n" for k, v in es.items()) for g, es in project["entry-points"].items()]
    (info / "entry_points.txt").write_text("\n".join(groups))


def run(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(folder), str(ROOT)])
    env = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, "-c", code], env=env, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    install(folder)
    return folder


def test_a_plugin_is_found_when_its_key_is_used(site):
    done = run(
        site,
        """
import sys
from pipeops import po
po("scale")
assert "pipeops_plugin_example" not in sys.modules, "a key of ours must not load plugins"
assert po("winsorize", share=0.1).share == 0.1
assert po("winsorize_2").id == "winsorize_2"
assert "winsorize" in list(po)
""",
    )
    assert done.returncode == 0, done.stderr


def test_a_near_miss_suggests_a_plugins_key(site):
    done = run(site, "from pipeops import po\npo('winsorise')")
    assert "Did you mean 'winsorize'?" in done.stderr


def test_a_plugin_passes_the_contract_and_saves(site, tmp_path):
    done = run(
        site,
        f"""
from pipeops import as_learner, load_learner, lrn, po, tsk
from pipeops.testing import check_node, contract_checks
check_node(po("winsorize"))
assert len(contract_checks(po("winsorize"))) > 10
learner = as_learner(po("winsorize") >> lrn("classif.featureless")).train(tsk("iris"))
learner.save(r"{tmp_path / "learner"}")
""",
    )
    assert done.returncode == 0, done.stderr
    loaded = f"""
from pipeops import load_learner, tsk
assert load_learner(r"{tmp_path / "learner"}").predict(tsk("iris")).score("classif.ce") > 0.5
"""
    assert run(site, loaded).returncode == 0, "loading finds the plugin"
    without = run(tmp_path, loaded)
    assert 'po("winsorize") is not registered here' in without.stderr


def test_a_broken_plugin_warns_and_breaks_nothing(tmp_path):
    install(tmp_path)
    (tmp_path / "pipeops_plugin_example" / "__init__.py").write_text("import nothing_of_that_name")
    done = run(tmp_path, "from pipeops import po\nprint(len(list(po)), po('scale'))")
    assert done.returncode == 0, done.stderr
    assert "the plugin 'example' (pipeops_plugin_example) cannot be loaded: ModuleNotFoundError" in done.stderr
