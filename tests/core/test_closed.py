"""Attributes that a thing does not have are refused."""

import copy
import pickle

import pytest

from pipeops import as_learner, auto_tuner, lrn, po, rsmp, to_tune
from pipeops.closed import Closed
from pipeops.errors import PipeOpsError, UnknownAttributeError


class Thing(Closed):
    kind = "thing"
    note: str

    def __init__(self, size=1):
        self.size = size


class Larger(Thing):
    def __init__(self):
        super().__init__(2)
        self.weight = 3


def test_what_init_sets_and_the_class_declares_may_be_set():
    larger = Larger()
    larger.size, larger.weight, larger.kind, larger.note, larger._own = 4, 5, "b", "c", 6
    assert vars(larger) == {"size": 4, "weight": 5, "kind": "b", "note": "c", "_own": 6}


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))])
def test_another_attribute_is_refused_of_copies_too(again):
    thing = again(Thing())
    with pytest.raises(UnknownAttributeError, match=r"Thing: a Thing has no attribute 'sise'. Did you mean 'size'\?"):
        thing.sise = 2
    assert isinstance(UnknownAttributeError(), AttributeError | KeyError | PipeOpsError)
    with pytest.raises(UnknownAttributeError, match="weight"):
        thing.weight = 1


def learners():
    graph = po("scale") >> lrn("classif.tree")
    return [lrn("classif.tree"), lrn("regr.featureless"), as_learner(graph), as_learner(graph).clone()]


@pytest.mark.parametrize("learner", learners(), ids=lambda learner: type(learner).__name__)
def test_learners_refuse_attributes_that_they_do_not_have(learner):
    learner.id, learner.predict_type, learner.encapsulate, learner.fallback = "mine", "response", "try", None
    with pytest.raises(UnknownAttributeError, match="mine: .* Did you mean 'predict_type'"):
        learner.predict_tpye = "prob"


def test_a_hyperparameter_is_pointed_to():
    with pytest.raises(UnknownAttributeError, match=r"It is a hyperparameter: set params\['max_depth'\]"):
        lrn("classif.tree").max_depth = 3


def test_tuners_and_graphs_refuse_them_too():
    pytest.importorskip("optuna")
    tuner = auto_tuner(lrn("classif.tree", max_depth=to_tune(1, 3)), resampling=rsmp("holdout"), n_trials=1)
    graph = (po("nop") >> po("nop")).copy()
    for thing in (tuner, graph):
        with pytest.raises(UnknownAttributeError, match="keep_results"):
            thing.keep_results = True
