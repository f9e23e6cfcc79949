"""A training loop by hand in plain torch, beside which callbacks are held: the same rows, batches and first weights."""

import copy

import numpy as np
import polars as pl
import torch

from pipeops import as_learner, as_task_classif, nn, po, torch_callback

_rng = np.random.default_rng(3)
X = _rng.normal(size=(50, 4)).astype("float32")
Y = X[:, 0] + 0.5 * X[:, 1] * X[:, 2] > 0
FRAME = pl.DataFrame({**{f"x{i}": X[:, i] for i in range(4)}, "y": np.where(Y, "b", "a")})


def task_of(frame, id="task"):
    """A task on the columns of the table."""
    return as_task_classif(frame, target="y", positive="b", id=id)


TASK = task_of(FRAME)
BATCH = 16
OPTIMIZERS = {
    "sgd": (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}),
    "adam": (torch.optim.Adam, {"lr": 0.02}),
    "rmsprop": (torch.optim.RMSprop, {"lr": 0.01}),
}


def graph(callbacks, optimizer="adam", *, epochs=6, layers=(), settings=None, **options):
    """A small network and what trains it. settings: of the optimizer; options: of the model."""
    network = nn("linear", out_features=5) >> nn("tanh")
    for layer in layers:
        network = network >> layer
    known = settings or OPTIMIZERS.get(optimizer, (None, {}))[1]
    return (
        po("torch_ingress_num")
        >> network
        >> nn("head")
        >> po("torch_loss", loss="cross_entropy")
        >> po("torch_optimizer", optimizer=optimizer, **known)
        >> po("torch_callbacks", callbacks=callbacks)
        >> po("torch_model_classif", **{"epochs": epochs, "batch_size": BATCH, "shuffle": False, "seed": 4, **options})
    )


def trained(callbacks, optimizer="adam", *, validate=None, **options):
    """The learner, and its network as it was before training."""
    first = []
    keep = torch_callback("keep_first", weight=-9.0, on_begin=lambda ctx: first.append(copy.deepcopy(ctx.network)))
    learner = as_learner(graph([keep, *callbacks], optimizer, **options), validate=validate)
    return learner.train(TASK), first[0]


def loop(network, optimizer="adam", *, epochs=6, begin=None):
    """Train this network. begin(network, optimizer): what is to be done at "gradients", "batch" and "epoch" (by number)."""
    cls, settings = OPTIMIZERS[optimizer]
    made = cls(network.parameters(), **settings)
    hooks = begin(network, made) if begin else {}
    for number in range(1, epochs + 1):
        network.train()
        for x, y in zip(torch.tensor(X).split(BATCH), torch.tensor(Y).float().unsqueeze(1).split(BATCH), strict=True):
            made.zero_grad()
            torch.nn.functional.binary_cross_entropy_with_logits(network(x), y).backward()
            hooks.get("gradients", lambda: None)()
            made.step()
            hooks.get("batch", lambda: None)()
        hooks.get("epoch", lambda number: None)(number)
    return network


def close(one, other, rtol=1e-4, atol=1e-5):
    for (name, a), b in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=rtol, atol=atol, msg=lambda text, name=name: f"{name}: {text}")
