"""Searching without leaks: hyperparameters, ways through a graph and features, each chosen on training rows only."""

from pipeops import as_learner, as_task_unsupervised, auto_fselector, auto_tuner, lrn, po, ppl, resample, rsmp, to_tune, tsk

task = tsk("iris")

# a graph that chooses: which way to prepare, and how strong the penalty is; one parameter is read by two hyperparameters
ways = ppl("branch", {"pca": po("pca", rank=2), "scale": po("scale")})
learner = as_learner(ways >> lrn("classif.log_reg", max_iter=500), id="chosen")
space = {"branch.selection": to_tune(["pca", "scale"]), "strength": to_tune(-2.0, 2.0)}


def penalty(config):
    return {"branch.selection": config["branch.selection"], "classif_log_reg.C": 10 ** config["strength"]}


tuner = auto_tuner(learner, space, rsmp("cv", folds=3), "classif.acc", n_trials=6, sampler="random", trafo=penalty, seed=1)
nested = resample(task, tuner, rsmp("holdout"), "classif.acc", seed=1)
print("accuracy of the tuned graph on rows that no search saw:", round(nested.aggregate()["classif.acc"][0], 2))
print(tuner.train(task).archive.select("branch.selection", "strength", "classif_log_reg.C", "classif.acc"))

# many trees on few rows, the better ones on more
tree = as_learner(po("subsample", frac=to_tune(0.25, 1.0), seed=1) >> lrn("classif.tree", max_depth=to_tune(1, 8)), id="tree")
racing = auto_tuner(
    tree, resampling=rsmp("holdout"), measure="classif.acc", sampler="hyperband", budget="subsample.frac", seed=1
).train(task)
print(racing.archive.group_by("bracket", "stage", maintain_order=True).len())

# the features that a learner does best with; what takes too long fails, and its fallback predicts
knn = lrn("classif.knn")
knn.timeout, knn.fallback = {"train": 60}, lrn("classif.featureless")
selector = auto_fselector(knn, rsmp("cv", folds=3), "classif.acc", method="forward", max_features=2, seed=1).train(task)
print("chosen:", selector.selected_features())

# without a target
plain = as_task_unsupervised(task)
print("components:", (po("scale") >> po("pca", rank=2)).train(plain).feature_names)
