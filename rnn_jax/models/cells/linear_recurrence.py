"""Cells with a linear recurrence, h' = a ∘ h + b, where a and b depend on the input alone.

Since a and b do not depend on the state, all steps can be computed in parallel: (a₁, b₁) followed by (a₂, b₂)
is (a₂ ∘ a₁, a₂ ∘ b₁ + b₂), an associative operation (Blelloch 1990; Martin and Cundy 2018, arXiv 1709.04057).
"""

from typing import TypeGuard

import jax
import jax.numpy as jnp
from flax import linen as nn

from rnn_jax.models.cells.cell import CellBase
from rnn_jax.models.types import Array, Initializer
from rnn_jax.runtime.errors import UserError

# The ring in which the eigenvalues of an LRU are initialized: long memories, any frequency.
MIN_RADIUS, MAX_RADIUS, MAX_PHASE = 0.9, 0.999, 2 * jnp.pi


class LinearRecurrence(CellBase):
    """A cell in two parts: `coefficients`, a and b of an input, and `output`, computed from a state.

    The carry is the state [batch, hidden]. Subclasses define `setup` and `coefficients`.
    """

    def coefficients(self, inputs: Array) -> tuple[Array, Array]:
        """Return a and b, each [..., hidden], of inputs [..., features]."""
        raise NotImplementedError

    def output(self, state: Array, inputs: Array) -> Array:
        """Return the outputs [..., hidden] of states [..., hidden]; by default the states."""
        del inputs
        return state

    def advance(self, carry: Array, inputs: Array) -> Array:
        """Return the next state."""
        a, b = self.coefficients(inputs)
        return a * carry + b

    def __call__(self, carry: Array, inputs: Array) -> tuple[Array, Array]:
        state = self.advance(carry, inputs)
        return state, self.output(state, inputs)


class MinGRU(LinearRecurrence):
    """The minimal GRU of Feng et al. 2024 (arXiv 2410.01201), section 3.1.

    z = σ(x W_z + b_z)                h̃ = x W_h + b_h
    h' = (1 - z) ∘ h + z ∘ h̃
    """

    def setup(self) -> None:
        self.z, self.h = (nn.Dense(self.features, kernel_init=self.kernel_init) for _ in range(2))

    def coefficients(self, inputs: Array) -> tuple[Array, Array]:
        """a = 1 - z, b = z ∘ h̃."""
        z = self.z(inputs)
        return nn.sigmoid(-z), nn.sigmoid(z) * self.h(inputs)


class MinLSTM(LinearRecurrence):
    """The minimal LSTM of Feng et al. 2024 (arXiv 2410.01201), section 3.2.

    f = σ(x W_f + b_f)                i = σ(x W_i + b_i)                h̃ = x W_h + b_h
    h' = f / (f + i) ∘ h + i / (f + i) ∘ h̃
    """

    def setup(self) -> None:
        self.f, self.i, self.h = (nn.Dense(self.features, kernel_init=self.kernel_init) for _ in range(3))

    def coefficients(self, inputs: Array) -> tuple[Array, Array]:
        """a = f / (f + i) = σ(log f - log i), which never divides by zero; b = (1 - a) ∘ h̃."""
        logits = nn.log_sigmoid(self.f(inputs)) - nn.log_sigmoid(self.i(inputs))
        return nn.sigmoid(logits), nn.sigmoid(-logits) * self.h(inputs)


class LRU(LinearRecurrence):
    """The linear recurrent unit of Orvieto et al. 2023 (arXiv 2303.06349), sections 3.2 to 3.4.

        λ = exp(-exp(ν) + i exp(θ))       |λ| < 1
        h' = λ ∘ h + exp(γ) ∘ (x B)       complex
        y = gelu(Re(h' C) + x D)

    exp(γ) is initially √(1 - |λ|²), which normalizes the state. The gelu is the first part of what the paper
    puts between its layers: without it a network of one layer would be linear.
    """

    carry_dtype = jnp.complex64

    def setup(self) -> None:
        def init_nu(key: Array, shape: tuple[int, ...]) -> Array:
            squared = jax.random.uniform(key, shape, jnp.float32, minval=MIN_RADIUS**2, maxval=MAX_RADIUS**2)
            return jnp.log(-0.5 * jnp.log(squared))

        def init_theta(key: Array, shape: tuple[int, ...]) -> Array:
            return jnp.log(jax.random.uniform(key, shape, jnp.float32, minval=1e-4, maxval=MAX_PHASE))

        def init_gamma(key: Array, shape: tuple[int, ...]) -> Array:
            del key, shape
            return 0.5 * jnp.log1p(-jnp.exp(-2 * jnp.exp(self.nu)))

        def dense(kernel_init: Initializer) -> nn.Dense:
            return nn.Dense(self.features, use_bias=False, kernel_init=kernel_init)

        self.nu = self.param("nu", init_nu, (self.features,))
        self.theta = self.param("theta", init_theta, (self.features,))
        self.gamma = self.param("gamma", init_gamma, (self.features,))
        half, whole = (nn.initializers.variance_scaling(scale, "fan_in", "normal") for scale in (0.5, 1.0))
        self.B_real, self.B_imaginary = dense(half), dense(half)
        self.C_real, self.C_imaginary = dense(whole), dense(whole)
        self.D = dense(self.kernel_init)

    def coefficients(self, inputs: Array) -> tuple[Array, Array]:
        """a = λ, b = exp(γ) ∘ (x B)."""
        radius, phase, scale = jnp.exp(-jnp.exp(self.nu)), jnp.exp(self.theta), jnp.exp(self.gamma)
        a = _complex(radius * jnp.cos(phase), radius * jnp.sin(phase))
        scale = jnp.expand_dims(scale, range(inputs.ndim - 1))
        b = _complex(scale * self.B_real(inputs), scale * self.B_imaginary(inputs))
        return jnp.broadcast_to(a, b.shape), b

    def output(self, state: Array, inputs: Array) -> Array:
        """y of the state h'."""
        real = self.C_real(jnp.real(state)) - self.C_imaginary(jnp.imag(state))
        return nn.gelu(real + self.D(inputs))


def _complex(real: Array, imaginary: Array) -> Array:
    if real.dtype not in (jnp.float32, jnp.float64):
        raise UserError(f"LRU: inputs or parameters are {real.dtype}: must be float32 or float64")
    return jax.lax.complex(real, imaginary)


def is_linear(cell: nn.RNNCellBase) -> TypeGuard[LinearRecurrence]:
    """Whether `coefficients` and `output` describe a cell's steps completely."""
    return isinstance(cell, LinearRecurrence) and all(
        getattr(type(cell), name) is getattr(LinearRecurrence, name) for name in ("__call__", "advance")
    )


def compose(first: tuple[Array, Array], second: tuple[Array, Array]) -> tuple[Array, Array]:
    """Return the coefficients (a, b) of two consecutive steps."""
    return second[0] * first[0], second[0] * first[1] + second[1]
