"""Measures of quantiles, of the likelihood, and of the features that folds select, against hand calculations."""

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pipeops import as_learner, as_task_classif, as_task_regr, benchmark, benchmark_grid, lrn, msr, resample, rsmp
from pipeops.errors import ConfigError
from pipeops.learn.measures.measure import MeasureWarning
from pipeops.learn.prediction.classif import PredictionClassif
from pipeops.learn.prediction.regr import PredictionRegr

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
REGR = as_task_regr(X, X[:, 0] + RNG.normal(size=60))
TRUTH, Q = np.array([0.0, 1.0, 2.0, 5.0]), np.array([1.0, 1.0, 3.0, 3.0])
PREDICTION = PredictionRegr(truth=TRUTH, quantiles={0.5: TRUTH, 0.75: Q})


def pinball(truth, guess, alpha):
    return np.mean(np.where(truth >= guess, alpha * (truth - guess), (1 - alpha) * (guess - truth)))


def test_quantiles_are_scored_by_their_own_column():
    assert PREDICTION.score(msr("regr.pinball", alpha=0.75)) == pytest.approx(pinball(TRUTH, Q, 0.75))
    assert PREDICTION.score("regr.pinball") == 0
    naive = pinball(TRUTH, np.quantile(TRUTH, 0.75), 0.75)
    assert PREDICTION.score(msr("regr.rqr", alpha=0.75)) == pytest.approx(1 - pinball(TRUTH, Q, 0.75) / naive)
    with pytest.raises(ConfigError, match="none of the quantiles"):
        PREDICTION.score(msr("regr.pinball", alpha=0.1))
    with pytest.raises(ConfigError, match="needs quantiles"):
        PredictionRegr(truth=[1.0, 2.0], response=[1.0, 2.0]).score("regr.rqr")


def test_a_constant_truth_has_no_r_squared():
    with pytest.warns(MeasureWarning, match="constant"):
        assert math.isnan(PredictionRegr(truth=[1.0, 1.0], quantiles={0.5: [1.0, 2.0]}).score("regr.rqr"))


def test_criteria_of_a_linear_model_by_hand():
    learner = lrn("regr.lm").train(REGR)
    residuals = REGR.truth() - learner.predict(REGR).response
    variance = np.mean(residuals**2)
    likelihood = np.sum(-0.5 * np.log(2 * np.pi * variance) - residuals**2 / (2 * variance))
    assert msr("aic").score(learner=learner) == pytest.approx(-2 * likelihood + 2 * 5)
    assert msr("aic", k=3).score(learner=learner) == pytest.approx(-2 * likelihood + 3 * 5)
    assert msr("bic").score(learner=learner) == pytest.approx(-2 * likelihood + math.log(60) * 5)


def test_criteria_of_a_logistic_regression_without_penalty():
    task = as_task_classif(X, np.where(X[:, 0] + RNG.normal(size=60) > 0, "p", "n"))
    learner = lrn("classif.log_reg", C=math.inf, predict_type="prob").train(task)
    prob = learner.predict(task).prob[np.arange(60), task.class_codes()]
    assert msr("aic").score(learner=learner) == pytest.approx(-2 * np.log(prob).sum() + 2 * 4)
    with pytest.warns(MeasureWarning, match="does not have it"):
        assert math.isnan(msr("aic").score(learner=lrn("classif.log_reg").train(task)))


def test_similarity_compares_the_features_of_folds():
    from sklearn.tree import DecisionTreeRegressor

    tree = as_learner(DecisionTreeRegressor(max_depth=1, random_state=0), id="stump")
    noise = as_task_regr(RNG.normal(size=(60, 3)), RNG.normal(size=60))
    result = benchmark(benchmark_grid([noise], [tree], [rsmp("cv", folds=4)]), seed=1, store_models=True)
    chosen = [set(record.outcome.learner.selected_features()) for record in result.records]
    pairs = [(a, b) for i, a in enumerate(chosen) for b in chosen[i + 1 :]]
    found = result.aggregate(["sim.jaccard", "sim.phi"])
    assert found["sim.jaccard"][0] == pytest.approx(np.mean([len(a & b) / len(a | b) for a, b in pairs]))
    assert found["sim.phi"][0] == pytest.approx(np.mean([1.0 if a == b else -0.5 for a, b in pairs]))
    with pytest.warns(MeasureWarning, match="compares folds"):
        assert result.score("sim.jaccard")["sim.jaccard"].is_nan().all()


def test_debug_counts_rows():
    result = resample(as_task_classif(X, X[:, 0] > 0), lrn("classif.featureless"), rsmp("cv", folds=3), seed=1)
    assert result.score("debug_classif")["debug_classif"].to_list() == [20.0, 20.0, 20.0]
    with pytest.warns(MeasureWarning):
        assert result.score(msr("debug_classif", na_ratio=1.0))["debug_classif"].is_nan().all()


@pytest.mark.parametrize("key", ["mauc_aunu", "mauc_aunp", "mauc_au1u", "mauc_au1p", "mauc_mu"])
def test_a_weight_in_a_multiclass_area_is_so_many_equal_rows(key):
    rng = np.random.default_rng(1)
    prob, truth, times = rng.dirichlet(np.ones(3), 40), rng.choice(list("abc"), 40), rng.integers(1, 4, 40)
    one = PredictionClassif(truth=truth, prob=prob, class_names=list("abc"))
    rows = np.repeat(np.arange(40), times)
    several = PredictionClassif(truth=truth[rows], prob=prob[rows], class_names=list("abc"))
    weighted = one.score(f"classif.{key}", weights=times)
    assert weighted == pytest.approx(several.score(f"classif.{key}"))
    assert weighted != pytest.approx(one.score(f"classif.{key}"))
    if key == "mauc_aunp":
        expected = roc_auc_score(truth, prob, multi_class="ovr", average="weighted", sample_weight=times)
        assert weighted == pytest.approx(expected)
