"""Configs: every key with its type, range and description; rules between keys; command line; run folder."""
