"""An FT-Transformer on numbers and categories: ready-made, and written out as a graph; a category that training did not see."""

import numpy as np
import polars as pl

from pipeops import as_learner, as_task_classif, lrn, nn, po, selector_type

rng = np.random.default_rng(0)
n = 500
city = rng.choice(["Aix", "Bern", "Cork"], n)
x = rng.normal(size=(n, 2))
frame = pl.DataFrame(
    {"a": x[:, 0], "b": x[:, 1], "city": city, "y": np.where(x[:, 0] * (city == "Bern") + x[:, 1] > 0, "yes", "no")}
)
task = as_task_classif(frame, target="y", positive="yes")
settings = {"epochs": 20, "batch_size": 64, "predict_type": "prob", "seed": 1}

ready = lrn("classif.ft_transformer", n_blocks=2, d_token=16, attention_n_heads=2, **settings, **{"opt.lr": 0.003})
print(ready.train(task).predict(task).score("classif.auc"))
print(ready.predict_newdata(pl.DataFrame({"a": [0.5], "b": [0.1], "city": ["Dole"]})))

numbers = po("select", selector=["a", "b"]) >> po("torch_ingress_num") >> nn("tokenizer_num", d_token=16)
places = (
    po("select", id="places", selector=selector_type("categorical"))
    >> po("torch_ingress_categ")
    >> nn("tokenizer_categ", d_token=16)
)
graph = (
    [numbers, places]
    >> nn("merge_cat", dim=1)
    >> nn("ft_cls")
    >> nn("block", block=nn("ft_transformer_block", attention_n_heads=2), n_blocks=2)
    >> nn("pick", dim=1, index=-1)
    >> nn("head")
    >> po("torch_loss", loss="cross_entropy")
    >> po("torch_optimizer", optimizer="adamw", lr={"head": 0.01, "*": 0.003}, weight_decay={":bias": 0, ":norm": 0, "*": 0.01})
    >> po("torch_model_classif", **settings)
)
print(as_learner(graph).train(task).predict(task).score("classif.auc"))
