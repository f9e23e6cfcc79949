"""Callbacks: their context, base and node, and the shelf."""
