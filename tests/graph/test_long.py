"""Long graphs and networks are copied and pickled like short ones; learners are changed, shared and refused without harm."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from pipeops import as_learner, as_task_classif, chain, lrn, nn, po, tsk
from pipeops.errors import CompositionError, ConfigError, DataError

CANCER = tsk("breast_cancer")


def model(**settings):
    head = chain([nn("head"), po("torch_loss", loss="cross_entropy"), po("torch_optimizer")])
    return head >> po("torch_model_classif", **{"epochs": 1, "batch_size": 300, "seed": 1, "predict_type": "prob", **settings})


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_thousand_nodes_are_copied(copied):
    layers = chain([po("torch_ingress_num"), *(nn("identity") for _ in range(1000))])
    assert len(copied(layers)) == 1001
    symbol = copied(layers.train(CANCER)).symbol
    assert [s.id for s in symbol.ancestors()][:3] == ["torch_ingress_num", "identity", "identity_2"]
    learner = as_learner(layers >> model()).train(CANCER.filter(range(50)))
    assert np.array_equal(copied(learner).predict(CANCER).prob, learner.predict(CANCER).prob)


def test_branches_meet_again_by_identity_in_copies():
    graph = po("torch_ingress_num") >> nn("linear", out_features=3) >> [nn("relu"), nn("tanh")] >> nn("merge_sum")
    symbol = copy.deepcopy(graph.train(CANCER)).symbol
    left, right = symbol.inputs
    assert left.inputs[0] is right.inputs[0]


def test_threads_that_predict_and_train_never_mix():
    tasks = [
        as_task_classif({"x": np.r_[np.zeros(20), np.ones(20)], "y": np.roll(["a"] * 20 + ["b"] * 20, k)}, target="y")
        for k in (0, 20)
    ]
    trained = [as_learner(po("scale") >> lrn("classif.tree")).train(task) for task in tasks]
    shared, graph = as_learner(po("scale") >> lrn("classif.tree")), po("scale") >> lrn("classif.tree")
    shared.train(tasks[0])
    graph.train(tasks[0])

    def work(k):
        if k % 4 == 3:
            shared.train(tasks[0])
            graph.train(tasks[0])
        one = trained[k % 2].predict(tasks[k % 2]).score("classif.acc")
        return one, shared.predict(tasks[0]).score("classif.acc"), graph.predict(tasks[0]).score("classif.acc")

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(work, range(64))) == {(1.0, 1.0, 1.0)}


def test_refused_training_keeps_what_was_there():
    graph = po("scale") >> po("torch_ingress_num") >> model()
    learner = as_learner(graph).train(CANCER)
    graph.train(CANCER)
    before = learner.predict(CANCER).prob
    text = as_task_classif({"x": ["u", "v"] * 5, "y": ["a", "b"] * 5}, target="y")
    for bad in (text, tsk("diabetes"), "no task"):
        for thing in (learner, graph):
            with pytest.raises((DataError, ConfigError)):
                thing.train(bad)
    assert np.array_equal(learner.predict(CANCER).prob, before)
    assert np.array_equal(graph.predict(CANCER).prob, before)


def test_a_learner_made_of_a_learner():
    tree = lrn("classif.tree").train(tsk("iris"))
    other = as_learner(tree, id="mine")
    assert (other.id, tree.id, other.is_trained) == ("mine", "classif.tree", True)
    assert as_learner(tree) is tree
    with pytest.raises(ConfigError, match="validate"):
        as_learner(tree, validate=0.3)
    network = as_learner(po("torch_ingress_num") >> model(measures_valid=["classif.ce"]))
    changed = as_learner(network, validate=0.3).train(CANCER)
    assert (network.validate, changed.validate, network.is_trained) == (None, 0.3, False)
    assert changed.internal_valid_scores.keys() == {"classif.ce"}


def test_a_place_that_is_filled_later_may_end_a_learner():
    graph = po("scale") >> po("proxy", content=lrn("classif.lda"))
    learner = as_learner(graph).train(tsk("iris"))
    assert learner.predict(tsk("iris")).score("classif.acc") > 0.9
    with pytest.raises(CompositionError, match="must end in a prediction"):
        as_learner(po("proxy", content=po("scale"))).train(tsk("iris")).predict(tsk("iris"))


def test_the_layout_that_a_learner_keeps_has_the_roles_of_the_task():
    task = tsk("iris").with_roles(group="petal width (cm)") if "petal width (cm)" in tsk("iris").feature_names else tsk("iris")
    learner = as_learner(po("scale") >> lrn("classif.lda")).train(task)
    assert learner.state.prototype.roles == task.roles
    assert learner.state.prototype.feature_names == task.feature_names
    assert learner.state.prototype.nrow == 0
