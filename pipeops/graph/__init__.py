"""Nodes, graphs and graph learners."""

from pipeops.graph.graph import Edge, Graph, chain, gunion
from pipeops.graph.pipeop import Channel, PipeOp, operator

__all__ = ["Channel", "Edge", "Graph", "PipeOp", "chain", "gunion", "operator"]
