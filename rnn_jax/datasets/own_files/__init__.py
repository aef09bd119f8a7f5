"""Readers of a user's own files: images, labelled texts, sequences, texts."""
