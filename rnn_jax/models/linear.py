"""Linear layers with a backward pass of matrix products that XLA computes fast on a CPU."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.models.types import Array

Layer = dict[str, Array]


def formula(layer: Layer, inputs: Array) -> Array:
    """Apply a linear layer, `kernel` [features, outputs] and `bias` [outputs], to inputs [..., features]."""
    return inputs @ layer["kernel"] + jnp.expand_dims(layer["bias"], range(inputs.ndim - 1))


affine = jax.custom_vjp(formula)


def choose_affine(implementation: str) -> Callable[[Layer, Array], Array]:
    """Return `affine`, or for 'scan' `formula`, which also has forward-mode derivatives."""
    return formula if implementation == "scan" else affine


@jax.custom_vjp
def product(kernel: Array, inputs: Array) -> Array:
    """Return inputs [..., features] times kernel [features, outputs]."""
    return inputs @ kernel


def kernel_gradient(inputs: Array, gradients: Array) -> Array:
    """Return the kernel's gradient [features, outputs]: inputs [..., features]ᵀ times gradients.

    The barrier makes XLA transpose the inputs separately. Otherwise it emits one contraction, which its fast
    CPU routines do not cover, or transposes the gradients, which may be fifty times as large.
    """
    return jax.lax.optimization_barrier(_rows(inputs).T) @ _rows(gradients)


def bias_gradient(gradients: Array) -> Array:
    """Return the sum [outputs] of gradients [..., outputs], as a product: XLA's sum uses a single core."""
    rows = _rows(gradients)
    ones = jax.lax.optimization_barrier(jnp.ones((1, len(rows)), rows.dtype))
    return (ones @ rows)[0]


def _rows(array: Array) -> Array:
    return array.reshape(-1, array.shape[-1])


def _product_backward(residuals: tuple[Array, Array], gradients: Array) -> tuple[Array, Array]:
    kernel, inputs = residuals
    d_kernel, d_inputs = kernel_gradient(inputs, gradients), gradients @ kernel.T
    return d_kernel.astype(kernel.dtype), d_inputs.astype(inputs.dtype)


def _affine_backward(residuals: Any, gradients: Array) -> tuple[Layer, Array]:
    layer, inputs = residuals
    d_kernel, d_inputs = _product_backward((layer["kernel"], inputs), gradients)
    return {"kernel": d_kernel, "bias": bias_gradient(gradients).astype(layer["bias"].dtype)}, d_inputs


product.defvjp(lambda kernel, inputs: (product(kernel, inputs), (kernel, inputs)), _product_backward)
affine.defvjp(lambda layer, inputs: (affine(layer, inputs), (layer, inputs)), _affine_backward)
