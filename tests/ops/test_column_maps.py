"""Column maps: whatever holds the data, and whether a frame is made on the way or not, the numbers are the same."""

import copy
import pickle
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from pipeops import as_task_regr, chain, operator, po
from pipeops.data.frames import View
from pipeops.data.levels import text_codes
from pipeops.data.maps import Lookup
from pipeops.errors import ConfigError
from pipeops.ops import statistics as of
from pipeops.ops.encode import Encode
from pipeops.ops.scale import Scale

HOSTILE: dict[str, list[Any]] = {
    "whole": [1.5, 2.0, -3.25, 0.0, -0.0, 1e-3],
    "holes": [1.0, None, float("nan"), 4.0, None, 7.5],
    "huge": [1e200, -1e200, 3e199, 0.0, 1e-200, None],
    "tiny": [5e-324, 1e-310, 0.0, None, 2e-308, 1e-300],
    "constant": [3.0] * 6,
    "none": [None] * 6,
    "one": [None, None, 2.5, None, None, None],
    "integer": [1, 2, 3, 2**53 + 1, -5, 6],
    "small": [1, None, 3, -4, None, 6],
    "single": [0.1, None, 1e-3, float("nan"), 3e38, 16777217.0],
    "flag": [True, False, True, True, False, False],
    "text": ["b", "a", None, "b", "c", "a"],
    "level": ["y", "x", "y", "y", "x", "x"],
}
TYPES = {
    "none": pl.Float64,
    "small": pl.Int16,
    "single": pl.Float32,
    "level": pl.Enum(["x", "y", "z"]),
}
LIBRARIES = {"polars": lambda frame: frame, "pandas": lambda frame: frame.to_pandas(), "pyarrow": lambda frame: frame.to_arrow()}
TAME = ["whole", "holes", "one", "small"]
CHAINS = {
    "scale": [po("scale")],
    "robust": [po("scale", robust=True)],
    "range": [po("scalerange", lower=-2, upper=3)],
    "maxabs": [po("scalemaxabs")],
    "mean": [po("imputemean")],
    "impute and scale": [po("imputemean"), po("scale")],
    "median and range": [po("imputemedian"), po("scalerange")],
    "all": [po("imputemean"), po("scale"), po("encode")],
    "of encoded": [po("encode"), po("scale"), po("imputemean")],
    "contrasts": [po("encode", method="helmert", affect_columns=["level", "text"])],
    "some": [po("scale", affect_columns=["huge", "whole"]), po("imputemean", affect_columns=["holes", "whole"])],
    "mode": [po("imputemode"), po("encode", method="treatment"), po("scale")],
    "outside": [po("imputeoor"), po("scale")],
    "signs": [po("imputemean"), po("spatialsign", affect_columns=["whole", "huge", "holes"]), po("scale")],
    "powers": [po("yeojohnson", affect_columns=TAME), po("scale")],
    "quantiles": [po("quantiletransform", n_quantiles=4, affect_columns=TAME), po("imputemean")],
    "indicators": [po("missind", type="integer", which="all", affect_columns=["holes", "small", "flag"]), po("scale")],
    "any kind missing": [po("missind", type="boolean", which="all")],
    "renamed": [po("scale"), po("renamecolumns", renaming={"whole": "holes", "holes": "whole"}), po("imputemean")],
    "chosen": [po("imputemean"), po("select", selector=["text", "whole", "small"]), po("encode")],
    "projected": [
        po("encode", affect_columns="level"),
        po("imputemean"),
        po("pca", affect_columns=TAME),
        po("scale", affect_columns="PC1"),
    ],
    "projected twice": [po("imputemean"), po("randomprojection", rank=3, affect_columns=TAME), po("pca", rank=2)],
    "components": [po("imputemean"), po("pca", affect_columns=TAME), po("missind", type="numeric", which="all")],
}


def frame() -> pl.DataFrame:
    """The hostile columns and a target."""
    made = [pl.Series(name, values, dtype=TYPES.get(name), strict=False) for name, values in HOSTILE.items()]
    return pl.DataFrame([*made, pl.Series("y", np.arange(6.0))])


def through_frames(nodes: list[Any], task: Any) -> Any:
    """The task after operators, with a frame made of it after each."""
    for node in nodes:
        (task,), _ = node.train([task])
        task = task.with_features(task.frame())
    return task


def after(nodes: list[Any], task: Any) -> Any:
    """The task after operators, with maps only where there can be."""
    for node in nodes:
        (task,), _ = node.train([task])
    return task


def numbers(task: Any) -> list[str]:
    """Features that a matrix takes."""
    return [name for name, kind in task.feature_types.items() if kind in ("numeric", "boolean")]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_maps_give_what_frames_give(name: str, library: str):
    nodes, task = CHAINS[name], as_task_regr(LIBRARIES[library](frame()), target="y")
    lazily, eagerly = after(nodes, task), through_frames(nodes, task)
    assert lazily.feature_names == eagerly.feature_names
    assert lazily.schema == eagerly.schema
    names = numbers(eagerly)
    for wanted in (names, names[::-1], names[1::2]):
        assert_same(lazily.matrix("float64", wanted), eagerly.matrix("float64", wanted), name)
    rows = [5, 0, 0, 3]
    assert_same(lazily.filter(rows).matrix("float64", names), eagerly.filter(rows).matrix("float64", names), name)
    assert_same(np.nan_to_num(lazily.matrix("float64", names)), np.nan_to_num(expected_of(eagerly, names)), name)


def assert_same(found: Any, expected: Any, name: str) -> None:
    """Bit by bit, but for products of matrices, which depend on how many rows there are."""
    if name.startswith(("projected", "components")):
        assert np.allclose(found, expected, rtol=1e-12, atol=1e-14, equal_nan=True)
    else:
        assert found.tobytes() == expected.tobytes()


def expected_of(task: Any, names: list[str]) -> Any:
    """A matrix by the slow way, column by column."""
    columns = [task.frame([name]).get_column(name).to_numpy() for name in names]
    return np.stack([np.asarray(column, dtype=np.float64) for column in columns], axis=1)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_prediction_on_other_rows_is_the_same_with_and_without_frames(library: str):
    task = as_task_regr(LIBRARIES[library](frame()), target="y").select(["holes", "whole", "level"])
    nodes, lazily, eagerly = [po("imputemean"), po("scale"), po("encode")], task, task
    for node in nodes:
        (trained,), state = node.train([lazily])
        new = node.predict([lazily.filter([4, 1])], state)[0]
        expected = node.predict([eagerly.filter([4, 1])], state)[0].frame()
        assert new.matrix("float64", numbers(new)).tobytes() == expected_of(new, numbers(new)).tobytes()
        assert new.frame().to_dict(as_series=False) == expected.to_dict(as_series=False)
        lazily, eagerly = trained, trained.with_features(trained.frame())


def test_no_frame_is_made_on_the_way_to_a_matrix(monkeypatch: pytest.MonkeyPatch):
    nodes, task = CHAINS["all"], as_task_regr(frame().drop("flag", "integer", "small"), target="y")
    expected = through_frames(nodes, task).matrix("float64")
    monkeypatch.setattr("pipeops.data.frames.run", lambda *_: pytest.fail("made a frame"))
    assert after(nodes, task).matrix("float64").tobytes() == expected.tobytes()


def test_whole_numbers_stay_exact_in_an_integer_matrix():
    large = 2**60 + 1
    task = as_task_regr(pl.DataFrame({"a": [large, None, large], "y": [0.0, 1.0, 2.0]}), target="y")
    (filled,), _ = po("imputeconstant", constant=large).train([task])
    assert filled.matrix("int64").ravel().tolist() == [large] * 3


def test_a_number_beyond_float32_is_refused_through_maps_too():
    task = as_task_regr({"a": [1e300, -1e300, 0.0], "y": [0.0, 1.0, 2.0]}, target="y")
    (scaled,), _ = po("scale", center=False, scale=False).train([task])
    with pytest.raises(ValueError, match="infinite values in 'a'"):
        scaled.matrix("float32")


def test_a_subclass_that_changes_a_rule_is_heard():
    @operator
    class Doubled(Scale):
        def apply(self, frame: Any, state: Any) -> Any:
            return super().apply(frame, state).select(nw.all() * 2)

    @operator
    class FromZero(Scale):
        def fit(self, frame: Any, target: Any) -> Any:
            return {"center": dict.fromkeys(frame.columns, 0.0), "scale": dict.fromkeys(frame.columns, 1.0)}

    task = as_task_regr({"a": [1.0, 3.0], "y": [0.0, 1.0]}, target="y")
    root = np.sqrt(0.5)
    assert np.allclose(Doubled().train([task])[0][0].matrix().ravel(), [-2 * root, 2 * root])
    assert FromZero().train([task])[0][0].matrix().ravel().tolist() == [1.0, 3.0]


LAZY = ["scale", "robust", "range", "maxabs", "mean", "median and range"]


@pytest.mark.parametrize("name", LAZY)
def test_lazy_frames_learn_and_change_alike(name: str):
    (node, *_), names = CHAINS[name], ["whole", "holes", "constant", "one", "small"]
    task = as_task_regr(frame(), target="y").select(names)
    (trained,), state = node.train([task])
    lazy = nw.from_native(frame().lazy().select(names))
    learnt = node.learn_lazy(lazy)
    assert flat(learnt) == pytest.approx(flat(state["learnt"]), rel=1e-12, nan_ok=True)
    changed = node.change_lazy(lazy, state["learnt"])
    assert isinstance(changed.to_native(), pl.LazyFrame)
    found = as_task_regr(changed.collect().with_columns(y=nw.lit(0.0)), target="y").matrix("float64")
    assert np.allclose(found, trained.matrix("float64"), rtol=1e-12, equal_nan=True)


@pytest.mark.parametrize(
    "node",
    [
        po("pca", rank=2),
        po("randomprojection", rank=2),
        po("missind", type="integer", which="all"),
        po("renamecolumns", renaming={"a": "z"}),
        po("select", selector=["b"]),
    ],
    ids=lambda node: node.key,
)
def test_lazy_frames_change_alike_by_other_maps(node: Any):
    x = pl.DataFrame(np.random.default_rng(0).normal(size=(7, 3)), schema=["a", "b", "c"])
    task = as_task_regr(x.with_columns(y=pl.lit(0.0)), target="y")
    (_,), state = node.train([task])
    holed = x.with_columns(a=pl.when(pl.col("c") > 0).then("a"))
    expected = node.predict([as_task_regr(holed.with_columns(y=pl.lit(0.0)), target="y")], state)[0]
    found = node.change_lazy(nw.from_native(holed.lazy()), state["learnt"]).collect()
    assert sorted(found.columns) == sorted(expected.feature_names)
    values = found.select(*expected.feature_names).to_native().fill_null(float("nan")).to_numpy().astype(float)
    assert np.allclose(values, expected.matrix("float64"), rtol=1e-12, equal_nan=True)


def test_what_has_no_expressions_refuses_a_lazy_frame():
    (_,), state = po("spatialsign").train([as_task_regr({"a": [1.0, 2.0], "y": [0.0, 1.0]}, target="y")])
    with pytest.raises(ConfigError, match="collect it first"):
        po("spatialsign").change_lazy(nw.from_native(pl.LazyFrame({"a": [1.0]})), state["learnt"])


def flat(learnt: Any) -> dict[str, float]:
    """Numbers of a state by one name each."""
    if not isinstance(learnt, dict):
        return {"": float(learnt)}
    return {f"{key}.{name}": number for key, value in learnt.items() for name, number in flat(value).items()}


@pytest.mark.parametrize("method", ["one-hot", "treatment", "sum"])
def test_lazy_frames_encode_alike(method: str):
    node, lazy = Encode(method=method), nw.from_native(frame().lazy().select("text", "level"))
    task = as_task_regr(frame(), target="y").select(["text", "level"])
    (trained,), state = node.train([task])
    assert repr(node.learn_lazy(lazy)) == repr(state["learnt"])
    found = node.change_lazy(lazy, state["learnt"]).collect()
    assert found.columns == trained.feature_names
    assert np.array_equal(found.to_numpy().astype(float), trained.matrix("float64"), equal_nan=True)


def test_the_statistics_of_a_lazy_frame_are_one_select(monkeypatch: pytest.MonkeyPatch):
    collected: list[int] = []
    collect = nw.LazyFrame.collect
    monkeypatch.setattr(nw.LazyFrame, "collect", lambda self, *a, **k: collected.append(1) or collect(self, *a, **k))
    po("scale").learn_lazy(nw.from_native(frame().lazy().select("whole", "holes")))
    assert len(collected) == 1


@pytest.mark.parametrize("name", ["scale", "maxabs", "mean", "impute and scale"])
def test_statistics_of_several_blocks_are_those_of_the_columns(name: str, monkeypatch: pytest.MonkeyPatch):
    task = as_task_regr(frame(), target="y")
    expected = after(CHAINS[name], task).matrix("float64", ["whole", "holes", "one", "none", "small", "huge"])
    monkeypatch.setattr("pipeops.ops.statistics.ROWS", 2)
    monkeypatch.setattr("pipeops.ops.statistics.BLOCK", 1)
    found = after(CHAINS[name], task).matrix("float64", ["whole", "holes", "one", "none", "small", "huge"])
    assert np.allclose(found, expected, rtol=1e-14, equal_nan=True)


def test_sums_of_long_columns_are_numpys():
    rng = np.random.default_rng(0)
    x = rng.normal(1e6, 1, size=(3, 10_001))
    x[1, ::3], x[2, :9000] = np.nan, np.nan
    view = View(nw.from_native(pl.DataFrame(x.T, schema=list("abc"))))
    found = of.statistics(view, list("abc"), {"mean": of.mean, "spread": of.spread, "root": of.root_mean_square, "n": of.count})
    n = (~np.isnan(x)).sum(axis=1)
    assert list(found["n"].values()) == n.tolist()
    assert np.allclose(list(found["mean"].values()), np.nanmean(x, axis=1), rtol=1e-14)
    assert np.allclose(list(found["spread"].values()), np.nanstd(x, axis=1, ddof=1), rtol=1e-11)
    assert np.allclose(list(found["root"].values()), np.sqrt(np.nansum(x * x, axis=1) / (n - 1)), rtol=1e-13)


@pytest.mark.parametrize("library", LIBRARIES)
def test_codes_of_long_texts_are_those_of_short_ones(library: str, monkeypatch: pytest.MonkeyPatch):
    texts = ["b", None, *["a"] * 3000, "", "z", "ä"]
    native = LIBRARIES[library](pl.DataFrame({"f": texts, "y": np.zeros(len(texts))}))
    short = po("encode").train([as_task_regr(native, target="y")])[0][0].matrix()
    monkeypatch.setattr("pipeops.data.frames.LONG", 1)
    task = as_task_regr(native, target="y")
    (long,), state = po("encode").train([task])
    assert state["learnt"]["f"]["levels"] == ["", "a", "b", "z", "ä"]
    assert np.array_equal(long.matrix(), short, equal_nan=True)
    (known,), _ = po("encode").train([task.filter([0, 2])])
    assert known.feature_names == ["f.a", "f.b"]
    (new,) = po("encode").predict([task], po("encode").train([task.filter([3001, 0])])[1])
    assert np.array_equal(new.matrix(), short[:, 1:3], equal_nan=True)


def test_more_texts_than_a_byte_holds_have_no_short_codes():
    column = nw.from_native(pl.Series([str(i) for i in range(300)]), series_only=True)
    assert text_codes(column) is None
    assert text_codes(nw.from_native(pa.chunked_array([column.to_arrow()]), series_only=True)) is None


def test_many_levels_have_wider_codes():
    texts = [f"t{i:03}" for i in range(300)]
    column = nw.from_native(pl.Series("f", [*texts, "new", None]), series_only=True)
    hot = Lookup("f", texts, tuple(texts), None).over(column)
    codes = hot.codes(column)
    assert codes.tolist() == [*range(300), 300, 301]
    made = np.asarray(hot.step(texts, {})(codes[None]), dtype=float)  # type: ignore[misc]
    assert np.array_equal(made, hot.frame(column.to_frame()).to_numpy().T.astype(float), equal_nan=True)


def test_a_mapped_task_survives_what_tasks_do():
    task = chain([po("imputemean"), po("scale")]).train(as_task_regr(frame(), target="y").select(["whole", "holes"]))
    expected = task.matrix("float64")
    again = pickle.loads(pickle.dumps(task))
    assert again.matrix("float64").tobytes() == copy.deepcopy(task).matrix("float64").tobytes() == expected.tobytes()
    assert task.select(["holes"]).data(columns=["holes"]).to_series().to_numpy().tobytes() == expected[:, 1].tobytes()
    both = task.cbind(pl.DataFrame({"z": np.arange(6.0)}))
    assert both.feature_names == ["whole", "holes", "z"]
    assert pd.DataFrame(both.matrix("float64")[:, :2]).equals(pd.DataFrame(expected))
