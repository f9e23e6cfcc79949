"""A graph as a learner: ids, hyperparameters, rows, new data, validation data and what it shows of its model."""

import numpy as np
import polars as pl
import pytest
from graph_nodes import CALLS, Features, Model

from pipeops import GraphLearner, as_learner, chain, lrn, nn, po, tsk
from pipeops.errors import ConfigError, DataError, NotTrainedError
from pipeops.graph import operator


def network(**model):
    parts = [
        po("torch_ingress_num"), nn("linear", out_features=4), nn("relu"), nn("head"),
        po("torch_loss", loss="cross_entropy"), po("torch_optimizer", lr=0.05),
        po("torch_model_classif", **({"epochs": 3, "batch_size": 16, "seed": 1, "predict_type": "prob"} | model)),
    ]  # fmt: skip
    return chain(parts)


@operator
class Watching(Features):
    """Notes the rows that it is fitted on and applied to."""

    def train(self, inputs):
        CALLS.append(("watching", "train", inputs[0].row_ids.tolist()))
        return inputs, {}

    def predict(self, inputs, state):
        CALLS.append(("watching", "predict", inputs[0].row_ids.tolist()))
        return inputs


def test_ids_and_types():
    learner = as_learner(po("scale") >> network())
    assert isinstance(learner, GraphLearner)
    assert learner.id == "scale.torch_ingress_num.linear.relu.head.torch_loss.torch_optimizer.torch_model_classif"
    assert (learner.task_type, learner.predict_types, learner.predict_type) == ("classif", ("response", "prob"), "prob")
    assert as_learner(network(), id="mlp").id == "mlp"
    assert as_learner(learner) is learner
    assert as_learner(Model()).task_type == "classif"
    assert as_learner(po("scale") >> lrn("regr.lm")).task_type == "regr"
    assert (
        repr(as_learner(network(), id="mlp"))
        == "<GraphLearner:mlp> not trained; takes a task (classif), predicts prob (of response, prob)"
    )


def test_the_graph_is_copied():
    graph = po("scale") >> network()
    learner = as_learner(graph).train(tsk("breast_cancer"))
    assert not graph.is_trained
    learner.params["scale.center"] = False
    assert graph["scale"].center is True
    assert not learner.is_trained, "a changed hyperparameter drops what was learnt"


def test_predictions_keep_the_rows_and_their_order():
    task = tsk("breast_cancer")
    rows = [500, 3, 77, 12]
    learner = as_learner(po("scale") >> network()).train(task, rows=range(0, 569, 2))
    prediction = learner.predict(task, rows=rows)
    assert prediction.row_ids.tolist() == rows
    whole = learner.predict(task)
    assert whole.row_ids.tolist() == list(range(569))
    np.testing.assert_allclose(prediction.prob, whole.prob[rows], rtol=1e-5)
    assert prediction.truth.tolist() == task.truth()[rows].tolist()
    by_hand = as_learner(po("scale") >> network()).train(task.filter(range(0, 569, 2)))
    assert np.array_equal(by_hand.predict(task).prob, whole.prob)


def test_new_data_needs_no_target():
    task = tsk("breast_cancer")
    learner = as_learner(po("scale") >> network()).train(task)
    frame = task.data().drop(task.target_names)
    expected = learner.predict(task)
    for given in (
        frame,
        frame.to_pandas(),
        frame.to_arrow(),
        frame.select(frame.columns[::-1]),
        frame.with_columns(extra=pl.lit(1)),
    ):
        assert np.array_equal(learner.predict_newdata(given).prob, expected.prob)
    assert learner.predict_newdata(frame.head(0)).row_ids.tolist() == []
    with pytest.raises(DataError, match=r"no column 'mean radius'|no column"):
        learner.predict_newdata(frame.drop(frame.columns[0]))


def test_predict_type_can_be_set_after_training():
    task = tsk("breast_cancer")
    learner = as_learner(po("scale") >> network()).train(task)
    prob = learner.predict(task)
    learner.predict_type = "response"
    assert learner.is_trained
    response = learner.predict(task)
    assert response.prob is None
    assert response.response.tolist() == prob.response.tolist()
    with pytest.raises(ConfigError, match=r"predict_type must be one of \('response', 'prob'\), got 'probs'"):
        learner.predict_type = "probs"


def test_a_ratio_splits_before_anything_is_fitted():
    CALLS.clear()
    task = tsk("breast_cancer")
    task = task.with_roles(stratum=task.target_names)
    learner = as_learner(Watching() >> network(measures_valid=["classif.acc"]), validate=0.25).train(task)
    (_, first, fitted), (_, second, applied) = CALLS
    assert (first, second) == ("train", "predict")
    assert not set(fitted) & set(applied)
    assert sorted(fitted + applied) == list(range(569))
    assert len(applied) == pytest.approx(569 * 0.25, abs=2)
    share = np.mean(task.truth()[applied] == "benign")
    assert share == pytest.approx(357 / 569, abs=1 / len(applied)), "stratified"
    assert set(learner.internal_valid_scores) == {"classif.acc"}
    CALLS.clear()
    learner.train(task)
    assert CALLS[0][2] == fitted, "the split follows from the seed"


def test_validation_data_that_is_given():
    CALLS.clear()
    task = tsk("breast_cancer")
    valid, rest = task.filter(range(100)), task.filter(range(100, 569))
    for learner, more in (
        (as_learner(Watching() >> network(), validate=valid), {}),
        (as_learner(Watching() >> network(), validate="predefined"), {"valid": valid}),
    ):
        CALLS.clear()
        learner.train(rest, **more)
        assert [rows for _, _, rows in CALLS] == [list(range(100, 569)), list(range(100))]
    with pytest.raises(DataError, match=r'validate="predefined" needs the data'):
        as_learner(network(), validate="predefined").train(task)
    for wrong in (0, 1.0, "half", -0.1, 1.5, [1]):
        with pytest.raises(ConfigError, match=r"validate is a ratio in \(0, 1\)"):
            as_learner(network(), validate=wrong)


def test_what_the_model_shows():
    learner = as_learner(network(measures_train=["classif.acc"]))
    for name in ("network", "history", "model", "best_epoch", "internal_valid_scores"):
        with pytest.raises(NotTrainedError, match=r"train it before"):
            getattr(learner, name)
    learner.train(tsk("breast_cancer"))
    assert list(learner.network.state_dict()) == ["linear.weight", "linear.bias", "head.weight", "head.bias"]
    assert learner.history["epoch"].to_list() == [1, 2, 3]
    assert "train.classif.acc" in learner.history.columns
    assert learner.timings["train"] > 0
    assert learner.reset().state is None
    plain = as_learner(po("scale") >> lrn("classif.featureless")).train(tsk("iris"))
    with pytest.raises(NotTrainedError, match=r"no node of this graph has a 'network'"):
        plain.network  # noqa: B018


# ---------------------------------------------------------------- hyperparameters of a trained learner


KEPT = {
    "predict_type": "response",
    "batch_size_predict": 7,
    "device": "cpu",
    "num_threads": 2,
    "epochs": 3,
    "seed": 1,
    "measures_train": (),
    "shuffle": True,
}


@pytest.mark.parametrize("name", KEPT)
def test_what_only_matters_when_predicting_keeps_what_was_learnt(name):
    task = tsk("breast_cancer")
    learner = as_learner(po("scale") >> network()).train(task)
    before = learner.predict(task)
    learner.params[f"torch_model_classif.{name}"] = KEPT[name]
    assert learner.params[f"torch_model_classif.{name}"] == KEPT[name]
    assert learner.is_trained
    after = learner.predict(task)
    assert after.response.tolist() == before.response.tolist()
    assert ("prob" in after.predict_types) is (name != "predict_type")


@pytest.mark.parametrize(("name", "value"), [("epochs", 4), ("seed", 2), ("measures_train", ["classif.ce"]), ("drop_last", True)])
def test_other_hyperparameters_drop_it(name, value):
    learner = as_learner(network()).train(tsk("breast_cancer"))
    learner.params[f"torch_model_classif.{name}"] = value
    assert not learner.is_trained
    assert not learner.graph.is_trained


def test_a_graph_keeps_its_states_alike():
    graph = network()
    graph.train(tsk("breast_cancer"))
    graph.params["torch_model_classif.batch_size_predict"] = 5
    graph.params["linear.out_features"] = 4
    assert graph.is_trained
    with pytest.raises(ConfigError):
        graph.params["linear.out_features"] = 0
    assert graph.is_trained
    graph.params["linear.out_features"] = 5
    assert not graph.is_trained


def test_the_predict_type_of_a_copy_may_be_set():
    import copy

    learner = as_learner(network()).train(tsk("breast_cancer"))
    for other in (copy.copy(learner), copy.deepcopy(learner)):
        other.predict_type = "response"
        assert other.predict(tsk("breast_cancer")).predict_types == ["response"]
    assert learner.predict_type == "prob"
