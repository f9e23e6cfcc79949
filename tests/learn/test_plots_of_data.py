"""Pictures of tasks, resamplings, ranks and explanations: what is on the axes, with few and with many things."""

import numpy as np
import polars as pl
import pytest

from pipeops import (
    PredictionClassif,
    as_task_classif,
    as_task_regr,
    fairness,
    importance,
    lrn,
    partial_dependence,
    resample,
    rsmp,
    tsk,
)
from pipeops.errors import ConfigError, DataError
from pipeops.learn.plots.ranks import critical_difference, plot_critical, plot_intervals, ranks

pytest.importorskip("matplotlib").use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def drawn(ax):
    """Draw everything, and see that no text at the sides is cut."""
    ax.figure.savefig("/dev/null", format="png")
    whole = ax.get_tightbbox()
    assert whole.x0 >= -1
    assert whole.x1 <= ax.figure.bbox.x1 + 1
    return ax


def test_a_target_is_counted():
    ax = drawn(tsk("iris").plot())
    assert [bar.get_width() for bar in ax.patches] == [50, 50, 50]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["setosa", "versicolor", "virginica"]
    many = as_task_classif({"x": np.arange(80), "y": [f"a class with quite a long name {k % 20}" for k in range(80)]}, target="y")
    assert len(drawn(many.plot()).patches) == 20
    numbers = drawn(tsk("diabetes").plot("target"))
    assert sum(bar.get_height() for bar in numbers.patches) == 442


def test_features_in_pairs():
    grid = tsk("iris").plot("pairs")
    drawn(grid[3, 0])
    assert grid.shape == (4, 4)
    points = np.asarray(grid[2, 1].collections[0].get_offsets())
    np.testing.assert_allclose(points, tsk("iris").matrix("float64", ["Sepal.Width", "Petal.Length"]))
    assert tsk("diabetes").plot("pairs", features=["bmi", "bp"]).shape == (2, 2)


def test_folds_by_row(tmp_path):
    cut = rsmp("cv", folds=3).instantiate(tsk("iris").filter(range(9)), seed=1)
    ax = drawn(cut.plot())
    cells = np.asarray(ax.images[0].get_array())
    for i in range(3):
        assert np.flatnonzero(cells[i] == 3).tolist() == cut.test_set(i).tolist()
    assert set(np.unique(cells)) == {1, 3}
    drawn(rsmp("repeated_cv", folds=10, repeats=5).instantiate(tsk("iris"), seed=1).plot())
    boot = drawn(rsmp("bootstrap", repeats=2).instantiate(tsk("iris"), seed=1).plot())
    assert set(np.unique(boot.images[0].get_array())) == {1, 2, 3}
    with pytest.raises(ConfigError, match="instantiated"):
        rsmp("cv").plot()


TABLE = pl.DataFrame(
    [
        {"task_id": f"t{t}", "resampling_id": "cv", "learner_id": f"l{k}", "m": float(10 * k + t + i)}
        for t in range(4)
        for k in range(3)
        for i in range(2)
    ]
)


def test_ranks_and_critical_differences_are_those_of_the_paper():
    assert ranks(TABLE, "m", True) == {"l0": 1, "l1": 2, "l2": 3}
    assert ranks(TABLE, "m", False) == {"l2": 1, "l1": 2, "l0": 3}
    assert critical_difference(4, 14) == pytest.approx(2.569 * np.sqrt(4 * 5 / (6 * 14)), abs=1e-3)
    ax = drawn(plot_critical(TABLE, "m", "a measure with a long name, longer than most", True))
    joined = [(s[0][0], s[1][0]) for c in ax.collections[-2:] for s in c.get_segments()]
    assert joined == [(pytest.approx(0.97), pytest.approx(2.03)), (pytest.approx(1.97), pytest.approx(3.03))]
    with pytest.raises(DataError, match="two tasks or more"):
        ranks(TABLE.filter(pl.col("task_id") == "t0"), "m", True)
    with pytest.raises(DataError, match="every learner on every task"):
        ranks(TABLE.head(23).filter(pl.col("m") < 23), "m", True)
    with pytest.raises(ConfigError, match="no ranks"):
        ranks(TABLE, "m", None)


def test_intervals_of_the_mean():
    ax = drawn(plot_intervals(TABLE.filter(pl.col("task_id") == "t0"), "m", "M"))
    (low, _), (high, _) = ax.collections[0].get_segments()[0]
    assert (low + high) / 2 == pytest.approx(0.5)
    assert (high - low) / 2 == pytest.approx(12.706 * np.std([0, 1], ddof=1) / 2**0.5, abs=1e-3)
    result = resample(tsk("iris"), lrn("classif.featureless"), rsmp("cv", folds=2), seed=1)
    assert drawn(result.plot(kind="interval")).get_yticklabels()[0].get_text() == "classif.featureless"
    with pytest.raises(ConfigError, match="no kind 'violin'"):
        result.plot(kind="violin")


def test_explanations_are_drawn():
    frame = {f"a feature with a long name, number {k}": RNG.normal(size=40) for k in range(25)}
    task = as_task_regr({**frame, "flag": RNG.random(40) < 0.5, "y": RNG.normal(size=40)}, target="y")
    learner = lrn("regr.lm").train(task)
    found = importance(learner, task, resampling=None, repeats=2, seed=1)
    ax = drawn(found.plot())
    assert len(ax.get_yticklabels()) == 20
    assert ax.get_title(loc="left") == "the first 20 of 26 features"
    first = task.feature_names[0]
    line = drawn(partial_dependence(learner, task, first, grid=5, individual=3).plot())
    assert len(line.get_lines()) == 4
    flags = drawn(partial_dependence(learner, task, "flag").plot())
    assert [t.get_text() for t in flags.get_xticklabels()] == ["False", "True"]
    assert drawn(partial_dependence(learner, task, [first, "flag"], grid=3).plot()).get_ylabel() == "flag"


def test_calibration_and_groups_are_drawn():
    prob = RNG.random(60)
    made = PredictionClassif(truth=np.where(RNG.random(60) < prob, "M", "R"), prob=prob, class_names=["M", "R"])
    ax = drawn(made.plot("calibration", bins=4))
    assert len(ax.get_lines()[1].get_xdata()) == 4
    three = PredictionClassif(truth=list("abc") * 5, prob=RNG.dirichlet([1, 1, 1], 15), class_names=list("abc"))
    assert [t.get_text() for t in drawn(three.plot("calibration")).get_legend().get_texts()] == ["a", "b", "c"]
    groups = fairness(made, [f"a group {k % 12}" for k in range(60)], ["classif.acc", "classif.ce"])
    assert len(drawn(groups.plot()).get_yticklabels()) == 24


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ConfigError, match="no kind 'pair'.*pairs"):
        tsk("iris").plot("pair")
    with pytest.raises(DataError, match="two numeric features"):
        tsk("iris").select(["Sepal.Width"]).plot("pairs")
    with pytest.raises(DataError, match="'nothing' is no numeric feature"):
        tsk("iris").plot("pairs", features=["nothing", "Sepal.Width"])
    with pytest.raises(ConfigError, match="a figure of its own"):
        tsk("iris").plot("pairs", ax=plt.figure().subplots())
    with pytest.raises(DataError, match="no rows"):
        tsk("iris").filter([]).plot()
