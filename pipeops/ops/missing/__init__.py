"""Imputers that look at a whole task, its row ids or its other features: draws and models; reached through `po`."""
