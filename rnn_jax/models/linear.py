"""Linear layers, whose backward pass asks XLA for the products that it is good at."""

import jax
import jax.numpy as jnp


def affine(layer: dict[str, jax.Array], inputs: jax.Array) -> jax.Array:
    """A linear layer, `kernel` [features, outputs] and `bias` [outputs], over the last axis of its inputs."""
    bias = jnp.expand_dims(layer["bias"], range(inputs.ndim - 1))
    return product(inputs, layer["kernel"]) + bias


@jax.custom_vjp
def product(inputs: jax.Array, kernel: jax.Array) -> jax.Array:
    """inputs [..., features] times kernel [features, outputs]."""
    return inputs @ kernel


def kernel_gradient(inputs: jax.Array, gradients: jax.Array) -> jax.Array:
    """The kernel's gradient [features, outputs]: inputs [..., features]ᵀ times those of the product.

    The inputs are transposed on their own. Left to itself XLA makes one product of both, which its fast
    routines for a CPU do not know, or transposes the gradients, which may be fifty times as large.
    """
    rows = inputs.reshape(-1, inputs.shape[-1])
    transposed = jax.lax.optimization_barrier(rows.T)
    return transposed @ gradients.reshape(-1, gradients.shape[-1])


def _forward(inputs: jax.Array, kernel: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return inputs @ kernel, (inputs, kernel)


def _backward(kept: tuple[jax.Array, jax.Array], gradients: jax.Array) -> tuple[jax.Array, jax.Array]:
    inputs, kernel = kept
    return gradients @ kernel.T, kernel_gradient(inputs, gradients)


product.defvjp(_forward, _backward)
