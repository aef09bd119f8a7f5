"""Files, locks, signals, errors, devices and processes. JAX only in `devices` and `distributed`."""
