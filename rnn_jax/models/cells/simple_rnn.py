"""The simple recurrent network."""

import jax
from flax import linen as nn

from rnn_jax.models.cells.cell import Cell, Mask, masked, tanh


class SimpleRNN(Cell):
    """The simple recurrent network of Elman 1990, equal to Flax's `SimpleCell`.

        h' = tanh(x W_i + b + h W_h)

    The carry and the output are h'.
    """

    @nn.compact
    def __call__(self, carry: jax.Array, inputs: jax.Array, mask: Mask = None) -> tuple[jax.Array, jax.Array]:
        h = tanh(self.dense_input("i", inputs, use_bias=True) + self.dense_state("h", masked(carry, mask)))
        return h, h
