"""Networks: layers, ingress, compiling, training. Importing this imports torch."""

from pipeops.net.callbacks.base import Callback, torch_callback
from pipeops.net.callbacks.context import Context
from pipeops.net.inputs.ingress import TorchIngressCategorical, TorchIngressNumeric
from pipeops.net.inputs.ingress_tensor import TorchIngressTensor
from pipeops.net.inputs.samplers import BalancedBatches, StratifiedBatches, WeightedBatches
from pipeops.net.layers.layer import Inferred, channels, codes, fixed, last, layer, levels
from pipeops.net.losses.aum import aum, roc_curve
from pipeops.net.losses.base import TorchLoss, loss
from pipeops.net.losses.imbalanced import focal, logistic
from pipeops.net.losses.ranking import hinge_pairs, square_pairs
from pipeops.net.network.compile import compile_network
from pipeops.net.network.descriptor import Feed, ModelDescriptor, Spec, Symbol
from pipeops.net.optimizers.base import TorchOptimizer, optimizer
from pipeops.net.tensors.sources import as_lazy_tensor
from pipeops.net.tensors.trafo import Augment, Trafo
from pipeops.net.training.model import TorchModelClassif, TorchModelRegr
from pipeops.net.training.state import TorchState

__all__ = [
    "Augment",
    "BalancedBatches",
    "Callback",
    "Context",
    "Feed",
    "Inferred",
    "ModelDescriptor",
    "Spec",
    "StratifiedBatches",
    "Symbol",
    "TorchIngressCategorical",
    "TorchIngressNumeric",
    "TorchIngressTensor",
    "TorchLoss",
    "TorchModelClassif",
    "TorchModelRegr",
    "TorchOptimizer",
    "TorchState",
    "Trafo",
    "WeightedBatches",
    "as_lazy_tensor",
    "aum",
    "channels",
    "codes",
    "compile_network",
    "fixed",
    "focal",
    "hinge_pairs",
    "last",
    "layer",
    "levels",
    "logistic",
    "loss",
    "optimizer",
    "roc_curve",
    "square_pairs",
    "torch_callback",
]
