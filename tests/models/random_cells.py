"""Random cells as compiled programs in float64, and what tests ask of every program."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from networks import settings

from rnn_jax.catalogue import CELLS
from rnn_jax.models import fused_lstm
from rnn_jax.models.cells import build
from rnn_jax.models.recurrence import Implementation, unroll

BATCH, TIME, FEATURES, MAPPED, HIDDEN = 4, 5, 2, 2, 3
LENGTHS = np.array([2, TIME, 0, 4], np.int32)
NAMES = tuple(CELLS)
LINEAR = ("mingru", "minlstm", "lru")

Tree = Any
"""Arrays float64, the arguments of a program; complex ones as their two parts."""


def build_cell(name: str, hidden_size: int = HIDDEN) -> nn.RNNCellBase:
    return build.build_cell(settings(cell=name, hidden_size=hidden_size), MAPPED)


def init_cell(name: str, key: jax.Array, hidden_size: int = HIDDEN, **hyper: float) -> Any:
    values = {name: jnp.float32(value) for name, value in hyper.items()}
    return build.init_cell(settings(cell=name, hidden_size=hidden_size), MAPPED, key, values)


class Parts(NamedTuple):
    """A complex array."""

    real: Any
    imaginary: Any


def join_parts(tree: Tree) -> Any:
    """A tree with its complex arrays, of one with their parts."""
    return jax.tree.map(
        lambda part: jax.lax.complex(*part) if isinstance(part, Parts) else part,
        tree,
        is_leaf=lambda part: isinstance(part, Parts),
    )


def random_like(rng: np.random.Generator, shapes: Any) -> Tree:
    """Random values, also for biases, in a tree of shapes."""

    def draw(leaf: Any) -> Any:
        if jnp.issubdtype(leaf.dtype, jnp.complexfloating):
            return Parts(*(0.7 * rng.normal(size=(2, *leaf.shape))))
        return 0.7 * rng.normal(size=leaf.shape)

    return jax.tree.map(draw, shapes)


class Result(NamedTuple):
    """The results of a program, and the gradients of a random function of all of them."""

    score: Any
    outputs: Any
    """[batch, time, features]"""
    carry: Any
    others: Any
    gradients: Any


@contextlib.contextmanager
def float64(cell: str) -> Iterator[None]:
    # Flax's layer normalization promotes float32 with float64.
    promotion = "standard" if cell == "lstm_layer_norm" else "strict"
    with jax.enable_x64(True), jax.numpy_dtype_promotion(promotion):
        yield


class Program:
    """A function of a tree and lengths [batch], with its gradients, compiled once."""

    def __init__(self, cell: str, rows_in_loop: int, function: Callable[[Any, jax.Array], Any]) -> None:
        """`function` returns (outputs, carry, others)."""
        self._cell, self._rows_in_loop = cell, rows_in_loop

        def score(tree: Tree, lengths: jax.Array) -> tuple[jax.Array, Any]:
            results = function(join_parts(tree), lengths)
            rng = np.random.default_rng(7)
            leaves = [part for leaf in jax.tree.leaves(results) for part in (jnp.real(leaf), jnp.imag(leaf))]
            sums = [(rng.normal(size=leaf.shape) * jnp.sin(leaf)).sum() for leaf in leaves]
            return jnp.stack(sums).sum(), results

        self._run = jax.jit(jax.value_and_grad(score, has_aux=True))

    @contextlib.contextmanager
    def context(self) -> Iterator[None]:
        """The settings that the program is compiled with."""
        with float64(self._cell), mock.patch.object(fused_lstm, "ROWS_IN_LOOP", self._rows_in_loop):
            yield

    def __call__(self, tree: Tree, lengths: Any = LENGTHS) -> Result:
        with self.context():
            found = self._run(tree, np.asarray(lengths, np.int32))
            (score, (outputs, carry, others)), gradients = jax.device_get(found)
            return Result(score, outputs, carry, others, gradients)


def assert_close(found: Any, expected: Any, tolerance: float) -> None:
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=tolerance, rtol=tolerance), found, expected
    )


def assert_padding_affects_nothing(program: Program, tree: Tree) -> None:
    """Bit for bit, neither results nor gradients, even if it is nan."""
    is_padding = np.arange(TIME) >= LENGTHS[:, None]
    clean = program(tree)
    dirty = program({**tree, "inputs": np.where(is_padding[:, :, None], np.nan, tree["inputs"])})
    jax.tree.map(np.testing.assert_array_equal, dirty, clean)
    assert not clean.outputs[is_padding].any()
    gradients = clean.gradients["inputs"]
    assert not gradients[is_padding].any()
    assert gradients[~is_padding].all()


def assert_outputs_depend_on_the_past_alone(program: Program, tree: Tree, *, reverse: bool = False) -> None:
    lengths = np.full(BATCH, TIME)
    before = program(tree, lengths).outputs
    for time in range(TIME):
        changed = {**tree, "inputs": tree["inputs"].copy()}
        changed["inputs"][:, time] += 1
        differs = (program(changed, lengths).outputs != before).any(axis=(0, 2))
        expected = np.arange(TIME) <= time if reverse else np.arange(TIME) >= time
        np.testing.assert_array_equal(differs, expected)


def assert_gradients_equal_central_differences(program: Program, tree: Tree) -> None:
    """Of every element of every array."""
    leaves, structure = jax.tree.flatten(tree)
    places = jax.tree_util.tree_leaves_with_path(program(tree).gradients)
    with program.context():
        on_device = [jnp.asarray(leaf) for leaf in leaves]
        for number, (path, exact) in enumerate(places):
            numeric = np.empty_like(exact)
            for place in np.ndindex(exact.shape):
                scores = []
                for step in (1e-5, -1e-5):
                    shifted = leaves[number].copy()
                    shifted[place] += step
                    moved = [*on_device[:number], shifted, *on_device[number + 1 :]]
                    (score, _), _ = program._run(structure.unflatten(moved), LENGTHS)
                    scores.append(float(score))
                numeric[place] = (scores[0] - scores[1]) / 2e-5
            error, largest = np.abs(exact - numeric).max(), np.abs(exact).max()
            assert error <= 1e-6 * largest, (jax.tree_util.keystr(path), error, largest)
            assert largest > 0, jax.tree_util.keystr(path)


class Variant(NamedTuple):
    """A cell and how it is unrolled."""

    cell: str
    implementation: Implementation = "scan"
    reverse: bool = False
    remat_steps: int | None = None
    rows_in_loop: int = 1
    """See `fused_lstm.ROWS_IN_LOOP`."""

    def __str__(self) -> str:
        return "-".join(
            [self.cell, self.implementation]
            + ["reverse"] * self.reverse
            + ["remat"] * (self.remat_steps is not None)
            + ["few_rows"] * (self.rows_in_loop > BATCH)
        )

    @property
    def mask(self) -> np.ndarray | None:
        """[batch, hidden], of recurrent dropout."""
        return None if self.cell in LINEAR else np.random.default_rng(1).choice([0.0, 2.0], (BATCH, HIDDEN))


def draw(variant: Variant, seed: int = 0) -> Tree:
    cell = build_cell(variant.cell)
    carry = jax.eval_shape(lambda: cell.initialize_carry(jax.random.key(0), (BATCH, MAPPED)))
    rng = np.random.default_rng(seed)
    return {
        "parameters": random_like(rng, jax.eval_shape(lambda: init_cell(variant.cell, jax.random.key(0)))),
        "carry": random_like(rng, carry),
        "inputs": rng.normal(size=(BATCH, TIME, FEATURES)),
        "input_map": {"kernel": rng.normal(size=(FEATURES, MAPPED)), "bias": rng.normal(size=MAPPED)},
    }


def compile_unroll(variant: Variant) -> Program:
    def run(tree: Any, lengths: jax.Array) -> Any:
        outputs, carry = unroll(
            build_cell(variant.cell),
            tree["parameters"],
            tree["inputs"],
            tree["carry"],
            lengths=lengths,
            reverse=variant.reverse,
            input_map=tree["input_map"],
            mask=None if variant.mask is None else jnp.asarray(variant.mask),
            remat_steps=variant.remat_steps,
            implementation=variant.implementation,
        )
        return outputs, carry, ()

    return Program(variant.cell, variant.rows_in_loop, run)


@functools.partial(jax.jit, static_argnums=0)
def step(name: str, parameters: Any, carry: Any, inputs: jax.Array, *mask: jax.Array) -> Any:
    """One step of a cell: (carry, output)."""
    return build_cell(name).apply({"params": parameters}, carry, inputs, *mask)


def loop(variant: Variant, tree: Tree, lengths: np.ndarray) -> Any:
    """(outputs, carry) of a Python loop: row by row, step by step, over the real steps alone."""
    outputs, carries = np.zeros((BATCH, TIME, HIDDEN)), []
    inputs = tree["inputs"] @ tree["input_map"]["kernel"] + tree["input_map"]["bias"]
    with float64(variant.cell):
        tree = jax.device_get(join_parts(tree))
        for row in range(BATCH):
            carry = jax.tree.map(lambda part, row=row: part[row : row + 1], tree["carry"])
            mask = () if variant.mask is None else (variant.mask[row : row + 1],)
            steps = range(lengths[row])
            for time in reversed(steps) if variant.reverse else steps:
                arguments = (tree["parameters"], carry, inputs[row : row + 1, time], *mask)
                carry, output = step(variant.cell, *arguments)
                outputs[row, time] = output[0]
            carries.append(carry)
    return outputs, jax.tree.map(lambda *rows: np.concatenate(rows), *carries)
