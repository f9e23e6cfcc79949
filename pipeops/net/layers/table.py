"""The table of layers: one row for each torch module. Add a layer by adding a row (over sequences: in `sequences`).

`layer.py` says how rows work and `shape.py` what the words for shapes mean; a row without one runs on the meta device.
Hyperparameters come from the module's own signature; a row with several inputs or outputs names them.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import nn as torch_nn

from pipeops.errors import DataError
from pipeops.net.layers.layer import Inferred, channels, last, layer, levels, trailing
from pipeops.net.layers.modules.embedding import CategoricalEmbedding
from pipeops.net.layers.modules.gated import GEGLU, ReGLU
from pipeops.net.layers.modules.shapes import Reshape, Squeeze, Unsqueeze
from pipeops.net.network.descriptor import Shape, Symbol
from pipeops.net.network.shape import RULES, position, text, traced
from pipeops.net.rules import dense, elementwise, norms, reshaping
from pipeops.params import anything, integer

BOUNDS: Mapping[str, tuple[float | None, float | None]] = {
    "p": (0, 1),
    "eps": (0, None),
    "momentum": (0, None),
    "out_features": (1, None),
    "out_channels": (1, None),
    "groups": (1, None),
    "num_groups": (1, None),
    "num_parameters": (1, None),
    "embedding_dim": (1, None),
    "upscale_factor": (1, None),
    "downscale_factor": (1, None),
    "divisor_override": (1, None),
}

KERNEL = {"kernel_size": 3}
row = partial(layer, bounds=BOUNDS, takes=torch.float32)
same = partial(row, shape="same")


def _parametric(shape: Shape, arguments: Mapping[str, Any], who: str) -> Shape:
    """The same shape comes out."""
    number = arguments["num_parameters"]
    if number not in (1, shape[1] if len(shape) > 1 else 1):
        raise DataError(f"{who}: 'num_parameters' is 1 or the size of dimension 1, got {number} for {text(shape)}.")
    return shape


def _reshaped(shape: Shape, arguments: Mapping[str, Any], who: str) -> Shape:
    """The sizes in `shape`, where -1 stands for what is left of the elements, or what it answers for the shape."""
    if callable(arguments["shape"]):
        return traced(lambda: Reshape(arguments["shape"]), [(shape, torch.float32)], who)[0]
    return RULES["reshaped"](shape, arguments, who)


def _ones(symbol: Symbol, given: Mapping[str, Any], who: str) -> tuple[int, ...]:
    """The dimensions in `dim` whose size is known to be 1."""
    dim, shape = given["dim"], symbol.shape
    at = {position(d, len(shape), shape, who) for d in (dim if isinstance(dim, tuple | list) else (dim,))}
    return tuple(sorted(d for d in at if shape[d] == 1))


# Linear layers and embeddings
row(
    "linear",
    torch_nn.Linear,
    rule=dense.linear,
    in_features=last,
    shape="features",
    label="Linear layer",
    example={"out_features": 4},
)
row(
    "embedding",
    CategoricalEmbedding,
    rule=dense.embedding,
    num_embeddings=levels,
    shape="embedded",
    takes=torch.int64,
    rank=2,
    label="Embedding of category codes",
    example={"embedding_dim": 4},
)
row(
    "bilinear",
    torch_nn.Bilinear,
    inputs=("input1", "input2"),
    in1_features=last,
    in2_features=last.of(1),
    label="Bilinear layer of two inputs",
    example={"out_features": 4},
)
row(
    "cosine_similarity",
    torch_nn.CosineSimilarity,
    inputs=("input1", "input2"),
    label="Cosine of the angle between two inputs along a dimension",
)
layer("identity", torch_nn.Identity, rule=reshaping.reshaped, shape="same", label="Identity")

# Activations
same("relu", torch_nn.ReLU, rule=elementwise.relu, label="Rectified linear unit")
same("relu6", torch_nn.ReLU6, rule=elementwise.relu6, label="ReLU cut at 6")
same("rrelu", torch_nn.RReLU, rule=elementwise.rrelu, label="Randomized leaky ReLU")
same("leaky_relu", torch_nn.LeakyReLU, rule=elementwise.leaky_relu, label="Leaky ReLU")
row("prelu", torch_nn.PReLU, rule=dense.prelu, shape=_parametric, label="Parametric ReLU")
same("elu", torch_nn.ELU, rule=elementwise.elu, label="Exponential linear unit")
same("celu", torch_nn.CELU, rule=elementwise.celu, label="Continuously differentiable ELU")
same("selu", torch_nn.SELU, rule=elementwise.selu, label="Scaled ELU")
same("gelu", torch_nn.GELU, rule=elementwise.gelu, label="Gaussian error linear unit")
same("silu", torch_nn.SiLU, rule=elementwise.silu, label="Sigmoid linear unit (swish)")
same("mish", torch_nn.Mish, rule=elementwise.mish, label="Mish")
same("sigmoid", torch_nn.Sigmoid, rule=elementwise.sigmoid, label="Sigmoid")
same("log_sigmoid", torch_nn.LogSigmoid, rule=elementwise.log_sigmoid, label="Logarithm of the sigmoid")
same("hardsigmoid", torch_nn.Hardsigmoid, rule=elementwise.hardsigmoid, label="Piecewise linear sigmoid")
same("hardswish", torch_nn.Hardswish, rule=elementwise.hardswish, label="Piecewise swish")
same("hardtanh", torch_nn.Hardtanh, rule=elementwise.hardtanh, label="Piecewise linear tanh")
same("hardshrink", torch_nn.Hardshrink, rule=elementwise.hardshrink, label="Hard shrinkage")
same("softshrink", torch_nn.Softshrink, rule=elementwise.softshrink, label="Soft shrinkage", bounds={"lambd": (0, None)})
same("softplus", torch_nn.Softplus, rule=elementwise.softplus, label="Softplus")
same("softsign", torch_nn.Softsign, rule=elementwise.softsign, label="Softsign")
same("tanh", torch_nn.Tanh, rule=elementwise.tanh, label="Hyperbolic tangent")
same("tanhshrink", torch_nn.Tanhshrink, rule=elementwise.tanhshrink, label="x - tanh(x)")
same("threshold", torch_nn.Threshold, rule=elementwise.threshold, label="Threshold", example={"threshold": 0.1, "value": 0.0})
same("softmax", torch_nn.Softmax, rule=reshaping.softmax, dim=integer(), label="Softmax along a dimension", example={"dim": -1})
same(
    "log_softmax",
    torch_nn.LogSoftmax,
    rule=reshaping.log_softmax,
    dim=integer(),
    label="Logarithm of the softmax",
    example={"dim": -1},
)
same("softmin", torch_nn.Softmin, rule=reshaping.softmin, dim=integer(), label="Softmin along a dimension", example={"dim": -1})
same("softmax2d", torch_nn.Softmax2d, rank=4, label="Softmax over the channels of images")
row("glu", torch_nn.GLU, rule=reshaping.glu, shape="halved", label="Gated linear unit")
row("reglu", ReGLU, shape="halved", label="ReLU-gated unit")
row("geglu", GEGLU, shape="halved", label="GELU-gated unit")

# Dropout
same("dropout", torch_nn.Dropout, rule=elementwise.dropout, label="Dropout")
same("alpha_dropout", torch_nn.AlphaDropout, rule=elementwise.alpha_dropout, label="Dropout that keeps mean and variance")
same("feature_alpha_dropout", torch_nn.FeatureAlphaDropout, rank=(3, 4, 5), label="Alpha dropout of whole channels")
same("dropout1d", torch_nn.Dropout1d, rank=3, label="Dropout of whole channels of series")
same("dropout2d", torch_nn.Dropout2d, rank=4, label="Dropout of whole channels of images")
same("dropout3d", torch_nn.Dropout3d, rank=5, label="Dropout of whole channels of volumes")

# Norms
same("batch_norm1d", torch_nn.BatchNorm1d, rule=norms.batch_norm, num_features=channels, rank=(2, 3), label="Batch normalization")
same("batch_norm2d", torch_nn.BatchNorm2d, num_features=channels, rank=4, label="Batch normalization of images")
same("batch_norm3d", torch_nn.BatchNorm3d, num_features=channels, rank=5, label="Batch normalization of volumes")
same("instance_norm1d", torch_nn.InstanceNorm1d, num_features=channels, rank=3, label="Instance normalization of series")
same("instance_norm2d", torch_nn.InstanceNorm2d, num_features=channels, rank=4, label="Instance normalization of images")
same("instance_norm3d", torch_nn.InstanceNorm3d, num_features=channels, rank=5, label="Instance normalization of volumes")
same(
    "layer_norm",
    torch_nn.LayerNorm,
    rule=norms.layer_norm,
    normalized_shape=trailing,
    dims=integer(1),
    label="Layer normalization",
    example={"dims": 1},
)
same(
    "rms_norm",
    torch_nn.RMSNorm,
    rule=norms.rms_norm,
    normalized_shape=trailing,
    dims=integer(1),
    label="RMS normalization",
    example={"dims": 1},
)
same(
    "group_norm",
    torch_nn.GroupNorm,
    num_channels=channels,
    rank=(2, 3, 4, 5),
    label="Group normalization",
    example={"num_groups": 2},
)
same(
    "local_response_norm",
    torch_nn.LocalResponseNorm,
    size=integer(1),
    rank=(3, 4, 5),
    label="Local response normalization",
    example={"size": 2},
)
same(
    "cross_map_lrn2d",
    torch_nn.CrossMapLRN2d,
    size=integer(1),
    rank=4,
    label="Local response normalization across channels",
    example={"size": 2},
)

# Convolutions
CONV = {"out_channels": 4, "kernel_size": 3}
row("conv1d", torch_nn.Conv1d, in_channels=channels, rank=3, label="1D convolution", example=CONV)
row("conv2d", torch_nn.Conv2d, in_channels=channels, rank=4, label="2D convolution", example=CONV)
row("conv3d", torch_nn.Conv3d, in_channels=channels, rank=5, label="3D convolution", example=CONV)
row("conv_transpose1d", torch_nn.ConvTranspose1d, in_channels=channels, rank=3, label="1D transposed convolution", example=CONV)
row("conv_transpose2d", torch_nn.ConvTranspose2d, in_channels=channels, rank=4, label="2D transposed convolution", example=CONV)
row("conv_transpose3d", torch_nn.ConvTranspose3d, in_channels=channels, rank=5, label="3D transposed convolution", example=CONV)
row("unfold", torch_nn.Unfold, rank=4, label="Patches of images as columns", example=KERNEL)
row("fold", torch_nn.Fold, rank=3, label="Images from patches", example={"output_size": (3, 5), "kernel_size": 2})

# Pooling
row("max_pool1d", torch_nn.MaxPool1d, rank=3, label="1D max pooling", example=KERNEL)
row("max_pool2d", torch_nn.MaxPool2d, rank=4, label="2D max pooling", example=KERNEL)
row("max_pool3d", torch_nn.MaxPool3d, rank=5, label="3D max pooling", example=KERNEL)
row("avg_pool1d", torch_nn.AvgPool1d, rank=3, label="1D average pooling", example=KERNEL)
row("avg_pool2d", torch_nn.AvgPool2d, rank=4, label="2D average pooling", example=KERNEL)
row("avg_pool3d", torch_nn.AvgPool3d, rank=5, label="3D average pooling", example=KERNEL)
row("lp_pool1d", torch_nn.LPPool1d, rank=3, label="1D power-average pooling", example={"norm_type": 2.0, "kernel_size": 3})
row("lp_pool2d", torch_nn.LPPool2d, rank=4, label="2D power-average pooling", example={"norm_type": 2.0, "kernel_size": 3})
row("lp_pool3d", torch_nn.LPPool3d, rank=5, label="3D power-average pooling", example={"norm_type": 2.0, "kernel_size": 3})
row("adaptive_avg_pool1d", torch_nn.AdaptiveAvgPool1d, rank=3, label="1D average pooling to a size", example={"output_size": 2})
row("adaptive_avg_pool2d", torch_nn.AdaptiveAvgPool2d, rank=4, label="2D average pooling to a size", example={"output_size": 2})
row("adaptive_avg_pool3d", torch_nn.AdaptiveAvgPool3d, rank=5, label="3D average pooling to a size", example={"output_size": 2})
row("adaptive_max_pool1d", torch_nn.AdaptiveMaxPool1d, rank=3, label="1D max pooling to a size", example={"output_size": 2})
row("adaptive_max_pool2d", torch_nn.AdaptiveMaxPool2d, rank=4, label="2D max pooling to a size", example={"output_size": 2})
row("adaptive_max_pool3d", torch_nn.AdaptiveMaxPool3d, rank=5, label="3D max pooling to a size", example={"output_size": 2})
FRACTION = {"kernel_size": 2, "output_size": 3}
row("fractional_max_pool2d", torch_nn.FractionalMaxPool2d, rank=4, label="2D max pooling in random regions", example=FRACTION)
row("fractional_max_pool3d", torch_nn.FractionalMaxPool3d, rank=5, label="3D max pooling in random regions", example=FRACTION)

# Padding
PAD = {"padding": 1}
FILL = {"padding": 1, "value": 0.5}
row("zero_pad1d", torch_nn.ZeroPad1d, rank=3, label="1D padding with zeros", example=PAD)
row("zero_pad2d", torch_nn.ZeroPad2d, rank=4, label="2D padding with zeros", example=PAD)
row("zero_pad3d", torch_nn.ZeroPad3d, rank=5, label="3D padding with zeros", example=PAD)
row("constant_pad1d", torch_nn.ConstantPad1d, rank=3, label="1D padding with a value", example=FILL)
row("constant_pad2d", torch_nn.ConstantPad2d, rank=4, label="2D padding with a value", example=FILL)
row("constant_pad3d", torch_nn.ConstantPad3d, rank=5, label="3D padding with a value", example=FILL)
row("reflection_pad1d", torch_nn.ReflectionPad1d, rank=3, label="1D padding by reflection", example=PAD)
row("reflection_pad2d", torch_nn.ReflectionPad2d, rank=4, label="2D padding by reflection", example=PAD)
row("reflection_pad3d", torch_nn.ReflectionPad3d, rank=5, label="3D padding by reflection", example=PAD)
row("replication_pad1d", torch_nn.ReplicationPad1d, rank=3, label="1D padding with the edge", example=PAD)
row("replication_pad2d", torch_nn.ReplicationPad2d, rank=4, label="2D padding with the edge", example=PAD)
row("replication_pad3d", torch_nn.ReplicationPad3d, rank=5, label="3D padding with the edge", example=PAD)
row("circular_pad1d", torch_nn.CircularPad1d, rank=3, label="1D circular padding", example=PAD)
row("circular_pad2d", torch_nn.CircularPad2d, rank=4, label="2D circular padding", example=PAD)
row("circular_pad3d", torch_nn.CircularPad3d, rank=5, label="3D circular padding", example=PAD)

# Changes of shape
layer("flatten", torch_nn.Flatten, rule=reshaping.reshaped, shape="flattened", label="Several dimensions as one")
layer(
    "unflatten",
    torch_nn.Unflatten,
    rule=reshaping.reshaped,
    label="One dimension as several",
    example={"dim": 1, "unflattened_size": (2, 2)},
)
layer(
    "reshape",
    Reshape,
    rule=reshaping.reshaped,
    shape=_reshaped,
    label="Another shape for the same values",
    example={"shape": (-1, 2, 2)},
)
layer(
    "squeeze",
    Squeeze,
    rule=reshaping.reshaped,
    dims=Inferred("the dimensions in `dim` of size 1", _ones),
    dim=anything(),
    shape="squeezed",
    label="Without dimensions of size 1",
    example={"dim": -1},
)
layer("unsqueeze", Unsqueeze, rule=reshaping.reshaped, shape="unsqueezed", label="With a dimension of size 1", example={"dim": 1})
row("pixel_shuffle", torch_nn.PixelShuffle, rank=4, label="Channels into pixels", example={"upscale_factor": 2})
row("pixel_unshuffle", torch_nn.PixelUnshuffle, rank=4, label="Pixels into channels", example={"downscale_factor": 2})
same("channel_shuffle", torch_nn.ChannelShuffle, rank=(3, 4, 5), label="Channels of groups interleaved", example={"groups": 2})
row("upsample", torch_nn.Upsample, rank=(3, 4, 5), label="Upsampling", example={"scale_factor": 2.0})
row(
    "upsampling_nearest2d",
    torch_nn.UpsamplingNearest2d,
    rank=4,
    label="Nearest-neighbor upsampling",
    example={"scale_factor": 2.0},
)
row("upsampling_bilinear2d", torch_nn.UpsamplingBilinear2d, rank=4, label="Bilinear upsampling", example={"scale_factor": 2.0})
