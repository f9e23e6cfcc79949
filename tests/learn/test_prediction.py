"""Predictions: what they hold, how they print, what they refuse."""

import copy
import os
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeops.errors import DataError
from pipeops.learn.prediction.base import Prediction
from pipeops.learn.prediction.classif import PredictionClassif
from pipeops.learn.prediction.regr import PredictionRegr
from pipeops.saving.container import read, write

TRUTH = ["pos", "pos", "neg", "pos", "neg", "neg", "pos", "neg"]
PROB = [0.9, 0.6, 0.4, 0.3, 0.2, 0.7, 0.8, 0.1]


def binary(**changes):
    return PredictionClassif(**{"truth": TRUTH, "prob": PROB, "class_names": ["pos", "neg"], **changes})


def three(**changes):
    prob = [[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.2, 0.3, 0.5], [0.4, 0.4, 0.2]]
    return PredictionClassif(**{"truth": list("abcb"), "prob": prob, "class_names": list("abc"), **changes})


def test_response_follows_the_probabilities_and_half_is_positive():
    prediction = PredictionClassif(prob=[0.5, 0.49, 0.51], class_names=["z", "a"])
    assert prediction.response.tolist() == ["z", "a", "z"]
    assert prediction.positive == "z"
    assert prediction.prob[:, 1].tolist() == [0.5, 0.51, 0.49]
    assert three().response.tolist() == ["a", "b", "c", "a"]  # a tie goes to the first in level order


@pytest.mark.parametrize(
    ("labels", "kind"),
    [(["x", "y"], str), ([1, 0], int), ([True, False], bool), ([1.5, 0.5], float), ([10, 20, 30], int)],
)
def test_labels_come_back_as_what_they_were(labels, kind):
    prediction = PredictionClassif(truth=labels, response=labels, class_names=labels)
    assert prediction.truth.tolist() == labels
    assert all(type(v) is kind for v in prediction.response.tolist())
    assert (prediction.truth == prediction.response).mean() == 1


@pytest.mark.parametrize(
    ("truth", "class_names"),
    [
        (["b", "a"], ["a", "b"]),
        ([0, 1], [1, 0]),
        ([False], [True, False]),
        (pd.Series(pd.Categorical(["b", "a"], categories=["b", "a"])), ["b", "a"]),
        (pl.Series(["b", "a"], dtype=pl.Enum(["b", "a"])), ["b", "a"]),
        ([3, 1, None], [1, 3]),
    ],
)
def test_class_names_left_out(truth, class_names):
    assert PredictionClassif(truth=truth, response=truth).class_names == class_names


def test_row_ids_and_truth_may_be_left_out():
    prediction = binary(truth=None)
    assert prediction.row_ids.tolist() == list(range(8))
    assert prediction.truth.tolist() == [None] * 8
    regr = PredictionRegr(response=[1, 2])
    assert np.isnan(regr.truth).all()
    assert regr.response.dtype == np.float64


@pytest.mark.parametrize("column", [pl.Series, pd.Series, np.array, pa.array, list, tuple])
def test_any_kind_of_column(column):
    prediction = PredictionClassif(
        row_ids=column([4, 5]), truth=column(["M", "R"]), response=column(["R", "R"]), class_names=["M", "R"]
    )
    assert prediction.confusion["R", "M"] == 1
    assert PredictionRegr(truth=column([1.0, 2.0]), response=column([1.0, 4.0])).score() == 2.0


def test_missing_values_of_any_kind():
    prediction = PredictionClassif(
        row_ids=[7, 8, 9], truth=["pos", None, "neg"], response=["pos", "neg", float("nan")], class_names=["pos", "neg"]
    )
    assert prediction.truth.tolist() == ["pos", None, "neg"]
    assert prediction.missing.tolist() == [9]
    assert str(prediction).splitlines() == [
        "<PredictionClassif> for 3 observations:",
        " row_ids truth response",
        "       7   pos      pos",
        "       8  <NA>      neg",
        "       9   neg     <NA>",
    ]
    frame = prediction.to_frame()
    assert frame["response"].to_list() == ["pos", "neg", None]
    assert PredictionRegr(truth=[1.0, None], response=[None, 2.0]).missing.tolist() == [0]


def test_prints_head_dashes_and_tail():
    prediction = PredictionClassif(
        row_ids=range(12), truth=["M"] * 12, prob=np.linspace(0.25, 1, 12).round(2), class_names=["M", "R"]
    )
    assert str(prediction).splitlines() == [
        "<PredictionClassif> for 12 observations:",
        " row_ids truth response prob.M prob.R",
        "       0     M        R   0.25   0.75",
        "       1     M        R   0.32   0.68",
        "       2     M        R   0.39   0.61",
        "     ---   ---      ---    ---    ---",
        "       9     M        M   0.86   0.14",
        "      10     M        M   0.93   0.07",
        "      11     M        M   1.00   0.00",
    ]
    assert repr(prediction) == str(prediction)
    assert len(str(prediction.filter(range(10))).splitlines()) == 12


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([1 / 3, 0.5], ["0.3333333", "0.5000000"]),
        ([1e-12, 0.25], ["1.0e-12", "2.5e-01"]),
        ([123456789.0, 1.0], ["123456789", "        1".strip()]),
        ([float("nan"), float("inf"), -1.0], ["NA", "Inf", "-1"]),
        (np.array([0.1, 0.7], dtype=np.float32), ["0.1", "0.7"]),
        ([], []),
    ],
)
def test_numbers_print_with_seven_digits(values, text):
    from pipeops.learn.prediction.labelled import numbers

    assert numbers(values) == text


def test_zero_rows_print_and_count():
    prediction = PredictionClassif(truth=[], prob=np.zeros((0, 2)), class_names=["a", "b"])
    assert str(prediction).splitlines() == ["<PredictionClassif> for 0 observations:", " row_ids truth response prob.a prob.b"]
    assert prediction.confusion.counts.tolist() == [[0, 0], [0, 0]]
    assert prediction.to_frame().shape == (0, 5)


@pytest.mark.parametrize(("backend", "kind"), [("polars", pl.DataFrame), ("pandas", pd.DataFrame), ("pyarrow", pa.Table)])
def test_to_frame_is_of_the_tasks_kind(backend, kind):
    frame = binary(backend=backend).to_frame()
    assert isinstance(frame, kind)
    names = frame.column_names if backend == "pyarrow" else list(frame.columns)
    assert names == ["row_ids", "truth", "response", "prob.pos", "prob.neg"]
    assert list(pl.DataFrame(frame)["truth"]) == TRUTH
    regr = PredictionRegr(truth=[1.0], response=[2.0], se=[0.5], backend=backend)
    assert isinstance(regr.to_frame(), kind)
    assert regr.predict_types == ["response", "se"]


def test_confusion_has_response_in_rows():
    confusion = binary(response=["pos", "pos", "pos", "pos", "neg", "neg", "neg", "neg"]).confusion
    assert confusion["pos", "neg"] == 1
    assert confusion["neg", "pos"] == 1
    assert confusion.counts.tolist() == [[3, 1], [1, 3]]
    assert str(confusion) == "        truth\nresponse pos neg\n     pos   3   1\n     neg   1   3"
    assert confusion.to_frame().rows() == [("pos", 3, 1), ("neg", 1, 3)]
    with pytest.raises(KeyError, match=r"nag.*neg"):
        confusion["nag", "pos"]


def test_confusion_shows_missing_labels():
    confusion = PredictionClassif(truth=["a", None], response=["b", "a"], class_names=["a", "b"]).confusion
    assert confusion.labels == ("a", "b", None)
    assert confusion["a", None] == 1
    assert "<NA>" in str(confusion)


@pytest.mark.parametrize(
    ("threshold", "response"),
    [
        (0.5, "pos pos neg neg neg pos pos neg"),
        (0.7, "pos neg neg neg neg pos pos neg"),
        (0.91, "neg neg neg neg neg neg neg neg"),
        (0, "pos pos pos pos pos pos pos pos"),
        ({"neg": 0.1, "pos": 0.9}, "pos neg neg neg neg neg neg neg"),
    ],
)
def test_threshold(threshold, response):
    before = binary()
    after = before.set_threshold(threshold)
    assert after.response.tolist() == response.split()
    assert before.response.tolist() == ["pos", "pos", "neg", "neg", "neg", "pos", "pos", "neg"]
    assert (after.prob == before.prob).all()


def test_threshold_of_many_classes_divides():
    assert three().set_threshold({"a": 0.5, "b": 0.3, "c": 0.2}).response.tolist() == ["a", "b", "c", "b"]
    assert three().set_threshold({"a": 0, "b": 1, "c": 1}).response.tolist() == ["a"] * 4
    assert three().set_threshold({"a": 0, "b": 0, "c": 0}).response.tolist() == ["a"] * 4


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan"), "0.5", None, [0.2, 0.8], {"pos": 0.3}, {"pos": 0.3, "x": 0.2}])
def test_threshold_refused(threshold):
    with pytest.raises(DataError, match="set_threshold"):
        binary().set_threshold(threshold)


@pytest.mark.parametrize("threshold", [0.5, [0.2, 0.3, 0.5], {"a": 0.2, "b": -1, "c": 0.5}, {"a": 1, "b": 1}])
def test_threshold_of_many_classes_refused(threshold):
    with pytest.raises(DataError, match="set_threshold"):
        three().set_threshold(threshold)


def test_threshold_and_roc_need_probabilities():
    plain = PredictionClassif(truth=["a", "b"], response=["a", "b"])
    with pytest.raises(DataError, match="predict_type='prob'"):
        plain.set_threshold(0.3)
    with pytest.raises(DataError, match="probabilities"):
        plain.roc()
    with pytest.raises(DataError, match="both classes"):
        binary(truth=["pos"] * 8).roc()


def test_roc_by_hand():
    roc = PredictionClassif(truth=list("MRMR"), prob=[0.9, 0.8, 0.7, 0.1], class_names=["M", "R"]).roc()
    assert roc["fpr"].to_list() == [0, 0, 0.5, 0.5, 1]
    assert roc["tpr"].to_list() == [0, 0.5, 0.5, 1, 1]
    assert roc["threshold"].to_list() == [float("inf"), 0.9, 0.8, 0.7, 0.1]


def test_filter_keeps_the_order():
    part = binary(row_ids=range(10, 18), weights=range(8)).filter([14, 11, 99])
    assert part.row_ids.tolist() == [11, 14]
    assert part.truth.tolist() == ["pos", "neg"]
    assert part.prob[:, 0].tolist() == [0.6, 0.2]
    assert part.weights.tolist() == [1, 4]


def test_combine():
    a, b = binary(row_ids=range(8)), binary(row_ids=range(7, 15), prob=PROB[::-1])
    both = Prediction.combine([a, b])
    assert both.row_ids.tolist() == [*range(8), *range(7, 15)]
    last = Prediction.combine([a, b], keep_duplicates=False)
    assert last.row_ids.tolist() == list(range(15))
    assert last.prob[7, 0] == PROB[-1]  # of two predictions for row 7 the later one stays
    regr = PredictionRegr(truth=[1.0], response=[2.0], se=[0.1])
    assert Prediction.combine([regr, regr]).se.tolist() == [0.1, 0.1]


@pytest.mark.parametrize(
    "several",
    [
        [],
        [binary(), PredictionRegr(response=[1.0])],
        [binary(), PredictionClassif(truth=["pos"], response=["pos"], class_names=["pos", "neg"])],
        [binary(), binary(class_names=["neg", "pos"])],
        [binary(), binary(weights=np.ones(8))],
        [PredictionRegr(response=[1.0]), PredictionRegr(response=[1.0], se=[1.0])],
    ],
)
def test_combine_refuses_what_differs(several):
    with pytest.raises(DataError, match="combine"):
        Prediction.combine(several)


BAD = [
    ({}, "response, probabilities"),
    ({"truth": ["a"]}, "response, probabilities"),
    ({"truth": ["a", "b"], "response": ["a"], "class_names": ["a", "b"]}, "'truth' has 2 rows"),
    ({"row_ids": [1], "response": ["a", "b"]}, "'row_ids' has 1 rows"),
    ({"response": ["a", "b"], "weights": [1]}, "'weights' has 1 rows"),
    ({"response": ["a", "b"], "weights": [1, -1]}, "weights must be"),
    ({"response": ["a", "b"], "weights": [1, None]}, "weights must be"),
    ({"response": ["a", "c"], "class_names": ["a", "b"]}, "'response' holds 'c'"),
    ({"truth": ["a", "bb"], "response": ["a", "b"], "class_names": ["a", "b"]}, "'truth' holds 'bb'"),
    ({"response": ["a"], "class_names": ["a", "a"]}, "different labels"),
    ({"response": [], "class_names": []}, "different labels"),
    ({"response": ["a", 1]}, "different types"),
    ({"prob": [0.5, 1.5], "class_names": ["a", "b"]}, r"\[0, 1\]"),
    ({"prob": [0.5, -0.1], "class_names": ["a", "b"]}, r"\[0, 1\]"),
    ({"prob": [0.5, float("nan")], "class_names": ["a", "b"]}, "missing"),
    ({"prob": [0.5, None], "class_names": ["a", "b"]}, "missing"),
    ({"prob": [[0.5, 0.4]], "class_names": ["a", "b"]}, "sum to 1"),
    ({"prob": [[0.5, 0.5]], "class_names": ["a", "b", "c"]}, "a column for each"),
    ({"prob": [0.5], "class_names": ["a", "b", "c"]}, "a column for each"),
    ({"prob": [[[0.5]]], "class_names": ["a", "b"]}, "a column for each"),
    ({"prob": ["x"], "class_names": ["a", "b"]}, "numbers"),
    ({"prob": [0.5, 0.5], "truth": ["a"], "class_names": ["a", "b"]}, "'truth' has 1 rows"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_bad_classification(arguments, message):
    with pytest.raises(DataError, match=message):
        PredictionClassif(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"response": ["x"]}, "'response' must be numbers"),
        ({"response": [1.0], "truth": ["x"]}, "'truth' must be numbers"),
        ({"response": [1.0, 2.0], "truth": [1.0]}, "'truth' has 1 rows"),
        ({"response": [1.0], "row_ids": [1, 2]}, "'row_ids' has 2 rows"),
        ({"response": [[1.0, 2.0]]}, "one number for each row"),
        ({"response": 1.0}, "one number for each row"),
        ({"response": [1.0], "se": [1.0, 2.0]}, "'se' has 2 rows"),
        ({"response": [1.0], "weights": [-1]}, "weights must be"),
    ],
)
def test_bad_regression(arguments, message):
    with pytest.raises(DataError, match=message):
        PredictionRegr(**arguments)


def test_from_codes_equals_by_hand_and_keeps_arrays():
    prob, row_ids = np.column_stack([PROB, 1 - np.array(PROB)]), np.arange(8)
    codes = np.array([0 if t == "pos" else 1 for t in TRUTH])
    fast = PredictionClassif.from_codes(row_ids, truth=codes, prob=prob, class_names=["pos", "neg"])
    assert fast.row_ids is row_ids
    assert fast.prob is prob
    assert not {"truth", "response", "response_codes"} & set(vars(fast))  # nothing is decoded before it is asked for
    assert str(fast) == str(binary())
    assert fast.score("classif.auc") == binary().score("classif.auc")


def test_probabilities_that_a_network_made_nan_are_missing():
    prob = np.array([[np.nan, np.nan], [0.2, 0.8]])
    prediction = PredictionClassif.from_codes(np.array([5, 6]), truth=np.array([0, 1]), prob=prob, class_names=["a", "b"])
    assert prediction.missing.tolist() == [5]
    with pytest.raises(DataError, match="response of 1 of 2 rows is missing"):
        prediction.score("classif.auc")


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table, dict], ids=["pandas", "polars", "pyarrow", "dict"])
@pytest.mark.parametrize("names", [("yes", "no"), ("no", "yes"), ("prob.yes", "prob.no")])
def test_labelled_probabilities_go_by_their_labels(make, names):
    yes = np.array([0.1, 0.4, 0.6, 0.9])
    columns = {name: yes if name.endswith("yes") else 1 - yes for name in names}
    for labels in ({"truth": ["no", "no", "yes", "yes"]}, {"class_names": ["yes", "no"]}, {}):
        prediction = PredictionClassif(prob=make(columns), **labels)
        assert prediction.prob[:, prediction.class_names.index("yes")].tolist() == yes.tolist()
    with pytest.raises(DataError, match="'maybe', which is no class"):
        PredictionClassif(prob=make({"maybe": yes, "no": 1 - yes}), truth=["no", "yes", "no", "yes"])
    with pytest.raises(DataError, match="one column for each"):
        PredictionClassif(prob=make({"a": yes, "no": 1 - yes}), class_names=["a", "b", "no"])


def test_one_labelled_column_is_that_of_its_class():
    for prob in (pd.Series([0.25], name="no"), pd.DataFrame({"no": [0.25]}), pl.Series("no", [0.25])):
        assert PredictionClassif(prob=prob, class_names=["yes", "no"]).prob.tolist() == [[0.75, 0.25]]
    assert PredictionClassif(prob=pd.Series([0.25]), class_names=["yes", "no"]).prob.tolist() == [[0.25, 0.75]]
    frame = pd.DataFrame({0: [0.9], 1: [0.1]})
    assert PredictionClassif(truth=[0], prob=frame, class_names=[1, 0]).prob.tolist() == [[0.1, 0.9]]


@pytest.mark.parametrize("truth", [[0, 0, 1, 1], [False, False, True, True], [-1, -1, 1, 1], list("0011")], ids=str)
def test_a_matrix_beside_labels_that_are_not_sorted_needs_class_names(truth):
    prob = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.1, 0.9]])
    for labels in ({}, {"response": truth}):
        with pytest.raises(DataError, match="class_names="):
            PredictionClassif(truth=truth, prob=prob, **labels)
    named = PredictionClassif(truth=truth, prob=prob, class_names=sorted(set(truth)))
    assert named.score(["classif.acc"]) == {"classif.acc": 1}
    assert PredictionClassif(truth=truth, prob=prob[:, 1]).score(["classif.acc", "classif.auc"]) == {
        "classif.acc": 1,
        "classif.auc": 1,
    }


def test_weighted_predictions_show_their_weights():
    for prediction in (PredictionRegr(response=[1.0], weights=[2.5]), PredictionClassif(response=["a"], weights=[2.5])):
        assert str(prediction).splitlines()[1].split()[-1] == "weights"
        assert prediction.to_frame()["weights"].to_list() == [2.5]


def test_a_mask_chooses_rows():
    prediction = PredictionRegr(row_ids=[7, 8, 1, 0], response=np.arange(4.0))
    for mask in (np.array([1, 0, 1, 0], bool), [True, False, True, False], pd.Series([True, False] * 2, dtype="boolean")):
        assert prediction.filter(mask).row_ids.tolist() == [7, 1]
    assert prediction.filter([1, 0]).row_ids.tolist() == [1, 0]
    for wrong in ([True], [True, False, None, True]):
        with pytest.raises(DataError, match="filter"):
            prediction.filter(wrong)
    with pytest.raises(DataError, match="finite"):
        prediction.with_weights([1, np.inf, 1, 1])


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))])
def test_survives_copy_and_pickle(duplicate):
    for prediction in (binary(weights=np.ones(8)), PredictionRegr(truth=[1.0], response=[2.0])):
        assert str(duplicate(prediction)) == str(prediction)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=30), st.floats(0, 1), st.floats(0, 1))
def test_a_higher_threshold_never_gives_more_positives(prob, low, high):
    prediction = PredictionClassif(prob=prob, class_names=["p", "n"])
    low, high = sorted((low, high))
    lax, strict = (set(np.flatnonzero(prediction.set_threshold(t).response == "p")) for t in (low, high))
    assert strict <= lax
    assert (prediction.set_threshold(0.5).response == prediction.response).all()


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), max_size=30), st.sets(st.integers(0, 29)))
def test_taking_apart_and_joining_is_the_identity(pairs, chosen):
    truth, response = [t for t, _ in pairs], [r for _, r in pairs]
    whole = PredictionClassif(truth=truth, response=response, class_names=list("abc"))
    assert whole.confusion.counts.sum() == len(pairs)
    inside = whole.filter(sorted(chosen))
    outside = whole.filter([i for i in whole.row_ids if i not in chosen])
    joined = Prediction.combine([inside, outside])
    assert len(joined) == len(pairs)
    assert (joined.confusion.counts == whole.confusion.counts).all()


@pytest.fixture
def golden():
    folder = os.environ.get("PIPEOPS_REFERENCE")
    if not folder:
        pytest.skip("set PIPEOPS_REFERENCE to the folder of reference outputs")
    import json
    from pathlib import Path

    return lambda name: json.loads((Path(folder) / name).read_text())


def test_golden_thresholds(golden):
    reference = golden("05_measures.json")
    for case in reference["set_threshold_binary"]:
        response = binary().set_threshold(case["threshold"]).response
        tied = np.isclose(PROB, case["threshold"])  # the reference draws these at random
        assert all(tied | (response == np.array(case["response"], dtype=object)))
    probs = next(c for c in reference["multiclass"] if c["case"] == "three_class")
    prediction = PredictionClassif(truth=probs["truth"], prob=probs["prob_rows"], class_names=probs["levels"])
    for case in reference["set_threshold_multi"]:
        if case["response"] is None:
            limits = dict(zip(case["names"], case["threshold"], strict=True)) if case["names"] else case["threshold"]
            with pytest.raises(DataError):
                prediction.set_threshold(limits)
        elif any(case["threshold"]):  # all zero: drawn at random there
            response = prediction.set_threshold(dict(zip(case["names"], case["threshold"], strict=True))).response
            assert response.tolist() == case["response"]
    first = next(c for c in reference["set_threshold_ties"] if c["ties_method"] == "first")
    assert prediction.set_threshold(dict.fromkeys(probs["levels"], 1 / 3)).response.tolist() == first["response"]


def _from_table(table):
    columns = {c["name"]: c for c in table["table"]}
    prob = [c["values"] for name, c in columns.items() if name.startswith("prob.")]
    return PredictionClassif(
        row_ids=columns["row_ids"]["values"],
        truth=columns["truth"]["values"],
        response=columns["response"]["values"],
        prob=np.array(prob).T if prob else None,
        class_names=columns["truth"]["levels"],
    )


def test_golden_printing_and_combining(golden):
    reference = golden("07_prediction.json")
    shown = reference["objects"]["pr"]
    assert str(_from_table(shown["table"])).splitlines()[1:] == shown["print"][2:]
    joined = _from_table(reference["objects"]["combine"]["c_two"])
    kept = Prediction.combine([joined, joined.filter([])], keep_duplicates=False)
    assert str(kept) == str(_from_table(reference["objects"]["combine"]["c_keep_dups_FALSE"]))
    assert str(joined.take(np.arange(4)).filter([12, 14])) == str(_from_table(reference["objects"]["combine"]["filter"]))


def test_quantiles_have_a_column_each_and_their_median_is_the_response(tmp_path):
    made = PredictionRegr(truth=[1.0, 2.0], quantiles={0.9: [3.0, 4.0], 0.1: [0.0, 1.0], 0.5: [1.5, 2.5]})
    assert made.predict_types == ["response", "quantiles"]
    assert made.response.tolist() == [1.5, 2.5]
    assert made.to_frame().columns == ["row_ids", "truth", "response", "q0.1", "q0.5", "q0.9"]
    assert made.to_frame()["q0.9"].to_list() == [3.0, 4.0]
    both = Prediction.combine([made, made.take(np.array([1]))])
    assert both.quantiles.tolist() == [[0.0, 1.5, 3.0], [1.0, 2.5, 4.0], [1.0, 2.5, 4.0]]
    assert "q0.1" in str(made)
    write(tmp_path / "p", "prediction", made)
    back = read(tmp_path / "p", "prediction", of=PredictionRegr)
    assert np.array_equal(back.quantiles, made.quantiles)
    assert back.probs == made.probs == (0.1, 0.5, 0.9)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"quantiles": {0.1: [1.0], 0.9: [2.0]}}, "0.5"),
        ({"quantiles": [[1.0, 2.0]], "probs": [0.5]}, "1 probabilities"),
        ({"quantiles": {0.5: [1.0], 1.0: [2.0]}}, "between 0 and 1"),
        ({}, "give the response"),
    ],
)
def test_quantiles_that_make_no_sense_are_refused(given, message):
    with pytest.raises(DataError, match=message):
        PredictionRegr(**given)


def test_predictions_with_other_quantiles_do_not_join():
    one, other = (PredictionRegr(quantiles={0.5: [1.0], p: [2.0]}) for p in (0.8, 0.9))
    with pytest.raises(DataError, match="probs"):
        Prediction.combine([one, other])
