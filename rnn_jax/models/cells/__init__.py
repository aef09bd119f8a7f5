"""One step of each cell: a Flax module, `cell(carry, inputs) -> (carry, output)`.

Gates are σ, the logistic function; ∘ multiplies element by element; x [batch, inputs] is the input, h the
hidden state [batch, hidden], c the memory where a cell has one. Kernels are [inputs, hidden] and multiply
from the right. Where Flax has the cell, its parameters have Flax's names and shapes.

Every cell takes one more argument, `mask` [batch, hidden] or None: it multiplies h wherever a *product* reads
it, and not where h is carried on. With one mask for all steps that is the recurrent dropout of Gal and
Ghahramani 2016 (arXiv 1512.05287, section 4).
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from rnn_jax.models.initializers import Initializer

Mask = jax.Array | None

sigmoid, tanh = nn.sigmoid, nn.tanh


class LSTM(nn.LSTMCell):
    """Long short-term memory: Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000.

        i = σ(x W_ii + h W_hi + b_i)      f = σ(x W_if + h W_hf + b_f)
        g = tanh(x W_ig + h W_hg + b_g)   o = σ(x W_io + h W_ho + b_o)
        c' = f ∘ c + i ∘ g                h' = o ∘ tanh(c')

    It is Flax's own. The carry is (c, h), the output h'.
    """

    def __call__(self, carry: Any, inputs: jax.Array, mask: Mask = None) -> tuple[Any, jax.Array]:
        """One step; h is read by products alone, so that a mask on it is one on the carry."""
        c, h = carry
        return super().__call__((c, masked(h, mask)), inputs)


class Cell(nn.RNNCellBase):
    """What cells share: how they read the input and, in layers whose names begin with h, the hidden state."""

    features: int
    kernel_init: Initializer = nn.initializers.lecun_normal()
    recurrent_kernel_init: Initializer = nn.initializers.orthogonal()

    @nn.nowrap
    def of_input(self, name: str, inputs: jax.Array, use_bias: bool = False) -> jax.Array:
        """Inputs [batch, inputs] times the kernel of the layer called `name`: [batch, hidden]."""
        return nn.Dense(self.features, use_bias, kernel_init=self.kernel_init, name=name)(inputs)

    @nn.nowrap
    def of_state(self, name: str, state: jax.Array, use_bias: bool = False) -> jax.Array:
        """The hidden state [batch, hidden] times the kernel of the layer called `name`: [batch, hidden]."""
        return nn.Dense(self.features, use_bias, kernel_init=self.recurrent_kernel_init, name=name)(state)

    @nn.nowrap
    def initialize_carry(self, rng: jax.Array, input_shape: tuple[int, ...]) -> Any:
        """Zeros."""
        del rng
        return jnp.zeros((*input_shape[:-1], self.features), jnp.float32)

    @property
    def num_feature_axes(self) -> int:
        return 1


class CellWithMemory(Cell):
    """A cell whose carry is (c, h)."""

    @nn.nowrap
    def initialize_carry(self, rng: jax.Array, input_shape: tuple[int, ...]) -> Any:
        """Zeros."""
        zeros = super().initialize_carry(rng, input_shape)
        return zeros, zeros


class SimpleRNN(Cell):
    """The simple recurrent network of Elman 1990, as Flax's SimpleCell has it.

        h' = tanh(x W_i + b + h W_h)

    The carry and the output are h'.
    """

    @nn.compact
    def __call__(self, carry: jax.Array, inputs: jax.Array, mask: Mask = None) -> tuple[jax.Array, jax.Array]:
        """One step."""
        h = tanh(self.of_input("i", inputs, use_bias=True) + self.of_state("h", masked(carry, mask)))
        return h, h


class PeepholeLSTM(CellWithMemory):
    """The LSTM whose gates see the memory: Gers and Schmidhuber 2000, in the notation of Greff et al. 2017.

        i = σ(x W_ii + h W_hi + b_i + p_i ∘ c)    f = σ(x W_if + h W_hf + b_f + p_f ∘ c)
        g = tanh(x W_ig + h W_hg + b_g)           c' = f ∘ c + i ∘ g
        o = σ(x W_io + h W_ho + b_o + p_o ∘ c')   h' = o ∘ tanh(c')

    The peepholes p [hidden] are zero at first. The carry is (c, h), the output h'.
    """

    @nn.compact
    def __call__(self, carry: Any, inputs: jax.Array, mask: Mask = None) -> tuple[Any, jax.Array]:
        """One step."""
        c, h = carry
        read = masked(h, mask)

        def gate(name: str) -> jax.Array:
            return self.of_input(f"i{name}", inputs) + self.of_state(f"h{name}", read, use_bias=True)

        def peephole(name: str, memory: jax.Array) -> jax.Array:
            weights = self.param(f"p{name}", nn.initializers.zeros, (self.features,), jnp.float32)
            return memory * jnp.expand_dims(weights, range(memory.ndim - 1))

        i = sigmoid(gate("i") + peephole("i", c))
        f = sigmoid(gate("f") + peephole("f", c))
        c = f * c + i * tanh(gate("g"))
        o = sigmoid(gate("o") + peephole("o", c))
        h = o * tanh(c)
        return (c, h), h


class CoupledLSTM(CellWithMemory):
    """The LSTM that forgets as much as it writes: CIFG of Greff et al. 2017 (arXiv 1503.04069), section III.

        f = σ(x W_if + h W_hf + b_f)      g = tanh(x W_ig + h W_hg + b_g)
        o = σ(x W_io + h W_ho + b_o)
        c' = f ∘ c + (1 - f) ∘ g          h' = o ∘ tanh(c')

    The carry is (c, h), the output h'.
    """

    @nn.compact
    def __call__(self, carry: Any, inputs: jax.Array, mask: Mask = None) -> tuple[Any, jax.Array]:
        """One step."""
        c, h = carry
        read = masked(h, mask)

        def gate(name: str) -> jax.Array:
            return self.of_input(f"i{name}", inputs) + self.of_state(f"h{name}", read, use_bias=True)

        f = sigmoid(gate("f"))
        c = f * c + (1.0 - f) * tanh(gate("g"))
        h = sigmoid(gate("o")) * tanh(c)
        return (c, h), h


def _small_uniform(key: jax.Array, shape: tuple[int], dtype: Any = jnp.float32) -> jax.Array:
    return jax.random.uniform(key, shape, dtype, -1, 1) * shape[0] ** -0.5


class LayerNormLSTM(CellWithMemory):
    """The LSTM with layer normalization: Ba et al. 2016 (arXiv 1607.06450), equations 20 to 22.

        [i, f, g, o] = LN(x [W_ii W_if W_ig W_io]) + LN(h [W_hi W_hf W_hg W_ho]) + b
        c' = σ(f) ∘ c + σ(i) ∘ tanh(g)    h' = σ(o) ∘ tanh(LN(c'))

    Each LN is over all four gates together and has a gain of its own; b [4·hidden] is `norm_hidden/bias`. The
    carry is (c, h), the output h'.

    b is drawn from U(-r, r), r = 1 / sqrt(4·hidden), and not zero: where a sequence begins with zeros, as an
    image does, a zero b would keep the state zero, where LN has a slope of a thousand, and gradients would
    overflow within a few steps.
    """

    @nn.compact
    def __call__(self, carry: Any, inputs: jax.Array, mask: Mask = None) -> tuple[Any, jax.Array]:
        """One step."""
        c, h = carry
        read = masked(h, mask)
        of_input = jnp.concatenate([self.of_input(f"i{name}", inputs) for name in "ifgo"], axis=-1)
        of_state = jnp.concatenate([self.of_state(f"h{name}", read) for name in "ifgo"], axis=-1)
        gates = nn.LayerNorm(use_bias=False, name="norm_input")(of_input)
        gates += nn.LayerNorm(bias_init=_small_uniform, name="norm_hidden")(of_state)
        i, f, g, o = jnp.split(gates, 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h = sigmoid(o) * tanh(nn.LayerNorm(name="norm_memory")(c))
        return (c, h), h


class GRU(Cell):
    """The gated recurrent unit of Cho et al. 2014 (arXiv 1406.1078), reset after the product, as in Flax.

        r = σ(x W_ir + b_r + h W_hr)      z = σ(x W_iz + b_z + h W_hz)
        n = tanh(x W_in + b_in + r ∘ (h W_hn + b_hn))
        h' = (1 - z) ∘ n + z ∘ h

    The carry and the output are h'.
    """

    @nn.compact
    def __call__(self, carry: jax.Array, inputs: jax.Array, mask: Mask = None) -> tuple[jax.Array, jax.Array]:
        """One step."""
        read = masked(carry, mask)
        r = sigmoid(self.of_input("ir", inputs, use_bias=True) + self.of_state("hr", read))
        z = sigmoid(self.of_input("iz", inputs, use_bias=True) + self.of_state("hz", read))
        candidate = r * self.of_state("hn", read, use_bias=True)
        n = tanh(self.of_input("in", inputs, use_bias=True) + candidate)
        h = (1.0 - z) * n + z * carry
        return h, h


class MGU(Cell):
    """The minimal gated unit of Zhou et al. 2016 (arXiv 1603.09420), reset after the product, as in Flax.

        f = σ(x W_if + b_f + h W_hf)
        n = tanh(x W_in + b_in + f ∘ (h W_hn + b_hn))
        h' = (1 - f) ∘ n + f ∘ h

    The carry and the output are h'.
    """

    @nn.compact
    def __call__(self, carry: jax.Array, inputs: jax.Array, mask: Mask = None) -> tuple[jax.Array, jax.Array]:
        """One step."""
        read = masked(carry, mask)
        f = sigmoid(self.of_input("if", inputs, use_bias=True) + self.of_state("hf", read))
        candidate = f * self.of_state("hn", read, use_bias=True)
        n = tanh(self.of_input("in", inputs, use_bias=True) + candidate)
        h = (1.0 - f) * n + f * carry
        return h, h


class JANET(Cell):
    """Just another network, the LSTM with a forget gate alone: van der Westhuizen and Lasenby 2018.

        s = x W_if + h W_hf + b_f         g = tanh(x W_ig + h W_hg + b_g)
        h' = σ(s) ∘ h + (1 - σ(s - 1)) ∘ g

    (arXiv 1804.04849, equations 6, with its β = 1: a little more is written than forgotten). The carry and
    the output are h'.
    """

    @nn.compact
    def __call__(self, carry: jax.Array, inputs: jax.Array, mask: Mask = None) -> tuple[jax.Array, jax.Array]:
        """One step."""
        read = masked(carry, mask)
        s = self.of_input("if", inputs) + self.of_state("hf", read, use_bias=True)
        g = tanh(self.of_input("ig", inputs) + self.of_state("hg", read, use_bias=True))
        h = sigmoid(s) * carry + (1.0 - sigmoid(s - 1.0)) * g
        return h, h


def masked(state: jax.Array, mask: Mask) -> jax.Array:
    """The hidden state [batch, hidden] as a product reads it."""
    return state if mask is None else state * mask
