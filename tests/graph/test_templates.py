"""Templates: bagging, stacking and transformed targets, by hand."""

from datetime import date

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression

from pipeops import as_learner, as_task_regr, load_learner, lrn, po, ppl, tsk
from pipeops.errors import ConfigError, DataError

DIABETES = tsk("diabetes")


def test_bagging_draws_other_rows_for_each_model():
    graph = ppl("bagging", lrn("regr.tree", random_state=0), iterations=4, frac=0.5)
    graph.params["subsample.seed"] = 3
    learner = as_learner(graph).train(DIABETES)
    seeds = [state["seed"] for state in learner.model["subsample"]]
    assert seeds[0] == 3
    assert len(set(seeds)) == 4
    single = []
    for seed in seeds:
        (rows,), _ = po("subsample", frac=0.5, seed=seed).train([DIABETES])
        single.append(lrn("regr.tree").train(rows).predict(DIABETES).response)
    assert np.abs(np.mean(single, axis=0) - learner.predict(DIABETES).response).mean() < 15
    again = as_learner(graph).train(DIABETES).predict(DIABETES).response
    assert np.array_equal(again, learner.predict(DIABETES).response)


def test_bags_differ_when_one_seed_is_set_for_all():
    learner = as_learner(ppl("bagging", lrn("classif.tree", predict_type="prob"), iterations=5), id="bagged")
    copies = as_learner(ppl("greplicate", po("subsample") >> lrn("classif.tree"), 3) >> po("classifavg"), id="copies")
    learner.seeded(5).train(tsk("iris"))
    assert len({state["seed"] for state in learner.model["subsample"]}) == 5
    assert len({copies.clone().seeded(5).params[f"subsample_{k}.seed"] for k in (1, 2, 3)}) == 3
    assert copies.clone().seeded(5).params["subsample_1.seed"] == 5


def test_bagging_with_another_averager_and_without():
    assert ppl("bagging", lrn("regr.tree"), averager=None).ids() == ["replicate", "subsample", "regr_tree"]
    weighted = po("regravg", collect_multiplicity=True, weights=[1, 0])
    assert ppl("bagging", lrn("regr.tree"), iterations=2, averager=weighted).ids()[-1] == "regravg"
    with pytest.raises(ConfigError, match="must end in a prediction"):
        ppl("bagging", po("scale"))


def test_stacking_sees_predictions_and_features():
    bases = [lrn("regr.lm"), lrn("regr.tree", max_depth=2)]
    learner = as_learner(ppl("stacking", bases, lrn("regr.lm", id="top"), folds=4)).train(DIABETES)
    names = list(learner.model["top"].prototype.feature_names)
    assert names == ["regr.lm.response", "regr.tree.response", *DIABETES.feature_names]
    without = as_learner(ppl("stacking", bases, lrn("regr.lm", id="top"), use_features=False)).train(DIABETES)
    assert without.model["top"].prototype.feature_names == ["regr.lm.response", "regr.tree.response"]
    with pytest.raises(ConfigError, match="list of learners"):
        ppl("stacking", [po("scale")], lrn("regr.lm"))


def test_targets_come_back_in_their_own_unit():
    learner = as_learner(ppl("targettrafo", lrn("regr.lm"), trafo=np.log, inverter=np.exp)).train(DIABETES)
    by_hand = LinearRegression().fit(DIABETES.matrix("float64"), np.log(DIABETES.truth()))
    prediction = learner.predict(DIABETES)
    assert np.allclose(prediction.response, np.exp(by_hand.predict(DIABETES.matrix("float64"))))
    assert np.array_equal(prediction.truth, DIABETES.truth())
    assert learner.predict_newdata(DIABETES.data(columns=DIABETES.feature_names)).response == pytest.approx(prediction.response)


@pytest.mark.parametrize("library", ["to_pandas", "clone", "to_arrow"])
def test_a_scaled_target_changes_nothing_in_a_linear_model(library, tmp_path):
    task = as_task_regr(getattr(DIABETES.data(), library)(), target="progression")
    graph = ppl("targettrafo", lrn("regr.lm", predict_type="se"), trafo_pipeop=po("targettrafoscalerange", lower=-2, upper=3))
    learner, plain = as_learner(graph).train(task), lrn("regr.lm", predict_type="se").train(task)
    found, wanted = learner.predict(task), plain.predict(task)
    assert np.allclose(found.response, wanted.response)
    assert np.allclose(found.se, wanted.se)
    assert found.score("regr.rmse") == pytest.approx(wanted.score("regr.rmse"))
    learner.save(tmp_path / "scaled")
    assert np.array_equal(load_learner(tmp_path / "scaled").predict(task).response, found.response)


def test_transformations_that_lose_values_are_refused():
    negative = as_task_regr({"x": [1.0, 2.0, 3.0], "y": [-1.0, 2.0, 3.0]}, target="y")
    with np.errstate(invalid="ignore"), pytest.raises(DataError, match=r"1 values of the target, the first -1, are not finite"):
        ppl("targettrafo", lrn("regr.lm"), trafo=np.log, inverter=np.exp).train(negative)
    with pytest.raises(ConfigError, match="go together"):
        po("targetmutate", trafo=np.log)
    with pytest.raises(DataError, match="one number for each"):
        po("targetmutate", trafo=lambda y: y[:1], inverter=np.exp).train([negative])
    with pytest.raises(ConfigError, match="either trafo_pipeop"):
        ppl("targettrafo", lrn("regr.lm"), trafo_pipeop=po("targettrafoscalerange"), trafo=np.log)


def test_two_transformations_around_one_model():
    inner = ppl("targettrafo", lrn("regr.lm"), trafo=np.log, inverter=np.exp)
    both = ppl("targettrafo", inner, trafo_pipeop=po("targettrafoscalerange", lower=1, upper=2), id_prefix="outer_")
    assert as_learner(both).train(DIABETES).predict(DIABETES).score("regr.rsq") > 0.3


ODD = {
    "age": [34, 51, None, 29, 62, 45, 38, 57] * 5,
    "city": ["Bern", "Aix", None, "Aix", "Bern", "Cork", "Cork", "Bern"] * 5,
    "seen": [date(2024, 1, 3), date(2024, 2, 14), None, date(2024, 3, 1), *(date(2024, m, 9) for m in (1, 5, 6, 7))] * 5,
    "member": [True, False, None, True, True, False, False, True] * 5,
    "same": [1.0] * 40,
    "paid": [3.0, 5.5, 2.0, 4.0, 6.5, 3.5, 4.5, 7.0] * 5,
}


def test_robustify_takes_whatever_comes():
    task = as_task_regr(pl.DataFrame(ODD), target="paid")
    learner = as_learner(ppl("robustify", task=task, learner=lrn("regr.lm")) >> lrn("regr.lm")).train(task)
    holes = pl.DataFrame(
        {"age": [None, 30], "city": ["Dole", None], "seen": [None, date(2030, 1, 1)], "member": [None, True], "same": [2.0, 1.0]}
    )
    assert np.isfinite(learner.predict_newdata(holes).response).all()
    used = learner.model["regr_lm"].prototype.feature_names
    assert "same" not in used
    assert {"missing_age", "missing_seen"} <= set(used)
    assert {"city.Bern", "city..MISSING"} <= set(used)


def test_robustify_leaves_out_what_nobody_needs():
    task = as_task_regr(pl.DataFrame(ODD), target="paid")
    taking = lrn("regr.featureless")
    assert ppl("robustify", task=task, learner=taking).ids() == [
        "removeconstants_prerobustify",
        "POSIXct_to_dbl",
        "fixfactors",
        "removeconstants_postrobustify",
    ]
    assert "encode" not in ppl("robustify", task=task, factors_to_numeric=False).ids()
    assert "imputehist" not in ppl("robustify", task=task, impute_missings=False).ids()


ENDS = ("removeconstants_prerobustify", "removeconstants_postrobustify")
HOLES = ("imputehist", "missind", "featureunion_robustify")
EVERYTHING = [
    *(ENDS[0], "char_to_fct", "POSIXct_to_dbl", "imputehist", "impute_logicals", "missind", "featureunion_robustify"),
    *("imputeoor", "fixfactors", "imputesample", "collapsefactors", "encode", ENDS[1]),
]


@pytest.mark.parametrize(
    ("settings", "ids"),
    [
        ({}, EVERYTHING),
        ({"character_action": "matrix"}, ["textvectorizer" if id == "char_to_fct" else id for id in EVERYTHING]),
        ({"max_cardinality": float("inf"), "POSIXct_action": "ignore"}, [id for id in EVERYTHING if id[:2] not in ("PO", "co")]),
        ({"impute_missings": True, "factors_to_numeric": True}, [ENDS[0], *HOLES, "imputesample", "encode", ENDS[1]]),
        ({"POSIXct_action": "datefeatures!"}, [ENDS[0], "datefeatures", ENDS[1]]),
    ],
)
def test_robustify_has_the_steps_of_the_reference(settings, ids):
    iris = {} if "imputeoor" in ids else {"task": tsk("iris"), "learner": lrn("classif.lda")}
    assert ppl("robustify", **iris, **settings).ids() == ids


def test_robustify_says_what_it_takes():
    with pytest.raises(ConfigError, match="'character_action' is one of"):
        ppl("robustify", character_action="drop")


def test_ways_have_names_before_their_ids():
    graph = ppl("branch", {"a": po("pca"), "b": po("scale") >> po("pca")}, prefix_paths=True, prefix_branchops="x_")
    assert graph.ids() == ["x_branch", "a_pca", "b_scale", "b_pca", "x_unbranch"]
    assert ppl("branch", [po("pca"), po("nop")], prefix_paths="w_").ids() == ["branch", "w_po1_pca", "w_po2_nop", "unbranch"]


def test_columns_of_some_kinds_become_another_kind():
    days = pl.Series(["1970-01-02", "1970-01-11", None]).str.to_date()
    frame = {"t": ["3", "1", None], "n": [2.0, 10.0, 2.0], "l": [True, None, False], "d": days, "y": [0.0, 1.0, 2.0]}
    task = as_task_regr(pl.DataFrame(frame), target="y")

    def made(source, target, **settings):
        return ppl("convert_types", source, target, **settings).train(task)

    assert made("text", "numeric").frame()["t"].to_list() == [3.0, 1.0, None]
    assert made("text", "integer").frame()["t"].to_list() == [3, 1, None]
    assert made(["numeric", "boolean"], "categorical").levels("n") == ["2", "10"]
    assert made("boolean", "numeric").frame()["l"].to_list() == [1.0, None, 0.0]
    assert made("numeric", "boolean").frame()["n"].to_list() == [True, True, True]
    assert made("datetime", "numeric").frame()["d"].to_list() == [1.0, 10.0, None]
    assert made("numeric", "text", affect_columns=["n"]).frame()["n"].to_list() == ["2", "10", "2"]
    assert ppl("convert_types", "text", "categorical").ids() == ["convert_text_to_categorical", "convert_text_to_categorical_ff"]
    odd = as_task_regr({"t": ["one", "2"], "n": [0.5, 1.0], "y": [0, 1]}, target="y")
    for source, target in (("text", "numeric"), ("numeric", "integer")):
        with pytest.raises(DataError, match="convert_types: '[tn]'"):
            ppl("convert_types", source, target).train(odd)
