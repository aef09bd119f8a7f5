"""Stacks: exact gradients, padding, the last output, directions, residual connections, dropout."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from networks import build_keys, settings
from random_cells import (
    BATCH,
    FEATURES,
    LENGTHS,
    MAPPED,
    NAMES,
    TIME,
    Program,
    Tree,
    assert_gradients_equal_central_differences,
    assert_outputs_depend_on_the_past_alone,
    assert_padding_affects_nothing,
    random_like,
)

from rnn_jax.catalogue import CELLS
from rnn_jax.models import stacks
from rnn_jax.models.dropout import drop_weights
from rnn_jax.models.stacks import Stack
from rnn_jax.models.types import Keys

HIDDEN = 2


def build_stack(cell: str = "lstm", **changes: Any) -> Stack:
    recurrences = {"layers": 2, "bidirectional": True, "hidden_size": HIDDEN} | changes
    return Stack(settings(cell=cell, **recurrences), MAPPED)


def draw(stack: Stack) -> Tree:
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(lambda: (stack.init(jax.random.key(0), {}), stack.initial_carry(BATCH)))
    parameters, carry = random_like(rng, shapes)
    return {
        "parameters": parameters,
        "carry": carry,
        "inputs": rng.normal(size=(BATCH, TIME, FEATURES)),
        "input_map": {"kernel": rng.normal(size=(FEATURES, MAPPED)), "bias": rng.normal(size=MAPPED)},
    }


def compile_stack(stack: Stack) -> Program:
    def run(tree: Any, lengths: jax.Array) -> Any:
        found = stack.apply(
            tree["parameters"],
            tree["inputs"],
            tree["carry"],
            lengths=lengths,
            input_map=tree["input_map"],
            hyper={},
            keys=None,
        )
        return found.outputs, found.carry, found.last

    return Program(stack.settings.cell, 1, run)


CHOSEN = ("lstm", "lru")  # the output is in the carry of one, not in the other's


@pytest.fixture(
    scope="module",
    params=[*CHOSEN, *(pytest.param(cell, marks=pytest.mark.matrix) for cell in NAMES if cell not in CHOSEN)],
)
def stack(request: pytest.FixtureRequest) -> Stack:
    return build_stack(request.param, residual=True)


@pytest.fixture(scope="module")
def program(stack: Stack) -> Program:
    return compile_stack(stack)


def test_gradients_equal_central_differences(stack: Stack, program: Program) -> None:
    assert_gradients_equal_central_differences(program, draw(stack))


def test_padding_affects_nothing(stack: Stack, program: Program) -> None:
    assert_padding_affects_nothing(program, draw(stack))


def test_the_last_output_is_that_of_each_directions_last_real_step(stack: Stack, program: Program) -> None:
    found = program(draw(stack))
    for outputs, last, length in zip(found.outputs, found.others, LENGTHS, strict=True):
        if length:
            expected = [outputs[length - 1, :HIDDEN], outputs[0, HIDDEN:]]
            np.testing.assert_allclose(last, np.concatenate(expected), rtol=1e-12)


@pytest.mark.parametrize(
    "cell", ["lstm", *(pytest.param(cell, marks=pytest.mark.matrix) for cell in NAMES if cell != "lstm")]
)
def test_no_output_depends_on_later_steps(cell: str) -> None:
    stack = build_stack(cell, bidirectional=False, residual=True)
    program, tree = compile_stack(stack), draw(stack)
    assert_outputs_depend_on_the_past_alone(program, tree)
    assert_padding_affects_nothing(program, tree)


@functools.partial(jax.jit, static_argnums=0)
def run(
    stack: Stack, parameters: Any, inputs: jax.Array, carry: Any = None, hyper: Any = None, keys: Any = None
) -> stacks.Unrolled:
    hyper = {} if hyper is None else hyper
    return stack.apply(parameters, inputs, carry, lengths=None, input_map=None, hyper=hyper, keys=keys)


def random_parameters(stack: Stack) -> Any:
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), draw(stack)["parameters"])


INPUTS = jnp.asarray(np.random.default_rng(1).normal(size=(BATCH, TIME, MAPPED)), jnp.float32)


def test_a_cell_whose_output_is_not_in_its_carry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last output is taken from the outputs."""
    stack = build_stack("gru", layers=1)
    parameters, lengths, ends = random_parameters(stack), jnp.array([2, TIME, 1, 4]), []
    for output in ("carry", None):
        monkeypatch.setitem(CELLS, "gru", dataclasses.replace(CELLS["gru"], output=output))
        options: Any = {"lengths": lengths, "input_map": None, "hyper": {}, "keys": None}
        ends.append(jax.jit(lambda options=options: stack.apply(parameters, INPUTS, None, **options).last)())
    np.testing.assert_array_equal(*ends)


def test_the_backward_recurrence_is_the_forward_one_on_reversed_time() -> None:
    stack = build_stack(layers=1)
    parameters = random_parameters(stack)
    parameters["recurrence_0_backward"] = parameters["recurrence_0"]
    outputs = run(stack, parameters, INPUTS).outputs
    mirrored = run(stack, parameters, INPUTS[:, ::-1]).outputs
    np.testing.assert_allclose(outputs[:, :, HIDDEN:], mirrored[:, ::-1, :HIDDEN], atol=1e-6)
    assert not np.allclose(outputs[:, :, HIDDEN:], outputs[:, :, :HIDDEN])


def test_residual_layers_add_their_inputs_to_their_outputs() -> None:
    first, plain, residual = (
        build_stack(bidirectional=False, layers=layers, residual=is_residual)
        for layers, is_residual in ((1, False), (2, False), (2, True))
    )
    parameters = random_parameters(plain)
    outputs = [run(stack, parameters, INPUTS).outputs for stack in (first, plain, residual)]
    np.testing.assert_allclose(outputs[2] - outputs[1], outputs[0], atol=1e-6)


def test_a_sequence_continues_with_the_carry_of_its_first_part() -> None:
    stack = build_stack(bidirectional=False)
    parameters = random_parameters(stack)
    whole = run(stack, parameters, INPUTS)
    first = run(stack, parameters, INPUTS[:, :1])
    second = run(stack, parameters, INPUTS[:, 1:], first.carry)
    np.testing.assert_allclose(second.outputs, whole.outputs[:, 1:], atol=1e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), second.carry, whole.carry)


RATES = ("dropout", "recurrent_dropout", "weight_drop")


DROPPING = build_stack("gru", bidirectional=False)
PARAMETERS = random_parameters(DROPPING)


def dropped(
    keys: Keys | None, inputs: jax.Array = INPUTS, parameters: Any = PARAMETERS, **rates: float
) -> jax.Array:
    """The outputs with some dropout rates, of one compiled program."""
    hyper = {name: jnp.float32(rates.get(name, 0)) for name in RATES}
    return run(DROPPING, parameters, inputs, None, hyper, keys).outputs


@pytest.mark.parametrize("name", RATES)
def test_dropout_depends_on_the_keys_and_the_rate(name: str) -> None:
    keys = build_keys(BATCH)
    half: dict[str, Any] = {name: 0.5}
    without, found = dropped(None, **half), dropped(keys, **half)
    assert not np.allclose(found, without)
    assert not np.allclose(found, dropped(build_keys(BATCH, seed=1), **half))
    np.testing.assert_array_equal(dropped(keys, **half), found)
    np.testing.assert_allclose(dropped(keys), without, atol=1e-6)
    # A row's mask depends on its own key, not on the rows beside it.
    alone = dropped(keys._replace(rows=keys.rows[1:2]), INPUTS[1:2], **half)
    np.testing.assert_allclose(alone[0], found[1], atol=1e-6)


def test_dropped_weights_are_the_same_for_all_rows_and_steps() -> None:
    keys, kernels = build_keys(BATCH), CELLS["gru"].state_kernels
    without_weights = drop_weights(PARAMETERS, kernels, keys.batch, jnp.float32(0.5))
    expected = dropped(keys, parameters=without_weights)
    np.testing.assert_allclose(dropped(keys, weight_drop=0.5), expected, atol=1e-6)


def test_dropout_is_between_layers_alone() -> None:
    stack = build_stack(layers=1, bidirectional=False)
    parameters, rate = random_parameters(stack), {"dropout": jnp.float32(0.5)}
    found = run(stack, parameters, INPUTS, None, rate, build_keys(BATCH)).outputs
    np.testing.assert_array_equal(found, run(stack, parameters, INPUTS).outputs)


def test_variational_dropout_in_a_stack_has_another_mask() -> None:
    rate, keys = {"dropout": jnp.float32(0.5)}, build_keys(BATCH)
    plain, variational = (
        build_stack(bidirectional=False, variational_dropout=value) for value in (False, True)
    )
    parameters = random_parameters(plain)
    a, b = (run(stack, parameters, INPUTS, None, rate, keys).outputs for stack in (plain, variational))
    assert not np.allclose(a, b)


def test_names_and_sizes() -> None:
    stack = build_stack("gru")
    parameters = stack.init(jax.random.key(0), {})
    names = ["recurrence_0", "recurrence_0_backward", "recurrence_1", "recurrence_1_backward"]
    assert list(parameters) == names
    assert parameters["recurrence_0"]["ir"]["kernel"].shape == (MAPPED, HIDDEN)
    assert parameters["recurrence_1_backward"]["ir"]["kernel"].shape == (2 * HIDDEN, HIDDEN)
    assert stack.name == "bidirectional GRU with 2 × 2 units"
    kernels = [parameters[name]["hr"]["kernel"] for name in names]
    assert not any(np.allclose(a, b) for number, a in enumerate(kernels) for b in kernels[:number])
