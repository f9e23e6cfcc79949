"""Torch modules of our own, usable without the rest of the package."""
