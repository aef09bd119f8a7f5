"""Readers of a user's own files: images, texts, labelled texts, sequences."""
