"""Recurrent networks: cells, recurrences, stacks of them, and decoding with a language model."""

from rnn_jax.models.network import Network, build_network
from rnn_jax.models.recurrence import unroll

__all__ = ["Network", "build_network", "unroll"]
