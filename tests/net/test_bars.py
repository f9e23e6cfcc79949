"""Bars of progress on a stand-in terminal, in a file and in a stand-in notebook: what they show, and when they are quiet."""

import io
import sys
import types

import pytest

from pipeops import (
    as_learner,
    auto_tuner,
    benchmark,
    benchmark_grid,
    chain,
    lrn,
    nn,
    po,
    resample,
    rsmp,
    to_tune,
    tsk,
)
from pipeops import bars as room
from pipeops.bars import Bar, bar, watched

IRIS = tsk("iris").filter(range(0, 150, 3))


class Terminal(io.StringIO):
    def isatty(self):
        return True


def put(monkeypatch, stream):
    """The stream as stderr; in the test itself, since pytest puts its own there before each."""
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


def network(epochs=3, validate=None, **settings):
    nodes = [po("torch_ingress_num"), nn("head"), po("torch_loss", "cross_entropy"), po("torch_optimizer", "sgd", lr=0.1)]
    model = po("torch_model_classif", epochs=epochs, batch_size=25, seed=1, **settings)
    return as_learner(chain([*nodes, po("torch_callbacks", "progress"), model]), validate=validate)


def last(stream):
    """The last state of each bar, as a person sees it."""
    return [line.split("\r")[-1] for line in stream.getvalue().split("\n")]


def test_training_shows_epochs_loss_scores_the_best_and_the_patience_left(monkeypatch):
    terminal = put(monkeypatch, Terminal())
    learner = network(measures_valid=["classif.ce"], measures_train=["classif.acc"], patience=5, validate=0.3).train(IRIS)
    line = last(terminal)[0]
    assert "3/3" in line
    scores = learner.history[-1].to_dicts()[0]
    assert f"loss={scores['train.loss']:.2g}, train.classif.acc={scores['train.classif.acc']:.2g}" in line
    best = learner.history["valid.classif.ce"].min()
    assert f"best={best:.3g}" in line
    assert f"patience={5 - (3 - learner.best_epoch)}" in line
    assert not room._open


def test_scores_stay_between_the_epochs_that_are_evaluated(monkeypatch):
    terminal = put(monkeypatch, Terminal())
    network(epochs=4, measures_train=["classif.acc"], eval_freq=3).train(IRIS)
    assert all("train.classif.acc=" in state for state in terminal.getvalue().split("\r") if " 4/4 " in state)


def test_a_bar_is_closed_when_training_fails(monkeypatch):
    put(monkeypatch, Terminal())
    with pytest.raises(RuntimeError, match="on purpose"):
        _fails().train(IRIS)
    assert not room._open


def _fails():
    from pipeops import torch_callback

    def stop(ctx):
        raise RuntimeError("on purpose")

    nodes = [po("torch_ingress_num"), nn("head"), po("torch_loss", "cross_entropy"), po("torch_optimizer", "sgd", lr=0.1)]
    called = po("torch_callbacks", ["progress", torch_callback("stop", on_epoch_begin=stop)])
    return as_learner(chain([*nodes, called, po("torch_model_classif", epochs=2, batch_size=25)]))


def test_files_stay_empty(monkeypatch):
    file = put(monkeypatch, io.StringIO())
    network().train(IRIS)
    resample(IRIS, lrn("classif.featureless"), rsmp("cv", folds=2), seed=1)
    assert file.getvalue() == ""
    resample(IRIS, lrn("classif.featureless"), rsmp("cv", folds=2), seed=1, progress=True)
    assert "2/2" in file.getvalue(), "who asks gets it"


@pytest.mark.parametrize("vectorized", [True, False])
def test_a_resampling_has_one_bar_and_its_folds_have_none(monkeypatch, vectorized):
    terminal = put(monkeypatch, Terminal())
    resample(IRIS, network(), rsmp("cv", folds=3), seed=1, vectorized=vectorized)
    shown = terminal.getvalue()
    assert "benchmark" in shown
    assert "3/3" in last(terminal)[0]
    assert "epochs" not in shown
    resample(IRIS, network(), rsmp("cv", folds=3), seed=1, vectorized=vectorized, progress=False)
    assert terminal.getvalue() == shown, "quiet means quiet, inside too"


def _refuses(column):
    raise RuntimeError("on purpose")


def test_a_benchmark_counts_what_failed(monkeypatch):
    terminal = put(monkeypatch, Terminal())
    learners = [lrn("classif.featureless"), as_learner(po("colapply", applicator=_refuses) >> lrn("classif.lda"))]
    learners[1].encapsulate = "try"
    benchmark(benchmark_grid(IRIS, learners, rsmp("cv", folds=2)), seed=1, errors="keep")
    assert "4/4" in last(terminal)[0]
    assert "failed=2" in last(terminal)[0]


def test_a_search_shows_the_best_score_and_what_is_left(monkeypatch):
    terminal = put(monkeypatch, Terminal())
    pytest.importorskip("optuna")
    learner = lrn("classif.tree", max_depth=to_tune(1, 3), random_state=0)
    tuner = auto_tuner(learner, resampling=rsmp("cv", folds=2), measure="classif.acc", n_trials=3, stagnation=9, seed=1)
    tuner.train(IRIS)
    line = last(terminal)[0]
    scores = tuner.archive["classif.acc"]
    assert "3/3" in line
    assert f"best={scores.max():.4g}" in line
    assert f"patience={9 - (2 - scores.arg_max())}" in line
    assert "benchmark" not in terminal.getvalue()


def test_only_the_outermost_of_several_is_seen(monkeypatch):
    put(monkeypatch, Terminal())
    with bar("outer", 2, "job") as outer, bar("inner", 2, "job", shown=True) as inner:
        assert (outer.seen, inner.seen) == (True, False)
        inner.tell(2)
    with bar("next", 1, "job") as after:
        assert after.seen
    left = Bar("lost", 1, "job")
    del left
    assert not room._open, "one that nobody holds hides no other"


def test_a_notebook_is_watched_though_its_stderr_is_no_terminal(monkeypatch):
    put(monkeypatch, io.StringIO())
    assert not watched()
    shell = types.SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    assert watched()
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: None))
    assert not watched()
    monkeypatch.setattr(sys, "stderr", None)
    assert not watched()
