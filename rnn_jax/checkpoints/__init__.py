"""Checkpoints: a tree of arrays and a JSON file on disk, verified when they are opened."""
