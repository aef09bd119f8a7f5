"""Many models in one compiled program."""
