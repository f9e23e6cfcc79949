"""Code that texts of the package name, in errors, hints and docstrings: the key is on its shelf, and takes what is set."""

import ast
import re
from pathlib import Path

import pipeops
from pipeops import shorthand
from pipeops.keys import KEYS
from pipeops.registry import Registry
from pipeops.testing import example

CODE = re.compile(r"\b(po|nn|lrn|rsmp|msr|flt|ppl|t_loss|t_opt|t_clbk|t_sampler)\(([\"'])([\w.]+)\2((?:, *\w+=[^(),]*)*)")
OWN = {"own", "winsorize", "my_node", "mine", "twice", "gated", "unknown", "..."}
"""Keys that examples make up."""
PARTS = {"block", "module", "learner"}
"""What holds things with settings of their own, and is none itself."""


def texts(path: Path) -> list[str]:
    """Every text of a file; a placeholder of an f-string is a word."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.JoinedStr):
            found.append("".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(node.value)
    return found


def advice() -> list[tuple[str, str, str]]:
    """Shelf, key and settings of each piece of code."""
    root = Path(pipeops.__file__).parent
    return sorted({(m[1], m[3], m[4]) for path in root.rglob("*.py") for text in texts(path) for m in CODE.finditer(text)})


def wrong(shelf: Registry, key: str, settings: str) -> str:
    plain = re.sub(r"_\d+$", "", key)
    if plain not in KEYS[shelf.name]:
        return "" if key in OWN else f"{shelf.name}: no key {key}"
    if shelf.name not in ("po", "nn", "t_loss", "t_opt", "t_clbk") or plain == "module":  # takes what its class takes
        return ""
    known = {*example(shelf, plain).params, *PARTS, "id", "affect_columns"}
    return "".join(f"{shelf.name}({key}): no setting {n}" for n in re.findall(r"(\w+)=", settings) if n not in known)


def test_code_that_texts_name_exists():
    found = advice()
    assert len(found) > 150
    assert [text for shelf, key, settings in found if (text := wrong(getattr(shorthand, shelf), key, settings))] == []


def test_a_key_that_does_not_exist_would_be_found():
    assert wrong(shorthand.po, "imputemeen", "") == "po: no key imputemeen"
    assert wrong(shorthand.po, "scale", ", centre=True") == "po(scale): no setting centre"
