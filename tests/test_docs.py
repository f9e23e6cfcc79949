"""The Python blocks of the README and of the docs run as they stand: each file from top to bottom as one script."""

import os
import re
from pathlib import Path

import pytest

from tests.scripts import run_script

ROOT = Path(__file__).parents[1]
PAGES = [page for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if "```python" in page.read_text()]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_python_blocks_run(page, tmp_path):
    script = tmp_path / f"{page.stem}.py"
    script.write_text("\n".join(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)))
    if 'tsk("sonar")' in script.read_text() and "PIPEOPS_DATA" not in os.environ:
        pytest.skip("PIPEOPS_DATA is not set, and the page uses sonar")
    done = run_script(script, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]


def test_every_file_named_in_the_design_is_there():
    text = (ROOT / "docs/design.md").read_text()
    named = set(re.findall(r"[\w/]+\.(?:py|md|pyi)\b", text))
    files = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*.*") if ".git" not in path.parts]
    assert len(named) > 30
    assert [name for name in sorted(named) if not any(f"/{file}".endswith(f"/{name}") for file in files)] == []
    folders = set(re.findall(r"\b(\w+)/(?=\s|$)", text[text.index("pipeops/\n") : text.index("`import pipeops`")]))
    assert [name for name in sorted(folders - {"pipeops"}) if not any(f"/{name}/" in file for file in files)] == []
