"""Measures: by hand, beside scikit-learn, undefined cases, weights, groups, one's own, and what is refused."""

import copy
import itertools
import math
import pickle
import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn.metrics as skm
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeops.errors import ConfigError, DataError, UnknownParameterError
from pipeops.learn.measures.measure import Measure, MeasureWarning, as_measure, as_measures, measure
from pipeops.learn.prediction.classif import PredictionClassif
from pipeops.learn.prediction.regr import PredictionRegr
from pipeops.saving import Decoder, Encoder
from pipeops.shorthand import msr, msrs, rsmp

RNG = np.random.default_rng(0)
OWN = [key for key in msr if key.startswith(("classif.", "regr.")) or "_" in key]


def random_binary(n=60, weights=False):
    truth, prob = RNG.integers(0, 2, n), RNG.random(n).round(1)
    return PredictionClassif(
        truth=truth, prob=np.column_stack([prob, 1 - prob]), class_names=[1, 0], weights=RNG.random(n) if weights else None
    )


def random_regr(n=60, weights=False):
    truth = RNG.random(n) * 10 + 1
    return PredictionRegr(truth=truth, response=truth + RNG.normal(size=n) / 2, weights=RNG.random(n) if weights else None)


def beside_sklearn(p):
    t, r, s, w = p.truth, p.response, p.prob[:, 0], p.weights
    return {
        "classif.acc": skm.accuracy_score(t, r, sample_weight=w),
        "classif.bacc": skm.balanced_accuracy_score(t, r, sample_weight=w),
        "classif.auc": skm.roc_auc_score(t, s, sample_weight=w),
        "classif.prauc": skm.average_precision_score(t, s, sample_weight=w),
        "classif.logloss": skm.log_loss(t, np.clip(p.prob[:, ::-1], 1e-15, 1 - 1e-15), sample_weight=w),
        "classif.bbrier": skm.brier_score_loss(t, s, sample_weight=w),
        "classif.fbeta": skm.f1_score(t, r, sample_weight=w),
        "classif.mcc": skm.matthews_corrcoef(t, r, sample_weight=w),
        "classif.kappa": skm.cohen_kappa_score(t, r, sample_weight=w),
        "classif.precision": skm.precision_score(t, r, sample_weight=w),
        "classif.recall": skm.recall_score(t, r, sample_weight=w),
        "classif.specificity": skm.recall_score(t, r, sample_weight=w, pos_label=0),
        "classif.npv": skm.precision_score(t, r, sample_weight=w, pos_label=0),
    }


@pytest.mark.parametrize("weights", [False, True])
def test_classification_beside_scikit_learn(weights):
    prediction = random_binary(weights=weights)
    expected = beside_sklearn(prediction)
    assert prediction.score(list(expected)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("weights", [False, True])
def test_regression_beside_scikit_learn(weights):
    p = random_regr(weights=weights)
    t, r, w = p.truth, p.response, p.weights
    expected = {
        "regr.mse": skm.mean_squared_error(t, r, sample_weight=w),
        "regr.rmse": skm.root_mean_squared_error(t, r, sample_weight=w),
        "regr.mae": skm.mean_absolute_error(t, r, sample_weight=w),
        "regr.rsq": skm.r2_score(t, r, sample_weight=w),
        "regr.mape": skm.mean_absolute_percentage_error(t, r, sample_weight=w),
        "regr.msle": skm.mean_squared_log_error(t, r, sample_weight=w),
        "regr.rmsle": skm.root_mean_squared_log_error(t, r, sample_weight=w),
        "regr.pinball": skm.mean_pinball_loss(t, r, sample_weight=w),
    }
    assert p.score(list(expected)) == pytest.approx(expected)
    assert p.score(msr("regr.pinball", alpha=0.9)) == pytest.approx(skm.mean_pinball_loss(t, r, sample_weight=w, alpha=0.9))


def test_multiclass_areas_beside_scikit_learn():
    prob = RNG.dirichlet([1, 1, 1], 90)
    truth = np.array([RNG.choice(3, p=row) for row in prob])
    p = PredictionClassif(truth=truth, prob=prob, class_names=[0, 1, 2])
    assert p.score("classif.mauc_aunu") == pytest.approx(skm.roc_auc_score(truth, prob, multi_class="ovr"))
    assert p.score("classif.mauc_aunp") == pytest.approx(skm.roc_auc_score(truth, prob, multi_class="ovr", average="weighted"))
    assert p.score("classif.mauc_au1u") == pytest.approx(skm.roc_auc_score(truth, prob, multi_class="ovo"))
    assert p.score("classif.logloss") == pytest.approx(skm.log_loss(truth, prob))


def test_counts_and_rates_by_hand():
    truth, response = list("MMMMMRRRRR"), list("MMMRRMRRRR")  # tp 3, fn 2, fp 1, tn 4
    p = PredictionClassif(truth=truth, response=response, class_names=["M", "R"])
    expected = {
        "tp": 3,
        "fn": 2,
        "fp": 1,
        "tn": 4,
        "tpr": 0.6,
        "fnr": 0.4,
        "fpr": 0.2,
        "tnr": 0.8,
        "ppv": 0.75,
        "fdr": 0.25,
        "npv": 4 / 6,
        "fomr": 2 / 6,
        "dor": 6,
    }
    assert p.score([f"classif.{k}" for k in expected]) == pytest.approx({f"classif.{k}": v for k, v in expected.items()})
    assert p.score(msr("classif.fbeta", beta=0.5)) == pytest.approx(1.25 * 0.75 * 0.6 / (0.25 * 0.75 + 0.6))
    swapped = PredictionClassif(truth=truth, response=response, class_names=["R", "M"])
    assert swapped.score("classif.tp") == 4  # the positive class is the first, whatever it is called


def test_regression_by_hand():
    p = PredictionRegr(truth=[1, 2, 4], response=[2, 2, 1])
    expected = {
        "bias": -2 / 3,
        "sse": 10,
        "sae": 4,
        "maxae": 3,
        "medae": 1,
        "medse": 1,
        "pbias": (1 - 0.75) / 3,
        "smape": 2 * (1 / 3 + 3 / 5) / 3,
    }
    assert p.score([f"regr.{k}" for k in expected]) == pytest.approx({f"regr.{k}": v for k, v in expected.items()})


def test_costs_by_label():
    p = PredictionClassif(truth=list("aabb"), response=list("abab"), class_names=["a", "b"])
    costs = {"a": {"a": 0, "b": 10}, "b": {"a": 1, "b": -1}}  # of the response, then of the truth
    assert p.score(msr("classif.costs", costs=costs)) == (10 + 1 - 1) / 4
    assert p.score(msr("classif.costs", costs=costs, normalize=False)) == 10
    assert p.score(msr("classif.costs", costs=pd.DataFrame(costs).T)) == 2.5
    assert p.score(msr("classif.costs", costs=[[0, 10], [1, -1]])) == 2.5
    for bad in ({"a": {"a": 1}}, {"a": {"a": 0, "b": 1}, "c": {"a": 0, "b": 1}}, [[1]], [[0, math.nan], [0, 0]]):
        with pytest.raises(ConfigError, match=r"classif\.costs"):
            p.score(msr("classif.costs", costs=bad))
    with pytest.raises(ConfigError, match="set 'costs'"):
        p.score("classif.costs")


def aum_by_definition(positive, score):
    """Both rates at a constant inside each gap between thresholds, times the width of the gap."""
    limits = np.unique(-score)
    total = 0.0
    for low, high in itertools.pairwise(limits):
        predicted = score + (low + high) / 2 > 0
        total += (high - low) * min(np.mean(predicted[~positive]), np.mean(~predicted[positive]))
    return total


def test_aum():
    logits = np.array([2.0, -3.5, -1.0, 1.5])
    prob = 1 / (1 + np.exp(-logits))
    p = PredictionClassif(truth=[0, 0, 1, 1], prob=prob, class_names=[1, 0])
    assert p.score(msr("classif.aum", scale="logit")) == pytest.approx(1.5)
    assert p.score("classif.aum") == pytest.approx(aum_by_definition(p.truth == 1, prob))
    for _ in range(20):
        q = random_binary(12)
        if 0 < q.truth.sum() < 12:
            assert q.score("classif.aum") == pytest.approx(aum_by_definition(q.truth == 1, q.prob[:, 0]))
    doubled = PredictionClassif(truth=[0, 0, 1, 1, 1], prob=[*prob, prob[3]], class_names=[1, 0])
    assert p.score("classif.aum", weights=[1, 1, 1, 2]) == pytest.approx(doubled.score("classif.aum"))


@pytest.mark.parametrize(
    ("key", "truth", "response"),
    [
        ("classif.auc", "aa", None),
        ("classif.prauc", "bb", None),
        ("classif.aum", "bb", None),
        ("classif.mauc_mu", "aa", None),
        ("classif.fbeta", "ab", "bb"),
        ("classif.fbeta", "bb", "bb"),
        ("classif.tpr", "bb", "ab"),
        ("classif.fpr", "aa", "ab"),
        ("classif.ppv", "ab", "bb"),
        ("classif.dor", "ab", "ab"),
        ("classif.kappa", "aa", "aa"),
    ],
)
def test_undefined_classification_is_nan_with_the_name(key, truth, response):
    p = PredictionClassif(truth=list(truth), response=response and list(response), prob=[0.6, 0.7], class_names=["a", "b"])
    with pytest.warns(MeasureWarning, match=rf"^{key}: undefined .*\(.+\)"):
        assert math.isnan(p.score(key))


@pytest.mark.parametrize(
    ("key", "truth", "response"),
    [
        ("regr.rsq", [1, 1], [1, 2]),
        ("regr.rsq", [1], [1]),
        ("regr.mape", [0, 1], [1, 1]),
        ("regr.pbias", [0, 1], [1, 1]),
        ("regr.smape", [0, 1], [0, 1]),
        ("regr.msle", [1, 2], [-1, 2]),
        ("regr.rmsle", [-3, 2], [1, 2]),
        ("regr.ktau", [1, 1], [1, 2]),
        ("regr.srho", [1, 2], [2, 2]),
        ("regr.srho", [1], [2]),
    ],
)
def test_undefined_regression_is_nan_with_the_name(key, truth, response):
    with pytest.warns(MeasureWarning, match=f"^{key}: undefined"):
        assert math.isnan(PredictionRegr(truth=truth, response=response).score(key))


def test_degenerate_but_defined():
    one = PredictionClassif(truth=["a"], response=["a"], prob=[1.0], class_names=["a", "b"])
    assert one.score(["classif.mcc", "classif.acc", "classif.bacc", "classif.logloss"]) == pytest.approx(
        {"classif.mcc": 0, "classif.acc": 1, "classif.bacc": 1, "classif.logloss": 0}, abs=1e-14
    )
    certain = PredictionClassif(truth=["b"], prob=np.array([1.0], dtype=np.float32), class_names=["a", "b"])
    assert certain.score("classif.logloss") == pytest.approx(-math.log(1e-15))


def test_score_answers_float_or_dictionary():
    p = random_binary()
    assert isinstance(p.score("classif.auc"), float)
    assert p.score() == p.score("classif.ce")
    assert random_regr().score() > 0
    both = p.score(msrs(["classif.auc", "classif.acc"]))
    assert list(both) == ["classif.auc", "classif.acc"]
    assert p.score(["classif.auc"]) == {"classif.auc": both["classif.auc"]}
    assert list(p.score([msr("classif.fbeta", beta=2, id="f2"), "classif.fbeta"])) == ["f2", "classif.fbeta"]


def three_classes():
    return PredictionClassif(truth=list("abc"), prob=np.eye(3), class_names=list("abc"))


BAD_SCORES = [
    (lambda p: PredictionClassif(truth=["a", "b"], response=["a", "b"]).score("classif.auc"), 'predict_type="prob"'),
    (lambda p: p.score("regr.mse"), "scores regr predictions"),
    (lambda p: PredictionRegr(truth=[1], response=[1]).score("classif.acc"), "scores classif predictions"),
    (lambda p: three_classes().score("classif.auc"), "two classes"),
    (lambda p: three_classes().score("classif.tp"), "two classes"),
    (lambda p: p.filter([]).score("classif.auc"), "no rows"),
    (lambda p: p.filter([]).score("classif.ce"), "no rows"),
    (lambda p: PredictionRegr(response=[1.0]).score("regr.mse"), "truth of 1 of 1"),
    (lambda p: PredictionRegr(truth=[1.0], response=[None]).score("regr.rsq"), "response of 1 of 1"),
    (lambda p: PredictionClassif(prob=[0.5], class_names=["a", "b"]).score("classif.auc"), "truth of 1 of 1"),
    (lambda p: p.score("classif.auk"), "classif.auc"),
    (lambda p: p.score(msr("classif.fbeta", bta=2)), "beta"),
    (lambda p: p.score(msr("classif.fbeta", beta=-1)), "beta"),
    (lambda p: p.score(msr("classif.fbeta", beta="2")), "beta"),
    (lambda p: p.score(msr("classif.aum", scale="log")), "scale"),
    (lambda p: p.score(msr("classif.acc", average="median")), "average"),
    (lambda p: p.score(msr("classif.acc", use_weights="yes")), "use_weights"),
    (lambda p: p.score(["classif.acc", "classif.acc"]), "two measures|Two measures"),
    (lambda p: p.score(3), "A measure is a key"),
    (lambda p: p.score("time_train"), "needs the learner"),
    (lambda p: p.score("selected_features", learner=SimpleNamespace()), "needs the task"),
    (lambda p: p.score("classif.acc", weights=[1]), "weights"),
    (lambda p: p.score("classif.acc", weights=-np.ones(60)), "weights"),
    (lambda p: p.score(measure("plain", lambda truth, response: 0.0, minimize=True), weights=np.ones(60)), "observation weights"),
    (lambda p: p.score("classif.acc", by=[1, 2]), "'by' has 2 rows"),
    (lambda p: p.score("classif.acc", by=pl.DataFrame({"a": [1], "b": [2]})), "one column"),
    (lambda p: msr("classif.acc").score([1, 2]), "scores a prediction"),
    (lambda p: measure("my", 3, minimize=True), "needs a function"),
    (lambda p: measure("my", len, minimize=True, predict_type="se"), "predict_type"),
]


@pytest.mark.parametrize("beta", [0.5, 1, 2])
def test_fbeta_is_0_where_precision_and_recall_are_defined_and_0(beta):
    truth, response = list("pnnp"), list("npnn")
    found = PredictionClassif(truth=truth, response=response, class_names=["p", "n"]).score(msr("classif.fbeta", beta=beta))
    assert found == skm.fbeta_score(truth, response, pos_label="p", beta=beta) == 0


def test_a_missing_or_infinite_response_is_refused():
    for prediction in (
        PredictionRegr(truth=[1.0, 2.0], response=[np.inf, 1.0]),
        PredictionRegr(truth=[1.0, 2.0], response=[np.nan, 1.0]),
        PredictionClassif(truth=["a", "b"], response=["a", None]),
    ):
        one = msr(prediction.default_measure)
        with pytest.raises(DataError, match="response of 1 of 2 rows is missing"):
            prediction.score(one)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT])
def test_rows_without_a_group_are_one_group(missing):
    prediction = PredictionRegr(truth=[1.0, 2.0, 3.0], response=[1.0, 3.0, 5.0])
    for label in ("u", 1.0, pd.Timestamp("2020-01-01")):
        by = pd.Series([label, missing, missing], dtype=object)
        scores = prediction.score("regr.mse", by=by)
        assert (scores["n"].to_list(), scores["regr.mse"].to_list()) == ([1, 2], [0.0, 2.5])


@pytest.mark.parametrize(("attempt", "message"), BAD_SCORES)
def test_what_cannot_be_scored_says_so(attempt, message):
    with pytest.raises((ValueError, KeyError), match=message) as caught:
        attempt(random_binary())
    assert isinstance(caught.value, ConfigError | DataError | KeyError)


def test_weights_count_as_repeated_rows():
    p = PredictionClassif(truth=list("aabb"), prob=[0.9, 0.4, 0.6, 0.2], class_names=["a", "b"], weights=[1, 2, 3, 1])
    rows = np.repeat(np.arange(4), [1, 2, 3, 1])
    repeated = PredictionClassif(truth=p.truth[rows], prob=p.prob[rows], class_names=["a", "b"])
    keys = [k for k in msr if k.startswith("classif.") and k != "classif.costs" and msr(k).weighted]
    assert p.score(keys) == pytest.approx(repeated.score(keys))
    r = PredictionRegr(truth=[1, 2, 4, 8], response=[2, 2, 1, 9], weights=[1, 2, 3, 1])
    again = PredictionRegr(truth=r.truth[rows], response=r.response[rows])
    keys = [k for k in msr if k.startswith("regr.") and msr(k).weighted]
    assert r.score(keys) == pytest.approx(again.score(keys))
    assert r.score(msr("regr.mse", use_weights="ignore")) == r.with_weights(None).score("regr.mse")
    assert r.score(msr("regr.maxae", use_weights="ignore")) == 3


def test_groups():
    p = PredictionRegr(truth=[1, 2, 3], response=[1, 4, 3])
    frame = p.score(["regr.mae", "regr.sse"], by=pl.Series("sex", ["f", "m", "f"]))
    assert frame.rows() == [("f", 2, 0.0, 0.0), ("m", 1, 2.0, 4.0)]
    assert frame.columns == ["sex", "n", "regr.mae", "regr.sse"]
    assert p.score("regr.mae", by=np.array([0, 0, 1])).columns == ["group", "n", "regr.mae"]
    pandas = PredictionRegr(truth=[1.0], response=[1.0], backend="pandas").score("regr.mae", by=pd.DataFrame({"g": ["x"]}))
    assert isinstance(pandas, pd.DataFrame)
    assert list(pandas["g"]) == ["x"]


def test_a_function_of_ones_own():
    p = PredictionClassif(truth=["M", "R"], prob=[0.9, 0.7], class_names=["M", "R"])
    share = measure("share", lambda truth, response: (truth == response).mean(), minimize=False)
    assert p.score(share) == 0.5
    assert p.score([share, "classif.acc"]) == {"share": 0.5, "classif.acc": 0.5}

    def brier(truth, prob, positive, weights):
        return skm.brier_score_loss(truth == positive, prob[:, 0], sample_weight=weights)

    own = measure("own", brier, minimize=True, predict_type="prob")
    assert p.score(own) == pytest.approx(p.score("classif.bbrier"))
    assert p.score(own, weights=[1, 3]) == pytest.approx(p.score("classif.bbrier", weights=[1, 3]))
    assert (own.id, own.minimize, own.predict_type, own.weighted) == ("own", True, "prob", True)

    def plain(truth, response):
        return len(truth)

    assert p.score(plain) == 2
    assert as_measure(plain).id == "plain"
    with pytest.raises(ConfigError, match="cannot use observation weights"):
        p.score(share, weights=[1, 1])
    with pytest.raises(ConfigError, match="needs the learner"):
        p.score(measure("l", lambda truth, response, learner: 1, minimize=None))


def test_an_error_inside_names_the_measure():
    def broken(truth, response):
        raise ZeroDivisionError("x")

    with pytest.raises(ZeroDivisionError) as caught:
        PredictionRegr(truth=[1], response=[1]).score(broken)
    assert any("'broken'" in note for note in caught.value.__notes__)
    with pytest.warns(MeasureWarning, match="nothing"):
        PredictionRegr(truth=[1], response=[1]).score(measure("nothing", lambda t, r: math.nan, minimize=True))


def test_measures_of_the_learner():
    learner = SimpleNamespace(
        timings={"train": 2.0, "predict": 0.5}, internal_valid_scores={"classif.auc": 0.8, "classif.acc": 0.7}, oob_error=0.1
    )
    learner.selected_features = lambda: ["a", "b"]
    task = SimpleNamespace(feature_names=list("abcd"))
    p = random_binary()
    keys = ["time_train", "time_predict", "time_both", "internal_valid_score", "oob_error", "selected_features"]
    assert list(p.score(keys, learner=learner, task=task).values()) == [2.0, 0.5, 2.5, 0.8, 0.1, 2.0]
    assert msr("selected_features", normalize=True).score(learner=learner, task=task) == 0.5
    assert msr("internal_valid_score", select="classif.acc").score(learner=learner) == 0.7
    with pytest.warns(MeasureWarning, match="the learner does not have it"):
        assert math.isnan(msr("oob_error").score(learner=SimpleNamespace()))


def test_macro_and_micro():
    folds = [PredictionRegr(row_ids=[0], truth=[0], response=[3]), PredictionRegr(row_ids=[1, 2], truth=[0, 0], response=[0, 0])]
    assert msr("regr.mse").aggregate(folds) == 4.5
    assert msr("regr.mse", average="micro").aggregate(folds) == 3.0


@pytest.mark.parametrize("key", OWN)
def test_every_measure_knows_itself(key):
    one = msr(key)
    assert isinstance(one, Measure)
    assert one.key == one.id == key
    assert one.label
    assert one.range[0] < one.range[1]
    assert eval(repr(one)) == one
    assert pickle.loads(pickle.dumps(one)) == one
    assert copy.deepcopy(one) == one
    assert hash(one) == hash(msr(key))
    assert Decoder({}).decode(Encoder().encode(one)) == one
    assert msr(key, id="x") != one


@pytest.mark.parametrize("key", [k for k in OWN if k.startswith(("classif", "regr")) and k not in ("classif.costs", "regr.rqr")])
def test_every_score_is_in_range_and_the_direction_is_true(key):
    one = msr(key)
    if one.task_type == "regr":
        noisy, exact = random_regr(), PredictionRegr(truth=np.arange(1, 9), response=np.arange(1, 9))
    else:
        noisy = random_binary()
        exact = PredictionClassif(truth=list("aabb"), prob=[1, 1, 0, 0], class_names=["a", "b"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MeasureWarning)
        value, best = noisy.score(one), exact.score(one)
    assert one.range[0] <= value <= one.range[1]
    if one.minimize is not None and not math.isnan(best) and key not in ("classif.tp", "classif.tn"):
        assert best <= value if one.minimize else best >= value


def test_options_print_and_compare():
    one = msr("classif.fbeta", beta=2, average="micro", id="f2")
    assert repr(one) == 'msr("classif.fbeta", beta=2, id="f2", average="micro")'
    assert one != msr("classif.fbeta", average="micro", id="f2")
    assert repr(measure("mine", math.dist, minimize=True)) == 'measure("mine", math.dist, minimize=True)'
    assert as_measures(one) == [one]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 64).map(lambda i: i / 64)), min_size=2, max_size=25))
def test_identities_of_classification(rows):
    truth, prob = zip(*rows, strict=True)
    p = PredictionClassif(truth=truth, prob=prob, class_names=[True, False])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MeasureWarning)
        s = p.score([k for k in msr if k.startswith("classif.") and k != "classif.costs"])
    s = {k.removeprefix("classif."): v for k, v in s.items()}
    assert s["acc"] + s["ce"] == pytest.approx(1)
    assert s["tp"] + s["fp"] + s["tn"] + s["fn"] == len(rows)
    for a, b in (("tpr", "fnr"), ("tnr", "fpr"), ("ppv", "fdr"), ("npv", "fomr")):
        assert math.isnan(s[a]) if math.isnan(s[b]) else s[a] + s[b] == pytest.approx(1)
    assert s["mbrier"] == pytest.approx(2 * s["bbrier"])
    if 0 < sum(truth) < len(rows):
        assert s["auc"] == pytest.approx(s["mauc_mu"]) == pytest.approx(s["mauc_au1u"]) == pytest.approx(s["mauc_aunp"])
        negated = PredictionClassif(truth=truth, prob=1 - np.array(prob), class_names=[True, False])
        assert s["auc"] + negated.score("classif.auc") == pytest.approx(1)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=1, max_size=20))
def test_identities_of_regression(rows):
    truth, response = zip(*rows, strict=True)
    p, n = PredictionRegr(truth=truth, response=response), len(rows)
    s = p.score(["regr.mse", "regr.rmse", "regr.mae", "regr.sse", "regr.sae", "regr.maxae", "regr.bias", "regr.pinball"])
    assert s["regr.sse"] == pytest.approx(n * s["regr.mse"])
    assert s["regr.sae"] == pytest.approx(n * s["regr.mae"])
    assert s["regr.rmse"] ** 2 == pytest.approx(s["regr.mse"])
    assert 2 * s["regr.pinball"] == pytest.approx(s["regr.mae"])
    assert abs(s["regr.bias"]) <= s["regr.mae"] * (1 + 1e-9) <= s["regr.rmse"] * (1 + 1e-8) + 1e-150  # squares underflow
    assert s["regr.rmse"] <= s["regr.maxae"] * (1 + 1e-9) + 1e-300


def test_rows_of_weight_zero_are_as_if_they_were_not_there():
    p = PredictionClassif(truth=["a", "a", "b", "b"], prob=[0.9, 0.4, 0.3, 0.2], class_names=["a", "b"], weights=[1, 2, 0, 0])
    for key in ("classif.auc", "classif.prauc", "classif.aum", "classif.fpr"):
        with pytest.warns(MeasureWarning, match=key):
            assert math.isnan(p.score(key))
    assert p.score("classif.acc") == pytest.approx(1 / 3)
    with pytest.raises(DataError, match=r"classif\.acc: all observation weights are 0"):
        p.score("classif.acc", weights=[0, 0, 0, 0])


def test_costs_refuse_a_frame_without_labels_of_rows():
    p = PredictionClassif(truth=["a", "b"], response=["a", "a"], class_names=["a", "b"])
    with pytest.raises(ConfigError, match="pandas"):
        p.score(msr("classif.costs", costs=pl.DataFrame({"a": [0, 5], "b": [1, 0]})))
    assert p.score(msr("classif.costs", costs=np.array([[0, 1], [5, 0]]))) == 0.5


def test_hyperparameters_of_measures_are_fields():
    beta = msr("classif.fbeta", beta=2)
    assert dict(beta.params) == {"beta": 2}
    assert beta.params.setting("beta").param.range == "[0, Inf)"
    assert beta.with_param("beta", 1) == msr("classif.fbeta")
    assert beta != msr("classif.fbeta")
    assert repr(beta.with_param("beta", 0.5)) == 'msr("classif.fbeta", beta=0.5)'
    sure = np.array([0.9, 0.1, 0.1, 0.1])  # one of three positive rows is found, and nothing else: precision 1, recall 1/3
    p = PredictionClassif(truth=[1, 1, 1, 0], prob=np.column_stack([sure, 1 - sure]), class_names=[1, 0])
    assert beta.with_param("beta", 0.5).score(p) == msr("classif.fbeta", beta=0.5).score(p) != beta.score(p)
    for wrong in (lambda: msr("classif.fbeta", beta=-1), lambda: beta.with_param("beta", -1)):
        with pytest.raises(ConfigError, match=r"classif.fbeta: 'beta' must be in \[0, Inf\), got -1"):
            wrong()
    with pytest.raises(ConfigError, match="classif.aum: 'scale' must be one of"):
        msr("classif.aum", scale="odds")
    with pytest.raises(UnknownParameterError, match="no hyperparameter 'instance'"):
        rsmp("cv", instance=3)
    assert pickle.loads(pickle.dumps(beta)) == beta
