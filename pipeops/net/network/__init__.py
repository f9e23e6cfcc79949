"""From symbols to one torch module: descriptor, shapes, the base of network nodes, compiling."""
