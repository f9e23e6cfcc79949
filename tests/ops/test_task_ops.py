"""Operators on weights, rows and targets of tasks, and those that say or draw: beside the reference and hand calculation."""

import logging

import numpy as np
import polars as pl
import pytest

from pipeops import PredictionClassif, PredictionRegr, as_learner, as_task_classif, as_task_regr, lrn, po, rsmp, tsk
from pipeops.errors import ConfigError, DataError, UnknownKeyError
from tests.ops import reference as ref

SMALL = as_task_classif({"x": [1.0, 2.0, 3.0, 4.0], "y": ["a", "a", "a", "b"]}, target="y")


def test_class_weights_are_those_of_the_reference(reference):
    tasks = reference("tasks")["tasks"]
    cases = [c for c in reference("04_taskops")["cases"] if c["case"].startswith("weights/")]
    assert len(cases) > 5
    for case in cases:
        node = ref.operator(case["r"], tasks[case["train_task"]])
        if case["train"].get("error"):
            with pytest.raises(DataError):
                node.train([ref.task(tasks[case["train_task"]])])
            continue
        made = node.train([ref.task(tasks[case["train_task"]])])[0][0]
        output = case["train"]["output"]["output"]
        for use in ("learner", "measure"):
            found, role = made.weights(use), f"weights_{use}"
            assert (found is not None) == (role in output["col_roles"]), case["r"]
            if found is not None:
                (_, wanted) = output[role]
                np.testing.assert_allclose(found, wanted["values"])


def test_explicit_weights_name_every_class():
    made = po("classweightsex", mapping={"a": 2, "b": 5}).train([SMALL])[0][0]
    assert made.weights().tolist() == [2, 2, 2, 5]
    assert po("classweightsex").train([SMALL])[0][0].weights() is None
    for mapping, match in (({"a": 1}, "lacks the classes 'b'"), ({"a": 1, "b": 1, "c": 1}, "'c', which are no classes")):
        with pytest.raises(DataError, match=match):
            po("classweightsex", mapping=mapping).train([SMALL])
    with pytest.raises(ConfigError, match="from 0 on"):
        po("classweightsex", mapping={"a": -1, "b": 1})
    with pytest.raises(DataError, match="has weights already"):
        po("classweightsex", mapping={"a": 1, "b": 1}).train([made])


def mixed(library="polars"):
    rng = np.random.default_rng(0)
    data = pl.DataFrame(
        {
            "x": rng.normal(size=24),
            "k": np.arange(24),
            "f": pl.Series(["u", "v", "w"] * 8, dtype=pl.Enum(["w", "v", "u"])),
            "l": [True, False] * 12,
            "y": ["a"] * 16 + ["b"] * 8,
        }
    )
    return as_task_classif({"polars": data, "pandas": data.to_pandas(), "pyarrow": data.to_arrow()}[library], target="y")


@pytest.mark.parametrize("library", ["polars", "pandas", "pyarrow"])
def test_rows_of_numbers_and_categories_are_made_within_what_there_is(library):
    task = mixed(library)
    made = po("smotenc", k=3, seed=1).train([task])[0][0]
    new = made.filter(made.row_ids[24:])
    assert made.nrow == 32
    assert set(new.truth()) == {"b"}
    assert (new.row_ids < 0).all()
    assert made.feature_types == task.feature_types
    frame = new.frame()
    assert set(frame["f"].to_list()) <= {"u", "v", "w"}
    assert set(frame["l"].to_list()) <= {True, False}
    assert all(isinstance(v, int) and 16 <= v <= 23 for v in frame["k"].to_list())
    assert po("smotenc", over_ratio=0.75, k=3).train([task])[0][0].nrow == 28


def test_smotenc_takes_the_most_frequent_category_of_the_neighbours():
    data = {"x": [0.0, 0.1, 0.2, 9.0, 9.1, 9.2, *range(20, 32)], "f": ["u"] * 3 + ["v"] * 3 + ["w"] * 12}
    task = as_task_classif({**data, "y": ["b"] * 6 + ["a"] * 12}, target="y")
    made = po("smotenc", k=2).train([task])[0][0]
    new = made.filter(made.row_ids[18:]).frame()
    assert all((f == "u") == (x < 1) and f != "w" for x, f in zip(new["x"].to_list(), new["f"].to_list(), strict=True))
    with pytest.raises(DataError, match="has no numeric one"):
        po("smotenc").train([as_task_classif({"f": ["u", "v", "u"], "y": ["a", "a", "b"]}, target="y")])


def test_rows_that_are_made_never_reach_a_validation_set():
    seen = []

    graph = po("smote", K=2) >> po("info", printer={"Task": lambda t: seen.append(t.row_ids)}, log_target="warning")
    learner = as_learner(po("smote", K=2) >> lrn("classif.log_reg"), id="l")
    cv = rsmp("cv", folds=3).instantiate(tsk("sonar"), seed=1)
    assert all((cv.test_set(k) >= 0).all() for k in range(3))
    assert learner.train(tsk("sonar")).predict(tsk("sonar")).row_ids.min() == 0
    with pytest.warns(UserWarning, match="info"):
        graph.train(tsk("sonar"))
    assert seen[0].min() < 0


def test_another_target_has_another_type_and_keeps_rows_and_roles():
    task = as_task_regr(
        {"x": [1, 2, 3, 4], "w": [1.0, 2.0, 3.0, 4.0], "z": ["p", "q", "p", "q"], "y": [1.0, 5.0, 7.0, 2.0]}, target="y"
    ).with_roles(weight="w")
    node = po("update_target", trafo=lambda y: y > 4, new_target_name="large", new_task_type="classif")
    (made,), state = node.train([task.filter([3, 2, 1])])
    assert made.row_ids.tolist() == [3, 2, 1]
    assert made.truth().tolist() == [False, True, True]
    assert made.weights().tolist() == [4.0, 3.0, 2.0]
    assert made.feature_names == ["x", "z"]
    answer = node.predict([task.filter([0])], state)[0]
    assert (answer.truth().tolist(), answer.class_names) == ([False], made.class_names)
    feature = po("update_target", new_target_name="z", new_task_type="classif", drop_original_target=False)
    assert feature.train([task])[0][0].feature_names == ["x", "y"]
    graph = node >> lrn("classif.featureless")
    graph.train(task)
    assert graph.predict(task).task_type == "classif"


def test_what_flows_by_is_said_where_one_wants_it(capsys, caplog):
    node = po("info", printer={"Task": lambda t: f"{t.nrow} rows", "None": lambda _: "nothing"}, log_target="print")
    _, state = node.train([SMALL])
    node.predict([None], state)
    assert capsys.readouterr().out == "info, training: 4 rows\ninfo, prediction: nothing\n"
    with caplog.at_level(logging.INFO, logger="pipeops"):
        po("info").train([SMALL])
    assert "Target: y" in caplog.text
    assert po("info", log_target="none").train([SMALL])[0] == [SMALL]
    with pytest.raises(ConfigError, match="log_target"):
        po("info", log_target="somewhere")


def test_responses_are_drawn_by_probability_and_by_normal_law():
    n = 4000
    prob = np.tile([[0.2, 0.5, 0.3]], (n, 1))
    node = po("randomresponse", seed=1)
    drawn = node.predict([PredictionClassif(prob=prob, class_names=["a", "b", "c"])], {})[0]
    np.testing.assert_allclose([np.mean(drawn.response == k) for k in "abc"], [0.2, 0.5, 0.3], atol=0.03)
    assert drawn.prob is None
    numbers = PredictionRegr(response=np.full(n, 3.0), se=np.full(n, 2.0), truth=np.zeros(n))
    made = node.predict([numbers], {})[0].response
    np.testing.assert_allclose([made.mean(), made.std(), np.mean(made < 1)], [3, 2, 0.1587], atol=0.06)
    own = po("randomresponse", rdistfun=lambda n, mean, sd: mean + sd)
    assert own.predict([numbers], {})[0].response[:2].tolist() == [5.0, 5.0]
    plain = PredictionRegr(response=[1.0])
    assert own.predict([plain], {})[0] is plain
    with pytest.raises(DataError, match="rdistfun"):
        po("randomresponse", rdistfun=lambda n, mean, sd: [1.0]).predict([numbers], {})


def test_colroles_by_role():
    task = tsk("iris").with_roles(stratum="Petal.Width")
    node = po("colroles", new_role_direct={"feature": ["Petal.Length", "Sepal.Width"], "stratum": []})
    (made,), state = node.train([task])
    assert (made.feature_names, made.roles["stratum"]) == (["Petal.Length", "Sepal.Width"], [])
    assert node.predict([tsk("iris")], state)[0].feature_names == ["Petal.Length", "Sepal.Width"]
    grouped = po("colroles", new_role_direct={"group": "Petal.Width"}).train([tsk("iris")])[0][0]
    assert "Petal.Width" in grouped.feature_names
    with pytest.raises(ConfigError, match="not both"):
        po("colroles", new_role={"x": "group"}, new_role_direct={"group": "x"})
    with pytest.raises(UnknownKeyError, match="cannot become 'target'"):
        po("colroles", new_role_direct={"target": "x"})
