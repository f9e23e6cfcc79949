"""Printing: aligned tables, and values as Python source that gives them back."""

import math
import re
from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeops.text import call, source, table

leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8) | st.binary(max_size=4)


def containers(inner):
    lists = st.lists(inner, max_size=3)
    return lists | lists.map(tuple) | st.dictionaries(st.text(max_size=3), inner, max_size=3)


plain = st.recursive(leaves, containers, max_leaves=8)


@given(plain)
def test_source_evaluates_to_the_value(value):
    back = eval(source(value))
    assert back == value
    assert type(back) is type(value)


def test_source_of_what_repr_cannot_say():
    assert math.isnan(eval(source(float("nan"))))
    assert eval(source(-math.inf)) == -math.inf
    assert source([int, len]) == "[int, len]"
    assert source(OrderedDict) == "collections.OrderedDict"
    assert source((1,)) == "(1,)"
    assert source('say "x"') == "'say \"x\"'"
    assert source("plain") == '"plain"'


def test_call():
    assert call("po", ['"scale"'], {"center": False, "id": "s"}) == 'po("scale", center=False, id="s")'
    assert call("Node", [], {}) == "Node()"


@given(st.lists(st.tuples(st.text("ab ", max_size=5), st.integers()), max_size=5))
def test_table_columns_are_aligned(rows):
    lines = table(("name", "n"), rows, indent="  ").split("\n")
    assert len(lines) == len(rows) + 1
    start = max(len(lines[0][2:].split("  ")[0].rstrip()), 4, *(len(name) for name, _ in rows)) + 4
    for line, (_, number) in zip(lines[1:], rows, strict=True):
        assert line[start:] == str(number)
        assert not line.endswith(" ")


@pytest.mark.parametrize("pattern", [re.compile("^a"), re.compile("b", re.IGNORECASE)])
def test_source_of_a_pattern(pattern):
    assert eval(source(pattern), {"re": re}) == pattern
