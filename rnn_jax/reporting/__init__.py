"""What a person sees of a run: the console, the logs, the figures, the tables. No JAX; reads run folders."""
