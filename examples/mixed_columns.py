"""A data frame with numbers, categories and missing values: one graph, two ingresses, saved and loaded."""

import tempfile
from pathlib import Path

import numpy as np
import polars as pl

from pipeops import as_learner, as_task_classif, load_learner, nn, po

rng = np.random.default_rng(0)
n = 400
age = rng.normal(40, 12, n)
city = rng.choice(["Aix", "Bern", "Cork"], n)
bought = np.where(age + 15 * (city == "Bern") + rng.normal(0, 8, n) > 45, "yes", "no")
frame = pl.DataFrame({"age": age, "income": rng.lognormal(10, 0.5, n), "city": city, "bought": bought})
frame = frame.with_columns(
    pl.when(pl.int_range(n) % 9 == 0).then(None).otherwise(pl.col("age")).alias("age"),
    pl.when(pl.int_range(n) % 13 == 0).then(None).otherwise(pl.col("city")).alias("city"),
)
task = as_task_classif(frame, target="bought", positive="yes", id="shop")
print(task)

numeric = po("select", selector=["age", "income"]) >> po("imputemedian") >> po("scale") >> po("torch_ingress_num")
categorical = (
    po("select", id="categories", selector=["city"])
    >> po("imputemode")
    >> po("torch_ingress_categ")
    >> nn("embedding", embedding_dim=3)
    >> nn("flatten")
)
graph = (
    [numeric, categorical]
    >> nn("merge_cat")
    >> nn("linear", out_features=16)
    >> nn("relu")
    >> nn("head")
    >> po("torch_loss", loss="cross_entropy")
    >> po("torch_optimizer", optimizer="adamw", lr=0.01)
    >> po("torch_callbacks", callbacks=["history"])
    >> po("torch_model_classif", epochs=30, batch_size=32, measures_valid=["classif.auc"], predict_type="prob", seed=3)
)
learner = as_learner(graph, validate=0.25)
learner.train(task)
print(learner.history.tail(3))

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "shop.pipeops"
    learner.save(path)
    again = load_learner(path)
people = pl.DataFrame({"age": [31.0, 58.0, None], "income": [20000.0, 31000.0, 25000.0], "city": ["Bern", "Cork", None]})
print(again.predict_newdata(people))
