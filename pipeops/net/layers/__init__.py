"""Layers: how a row of the table becomes a node, the table, and what no row can say."""
