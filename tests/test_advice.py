"""Every advice in an error message is followed: the error is provoked, what it says is done, and then it works."""

import datetime as dt
import re

import numpy as np
import polars as pl
import pytest
import torch

from pipeops import as_lazy_tensor, as_learner, as_task_classif, as_task_regr, chain, gunion, lrn, nn, po, selector_name
from pipeops.errors import PipeOpsError
from pipeops.net import WeightedBatches
from pipeops.params import UNSET

END = nn("head") >> po("torch_loss", loss="mse") >> po("torch_optimizer")
MODEL = po("torch_model_regr", epochs=1, batch_size=2, seed=1)
INGRESS = po("torch_ingress_num")
DAYS = [dt.datetime(2024, 1, day) for day in range(1, 5)]


def task(**columns):
    return as_task_regr(pl.DataFrame({**columns, "y": [1.0, 2.0, 3.0, 5.0]}), target="y")


def net(*before):
    graph = INGRESS
    for node in reversed(before):
        graph = node >> graph
    return as_learner(graph >> END >> MODEL)


def categ():
    return po("torch_ingress_categ") >> nn("embedding", embedding_dim=2) >> nn("flatten") >> END >> MODEL


def timestamps():
    return po("colapply", affect_columns=["when"], applicator=lambda x: x.dt.timestamp("ms"))


def finite():
    return po("colapply", affect_columns=["x"], applicator=lambda x: np.where(np.isinf(x), np.nan, x))


WHEN, HOLES, WORDS = task(x=[1.0, 2, 3, 4], when=DAYS), task(x=[1.0, None, 3, 4]), task(x=[1.0, 2, 3, 4], f=["a", "b", "a", "b"])
INFINITE, FLAGS = task(x=[1.0, float("inf"), None, 2.0]), task(x=[True, None, False, True])

CASES = {
    "datetimes of an ingress": (lambda: net().train(WHEN), 'po("colapply"', lambda: net(po("scale"), timestamps()).train(WHEN)),
    "or left out": (lambda: net().train(WHEN), 'po("select")', lambda: net(po("select", selector=["x"])).train(WHEN)),
    "missing numbers": (lambda: net().train(HOLES), 'po("imputemean")', lambda: net(po("imputemean")).train(HOLES)),
    "missing booleans": (lambda: net().train(FLAGS), 'po("imputemode")', lambda: net(po("imputemode")).train(FLAGS)),
    "categories of a numeric ingress": (lambda: net().train(WORDS), 'po("encode")', lambda: net(po("encode")).train(WORDS)),
    "numbers of a categorical ingress": (
        lambda: as_learner(categ()).train(WORDS),
        'po("select")',
        lambda: as_learner(po("select", selector=["f"]) >> categ()).train(WORDS),
    ),
    "missing for an estimator": (
        lambda: lrn("regr.lm").train(HOLES),
        'po("imputemedian")',
        lambda: as_learner(po("imputemedian") >> lrn("regr.lm")).train(HOLES),
    ),
    "categories for an estimator": (
        lambda: lrn("regr.lm").train(WORDS),
        'po("encode")',
        lambda: as_learner(po("encode") >> lrn("regr.lm")).train(WORDS),
    ),
    "infinite values to impute": (
        lambda: po("imputemean").train([INFINITE]),
        'po("colapply"',
        lambda: as_learner(finite() >> po("imputemean") >> lrn("regr.lm")).train(INFINITE),
    ),
    "missing values of pca": (
        lambda: po("pca").train([HOLES]),
        'po("imputemean")',
        lambda: (po("imputemean") >> po("pca")).train(HOLES),
    ),
    "constants that pca scales": (
        lambda: po("pca", scale=True).train([task(x=[1.0, 2, 3, 4], c=[1.0] * 4)]),
        'po("removeconstants")',
        lambda: (po("removeconstants") >> po("pca", scale=True)).train(task(x=[1.0, 2, 3, 4], c=[1.0] * 4)),
    ),
    "negative numbers of nmf": (
        lambda: po("nmf", rank=1).train([task(x=[-1.0, 2, 3, 4], z=[1.0, 2, 2, 3])]),
        'po("scalerange")',
        lambda: (po("scalerange") >> po("nmf", rank=1)).train(task(x=[-1.0, 2, 3, 4], z=[1.0, 2, 2, 3])),
    ),
    "negative numbers of boxcox": (
        lambda: po("boxcox").train([task(x=[-1.0, 2, 3, 4])]),
        'po("yeojohnson")',
        lambda: po("yeojohnson").train([task(x=[-1.0, 2, 3, 4])]),
    ),
    "one level to encode": (
        lambda: po("encode", method="treatment").train([task(f=["a"] * 4, x=[1.0, 2, 3, 4])]),
        'method="one-hot"',
        lambda: (po("removeconstants") >> po("encode", method="treatment")).train(task(f=["a"] * 4, x=[1.0, 2, 3, 4])),
    ),
    "a network without a loss": (
        lambda: as_learner(INGRESS >> nn("head") >> MODEL).train(HOLES.filter([0, 2, 3])),
        'po("torch_loss"',
        lambda: net().train(HOLES.filter([0, 2, 3])),
    ),
    "a layer on a task": (
        lambda: po("scale") >> nn("relu"),
        'po("torch_ingress_num")',
        lambda: po("scale") >> INGRESS >> nn("relu"),
    ),
    "a branch that was not joined": (
        lambda: (po("branch", options=["a", "b"]) >> [po("nop", id="a"), po("nop", id="b")] >> po("featureunion")).train(HOLES),
        'po("unbranch")',
        lambda: (po("branch", options=["a", "b"]) >> [po("nop", id="a"), po("nop", id="b")] >> po("unbranch")).train(HOLES),
    ),
    "a column that comes twice": (
        lambda: (gunion([po("nop"), po("scale")]) >> po("featureunion")).train(WORDS),
        'innum=["a", "b"]',
        lambda: (gunion([po("nop"), po("scale")]) >> po("featureunion", innum=["a", "b"])).train(WORDS),
    ),
    "learner without one": (
        lambda: po("learner"),
        'lrn("classif.log_reg")',
        lambda: po("learner", learner=lrn("classif.log_reg")),
    ),
    "numbers that float32 cannot hold": (
        lambda: net().train(task(x=[1e300, 2e300, 3e300, 4e300])),
        "scale large numbers",
        lambda: net(po("scale")).train(task(x=[1e300, 2e300, 3e300, 4e300])),
    ),
}

COLUMNS = {"x": np.arange(40.0), "f": ["a", "b"] * 20, "w": [1.0, 2.0] * 20, "y": list("pnppnpnn") * 5}
TWO = as_task_classif(COLUMNS, target="y")
NUMBERS, PROB = TWO.select(["x"]), {"predict_type": "prob", "seed": 1, "epochs": 1, "batch_size": 20}


LOSS = po("torch_loss", loss="cross_entropy")


def classifier(**settings):
    return as_learner(INGRESS >> nn("head") >> LOSS >> po("torch_optimizer") >> model(**settings))


def model(**settings):
    return po("torch_model_classif", **{**PROB, **settings})


def images(*sizes, shape=None):
    made = [torch.full((3, size, size), float("nan") if size == 5 else 1.0) for size in sizes]
    return as_task_regr(
        {"image": as_lazy_tensor(made.__getitem__, n=len(sizes), shape=shape), "y": np.arange(len(sizes)) * 1.0}, target="y"
    )


def picture(*before):
    graph = po("torch_ingress_ltnsr")
    for node in reversed(before):
        graph = node >> graph
    return as_learner(graph >> nn("flatten") >> END >> MODEL)


def tuned(*before):
    return as_learner(chain([*before, po("tunethreshold")]))


ANY = (None, 3, None, None)
LDA = lrn("classif.lda", predict_type="prob")
CASES |= {
    "missing values in tensors": (
        lambda: picture().train(images(5, 5)),
        'po("trafo_fn", fn=torch.nan_to_num)',
        lambda: picture(po("trafo_fn", fn=torch.nan_to_num)).train(images(5, 5)),
    ),
    "images whose sizes differ": (
        lambda: images(4, 6).tensor("image"),
        "as_lazy_tensor(..., shape=...) with None",
        lambda: picture(po("trafo_resize", size=(4, 4))).train(images(4, 6, shape=ANY)),
    ),
    "images of several sizes": (
        lambda: images(4, 6, shape=ANY).tensor("image"),
        'po("trafo_resize", size=(64, 64))',
        lambda: picture(po("trafo_resize", size=(4, 4))).train(images(4, 6, shape=ANY)),
    ),
    "thresholds without validation data": (
        lambda: as_learner(po("learner", learner=LDA) >> po("tunethreshold")).train(NUMBERS),
        'po("learner_cv", learner)',
        lambda: tuned(po("learner_cv", LDA, folds=2, seed=1)).train(NUMBERS),
    ),
    "thresholds of features": (
        lambda: tuned(po("scale")).train(NUMBERS),
        'po("learner_cv", lrn("classif.lda", predict_type="prob"))',
        lambda: tuned(po("learner_cv", lrn("classif.lda", predict_type="prob"), folds=2, seed=1)).train(NUMBERS),
    ),
    "categories to imitate": (
        lambda: po("smote", K=2).train([TWO]),
        'po("select")',
        lambda: (po("select", selector=["x"]) >> po("smote", K=2)).train(TWO),
    ),
    "an imputation of another kind": (
        lambda: po("imputemean", affect_columns=["f"]).train([TWO]),
        "po(\"imputeoor\", affect_columns=['f'])",
        lambda: po("imputeoor", affect_columns=["f"]).train([TWO]),
    ),
    "early stopping without validation data": (
        lambda: classifier(patience=2, measures_valid=["classif.ce"]).train(NUMBERS),
        "as_learner(graph, validate=0.3)",
        lambda: as_learner(classifier(patience=2, measures_valid=["classif.ce"]).graph, validate=0.5).train(NUMBERS),
    ),
    "early stopping without a measure": (
        lambda: as_learner(classifier(patience=2).graph, validate=0.5).train(NUMBERS),
        'set measures_valid, as in ["classif.ce"]',
        lambda: as_learner(classifier(patience=2, measures_valid=["classif.ce"]).graph, validate=0.5).train(NUMBERS),
    ),
    "batches by weights": (
        lambda: classifier(batch_size=UNSET, batch_sampler=WeightedBatches(20)).train(NUMBERS),
        "task.with_roles(weight=...)",
        lambda: classifier(batch_size=UNSET, batch_sampler=WeightedBatches(20)).train(TWO.with_roles(weight="w").select(["x"])),
    ),
    "a network without an end": (
        lambda: as_learner(INGRESS >> nn("linear", out_features=3) >> LOSS >> po("torch_optimizer") >> model()).train(NUMBERS),
        'nn("head")',
        lambda: classifier().train(NUMBERS),
    ),
    "quantiles of a constant": (
        lambda: quantiles().train(task(x=[1.0, 2, 3, 4], c=[1.0] * 4)),
        'po("removeconstants")',
        lambda: quantiles(po("removeconstants")).train(task(x=[1.0, 2, 3, 4], c=[1.0] * 4)),
    ),
    "a block with two ends": (
        lambda: nn("block", block=gunion([nn("relu"), nn("tanh")])),
        'nn("merge_sum")',
        lambda: nn("block", block=[nn("relu"), nn("tanh")] >> nn("merge_sum")),
    ),
}


def quantiles(*before):
    graph = INGRESS
    for node in reversed(before):
        graph = node >> graph
    embedding = nn("piecewise_linear_embedding", n_bins=2, d_embedding=2)
    return as_learner(graph >> embedding >> nn("flatten") >> END >> MODEL)


@pytest.mark.filterwarnings("ignore:.*float32")
@pytest.mark.parametrize("name", CASES)
def test_what_an_error_advises_helps(name):
    wrong, advice, right = CASES[name]
    with pytest.raises(PipeOpsError, match=re.escape(advice)):
        wrong()
    right()


def test_many_levels_are_embedded_or_left_out():
    n = 10_001
    many = as_task_regr({"f": [f"v{i}" for i in range(n)], "x": np.arange(n) * 1.0, "y": np.arange(n) * 1.0}, target="y")
    with pytest.raises(PipeOpsError, match=r'selector=~selector_name\("f"\).*po\("torch_ingress_categ"\)'):
        po("encode").train([many])
    assert (po("select", selector=~selector_name("f")) >> po("encode")).train(many).feature_names == ["x"]
    model = po("torch_model_regr", epochs=1, batch_size=n, seed=1)
    graph = po("select", selector=["f"]) >> po("torch_ingress_categ") >> nn("embedding", embedding_dim=8) >> nn("flatten") >> END
    assert len(as_learner(graph >> model).train(many).predict(many).response) == n
