"""The main job: a network composed with `>>`, trained on a task, predicting a table of labelled probabilities."""

from pipeops import as_learner, nn, po, tsk

graph = (
    po("scale")
    >> po("torch_ingress_num")
    >> nn("linear", out_features=16)
    >> nn("relu")
    >> nn("head")
    >> po("torch_loss", loss="cross_entropy")
    >> po("torch_optimizer", optimizer="adam", lr=0.01)
    >> po("torch_model_classif", epochs=20, batch_size=32, predict_type="prob", seed=1)
)
print(graph)

task = tsk("breast_cancer")  # ships with scikit-learn; tsk("sonar") is downloaded once
learner = as_learner(graph)
learner.train(task)
prediction = learner.predict(task)
print(prediction)
print(prediction.score(["classif.acc", "classif.auc"]))
