"""benchmark and resample: the grid, its jobs, where they are kept, and the table of results."""
