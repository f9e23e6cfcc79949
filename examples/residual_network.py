"""A residual network: a block with a skip, repeated, tuned in depth, and the same as a ready-made learner."""

from pipeops import as_learner, benchmark, benchmark_grid, lrn, nn, po, rsmp, tsk

task = tsk("breast_cancer")
layers = nn("batch_norm1d") >> nn("linear", out_features=16) >> nn("relu") >> nn("dropout", p=0.1)
block = [layers, nn("identity")] >> nn("merge_sum")
graph = (
    po("scale")
    >> po("torch_ingress_num")
    >> nn("linear", id="linear_in", out_features=16)
    >> nn("block", block=block, n_blocks=3)
    >> nn("head")
    >> po("torch_loss", loss="cross_entropy")
    >> po("torch_optimizer", optimizer="adamw", lr=0.005)
    >> po("torch_model_classif", epochs=15, batch_size=64, predict_type="prob", seed=1)
)
own = as_learner(graph, id="own")
own.params["block.n_blocks"] = 2
own.params["block.dropout.p"] = 0.2
print([name for name in own.train(task).network.state_dict() if name.endswith("linear.weight")])

ready = lrn("classif.tab_resnet", n_blocks=2, d_block=16, epochs=15, batch_size=64, predict_type="prob", **{"opt.lr": 0.005})
learners = [own, as_learner(po("scale") >> ready, id="tab_resnet")]
result = benchmark(benchmark_grid([task], learners, [rsmp("cv", folds=3)]), seed=1, progress=False)
print(result.aggregate(["classif.auc", "classif.acc"]))
