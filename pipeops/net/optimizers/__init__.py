"""Optimizers: the node, the shelf, fused steps, and the exact line search."""
