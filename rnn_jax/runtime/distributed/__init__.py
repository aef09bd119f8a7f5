"""Several processes in one run: joining, synchronization, and placement of arrays."""
