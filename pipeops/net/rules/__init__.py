"""Rules: layers written out, forward and gradient, for K networks of one blueprint at once and without autograd."""
