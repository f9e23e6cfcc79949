"""Losses that do not see a constant leave the last bias rounding for a gradient: under Adam such networks train alone."""

import numpy as np
import pytest

from pipeops import as_learner, as_task_classif, nn, po, resample, rsmp

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 4))
TASK = as_task_classif(X, (X[:, 0] + RNG.normal(size=90) > 0.5).astype(int))


def run(loss, optimizer, stacked):
    graph = (
        po("torch_ingress_num")
        >> nn("linear", out_features=8)
        >> nn("relu")
        >> nn("head")
        >> po("torch_loss", loss=loss)
        >> po("torch_optimizer", optimizer=optimizer, lr=0.02)
        >> po("torch_model_classif", epochs=6, batch_size=32, predict_type="prob")
    )
    result = resample(TASK, as_learner(graph), rsmp("cv", folds=4), seed=1, store_models=True, vectorized=stacked)
    together = [learner.model["torch_model_classif"].stacked for learner in result.learners()]
    return together, result.predictions()["prob.1"].to_numpy()


@pytest.mark.parametrize("loss", ["hinge_pairs", "square_pairs", "aum", "cross_entropy"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_numbers_are_those_of_serial_training(loss, optimizer):
    together, prob = run(loss, optimizer, True)
    alone, expected = run(loss, optimizer, False)
    assert together == ([1] * 4 if optimizer == "adam" and loss != "cross_entropy" else [4] * 4)
    assert alone == [1] * 4
    np.testing.assert_allclose(prob, expected, atol=1e-4)
