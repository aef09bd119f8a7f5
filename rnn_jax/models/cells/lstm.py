"""Long short-term memory and its variants: peepholes, coupled gates, layer normalization, JANET."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from rnn_jax.models.cells.cell import Cell, CellWithMemory, Mask, masked, sigmoid, tanh


class LSTM(nn.LSTMCell):
    """Long short-term memory: Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000.

        i = σ(x W_ii + h W_hi + b_i)      f = σ(x W_if + h W_hf + b_f)
        g = tanh(x W_ig + h W_hg + b_g)   o = σ(x W_io + h W_ho + b_o)
        c' = f ∘ c + i ∘ g                h' = o ∘ tanh(c')

    Flax's own `LSTMCell`. The carry is (c, h), the output h'.
    """

    def __call__(self, carry: Any, inputs: jax.Array, mask: Mask = None) -> tuple[Any, jax.Array]:
        """One step. Only kernels multiply h, so a mask on the carry's h is a mask on what they multiply."""
        c, h = carry
        return super().__call__((c, masked(h, mask)), inputs)


class PeepholeLSTM(CellWithMemory):
    """The LSTM with peepholes: Gers and Schmidhuber 2000, in the notation of Greff et al. 2017.

        i = σ(x W_ii + h W_hi + b_i + p_i ∘ c)    f = σ(x W_if + h W_hf + b_f + p_f ∘ c)
        g = tanh(x W_ig + h W_hg + b_g)           c' = f ∘ c + i ∘ g
        o = σ(x W_io + h W_ho + b_o + p_o ∘ c')   h' = o ∘ tanh(c')

    The peepholes p [hidden] are initially zero. The carry is (c, h), the output h'.
    """

    @nn.compact
    def __call__(self, carry: Any, inputs: jax.Array, mask: Mask = None) -> tuple[Any, jax.Array]:
        c, h = carry
        state = masked(h, mask)

        def peephole(name: str, memory: jax.Array) -> jax.Array:
            weights = self.param(f"p{name}", nn.initializers.zeros, (self.features,), jnp.float32)
            return memory * jnp.expand_dims(weights, range(memory.ndim - 1))

        i = sigmoid(self.dense_both("i", inputs, state) + peephole("i", c))
        f = sigmoid(self.dense_both("f", inputs, state) + peephole("f", c))
        c = f * c + i * tanh(self.dense_both("g", inputs, state))
        o = sigmoid(self.dense_both("o", inputs, state) + peephole("o", c))
        h = o * tanh(c)
        return (c, h), h


class CoupledLSTM(CellWithMemory):
    """The LSTM with coupled input and forget gates: CIFG, Greff et al. 2017 (arXiv 1503.04069), section III.

        f = σ(x W_if + h W_hf + b_f)      g = tanh(x W_ig + h W_hg + b_g)
        o = σ(x W_io + h W_ho + b_o)
        c' = f ∘ c + (1 - f) ∘ g          h' = o ∘ tanh(c')

    The carry is (c, h), the output h'.
    """

    @nn.compact
    def __call__(self, carry: Any, inputs: jax.Array, mask: Mask = None) -> tuple[Any, jax.Array]:
        c, h = carry
        state = masked(h, mask)
        f = sigmoid(self.dense_both("f", inputs, state))
        c = f * c + (1.0 - f) * tanh(self.dense_both("g", inputs, state))
        h = sigmoid(self.dense_both("o", inputs, state)) * tanh(c)
        return (c, h), h


def _small_uniform(key: jax.Array, shape: tuple[int], dtype: Any = jnp.float32) -> jax.Array:
    return jax.random.uniform(key, shape, dtype, -1, 1) * shape[0] ** -0.5


class LayerNormLSTM(CellWithMemory):
    """The LSTM with layer normalization: Ba et al. 2016 (arXiv 1607.06450), equations 20 to 22.

        [i, f, g, o] = LN(x [W_ii W_if W_ig W_io]) + LN(h [W_hi W_hf W_hg W_ho]) + b
        c' = σ(f) ∘ c + σ(i) ∘ tanh(g)    h' = σ(o) ∘ tanh(LN(c'))

    Each LN normalizes all four gates together and has a gain; b [4·hidden] is `norm_hidden/bias`. The carry
    is (c, h), the output h'.

    b is initialized from U(-r, r), r = 1 / sqrt(4·hidden). With b = 0 a sequence that begins with zeros, such
    as the rows of an image, would keep the state at zero, where the slope of LN is about a thousand, and
    gradients would overflow within a few steps.
    """

    @nn.compact
    def __call__(self, carry: Any, inputs: jax.Array, mask: Mask = None) -> tuple[Any, jax.Array]:
        c, h = carry
        state = masked(h, mask)
        of_input = jnp.concatenate([self.dense_input(f"i{name}", inputs) for name in "ifgo"], axis=-1)
        of_state = jnp.concatenate([self.dense_state(f"h{name}", state) for name in "ifgo"], axis=-1)
        gates = nn.LayerNorm(use_bias=False, name="norm_input")(of_input)
        gates += nn.LayerNorm(bias_init=_small_uniform, name="norm_hidden")(of_state)
        i, f, g, o = jnp.split(gates, 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h = sigmoid(o) * tanh(nn.LayerNorm(name="norm_memory")(c))
        return (c, h), h


class JANET(Cell):
    """Just Another NETwork, the LSTM with only a forget gate: van der Westhuizen and Lasenby 2018.

        s = x W_if + h W_hf + b_f         g = tanh(x W_ig + h W_hg + b_g)
        h' = σ(s) ∘ h + (1 - σ(s - 1)) ∘ g

    arXiv 1804.04849, equations 6, with β = 1. The carry and the output are h'.
    """

    @nn.compact
    def __call__(self, carry: jax.Array, inputs: jax.Array, mask: Mask = None) -> tuple[jax.Array, jax.Array]:
        state = masked(carry, mask)
        s = self.dense_both("f", inputs, state)
        g = tanh(self.dense_both("g", inputs, state))
        h = sigmoid(s) * carry + (1.0 - sigmoid(s - 1.0)) * g
        return h, h
