"""Hyperparameters: what each kind takes and refuses, nested addresses, and the live view."""

import math
from fractions import Fraction
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeops.errors import ConfigError, UnknownParameterError
from pipeops.params import (
    UNSET,
    Configurable,
    Parameterized,
    Params,
    Token,
    anything,
    choice,
    flag,
    hyperparameters,
    integer,
    real,
)
from pipeops.text import source

configurable = attrs.frozen(kw_only=True)


@configurable
class Inner(Configurable):
    rate: float = real(0, 1, default=0.5)


@configurable
class Everything(Configurable):
    size: int = integer(1)
    low: int = integer(default=3)
    bounded: int = integer(0, 10, default=5)
    maybe: int | None = integer(1, default=None)
    p: float = real(0, 1, default=0.25)
    free: float = real(default=0.0)
    extra: float | None = real(0, default=1.0, none=True)
    on: bool = flag(True)
    how: Any = choice("mean", "sum", 2, None, default="mean")
    thing: Any = anything([1])
    inner: Any = anything(None)

    def parts(self):
        return {} if self.inner is None else {"": self.inner}

    def with_part(self, name, part):
        return attrs.evolve(self, inner=part)


TAKEN = [
    ("size", 1, 1),
    ("size", np.int64(4), 4),
    ("size", np.uint8(4), 4),
    ("low", -(10**20), -(10**20)),
    ("bounded", 0, 0),
    ("bounded", 10, 10),
    ("maybe", None, None),
    ("p", 0, 0),
    ("p", 1.0, 1.0),
    ("p", np.float32(0.5), 0.5),
    ("p", Fraction(1, 2), 0.5),
    ("free", math.inf, math.inf),
    ("free", -3, -3),
    ("extra", None, None),
    ("on", False, False),
    ("how", "sum", "sum"),
    ("how", 2, 2),
    ("how", None, None),
    ("thing", object, object),
    ("size", UNSET, UNSET),
]
REFUSED = [
    ("size", 0, "[1, Inf)"),
    ("size", 1.0, "an integer"),
    ("size", "1", "an integer"),
    ("size", True, "an integer"),
    ("size", np.bool_(True), "an integer"),
    ("size", None, "an integer"),
    ("bounded", 11, "[0, 10]"),
    ("maybe", 0, "[1, Inf)"),
    ("p", 1.5, "[0, 1]"),
    ("p", -0.001, "[0, 1]"),
    ("p", math.nan, "NaN"),
    ("p", "0.5", "a number"),
    ("p", True, "a number"),
    ("p", np.bool_(True), "a number"),
    ("p", None, "a number"),
    ("p", 1j, "a number"),
    ("free", math.nan, "NaN"),
    ("free", [1.0], "a number"),
    ("on", 1, "True or False"),
    ("on", "yes", "True or False"),
    ("on", None, "True or False"),
    ("how", "maen", "Did you mean 'mean'?"),
    ("how", 2.0, "'mean' | 'sum' | 2 | None"),
    ("how", True, "must be one of"),
]


@pytest.mark.parametrize(("name", "value", "kept"), TAKEN, ids=repr)
def test_a_good_value_is_kept(name, value, kept):
    assert getattr(Everything(**{name: value}), name) == kept
    assert type(getattr(Everything(**{name: value}), name)) is not np.int64


@pytest.mark.parametrize(("name", "value", "words"), REFUSED, ids=repr)
def test_a_bad_value_is_refused_by_name(name, value, words):
    with pytest.raises(ConfigError) as caught:
        Everything(**{name: value})
    message = str(caught.value)
    assert message.startswith(f"Everything: '{name}' ")
    assert words in message
    assert message.endswith(f"got {source(value)}.")
    assert isinstance(caught.value, ValueError)


@given(low=st.integers(-50, 50), span=st.integers(0, 50), value=st.integers(-200, 200))
def test_bounds_are_inclusive(low, span, value):
    @configurable
    class Bounded(Configurable):
        n: int = integer(low, low + span)

    if low <= value <= low + span:
        assert Bounded(n=value).n == value
    else:
        with pytest.raises(ConfigError, match="must be in"):
            Bounded(n=value)


def test_a_tuning_token_is_taken_by_every_kind():
    token = Token()
    for name in ("size", "p", "on", "how", "thing"):
        assert getattr(Everything(**{name: token}), name) is token


def test_an_unset_value_reads_as_such():
    node = Everything()
    assert node.size is UNSET
    assert not UNSET
    assert repr(UNSET) == "UNSET"


def test_hyperparameters_in_order_with_their_ranges():
    ranges = {name: (p.kind, p.range) for name, p in hyperparameters(Everything).items()}
    assert list(ranges) == ["size", "low", "bounded", "maybe", "p", "free", "extra", "on", "how", "thing", "inner"]
    assert ranges["size"] == ("integer", "[1, Inf)")
    assert ranges["low"] == ("integer", "")
    assert ranges["bounded"] == ("integer", "[0, 10]")
    assert ranges["p"] == ("real", "[0, 1]")
    assert ranges["on"] == ("flag", "True | False")
    assert ranges["how"] == ("choice", "'mean' | 'sum' | 2 | None")
    assert ranges["thing"] == ("anything", "")


def test_with_param_makes_a_copy_and_leaves_the_original():
    node = Everything(size=1)
    other = node.with_param("size", 2)
    assert (node.size, other.size) == (1, 2)
    assert other.with_param("p", 0.5).size == 2


def test_a_held_objects_hyperparameters_stand_beside_its_own():
    node = Everything(inner=Inner())
    assert node.params["rate"] == 0.5
    changed = node.with_param("rate", 0.75)
    assert (changed.inner.rate, node.inner.rate) == (0.75, 0.5)
    with pytest.raises(ConfigError, match="Inner: 'rate' must be in"):
        node.with_param("rate", 2)
    assert "rate" not in Everything().params


def test_the_params_of_what_never_changes_are_to_read():
    node = Everything(inner=Inner())
    assert (node.params["size"], node.params["rate"], "siz" in node.params) == (UNSET, 0.5, False)
    with pytest.raises(ConfigError, match=r'Everything: never changes; with_param\("p", ...\)'):
        node.params["p"] = 0.5


class Row(Parameterized):
    """A thing with many parts, which counts how often it is asked."""

    asked = 0

    def __init__(self, depth):
        self.inner = {f"n{i}": Row(depth - 1) for i in range(3)} if depth else {"leaf": Inner()}

    def own_params(self):
        Row.asked += 1
        return {}

    def parts(self):
        return self.inner


def test_reading_one_address_of_many_costs_one_descent():
    view = Params(Row(4), "rows")
    assert len(view) == 81
    Row.asked = 0
    assert view["n0.n1.n2.n0.leaf.rate"] == 0.5
    assert Row.asked == 5
    with pytest.raises(UnknownParameterError, match=r"rows: no hyperparameter 'n0.n1.n2.n0.leaf.rat'. Did you mean"):
        view["n0.n1.n2.n0.leaf.rat"]


def test_parts_without_a_way_to_exchange_them_say_so():
    @configurable
    class Half(Configurable):
        def parts(self):
            return {"inner": Inner()}

    with pytest.raises(NotImplementedError, match="with_part"):
        Half().with_param("inner.rate", 0.1)


def test_unknown_names_are_refused_with_a_near_one():
    with pytest.raises(UnknownParameterError, match=r"Everything: no hyperparameter 'bonded'. Did you mean 'bounded'"):
        Everything().with_param("bonded", 1)
    assert issubclass(UnknownParameterError, KeyError)
    assert issubclass(UnknownParameterError, TypeError)


def test_changed_names_what_differs_from_its_default():
    assert Everything().changed() == {}
    assert Everything(size=2, on=False, p=0.25, how=None).changed() == {"size": 2, "on": False, "how": None}
    assert Everything(thing=[1]).changed() == {"thing": [1]}, "equal but mutable: named, to be safe"


class Holder(Parameterized):
    """Something with a replaceable configuration and a view over it."""

    def __init__(self) -> None:
        self.node = Everything(size=1)
        self.view = Params(self, "holder", self.write)

    def parts(self):
        return {"": self.node}

    def write(self, name: str, value: Any) -> None:
        self.node = self.node.with_param(name, value)


def test_the_view_is_live():
    holder = Holder()
    view = holder.view
    assert view["size"] == 1
    view["size"] = 7
    assert holder.node.size == view["size"] == 7
    holder.node = Everything(size=9)
    assert view["size"] == 9
    assert len(view) == 11
    assert list(view)[:2] == ["size", "low"]
    assert "p" in view
    assert "q" not in view
    view.update(p=0.5, on=False)
    assert (holder.node.p, holder.node.on) == (0.5, False)
    assert dict(view)["p"] == 0.5


def test_the_view_refuses_what_the_node_refuses():
    view = Holder().view
    with pytest.raises(ConfigError, match="'size' must be in"):
        view["size"] = 0
    assert view["size"] == 1
    with pytest.raises(UnknownParameterError, match=r"holder: no hyperparameter 'siz'. Did you mean 'size'"):
        view["siz"]
    with pytest.raises(UnknownParameterError):
        view["siz"] = 1
    with pytest.raises(ConfigError, match="cannot be removed"):
        del view["size"]
    assert view.get("siz", 5) == 5


def test_the_view_prints_as_a_table():
    lines = repr(Holder().view).splitlines()
    assert lines[0].split() == ["id", "kind", "range", "default", "value"]
    assert lines[1].split() == ["size", "integer", "[1,", "Inf)", "UNSET", "1"]
    assert any(line.startswith("how ") and '"mean"' in line for line in lines)
    assert len({line.index("integer") for line in lines[1:4]}) == 1
