"""Registries: adding, replacing, refusing, numbered ids, loading on first use, suggestions."""

import sys
from types import ModuleType

import attrs
import polars as pl
import pytest

from pipeops.errors import CompositionError, UnknownKeyError, UnknownParameterError
from pipeops.params import Configurable, real
from pipeops.registry import Registry, Row
from pipeops.shorthand import lrn, msr, msrs, nn, po, rsmp, t_clbk, t_loss, t_opt, tsk


@pytest.fixture
def shelf(monkeypatch):
    monkeypatch.setattr(Registry, "all", dict(Registry.all))
    return Registry("shelf", "thing", {}, numbered=True)


@attrs.frozen(kw_only=True)
class Thing(Configurable):
    """A thing with an id."""

    id: str = "thing"
    weight: float = real(0, default=1.0)


def test_add_and_construct(shelf):
    assert shelf.add("thing", Thing) is Thing
    assert (Thing.key, Thing.shelf) == ("thing", "shelf")
    assert shelf("thing", weight=2.0).weight == 2.0
    assert shelf["thing"] is Thing
    assert list(shelf) == shelf.keys() == ["thing"]
    assert len(shelf) == 1
    assert "thing" in shelf
    assert "think" not in shelf
    assert repr(shelf) == "<shelf: 1 things>\n  thing"


def test_add_is_a_decorator_and_takes_functions(shelf):
    @shelf.add("made")
    def made(n: int = 1) -> list[int]:
        """Some ones."""
        return [1] * n

    assert shelf("made", n=2) == [1, 1]
    assert shelf["made"] is made


def test_add_without_a_key_is_refused(shelf):
    with pytest.raises(UnknownKeyError, match="a key is a string"):

        @shelf.add
        class Forgotten:
            pass


def test_the_same_name_of_the_same_module_replaces(shelf):
    def cell(value):
        class Node(Configurable):
            number = value

        return Node

    shelf.add("node", cell(1))
    shelf.add("node", cell(2))
    assert shelf["node"].number == 2


def test_another_holder_is_refused_naming_both(shelf):
    class Other:
        pass

    shelf.add("thing", Thing)
    with pytest.raises(CompositionError, match=r"the key 'thing' is held by .*Thing; choose another key for .*Other"):
        shelf.add("thing", Other)
    assert shelf["thing"] is Thing


def test_a_key_of_a_shelf_that_is_not_loaded_is_held_already(monkeypatch):
    monkeypatch.setattr(Registry, "all", dict(Registry.all))
    shelf = Registry("shelf", "thing", {"scale": "pipeops.ops.nowhere"})
    with pytest.raises(CompositionError, match=r"held by pipeops\.ops\.nowhere"):
        shelf.add("scale", Thing)


def test_a_numbered_key_is_an_id(shelf):
    shelf.add("thing", Thing)
    assert shelf("thing_2").id == "thing_2"
    assert shelf("thing_2", id="mine").id == "mine"
    assert shelf("thing").id == "thing"
    shelf.add("thing_3", lambda: {"of": "its own"})
    assert shelf("thing_3") == {"of": "its own"}, "a key of its own comes first"
    for unknown in ("think_2", "thing_", "thing_x", "thing2"):
        with pytest.raises(UnknownKeyError):
            shelf(unknown)


def test_unknown_keys_name_near_ones(shelf):
    shelf.add("linear", Thing)
    with pytest.raises(UnknownKeyError, match=r"shelf: no thing 'linaer'. Did you mean 'linear'\?"):
        shelf("linaer")
    with pytest.raises(KeyError, match="Did you mean"):
        shelf["linaer"]
    for wrong in (3, None, ["linear"], b"linear"):
        with pytest.raises(UnknownKeyError, match="a key is a string"):
            shelf(wrong)
        with pytest.raises(UnknownKeyError, match="a key is a string"):
            shelf[wrong]


def test_unknown_hyperparameters_name_near_ones(shelf):
    shelf.add("thing", Thing)
    with pytest.raises(UnknownParameterError, match=r'shelf\("thing"\): no hyperparameter .weigth.\. Did you mean .weight.\?'):
        shelf("thing", weigth=1.0)


def test_a_row_is_built_when_its_key_is_first_used(shelf):
    built = []

    def make():
        built.append(1)
        return Thing

    row = Row(make, ("torch.nn", "Thing"), "home", "A row")
    shelf.add("row", row)
    assert built == []
    assert list(shelf) == ["row"]
    assert shelf("row").weight == 1.0
    shelf("row")
    assert built == [1]


def test_a_key_loads_the_module_that_holds_it(monkeypatch):
    monkeypatch.setattr(Registry, "all", dict(Registry.all))
    shelf = Registry("shelf", "thing", {"late": "pipeops_test_late", "broken": "pipeops_test_late"})
    module = ModuleType("pipeops_test_late")
    shelf_add = shelf._holders.__setitem__
    monkeypatch.setitem(sys.modules, "pipeops_test_late", module)
    shelf_add("late", Thing)
    assert "late" in shelf
    assert shelf["late"] is Thing
    with pytest.raises(UnknownKeyError):
        shelf["broken"]


def test_table(shelf):
    shelf.add("thing", Thing)
    table = shelf.table()
    assert isinstance(table, pl.DataFrame)
    assert table.rows() == [("thing", "A thing with an id.", __name__)]


# ---------------------------------------------------------------- the shelves of the package


@pytest.mark.parametrize("registry", [po, nn, tsk, lrn, msr, rsmp, t_loss, t_opt, t_clbk], ids=lambda r: r.name)
def test_every_key_is_held_and_described(registry):
    for row in registry.table().iter_rows(named=True):
        assert row["key"] in registry
        assert row["label"], f"{registry.name}({row['key']}) has no docstring"
        assert registry[row["key"]] is registry[row["key"]]


def test_a_thing_on_another_shelf_is_pointed_out():
    with pytest.raises(UnknownKeyError, match=r"po: no operator .scal.\. Did you mean .scale."):
        po("scal")
    with pytest.raises(UnknownKeyError, match=r'Did you mean po\("scale"\)\?'):
        nn("scale")
    with pytest.raises(UnknownKeyError, match=r'Did you mean nn\("linear"\)\?'):
        po("nn_linear")
    with pytest.raises(UnknownKeyError, match=r'Did you mean nn\("linear"\)\?'):
        po("linear")
    with pytest.raises(UnknownKeyError, match=r'Did you mean tsk\("sonar"\)\?'):
        po("sonar")


def test_shorthand_of_operators():
    assert po("scale", center=False).center is False
    assert po("scale_2").id == "scale_2"
    assert po["scale"] is type(po("scale"))
    assert {"scale", "nop", "imputemean"} <= set(po)
    assert len(po) == len(list(po)) == po.table().height
    with pytest.raises(UnknownParameterError, match=r'po\("scale"\): no hyperparameter .centre.\. Did you mean .center'):
        po("scale", centre=False)


def test_several_measures():
    assert [m.key for m in msrs(["classif.auc", "classif.acc"])] == ["classif.auc", "classif.acc"]


def test_a_class_with_fields_that_was_not_decorated_is_pointed_out(shelf):
    @shelf.add("bare")
    class Bare(Configurable):
        p: float = real(0, 1, default=0.5)

    with pytest.raises(UnknownParameterError, match="'p' is a field of a class that is not decorated"):
        shelf("bare", p=0.1)


def test_a_function_that_makes_nothing_says_what_one_is_for():
    msr.add("regr.of_two")(lambda truth, response: 0.0)
    try:
        with pytest.raises(CompositionError, match=r'msr\("regr.of_two"\): the function .* missing a required argument: .truth'):
            msr("regr.of_two")
    finally:
        del msr._holders["regr.of_two"]
