"""Networks: layers, ingress, compiling, training. Importing this imports torch."""

from pipeops.net.descriptor import Feed, ModelDescriptor, Spec, Symbol
from pipeops.net.layer import Inferred, channels, fixed, last, layer
from pipeops.net.network import compile_network

__all__ = [
    "Feed",
    "Inferred",
    "ModelDescriptor",
    "Spec",
    "Symbol",
    "channels",
    "compile_network",
    "fixed",
    "last",
    "layer",
]
