"""Each cell: its equations in NumPy, Flax's own cell where there is one, and its initial parameters."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest
from flax import linen as nn
from random_cells import (
    BATCH,
    HIDDEN,
    MAPPED,
    NAMES,
    Variant,
    assert_close,
    draw,
    float64,
    init_cell,
    join_parts,
    step,
)

from rnn_jax.catalogue import CELLS
from rnn_jax.catalogue.entry import resolve
from rnn_jax.models import cells


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def dense(layer: Any, values: Any) -> Any:
    return values @ layer["kernel"] + layer.get("bias", 0)


def gates(p: Any, x: Any, state: Any, names: str) -> list[Any]:
    return [dense(p[f"i{name}"], x) + dense(p[f"h{name}"], state) for name in names]


def norm(layer: Any, values: Any) -> Any:
    centred = values - values.mean(axis=-1, keepdims=True)
    unit = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-6)
    return unit * layer["scale"] + layer.get("bias", 0)


def lstm(p: Any, c: Any, h: Any, x: Any, mask: Any) -> Any:
    i, f, g, o = gates(p, x, h * mask, "ifgo")
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return c, sigmoid(o) * np.tanh(c)


def lstm_peephole(p: Any, c: Any, h: Any, x: Any, mask: Any) -> Any:
    i, f, g, o = gates(p, x, h * mask, "ifgo")
    new_c = sigmoid(f + p["pf"] * c) * c + sigmoid(i + p["pi"] * c) * np.tanh(g)
    return new_c, sigmoid(o + p["po"] * new_c) * np.tanh(new_c)


def lstm_coupled(p: Any, c: Any, h: Any, x: Any, mask: Any) -> Any:
    f, g, o = gates(p, x, h * mask, "fgo")
    c = sigmoid(f) * c + (1 - sigmoid(f)) * np.tanh(g)
    return c, sigmoid(o) * np.tanh(c)


def lstm_layer_norm(p: Any, c: Any, h: Any, x: Any, mask: Any) -> Any:
    of_input, of_state = (
        np.concatenate([values @ p[f"{side}{name}"]["kernel"] for name in "ifgo"], axis=-1)
        for side, values in (("i", x), ("h", h * mask))
    )
    i, f, g, o = np.split(norm(p["norm_input"], of_input) + norm(p["norm_hidden"], of_state), 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return c, sigmoid(o) * np.tanh(norm(p["norm_memory"], c))


def rnn(p: Any, h: Any, x: Any, mask: Any) -> Any:
    return np.tanh(dense(p["i"], x) + dense(p["h"], h * mask))


def gru(p: Any, h: Any, x: Any, mask: Any) -> Any:
    r, z = (sigmoid(gate) for gate in gates(p, x, h * mask, "rz"))
    n = np.tanh(dense(p["in"], x) + r * dense(p["hn"], h * mask))
    return (1 - z) * n + z * h


def mgu(p: Any, h: Any, x: Any, mask: Any) -> Any:
    f = sigmoid(gates(p, x, h * mask, "f")[0])
    n = np.tanh(dense(p["in"], x) + f * dense(p["hn"], h * mask))
    return (1 - f) * n + f * h


def janet(p: Any, h: Any, x: Any, mask: Any) -> Any:
    s, g = gates(p, x, h * mask, "fg")
    return sigmoid(s) * h + (1 - sigmoid(s - 1)) * np.tanh(g)


def mingru(p: Any, h: Any, x: Any) -> Any:
    z = sigmoid(dense(p["z"], x))
    return (1 - z) * h + z * dense(p["h"], x)


def minlstm(p: Any, h: Any, x: Any) -> Any:
    f, i = sigmoid(dense(p["f"], x)), sigmoid(dense(p["i"], x))
    return f / (f + i) * h + i / (f + i) * dense(p["h"], x)


def lru(p: Any, h: Any, x: Any) -> Any:
    b, c = (p[f"{name}_real"]["kernel"] + 1j * p[f"{name}_imaginary"]["kernel"] for name in "BC")
    h = np.exp(-np.exp(p["nu"]) + 1j * np.exp(p["theta"])) * h + np.exp(p["gamma"]) * (x @ b)
    return h, jax.nn.gelu(np.real(h @ c) + x @ p["D"]["kernel"])


WITH_MEMORY = (lstm, lstm_peephole, lstm_coupled, lstm_layer_norm)
EQUATIONS: dict[str, Callable[..., Any]] = {
    f.__name__: f for f in (*WITH_MEMORY, rnn, gru, mgu, janet, mingru, minlstm, lru)
}


@pytest.mark.parametrize("name", EQUATIONS)
def test_a_step_equals_the_equations(name: str) -> None:
    """With a mask, which multiplies the hidden state in products alone."""
    variant, equations = Variant(name), EQUATIONS[name]
    tree, mask = draw(variant), () if variant.mask is None else (variant.mask,)
    with float64(name):
        parameters, carry = jax.device_get(join_parts((tree["parameters"], tree["carry"])))
        x = np.random.default_rng(5).normal(size=(BATCH, MAPPED))
        found = step(name, parameters, carry, x, *mask)
        if name == "lru":
            expected = equations(parameters, carry, x)
        elif equations in WITH_MEMORY:
            after = equations(parameters, *carry, x, *mask)
            expected = (after, after[1])
        else:
            after = equations(parameters, carry, x, *mask)
            expected = (after, after)
        assert_close(found, expected, 1e-10)


@pytest.mark.parametrize(
    ("name", "flaxs"),
    [("rnn", nn.SimpleCell), ("lstm", nn.LSTMCell), ("gru", nn.GRUCell), ("mgu", nn.MGUCell)],
)
def test_equals_flaxs_cell_with_the_same_parameters(name: str, flaxs: Any) -> None:
    tree = draw(Variant(name))
    x, ones = np.random.default_rng(5).normal(size=(BATCH, MAPPED)), np.ones((BATCH, HIDDEN))
    with float64(name):
        ours = step(name, tree["parameters"], tree["carry"], x, ones)
        theirs = jax.jit(flaxs(HIDDEN).apply)({"params": tree["parameters"]}, tree["carry"], x)
    assert_close(ours, theirs, 1e-12)


def test_the_lru_begins_inside_its_ring_with_a_normalized_state() -> None:
    p = jax.jit(lambda: init_cell("lru", jax.random.key(1), hidden_size=500))()
    radii = np.exp(-np.exp(p["nu"]))
    assert radii.min() >= 0.9
    assert radii.max() <= 0.999
    assert radii.std() > 0.02
    np.testing.assert_allclose(np.exp(p["gamma"]), np.sqrt(1 - radii**2), rtol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_initial_biases(name: str) -> None:
    entry = CELLS[name]

    def bias(parameters: Any, gate: str) -> Any:
        layer, _, part = gate.partition(".")
        whole = parameters[layer]["bias"]
        return whole.reshape(4, -1)[int(part)] if part else whole

    plain = init_cell(name, jax.random.key(1))
    with_forget_bias = init_cell(name, jax.random.key(1), forget_bias=1.5)
    if entry.forget_bias is not None:
        np.testing.assert_array_equal(bias(with_forget_bias, entry.forget_bias), 1.5)
        largest = HIDDEN**-0.5 / 2 if name == "lstm_layer_norm" else 0.0
        assert np.abs(bias(plain, entry.forget_bias)).max() <= largest
    else:
        jax.tree.map(np.testing.assert_array_equal, with_forget_bias, plain)
    chrono = init_cell(name, jax.random.key(1), chrono_steps=100.0)
    times = [np.exp(bias(chrono, gate)) for gate in entry.chrono_keep]
    times += [np.exp(-bias(chrono, gate)) for gate in entry.chrono_write]
    for time in times:
        assert 1 <= time.min() < time.max() <= 99
        np.testing.assert_allclose(time, times[0], rtol=1e-5)


def test_cells_are_imported_from_one_package() -> None:
    names = ["GRU", "JANET", "LRU", "LSTM", "MGU", "CoupledLSTM", "LayerNormLSTM", "MinGRU", "MinLSTM"]
    names += ["PeepholeLSTM", "SimpleRNN"]
    builders = [resolve(entry.builder) for entry in CELLS.values()]
    for name in names:
        assert getattr(cells, name) in builders
        assert name in cells.__all__
