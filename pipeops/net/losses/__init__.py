"""Losses: the node, the shelf, and those of our own."""
