"""A graph, a search, predictions over two features and a learning curve; with a folder as argument it draws them."""

import sys
from pathlib import Path

from pipeops import as_learner, auto_tuner, chain, gunion, learning_curve, lrn, nn, po, prediction_surface, rsmp, to_tune, tsk

iris, sonar = tsk("iris"), tsk("sonar")
residual = gunion([nn("linear", out_features=16) >> nn("relu"), nn("identity")]) >> nn("merge_sum")
layers = [
    po("scale"),
    po("torch_ingress_num"),
    nn("linear", out_features=16),
    nn("block", block=residual, n_blocks=2),
    nn("head"),
]
training = [po("torch_loss", "cross_entropy"), po("torch_optimizer", "adam", lr=0.01)]
network = as_learner(chain([*layers, *training, po("torch_model_classif", epochs=5, batch_size=32, seed=1)])).train(iris)
print(network.graph.to_mermaid())

space = {"C": to_tune(1e-2, 1e3, log=True), "gamma": to_tune(1e-4, 10.0, log=True), "kernel": to_tune(["rbf", "sigmoid"])}
tuner = auto_tuner(lrn("classif.svm"), space, rsmp("holdout"), "classif.ce", n_trials=30, seed=1, sampler="random").train(sonar)
print(tuner)

two = iris.select(["Petal.Length", "Sepal.Width"])
plane = prediction_surface(lrn("classif.knn", n_neighbors=15, predict_type="prob").train(two), two)
curve = learning_curve(lrn("classif.tree", random_state=1), sonar, sizes=4, resampling=5, seed=1)
print(curve)

if len(sys.argv) > 1:
    pictures = {"graph": network.plot(), "surface": plane.plot(), "sizes": curve.plot()}
    pictures |= {f"search_{kind}": tuner.plot(kind) for kind in ("history", "surface", "parallel", "importance")}
    for name, ax in pictures.items():
        ax.figure.savefig(Path(sys.argv[1]) / f"{name}.png", dpi=80)
