"""The table of layers: one row for each torch module with one input and one output. Add a layer by adding a row.

`layer.py` says how rows work, `shape.py` what the words for shapes mean. A row without a shape runs on the meta device.
"""

from torch.nn import Linear, ReLU

from pipeops.net.layer import last, layer

layer(
    "linear",
    Linear,
    in_features=last,
    shape="features",
    label="Linear layer",
    bounds={"out_features": (1, None)},
    example={"out_features": 4},
)
layer("relu", ReLU, shape="same", label="Rectified linear unit")
