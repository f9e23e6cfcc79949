"""Few positives: stratified batches, early stopping, and a threshold chosen for the classes at hand.

Two in a hundred rows are positive. Shuffled batches of 100 then often hold no positive at all; `StratifiedBatches` puts some
into each. The network ranks well, but a threshold of 0.5 is not the one to use: it is chosen on validation data.
"""

import numpy as np

from pipeops import as_learner, as_task_classif, nn, partition, po
from pipeops.net import StratifiedBatches

rng = np.random.default_rng(1)
n = 6000
label = (rng.uniform(size=n) < 0.02).astype(int)
features = rng.normal(size=(n, 6)) + 1.2 * label[:, None] * (np.arange(6) < 3)
task = as_task_classif(features, label, positive=1, id="rare").with_roles(stratum="y")
split = partition(task, ratio=0.67, seed=1)


def learner(id, tail=()):
    graph = (
        po("scale")
        >> po("torch_ingress_num")
        >> nn("linear", out_features=16)
        >> nn("relu")
        >> nn("head")
        >> po("torch_loss", loss="aum")
        >> po("torch_optimizer", optimizer="adam", lr=0.01)
        >> po("torch_callbacks", callbacks=["history"])
        >> po(
            "torch_model_classif",
            epochs=50,
            batch_sampler=StratifiedBatches(min_per_stratum=2),
            patience=5,
            restore_best_weights=True,
            measures_valid=["classif.auc"],
            predict_type="prob",
            seed=1,
        )
    )
    for node in tail:
        graph = graph >> node
    return as_learner(graph, id=id, validate=0.3)


for one in (learner("threshold 0.5"), learner("tuned threshold", [po("tunethreshold", measure="classif.bacc")])):
    one.train(task, rows=split.train)
    prediction = one.predict(task, rows=split.test)
    print(one.id, prediction.score(["classif.auc", "classif.bacc"]))
    print(prediction.confusion)
