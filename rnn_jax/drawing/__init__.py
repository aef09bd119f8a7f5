"""A page to draw on, that shows how a network reads the drawing row by row."""
