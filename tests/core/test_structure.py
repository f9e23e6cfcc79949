"""How the package is built: floors, no cycles, torch only in net, light imports, small files, current generated files."""

import ast
import os
import subprocess
import sys
from importlib import resources
from pathlib import Path

import networkx as nx
import pytest

import pipeops

ROOT = Path(pipeops.__file__).parent
GROUND_FLOOR = [
    "errors",
    "guessed_keys",
    "guessed_names",
    "guesses",
    "text",
    "display",
    "params",
    "closed",
    "registry",
    "files",
    "keys",
    "saving",
    "extras",
    "bars",
    "shorthand",
]
FLOORS = [*GROUND_FLOOR, "data", "learn", "graph", "ops", "net", "export", "sklearn"]
GROUND = set(GROUND_FLOOR)
ABOVE = {"stubs", "testing"}
HEAVY = ("torch", "sklearn", "polars", "pandas", "pyarrow", "matplotlib", "scipy", "joblib", "optuna", "tqdm", "safetensors")
TOP_LEVEL = {("net", "torch"), ("sklearn", "sklearn")}
"""Rooms that are nothing without a package, and so import it at the top."""


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    found = {}
    for path in ROOT.rglob("*.py"):
        parts = ["pipeops", *path.relative_to(ROOT).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def at_import(tree: ast.AST) -> list[ast.stmt]:
    """The imports that run when the module is imported: not those in functions, nor for type checking only."""
    found: list[ast.stmt] = []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            found.append(node)
        found += at_import(node)
    return found


def targets(module: str, statements: list[ast.stmt]) -> set[str]:
    """The modules that these statements import."""
    found: set[str] = set()
    for node in statements:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {n if n in MODULES else str(node.module) for n in names}
    return found


def floor(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def imports(everywhere: bool = False) -> dict[str, set[str]]:
    """What each module imports: when it is imported, or anywhere in it."""
    trees = {name: ast.parse(path.read_text()) for name, path in MODULES.items()}
    if not everywhere:
        return {name: targets(name, at_import(tree)) for name, tree in trees.items()}
    found = {name: [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)] for name, tree in trees.items()}
    return {name: targets(name, list(statements)) for name, statements in found.items()}


def test_every_module_stands_on_a_floor():
    assert {floor(m) for m in MODULES} - {""} == {*FLOORS, *ABOVE}


def test_imports_go_down_only():
    place = {name: k for k, name in enumerate(FLOORS)} | {name: len(FLOORS) for name in ABOVE}
    wrong = [
        f"{module} imports {target}"
        for module, found in imports().items()
        for target in found
        if target.startswith("pipeops.") and floor(module) and place[floor(target)] > place[floor(module)]
    ]
    assert wrong == []


def test_the_ground_floor_imports_no_room():
    wrong = [
        f"{module} imports {target}"
        for module, found in imports(everywhere=True).items()
        for target in found
        if floor(module) in GROUND and target.startswith("pipeops.") and floor(target) not in GROUND
    ]
    assert wrong == []


def test_there_is_no_import_cycle():
    view = nx.DiGraph()
    for module, found in imports().items():
        for target in found:
            if target.startswith("pipeops"):
                view.add_edge(module, target)
                package = target.rpartition(".")[0]
                if package in MODULES and not f"{module}.".startswith(f"{package}."):
                    view.add_edge(module, package)
    assert [sorted(c) for c in nx.strongly_connected_components(view) if len(c) > 1] == []


def test_heavy_packages_are_imported_where_they_are_used():
    """torch at the top of modules only in `net`, scikit-learn in its wrappers; the others in functions, `net` included."""
    top = {(module, target.split(".")[0]) for module, found in imports().items() for target in found}
    wrong = [(m, t) for m, t in top if t in HEAVY and (floor(m), t) not in TOP_LEVEL]
    assert wrong == []


def test_torch_is_imported_in_net_alone():
    inside = {(m, t.split(".")[0]) for m, found in imports(everywhere=True).items() for t in found}
    assert [m for m, t in inside if t == "torch" and floor(m) not in ("net", "export", "testing")] == []


def loaded_after(code: str) -> set[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT.parent)}
    code += "\nimport sys\nprint(' '.join(sorted({name.split('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import pipeops",
        "from pipeops import as_learner, nn, po, tsk; po('scale')",
        "from pipeops import nn\ntry: nn('linaer')\nexcept KeyError as error: assert 'linear' in str(error)",
        "import pipeops; dir(pipeops); pipeops.po.keys(); repr(pipeops.nn)",
    ],
    ids=["package", "shorthand", "suggestion", "keys"],
)
def test_importing_is_light(code):
    loaded = loaded_after(code)
    assert loaded & {"torch", "sklearn", "polars", "pandas", "pyarrow", "matplotlib", "scipy", "networkx"} == set()


def test_the_package_alone_loads_no_frame_library():
    assert loaded_after("import pipeops") & {"narwhals", "numpy", "attr", "attrs"} == set()


def test_public_names_are_there_and_listed():
    for name in pipeops.__all__:
        assert getattr(pipeops, name) is not None
        assert name in dir(pipeops)
    assert sorted(pipeops.__all__) == sorted(pipeops._HOME)
    with pytest.raises(AttributeError, match=r"module 'pipeops' has no attribute 'nothing'"):
        pipeops.nothing  # noqa: B018


def test_the_package_is_typed():
    assert resources.files("pipeops").joinpath("py.typed").is_file()
    assert resources.files("pipeops").joinpath("shorthand.pyi").is_file()


@pytest.mark.parametrize("module", [m for m in MODULES if m != "pipeops.keys"])
def test_files_are_small_and_say_what_they_are_for(module):
    text = MODULES[module].read_text()
    assert text.count("\n") <= 450
    assert ast.get_docstring(ast.parse(text)), f"{module} has no docstring"


def test_most_functions_are_short():
    lengths = sorted(
        node.end_lineno - node.body[0].lineno + 1
        for path in MODULES.values()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno
    )
    assert lengths[len(lengths) // 2] <= 8
    assert lengths[int(len(lengths) * 0.95)] <= 35


def test_nothing_mentions_what_is_unfinished():
    marks = ("TODO", "FIXME", "XXX", "HACK")
    assert [m for m, path in MODULES.items() if any(mark in path.read_text() for mark in marks)] == []


def test_no_two_files_share_a_name():
    """But for what is called alike because it is alike."""
    names = [path.name for path in MODULES.values()]
    assert {name for name in names if names.count(name) > 1} <= {"__init__.py", "base.py", "shelf.py"}


def test_no_two_classes_share_a_name():
    found: dict[str, list[str]] = {}
    for module, path in MODULES.items():
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append(module)
    assert {name: where for name, where in found.items() if len(where) > 1} == {}
