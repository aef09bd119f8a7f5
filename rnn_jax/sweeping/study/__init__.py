"""Studies: sweeps stored in a database, whose trials several workers share. Only this folder uses Optuna."""
