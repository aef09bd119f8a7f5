"""A functional research codebase for recurrent networks in JAX and Flax."""
