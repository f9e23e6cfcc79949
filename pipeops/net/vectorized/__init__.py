"""Training several networks as one."""
