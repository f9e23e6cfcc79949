"""Extending: an operator and a layer of one's own, in a branch, used like the built-in ones."""

import narwhals as nw
import torch

from pipeops import nn, po, tsk
from pipeops.net import last, layer
from pipeops.ops import Preprocess, operator
from pipeops.params import real


@po.add("clip")
@operator
class Clip(Preprocess):
    """Clip every numeric feature to the range seen in training, widened by a margin."""

    kinds = ("numeric",)
    margin: float = real(0, default=0.0)

    def fit(self, frame, target):
        return {c: (frame[c].min() - self.margin, frame[c].max() + self.margin) for c in frame.columns}

    def apply(self, frame, state):
        return frame.with_columns(nw.col(c).clip(low, high) for c, (low, high) in state.items())


class Gated(torch.nn.Module):
    """`value(x) * sigmoid(gate(x))`."""

    def __init__(self, in_features: int, out_features: int):
        super().__init__()
        self.value = torch.nn.Linear(in_features, out_features)
        self.gate = torch.nn.Linear(in_features, out_features)

    def forward(self, x):
        return self.value(x) * torch.sigmoid(self.gate(x))


layer("gated", Gated, in_features=last)

graph = (
    po("clip", margin=0.5)
    >> po("scale")
    >> po("torch_ingress_num")
    >> [nn("gated", out_features=16) >> nn("gated", out_features=8), nn("linear", out_features=8)]
    >> nn("merge_sum")
    >> nn("head")
    >> po("torch_loss", loss="cross_entropy")
    >> po("torch_optimizer", optimizer="adam", lr=0.01)
    >> po("torch_model_classif", epochs=10, batch_size=64, predict_type="prob", seed=0)
)
graph.params["gated.out_features"] = 32
task = tsk("breast_cancer")
graph.train(task)
print(graph)
print(graph.predict(task).score("classif.acc"))
