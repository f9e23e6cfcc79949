"""From tasks to tensors and back: ingress, batches, samplers, and the link of task and output."""
