"""A linear model with one logit on sonar, with a torch loss class as it is: its arguments are hyperparameters of the graph."""

import torch

from pipeops import as_learner, nn, po, tsk

graph = (
    po("torch_ingress_num")
    >> nn("linear", out_features=1)
    >> po("torch_loss", loss=torch.nn.BCEWithLogitsLoss)
    >> po("torch_optimizer", optimizer="sgd", lr=0.1)
    >> po("torch_model_classif", epochs=50, batch_size=32, predict_type="prob", seed=1)
)
print(graph.params)

task = tsk("sonar")
print(task)
learner = as_learner(graph)
learner.train(task)
print(learner.network.code)
print(learner.predict(task))
