"""Names that users guess first: keys, arguments and attributes are answered with what they are called here."""

import re

import pytest

from pipeops import (
    as_learner,
    as_task_classif,
    auto_tuner,
    benchmark_grid,
    lrn,
    msr,
    nn,
    partition,
    po,
    resample,
    rsmp,
    t_clbk,
    t_loss,
    to_tune,
    tsk,
)
from pipeops.errors import UnknownKeyError, UnknownParameterError
from pipeops.guesses import ATTRIBUTES, KEYS, Guessing
from pipeops.registry import Registry

SHELVES = {"lrn": lrn, "po": po, "nn": nn, "msr": msr, "rsmp": rsmp, "t_loss": t_loss, "t_clbk": t_clbk, "tsk": tsk}
NAMED = [(shelf, key, text) for shelf, rows in KEYS.items() for key, text in rows.items()]


@pytest.mark.parametrize(("shelf", "key", "text"), NAMED)
def test_a_guessed_key_is_answered_with_the_one_that_there_is(shelf, key, text):
    """What is proposed exists, so that the table cannot go stale; a key that is on the shelf by now leaves it."""
    with pytest.raises(UnknownKeyError, match=re.escape(text)):
        SHELVES[shelf](key)
    for name, proposed in re.findall(r'\b(lrn|po|nn|msr|rsmp|t_loss|t_clbk|tsk)\("([\w.]+)"', text):
        assert proposed in Registry.all[name], text


TASK = as_task_classif({"x": [1.0, 2.0, 3.0, 4.0], "y": ["a", "b", "a", "b"]}, target="y")
LEARNER = lrn("classif.featureless")


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: LEARNER.train(TASK, row_ids=[0, 1]), "rows"),
        (lambda: TASK.select(cols=["x"]), "names"),
        (lambda: to_tune(lower=0, upper=1), "low"),
        (lambda: to_tune(0, upper=1), "high"),
        (lambda: to_tune(1e-4, 1, logscale=True), "log"),
        (lambda: resample(TASK, LEARNER, rsmp("holdout"), measure="classif.acc"), "measures"),
        (lambda: benchmark_grid(task=[TASK], learners=[LEARNER], resamplings=[rsmp("holdout")]), "tasks"),
        (lambda: auto_tuner(LEARNER, {}, rsmp("holdout"), "classif.acc", n_evals=3), "n_trials"),
        (lambda: rsmp("cv", n_splits=3), "folds"),
        (lambda: partition(TASK, test_size=0.3), "ratio"),
        (lambda: nn("linear", units=3), "out_features"),
        (lambda: po("torch_optimizer", optimizer="adam", learning_rate=0.1), "lr"),
        (lambda: as_task_classif({"x": [1], "y": ["a"]}, label="y"), "target"),
    ],
)
def test_a_guessed_argument_is_answered_with_its_name(call, name):
    with pytest.raises(UnknownParameterError, match=f"'{name}'"):
        call()


def test_a_guessed_attribute_is_answered_with_its_name():
    for thing, name, words in (
        (LEARNER, "param_set", "params"),
        (as_learner(po("scale") >> lrn("classif.featureless")), "configure", "params.update"),
        (TASK, "col_roles", "with_roles"),
        (TASK, "shape", "nrow and ncol"),
        (LEARNER.clone().train(TASK).predict(TASK), "confusion_matrix", "confusion"),
        (TASK, "feature_nmes", "feature_names"),
    ):
        with pytest.raises(AttributeError, match=words):
            getattr(thing, name)
        assert not hasattr(thing, name)
    with pytest.raises(AttributeError, match="params"):
        LEARNER.param_set = {}
    assert getattr(TASK, "nothing_like_this", 1) == 1


def test_what_goes_wrong_inside_a_property_is_not_taken_for_its_absence():
    class Broken(Guessing):
        @property
        def score(self):
            return None.value

    with pytest.raises(AttributeError, match="'NoneType' object has no attribute 'value'"):
        Broken().score  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute '_private'"):
        Broken()._private  # noqa: B018


def test_no_attribute_that_there_is_is_in_the_table():
    for thing in (LEARNER, TASK, as_learner(po("scale") >> lrn("classif.featureless"))):
        assert not [name for name in ATTRIBUTES if hasattr(thing, name)]


def test_an_error_inside_a_function_stays_what_it_is():
    def broken(task):
        return dict(task, a=1)(nonsense=1)

    with pytest.raises(TypeError) as error:
        TASK.filter(rows=[0]).select(broken(TASK))
    assert not isinstance(error.value, UnknownParameterError)
