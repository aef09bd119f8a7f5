"""Sweeps: what is varied, the members that come of it, and how they are trained and compared."""
