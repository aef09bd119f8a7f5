"""Cells whose state moves linearly, h' = a ∘ h + b with a and b read off the input alone.

Since no gate looks at the state, all steps can be computed at once: composing (a₁, b₁) and then (a₂, b₂)
gives (a₂ ∘ a₁, a₂ ∘ b₁ + b₂), which is associative (Blelloch 1990; Martin and Cundy 2018, arXiv 1709.04057).
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from rnn_jax.models.initializers import Initializer

Array = jax.Array

# An LRU's eigenvalues are drawn from this ring of the complex plane at first: long memories, any frequency.
SMALLEST_RADIUS, LARGEST_RADIUS, LARGEST_PHASE = 0.9, 0.999, 2 * jnp.pi


class LinearRecurrence(nn.RNNCellBase):
    """A cell in two parts: `coefficients`, of the input alone, and `read`, the output at a state.

    The carry is the state [batch, hidden].
    """

    features: int
    kernel_init: Initializer = nn.initializers.lecun_normal()

    def coefficients(self, inputs: Array) -> tuple[Array, Array]:
        """(a, b), each [..., hidden], of inputs [..., features]."""
        raise NotImplementedError

    def read(self, state: Array, inputs: Array) -> Array:
        """The outputs [..., hidden] at states [..., hidden]: the states, unless a cell says more."""
        del inputs
        return state

    def advance(self, carry: Array, inputs: Array) -> Array:
        """The next state, which is not read yet."""
        a, b = self.coefficients(inputs)
        return a * carry + b

    def __call__(self, carry: Array, inputs: Array) -> tuple[Array, Array]:
        """One step."""
        state = self.advance(carry, inputs)
        return state, self.read(state, inputs)

    @nn.nowrap
    def initialize_carry(self, rng: Array, input_shape: tuple[int, ...]) -> Any:
        """Zeros."""
        del rng
        return jnp.zeros((*input_shape[:-1], self.features), jnp.float32)

    @property
    def num_feature_axes(self) -> int:
        """One: the last."""
        return 1


class MinGRU(LinearRecurrence):
    """The minimal GRU of Feng et al. 2024 (arXiv 2410.01201), section 3.1.

    z = σ(x W_z + b_z)                h̃ = x W_h + b_h
    h' = (1 - z) ∘ h + z ∘ h̃
    """

    def setup(self) -> None:
        """The layers `z` and `h`."""
        self.z = nn.Dense(self.features, kernel_init=self.kernel_init)
        self.h = nn.Dense(self.features, kernel_init=self.kernel_init)

    def coefficients(self, inputs: Array) -> tuple[Array, Array]:
        """See the class."""
        z = self.z(inputs)
        return nn.sigmoid(-z), nn.sigmoid(z) * self.h(inputs)


class MinLSTM(LinearRecurrence):
    """The minimal LSTM of Feng et al. 2024 (arXiv 2410.01201), section 3.2.

    f = σ(x W_f + b_f)                i = σ(x W_i + b_i)                h̃ = x W_h + b_h
    h' = f / (f + i) ∘ h + i / (f + i) ∘ h̃
    """

    def setup(self) -> None:
        """The layers `f`, `i` and `h`."""
        self.f, self.i, self.h = (nn.Dense(self.features, kernel_init=self.kernel_init) for _ in range(3))

    def coefficients(self, inputs: Array) -> tuple[Array, Array]:
        """See the class. f / (f + i) is σ(log f - log i), which never divides by zero."""
        keep = nn.log_sigmoid(self.f(inputs)) - nn.log_sigmoid(self.i(inputs))
        return nn.sigmoid(keep), nn.sigmoid(-keep) * self.h(inputs)


class LRU(LinearRecurrence):
    """The linear recurrent unit of Orvieto et al. 2023 (arXiv 2303.06349), sections 3.2 to 3.4.

        λ = exp(-exp(ν) + i exp(θ))       |λ| < 1
        h' = λ ∘ h + exp(γ) ∘ (x B)       complex
        y = gelu(Re(h' C) + x D)

    exp(γ) is √(1 - |λ|²) at first, which keeps the state's size. The gelu is the first part of what the paper
    puts between its layers: without it a network of one layer would be linear.
    """

    def setup(self) -> None:
        """The vectors `nu`, `theta` and `gamma`, and the layers of B, C (real and imaginary parts) and D."""

        def draw_nu(key: Array, shape: tuple[int, ...]) -> Array:
            squared = jax.random.uniform(
                key, shape, jnp.float32, minval=SMALLEST_RADIUS**2, maxval=LARGEST_RADIUS**2
            )
            return jnp.log(-0.5 * jnp.log(squared))

        def draw_theta(key: Array, shape: tuple[int, ...]) -> Array:
            return jnp.log(jax.random.uniform(key, shape, jnp.float32, minval=1e-4, maxval=LARGEST_PHASE))

        def gamma_of_nu(key: Array, shape: tuple[int, ...]) -> Array:
            del key, shape
            return 0.5 * jnp.log1p(-jnp.exp(-2 * jnp.exp(self.nu)))

        self.nu = self.param("nu", draw_nu, (self.features,))
        self.theta = self.param("theta", draw_theta, (self.features,))
        self.gamma = self.param("gamma", gamma_of_nu, (self.features,))
        half, whole = (nn.initializers.variance_scaling(scale, "fan_in", "normal") for scale in (0.5, 1.0))
        self.B_real, self.B_imaginary = (self._linear(half) for _ in range(2))
        self.C_real, self.C_imaginary = (self._linear(whole) for _ in range(2))
        self.D = self._linear(self.kernel_init)

    @nn.nowrap
    def _linear(self, kernel_init: Initializer) -> nn.Dense:
        return nn.Dense(self.features, use_bias=False, kernel_init=kernel_init)

    def coefficients(self, inputs: Array) -> tuple[Array, Array]:
        """See the class."""
        radius, phase, size = jnp.exp(-jnp.exp(self.nu)), jnp.exp(self.theta), jnp.exp(self.gamma)
        a = jax.lax.complex(radius * jnp.cos(phase), radius * jnp.sin(phase))
        size = jnp.expand_dims(size, range(inputs.ndim - 1))
        b = jax.lax.complex(size * self.B_real(inputs), size * self.B_imaginary(inputs))
        return jnp.broadcast_to(a, b.shape), b

    def read(self, state: Array, inputs: Array) -> Array:
        """See the class."""
        real = self.C_real(jnp.real(state)) - self.C_imaginary(jnp.imag(state))
        return nn.gelu(real + self.D(inputs))

    @nn.nowrap
    def initialize_carry(self, rng: Array, input_shape: tuple[int, ...]) -> Any:
        """Zeros, complex."""
        del rng
        return jnp.zeros((*input_shape[:-1], self.features), jnp.complex64)


def compose(first: tuple[Array, Array], second: tuple[Array, Array]) -> tuple[Array, Array]:
    """The coefficients of two steps taken one after the other."""
    return second[0] * first[0], second[0] * first[1] + second[1]
