"""Published data sets: sources, downloads, and their preparation with TFDS."""
