"""Columns of tensors: where they come from, what is done to them on the way, and how they are read."""
