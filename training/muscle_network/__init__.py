"""Reproduces the weights of the thigh muscle network from label maps alone; needs torch, which the product does not."""
