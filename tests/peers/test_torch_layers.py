"""Recurrent layers equal PyTorch's: outputs, final carries and all gradients, in float64."""

import functools
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from torch_cases import BATCH, FEATURES, FOLDER, HIDDEN, LAYERS, LENGTHS, LayerCase, Tree, assert_close, read

from rnn_jax.config import sections
from rnn_jax.models.cells import GRU, LSTM, SimpleRNN
from rnn_jax.models.fused_lstm import ROWS_IN_LOOP
from rnn_jax.models.recurrence import Implementation, unroll
from rnn_jax.models.stacks import Stack

TOLERANCE = 1e-12
CELLS: dict[str, type[nn.RNNCellBase]] = {"rnn": SimpleRNN, "lstm": LSTM, "gru": GRU}
FUSED = [(case, "fused") for case in LAYERS if case.cell == "lstm"]
COMPARED = pytest.mark.parametrize(
    ("case", "implementation"), [*((case, "scan") for case in LAYERS), *FUSED], ids=str
)


@pytest.fixture(autouse=True)
def float64() -> Iterator[None]:
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        yield


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def run_layer(
    cell: str, reverse: bool, implementation: Implementation, parameters: Tree, inputs: Any, carry: Tree
) -> tuple[jax.Array, Tree]:
    """Unroll one recurrence: its outputs and its final carry."""
    before = (carry["c"], carry["h"]) if cell == "lstm" else carry["h"]
    module: Any = CELLS[cell]
    outputs, after = unroll(
        module(HIDDEN),
        parameters,
        inputs,
        before,
        lengths=jnp.tile(LENGTHS, len(inputs) // BATCH),
        reverse=reverse,
        implementation=implementation,
    )
    return outputs, {"c": after[0], "h": after[1]} if cell == "lstm" else {"h": after}


def compute(case: LayerCase, implementation: Implementation, vectors: Tree) -> tuple[Tree, Tree]:
    """Return the results of a network, and their gradients with respect to each of its arguments."""

    def run(arguments: Tree) -> Tree:
        inputs, carry = arguments["inputs"], {}
        for recurrences in case.recurrences:
            sides = []
            for name, reverse in recurrences:
                own = arguments["parameters"][name], inputs, arguments["carry"][name]
                outputs, carry[name] = run_layer(case.cell, reverse, implementation, *own)
                sides.append(outputs)
            inputs = jnp.concatenate(sides, axis=-1)
        return {"outputs": inputs, "carry": carry}

    results, pull_back = jax.vjp(run, jax.tree.map(jnp.asarray, vectors["arguments"]))
    (gradients,) = pull_back(jax.tree.map(jnp.asarray, vectors["towards"]))
    return jax.device_get((results, gradients))


def assert_equal_to_pytorch(case: LayerCase, implementation: Implementation, vectors: Tree) -> None:
    results, gradients = compute(case, implementation, vectors)
    assert_close(results, vectors["results"], TOLERANCE)
    assert_close(gradients, vectors["gradients"], TOLERANCE)


@pytest.fixture(scope="module")
def stored() -> dict[str, Tree]:
    return read(FOLDER / "layers.npz")[0]


@COMPARED
def test_a_layer_equals_pytorch(
    case: LayerCase, implementation: Implementation, stored: dict[str, Tree]
) -> None:
    assert_equal_to_pytorch(case, implementation, stored[str(case)])


def test_the_fused_lstm_of_many_rows_equals_pytorch(stored: dict[str, Tree]) -> None:
    case, copies = LayerCase("lstm", layers=2, bidirectional=True), -(-ROWS_IN_LOOP // BATCH)
    one = stored[str(case)]

    def repeat_rows(tree: Tree) -> Tree:
        return jax.tree.map(lambda values: np.concatenate([values] * copies), tree)

    def repeat(tree: Tree, of_parameters: Tree) -> Tree:
        return {name: of_parameters if name == "parameters" else repeat_rows(tree[name]) for name in tree}

    summed = jax.tree.map(lambda gradient: copies * gradient, one["gradients"]["parameters"])
    many = {
        "arguments": repeat(one["arguments"], one["arguments"]["parameters"]),
        "gradients": repeat(one["gradients"], summed),
        "results": repeat_rows(one["results"]),
        "towards": repeat_rows(one["towards"]),
    }
    assert_equal_to_pytorch(case, "fused", many)


def test_a_stack_has_the_layers_and_directions_of_pytorch(stored: dict[str, Tree]) -> None:
    case = LayerCase("gru", layers=2, bidirectional=True)
    vectors = stored[str(case)]
    settings: dict[str, Any] = {
        "cell": "gru",
        "implementation": "scan",
        "hidden_size": HIDDEN,
        "layers": 2,
        "bidirectional": True,
        "residual": False,
        "kernel_init": "lecun_normal",
        "recurrent_init": "orthogonal",
        "dense_init": "lecun_normal",
    }
    stack = Stack(sections.Model.model_validate(settings), FEATURES)
    apply = jax.jit(functools.partial(stack.apply, input_map=None, hyper={}, keys=None))
    arguments = vectors["arguments"]
    carry = {name: own["h"] for name, own in arguments["carry"].items()}
    found = apply(arguments["parameters"], arguments["inputs"], carry, lengths=LENGTHS)
    final = {name: {"h": own} for name, own in found.carry.items()}
    assert_close({"outputs": found.outputs, "carry": final}, vectors["results"], TOLERANCE)


@COMPARED
def test_a_layer_equals_pytorch_on_new_values(case: LayerCase, implementation: Implementation) -> None:
    pytest.importorskip("torch")
    from write_vectors import layer_vectors

    assert_equal_to_pytorch(case, implementation, layer_vectors(case, seed=1))


def test_stored_layers_are_what_pytorch_computes(stored: dict[str, Tree]) -> None:
    pytest.importorskip("torch")
    from write_vectors import SEED, layer_vectors

    assert_close({str(case): layer_vectors(case, SEED) for case in LAYERS}, stored, TOLERANCE)
