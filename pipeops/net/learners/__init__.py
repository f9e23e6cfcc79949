"""Ready-made networks as learners: graphs with a name."""
