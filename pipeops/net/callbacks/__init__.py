"""Callbacks: their their context and base, the shelf, and the node that attaches them."""
