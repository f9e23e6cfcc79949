"""The exercise: does a loss for unbalanced classes beat cross entropy? Tasks, learners, folds, and a paired comparison.

The same linear network under the area under min(FPR, FNR), an all-pairs squared hinge, and cross entropy with and without
class weights, beside logistic regression and a baseline. Each network stops early on a validation set that is split off
inside each training set. `python examples/compare_losses.py sonar mammography` takes other tasks.
"""

import sys

import polars as pl

from pipeops import as_learner, benchmark, benchmark_grid, lrn, msrs, nn, po, rsmp, t_loss, tsk


def linear(name, loss, lr):
    graph = (
        po("scale")
        >> po("torch_ingress_num")
        >> nn("head")
        >> po("torch_loss", loss=loss)
        >> po("torch_optimizer", optimizer="sgd", lr=lr)
        >> po("torch_callbacks", callbacks=["history"])
        >> po(
            "torch_model_classif",
            epochs=200,
            batch_size=1000,
            patience=20,
            restore_best_weights=True,
            measures_valid=["classif.auc"],
            predict_type="prob",
            seed=1,
        )
    )
    return as_learner(graph, id=name, validate=0.5)


learners = [
    linear("aum", "aum", 0.1),
    linear("hinge_pairs", "hinge_pairs", 0.1),
    linear("cross_entropy", "cross_entropy", 0.1),
    linear("balanced", t_loss("cross_entropy", class_weight="balanced"), 0.1),
    as_learner(po("scale") >> lrn("classif.log_reg", predict_type="prob"), id="log_reg"),
    lrn("classif.featureless", predict_type="prob"),
]
names = sys.argv[1:] or ["breast_cancer"]
tasks = [tsk(name) for name in names]
tasks = [task.with_roles(stratum=task.target_names) for task in tasks]
pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_width_chars=140)
result = benchmark(benchmark_grid(tasks, learners, [rsmp("cv", folds=5)]), seed=1, store_models=True)

print(result.aggregate(msrs(["classif.auc", "classif.bacc"])))
print(result.compare("classif.auc"))
print(result.learners(task=names[0], learner="aum")[0].history.tail(3))
