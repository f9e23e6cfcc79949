"""Writes `docs/speed.md`: runs the other scripts, one after another, and puts together what each says of itself and prints.

Run `python benchmarks/speed.py [script ...]` on a machine that does nothing else; with names, only these are run again and the
rest of the page stays. What a script needs beside the package (skorch, images) is in its own text.
"""

import ast
import importlib.metadata
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "speed.md"
SCRIPTS = {
    "train": "Training",
    "vectorized": "All folds at once",
    "tuning": "Tuning",
    "sklearn_wrapper": "Inside scikit-learn",
    "cold_start": "A cold start",
    "preprocess": "Preprocessing",
    "operators": "Operators",
    "wide": "Wide tables",
    "predict": "Predicting",
    "loader": "Reading files",
    "aum": "The area under the minimum",
    "ranking": "Losses of pairs",
    "graph_overhead": "Graphs",
    "benchmark_overhead": "Benchmarks",
}
ONE_THREAD = {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
PEERS = ("torch", "scikit-learn", "skorch", "polars", "pandas", "numpy")


def versions() -> str:
    """What it was measured with."""
    found = [f"{name} {importlib.metadata.version(name)}" for name in PEERS if _installed(name)]
    return ", ".join([*found, f"Python {platform.python_version()}", platform.machine()])


def _installed(name: str) -> bool:
    try:
        return bool(importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return False


def section(script: str) -> str:
    """What a script says of itself and what it prints, as a section of the page."""
    path = HERE / f"{script}.py"
    environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": str(HERE.parent)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(path)], env=environment, check=True, capture_output=True, text=True
    )
    printed = done.stdout.strip()
    shown = printed if printed.startswith("|") else f"```text\n{printed}\n```"
    about = ast.get_docstring(ast.parse(path.read_text())) or ""
    return f"## {SCRIPTS[script]}\n\n{about}\n\n{shown}"


def before() -> dict[str, str]:
    """The sections that stand on the page, by title."""
    text = PAGE.read_text() if PAGE.exists() else ""
    return {part.splitlines()[0]: f"## {part.strip()}" for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]}


def main(*scripts: str) -> None:
    sections = before()
    head = f"# Speed\n\nRatios to a peer or to a loop written by hand, measured in the same run. With {versions()}."
    for script in scripts or SCRIPTS:
        print(script, flush=True)
        sections[SCRIPTS[script]] = section(script)
        PAGE.write_text("\n\n".join([head, *(sections[t] for t in SCRIPTS.values() if t in sections)]) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
