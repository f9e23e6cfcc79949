"""Nodes, graphs and graph learners."""

from pipeops.graph.ends import Edge
from pipeops.graph.graph import Graph, chain, gunion
from pipeops.graph.graph_learner import GraphLearner, as_learner
from pipeops.graph.pipeop import Channel, PipeOp, operator

__all__ = ["Channel", "Edge", "Graph", "GraphLearner", "PipeOp", "as_learner", "chain", "gunion", "operator"]
