"""Linear layers with a backward pass of matrix products that XLA computes fast on a CPU."""

import jax
import jax.numpy as jnp

from rnn_jax.models.types import Array


def affine(layer: dict[str, Array], inputs: Array) -> Array:
    """Apply a linear layer, `kernel` [features, outputs] and `bias` [outputs], to inputs [..., features]."""
    return _affine(layer["kernel"], layer["bias"], inputs)


@jax.custom_vjp
def product(kernel: Array, inputs: Array) -> Array:
    """Return inputs [..., features] times kernel [features, outputs]."""
    return inputs @ kernel


def kernel_gradient(inputs: Array, gradients: Array) -> Array:
    """Return the kernel's gradient [features, outputs]: inputs [..., features]ᵀ times gradients.

    The barrier makes XLA transpose the inputs separately. Otherwise it emits one contraction, which its fast
    CPU routines do not cover, or transposes the gradients, which may be fifty times as large.
    """
    transposed = jax.lax.optimization_barrier(_rows(inputs).T)
    return transposed @ _rows(gradients)


def bias_gradient(gradients: Array) -> Array:
    """Return the sum [outputs] of gradients [..., outputs], as a product: XLA's sum uses a single core."""
    rows = _rows(gradients)
    ones = jax.lax.optimization_barrier(jnp.ones((1, len(rows)), rows.dtype))
    return (ones @ rows)[0]


@jax.custom_vjp
def _affine(kernel: Array, bias: Array, inputs: Array) -> Array:
    return inputs @ kernel + jnp.expand_dims(bias, range(inputs.ndim - 1))


def _rows(array: Array) -> Array:
    return array.reshape(-1, array.shape[-1])


def _product_forward(kernel: Array, inputs: Array) -> tuple[Array, tuple[Array, Array]]:
    return product(kernel, inputs), (kernel, inputs)


def _product_backward(residuals: tuple[Array, Array], gradients: Array) -> tuple[Array, Array]:
    kernel, inputs = residuals
    return kernel_gradient(inputs, gradients), gradients @ kernel.T


def _affine_forward(kernel: Array, bias: Array, inputs: Array) -> tuple[Array, tuple[Array, Array]]:
    return _affine(kernel, bias, inputs), (kernel, inputs)


def _affine_backward(residuals: tuple[Array, Array], gradients: Array) -> tuple[Array, Array, Array]:
    d_kernel, d_inputs = _product_backward(residuals, gradients)
    return d_kernel, bias_gradient(gradients), d_inputs


product.defvjp(_product_forward, _product_backward)
_affine.defvjp(_affine_forward, _affine_backward)
