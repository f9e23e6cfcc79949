"""Learners, predictions, measures and how they are compared: each in a room of its own, imported when it is needed."""
