"""Ensembles: averages of predictions by hand and as the reference has them; out-of-fold features without leaks."""

import numpy as np
import polars as pl
import pytest

from pipeops import (
    PredictionClassif,
    PredictionRegr,
    as_learner,
    as_task_classif,
    as_task_regr,
    gunion,
    load_learner,
    lrn,
    po,
    rsmp,
    tsk,
)
from pipeops.errors import CompositionError, ConfigError, DataError
from tests.ops import reference as ref


def from_table(table):
    columns = {c["name"]: c["values"] for c in table["table"]}
    levels = next((c["levels"] for c in table["table"] if c["name"] == "response" and "levels" in c), None)
    if levels is None:
        return PredictionRegr(**{name: columns[name] for name in ("row_ids", "truth", "response", "se") if name in columns})
    prob = np.column_stack([columns[f"prob.{v}"] for v in levels]) if f"prob.{levels[0]}" in columns else None
    given = {name: columns[name] for name in ("row_ids", "truth", "response")}
    return PredictionClassif(prob=prob, class_names=levels, **given)


AVERAGES = {
    "classif_prob_2": {},
    "classif_prob_weights_zero": {"weights": [0, 1]},
    "classif_vararg": {},
    "regr_se_mean": {"se_aggr": "mean"},
    "regr_se_within": {"se_aggr": "within"},
}


@pytest.mark.parametrize("name", AVERAGES)
def test_averages_are_those_of_the_reference(reference, name):
    case = reference("07_prediction")["objects"][f"avg/{name}"]
    key = "regravg" if name.startswith("regr") else "classifavg"
    found = po(key, **AVERAGES[name]).predict([from_table(one) for one in case["inputs"]], {})[0]
    wanted = from_table(case["output"])
    assert found.response.tolist() == wanted.response.tolist()
    if key == "classifavg":
        assert np.allclose(found.prob, wanted.prob)
    else:
        assert np.allclose(found.se, wanted.se)


def test_votes_where_a_prediction_has_labels_only():
    names = ["a", "b", "c"]
    one = PredictionClassif(response=["a", "b", "c"], class_names=names)
    other = PredictionClassif(prob=[[0.2, 0.5, 0.3], [0.1, 0.8, 0.1], [0.9, 0.0, 0.1]], class_names=names)
    found = po("classifavg", weights=[1, 3]).predict([one, other], {})[0]
    assert found.prob.tolist() == [[0.25, 0.75, 0.0], [0.0, 1.0, 0.0], [0.75, 0.0, 0.25]]
    assert found.response.tolist() == ["b", "b", "a"]


def test_probabilities_are_averaged_by_label():
    one = PredictionClassif(truth=["M", "R"], prob=[0.9, 0.2], class_names=["M", "R"])
    other = PredictionClassif(prob=[0.9, 0.2], class_names=["R", "M"])
    found = po("classifavg").predict([one, other], {})[0]
    assert found.class_names == ["M", "R"]
    assert found.positive == "M"
    assert np.allclose(found.prob, [[0.5, 0.5], [0.5, 0.5]])
    assert found.truth.tolist() == ["M", "R"]
    with pytest.raises(DataError, match="different classes"):
        po("classifavg").predict([one, PredictionClassif(prob=[0.9, 0.2], class_names=["M", "X"])], {})
    with pytest.raises(DataError, match="different rows"):
        po("classifavg").predict([one, PredictionClassif(row_ids=[5, 6], prob=[0.9, 0.2], class_names=["M", "R"])], {})


def test_errors_of_averages():
    one, other = PredictionRegr(response=[1.0], se=[0.3]), PredictionRegr(response=[5.0], se=[0.4])
    se = {how: po("regravg", weights=[3, 1], se_aggr=how).predict([one, other], {})[0].se for how in ("between", "predictive")}
    between = 0.75 * (1 - 2) ** 2 + 0.25 * (5 - 2) ** 2
    assert se["between"] == pytest.approx([np.sqrt(between)])
    assert se["predictive"] == pytest.approx([np.sqrt(between + 0.75 * 0.09 + 0.25 * 0.16)])
    whole = po("regravg", se_aggr="mean", se_aggr_rho=1.0).predict([one, other], {})[0].se
    assert whole == pytest.approx([0.35])
    assert po("regravg").predict([one, other], {})[0].se is None
    with pytest.raises(DataError, match=r"needs standard errors, which prediction 2 lacks"):
        po("regravg", se_aggr="within").predict([one, PredictionRegr(response=[1.0])], {})


@pytest.mark.parametrize("weights", [[-1, 1], [0, 0], "heavy", [np.nan, 1]])
def test_weights_that_are_none_are_refused(weights):
    with pytest.raises(ConfigError, match="'weights' are numbers from 0 on"):
        po("classifavg", weights=weights)


def test_as_many_weights_as_predictions_before_anything_is_predicted():
    graph = gunion([lrn("classif.lda"), lrn("classif.tree")]) >> po("classifavg", weights=[1, 2, 3])
    with pytest.raises(ConfigError, match="has 2 predictions and 3 weights"):
        graph.train(tsk("iris"))


def test_an_average_of_learners_in_a_graph_keeps_the_positive_class():
    task = tsk("breast_cancer")
    pair = gunion([lrn("classif.log_reg", max_iter=5000, predict_type="prob"), lrn("classif.tree", predict_type="prob")])
    learner = as_learner(pair >> po("classifavg", weights=[3, 1])).train(task)
    single = [lrn(k, predict_type="prob", **m).train(task).predict(task).prob for k, m in LEARNERS.items()]
    assert np.allclose(learner.predict(task).prob, 0.75 * single[0] + 0.25 * single[1])
    assert learner.predict(task).class_names == task.class_names


LEARNERS = {"classif.log_reg": {"max_iter": 5000}, "classif.tree": {"random_state": None}}


# ---------------------------------------------------------------- learner_cv


def test_out_of_fold_features_are_those_of_models_that_did_not_see_the_row():
    task = tsk("diabetes")
    (made,), state = po("learner_cv", lrn("regr.lm"), folds=4, seed=7).train([task])
    assert made.feature_names == ["regr.lm.response"]
    by_hand, cut = np.empty(task.nrow), rsmp("cv", folds=4).instantiate(task, seed=7)
    for k in range(4):
        prediction = lrn("regr.lm").train(task, rows=cut.train_set(k)).predict(task, rows=cut.test_set(k))
        by_hand[prediction.row_ids] = prediction.response
    assert np.allclose(made.data()["regr.lm.response"].to_numpy(), by_hand)
    (later,) = po("learner_cv", lrn("regr.lm")).predict([task], state)
    assert np.allclose(later.data()["regr.lm.response"].to_numpy(), lrn("regr.lm").train(task).predict(task).response)


def test_a_label_that_tells_the_row_is_not_learnt_by_heart():
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"id": [f"r{i}" for i in range(200)], "y": rng.choice(["p", "n"], 200)})
    graph = po("encode") >> po("learner_cv", lrn("classif.tree", predict_type="prob"), seed=1)
    made = graph.train(as_task_classif(frame, target="y"))
    predicted = np.where(made.data()["classif.tree.prob.n"].to_numpy() > 0.5, "n", "p")
    assert 0.3 < np.mean(predicted == frame["y"].to_numpy()) < 0.7


def test_rows_drawn_twice_and_groups_stay_on_one_side():
    rng = np.random.default_rng(1)
    frame = pl.DataFrame({"x": rng.normal(size=60), "g": np.repeat(np.arange(20), 3), "y": np.repeat(rng.normal(size=20), 3)})
    task = as_task_regr(frame, target="y")
    drawn = as_task_regr(frame.drop("g").with_columns(y=pl.Series(rng.normal(size=60))), target="y").filter(
        rng.integers(0, 60, 120)
    )
    (made,), _ = po("learner_cv", lrn("regr.knn", n_neighbors=1), seed=1).train([drawn])
    error = np.abs(made.data()["regr.knn.response"].to_numpy() - made.truth())
    assert (error > 1e-12).mean() > 0.9
    grouped = task.with_roles(group="g")
    (made,), _ = po("learner_cv", lrn("regr.knn", n_neighbors=1), seed=1).train([grouped])
    assert (np.abs(made.data()["regr.knn.response"].to_numpy() - made.truth()) > 1e-12).all()


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_labels_become_categories_with_all_classes(library):
    task = tsk("iris")
    frame = {"pandas": task.data().to_pandas, "polars": task.data().clone, "pyarrow": task.data().to_arrow}[library]()
    task = as_task_classif(frame, target="Species")
    (made,), _ = po("learner_cv", lrn("classif.lda"), method="insample").train([task])
    assert made.levels("classif.lda.response") == ["setosa", "versicolor", "virginica"]
    (both,), _ = po("learner_cv", lrn("classif.lda", predict_type="prob"), keep_response=True, id="lda").train([task])
    assert both.feature_names == ["lda.response", "lda.prob.setosa", "lda.prob.versicolor", "lda.prob.virginica"]


def test_standard_errors_are_features_too_unless_they_are_left_out():
    (made,), _ = po("learner_cv", lrn("regr.lm", predict_type="se"), method="insample").train([tsk("diabetes")])
    assert made.feature_names == ["regr.lm.response", "regr.lm.se"]
    node = po("learner_cv", lrn("regr.lm", predict_type="se"), method="insample", se_aggr="none")
    assert node.train([tsk("diabetes")])[0][0].feature_names == ["regr.lm.response"]


def test_the_models_of_the_folds_may_predict_together(tmp_path):
    task = tsk("diabetes")
    node = po("learner_cv", lrn("regr.lm", predict_type="se"), folds=4, seed=7, predict_method="cv_ensemble")
    (made,), state = node.train([task])
    assert np.array_equal(
        made.matrix("float64"), po("learner_cv", node.learner, folds=4, seed=7).train([task])[0][0].matrix("float64")
    )
    cut = rsmp("cv", folds=4).instantiate(task, seed=7)
    each = [lrn("regr.lm", predict_type="se").train(task, rows=cut.train_set(k)).predict(task) for k in range(4)]
    response, se = np.array([p.response for p in each]), np.array([p.se for p in each])
    later = node.predict([task], state)[0].data()
    assert np.allclose(later["regr.lm.response"].to_numpy(), response.mean(axis=0))
    assert np.allclose(later["regr.lm.se"].to_numpy() ** 2, (se**2).mean(axis=0) + response.var(axis=0))
    learner = as_learner(node >> lrn("regr.ridge")).train(task)
    learner.save(tmp_path / "together")
    assert np.array_equal(load_learner(tmp_path / "together").predict(task).response, learner.predict(task).response)
    with pytest.raises(ConfigError, match="needs the models of folds"):
        po("learner_cv", lrn("regr.lm"), method="insample", predict_method="cv_ensemble")


def test_some_features_may_be_left_beside_the_predictions():
    node = po("learner_cv", lrn("classif.lda"), affect_columns=["Petal.Width"], method="insample")
    (made,), state = node.train([tsk("iris")])
    assert made.feature_names == ["Sepal.Length", "Sepal.Width", "Petal.Length", "classif.lda.response"]
    alone = lrn("classif.lda").train(tsk("iris").select(["Petal.Width"])).predict(tsk("iris"))
    later = node.predict([tsk("iris")], state)[0].data()["classif.lda.response"]
    assert later.to_list() == alone.response.tolist()


def test_errors_of_opposite_sign_cancel_and_a_weight_of_0_leaves_out():
    several = [PredictionRegr(response=[1.0], se=[2.0]), PredictionRegr(response=[3.0], se=[2.0])]
    opposite = po("regravg", se_aggr="mean", se_aggr_rho=-1)
    assert opposite.predict(several, {})[0].se.tolist() == [0.0]
    assert opposite.predict([*several, several[0]], {})[0].se.tolist() == pytest.approx([0.0], abs=1e-8)  # -1/2 is the least
    lost = PredictionRegr(response=[np.nan])
    assert po("regravg", weights=[0, 1]).predict([lost, several[1]], {})[0].response.tolist() == [3.0]


def test_its_hyperparameters_and_those_of_its_learner():
    graph = po("learner_cv", lrn("classif.tree", predict_type="prob"), folds=5) >> lrn("classif.lda")
    graph.params["classif_tree.max_depth"] = 2
    graph.params["classif_tree.folds"] = 4
    assert graph["classif_tree"].learner.params["max_depth"] == 2
    assert repr(graph["classif_tree"]).endswith("folds=4)")
    with pytest.raises(CompositionError, match="takes a learner"):
        po("learner_cv", po("scale"))
    with pytest.raises(DataError, match="2 rows cannot be cut into 3 folds"):
        po("learner_cv", lrn("regr.featureless")).train([tsk("diabetes").filter([0, 1])])


def test_stacking_is_leak_free_in_cross_validation():
    task = tsk("breast_cancer")
    stacked = gunion([po("learner_cv", lrn("classif.knn", predict_type="prob"), seed=1), po("nop")]) >> po("featureunion")
    learner = as_learner(stacked >> po("scale") >> lrn("classif.log_reg", id="top", predict_type="prob")).train(task)
    assert learner.predict(task).score("classif.auc") > 0.97


def test_logarithms_of_probabilities_may_be_averaged():
    prob = np.array([[[0.9, 0.1], [0.5, 0.5]], [[0.4, 0.6], [0.0, 1.0]]])
    both = [PredictionClassif(prob=p, class_names=["a", "b"]) for p in prob]
    made = po("classifavg", weights=[1, 3], prob_aggr="log", prob_aggr_eps=1e-3).predict(both, {})[0].prob
    raw = np.maximum(prob[0], 1e-3) ** 0.25 * np.maximum(prob[1], 1e-3) ** 0.75
    np.testing.assert_allclose(made, raw / raw.sum(axis=1, keepdims=True))
    assert po("classifavg", prob_aggr="log").predict([p.filter([]) for p in both], {})[0].prob.shape == (0, 2)


def test_features_out_of_a_learner_are_those_of_the_reference(reference):
    tasks = reference("tasks")["tasks"]
    cases = [c for c in reference("04_taskops")["cases"] if c.get("r", "").startswith('po("learner_cv"')]
    assert len(cases) > 3
    for case in cases:
        node, task = ref.operator(case["r"], tasks[case["train_task"]]), ref.task(tasks[case["train_task"]])
        (made,), state = node.train([task])
        pairs = [(made, case["train"])] + [(node.predict([ref.task(tasks[p["task"]])], state)[0], p) for p in case["predict"]]
        for ours, phase in pairs:
            wanted = phase["output"]["output"] if isinstance(phase["output"], dict) else phase["output"][0]
            mine, theirs = ref.ours(ours), ref.columns(wanted)
            assert list(mine) == list(theirs), case["r"]
            for name in () if "random" in case.get("note", "") else mine:
                assert mine[name] == (
                    theirs[name] if "response" in name and "classif" in name else pytest.approx(theirs[name], abs=1e-9)
                )
