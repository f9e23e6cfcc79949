"""Operators around models: predictions drawn, quantiles and intervals; reached through `po`."""
