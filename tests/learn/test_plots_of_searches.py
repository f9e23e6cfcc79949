"""Pictures and pages of searches: what is drawn of an archive, with numbers, categories, what did not matter and what failed."""

import numpy as np
import pytest

from pipeops import auto_fselector, auto_tuner, lrn, msr, rsmp, to_tune, tsk
from pipeops.errors import ConfigError, DataError, UnknownKeyError
from pipeops.learn.plots.searches import axis, importances, plot_search

pytest.importorskip("matplotlib").use("Agg")
pytest.importorskip("optuna")
plt = pytest.importorskip("matplotlib.pyplot")

CE, ACC = msr("classif.ce"), msr("classif.acc")
ARCHIVE = {
    "trial": [0, 1, 2, 3, 4, 5],
    "state": ["complete", "failed", "complete", "pruned", "complete", "complete"],
    "cost": [0.1, 1.0, 10.0, 100.0, 0.01, 3.0],
    "kernel": ["rbf", "rbf", "poly", "rbf", "poly", "rbf"],
    "degree": [None, None, 2, None, 3, None],
    "same": [1, 1, 1, 1, 1, 1],
    "classif.ce": [0.5, None, 0.3, None, 0.4, 0.35],
    "seconds": [1.0] * 6,
    "error": [None, "no", None, None, None, None],
}


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def test_history_has_the_best_so_far_in_the_direction_of_the_measure():
    ax = plot_search(ARCHIVE, CE, "history", None, None, set())
    (line,) = ax.get_lines()
    assert np.array_equal(line.get_ydata(), [0.5, 0.5, 0.3, 0.3, 0.3, 0.3])
    assert ax.get_legend_handles_labels()[1] == ["best so far", "trial", "pruned", "failed"]
    (rising,) = plot_search({**ARCHIVE, "classif.acc": ARCHIVE["classif.ce"]}, ACC, "history", None, None, set()).get_lines()
    assert np.array_equal(rising.get_ydata(), [0.5] * 6)


def test_a_surface_is_over_the_two_that_are_named_with_their_scales():
    ax = plot_search(ARCHIVE, CE, "surface", None, ["cost", "kernel"], {"cost"})
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_xscale()) == ("cost", "kernel", "log")
    assert [text.get_text() for text in ax.get_yticklabels()] == ["poly", "rbf"]
    dots = ax.collections[-1]
    assert dots.get_offsets().data.tolist() == [[0.1, 1.0], [10.0, 0.0], [0.01, 0.0], [3.0, 1.0]]
    assert dots.get_array().tolist() == [0.5, 0.3, 0.4, 0.35]
    assert dots.get_cmap().name == "viridis_r", "light is good"


def test_a_surface_is_interpolated_between_numbers():
    plane = {"trial": [*range(5)], "state": ["complete"] * 5, "a": [0.0, 1.0, 0.0, 1.0, 0.5], "b": [0.0, 0.0, 1.0, 1.0, 0.5]}
    plane["classif.ce"] = [x + 2 * y for x, y in zip(plane["a"], plane["b"], strict=True)]
    ax = plot_search(plane, CE, "surface", None, None, set())
    mesh = ax.collections[0].get_array().reshape(80, 80)
    assert np.allclose(mesh, np.linspace(0, 1, 80) + 2 * np.linspace(0, 1, 80)[:, None], atol=1e-9)


def test_parallel_lines_end_at_their_scores_and_good_ones_are_on_top():
    ax = plot_search(ARCHIVE, CE, "parallel", None, None, {"cost"})
    assert [text.get_text() for text in ax.get_xticklabels()] == ["cost", "kernel", "degree", "classif.ce"]
    lines = [line for line in ax.get_lines() if len(line.get_xdata()) == 4]
    ends = [line.get_ydata()[-1] for line in lines]
    assert np.allclose(ends, [1.0, 0.5, 0.25, 0.0]), "the best is drawn last"
    assert lines[-1].get_ydata()[0] == pytest.approx(1.0), "10 is the largest cost with a score, on a log scale"
    assert lines[0].get_ydata()[2] < 0, "what did not matter is below"


def test_importance_is_that_of_what_moves_the_score():
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(60, 3))
    axes = [axis(name, x[:, k].tolist(), False) for k, name in enumerate("abc")]
    found = importances(axes, 3 * x[:, 1] + 0.01 * rng.normal(size=60))
    assert found.argmax() == 1
    assert found[1] > 0.9
    assert found.sum() == pytest.approx(1)
    ax = plot_search(ARCHIVE, CE, "importance", None, None, set())
    assert {text.get_text() for text in ax.get_yticklabels()} == {"cost", "kernel", "degree"}


def test_what_cannot_be_drawn_is_refused_in_words():
    with pytest.raises(ConfigError, match="no kind 'histroy'.*history"):
        plot_search(ARCHIVE, CE, "histroy", None, None, set())
    with pytest.raises(UnknownKeyError, match="no hyperparameter 'csot' was searched.*cost"):
        plot_search(ARCHIVE, CE, "surface", None, ["csot"], set())
    with pytest.raises(DataError, match="needs two hyperparameters"):
        plot_search(ARCHIVE, CE, "surface", None, ["cost"], set())
    with pytest.raises(DataError, match="no trial has a score"):
        plot_search({**ARCHIVE, "classif.ce": [None] * 6}, CE, "history", None, None, set())


def test_searches_say_what_they_search_and_found():
    learner = lrn("classif.tree", max_depth=to_tune(1, 3), random_state=0)
    tuner = auto_tuner(learner, resampling=rsmp("holdout"), measure="classif.ce", n_trials=2, seed=1, sampler="random")
    assert "judged by     classif.ce (lower is better)" in str(tuner)
    assert "ends          n_trials=2" in str(tuner)
    tuner.train(tsk("iris"))
    assert "trials        2 complete" in str(tuner)
    assert f"max_depth={tuner.best_params['max_depth']}" in str(tuner)
    page = tuner._repr_html_()
    assert "to_tune(1, 3)" in page
    assert "Archive of 2 trials" in page
    assert tuner.plot().get_xlabel() == "trial"
    chosen = auto_fselector(lrn("classif.lda"), rsmp("holdout"), "classif.acc", max_features=1, seed=1).train(tsk("iris"))
    assert "Archive of 4 trials" in chosen._repr_html_()
    assert chosen.plot().get_ylabel() == "Classification Accuracy"
