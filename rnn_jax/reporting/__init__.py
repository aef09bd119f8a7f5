"""The output of a run: console, logs, plots, reports. Reads run folders, imports no JAX."""
