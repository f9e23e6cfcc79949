"""Two towers with the same weights: which of two customers will spend more, from the same columns of each (a siamese network)."""

import numpy as np
import polars as pl

from pipeops import as_learner, as_task_classif, nn, po

rng = np.random.default_rng(0)
n, columns = 600, ["age", "visits", "basket"]
one, other = rng.normal(size=(n, 3)), rng.normal(size=(n, 3))


def worth(x):
    return x[:, 0] * x[:, 1] + x[:, 2]


frame = pl.DataFrame(
    {f"one_{c}": one[:, k] for k, c in enumerate(columns)}
    | {f"other_{c}": other[:, k] for k, c in enumerate(columns)}
    | {"more": np.where(worth(one) > worth(other), "one", "other")}
)
task = as_task_classif(frame, target="more", positive="one")


def customer(name):
    return po("select", id=f"columns_{name}", selector=[f"{name}_{c}" for c in columns]) >> po("torch_ingress_num", id=name)


tower = nn("linear", out_features=32) >> nn("relu") >> nn("linear", id="worth", out_features=1)
graph = (
    [customer("one"), customer("other")]
    >> nn("shared", block=tower)
    >> nn("merge_cat")
    >> nn("head")
    >> po("torch_loss", loss="cross_entropy")
    >> po("torch_optimizer", optimizer="adam", lr=0.01)
    >> po("torch_model_classif", epochs=30, batch_size=64, predict_type="prob", seed=1)
)
learner = as_learner(graph).train(task, rows=range(400))
print(learner.summary())
print(learner.predict(task, rows=range(400, n)).score(["classif.auc", "classif.acc"]))
