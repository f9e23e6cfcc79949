"""Graphs that choose and repeat: branches, proxies, multiplicities, one class against the others."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from pipeops import (
    Graph,
    PredictionClassif,
    as_learner,
    as_task_classif,
    auto_tuner,
    gunion,
    load_learner,
    lrn,
    nn,
    po,
    ppl,
    rsmp,
    to_tune,
    tsk,
)
from pipeops.errors import ConfigError, DataError, NotTrainedError
from pipeops.graph.kinds import INACTIVE, Multiplicity

IRIS, CANCER = tsk("iris"), tsk("breast_cancer")


def branched(selection):
    graph = ppl("branch", {"scaled": po("scale"), "ranged": po("scalerange")}) >> lrn("classif.log_reg", predict_type="prob")
    graph.params["branch.selection"] = selection
    return graph


@pytest.mark.parametrize(("selection", "node", "other"), [("scaled", "scale", "scalerange"), ("ranged", "scalerange", "scale")])
def test_only_the_way_that_is_taken_is_trained(selection, node, other, tmp_path):
    learner = as_learner(branched(selection)).train(IRIS)
    plain = as_learner(po(node) >> lrn("classif.log_reg", predict_type="prob")).train(IRIS)
    assert np.array_equal(learner.predict(IRIS).prob, plain.predict(IRIS).prob)
    assert learner.model[node]
    assert learner.model[other] is None
    learner.save(tmp_path / "chosen")
    again = load_learner(tmp_path / "chosen")
    assert np.array_equal(again.predict(IRIS).prob, plain.predict(IRIS).prob)
    assert again.params["branch.selection"] == selection


def test_the_choice_is_a_hyperparameter_like_any_other():
    graph = branched("scaled")
    graph.train(IRIS)
    assert graph.params.setting("branch.selection").param.options == ("scaled", "ranged")
    with pytest.raises(ConfigError, match=r"'selection' must be one of 'scaled', 'ranged', got 'other'"):
        graph.params["branch.selection"] = "other"
    graph.params["branch.selection"] = "ranged"
    with pytest.raises(NotTrainedError):
        graph.predict(IRIS)
    for token in (to_tune(["ranged"]), to_tune()):
        tuner = auto_tuner(as_learner(branched("scaled")), {"branch.selection": token}, rsmp("holdout"), "classif.acc", 3, seed=1)
        assert tuner.train(IRIS).best_params["branch.selection"] in ("scaled", "ranged")


def test_learners_are_chosen_the_same_way():
    models = ppl("branch", {"tree": lrn("classif.tree", id="tree"), "lda": lrn("classif.lda", id="lda")}, id="model")
    assert models.ids() == ["model", "tree", "lda", "model_unbranch"]
    models.params["model.selection"] = "lda"
    learner = as_learner(models).train(IRIS)
    assert (learner.model["tree"], learner.task_type) == (None, "classif")
    assert learner.predict(IRIS).response.tolist() == lrn("classif.lda").train(IRIS).predict(IRIS).response.tolist()


def test_activations_of_a_network_are_chosen():
    def network(middle):
        graph = po("scale") >> po("torch_ingress_num") >> nn("linear", out_features=4) >> middle >> nn("head")
        graph = graph >> po("torch_loss", loss="cross_entropy") >> po("torch_optimizer")
        return as_learner(graph >> po("torch_model_classif", epochs=2, batch_size=50, seed=1, predict_type="prob"))

    chosen = network(ppl("branch", {"a": nn("relu"), "b": nn("tanh")}))
    chosen.params["branch.selection"] = "b"
    right = network(nn("tanh")).train(CANCER).predict(CANCER).prob
    assert np.array_equal(chosen.train(CANCER).predict(CANCER).prob, right)


def test_a_branch_that_is_not_joined_again():
    open_end = po("branch", options=["a", "b"]) >> [po("scale"), po("nop")]
    assert open_end.train(IRIS)["nop.output"] is INACTIVE
    with pytest.raises(DataError, match=r"gets nothing through 1 of 2 inputs.*unbranch") as caught:
        (open_end >> po("featureunion")).train(IRIS)
    assert caught.value.__notes__ == ["in node 'featureunion', training"]
    with pytest.raises(DataError, match="2 of its 2 inputs are active"):
        ([po("scale"), po("scalerange")] >> po("unbranch")).train(IRIS)
    inner = ppl("branch", {"x": ppl("branch", [po("scale"), po("nop")], id="inner"), "y": po("nop", id="out")}, id="outer")
    inner.params["outer.selection"] = "y"
    assert inner.train(IRIS).matrix().tolist() == IRIS.matrix().tolist()
    assert inner.state["scale"] is inner.state["inner"] is None


def test_validation_data_takes_the_same_way():
    graph = branched("ranged")
    graph.train(CANCER.filter(range(300)), valid=CANCER.filter(range(300, 569)), keep_results=True)
    assert graph.results["scale"] == [INACTIVE]
    assert graph.results["scalerange"][0].nrow == 300
    graph.train(CANCER)
    assert graph.results == {}


def test_a_proxy_is_what_it_holds():
    graph = po("proxy", content=po("scale") >> po("scalerange")) >> lrn("classif.lda")
    right = po("scale") >> po("scalerange") >> lrn("classif.lda")
    graph.train(IRIS)
    right.train(IRIS)
    assert graph.predict(IRIS).response.tolist() == right.predict(IRIS).response.tolist()
    assert list(graph.state["proxy"]) == ["scale", "scalerange"]
    graph.params["proxy.content"] = po("nop")
    assert graph.ids() == ["proxy", "classif_lda"]
    graph.train(IRIS)
    with pytest.raises(TypeError, match="the content has 2 outputs"):
        po("proxy", content=gunion([po("scale"), po("nop")]))


def test_a_node_is_trained_for_each_value_of_a_multiplicity():
    graph = po("replicate", reps=3) >> po("subsample", frac=0.5, use_groups=False) >> po("scale")
    graph.train(IRIS)
    assert len(graph.state["scale"]) == 3
    means = {repr(state["learnt"]) for state in graph.state["scale"]}
    assert len(means) == 3, "each drew rows of its own"
    out = graph.predict(IRIS)
    assert isinstance(out, Multiplicity)
    assert len({task.matrix().tobytes() for task in out}) == 3
    joined = po("replicate", reps=2) >> po("scale") >> po("multiplicityexply", outnum=2) >> po("featureunion", innum=["a", "b"])
    assert joined.train(IRIS).ncol == 9
    both = gunion([po("scale"), po("nop")]) >> po("multiplicityimply") >> po("scalerange")
    assert [len(task.feature_names) for task in both.train(IRIS)] == [4, 4]
    with pytest.raises(DataError, match=r"takes a \[\*\] in train, got TaskClassif"):
        (po("nop") >> po("multiplicityexply", outnum=2)).train(IRIS)
    with pytest.raises(DataError, match="gets 2 values for 3 outputs"):
        (po("replicate", reps=2) >> po("multiplicityexply", outnum=3)).train(IRIS)


def test_one_against_the_rest_is_that_of_scikit_learn(tmp_path):
    learner = as_learner(ppl("ovr", lrn("classif.log_reg", predict_type="prob"))).train(IRIS)
    right = OneVsRestClassifier(LogisticRegression(max_iter=learner.params.get("classif_log_reg.max_iter", 100)))
    right.fit(IRIS.matrix(), IRIS.truth())
    np.testing.assert_allclose(learner.predict(IRIS).prob, right.predict_proba(IRIS.matrix()), atol=2e-3)
    assert learner.predict(IRIS).truth.tolist() == IRIS.truth().tolist()
    learner.save(tmp_path / "ovr")
    assert np.array_equal(load_learner(tmp_path / "ovr").predict(IRIS).prob, learner.predict(IRIS).prob)
    votes = as_learner(ppl("ovr", lrn("classif.tree"))).train(IRIS).predict(IRIS)
    assert votes.prob is None
    assert votes.score("classif.acc") > 0.9


@pytest.mark.parametrize("labels", [[3, 1, 2], ["=1", "rest.", "x"], [1, 2, 3]])
def test_labels_come_back_as_what_they_were(labels):
    x = np.repeat([0.0, 5.0, 10.0], 10) + np.linspace(0, 1, 30)
    task = as_task_classif({"x": x, "y": [labels[k // 10] for k in range(30)]}, target="y")
    learner = as_learner(ppl("ovr", lrn("classif.tree", predict_type="prob"))).train(task)
    prediction = learner.predict(task)
    assert prediction.class_names == task.class_names
    assert prediction.response.tolist() == task.truth().tolist() == prediction.truth.tolist()
    new = learner.predict_newdata({"x": [0.2, 10.3]})
    assert new.response.tolist() == [labels[0], labels[2]]
    assert learner.predict(task.filter([25])).response.tolist() == [labels[2]], "a subset without the other classes"


def test_copies_side_by_side():
    graph = ppl("greplicate", po("subsample", frac=0.5, seed=1) >> po("scale"), 2) >> po("featureunion", innum=["a", "b"])
    assert graph.ids() == ["subsample_1", "scale_1", "subsample_2", "scale_2", "featureunion"]
    assert graph.train(IRIS).ncol == 9
    with pytest.raises(ConfigError, match="'n' must be"):
        ppl("greplicate", po("nop"), 0)


def test_chunks_are_all_rows_once():
    parts = po("chunk", outnum=4, seed=2).train([IRIS])[0]
    assert sorted(np.concatenate([part.row_ids for part in parts])) == list(range(150))
    neighbours = po("chunk", outnum=3, shuffle=False).train([IRIS])[0]
    assert [part.row_ids.tolist() for part in neighbours] == [list(range(k, k + 50)) for k in (0, 50, 100)]


def test_multiplicities_are_joined_named_and_weighed():
    graph = po("replicate") >> po("scale") >> po("featureunion", collect_multiplicity=True)
    assert graph.train(IRIS).feature_names == IRIS.feature_names
    with pytest.raises(ConfigError, match="not both"):
        po("featureunion", innum=2, collect_multiplicity=True)
    assert [c.name for c in po("multiplicityimply", innum=["a", "b"]).inputs] == ["a", "b"]
    each = [PredictionClassif(prob=[p], class_names=[name, "rest"]) for p, name in ((0.4, "a"), (0.4, "b"))]
    node = po("ovrunite", weights=[1, 3])
    assert node.predict([Multiplicity(each)], {})[0].prob[0] == pytest.approx([0.25, 0.75])
    rest = IRIS.select([]).cbind({"x": [1.0] * 150})
    assert po("ovrsplit").train([rest])[0][0][0].class_names == ["setosa", "rest"]


def test_a_number_chooses_among_numbered_ways():
    graph = po("branch", options=2, selection=2) >> [po("scale"), po("pca")] >> po("unbranch")
    assert graph.params["branch.selection"] == "output2"
    assert graph.train(IRIS).feature_names[0] == "PC1"
    with pytest.raises(ConfigError, match="'selection' must be one of"):
        po("branch", options=["a", "b"], selection=3)


def test_a_proxy_without_content_unites_features():
    graph = gunion([po("pca"), po("nop")]) >> po("proxy", innum=2)
    assert graph.train(IRIS).feature_names == ["PC1", "PC2", "PC3", "PC4", *IRIS.feature_names]


def test_multiplicities_within_multiplicities_are_joined_one_level_at_a_time():
    tree = lrn("classif.tree", predict_type="prob", max_depth=2, random_state=0)
    learner = as_learner(ppl("bagging", ppl("ovr", tree), iterations=2)).seeded(1).train(IRIS)
    assert [len(states) for states in learner.model["classif_tree"]] == [3, 3]
    several = []
    for state in learner.model["subsample"]:
        rows = po("subsample", frac=0.7, seed=state["seed"]).train([IRIS])[0][0]
        several.append(as_learner(ppl("ovr", tree)).train(rows).predict(IRIS).prob)
    assert np.abs(learner.predict(IRIS).prob - np.mean(several, axis=0)).mean() < 0.01  # trees of other seeds
    other = as_learner(ppl("ovr", ppl("bagging", tree, iterations=2)), validate=0.3).seeded(1).train(IRIS)
    assert [len(states) for states in other.model["subsample"]] == [2, 2, 2]
    assert other.predict(IRIS).class_names == IRIS.class_names
    parts = (po("replicate", reps=2) >> po("replicate", reps=3, id="inner") >> po("multiplicityexply", outnum=3)).train(1)
    assert list(parts.values()) == [Multiplicity([1, 1])] * 3


def test_a_learner_may_be_added_as_a_node():
    graph = Graph().add_pipeop(po("scale")).add_pipeop(lrn("classif.lda")).add_edge("scale", "classif_lda")
    assert as_learner(graph).train(IRIS).is_trained


def test_nodes_used_by_hand_hand_on_what_was_not_taken():
    for node in (po("scale"), po("featureunion", innum=2), po("learner", lrn("classif.lda"))):
        nothing = [INACTIVE] * len(node.inputs)
        assert node.train(nothing)[0] == [INACTIVE]
        assert node.predict(nothing, None) == [INACTIVE]
    with pytest.raises(DataError, match="takes a task"):
        po("scale").train([None])
