"""A loss of one's own for unbalanced classes, the area under min(FPR, FNR), beside cross entropy on held-out rows."""

import torch

from pipeops import as_learner, nn, po, tsk
from pipeops.net import aum


def my_aum(input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Any function of logits `(batch, 1)` and labels `(batch, 1)`, 1 for the positive class, is a loss."""
    return aum(input, target)


def graph(loss):
    return (
        po("scale")
        >> po("torch_ingress_num")
        >> nn("head")
        >> po("torch_loss", loss=loss)
        >> po("torch_optimizer", optimizer="sgd", lr=0.1)
        >> po("torch_model_classif", epochs=100, batch_size=1000, predict_type="prob", seed=1)
    )


task = tsk("breast_cancer")
train, test = task.row_ids[::2], task.row_ids[1::2]
for name, loss in {"my aum": my_aum, "aum": "aum", "cross entropy": "cross_entropy"}.items():
    learner = as_learner(graph(loss), id=name)
    learner.train(task, rows=train)
    print(f"{name:14} auc on the other half: {learner.predict(task, rows=test).score('classif.auc'):.3f}")
