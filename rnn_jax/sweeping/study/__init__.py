"""Studies: sweeps kept in a database, whose trials several workers share. Optuna is used here alone."""
