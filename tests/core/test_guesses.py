"""Names that users guess first: keys, arguments and attributes are answered with what they are called here."""

import re

import pytest

import pipeops
from pipeops import (
    as_learner,
    as_task_classif,
    auto_fselector,
    auto_tuner,
    benchmark_grid,
    flt,
    lrn,
    msr,
    nn,
    partition,
    po,
    ppl,
    resample,
    rsmp,
    selector_type,
    t_clbk,
    t_loss,
    t_opt,
    to_tune,
    tsk,
)
from pipeops.errors import UnknownKeyError, UnknownParameterError
from pipeops.guessed_keys import KEYS
from pipeops.guessed_names import ATTRIBUTES, ATTRIBUTES_OF, NAMES
from pipeops.guesses import Guessing
from pipeops.registry import Registry

SHELVES = {r.name: r for r in (lrn, po, nn, msr, rsmp, t_loss, t_clbk, tsk, flt, ppl, t_opt)}
NAMED = [(shelf, key, text) for shelf, rows in KEYS.items() for key, text in rows.items()]


@pytest.mark.parametrize(("shelf", "key", "text"), NAMED)
def test_a_guessed_key_is_answered_with_the_one_that_there_is(shelf, key, text):
    """What is proposed exists, so that the table cannot go stale; a key that is on the shelf by now leaves it."""
    with pytest.raises(UnknownKeyError, match=re.escape(text)):
        SHELVES[shelf](key)
    for name, proposed in re.findall(rf'\b({"|".join(SHELVES)})\("([\w.]+)"', text):
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
        (lambda: po("learner_cv", LEARNER, resampling_folds=3), "folds"),
        (lambda: po("learner_cv", LEARNER, **{"resampling.keep_response": True}), "keep_response"),
        (lambda: po("filter", "variance", filter_nfeat=3), "nfeat"),
        (lambda: po("isomap", k=3), "knn"),
        (lambda: as_task_classif({"x": [1], "y": ["a"]}, label="y"), "target"),
        (lambda: as_task_classif(x={"x": [1], "y": ["a"]}, target="y"), "data"),
        (lambda: auto_fselector(LEARNER, rsmp("cv"), strategy="sfs"), "method"),
        (lambda: to_tune(1, 2, depends={}), "when"),
        (lambda: lrn("classif.tree", maxdepth=3), "max_depth"),
        (lambda: lrn("classif.random_forest", num_trees=3), "n_estimators"),
        (lambda: lrn("classif.random_forest", mtry=3), "max_features"),
        (lambda: lrn("classif.knn", k=3), "n_neighbors"),
        (lambda: lrn("classif.svm", cost=3), "C"),
        (lambda: po("filter", flt("anova"), filter_nfeat=2), "nfeat"),
        (lambda: po("learner_cv", lrn("classif.tree"), resampling_folds=2), "folds"),
        (lambda: po("pca", n_components=2), "rank"),
        (lambda: LEARNER.predict_newdata(newdata={}), "frame"),
        (lambda: TASK.data(cols=["x"]), "columns"),
        (lambda: as_learner(po("scale") >> lrn("classif.tree")).params["classif_tree.maxdepth"], "classif_tree.max_depth"),
        (lambda: as_learner(po("scale") >> lrn("classif.tree")).params["maxdepth"], "classif_tree.max_depth"),
    ],
)
def test_a_guessed_argument_is_answered_with_its_name(call, name):
    with pytest.raises(UnknownParameterError, match=f"'{name}'"):
        call()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: lrn("classif.tree", timeout=3), "learner.timeout"),
        (lambda: lrn("classif.tree", fallback=LEARNER), "learner.fallback"),
        (lambda: lrn("classif.tree", predict_sets=["test"]), "resample, benchmark and measures"),
        (lambda: resample(TASK, LEARNER, rsmp("cv"), store_backends=True), "a result holds its tasks"),
        (lambda: auto_tuner(LEARNER, resampling=rsmp("cv"), terminator=3), "n_trials=, seconds="),
        (lambda: po("scale", param_vals={}), "arguments of their own"),
        (lambda: to_tune(1, 2, tags="budget"), r"auto_tuner\(budget=\)"),
        (lambda: lrn("surv.coxph"), "nothing here for survival analysis"),
        (lambda: lrn("rpart"), r'lrn\("classif.tree"\) or lrn\("regr.tree"\)'),
        (lambda: selector_type("factor"), "It is 'categorical' here"),
    ],
)
def test_what_has_no_counterpart_is_answered_in_words(call, words):
    with pytest.raises(UnknownKeyError, match=words):
        call()


@pytest.mark.parametrize("name", NAMES)
def test_a_guessed_name_at_the_top_is_answered(name):
    assert not hasattr(pipeops, name)
    with pytest.raises(AttributeError, match=re.escape(NAMES[name])):
        getattr(pipeops, name)
    for word in re.findall(r"^(\w+)\(", NAMES[name]):
        assert word in pipeops.__all__


def test_a_guessed_name_is_answered_when_it_is_imported():
    with pytest.raises(ImportError, match=r"no attribute 'tune'\. It is auto_tuner\("):
        from pipeops import tune  # noqa: F401
    with pytest.raises(AttributeError, match="Did you mean 'resample'"):
        pipeops.resampel  # noqa: B018


def test_nodes_resamplings_measures_and_params_answer_too():
    for thing, name, words in (
        (po("scale"), "param_set", "params"),
        (po("scale"), "state", r"graph.state\[id\]"),
        (rsmp("cv"), "n_splits", "folds"),
        (msr("classif.acc"), "greater_is_better", "minimize"),
        (LEARNER.params, "set_values", "update"),
        (TASK, "add_strata", r"with_roles\(stratum="),
        (LEARNER, "set_validate", "as_learner"),
    ):
        with pytest.raises(AttributeError, match=words):
            getattr(thing, name)


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
    trained = LEARNER.clone().train(TASK)
    result = resample(TASK, LEARNER, rsmp("holdout"))
    graph = po("scale") >> lrn("classif.featureless")
    for thing in (
        LEARNER,
        TASK,
        as_learner(graph),
        trained.predict(TASK),
        result,
        graph,
        po("scale"),
        rsmp("cv"),
        msr("classif.acc"),
    ):
        assert not [
            name for name in own_names(type(thing)) if hasattr(type(thing), name) or name in getattr(thing, "__dict__", ())
        ]


def own_names(cls):
    """What is answered of a class: its own rows, and those of all that it does not have."""
    own = {name for base in cls.__mro__ for name in ATTRIBUTES_OF.get(base.__name__, {})}
    return own | ({*ATTRIBUTES} if cls.__name__ in ("ClassifFeatureless", "TaskClassif", "GraphLearner") else set())


def test_an_error_inside_a_function_stays_what_it_is():
    def broken(task):
        return dict(task, a=1)(nonsense=1)

    with pytest.raises(TypeError) as error:
        TASK.filter(rows=[0]).select(broken(TASK))
    assert not isinstance(error.value, UnknownParameterError)
