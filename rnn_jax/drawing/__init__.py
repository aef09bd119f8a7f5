"""A page to draw an image on, which shows how a trained network reads it row by row."""
