"""Each cell: Flax's own where Flax has it, and what its parameters are at first."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from random_cells import FEATURES, HIDDEN, NAMES, build_cell, draw

from rnn_jax.catalogue import CELLS
from rnn_jax.models.cells import table


@pytest.mark.parametrize(
    ("name", "flaxs"),
    [("rnn", nn.SimpleCell), ("lstm", nn.LSTMCell), ("gru", nn.GRUCell), ("mgu", nn.MGUCell)],
)
def test_equals_flaxs_cell_parameter_for_parameter(name: str, flaxs: Any) -> None:
    cell, parameters, inputs, carry = draw(name, 1)
    ours = cell.apply({"params": parameters}, carry, inputs[:, 0])
    theirs = flaxs(HIDDEN).apply({"params": parameters}, carry, inputs[:, 0])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), ours, theirs)


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def dense(layer: Any, values: Any) -> Any:
    return values @ layer["kernel"] + layer.get("bias", 0)


def step_in_numpy(name: str) -> tuple[Any, Any, Any]:
    """A cell's step, and functions that read products from its parameters."""
    drawn = draw(name, 2)
    x, parameters = np.asarray(drawn.inputs[:, 0], np.float64), jax.device_get(drawn.parameters)
    c, h = (
        np.asarray(part, np.float64) for part in (drawn.carry if len(drawn.carry) == 2 else (0, drawn.carry))
    )

    def gate(letter: str) -> Any:
        own, state = parameters[f"i{letter}"], parameters[f"h{letter}"]
        return x @ own["kernel"] + h @ state["kernel"] + state.get("bias", 0)

    ours = drawn.cell.apply({"params": drawn.parameters}, drawn.carry, drawn.inputs[:, 0])
    return ours, gate, (x, c, h, parameters)


def test_peepholes_see_the_memory() -> None:
    ours, gate, (_, c, _, parameters) = step_in_numpy("lstm_peephole")
    i, f = (sigmoid(gate(letter) + parameters[f"p{letter}"] * c) for letter in "if")
    new_c = f * c + i * np.tanh(gate("g"))
    new_h = sigmoid(gate("o") + parameters["po"] * new_c) * np.tanh(new_c)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), ours, ((new_c, new_h), new_h))


def test_coupled_gates_write_what_they_forget() -> None:
    ours, gate, (_, c, _, _) = step_in_numpy("lstm_coupled")
    f = sigmoid(gate("f"))
    new_c = f * c + (1 - f) * np.tanh(gate("g"))
    new_h = sigmoid(gate("o")) * np.tanh(new_c)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), ours, ((new_c, new_h), new_h))


def test_layer_normalization_is_over_all_gates_together() -> None:
    ours, _, (x, c, h, parameters) = step_in_numpy("lstm_layer_norm")

    def norm(values: Any, layer: str) -> Any:
        centred = values - values.mean(axis=-1, keepdims=True)
        unit = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-6)
        return unit * parameters[layer]["scale"] + parameters[layer].get("bias", 0)

    of_input, of_state = (
        np.concatenate([values @ parameters[f"{side}{letter}"]["kernel"] for letter in "ifgo"], axis=-1)
        for side, values in (("i", x), ("h", h))
    )
    i, f, g, o = np.split(norm(of_input, "norm_input") + norm(of_state, "norm_hidden"), 4, axis=-1)
    new_c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    new_h = sigmoid(o) * np.tanh(norm(new_c, "norm_memory"))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), ours, ((new_c, new_h), new_h))


def test_janet_has_a_forget_gate_alone() -> None:
    drawn = draw("janet", 2)
    x, h, parameters = (jax.device_get(part) for part in (drawn.inputs[:, 0], drawn.carry, drawn.parameters))
    s, g = (
        x @ parameters[f"i{letter}"]["kernel"]
        + h @ parameters[f"h{letter}"]["kernel"]
        + parameters[f"h{letter}"]["bias"]
        for letter in "fg"
    )
    expected = sigmoid(s) * h + (1 - sigmoid(s - 1)) * np.tanh(g)
    ours = drawn.cell.apply({"params": drawn.parameters}, drawn.carry, drawn.inputs[:, 0])
    jax.tree.map(lambda a: np.testing.assert_allclose(a, expected, atol=1e-5), ours)


def test_minimal_cells_read_their_gates_off_the_input() -> None:
    for name in ("mingru", "minlstm"):
        drawn = draw(name, 3)
        x, h, layers = (jax.device_get(part) for part in (drawn.inputs[:, 0], drawn.carry, drawn.parameters))
        written = dense(layers["h"], x)
        if name == "mingru":
            z = sigmoid(dense(layers["z"], x))
            expected = (1 - z) * h + z * written
        else:
            f, i = sigmoid(dense(layers["f"], x)), sigmoid(dense(layers["i"], x))
            expected = f / (f + i) * h + i / (f + i) * written
        ours = drawn.cell.apply({"params": drawn.parameters}, drawn.carry, drawn.inputs[:, 0])
        jax.tree.map(lambda a, b=expected: np.testing.assert_allclose(a, b, atol=1e-5), ours)


def test_the_lru_turns_and_shrinks_its_complex_state() -> None:
    drawn = draw("lru", 4)
    x, state, p = (jax.device_get(part) for part in (drawn.inputs[:, 0], drawn.carry, drawn.parameters))
    eigenvalues = np.exp(-np.exp(p["nu"]) + 1j * np.exp(p["theta"]))
    b, c = (p[f"{name}_real"]["kernel"] + 1j * p[f"{name}_imaginary"]["kernel"] for name in "BC")
    after = eigenvalues * state + np.exp(p["gamma"]) * (x @ b)
    expected = jax.nn.gelu(np.real(after @ c) + x @ p["D"]["kernel"])
    stepped: Any = drawn.cell.apply({"params": drawn.parameters}, drawn.carry, drawn.inputs[:, 0])
    found, output = stepped
    np.testing.assert_allclose(found, after, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-5)


def test_the_lru_begins_inside_its_ring_and_keeps_the_states_size() -> None:
    cell = table.build("lru", FEATURES, 500, kernel_init="lecun_normal", recurrent_init=None)
    p = table.init("lru", cell, jax.random.key(1), FEATURES, {})
    radii = np.exp(-np.exp(p["nu"]))
    assert radii.min() >= 0.9
    assert radii.max() <= 0.999
    assert radii.std() > 0.02
    np.testing.assert_allclose(np.exp(p["gamma"]), np.sqrt(1 - radii**2), rtol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_the_state_kernels_are_those_that_multiply_the_state(name: str) -> None:
    """Where h is zero, and c is not, their gradients are zero, and those of no other kernels."""
    drawn = draw(name, 1)
    carry = drawn.carry
    zero = (carry[0], 0 * carry[1]) if isinstance(carry, tuple) else 0 * carry

    def total(parameters: Any) -> Any:
        stepped: Any = drawn.cell.apply({"params": parameters}, zero, drawn.inputs[:, 0])
        return stepped[1].sum()

    gradients = jax.grad(total)(drawn.parameters)
    kernels = {
        layer: values["kernel"]
        for layer, values in gradients.items()
        if isinstance(values, dict) and "kernel" in values
    }
    assert {layer for layer, kernel in kernels.items() if not np.any(kernel)} == set(
        CELLS[name].state_kernels
    )


@pytest.mark.parametrize("name", NAMES)
def test_initial_biases(name: str) -> None:
    entry, cell = CELLS[name], build_cell(name)

    def bias(parameters: Any, gate: str) -> Any:
        layer, _, part = gate.partition(".")
        whole = parameters[layer]["bias"]
        return whole.reshape(4, -1)[int(part)] if part else whole

    def init(**hyper: float) -> Any:
        numbers = {key: jnp.float32(value) for key, value in hyper.items()}
        return table.init(name, cell, jax.random.key(1), FEATURES, numbers)

    if entry.forget_bias is not None:
        np.testing.assert_array_equal(bias(init(forget_bias=1.5), entry.forget_bias), 1.5)
        drawn_within = cell.features**-0.5 / 2 if name == "lstm_layer_norm" else 0.0
        assert np.abs(bias(init(), entry.forget_bias)).max() <= drawn_within
    else:
        jax.tree.map(np.testing.assert_array_equal, init(forget_bias=1.5), init())
    drawn = init(chrono_steps=100.0)
    times = [np.exp(bias(drawn, gate)) for gate in entry.chrono_keep]
    times += [np.exp(-bias(drawn, gate)) for gate in entry.chrono_write]
    for time in times:
        assert 1 <= time.min() < time.max() <= 99
        np.testing.assert_allclose(time, times[0], rtol=1e-5)
