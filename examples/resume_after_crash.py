"""Resume after a crash: a process dies in the middle of training, and the same script, run again, goes on as if it had not."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from pipeops import as_learner, nn, po, t_clbk, torch_callback, tsk

task = tsk("breast_cancer")


def crash(ctx):
    """Die as if the power had failed, in the epoch that the environment says."""
    if ctx.epoch == int(os.environ.get("DIES", "0")):
        os.kill(os.getpid(), signal.SIGKILL)


def learner(folder):
    callbacks = [
        t_clbk("checkpoint", path=folder, keep=2),
        t_clbk("lr_cosine_annealing"),
        torch_callback("crash", on_epoch_begin=crash),
    ]
    graph = (
        po("scale")
        >> po("torch_ingress_num")
        >> nn("linear", out_features=16)
        >> nn("relu")
        >> nn("dropout", p=0.2)
        >> nn("head")
        >> po("torch_loss", loss="cross_entropy")
        >> po("torch_optimizer", optimizer="adamw", lr=0.01)
        >> po("torch_callbacks", callbacks=callbacks)
        >> po("torch_model_classif", epochs=10, batch_size=32, seed=1, predict_type="prob", resume=folder)
    )
    return as_learner(graph)


def train(folder):
    """A learner that is trained with checkpoints in a folder, from the last one that is there."""
    return learner(folder).train(task)


if __name__ == "__main__" and len(sys.argv) > 1:
    train(sys.argv[1])
elif __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        broken = f"{place}/broken"
        died = subprocess.run([sys.executable, __file__, broken], env={**os.environ, "DIES": "7"}, check=False)
        print("killed by signal", -died.returncode, "in epoch 7; files:", sorted(p.name for p in Path(broken).iterdir()))
        one, other = train(f"{place}/whole"), train(broken)
        print(other.history.tail(3))
        print("the same to the last bit:", bool((one.predict(task).prob == other.predict(task).prob).all()))
