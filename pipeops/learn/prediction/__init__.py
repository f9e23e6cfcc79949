"""Predictions: the labelled table, for classes and numbers."""
