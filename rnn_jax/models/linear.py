"""Linear layers, whose backward pass asks XLA for the products that it is good at on a CPU."""

import jax
import jax.numpy as jnp

Array = jax.Array


def affine(layer: dict[str, Array], inputs: Array) -> Array:
    """A linear layer, `kernel` [features, outputs] and `bias` [outputs], over the last axis of its inputs."""
    return _affine(layer["kernel"], layer["bias"], inputs)


@jax.custom_vjp
def product(kernel: Array, inputs: Array) -> Array:
    """inputs [..., features] times kernel [features, outputs]."""
    return inputs @ kernel


def kernel_gradient(inputs: Array, gradients: Array) -> Array:
    """The kernel's gradient [features, outputs]: inputs [..., features]ᵀ times those of the product.

    The inputs are transposed on their own. Left to itself XLA makes one product of both, which its fast
    routines for a CPU do not know, or transposes the gradients, which may be fifty times as large.
    """
    transposed = jax.lax.optimization_barrier(_rows(inputs).T)
    return transposed @ _rows(gradients)


def bias_gradient(gradients: Array) -> Array:
    """The sum [outputs] of gradients [..., outputs], as a product too: XLA sums on one core, and longer."""
    rows = _rows(gradients)
    ones = jax.lax.optimization_barrier(jnp.ones((1, len(rows)), rows.dtype))
    return (ones @ rows)[0]


@jax.custom_vjp
def _affine(kernel: Array, bias: Array, inputs: Array) -> Array:
    return inputs @ kernel + jnp.expand_dims(bias, range(inputs.ndim - 1))


def _rows(array: Array) -> Array:
    return array.reshape(-1, array.shape[-1])


def _keep_for_product(kernel: Array, inputs: Array) -> tuple[Array, tuple[Array, Array]]:
    return product(kernel, inputs), (kernel, inputs)


def _product_gradients(kept: tuple[Array, Array], gradients: Array) -> tuple[Array, Array]:
    kernel, inputs = kept
    return kernel_gradient(inputs, gradients), gradients @ kernel.T


def _keep_for_affine(kernel: Array, bias: Array, inputs: Array) -> tuple[Array, tuple[Array, Array]]:
    return _affine(kernel, bias, inputs), (kernel, inputs)


def _affine_gradients(kept: tuple[Array, Array], gradients: Array) -> tuple[Array, Array, Array]:
    of_kernel, of_inputs = _product_gradients(kept, gradients)
    return of_kernel, bias_gradient(gradients), of_inputs


product.defvjp(_keep_for_product, _product_gradients)
_affine.defvjp(_keep_for_affine, _affine_gradients)
