"""Pictures: what is on the axes, where they are drawn, and what is refused."""

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest

from pipeops import PredictionClassif, PredictionRegr, as_learner, as_task_classif, benchmark, benchmark_grid, lrn, nn, po, rsmp
from pipeops.errors import ConfigError, DataError, UnknownKeyError
from pipeops.learn.plots.figures import short
from pipeops.learn.plots.overlays import plot_history, plot_scores, prc_overlay, roc_overlay

pytest.importorskip("matplotlib").use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


@pytest.fixture
def ax():
    return plt.figure().subplots()


def predicted(n=60, seed=0, strength=1.0):
    rng = np.random.default_rng(seed)
    truth = np.where(rng.random(n) < 0.4, "M", "R")
    prob = 1 / (1 + np.exp(-(strength * np.where(truth == "M", 1, -1) + rng.normal(size=n))))
    return PredictionClassif(truth=truth, prob=prob, class_names=["M", "R"])


NUMBERS = PredictionRegr(truth=[1.0, 2.0, 4.0], response=[1.5, 2.0, 3.0])


def data(line):
    return np.asarray(line.get_xdata()), np.asarray(line.get_ydata())


def drawn(ax, figure):
    """Draw everything, so that what fails only then fails here; warnings are errors."""
    figure.savefig("/dev/null", format="png")
    return ax


@pytest.mark.parametrize("kind", ["roc", "prc", "confusion", "threshold", "histogram", None])
def test_every_kind_draws_on_new_axes_and_on_given_ones(kind, ax):
    new = predicted().plot(kind)
    assert drawn(new, new.figure) is not ax
    assert predicted().plot(kind, ax=ax) is ax
    drawn(ax, ax.figure)


@pytest.mark.parametrize("kind", ["scatter", "residuals", "histogram", None])
def test_every_kind_for_numbers(kind, ax):
    assert NUMBERS.plot(kind, ax) is ax
    drawn(ax, ax.figure)


def test_roc_shows_the_curve_and_its_area(ax):
    prediction = predicted()
    prediction.plot("roc", ax)
    _, line = ax.get_lines()
    x, y = data(line)
    np.testing.assert_array_equal(x, prediction.roc()["fpr"])
    np.testing.assert_array_equal(y, prediction.roc()["tpr"])
    assert line.get_label() == f"AUC {prediction.score('classif.auc'):.3f}"


def test_prc_shows_the_curve_of_scikit_learn(ax):
    from sklearn.metrics import average_precision_score, precision_recall_curve

    prediction = predicted()
    prediction.plot("prc", ax)
    positive = prediction.truth == "M"
    precision, recall, _ = precision_recall_curve(positive, prediction.prob[:, 0])
    chance, line = ax.get_lines()
    np.testing.assert_array_equal(data(line), (recall, precision))
    assert set(data(chance)[1]) == {positive.mean()}
    assert line.get_label() == f"AP {average_precision_score(positive, prediction.prob[:, 0]):.3f}"


def test_confusion_has_responses_in_rows_and_shares_of_the_truth(ax):
    truth, response = ["a"] * 4 + ["b"] * 2, ["a", "a", "a", "b", "a", "b"]
    PredictionClassif(truth=truth, response=response).plot("confusion", ax)
    assert [t.get_text() for t in ax.texts] == ["3\n75%", "1\n50%", "1\n25%", "1\n50%"]
    np.testing.assert_array_equal(ax.images[0].get_array(), [[0.75, 0.5], [0.25, 0.5]])
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", "b"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("truth", "response")


def test_confusion_with_missing_labels_and_unseen_classes(ax):
    PredictionClassif(truth=["a", None], response=["a", "a"], class_names=["a", "b"]).plot("confusion", ax)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["a", "b", "missing"]
    drawn(ax, ax.figure)


def test_threshold_shows_scores_at_each_threshold(ax):
    prediction = predicted()
    prediction.plot("threshold", ax, measures=["classif.acc", "classif.sensitivity"])
    accuracy, sensitivity = ax.get_lines()
    x, y = data(accuracy)
    assert y[x == 0.3].item() == prediction.set_threshold(0.3).score("classif.acc")
    assert data(sensitivity)[1][0] == 1.0
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["Classification Accuracy", sensitivity.get_label()]


def test_threshold_leaves_gaps_where_a_measure_is_undefined(ax):
    prediction = PredictionClassif(truth=["M", "R"], prob=[0.4, 0.3], class_names=["M", "R"])
    prediction.plot("threshold", ax, measures="classif.precision")
    x, y = data(ax.get_lines()[0])
    assert np.isnan(y[x > 0.41]).all()
    assert np.isfinite(y[x < 0.39]).all()


def test_histogram_shows_shares_within_each_class(ax):
    prediction = PredictionClassif(truth=["M", "M", "R", "R"], prob=[0.9, 0.95, 0.1, 0.6], class_names=["M", "R"])
    prediction.plot("histogram", ax, bins=2)
    steps = {p.get_label(): p.get_data().values.tolist() for p in ax.patches if p.get_label()}
    assert steps == {"M (2)": [0.0, 1.0], "R (2)": [0.5, 0.5]}


def test_histogram_of_three_classes_shows_the_probability_of_the_true_one(ax):
    prob = [[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.2, 0.2, 0.6]]
    PredictionClassif(truth=["a", "b", "a"], prob=prob, class_names=["a", "b", "c"]).plot("histogram", ax, bins=2)
    assert {p.get_label(): p.get_data().values.tolist() for p in ax.patches} == {"a (2)": [0.5, 0.5], "b (1)": [0.0, 1.0]}


def test_scatter_and_residuals_show_the_numbers(ax):
    NUMBERS.plot("scatter", ax)
    np.testing.assert_array_equal(ax.collections[0].get_offsets(), [[1, 1.5], [2, 2], [4, 3]])
    residuals = NUMBERS.plot("residuals")
    np.testing.assert_array_equal(residuals.collections[0].get_offsets(), [[1.5, -0.5], [2, 0], [3, 1]])


def test_eight_learners_have_their_own_lines_and_a_legend_beside_them():
    several = {f"learner_with_a_long_name_{i}": predicted(seed=i, strength=i / 4) for i in range(8)}
    for draw in (roc_overlay, prc_overlay):
        ax = draw(several)
        drawn(ax, ax.figure)
        lines = [line for line in ax.get_lines() if line.get_label().startswith("learner")]
        assert len(lines) == 8
        assert len({line.get_color() for line in lines}) == 8
        assert len({line.get_linestyle() for line in lines}) > 1
        legend = ax.get_legend().get_window_extent()
        whole = ax.get_tightbbox()
        assert whole.x0 >= 0
        assert whole.x1 <= ax.figure.bbox.x1
        assert ax.get_window_extent().width > 320
        assert legend.x0 >= ax.get_window_extent().x1
        heights = [t.get_window_extent() for t in ax.get_legend().get_texts()]
        assert all(a.y0 >= b.y1 - 1 for a, b in pairwise(heights))


def test_a_few_learners_have_their_legend_inside():
    ax = roc_overlay({"one": predicted(), "two": predicted(seed=1)})
    drawn(ax, ax.figure)
    assert ax.get_legend().get_window_extent().x1 <= ax.get_window_extent().x1


def test_long_names_lose_their_middle():
    assert short("x" * 32) == "x" * 32
    assert len(short("a" * 20 + "b" * 20)) == 32
    assert short("a" * 20 + "b" * 20).startswith("aaa")
    assert short("a" * 20 + "b" * 20).endswith("bbb")


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: predicted().plot("rok"), ConfigError, "no kind 'rok' .* Did you mean 'roc'"),
        (lambda: NUMBERS.plot("roc"), ConfigError, "no kind 'roc' for a PredictionRegr"),
        (lambda: PredictionClassif(truth=["a", "b"], response=["a", "b"]).plot("roc"), DataError, "needs probabilities"),
        (lambda: PredictionClassif(truth=["a", "b"], response=["a", "b"]).plot("threshold"), DataError, "no probabilities"),
        (lambda: PredictionClassif(truth=["a", "a"], prob=[1.0, 0.0], class_names=["a", "b"]).plot("roc"), DataError, "both"),
        (
            lambda: PredictionClassif(truth=["a", "b"], prob=np.eye(3)[:2], class_names=["a", "b", "c"]).plot("threshold"),
            DataError, "two classes",
        ),
        (lambda: predicted().plot("threshold", measures="classif.auc"), ConfigError, "no threshold changes it"),
        (lambda: predicted().take(np.array([], dtype=int)).plot(), DataError, "no rows"),
        (lambda: PredictionRegr(response=[1.0, 2.0]).plot("scatter"), DataError, "no truth"),
        (lambda: roc_overlay({}), ConfigError, "by name"),
        (lambda: roc_overlay([predicted()]), ConfigError, "by name"),
        (lambda: plot_history({"epoch": []}, None), DataError, "nothing was measured"),
        (lambda: plot_history({"epoch": [1], "valid.auc": [0.5]}, 1, measures="acc"), UnknownKeyError, "'acc'"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"pip install \"pipeops\[plot\]\""):
        predicted().plot("roc")


def test_predictions_do_not_load_matplotlib():
    code = "import sys, pipeops; pipeops.PredictionRegr; pipeops.GraphLearner; print('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


# ---------------------------------------------------------------- histories and benchmarks


@pytest.fixture(scope="module")
def blobs():
    rng = np.random.default_rng(0)
    x = rng.normal(size=80)
    y = np.where(x + 0.5 * rng.normal(size=80) > 0, "up", "down")
    return as_task_classif({"x": x.tolist(), "y": y.tolist()}, target="y", id="blobs")


def test_a_learner_draws_its_history(blobs, ax):
    network = po("torch_ingress_num") >> nn("head") >> po("torch_loss", loss="cross_entropy")
    graph = network >> po("torch_optimizer", optimizer="adam", lr=0.1)
    measured = {"measures_train": ["classif.auc"], "measures_valid": ["classif.auc", "classif.logloss"]}
    end = po("torch_model_classif", epochs=5, batch_size=16, predict_type="prob", seed=1, **measured)
    learner = as_learner(graph >> end, validate=0.3).train(blobs)
    assert learner.plot_history(ax) is ax
    lines = {line.get_label(): data(line) for line in ax.get_lines()}
    assert list(lines) == [
        "validation, classif.auc", "training, classif.auc", "training, loss", "validation, classif.logloss",
        f"best epoch ({learner.best_epoch})",
    ]  # fmt: skip
    np.testing.assert_array_equal(lines["training, classif.auc"], (range(1, 6), learner.history["train.classif.auc"]))
    assert set(lines[f"best epoch ({learner.best_epoch})"][0]) == {learner.best_epoch}
    one = learner.plot_history(measures="classif.auc")
    drawn(one, one.figure)
    assert [line.get_label() for line in one.get_lines()][:2] == ["validation", "training"]
    assert one.get_ylabel() == "classif.auc"


def test_a_benchmark_draws_a_box_for_each_learner_and_a_block_for_each_task(blobs):
    other = as_task_classif(blobs.frame().to_native().with_columns(y=blobs.target_series().to_native()), target="y", id="other")
    learners = [lrn("classif.featureless", id=f"f{i}", method="sample") for i in range(8)]
    result = benchmark(benchmark_grid([blobs, other], learners, [rsmp("cv", folds=4)]), seed=1)
    ax = result.plot("classif.acc")
    drawn(ax, ax.figure)
    labels = ax.get_yticklabels()
    assert [t.get_text() for t in labels] == [f"f{i}" for i in range(8)] * 2
    boxes = [t.get_window_extent() for t in labels]
    assert all(a.y0 > b.y1 for a, b in pairwise(boxes))
    assert [t.get_text() for t in ax.texts] == ["blobs", "other"]
    assert ax.get_xlabel() == "Classification Accuracy"
    shown = [np.sort(np.asarray(dots.get_offsets())[:, 0]) for dots in ax.collections]
    scores = result.score("classif.acc")
    expected = [
        rows["classif.acc"].sort().to_numpy() for _, rows in scores.group_by("task_id", "learner_id", maintain_order=True)
    ]
    assert len(shown) == len(ax.patches) == 16
    for found, wanted in zip(shown, expected, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_scores_that_are_missing_are_left_out(ax):
    import polars as pl

    rows = {"task_id": ["t"] * 3, "resampling_id": ["cv"] * 3, "learner_id": ["a", "a", "b"], "m": [0.5, float("nan"), None]}
    plot_scores(pl.DataFrame(rows), "m", "M", ax)
    assert [len(dots.get_offsets()) for dots in ax.collections] == [1, 0]
    assert ax.get_title(loc="left") == "t"
    drawn(ax, ax.figure)


def test_a_benchmark_draws_one_measure(blobs):
    result = benchmark(benchmark_grid([blobs], [lrn("classif.featureless")], [rsmp("holdout")]), seed=1)
    with pytest.raises(ConfigError, match="one measure, got 2"):
        result.plot(["classif.acc", "classif.ce"])
