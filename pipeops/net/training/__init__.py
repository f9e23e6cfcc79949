"""Training one network: the model node, the loop, the machine, and what is left behind."""
