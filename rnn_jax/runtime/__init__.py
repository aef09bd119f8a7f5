"""What a run stands on: its configuration, its folder, its devices, its signals. No JAX outside `devices`."""
