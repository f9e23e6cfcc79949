"""Learners that are no graphs: featureless ones, scikit-learn's, and what tabular learners share."""
