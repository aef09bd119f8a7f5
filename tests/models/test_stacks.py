"""Recurrences upon one another: exact gradients of every cell, directions, residual connections, dropout."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from random_cells import NAMES

from rnn_jax.catalogue import CELLS
from rnn_jax.models import fused_lstm, stacks
from rnn_jax.models.network import Keys
from rnn_jax.models.stacks import Layout

BATCH, TIME, FEATURES, HIDDEN = 3, 4, 2, 3
LENGTHS = jnp.array([TIME, 0, 2])


def layout(cell: str = "lstm", **changes: Any) -> Layout:
    settings: dict[str, Any] = {
        "cell": cell,
        "input_size": FEATURES,
        "hidden_size": HIDDEN,
        "layers": 2,
        "bidirectional": True,
        "residual": False,
        "kernel_init": "lecun_normal",
        "recurrent_init": "orthogonal",
        "implementation": "auto",
        "remat_steps": None,
    }
    return Layout(**settings | changes)


def draw(of: Layout, seed: int, dtype: Any = jnp.float32) -> tuple[Any, jax.Array]:
    """Random parameters, biases included, and inputs [batch, time, features]."""
    rng = np.random.default_rng(seed)
    shapes = jax.eval_shape(lambda: stacks.init(of, jax.random.key(0), {}))
    parameters = jax.tree.map(lambda leaf: jnp.asarray(0.7 * rng.normal(size=leaf.shape), dtype), shapes)
    return parameters, jnp.asarray(rng.normal(size=(BATCH, TIME, FEATURES)), dtype)


def run(of: Layout, parameters: Any, inputs: jax.Array, **changes: Any) -> stacks.Unrolled:
    settings = {"carry": None, "lengths": None, "input_map": None, "hyper": {}, "keys": None} | changes
    return stacks.apply(of, parameters, inputs, settings.pop("carry"), **settings)


def split_complex(tree: Any) -> Any:
    """A tree of real arrays: complex ones as their two parts."""
    return jax.tree.map(
        lambda leaf: (jnp.real(leaf), jnp.imag(leaf)) if jnp.iscomplexobj(leaf) else (leaf,), tree
    )


@pytest.mark.parametrize("rows_in_loop", [1, 1_000], ids=["in the loop", "before the loop"])
@pytest.mark.parametrize("cell", NAMES)
def test_gradients_equal_central_differences(
    cell: str, rows_in_loop: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of every parameter, carry and input of two layers of two directions, in float64, with padding."""
    if cell != "lstm" and rows_in_loop == 1_000:
        pytest.skip("the place of the product is the fused LSTM's")
    monkeypatch.setattr(fused_lstm, "ROWS_IN_LOOP", rows_in_loop)
    # Flax's layer normalization asks for a type that is float32 and float64 at once, to be safe.
    promotion = "standard" if cell == "lstm_layer_norm" else "strict"
    with jax.enable_x64(True), jax.numpy_dtype_promotion(promotion):
        of = layout(cell)
        parameters, inputs = draw(of, 6, jnp.float64)
        rng = np.random.default_rng(7)
        carry = split_complex(run(of, parameters, inputs).carry)
        carry = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape)), carry)
        weights = jnp.asarray(rng.normal(size=(BATCH, TIME, 2 * HIDDEN)))

        def score(everything: Any) -> jax.Array:
            parameters, inputs, carry = everything
            carry = jax.tree.map(
                lambda parts: parts[0] if len(parts) == 1 else jax.lax.complex(*parts),
                carry,
                is_leaf=lambda part: isinstance(part, tuple) and not isinstance(part[0], tuple),
            )
            found = run(of, parameters, inputs, carry=carry, lengths=LENGTHS)
            ends = jax.tree.leaves(split_complex(found.carry))
            return (
                (found.outputs * weights).sum() + (found.last**2).sum() + sum((end**2).sum() for end in ends)
            )

        everything = (parameters, inputs, carry)
        gradients = jax.jit(jax.grad(score))(everything)
        flat, rebuild = ravel_pytree(everything)
        step = 1e-5
        scores = jax.jit(jax.vmap(lambda shift: score(rebuild(flat + shift))))
        shifts = step * jnp.eye(flat.size)
        above, below = jnp.split(scores(jnp.concatenate([shifts, -shifts])), 2)
        numeric = rebuild((above - below) / (2 * step))

        def check(path: Any, exact: jax.Array, found: jax.Array) -> None:
            error, largest = float(jnp.abs(exact - found).max()), float(jnp.abs(exact).max())
            assert error <= 1e-6 * largest, (jax.tree_util.keystr(path), error, largest)
            assert largest > 0, jax.tree_util.keystr(path)

        jax.tree_util.tree_map_with_path(check, gradients, numeric)


@pytest.mark.parametrize("cell", NAMES)
def test_the_last_output_is_that_of_the_last_real_step(cell: str) -> None:
    of = layout(cell, residual=True)
    parameters, inputs = draw(of, 1)
    found = run(of, parameters, inputs, lengths=LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        if length:
            expected = jnp.concatenate(
                [found.outputs[row, length - 1, :HIDDEN], found.outputs[row, 0, HIDDEN:]]
            )
            np.testing.assert_allclose(found.last[row], expected, atol=1e-6)
    assert not np.asarray(found.outputs)[np.arange(TIME)[None, :] >= np.asarray(LENGTHS)[:, None]].any()


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", NAMES)
def test_padding_and_the_future_influence_nothing(cell: str, bidirectional: bool, depth: int) -> None:
    of = layout(cell, bidirectional=bidirectional, residual=True, layers=depth)
    parameters, inputs = draw(of, 8)
    padding = jnp.arange(TIME)[None, :] >= LENGTHS[:, None]

    @jax.jit
    def graded(parameters: Any, inputs: jax.Array) -> Any:
        def score(parameters: Any, layer: Any, inputs: jax.Array) -> tuple[jax.Array, jax.Array]:
            found = run(of, parameters, inputs, lengths=LENGTHS, input_map=layer)
            return (found.outputs**2).sum() + (found.last**2).sum(), found.outputs

        layer = {"kernel": 1.5 * jnp.eye(FEATURES), "bias": jnp.full((FEATURES,), 0.5)}
        return jax.value_and_grad(score, argnums=(0, 1, 2), has_aux=True)(parameters, layer, inputs)

    clean = graded(parameters, inputs)
    dirty = graded(parameters, jnp.where(padding[:, :, None], jnp.nan, inputs))
    jax.tree.map(np.testing.assert_array_equal, dirty, clean)
    assert not np.asarray(clean[1][2])[np.asarray(padding)].any()
    if not bidirectional:
        changed = graded(parameters, inputs.at[:, 2:].add(1.0))
        np.testing.assert_array_equal(changed[0][1][:, :2], clean[0][1][:, :2])
        assert (changed[0][1][0, 2:] != clean[0][1][0, 2:]).any(axis=-1).all()


def test_the_backward_recurrence_is_the_forward_one_on_reversed_time() -> None:
    of = layout(layers=1)
    parameters, inputs = draw(of, 2)
    parameters["recurrence_0_backward"] = parameters["recurrence_0"]
    outputs = run(of, parameters, inputs).outputs
    mirrored = run(of, parameters, inputs[:, ::-1]).outputs
    np.testing.assert_allclose(outputs[:, :, HIDDEN:], mirrored[:, ::-1, :HIDDEN], atol=1e-6)
    assert not np.allclose(outputs[:, :, HIDDEN:], outputs[:, :, :HIDDEN])


def test_residual_layers_add_what_they_read() -> None:
    plain, residual = layout(bidirectional=False), layout(bidirectional=False, residual=True)
    parameters, inputs = draw(plain, 3)
    first = run(plain._replace(layers=1), parameters, inputs).outputs
    difference = run(residual, parameters, inputs).outputs - run(plain, parameters, inputs).outputs
    np.testing.assert_allclose(difference, first, atol=1e-6)


def test_carries_go_on_where_they_were() -> None:
    of = layout(bidirectional=False)
    parameters, inputs = draw(of, 4)
    whole = run(of, parameters, inputs)
    first = run(of, parameters, inputs[:, :1])
    second = run(of, parameters, inputs[:, 1:], carry=first.carry)
    np.testing.assert_allclose(second.outputs, whole.outputs[:, 1:], atol=1e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), second.carry, whole.carry)


def keys(seed: int = 0, rows: int = BATCH) -> Keys:
    rows_key, batch_key = jax.random.split(jax.random.key(seed))
    return Keys(jax.random.split(rows_key, rows), batch_key)


def test_dropout_drops_its_share_and_keeps_the_mean() -> None:
    values = jnp.ones((50, 40, 10))
    dropped = stacks.drop(values, keys(rows=50).rows, jnp.float32(0.3))
    assert set(np.unique(dropped)) == {0, np.float32(1 / np.float32(0.7))}
    assert abs(float((dropped == 0).mean()) - 0.3) < 0.02
    assert (dropped[0] != dropped[1]).any()
    np.testing.assert_array_equal(stacks.drop(values, None, jnp.float32(0.3)), values)
    np.testing.assert_array_equal(stacks.drop(values, keys(rows=50).rows, None), values)


@pytest.mark.parametrize("rate", ["dropout", "recurrent_dropout", "weight_drop"])
def test_dropout_is_drawn_by_rows_and_keys(rate: str) -> None:
    of = layout()
    parameters, inputs = draw(of, 5)
    hyper = {rate: jnp.float32(0.5)}
    plain = run(of, parameters, inputs).outputs
    dropped = run(of, parameters, inputs, hyper=hyper, keys=keys()).outputs
    assert not np.allclose(dropped, plain)
    np.testing.assert_array_equal(run(of, parameters, inputs, hyper=hyper).outputs, plain)
    np.testing.assert_array_equal(run(of, parameters, inputs, hyper=hyper, keys=keys()).outputs, dropped)
    # A row's draw is its key's, whatever rows are beside it.
    second = keys()._replace(rows=keys().rows[1:2])
    alone = run(of, parameters, inputs[1:2], hyper=hyper, keys=second).outputs
    np.testing.assert_allclose(alone[0], dropped[1], atol=1e-6)
    none = run(of, parameters, inputs, hyper={rate: jnp.float32(0)}, keys=keys()).outputs
    np.testing.assert_allclose(none, plain, atol=1e-6)


def test_variational_dropout_drops_the_same_features_at_every_step() -> None:
    values = jnp.ones((50, 40, 10))
    dropped = stacks.drop(values, keys(rows=50).rows, jnp.float32(0.3), every_step=True)
    np.testing.assert_array_equal(dropped, jnp.broadcast_to(dropped[:, :1], values.shape))
    assert abs(float((dropped == 0).mean()) - 0.3) < 0.05
    assert (dropped[0] != dropped[1]).any()
    # In a network it is another function of the same keys.
    parameters, inputs = draw(layout(), 5)
    each, every = (
        run(
            layout(variational_dropout=how),
            parameters,
            inputs,
            hyper={"dropout": jnp.float32(0.5)},
            keys=keys(),
        )
        for how in (False, True)
    )
    assert not np.allclose(each.outputs, every.outputs)


@pytest.mark.parametrize("cell", ["lstm", "gru", "lstm_layer_norm", "rnn"])
def test_weight_drop_drops_weights_that_read_the_state_for_all_rows(cell: str) -> None:
    of = layout(cell)
    parameters, inputs = draw(of, 5)
    key = jax.random.key(7)
    kernels = CELLS[cell].state_kernels
    dropped = stacks.drop_weights(parameters, kernels, key, jnp.float32(0.5))
    share = []
    for (path, old), new in zip(jax.tree.leaves_with_path(parameters), jax.tree.leaves(dropped), strict=True):
        name, kind = path[-2].key, path[-1].key
        if kind == "kernel" and name in kernels:
            assert ((new == 0) | np.isclose(new, 2 * old)).all()
            share.append((new == 0).ravel())
        else:
            np.testing.assert_array_equal(new, old)
    assert 0.3 < np.concatenate(share).mean() < 0.7
    # The same weights for every row and step: as if the parameters were others.
    hyper = {"weight_drop": jnp.float32(0.5)}
    whole = run(of, parameters, inputs, hyper=hyper, keys=keys()._replace(batch=key)).outputs
    np.testing.assert_allclose(run(of, dropped, inputs).outputs, whole, atol=1e-6)


def test_dropout_is_between_layers_alone() -> None:
    of = layout(layers=1)
    parameters, inputs = draw(of, 5)
    found = run(of, parameters, inputs, hyper={"dropout": jnp.float32(0.5)}, keys=keys()).outputs
    np.testing.assert_array_equal(found, run(of, parameters, inputs).outputs)


def test_names_and_sizes() -> None:
    of = layout("gru")
    shapes = jax.eval_shape(lambda: stacks.init(of, jax.random.key(0), {}))
    assert list(shapes) == ["recurrence_0", "recurrence_0_backward", "recurrence_1", "recurrence_1_backward"]
    assert shapes["recurrence_0"]["ir"]["kernel"].shape == (FEATURES, HIDDEN)
    assert shapes["recurrence_1_backward"]["ir"]["kernel"].shape == (2 * HIDDEN, HIDDEN)
    assert of.name == "bidirectional GRU with 2 × 3 units"
    drawn = stacks.init(of, jax.random.key(0), {})
    kernels = [drawn[name]["hr"]["kernel"] for name in drawn]
    assert not any(np.allclose(a, b) for n, a in enumerate(kernels) for b in kernels[:n])


@pytest.mark.parametrize("cell", NAMES)
def test_an_untrained_network_learns_from_sequences_that_begin_with_zeros(cell: str) -> None:
    """Their state stays where it is, and normalizing a vector of zeros is steep."""
    of = layout(cell, layers=1, bidirectional=False, implementation="scan")
    inputs = jnp.zeros((BATCH, 28, FEATURES)).at[:, 10:].set(draw(of, 3)[1][:, :1])

    def score(parameters: Any) -> jax.Array:
        return (run(of, parameters, inputs).last ** 2).sum()

    gradients, _ = ravel_pytree(jax.grad(score)(stacks.init(of, jax.random.key(0), {})))
    assert 1e-3 < np.linalg.norm(np.asarray(gradients)) < 1e3
