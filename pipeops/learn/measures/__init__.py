"""Measures: what scores a prediction, and the shelves of them."""
