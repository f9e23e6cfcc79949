"""Where the algorithm is the reference's, so are the numbers: featureless, the linear model with its errors, lda."""

import re

import numpy as np
import polars as pl
import pytest

from pipeops import as_task_classif, as_task_regr, lrn, po
from pipeops.shorthand import lrn as learners
from pipeops.shorthand import po as operators

DRAWN = "weighted.sample"


def task_of(data):
    """A task of the reference: its target and features."""
    columns = {c["name"]: c for c in data["data_columns"]}
    names = [*data["target_names"], *data["feature_names"]]
    frame = pl.DataFrame({n: pl.Series(columns[n]["values"], strict=False) for n in names})
    if data["class"] == "TaskRegr":
        return as_task_regr(frame.cast({data["target_names"][0]: pl.Float64}), target=data["target_names"][0])
    target = pl.Enum(columns[data["target_names"][0]]["levels"])
    return as_task_classif(frame.cast({data["target_names"][0]: target}), target=data["target_names"][0])


def graph_of(call):
    """The graph of an R call, or a skip where something in it does not exist here."""
    for registry, name in ((operators, "po"), (learners, "lrn")):
        for key in re.findall(rf'{name}\("([\w.]+)"', call):
            if key not in registry:
                pytest.skip(f"no {name} {key}")
    text = call.replace("%>>%", ">>").replace("TRUE", "True").replace("FALSE", "False")
    text = re.sub(r"(\w)\. =", r"\1 =", text)
    return eval(text, {"po": po, "lrn": lrn})


def check(prediction, expected):
    assert type(prediction).__name__ == expected["class"]
    assert prediction.predict_types == expected["predict_types"]
    frame = prediction.to_frame()
    for column in expected["table"][1:]:
        if column["type"] == "factor":
            assert frame[column["name"]].cast(pl.String).to_list() == column["values"]
        else:
            assert np.allclose(frame[column["name"]].to_numpy(), np.array(column["values"], float), rtol=1e-6, atol=1e-9)


def test_learner_nodes(reference):
    tasks = reference("tasks")["tasks"]
    cases = [c for c in reference("04_taskops")["cases"] if re.match(r'po\("learner"', c.get("r", "")) and DRAWN not in c["r"]]
    assert cases
    for case in cases:
        graph = po("nop") >> graph_of(case["r"])
        assert graph.train(task_of(tasks[case["train_task"]])) is None
        for predicted in case["predict"]:
            check(graph.predict(task_of(tasks[predicted["task"]])), predicted["output"]["output"])


@pytest.mark.parametrize("name", ["scale_pca_lm", "scale_lda"])
def test_end_to_end(reference, name):
    tasks = reference("tasks")["tasks"]
    case = next(c for c in reference("08_graph")["end_to_end"] if c["case"] == name)
    graph = graph_of(case["r"])
    graph.train(task_of(tasks[case["train_task"]]))
    check(graph.predict(task_of(tasks[case["predict_task"]])), next(iter(case["predict_output"].values())))
