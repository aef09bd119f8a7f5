"""Inference: load a trained model from a run folder, predict, generate, score and evaluate."""
