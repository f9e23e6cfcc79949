"""Whole training runs against what mlr3torch did: initial weights, weights after 1 and 5 epochs, history, predictions."""

import json
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeops import Graph, as_learner, as_task_classif, as_task_regr, chain, lrn, nn, po
from pipeops.net import Callback, torch_callback
from pipeops.net.callbacks.base import STAGES

FOLDER = os.environ.get("PIPEOPS_REFERENCE")
pytestmark = pytest.mark.skipif(not FOLDER, reason="PIPEOPS_REFERENCE is not set")
TOLERANCE = {"rtol": 1e-6, "atol": 1e-6}
TERMS = 600
"""How large the terms of one output of mtcars may be together (features up to 472, ten weights up to 0.3): its rounding is
this many times that of one number."""
LARGE = {"rtol": 1e-6, "atol": TERMS * float(np.finfo(np.float32).eps)}


def tolerance(case):
    """How far numbers of a whole run may be from the reference's, on any processor."""
    return LARGE if case.startswith("mtcars") else TOLERANCE


def read(name):
    return json.loads((Path(FOLDER) / name).read_text()) if FOLDER else {}


RUNS = {c["case"]: c for c in read("11_torch_train.json").get("cases", [])}
FACTS = {c["case"]: c for c in read("12_torch_facts.json").get("cases", [])}
TASKS = read("tasks.json").get("tasks", {})


def task(name):
    """A task as the reference sees it: features in alphabetical order."""
    spec = TASKS[name]
    columns = {
        c["name"]: pl.Series(c["values"], dtype=pl.Enum(c["levels"]) if "levels" in c else pl.Float64)
        for c in spec["data_columns"]
    }
    (target,) = spec["target_names"]
    frame = pl.DataFrame(columns).select(target, *sorted(spec["feature_names"]))
    if spec["task_type"] == "regr":
        return as_task_regr(frame, target=target)
    return as_task_classif(frame, target=target, positive=spec.get("positive"))


def num():
    return po("torch_ingress_num")


def graph(layers, loss, optimizer, model="classif", callbacks=("history",), **settings):
    settings = {"batch_size": 8, "seed": 1, "shuffle": False, "device": "cpu", **settings}
    prob = {"predict_type": "prob"} if model == "classif" else {}
    configured = [po("torch_loss", **loss), po("torch_optimizer", **optimizer), po("torch_callbacks", callbacks=list(callbacks))]
    return chain([layers, *configured, po(f"torch_model_{model}", **prob, **settings)])


CE, SGD = {"loss": "cross_entropy"}, {"optimizer": "sgd", "lr": 0.1}


def linear():
    return num() >> nn("identity") >> nn("head")


def mlp(width):
    return num() >> nn("linear", out_features=width) >> nn("relu") >> nn("head")


def fork(merge, *branches):
    return num() >> list(branches) >> nn(merge) >> nn("head")


def step_down(ctx):
    """lr_step with step_size = 2 and gamma = 0.1."""
    if ctx.epoch % 2 == 0:
        ctx.lr *= 0.1


def one_over(ctx):
    """lr_lambda with 1 / (1 + epoch)."""
    ctx.lr = 0.1 / (1 + ctx.epoch)


CASES = {
    "iris_mlp_adam": lambda: graph(
        mlp(5), CE, {"optimizer": "adam", "lr": 0.05}, measures_train=["classif.logloss", "classif.ce"]
    ),
    "iris_linear_sgd": lambda: graph(linear(), CE, SGD),
    "iris_adamw": lambda: graph(linear(), CE, {"optimizer": "adamw", "lr": 0.1, "weight_decay": 0.1}),
    "iris_class_weight": lambda: graph(linear(), CE | {"class_weight": [1, 2, 3]}, SGD),
    "iris_reduction_sum": lambda: graph(linear(), CE | {"reduction": "sum"}, SGD | {"lr": 0.01}),
    "binary_class_weight": lambda: graph(linear(), CE | {"class_weight": 3}, SGD),
    "mtcars_mse_sgd": lambda: graph(linear(), {"loss": "mse"}, SGD | {"lr": 1e-6}, "regr", measures_train=["regr.rmse"]),
    "mtcars_l1_adam_mlp": lambda: graph(mlp(6), {"loss": "l1"}, {"optimizer": "adam", "lr": 0.01}, "regr"),
    "fork_sum": lambda: graph(
        fork("merge_sum", nn("linear_1", out_features=3) >> nn("relu"), nn("linear_2", out_features=3)), CE, SGD
    ),
    "fork_cat": lambda: graph(
        fork("merge_cat", nn("linear_1", out_features=3) >> nn("relu"), nn("linear_2", out_features=2) >> nn("tanh")), CE, SGD
    ),
    "block_repeat": lambda: graph(
        num() >> nn("block", block=nn("linear", out_features=3) >> nn("relu"), n_blocks=2) >> nn("head"), CE, SGD
    ),
    "lrn_torch_featureless_regr": lambda: lrn(
        "regr.torch_featureless", batch_size=8, seed=1, device="cpu", shuffle=False, **{"opt.lr": 0.1}
    ).graph,
    'sched/t_clbk("lr_step", step_size = 2, gamma = 0.1)': lambda: graph(
        linear(), CE, SGD, callbacks=[torch_callback("step", on_epoch_end=step_down)]
    ),
    'sched/t_clbk("lr_lambda", lr_lambda = function(epoch) 1 / (1 + epoch))': lambda: graph(
        linear(), CE, SGD, callbacks=[torch_callback("one_over", on_epoch_end=one_over)]
    ),
}  # fmt: skip


def trained(case, epochs):
    g: Graph = CASES[case]()
    model = g.ids()[-1]
    g.params[f"{model}.epochs"] = epochs
    g.params[f"{model}.num_threads"] = 1
    return as_learner(g).train(task(RUNS[case]["train_task"]))


def check_parameters(learner, expected):
    parameters = dict(learner.network.named_parameters())
    assert len(parameters) == len(expected)
    for (name, mine), theirs in zip(parameters.items(), expected, strict=True):
        values = np.array([float(v) for v in theirs["values"]]).reshape(theirs["shape"])
        np.testing.assert_allclose(mine.detach().numpy(), values, **TOLERANCE, err_msg=name)


@pytest.mark.parametrize("case", [c for c in RUNS if c in CASES])
@pytest.mark.parametrize("epochs", [0, 1, 5])
def test_run_equals_reference(case, epochs):
    learner, run = trained(case, epochs), RUNS[case]
    if epochs == 0:
        if run["initial_parameters"]:
            check_parameters(learner, run["initial_parameters"])
        return
    expected = run[f"epochs_{epochs}"]
    check_parameters(learner, expected["parameters"])
    named = [column for column in expected["history"] or [] if len(expected["history"]) > 1]  # without measures it has no rows
    for column in named:
        np.testing.assert_allclose(learner.history[column["name"]].to_numpy(), column["values"], **tolerance(case))
    for name, prediction in expected["predictions"].items():
        mine = learner.predict(task(name)).to_frame()
        for column in prediction["table"][1:]:
            values = mine[column["name"]].to_list()
            if column["name"].startswith("prob.") or column["type"] == "numeric":
                np.testing.assert_allclose(values, column["values"], **tolerance(case), err_msg=column["name"])
            else:
                assert values == column["values"], column["name"]


def watched(case, **settings):
    """A network without hidden layers on iris, validated on other rows of it."""
    adam = {"optimizer": "adam", "lr": 0.1}
    learner = as_learner(graph(num() >> nn("head"), CE, adam, **settings), validate=task("iris_te"))
    return learner.train(task("iris_tr")), {c["name"]: c["values"] for c in FACTS[case]["value"]["history"]}


def check_history(learner, history):
    assert [name for name in learner.history.columns if name != "train.loss"] == list(history)
    for name, values in history.items():
        np.testing.assert_allclose(learner.history[name].to_numpy(), values, rtol=1e-5, atol=1e-6, err_msg=name)


def test_history_with_validation():
    learner, history = watched(
        "history_table_valid", epochs=4, measures_valid=["classif.ce", "classif.logloss"], measures_train=["classif.logloss"]
    )
    check_history(learner, history)
    expected = [v[0] for v in FACTS["history_table_valid"]["value"]["valid"]]
    np.testing.assert_allclose(list(learner.internal_valid_scores.values()), expected, rtol=1e-5)


def test_history_with_eval_freq():
    check_history(*watched("history_eval_freq", epochs=5, eval_freq=2, measures_valid=["classif.logloss"]))


@pytest.mark.parametrize("patience", [0, 2, 3])
def test_early_stopping(patience):
    case = f"early_stopping_patience{patience}"
    learner, history = watched(case, epochs=30, patience=patience, min_delta=0.05, measures_valid=["classif.logloss"])
    check_history(learner, history)
    if patience:
        assert learner.best_epoch == FACTS[case]["value"]["tuned"][0]


def test_restored_weights_and_their_scores():
    """The reference reports the last epoch's score here; ours are the scores of the weights that are kept."""
    settings = {"epochs": 30, "patience": 2, "restore_best_weights": True, "measures_valid": ["classif.logloss"]}
    g = graph(num() >> nn("head"), CE, {"optimizer": "adam", "lr": 0.5}, **settings)
    learner = as_learner(g, validate=task("imb_te").select(["x"])).train(task("imb_tr").select(["x"]))
    facts = FACTS["early_stopping_restore"]["value"]
    history = {c["name"]: c["values"] for c in facts["history"]}
    check_history(learner, history)
    assert learner.network.head.weight.item() == pytest.approx(facts["par"][0], abs=1e-5)
    assert learner.internal_valid_scores["classif.logloss"] == pytest.approx(min(history["valid.classif.logloss"]), rel=1e-5)
    assert learner.best_epoch == 4


class Log(Callback):
    """Writes down every stage."""

    def __init__(self):
        self.seen = []


for _stage in STAGES:
    setattr(Log, _stage, lambda self, ctx, stage=_stage: self.seen.append(stage))


@pytest.mark.parametrize(("case", "epochs", "eval_freq"), [("stage_order_valid", 2, 1), ("stage_order_valid_eval_freq2", 3, 2)])
def test_order_of_stages(case, epochs, eval_freq):
    g = graph(num() >> nn("head"), CE, {"optimizer": "adam"}, callbacks=[Log()], epochs=epochs, eval_freq=eval_freq,
              batch_size=20, measures_valid=["classif.ce"])  # fmt: skip
    learner = as_learner(g, validate=0.3).train(task("iris_tr"))
    assert learner.model["torch_model_classif"].callbacks["log"]["seen"] == FACTS[case]["value"]
