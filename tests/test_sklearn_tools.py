"""The tools of scikit-learn over graphs: searches, thresholds, stacking, calibration, inspection, routing of metadata."""

import numpy as np
import pytest
import sklearn
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris
from sklearn.ensemble import StackingRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import HalvingGridSearchCV, cross_val_predict, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pipeops import PipeOpsClassifier, PipeOpsRegressor, lrn, nn, po

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3))
Y = np.where(X[:, 0] + 0.5 * RNG.normal(size=120) > 0, "yes", "no")
OURS = PipeOpsClassifier(lrn("classif.log_reg"))
THEIRS = LogisticRegression()


def network(epochs=10):
    return (
        po("torch_ingress_num")
        >> nn("head")
        >> po("torch_loss", loss="cross_entropy")
        >> po("torch_optimizer", optimizer="adam", lr=0.1)
        >> po("torch_model_classif", epochs=epochs, batch_size=40, seed=1)
    )


def test_halving_finds_what_it_would_for_scikit_learns_own():
    cut = {"cv": 2, "random_state": 0, "factor": 2}
    ours = HalvingGridSearchCV(OURS, {"C": [1e-4, 1.0, 10.0]}, **cut).fit(X, Y)
    theirs = HalvingGridSearchCV(THEIRS, {"C": [1e-4, 1.0, 10.0]}, **cut).fit(X, Y)
    assert ours.best_params_ == theirs.best_params_
    assert ours.best_score_ == pytest.approx(theirs.best_score_, abs=0.02)


def test_calibrated_and_stacked_estimators_are_those_of_scikit_learns_own():
    ours = CalibratedClassifierCV(OURS, cv=3, ensemble=False).fit(X, Y)
    theirs = CalibratedClassifierCV(make_pipeline(THEIRS), cv=3, ensemble=False).fit(X, Y)
    assert ours.predict_proba(X).shape == (120, 2)
    assert np.abs(ours.predict_proba(X)[:, 1] - theirs.predict_proba(X)[:, 1]).mean() < 0.1
    assert (ours.predict(X) == theirs.predict(X)).mean() > 0.95
    stacks = [
        StackingRegressor([("one", one), ("two", Ridge(alpha=9.0))], final_estimator=Ridge(), cv=3).fit(X, X[:, 0])
        for one in (PipeOpsRegressor(lrn("regr.ridge", alpha=2.0)), Ridge(alpha=2.0))
    ]
    np.testing.assert_allclose(stacks[0].predict(X), stacks[1].predict(X), atol=1e-6)


def test_predictions_and_importance_are_those_of_scikit_learns_own():
    ours, theirs = (cross_val_predict(e, X, Y, cv=3, method="predict_proba") for e in (OURS, THEIRS))
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    ours, theirs = (permutation_importance(e.fit(X, Y), X, Y, n_repeats=2, random_state=0) for e in (OURS, THEIRS))
    np.testing.assert_allclose(ours.importances, theirs.importances, atol=0.02)
    ours, theirs = (
        partial_dependence(e.fit(X, Y), X, [0], method="brute", response_method="predict_proba") for e in (OURS, THEIRS)
    )
    np.testing.assert_allclose(ours["average"], theirs["average"], atol=1e-4)


def test_displays_of_scikit_learn():
    pytest.importorskip("matplotlib").use("Agg")
    from matplotlib.figure import Figure
    from sklearn.inspection import DecisionBoundaryDisplay, PartialDependenceDisplay

    x, y = load_iris(return_X_y=True)
    fitted = PipeOpsClassifier(po("scale") >> lrn("classif.lda")).fit(x[:, :2], y)
    shown = DecisionBoundaryDisplay.from_estimator(fitted, x[:, :2], grid_resolution=5, ax=Figure().subplots())
    assert shown.response.shape[:2] == (5, 5)
    drawn = PartialDependenceDisplay.from_estimator(fitted, x[:, :2], [0], target=1, grid_resolution=4, ax=Figure().subplots())
    assert drawn.pd_results[0]["average"].shape == (3, 4)


def test_weights_are_routed_to_networks_and_through_pipelines():
    w = np.where(Y == "yes", 5.0, 0.2)
    plain, weighted = PipeOpsClassifier(network()), PipeOpsClassifier(network()).fit(X, Y, sample_weight=w)
    share = [(e.predict(X) == "yes").mean() for e in (plain.fit(X, Y), weighted)]
    assert share[1] > share[0] + 0.1
    none = PipeOpsClassifier(network()).fit(X, Y, sample_weight=np.ones(120))
    np.testing.assert_allclose(none.predict_proba(X), plain.predict_proba(X), atol=1e-5)
    with sklearn.config_context(enable_metadata_routing=True):
        asking = (
            PipeOpsClassifier(lrn("classif.log_reg")).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        )
        chained = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), asking)
        scores = cross_validate(chained, X, Y, params={"sample_weight": w}, cv=3)["test_score"]
        theirs = make_pipeline(
            StandardScaler().set_fit_request(sample_weight=False),
            LogisticRegression().set_fit_request(sample_weight=True).set_score_request(sample_weight=True),
        )
        expected = cross_validate(theirs, X, Y, params={"sample_weight": w}, cv=3)["test_score"]
    np.testing.assert_allclose(scores, expected, atol=0.02)
