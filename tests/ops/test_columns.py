"""select, renamecolumns, removeconstants, missind, fixfactors, colapply, and nop, copy, featureunion: what they answer."""

import math
import re
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl
import pytest

from pipeops import Graph, as_task_classif, chain, po
from pipeops.data.selectors import selector_all, selector_type
from pipeops.errors import DataError, UnknownKeyError
from pipeops.ops import Preprocess, operator
from tests.ops.test_scale import task, train, values

DATA = {"a1": [1.0, None, 3.0], "a2": [1, 1, 1], "f": ["u", "v", None]}


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        (None, ["a1", "a2", "f"]),
        (["f", "a1"], ["f", "a1"]),
        ("a2", ["a2"]),
        ("^a.$", ["a1", "a2"]),
        (re.compile("2"), ["a2"]),
        (nw.selectors.numeric(), ["a1", "a2"]),
        (~selector_type("numeric"), ["f"]),
        (lambda frame: frame.columns[:1], ["a1"]),
        ([], []),
    ],
)
def test_select_takes_every_form_of_selector(selector: Any, expected: list[str]) -> None:
    data = task(**DATA)
    ((made,), state) = po("select", selector=selector).train([data])
    assert made.feature_names == expected
    assert po("select", selector=selector).predict([data], state)[0].feature_names == expected


def test_rename_keeps_places_and_takes_functions() -> None:
    assert train(po("renamecolumns", renaming={"a2": "z"}), task(**DATA)).feature_names == ["a1", "z", "f"]
    assert train(po("renamecolumns", renaming=lambda n: n[::-1]), task(**DATA)).feature_names == ["1a", "2a", "f"]
    assert train(po("renamecolumns", renaming={"no": "z"}, ignore_missing=True), task(**DATA)).feature_names == ["a1", "a2", "f"]
    swapped = train(po("renamecolumns", renaming={"a1": "a2", "a2": "a1"}), task(**DATA))
    assert values(swapped, "a1") == [1, 1, 1]


def test_constants_by_ratio_tolerance_and_missing_values() -> None:
    data = task(
        same=[2.0] * 5,
        mostly=[1.0, 1.0, 1.0, 1.0, 2.0],
        close=[1.0, 1.0 + 1e-10, 1.0, 1.0, 1.0],
        holes=[None, 1.0, 1.0, None, 1.0],
        text=["a", "a", "a", "a", "b"],
        inf=[math.inf] * 5,
        varied=[1.0, 2.0, 3.0, 4.0, 5.0],
    )
    kept = lambda **options: train(po("removeconstants", **options), data).feature_names  # noqa: E731 - four calls, one line
    assert kept() == ["mostly", "text", "varied"]
    assert kept(ratio=0.2) == ["varied"]
    assert kept(na_ignore=False) == ["mostly", "holes", "text", "varied"]
    assert kept(abs_tol=0, rel_tol=0) == ["mostly", "close", "text", "varied"]
    assert kept(abs_tol=4.0) == ["text"]


def test_missing_indicators_replace_what_they_look_at() -> None:
    made = train(po("missind"), task(**DATA))
    assert made.feature_names == ["f", "missing_a1"]
    assert values(made, "missing_a1") == ["present", "missing", "present"]
    assert made.levels("missing_a1") == ["missing", "present"]
    both = train(po("missind", which="all", type="numeric", affect_columns=selector_all()), task(**DATA))
    np.testing.assert_array_equal(both.matrix(), [[0, 0, 0], [1, 0, 0], [0, 0, 1]])


def test_levels_are_fixed_to_those_of_training() -> None:
    fit = task(e=pl.Series(["b", "a"], dtype=pl.Enum(["c", "b", "a"])))
    new = task(e=pl.Series(["z", "a", "c"], dtype=pl.Enum(["a", "c", "z"])))
    for drop, levels, expected in ((True, ["b", "a"], [None, "a", None]), (False, ["c", "b", "a"], [None, "a", "c"])):
        operator = po("fixfactors", droplevels=drop)
        ((made,), state) = operator.train([fit])
        assert made.levels("e") == levels
        assert values(operator.predict([new], state)[0], "e") == expected


def test_a_function_of_a_column_may_answer_a_series_or_an_array() -> None:
    for applicator in (lambda x: x * 2, lambda x: x.to_numpy() * 2):
        assert values(train(po("colapply", applicator=applicator, affect_columns="a2"), task(**DATA)), "a2") == [2, 2, 2]


def test_affected_columns_keep_their_place_and_others_are_untouched() -> None:
    data = task(x=[1.0, 2.0], f=["a", "b"], z=[3.0, 4.0])
    made = train(po("scale", affect_columns=["z"]), data)
    assert made.feature_names == ["x", "f", "z"]
    assert (values(made, "x"), values(made, "z")) == ([1.0, 2.0], pytest.approx([-(0.5**0.5), 0.5**0.5]))


def test_other_roles_and_row_ids_stay() -> None:
    frame = pl.DataFrame({"x": [1.0, 2.0, 3.0], "w": [1.0, 2.0, 1.0], "y": ["p", "n", "p"]})
    data = as_task_classif(frame, target="y", positive="p").with_roles(weight="w").filter([2, 1])
    made = train(po("scale"), data)
    assert made.row_ids.tolist() == [2, 1]
    assert made.weights().tolist() == [1.0, 2.0]
    assert made.truth().tolist() == ["p", "n"]


def test_reordered_features_come_back_in_the_order_of_training() -> None:
    data = task(a=[1.0, 2.0], f=["u", "v"], b=[3.0, 5.0])
    state = po("scale").train([data])[1]
    made = po("scale").predict([data.select(["b", "a", "f"])], state)[0]
    assert made.feature_names == ["a", "f", "b"]


@pytest.mark.parametrize("key", ["scale", "imputemean", "encode", "removeconstants", "missind", "select", "fixfactors"])
def test_tasks_without_rows_or_features_work(key: str) -> None:
    for data in (task(**DATA).filter([]), task(**DATA).select([])):
        ((made,), state) = po(key).train([data])
        assert made.nrow == data.nrow
        assert po(key).predict([data], state)[0].feature_names == made.feature_names


def test_a_chain_of_nops_hands_on_the_same_task() -> None:
    data = task(**DATA)
    graph = chain([po("nop")] * 3)
    assert graph.train(data) is data
    assert graph.predict(data) is data


def test_branches_meet_in_a_union() -> None:
    data = task(a=[1.0, 3.0])
    graph = po("copy", outnum=2) >> [po("scale"), po("nop")] >> po("featureunion", innum=["scaled", ""])
    assert isinstance(graph, Graph)
    made = graph.train(data)
    assert made.feature_names == ["scaled.a", "a"]
    assert graph.predict(data).matrix().tolist() == made.matrix().tolist()


def test_equal_features_of_one_name_are_united_and_rows_are_aligned() -> None:
    data = task(a=[1.0, None, 3.0], b=[1.0, 2.0, 3.0])
    node = po("featureunion")
    made = node.predict([data.select(["a"]), data.filter([2, 0, 1])], {})[0]
    assert made.feature_names == ["a", "b"]
    assert values(made, "b") == [1.0, 2.0, 3.0]


def test_a_kind_that_does_not_exist_is_refused_when_the_class_is_made() -> None:
    with pytest.raises(UnknownKeyError, match="Typo: there is no kind 'numerical' of columns. Did you mean 'numeric'"):

        class Typo(Preprocess):
            kinds = ("numerical",)


@pytest.mark.parametrize("columns", [None, ["a"]])
def test_apply_must_keep_every_row(columns: list[str] | None) -> None:
    @operator
    class Short(Preprocess):
        def apply(self, frame: Any, state: Any) -> Any:
            return frame.head(1)

    with pytest.raises(DataError, match="short: apply returned 1 rows for the 2 of the task"):
        train(Short(affect_columns=columns), task(a=[1.0, 2.0], b=[3.0, 4.0]))


@pytest.mark.parametrize(
    "both",
    [
        lambda x: {"low": x - 1, "high": x + 1},
        lambda x: pl.DataFrame({"low": x.to_native() - 1, "high": x.to_native() + 1}),
        lambda x: np.column_stack([x.to_numpy() - 1, x.to_numpy() + 1]),
    ],
)
def test_colapply_may_answer_several_columns(both):
    made = train(po("colapply", applicator=both), task(a=[1.0, 2.0], b=[5.0, 6.0]))
    names = ["V1", "V2"] if "column_stack" in both.__code__.co_names else ["low", "high"]
    assert made.feature_names == [f"{column}.{name}" for column in "ab" for name in names]
    assert made.matrix().tolist() == [[0, 2, 4, 6], [1, 3, 5, 7]]


def test_colapply_refuses_columns_of_another_length():
    with pytest.raises(DataError, match="one value for each row of 'a'"):
        train(po("colapply", applicator=lambda x: {"z": [1.0]}), task(a=[1.0, 2.0]))


def test_renamecolumns_takes_the_numbers_of_columns():
    assert train(po("renamecolumns", renaming={0: "z"}), task(**{"0": [1.0]})).feature_names == ["z"]
