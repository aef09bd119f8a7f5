"""Linear layers: their own backward pass against JAX's."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax.models.linear import affine

FEATURES, OUTPUTS = 3, 5


@pytest.mark.parametrize("shape", [(4,), (4, 2), (4, 2, 6)], ids=str)
def test_a_linear_layer_has_the_gradients_of_its_formula(shape: tuple[int, ...]) -> None:
    with jax.enable_x64():
        rng = np.random.default_rng(0)
        layer = {"kernel": rng.normal(size=(FEATURES, OUTPUTS)), "bias": rng.normal(size=OUTPUTS)}
        inputs, towards = rng.normal(size=(*shape, FEATURES)), rng.normal(size=(*shape, OUTPUTS))

        def formula(layer: Any, inputs: jax.Array) -> jax.Array:
            products = jnp.einsum("...f,fo->...o", inputs, layer["kernel"])
            return products + jnp.broadcast_to(layer["bias"], products.shape)

        (found, pull_back), (expected, expected_back) = (
            jax.vjp(of, layer, jnp.asarray(inputs)) for of in (affine, formula)
        )
        np.testing.assert_allclose(found, expected, rtol=1e-13)
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13),
            pull_back(towards),
            expected_back(towards),
        )


def test_a_population_of_linear_layers_has_one_gradient_each() -> None:
    rng = np.random.default_rng(1)
    layers = {"kernel": jnp.asarray(rng.normal(size=(2, 3, 5))), "bias": jnp.asarray(rng.normal(size=(2, 5)))}
    inputs = jnp.asarray(rng.normal(size=(2, 4, 3)))

    def score(layer: Any, inputs: jax.Array) -> jax.Array:
        return (affine(layer, inputs) ** 2).sum() / 2

    found = jax.vmap(jax.grad(score))(layers, inputs)
    outputs = np.einsum("mbf,mfo->mbo", inputs, layers["kernel"]) + np.asarray(layers["bias"])[:, None]
    expected = np.einsum("mbf,mbo->mfo", inputs, outputs)
    np.testing.assert_allclose(found["kernel"], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found["bias"], outputs.sum(axis=1), rtol=1e-4, atol=1e-5)
