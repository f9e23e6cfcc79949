"""Resampling: how a task is cut into training and test rows."""
