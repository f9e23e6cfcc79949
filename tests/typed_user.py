"""What a user with a strict type checker writes; `tests/test_packaging.py` runs pyright over it. It is never executed."""

# pyright: strict

from pipeops import (
    BenchmarkResult,
    Graph,
    GraphLearner,
    Prediction,
    TaskClassif,
    as_learner,
    as_task_classif,
    benchmark,
    benchmark_grid,
    importance,
    lrn,
    nn,
    partial_dependence,
    po,
    rsmp,
)


def network(hidden: int) -> Graph:
    """Keys and their arguments are known to the checker."""
    return (
        po("scale")
        >> po("torch_ingress_num")
        >> nn("linear", out_features=hidden)
        >> nn("relu")
        >> nn("head")
        >> po("torch_loss", loss="cross_entropy")
        >> po("torch_optimizer", optimizer="adam", lr=0.01)
        >> po("torch_model_classif", epochs=5, batch_size=32)
    )


task: TaskClassif = as_task_classif({"x": [1.0, 2.0], "y": ["a", "b"]}, target="y", positive="b")
learner: GraphLearner = as_learner(network(8))
names: list[str] = task.feature_names
prediction: Prediction = learner.train(task).predict(task)
rows: int = len(prediction)
result: BenchmarkResult = benchmark(benchmark_grid([task], [learner, lrn("classif.featureless")], [rsmp("cv", folds=3)]), seed=1)
result.save("result.pipeops")
level: float = importance(learner, task, measure="classif.acc").level
points: list[str] = [str(value) for value in partial_dependence(learner, task, "x").values[0]]
