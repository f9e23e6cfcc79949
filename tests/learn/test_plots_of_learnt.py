"""Learning curves by training size and predictions over two features: numbers held against training and predicting by hand."""

import numpy as np
import polars as pl
import pytest

from pipeops import as_task_classif, learning_curve, lrn, msr, prediction_surface, rsmp, tsk
from pipeops.errors import ConfigError, DataError, NotTrainedError, UnknownKeyError

pytest.importorskip("matplotlib").use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

IRIS = tsk("iris")


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def test_a_learning_curve_is_what_training_on_so_many_rows_scores():
    cut = rsmp("cv", folds=3).instantiate(IRIS, seed=1)
    learner = lrn("classif.lda")
    curve = learning_curve(learner, IRIS, sizes=[30, 1.0], measure="classif.acc", resampling=cut, seed=5)
    assert curve.sizes == [30, 100]
    for i in range(3):
        whole = learner.clone().train(IRIS, cut.train_set(i))
        assert curve.test[1, i] == whole.predict(IRIS, cut.test_set(i)).score("classif.acc")
        assert curve.train[1, i] == whole.predict(IRIS, cut.train_set(i)).score("classif.acc")
    table = curve.to_frame().filter(pl.col("set") == "test")
    assert table["mean"].to_list() == pytest.approx(curve.test.mean(axis=1).tolist())
    assert table["n"].to_list() == [3, 3]
    assert "LearningCurve of classif.acc" in str(curve)


def test_small_sizes_have_the_shares_of_the_classes_and_are_nested():
    from pipeops.learn.explain.sizes import _ordered

    odd = IRIS.filter(np.r_[0:50, 50:75, 100:105])
    rows = _ordered(odd, odd.row_ids, np.random.default_rng(0))
    assert sorted(rows.tolist()) == odd.row_ids.tolist()
    codes = odd.filter(rows).class_codes()
    for n in (16, 32, 64):
        counts = np.bincount(codes[:n], minlength=3)
        assert np.abs(counts - n * np.array([50, 25, 5]) / 80).max() <= 1
    assert rows.tolist() != _ordered(odd, odd.row_ids, np.random.default_rng(1)).tolist()


def test_sizes_are_shares_numbers_or_how_many():
    small = {"learner": lrn("classif.featureless"), "task": IRIS, "resampling": 3, "seed": 1}
    assert learning_curve(**small, sizes=4).sizes == [25, 50, 75, 100]
    assert learning_curve(**small, sizes=[0.1, 7, 1.0]).sizes == [7, 10, 100]
    for wrong in (0, [], [0.0], [101], [True], "all", [1.5]):
        with pytest.raises(ConfigError, match="sizes are shares"):
            learning_curve(**small, sizes=wrong)


def test_a_learning_curve_is_drawn_with_a_line_a_set():
    ax = learning_curve(lrn("classif.tree", random_state=0), IRIS, sizes=[0.3, 1.0], resampling=3, seed=1).plot()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("training rows", msr("classif.ce").label)
    assert [line.get_xdata().tolist() for line in ax.get_lines()] == [[30, 100], [30, 100]]
    assert ax.get_legend_handles_labels()[1] == ["test rows", "training rows"]


def mixed():
    columns = {
        "a": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        "k": [1, 5, 2, 4, 3, 3],
        "c": pl.Series(["u", "v", "v", "u", "v", None], dtype=pl.Categorical),
        "b": [9.0, 7.0, 8.0, None, 7.5, 7.0],
        "y": ["n", "n", "n", "p", "p", "p"],
    }
    return as_task_classif(pl.DataFrame(columns), target="y")


def test_a_surface_predicts_on_a_grid_with_all_others_at_a_typical_value():
    from pipeops import as_learner, po

    learner = as_learner(po("imputemode") >> po("imputemean") >> po("encode") >> lrn("classif.tree", random_state=0)).train(
        mixed()
    )
    found = prediction_surface(learner, mixed(), ["a", "k"], grid=3)
    assert found.fixed == {"c": "v", "b": 7.5}
    assert (found.x.tolist(), found.y.tolist()) == ([1.0, 3.5, 6.0], [1, 3, 5])
    frame = found.to_frame()
    assert frame.columns[:3] == ["a", "k", "response"]
    by_hand = learner.predict_newdata(
        pl.DataFrame({"a": frame["a"], "k": frame["k"], "b": 7.5}).with_columns(c=pl.lit("v").cast(pl.Categorical))
    )
    assert frame["response"].to_list() == by_hand.to_frame()["response"].to_list()
    assert "All others are at" in str(found)


def test_surfaces_of_classes_show_regions_rows_and_what_is_missed():
    two = IRIS.select(["Petal.Length", "Sepal.Width"])
    learner = lrn("classif.lda", predict_type="prob").train(two)
    ax = prediction_surface(learner, two, grid=5).plot()
    missed = int(learner.predict(two).score("classif.ce") * 150 + 0.5)
    dots = {c.get_label(): len(c.get_offsets()) for c in ax.collections[1:]}
    assert dots == {"setosa": 50, "versicolor": 50, "virginica": 50, "missed": missed}
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Petal.Length", "Sepal.Width")


def test_surfaces_of_numbers_have_one_scale_for_prediction_and_truth():
    task = tsk("mtcars")
    learner = lrn("regr.lm").train(task)
    found = prediction_surface(learner, task, ["hp", "wt"], grid=4)
    ax = found.plot()
    mesh, dots = ax.collections
    assert mesh.get_clim() == dots.get_clim()
    assert np.allclose(mesh.get_array().reshape(len(found.y), len(found.x)).T.ravel(), found.prediction.response)
    assert ax.get_title(loc="left") == f"{len(task.feature_names) - 2} other features at typical values"


def test_what_cannot_be_a_surface_is_refused():
    learner = lrn("classif.lda").train(IRIS)
    with pytest.raises(ConfigError, match="takes two features"):
        prediction_surface(learner, IRIS)
    with pytest.raises(UnknownKeyError, match=r"no feature 'Petal.Lenth'.*Petal.Length"):
        prediction_surface(learner, IRIS, ["Petal.Lenth", "Petal.Width"])
    with pytest.raises(NotTrainedError, match="train it"):
        prediction_surface(lrn("classif.lda"), IRIS, ["Petal.Length", "Petal.Width"])
    with pytest.raises(DataError, match="'c' is categorical"):
        prediction_surface(lrn("classif.featureless").train(mixed()), mixed(), ["a", "c"])
