"""Images and a table in one network: a small convolution over the digits beside two numbers, with crops in training only."""

import numpy as np

from pipeops import as_learner, chain, msr, nn, partition, po, tsk

digits = tsk("digits_images")
images = digits.tensor("image").numpy()
task = digits.cbind({"ink": images.sum((1, 2, 3)), "rows": np.count_nonzero(images.sum(3), axis=(1, 2))})
print(task)

image = (
    chain([po("select", id="image", selector=["image"]), po("trafo_normalize", mean=4.9, std=6.0)])
    >> po("augment_random_crop", size=8, padding=1)
    >> po("torch_ingress_ltnsr")
    >> nn("conv2d", out_channels=8, kernel_size=3, padding=1)
    >> nn("relu")
    >> nn("max_pool2d", kernel_size=2)
    >> nn("flatten")
)
table = po("select", id="table", selector=["ink", "rows"]) >> po("scale") >> po("torch_ingress_num")
graph = (
    [image, table]
    >> nn("merge_cat")
    >> nn("linear", out_features=32)
    >> nn("relu", id="relu_both")
    >> nn("head")
    >> po("torch_loss", loss="cross_entropy")
    >> po("torch_optimizer", optimizer="adam", lr=0.01)
    >> po("torch_model_classif", epochs=6, batch_size=64, predict_type="prob", seed=1)
)
split = partition(task, seed=1)
learner = as_learner(graph, id="image and table").train(task, rows=split.train)
print(learner.summary())
print(f"accuracy on new images: {learner.predict(task, rows=split.test).score(msr('classif.acc')):.2f}")
