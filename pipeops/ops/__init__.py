"""Preprocessing and flow operators: the base to build one on, and the shelf, one file for each family."""

from pipeops.graph.pipeop import operator
from pipeops.ops.base import Preprocess

__all__ = ["Preprocess", "operator"]
