"""A functional research codebase for recurrent networks in JAX and Flax."""

from rnn_jax.runtime.signals import exit_at_sigint_while_starting as _exit_at_sigint_while_starting

_exit_at_sigint_while_starting()
