"""What the cells share: their dense layers, the initial carry and the mask of recurrent dropout."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from rnn_jax.models.types import Initializer

Mask = jax.Array | None
"""[batch, hidden]: multiplies the hidden state wherever a kernel multiplies it; None: ones."""

sigmoid, tanh = nn.sigmoid, nn.tanh


class CellBase(nn.RNNCellBase):
    """A cell whose initial carry is zeros [batch, hidden]."""

    features: int
    kernel_init: Initializer = nn.initializers.lecun_normal()
    carry_dtype = jnp.float32

    @nn.nowrap
    def initialize_carry(self, rng: jax.Array, input_shape: tuple[int, ...]) -> Any:
        """Zeros."""
        del rng
        return jnp.zeros((*input_shape[:-1], self.features), self.carry_dtype)

    @property
    def num_feature_axes(self) -> int:
        return 1


class Cell(CellBase):
    """A cell whose carry is h [batch, hidden], and whose kernels multiply the input or h."""

    recurrent_kernel_init: Initializer = nn.initializers.orthogonal()

    @nn.nowrap
    def dense_input(self, name: str, inputs: jax.Array, use_bias: bool = False) -> jax.Array:
        """The dense layer `name` of the input: [batch, inputs] -> [batch, hidden]."""
        return nn.Dense(self.features, use_bias, kernel_init=self.kernel_init, name=name)(inputs)

    @nn.nowrap
    def dense_state(self, name: str, state: jax.Array, use_bias: bool = False) -> jax.Array:
        """The dense layer `name` of the hidden state: [batch, hidden] -> [batch, hidden]."""
        return nn.Dense(self.features, use_bias, kernel_init=self.recurrent_kernel_init, name=name)(state)

    @nn.nowrap
    def dense_both(self, name: str, inputs: jax.Array, state: jax.Array) -> jax.Array:
        """x W_i{name} + h W_h{name} + b_{name}, with the bias in the layer h{name}, as in Flax's LSTM."""
        return self.dense_input(f"i{name}", inputs) + self.dense_state(f"h{name}", state, use_bias=True)


class CellWithMemory(Cell):
    """A cell whose carry is (c, h)."""

    @nn.nowrap
    def initialize_carry(self, rng: jax.Array, input_shape: tuple[int, ...]) -> Any:
        """Zeros."""
        zeros = super().initialize_carry(rng, input_shape)
        return zeros, zeros


def masked(state: jax.Array, mask: Mask) -> jax.Array:
    """The hidden state [batch, hidden] that kernels multiply."""
    return state if mask is None else state * mask
