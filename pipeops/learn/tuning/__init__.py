"""Tuning: the learner that searches for its hyperparameters, one search, and its space."""
