"""Fine-tuning: a network that learnt one task goes on with another one, at first its head alone, with a rate for each part."""

import numpy as np
import polars as pl
import torch

from pipeops import as_learner, as_task_classif, nn, po, t_clbk, torch_callback

rng = np.random.default_rng(0)


def task(n, shift):
    """Points in the plane, in a ring or not; the ring is moved by `shift`."""
    x = rng.normal(size=(n, 2)).astype("float32")
    radius = np.hypot(x[:, 0] - shift, x[:, 1])
    frame = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": np.where((radius > 0.6) & (radius < 1.4), "ring", "other")})
    return as_task_classif(frame, target="y", positive="ring", id=f"shift_{shift}")


def learner(*callbacks, epochs, lr):
    graph = (
        po("torch_ingress_num")
        >> nn("linear", out_features=32)
        >> nn("relu")
        >> nn("linear", id="linear_2", out_features=32)
        >> nn("relu")
        >> nn("head")
        >> po("torch_loss", loss="cross_entropy")
        >> po("torch_optimizer", optimizer="adamw", lr=lr, weight_decay={":bias": 0.0, "*": 0.01})
        >> po("torch_callbacks", callbacks=list(callbacks))
        >> po("torch_model_classif", epochs=epochs, batch_size=32, seed=1)
    )
    return as_learner(graph)


large, small, unseen = task(2000, 0.0), task(60, 0.3), task(2000, 0.3)
first = learner(epochs=30, lr=0.01).train(large)


def load(ctx):
    """Begin with the weights of the first network, but for its head."""
    weights = {name: w for name, w in first.network.state_dict().items() if not name.startswith("head")}
    ctx.network.load_state_dict(weights, strict=False)


tuned = learner(
    torch_callback("load", on_begin=load),
    t_clbk("unfreeze", starting_weights=["head"], unfreeze={15: ["linear_2"]}),
    t_clbk("lr_warmup", total_iters=5),
    epochs=40,
    lr={"head": 0.02, "*": 0.002},
).train(small)
scratch = learner(epochs=40, lr=0.01).train(small)

same = torch.equal(first.network.linear.weight, tuned.network.linear.weight)
print("the first layer is as it was:", same)
for name, one in (("fine-tuned", tuned), ("from scratch", scratch)):
    print(f"{name:12} accuracy on unseen rows: {one.predict(unseen).score('classif.acc'):.3f}")
