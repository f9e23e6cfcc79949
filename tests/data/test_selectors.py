"""One algebra of selectors, and every form that `resolve` reads."""

import pickle
import re
from operator import and_, invert, or_, sub

import narwhals as nw
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pipeops
from pipeops.data import as_task_classif, as_task_regr, selectors
from pipeops.data.selectors import (
    resolve,
    selector_all,
    selector_cardinality_greater_than,
    selector_grep,
    selector_missing,
    selector_name,
    selector_none,
    selector_type,
)
from pipeops.errors import ConfigError, UnknownKeyError

FRAME = pl.DataFrame(
    {
        "V1": [1, 2, 3],
        "V10": [0.5, None, float("nan")],
        "b": [True, False, None],
        "s": ["u", "v", "w"],
        "e": ["u", "u", "v"],
        "y": 1.0,
    }
)
TASK = as_task_regr(FRAME, target="y")
NAMES = ["V1", "V10", "b", "s", "e"]


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        (None, NAMES),
        ("V1", ["V1"]),
        ("^V.*$", ["V1", "V10"]),
        (re.compile("V1"), ["V1", "V10"]),
        (["s", "V1"], ["s", "V1"]),
        ((), []),
        (nw.selectors.numeric(), ["V1", "V10"]),
        (nw.col("s", "e"), ["s", "e"]),
        (lambda frame: frame.columns[:2], ["V1", "V10"]),
        (selector_all(), NAMES),
        (selector_none(), []),
        (selector_type("integer"), ["V1"]),
        (selector_type("float", "boolean"), ["V10", "b"]),
        (selector_type("categorical"), ["s", "e"]),
        (selector_grep("v", ignore_case=True), ["V1", "V10"]),
        (selector_grep("V1", fixed=True), ["V1", "V10"]),
        (selector_grep("V.", fixed=True), []),
        (selector_name("s", "zz", "b"), ["s", "b"]),
        (selector_missing(), ["V10", "b"]),
        (selector_cardinality_greater_than(2), ["s"]),
        (~selector_type("numeric"), ["b", "s", "e"]),
        (selector_type("numeric") & ~selector_missing(), ["V1"]),
        (selector_type("numeric") - "V1", ["V10"]),
        (selector_grep("0$") | ["e", "V10"], ["V10", "e"]),
    ],
)
def test_what_is_selected(selector, names):
    assert resolve(selector, TASK) == names
    assert resolve(selector, TASK.frame()) == names


@pytest.mark.parametrize(
    ("selector", "error", "text"),
    [
        ("v1", UnknownKeyError, "'V1'"),
        (["V1", "V11"], UnknownKeyError, "'V11'.*'V1'"),
        (selector_name("q", assert_present=True), UnknownKeyError, "'q'"),
        (4.5, ConfigError, "4.5"),
        (42, UnknownKeyError, "42"),
        (lambda frame: ["no"], UnknownKeyError, "'no'"),
    ],
)
def test_what_is_refused(selector, error, text):
    with pytest.raises(error, match=text):
        resolve(selector, TASK)


NUMBERS = pl.DataFrame(
    {"up": [1, 2], "down": [-1.0, -2.0], "zero": [0, 1], "under": [0, -1], "off": [-1, 1], "hole": [1.0, None], "s": ["a", "b"]}
)


@pytest.mark.parametrize(
    ("name", "picked", "strict"),
    [
        ("positive", ["up", "hole"], ["up"]),
        ("negative", ["down"], ["down"]),
        ("non_negative", ["up", "zero", "hole"], ["up", "zero"]),
        ("non_positive", ["down", "under"], ["down", "under"]),
        ("non_zero", ["up", "down", "off", "hole"], ["up", "down", "off"]),
    ],
)
def test_features_by_the_sign_of_their_values(name, picked, strict):
    frame = nw.from_native(NUMBERS)
    made = getattr(pipeops, f"selector_{name}")
    assert resolve(made(), frame) == picked
    assert resolve(made(na_ignore=False), frame) == strict


def test_every_selector_of_the_reference_stands_at_the_top():
    frame = nw.from_native(NUMBERS)
    numbers, up = pipeops.selector_type("numeric"), pipeops.selector_name("up", "s")
    assert pipeops.selector_intersect(numbers, up)(frame) == ["up"]
    assert pipeops.selector_setdiff(up, numbers)(frame) == ["s"]
    assert pipeops.selector_union(up, pipeops.selector_name("off"))(frame) == ["up", "s", "off"]
    assert pipeops.selector_invert(numbers)(frame) == ["s"]
    assert pipeops.selector_non_missing()(frame) == [n for n in NUMBERS.columns if n != "hole"]
    assert pipeops.selector_repr(~numbers) == "~selector_type('numeric')"
    assert len([name for name in pipeops.__all__ if name.startswith("selector_")]) == 18


ATOMS = [
    selector_all(),
    selector_none(),
    selector_type("numeric"),
    selector_grep("1"),
    selector_missing(),
    selector_name("s", "e"),
]


def combined(s):
    pairs = st.tuples(st.sampled_from([and_, or_, sub]), s, s).map(lambda t: t[0](t[1], t[2]))
    return st.one_of(pairs, s.map(invert))


TREES = st.recursive(st.sampled_from(ATOMS), combined, max_leaves=5)


@settings(max_examples=50, deadline=None, derandomize=True, database=None)
@given(TREES, TREES)
def test_the_algebra_is_that_of_sets(a, b):
    pick = lambda s: set(resolve(s, TASK))  # noqa: E731 - one line reads best here
    assert pick(a & b) == pick(a) & pick(b)
    assert pick(a | b) == pick(a) | pick(b)
    assert pick(a - b) == pick(a) - pick(b)
    assert pick(~a) == set(NAMES) - pick(a)
    assert pickle.loads(pickle.dumps(a)) == a
    assert eval(repr(a), vars(selectors).copy()) == a


def test_levels_that_no_row_has_do_not_count():
    frame = nw.from_native(pl.DataFrame({"e": pl.Series(["a", "b", None], dtype=pl.Enum(["a", "b", "c", "d"]))}))
    assert resolve(selector_cardinality_greater_than(1), frame) == ["e"]
    assert resolve(selector_cardinality_greater_than(2), frame) == []


def test_an_unknown_kind_is_refused_when_the_selector_is_made():
    with pytest.raises(UnknownKeyError, match="no kind 'factor' of columns.*'numeric'.*'tensor'"):
        selector_type("factor")


def test_prints_feature_types_and_selectors_have_the_same_words():
    for kind in set(TASK.feature_types.values()):
        assert f"- {kind} (" in str(TASK)
        assert resolve(selector_type(kind), TASK) == [name for name, k in TASK.feature_types.items() if k == kind]


def test_a_name_that_begins_as_a_pattern_is_a_name():
    task = as_task_classif({"^V": [1, 2], "V1": [3, 4], "y": ["a", "b"]}, target="y")
    assert resolve("^V", task) == ["^V"]
