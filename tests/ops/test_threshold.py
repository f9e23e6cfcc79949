"""Thresholds set by hand and chosen on validation data."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeops import PredictionClassif, as_learner, as_task_classif, load_learner, lrn, measure, nn, po, tsk
from pipeops.errors import CompositionError, ConfigError, DataError
from pipeops.learn.prediction.regr import PredictionRegr


def two(prob, truth=None):
    return PredictionClassif(truth=truth, prob=prob, class_names=["pos", "neg"])


def three(prob, truth=None):
    return PredictionClassif(truth=truth, prob=prob, class_names=["a", "b", "c"])


def tuned(prediction, **hyper):
    return po("tunethreshold", **hyper).train([None], valid=[prediction])[1]


def test_threshold_changes_the_response_and_nothing_else():
    before = two([0.9, 0.5, 0.3, 0.29])
    after = po("threshold", thresholds=0.3).predict([before], {})[0]
    assert after.response.tolist() == ["pos", "pos", "pos", "neg"]
    assert before.response.tolist() == ["pos", "pos", "neg", "neg"]
    np.testing.assert_array_equal(after.prob, before.prob)


def test_threshold_by_label():
    prediction = three([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6]])
    node = po("threshold", thresholds={"a": 0.5, "b": 0.3, "c": 0.1})
    assert node.predict([prediction], {})[0].response.tolist() == ["c", "c"]


def test_the_reference_refuses_the_same(reference):
    objects = reference("07_prediction")["objects"]
    cases = {name: case for name, case in objects.items() if name.startswith("threshold/")}
    assert cases
    for case in cases.values():
        columns = {c["name"]: c for c in case["input"]["table"]}
        names = columns["truth"]["levels"]
        prob = [columns[f"prob.{n}"]["values"] for n in names if f"prob.{n}" in columns]
        prediction = PredictionClassif(
            truth=columns["truth"]["values"],
            response=columns["response"]["values"],
            prob=np.transpose(prob) if prob else None,
            class_names=names,
        )
        node = eval(case["r"], {"po": po})
        if case["output"] is None:
            with pytest.raises(DataError):
                node.predict([prediction], {})
        else:
            expected = next(c["values"] for c in case["output"]["table"] if c["name"] == "response")
            assert node.predict([prediction], {})[0].response.tolist() == expected


def test_a_single_threshold_for_three_classes_is_refused_as_in_the_reference():
    with pytest.raises(DataError, match="a single number needs two classes"):
        po("threshold").predict([three([[0.7, 0.2, 0.1]])], {})


def test_a_prediction_without_probabilities_is_refused():
    response = PredictionClassif(truth=["pos", "neg"], response=["pos", "neg"], class_names=["pos", "neg"])
    with pytest.raises(DataError, match="no probabilities"):
        po("threshold", thresholds=0.3).predict([response], {})
    with pytest.raises(DataError, match="predict_type='prob'"):
        tuned(response)


def test_only_classifications_go_in():
    with pytest.raises(CompositionError):
        po("torch_model_regr", epochs=1, batch_size=1) >> po("threshold")


def test_tuned_by_hand():
    state = tuned(two([0.1, 0.2, 0.35, 0.8], ["neg", "neg", "pos", "pos"]))
    assert state["thresholds"] == pytest.approx((0.2 + 0.35) / 2)
    assert state["score"] == 0.0


def test_equal_scores_stay_near_one_half():
    assert tuned(two([0.1, 0.9], ["neg", "pos"]))["thresholds"] == 0.5


def test_no_class_at_all_can_be_best():
    assert tuned(two([0.6, 0.7, 0.8], ["neg", "neg", "neg"]))["thresholds"] == 1.0
    assert tuned(two([0.1, 0.2, 0.3], ["pos", "pos", "pos"]))["thresholds"] <= 0.1


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=2, max_size=30), st.sampled_from(["ce", "bacc", "fbeta"]))
def test_two_classes_nothing_beats_the_chosen_threshold(rows, key):
    prob, truth = [p / 20 for p, _ in rows], ["pos" if t else "neg" for _, t in rows]
    if len(set(truth)) == 2:
        prediction = two(prob, truth)
        best = tuned(prediction, measure=f"classif.{key}")["score"]
        everywhere = [_score(prediction, t, f"classif.{key}") for t in np.linspace(0, 1, 41)]
        assert best == (min if key == "ce" else max)(s for s in everywhere if not np.isnan(s))


def _score(prediction, threshold, key):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return prediction.set_threshold(threshold).score(key)


def test_resolution_bounds_the_work():
    calls = []

    def counted(truth, response):
        calls.append(1)
        return float((truth == response).mean())

    rng = np.random.default_rng(1)
    prediction = two(rng.random(5000), np.where(rng.random(5000) < 0.3, "pos", "neg"))
    tuned(prediction, measure=measure("counted", counted, minimize=False), resolution=50)
    assert len(calls) <= 50 + 3 + 1


def test_three_classes_improve_on_the_most_probable_class():
    rng = np.random.default_rng(0)
    truth = rng.choice(["a", "b", "c"], 300, p=[0.8, 0.1, 0.1])
    onehot = (truth[:, None] == np.array(["a", "b", "c"])) * 1.0
    prob = 0.3 * onehot + 0.7 * np.array([0.8, 0.1, 0.1]) + rng.uniform(0, 0.1, (300, 3))
    prediction = three(prob / prob.sum(axis=1, keepdims=True), truth)
    state = tuned(prediction, measure="classif.bacc", resolution=60)
    after = po("tunethreshold").predict([prediction], state)[0].score("classif.bacc")
    assert after == state["score"] > prediction.score("classif.bacc") + 0.2


@pytest.mark.parametrize("key", ["classif.auc", "regr.mse", "classif.logloss"])
def test_a_measure_that_no_threshold_changes_is_refused(key):
    with pytest.raises(ConfigError, match="no threshold changes it"):
        tuned(two([0.1, 0.9], ["neg", "pos"]), measure=key)


def test_a_measure_without_direction_is_refused():
    with pytest.raises(ConfigError, match="direction"):
        tuned(two([0.1, 0.9], ["neg", "pos"]), measure=lambda truth, response: 1.0)


def test_missing_truth_is_refused():
    with pytest.raises(DataError, match="truth"):
        tuned(two([0.1, 0.9], ["neg", None]))


def test_without_validation_data_it_says_what_to_do():
    with pytest.raises(ConfigError, match=r"validate=0\.3"):
        po("tunethreshold").train([None])


def test_a_regression_prediction_is_refused_by_the_channel():
    with pytest.raises(AttributeError):
        po("threshold").predict([PredictionRegr(response=[1.0])], {})


@pytest.fixture
def unbalanced():
    rng = np.random.default_rng(3)
    y = np.where(rng.random(400) < 0.1, "yes", "no")
    columns = {"x": (rng.normal(size=400) + 1.5 * (y == "yes")).tolist(), "y": y.tolist()}
    return as_task_classif(columns, target="y", positive="yes", id="unbalanced").with_roles(stratum="y")


def model(**end):
    network = po("scale") >> po("torch_ingress_num") >> nn("head") >> po("torch_loss", loss="cross_entropy")
    node = po("torch_model_classif", epochs=30, batch_size=32, seed=1, predict_type="prob", **end)
    return network >> po("torch_optimizer", optimizer="adam", lr=0.1) >> node


def test_in_a_graph_the_thresholds_come_from_the_validation_rows_alone(unbalanced, tmp_path):
    learner = as_learner(model() >> po("tunethreshold", measure="classif.bacc"), validate=0.4).train(unbalanced)
    plain = as_learner(model(), validate=0.4).train(unbalanced)
    assert learner.predict(unbalanced).score("classif.bacc") > plain.predict(unbalanced).score("classif.bacc") + 0.05
    held_out = learner._split(unbalanced, None)[2]
    state = learner.model["tunethreshold"]
    assert plain.predict(held_out).set_threshold(state["thresholds"]).score("classif.bacc") == state["score"]
    learner.save(tmp_path / "tuned")
    np.testing.assert_array_equal(
        load_learner(tmp_path / "tuned").predict(unbalanced).response, learner.predict(unbalanced).response
    )


def test_in_a_graph_the_learner_still_predicts_probabilities(unbalanced):
    learner = as_learner(model() >> po("threshold", thresholds=0.2)).train(unbalanced)
    prediction = learner.predict(unbalanced)
    np.testing.assert_array_equal(prediction.response == "yes", prediction.prob[:, 0] >= 0.2)
    assert learner.predict_type == "prob"


@pytest.mark.parametrize("wrong", ["0.5", 1.5, True, None])
def test_thresholds_are_refused_when_the_node_is_made(wrong):
    with pytest.raises(ConfigError, match=r"threshold: 'thresholds' is a number in \[0, 1\]"):
        po("threshold", thresholds=wrong)


def test_thresholds_may_stand_in_the_order_of_the_classes():
    prediction = PredictionClassif(prob=[[0.5, 0.3, 0.2]], class_names=["a", "b", "c"])
    assert po("threshold", thresholds=[0.9, 0.3, 0.9]).predict([prediction], {})[0].response.tolist() == ["b"]
    with pytest.raises(DataError, match="has 2 thresholds for the classes"):
        po("threshold", thresholds=[0.9, 0.3]).predict([prediction], {})


def test_thresholds_are_tuned_on_probabilities_out_of_fold():
    task = tsk("breast_cancer")
    (made,), _ = (base := po("learner_cv", lrn("classif.lda", predict_type="prob"), seed=1)).train([task])
    learner = as_learner(base >> po("tunethreshold", measure="classif.bacc")).train(task)
    prob = made.matrix("float64")[:, 0]
    by_hand = PredictionClassif(truth=task.truth(), prob=prob, class_names=task.class_names)
    state = learner.model["tunethreshold"]
    assert state["score"] == by_hand.set_threshold(state["thresholds"]).score("classif.bacc")
    assert state["score"] >= max(by_hand.set_threshold(t).score("classif.bacc") for t in (0.1, 0.3, 0.5, 0.7))
    later, plain = learner.predict(task), lrn("classif.lda", predict_type="prob").train(task).predict(task)
    assert np.allclose(later.prob, plain.prob)
    assert np.array_equal(later.response, plain.set_threshold(state["thresholds"]).response)
    with pytest.raises(DataError, match="are not the probabilities of its classes"):
        po("tunethreshold").train([task])
