"""Every example in a docstring of the package runs and gives what it says."""

import doctest
import warnings
from importlib import import_module
from pkgutil import walk_packages

import pytest

import pipeops

NAMES = sorted({m.name for m in walk_packages(pipeops.__path__, "pipeops.")} | {"pipeops"})
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


@pytest.mark.parametrize("name", NAMES)
def test_examples(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        failed, _ = doctest.testmod(import_module(name), optionflags=FLAGS, report=True)
    assert failed == 0, f"{failed} examples of {name} fail; see the captured output"


def test_there_are_examples():
    found = [t for name in NAMES for t in doctest.DocTestFinder(exclude_empty=True).find(import_module(name)) if t.examples]
    assert len(found) > 60
