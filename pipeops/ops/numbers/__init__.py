"""Operators on numbers: one file for each family; they are reached through `po`."""
