"""Filters: scores of features, and the operator that keeps the best; reached through `flt` and `po("filter")`."""
