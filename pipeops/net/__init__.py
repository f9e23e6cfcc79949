"""Networks: layers, ingress, compiling, training. Importing this imports torch."""

from pipeops.net.aum import aum, roc_curve
from pipeops.net.callback import Callback, Context, torch_callback
from pipeops.net.descriptor import Feed, ModelDescriptor, Spec, Symbol
from pipeops.net.imbalanced import focal, logistic
from pipeops.net.ingress import TorchIngressCategorical, TorchIngressNumeric
from pipeops.net.layer import Inferred, channels, fixed, last, layer
from pipeops.net.loss import TorchLoss, loss
from pipeops.net.model import TorchModelClassif, TorchModelRegr
from pipeops.net.network import compile_network
from pipeops.net.optimizer import TorchOptimizer, optimizer
from pipeops.net.ranking import hinge_pairs, square_pairs
from pipeops.net.samplers import BalancedBatches, StratifiedBatches, WeightedBatches
from pipeops.net.state import TorchState

__all__ = [
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
    "TorchLoss",
    "TorchModelClassif",
    "TorchModelRegr",
    "TorchOptimizer",
    "TorchState",
    "WeightedBatches",
    "aum",
    "channels",
    "compile_network",
    "fixed",
    "focal",
    "hinge_pairs",
    "last",
    "layer",
    "logistic",
    "loss",
    "optimizer",
    "roc_curve",
    "square_pairs",
    "torch_callback",
]
