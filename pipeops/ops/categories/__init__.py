"""Operators on categories, dates and what the target says of them: one file for each family; reached through `po`."""
