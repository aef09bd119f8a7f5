"""Gated recurrent units: GRU and MGU. The package's docstring explains the symbols, and `mask`."""

import jax
from flax import linen as nn

from rnn_jax.models.cells.cell import Cell, Mask, masked, sigmoid, tanh


class GRU(Cell):
    """The gated recurrent unit of Cho et al. 2014 (arXiv 1406.1078).

    The reset gate is applied after the recurrent matrix product, as in cuDNN and Flax:

        r = σ(x W_ir + b_r + h W_hr)      z = σ(x W_iz + b_z + h W_hz)
        n = tanh(x W_in + b_in + r ∘ (h W_hn + b_hn))
        h' = (1 - z) ∘ n + z ∘ h

    Equal to Flax's `GRUCell`. The carry and the output are h'.
    """

    @nn.compact
    def __call__(self, carry: jax.Array, inputs: jax.Array, mask: Mask = None) -> tuple[jax.Array, jax.Array]:
        state = masked(carry, mask)
        r = sigmoid(self.dense_input("ir", inputs, use_bias=True) + self.dense_state("hr", state))
        z = sigmoid(self.dense_input("iz", inputs, use_bias=True) + self.dense_state("hz", state))
        reset = r * self.dense_state("hn", state, use_bias=True)
        n = tanh(self.dense_input("in", inputs, use_bias=True) + reset)
        h = (1.0 - z) * n + z * carry
        return h, h


class MGU(Cell):
    """The minimal gated unit of Zhou et al. 2016 (arXiv 1603.09420).

    The gate is applied after the recurrent matrix product, as in Flax:

        f = σ(x W_if + b_f + h W_hf)
        n = tanh(x W_in + b_in + f ∘ (h W_hn + b_hn))
        h' = (1 - f) ∘ n + f ∘ h

    Equal to Flax's `MGUCell`. The carry and the output are h'.
    """

    @nn.compact
    def __call__(self, carry: jax.Array, inputs: jax.Array, mask: Mask = None) -> tuple[jax.Array, jax.Array]:
        state = masked(carry, mask)
        f = sigmoid(self.dense_input("if", inputs, use_bias=True) + self.dense_state("hf", state))
        reset = f * self.dense_state("hn", state, use_bias=True)
        n = tanh(self.dense_input("in", inputs, use_bias=True) + reset)
        h = (1.0 - f) * n + f * carry
        return h, h
