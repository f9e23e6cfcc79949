"""What bad input gets: the built-in error that a Python user expects, saying who, what was wrong and what to do.

One row for each: what is done, the error, and words that its message must contain. Nothing may be trained by then.
"""
# ruff: noqa: E501 - a table reads best with one row a line

import math
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

from pipeops import (
    Graph,
    PredictionClassif,
    PredictionRegr,
    as_learner,
    as_task_classif,
    as_task_regr,
    chain,
    flt,
    load_learner,
    lrn,
    msr,
    nn,
    po,
    ppl,
    rsmp,
    t_clbk,
    t_loss,
    t_opt,
    t_sampler,
    tsk,
)
from pipeops.errors import PipeOpsError
from pipeops.net import Callback, last, layer
from pipeops.ops import Preprocess, operator
from pipeops.params import real

FRAME = pl.DataFrame({"a": [1.0, 2.0, 3.0, 4.0], "b": [4.0, 3.0, 1.0, 2.0], "y": ["p", "n", "p", "n"]})
HOLES = FRAME.with_columns(a=pl.Series([1.0, None, None, 4.0]))
TEXT = FRAME.with_columns(b=pl.Series(["u", "v", "u", "v"]))


def task(frame: Any = FRAME, **options: Any) -> Any:
    return as_task_classif(frame, target="y", **({"positive": "p"} | options))


def numbers(frame: Any = None) -> Any:
    return as_task_regr({"a": [1.0, 2.0, 3.0], "y": [0.5, 1.0, 1.5]} if frame is None else frame, target="y")


def net(*layers: Any, loss: Any = "cross_entropy", optimizer: Any = "adam", kind: str = "classif", **model: Any) -> Graph:
    """A network's graph; a loss or optimizer of None is left out."""
    parts = [po("torch_ingress_num"), *layers]
    parts += [] if loss is None else [po("torch_loss", loss=loss)]
    parts += [] if optimizer is None else [po("torch_optimizer", optimizer=optimizer)]
    return chain([*parts, po(f"torch_model_{kind}", **({"epochs": 1, "batch_size": 2, "seed": 1} | model))])


def trained(graph: Any, data: Any = None) -> Any:
    learner = as_learner(graph)
    return learner.train(task() if data is None else data)


def nan_loss(input: Any, target: Any) -> Any:
    return (input * math.nan).mean()


def vector_loss(input: Any, target: Any) -> Any:
    return (input - target) ** 2


def text_loss(input: Any, target: Any) -> Any:
    return "low"


class Prediction:
    """Predictions by hand."""

    response = PredictionClassif(truth=["p", "n"], response=["p", "p"], class_names=["p", "n"])
    regr = PredictionRegr(truth=[1.0], response=[2.0])


def misspelt_stage() -> Any:
    class Late(Callback):
        def on_bgin(self, ctx: Any) -> None:
            pass


def hiding_hyperparameter() -> Any:
    @operator
    class Hides(Preprocess):
        train: float = real(default=0.0)

        def apply(self, frame: Any, state: Any) -> Any:
            return frame


def after_training(change: Any, graph: Any = None) -> Any:
    learner = trained(po("scale") >> lrn("classif.featureless") if graph is None else graph)
    return change(learner)


TASKS = [
    ("no such target", lambda: as_task_classif(FRAME, target="yy"), KeyError, ["'yy'", "Did you mean 'y'"]),
    ("target with one class", lambda: task(FRAME.with_columns(y=pl.lit("p"))), ValueError, ["'y'", "one class", "'p'"]),
    ("target with holes", lambda: task(FRAME.with_columns(y=pl.Series(["p", None, "n", None])), positive="p"), ValueError, ["'y'", "2", "missing"]),
    ("positive that is no level", lambda: task(positive="q"), KeyError, ["'q'", "'p'", "'n'"]),
    ("duplicate column names", lambda: task(pd.DataFrame([[1, 2, "p"], [3, 4, "n"]], columns=["a", "a", "y"])), ValueError, ["'a'", "uplicate", "rename"]),
    ("text as the target of a regression", lambda: as_task_regr(FRAME, target="y"), ValueError, ["'y'", "as_task_classif"]),
    ("unequal lengths", lambda: as_task_regr({"a": [1, 2], "y": [1.0]}, target="y"), ValueError, ["length", "'a'", "'y'"]),
    ("X and y of different lengths", lambda: as_task_classif(np.ones((3, 2)), np.array([0, 1])), ValueError, ["3", "2"]),
    ("no data at all", lambda: as_task_classif(None, target="y"), (TypeError, ValueError), ["NoneType"]),
    ("X of three dimensions", lambda: as_task_classif(np.ones((3, 2, 2)), np.array([0, 1, 1])), ValueError, ["dimension"]),
    ("unknown column selected", lambda: task().select(["a", "bb"]), KeyError, ["'bb'"]),
    ("unknown row", lambda: task().filter([0, 99]), KeyError, ["99"]),
    ("mask of the wrong length", lambda: task().filter([True, False]), ValueError, ["4"]),
    ("unknown role", lambda: task().with_roles(weigth="a"), (KeyError, TypeError), ["'weigth'", "'weight'"]),
    ("role for an unknown column", lambda: task().with_roles(weight="w"), KeyError, ["'w'"]),
    ("unknown data set", lambda: tsk("irsi"), KeyError, ["'irsi'", "'iris'"]),
    ("a pandas frame instead of a task", lambda: po("scale").train([FRAME.to_pandas()]), ValueError, ["scale", "takes a task", "DataFrame"]),
]  # fmt: skip

NODES = [
    ("unknown operator", lambda: po("scal"), KeyError, ["no operator 'scal'", "Did you mean 'scale'"]),
    ("unknown layer", lambda: nn("linaer"), KeyError, ["no layer 'linaer'", "'linear'"]),
    ("layer on the operator's shelf", lambda: po("nn_linear"), KeyError, ['nn("linear")']),
    ("unknown hyperparameter", lambda: po("scale", centre=True), TypeError, ['po("scale")', "'centre'", "'center'"]),
    ("unknown hyperparameter of a layer", lambda: nn("linear", out_feature=3), TypeError, ["'out_feature'", "'out_features'"]),
    ("inferred argument of a layer", lambda: nn("linear", in_features=3, out_features=3), TypeError, ["'in_features'"]),
    ("value of the wrong kind", lambda: po("scale", center="yes"), ValueError, ["scale", "'center'", "True or False", '"yes"']),
    ("value out of range", lambda: nn("dropout", p=1.5), ValueError, ["dropout", "'p'", "[0, 1]", "1.5"]),
    ("bool as a number", lambda: nn("linear", out_features=True), ValueError, ["'out_features'", "integer", "True"]),
    ("option that is none", lambda: po("encode", method="onehot"), ValueError, ["encode", "'method'", "'one-hot'"]),
    ("bounds that are equal", lambda: po("scalerange", lower=1.0, upper=1.0), ValueError, ["lower", "upper"]),
    ("id with a dot", lambda: po("scale", id="a.b"), ValueError, ["id", "'a.b'"]),
    ("id that is a keyword", lambda: po("scale", id="class"), ValueError, ["keyword", "'class'"]),
    ("id that hides an attribute of the network", lambda: nn("linear", id="forward"), ValueError, ["'forward'"]),
    ("hyperparameter that hides an attribute", hiding_hyperparameter, ValueError, ["Hides", "'train'"]),
    ("key that is taken", lambda: po.add("scale", dict), TypeError, ["'scale'", "held"]),
    ("copy without a number", lambda: po("copy"), ValueError, ["copy", "'outnum'"]),
    ("layer of a module without that argument", lambda: layer("bad_input", torch.nn.ReLU, in_features=last) and nn("bad_input"), TypeError, ["'in_features'"]),
]  # fmt: skip

GRAPHS = [
    ("string as a node", lambda: po("scale") >> "pca", TypeError, ["str", "'pca'"]),
    ("nothing as a node", lambda: po("scale") >> None, TypeError, ["NoneType"]),
    ("network before a task operator", lambda: po("torch_ingress_num") >> po("scale"), TypeError, ["torch_ingress_num", "scale"]),
    ("task into a layer", lambda: po("scale") >> nn("relu"), TypeError, ["'scale' gives a Task", "'relu' takes"]),
    ("ids that are taken", lambda: po("scale", id="x") >> po("nop", id="x"), TypeError, ["'x'", "taken"]),
    ("numbers that do not match", lambda: po("copy", outnum=3) >> [po("nop"), po("nop")], TypeError, ["3 outputs", "2 inputs"]),
    ("cycle", lambda: (po("nop") >> po("nop")).add_edge("nop_2", "nop"), TypeError, ["cycle", "nop >> nop_2"]),
    ("unknown node", lambda: (po("scale") >> po("nop"))["scal"], KeyError, ["'scal'", "'scale'"]),
    ("unknown address", lambda: (po("scale") >> po("nop")).params["scale.centre"], KeyError, ["'scale.centre'", "'scale.center'"]),
    ("value refused by address", lambda: net(nn("linear")).params.update({"linear.out_features": 0}), ValueError, ["'out_features'", "[1, Inf)", "0"]),
    ("graph without a prediction", lambda: as_learner(po("scale") >> po("nop")), TypeError, ["Prediction", "nop.output"]),
    ("learner of something else", lambda: as_learner("scale"), TypeError, ["str"]),
    ("a frame into a graph", lambda: (po("scale") >> po("nop")).train(FRAME), ValueError, ["Task", "DataFrame", "as_task_classif"]),
    ("input that is missing", lambda: ([po("scale"), po("nop")] >> po("featureunion")).train({"scale": task()}), ValueError, ["'nop.input'"]),
    ("graph predicts before it is trained", lambda: (po("scale") >> po("nop")).predict(task()), RuntimeError, ["train it before"]),
    ("ratio for validation out of range", lambda: as_learner(net(nn("head")), validate=1.5), ValueError, ["validate", "1.5"]),
    ("validation by name without data", lambda: as_learner(net(nn("head")), validate="test").train(task()), ValueError, ['validate="test"', "valid="]),
]  # fmt: skip

OPERATORS = [
    ("column that is gone at predict", lambda: after_training(lambda one: one.predict(task().select(["a"]))), ValueError, ["scale", "'b'"]),
    ("column of another kind at predict", lambda: after_training(lambda one: one.predict(task(TEXT))), ValueError, ["scale", "'b'", "categorical", "numeric"]),
    ("column that is new at predict", lambda: after_training(lambda one: one.predict(task(FRAME.with_columns(c=pl.lit(1.0))))), ValueError, ["scale", "'c'"]),
    ("new data without a column", lambda: after_training(lambda one: one.predict_newdata(FRAME.select("a"))), ValueError, ["'b'"]),
    ("new data of another kind", lambda: after_training(lambda one: one.predict_newdata(TEXT)), ValueError, ["'b'", "categorical"]),
    ("constant that is not set", lambda: chain([po("imputeconstant")]).train(task(HOLES)), ValueError, ["imputeconstant", "'constant'", "before training"]),
    ("constant that does not fit", lambda: chain([po("imputeconstant", constant="x")]).train(task(HOLES)), ValueError, ["imputeconstant", "'a'"]),
    ("unknown affected column", lambda: chain([po("scale", affect_columns=["aa"])]).train(task()), KeyError, ["'aa'", "'a'"]),
    ("renaming an unknown column", lambda: chain([po("renamecolumns", renaming={"zz": "q"})]).train(task()), KeyError, ["'zz'"]),
    ("renaming to a name that is there", lambda: chain([po("renamecolumns", renaming={"a": "b"})]).train(task()), ValueError, ["'b'"]),
    ("features of one name that differ", lambda: (po("copy", outnum=2) >> [po("scale"), po("nop")] >> po("featureunion")).train(task()), ValueError, ["featureunion", "'a'"]),
    ("node called without a list", lambda: po("scale").train(task()), TypeError, ["scale", "a list with one task", "TaskClassif"]),
]  # fmt: skip

NETWORKS = [
    ("missing values at the ingress", lambda: trained(net(nn("head")), task(HOLES)), ValueError, ["torch_ingress_num", "'a' (2)", 'po("imputemean")']),
    ("missing values at the ingress when predicting", lambda: after_training(lambda one: one.predict(task(HOLES)), net(nn("head"))), ValueError, ["torch_ingress_num", "'a' (2)"]),
    ("text in a numeric ingress", lambda: trained(net(nn("head")), task(TEXT)), ValueError, ["torch_ingress_num", "'b' (categorical)", 'po("encode")']),
    ("numbers in a categorical ingress", lambda: chain([po("torch_ingress_categ")]).train(task()), ValueError, ["torch_ingress_categ", "'a' (numeric)"]),
    ("no columns left", lambda: trained(net(nn("head")), task().select([])), ValueError, ["torch_ingress_num", "no features"]),
    ("two outputs for two classes", lambda: trained(net(nn("linear", out_features=2))), ValueError, ["linear", "(batch, 2)", 'nn("head")']),
    ("one output for three classes", lambda: trained(net(nn("linear", out_features=1)), tsk("iris")), ValueError, ["linear", "3", 'nn("head")']),
    ("size that is not set", lambda: trained(net(nn("linear"), nn("head"))), ValueError, ["linear: set 'out_features' before training"]),
    ("loss that is missing", lambda: trained(net(nn("head"), loss=None)), ValueError, ["loss", 'po("torch_loss"']),
    ("optimizer that is missing", lambda: trained(net(nn("head"), optimizer=None)), ValueError, ["optimizer", 'po("torch_optimizer"']),
    ("loss that is not set", lambda: trained(po("torch_ingress_num") >> nn("head") >> po("torch_loss") >> po("torch_optimizer") >> po("torch_model_classif", epochs=1, batch_size=2)), ValueError, ["torch_loss", "'loss'"]),
    ("unknown loss", lambda: po("torch_loss", loss="cross_entrpy"), KeyError, ["'cross_entrpy'", "'cross_entropy'"]),
    ("loss that is no loss", lambda: po("torch_loss", loss=3), ValueError, ["torch_loss", "3"]),
    ("unknown argument of a loss", lambda: po("torch_loss", loss="cross_entropy", wieght=1), TypeError, ["'wieght'"]),
    ("unknown optimizer", lambda: po("torch_optimizer", optimizer="adma"), KeyError, ["'adma'", "'adam'"]),
    ("optimizer that exists already", lambda: po("torch_optimizer", optimizer=torch.optim.SGD([torch.zeros(1)], lr=1.0)), ValueError, ["torch_optimizer", "class"]),
    ("negative learning rate", lambda: po("torch_optimizer", lr=-0.1), ValueError, ["'lr'", "-0.1"]),
    ("unknown callback", lambda: po("torch_callbacks", callbacks=["histry"]), KeyError, ["'histry'", "'history'"]),
    ("stage that is none", misspelt_stage, TypeError, ["Late", "'on_bgin'", "'on_begin'"]),
    ("epochs that are not set", lambda: trained(net(nn("head"), epochs=po("torch_model_classif").epochs)), ValueError, ["set 'epochs' before training"]),
    ("batch size that is not set", lambda: trained(chain([po("torch_ingress_num"), nn("head"), po("torch_loss", loss="cross_entropy"), po("torch_optimizer"), po("torch_model_classif", epochs=1)])), ValueError, ["set 'batch_size' before training"]),
    ("batches larger than the data with drop_last", lambda: trained(net(nn("head"), batch_size=99, drop_last=True)), ValueError, ["drop_last", "99", "4"]),
    ("patience without a measure", lambda: trained(net(nn("head"), patience=2)), ValueError, ["patience", "measures_valid"]),
    ("measures without validation data", lambda: trained(net(nn("head"), measures_valid=["classif.ce"])), ValueError, ["measures_valid", "validate="]),
    ("unknown measure", lambda: trained(net(nn("head"), measures_train=["classif.acuracy"])), KeyError, ["'classif.acuracy'"]),
    ("measure for the other task type", lambda: trained(net(nn("head"), measures_train=["regr.mse"])), ValueError, ["regr.mse", "classif"]),
    ("no rows to train on", lambda: trained(net(nn("head")), task().filter([])), ValueError, ["no rows"]),
    ("device that is not there", lambda: trained(net(nn("head"), device="cuda:99")), ValueError, ["device", "cuda:99"]),
    ("model for the other task type", lambda: trained(net(nn("head")), numbers()), ValueError, ["regr", "classif"]),
    ("loss for the other task type", lambda: trained(net(nn("head"), kind="regr"), numbers()), ValueError, ["cross_entropy", "regr"]),
    ("wrong rank", lambda: trained(net(nn("conv1d", out_channels=2, kernel_size=1), nn("head"))), ValueError, ["conv1d", "3"]),
    ("reshape that does not fit", lambda: trained(net(nn("reshape", shape=(-1, 3)), nn("head"))), ValueError, ["reshape"]),
    ("sizes that cannot be added", lambda: trained(chain([po("torch_ingress_num"), [nn("linear", out_features=2), nn("linear", out_features=3)], nn("merge_sum"), nn("head"), po("torch_loss", loss="cross_entropy"), po("torch_optimizer"), po("torch_model_classif", epochs=1, batch_size=2)])), ValueError, ["merge_sum"]),
    ("loss that is NaN", lambda: trained(net(nn("head"), loss=nan_loss)), RuntimeError, ["nan", "epoch 1", "batch 1"]),
    ("loss that is no scalar", lambda: trained(net(nn("head"), loss=vector_loss)), (ValueError, RuntimeError), ["one number", "(2, 1)", "mean"]),
    ("loss that is no number", lambda: trained(net(nn("head"), loss=text_loss)), (ValueError, RuntimeError), ["loss", "str"]),
    ("network without parameters", lambda: trained(net(nn("relu")), task().select(["a"])), ValueError, ["no parameters"]),
]  # fmt: skip

LEARNERS = [
    ("learner predicts before it is trained", lambda: as_learner(net(nn("head"))).predict(task()), RuntimeError, ["train it before predicting"]),
    ("network before it is trained", lambda: as_learner(net(nn("head"))).network, RuntimeError, ["train"]),
    ("new data before it is trained", lambda: as_learner(net(nn("head"))).predict_newdata(FRAME), RuntimeError, ["train"]),
    ("a frame instead of a task", lambda: as_learner(net(nn("head"))).train(FRAME), ValueError, ["takes a task", "as_task_classif"]),
    ("task of the other type", lambda: as_learner(net(nn("head"))).train(numbers()), ValueError, ["classif", "regr"]),
    ("unknown predict type", lambda: setattr(as_learner(net(nn("head"))), "predict_type", "probs"), ValueError, ["predict_type", "'prob'"]),
    ("unknown rows", lambda: as_learner(net(nn("head"))).train(task(), rows=[7, 8]), KeyError, ["7"]),
    ("unknown learner", lambda: lrn("classif.logreg"), KeyError, ["'classif.logreg'", '"classif.log_reg"']),
    ("sampler without its size", lambda: t_sampler("weighted"), TypeError, ['t_sampler("weighted")', "'batch_size'", "by name"]),
    ("sampler by a key that needs more", lambda: po("torch_model_classif", batch_sampler="balanced"), TypeError, ["'batch_size'"]),
    ("filter without its learner", lambda: flt("importance"), TypeError, ['flt("importance")', "'learner'"]),
    ("template without its graph", lambda: ppl("ovr"), TypeError, ['ppl("ovr")', "'graph'"]),
    ("unknown resampling", lambda: rsmp("cvv"), KeyError, ["'cvv'", "'cv'"]),
    ("one fold", lambda: rsmp("cv", folds=1).instantiate(task(), seed=1), ValueError, ["folds"]),
    ("no file", lambda: load_learner("/no/such/file"), ValueError, ["load", "/no/such/file"]),
]  # fmt: skip

PREDICTIONS = [
    ("probability measure of responses", lambda: Prediction.response.score("classif.auc"), ValueError, ["classif.auc", 'predict_type="prob"']),
    ("measure of the other task type", lambda: Prediction.regr.score("classif.acc"), ValueError, ["classif.acc", "PredictionRegr"]),
    ("unknown measure key", lambda: msr("classif.acuracy"), KeyError, ["'classif.acuracy'"]),
    ("unknown argument of a measure", lambda: msr("classif.fbeta", betta=2), TypeError, ["'betta'", "'beta'"]),
    ("label that is no class", lambda: PredictionClassif(truth=["p"], response=["q"], class_names=["p", "n"]), ValueError, ["'q'", "'p'"]),
    ("probabilities that do not add up", lambda: PredictionClassif(prob=[[0.5, 0.6]], class_names=["p", "n"]), ValueError, ["1"]),
    ("lengths that differ", lambda: PredictionRegr(truth=[1.0, 2.0], response=[1.0]), ValueError, ["2", "1"]),
    ("threshold out of range", lambda: Prediction.response.set_threshold(0.5), ValueError, ["prob"]),
    ("unknown loss key", lambda: t_loss("mes"), KeyError, ["'mes'", "'mse'"]),
    ("unknown optimizer key", lambda: t_opt("sdg"), KeyError, ["'sdg'", "'sgd'"]),
    ("unknown callback key", lambda: t_clbk("progres"), KeyError, ["'progres'", "'progress'"]),
]  # fmt: skip

TABLE = [*TASKS, *NODES, *GRAPHS, *OPERATORS, *NETWORKS, *LEARNERS, *PREDICTIONS]


@pytest.mark.parametrize(("what", "do", "kind", "words"), TABLE, ids=[row[0] for row in TABLE])
def test_bad_input(what, do, kind, words):
    with pytest.raises(kind) as caught:
        do()
    message = str(caught.value)
    assert isinstance(caught.value, PipeOpsError), f"{what}: {type(caught.value).__name__} is no error of ours: {message}"
    missing = [word for word in words if word not in message]
    assert missing == [], f"{what}: {message}"


def test_the_table_is_long_enough():
    assert len(TABLE) >= 100
    assert len({row[0] for row in TABLE}) == len(TABLE)


def test_what_fails_stays_untrained():
    learner = as_learner(net(nn("head"), loss=nan_loss))
    with pytest.raises(RuntimeError) as caught:
        learner.train(task())
    assert "in node 'torch_model_classif', training" in caught.value.__notes__
    assert not learner.is_trained
    assert learner.state is None
    assert not learner.graph.is_trained


def test_errors_inside_a_node_name_it():
    with pytest.raises(ValueError, match="impute") as caught:
        trained(po("scale", id="standard") >> net(nn("head")), task(HOLES))
    assert caught.value.__notes__ == ["in node 'torch_ingress_num', training"]
