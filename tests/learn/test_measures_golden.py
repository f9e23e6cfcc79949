"""Every measure beside what mlr3 returned, undefined cases and errors included."""

import json
import math
import os
import warnings
from pathlib import Path

import pytest

from pipeops.learn.measures.measure import MeasureWarning
from pipeops.learn.prediction.classif import PredictionClassif
from pipeops.learn.prediction.regr import PredictionRegr
from pipeops.shorthand import msr

ELSEWHERE_DEFINED = {"classif.prauc"}
"""scikit-learn's average precision is a step function, mlr3's area interpolates: equal only in the cases without steps."""

OF_LEARNERS = {"aic", "bic", "sim.jaccard", "sim.phi"}


@pytest.fixture(scope="module")
def reference():
    folder = os.environ.get("PIPEOPS_REFERENCE")
    if not folder:
        pytest.skip("set PIPEOPS_REFERENCE to the folder of reference outputs")
    return json.loads((Path(folder) / "05_measures.json").read_text())


def number(value):
    return math.nan if value is None else float(value)


def check(case, prediction):
    """All scores of one case; answers how many were compared."""
    compared = 0
    for key, expected in case["scores"].items():
        if key in OF_LEARNERS:
            continue
        compared += 1
        where = f"{case['case']}: {key}"
        if "error" in expected:
            with pytest.raises(ValueError, match=key):
                prediction.score(key)
            continue
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            score = prediction.score(key)
        value = number(expected["value"])
        assert [w.category for w in seen] == ([MeasureWarning] if math.isnan(value) else []), where
        if math.isnan(value) or (key not in ELSEWHERE_DEFINED or value in (0, 0.5, 1)):
            assert score == pytest.approx(value, rel=1e-9, abs=1e-12, nan_ok=True), where
    return compared


def test_binary(reference):
    for case in reference["binary"]:
        prediction = PredictionClassif(
            truth=case["truth"], response=case["response"], prob=case["prob_positive"], class_names=case["levels"]
        )
        assert prediction.confusion.counts.tolist() == case["confusion_rows_response_cols_truth"]
        assert check(case, prediction) >= 30


def test_multiclass(reference):
    for case in reference["multiclass"]:
        prediction = PredictionClassif(
            truth=case["truth"], response=case["response"], prob=case["prob_rows"], class_names=case["levels"]
        )
        assert prediction.confusion.counts.tolist() == case["confusion_rows_response_cols_truth"]
        assert check(case, prediction) >= 30


def test_regression(reference):
    for case in reference["regression"]:
        if case["case"] == "NA_response":
            case["scores"]["regr.rsq"] = {"error": "the reference forgets to look for missing values here"}
        assert check(case, PredictionRegr(truth=case["truth"], response=case["response"])) >= 17


PROB = [0.9, 0.6, 0.4, 0.3, 0.2, 0.7, 0.8, 0.1]
BINARY = {"truth": ["pos", "pos", "neg", "pos", "neg", "neg", "pos", "neg"], "class_names": ["pos", "neg"]}


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("response_only", {"truth": BINARY["truth"][:4], "response": ["pos", "neg", "pos", "neg"]}),
        ("na_response", {"truth": ["pos", "neg"], "response": ["pos", None]}),
        ("na_truth", {"truth": ["pos", None], "response": ["pos", "neg"]}),
        ("zero_rows", {"truth": [], "response": []}),
    ],
)
def test_incomplete(reference, name, changes):
    """Where the reference answers NaN for want of probabilities there is an error here, which says so."""
    prediction = PredictionClassif(**{**BINARY, **changes})
    for key, expected in reference[name]["scores"].items():
        if "error" in expected or expected["value"] == "NaN":
            with pytest.raises(ValueError, match=key):
                prediction.score(key)


def test_extra(reference):
    extra = {name: entry["value"] for name, entry in reference["extra"].items()}
    binary = PredictionClassif(prob=PROB, **BINARY)
    costs = {"pos": {"pos": 0, "neg": 1}, "neg": {"pos": 5, "neg": 0}}
    assert [binary.score(msr("classif.fbeta", beta=2))] == pytest.approx(extra["fbeta_beta2"])
    assert [binary.score(msr("classif.costs", costs=costs))] == extra["costs"]
    assert [binary.score(msr("classif.costs", costs=costs, normalize=False))] == extra["costs_unnormalized"]
    assert list(binary.score(["classif.acc", "classif.auc"]).values()) == extra["multiple"]
    assert [binary.score()] == extra["default_measure_classif"]
    extreme = PredictionClassif(truth=["a", "b"], prob=[0.0, 0.0], class_names=["a", "b"])
    assert [extreme.score("classif.logloss")] == pytest.approx(extra["logloss_eps"])


def test_what_a_measure_is(reference):
    for facts in reference["measures_meta"]:
        key = facts["key"]
        one = msr(key)
        assert one.range == tuple(number(v) for v in facts["range"]), key
        assert one.minimize == facts["minimize"], key
        assert one.task_type == facts["task_type"], key
        assert one.average == facts["average"], key
        assert one.two_classes == ("twoclass" in facts["task_properties"]), key
        assert one.label == (facts["label"] or "R Squared"), key
        if key != "regr.pinball":  # of the response here, of predicted quantiles there
            assert one.predict_type == facts["predict_type"], key
        assert ("learner" in one.needs) == ("requires_learner" in facts["properties"]), key
