"""Operators on what a task is beyond its features: which rows it has, and what roles its columns play; reached through `po`."""
