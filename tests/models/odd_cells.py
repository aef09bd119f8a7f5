"""Cells that users may write, and a Python loop over the steps of any cell."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from rnn_jax.models.cells import LSTM, MinGRU

BATCH, TIME, FEATURES, HIDDEN = 3, 4, 2, 3


class NegatedLSTM(LSTM):
    """Its output is not the LSTM's."""

    def __call__(self, carry: Any, inputs: jax.Array, mask: Any = None) -> tuple[Any, jax.Array]:
        carry, output = super().__call__(carry, inputs, mask)
        return carry, -output


class NegatedMinGRU(MinGRU):
    """Its output is not that of `output`."""

    def __call__(self, carry: jax.Array, inputs: jax.Array) -> tuple[jax.Array, jax.Array]:
        state, output = super().__call__(carry, inputs)
        return state, -output


class DoubledMinGRU(MinGRU):
    """Its next state is not that of `coefficients`."""

    def advance(self, carry: jax.Array, inputs: jax.Array) -> jax.Array:
        return 2.0 * super().advance(carry, inputs)


class Nested(nn.RNNCellBase):
    """A nested carry with a counter of steps, and outputs of several shapes."""

    features: int

    @nn.compact
    def __call__(self, carry: Any, inputs: jax.Array) -> tuple[Any, Any]:
        (h,), steps = carry["state"], carry["steps"]
        h = nn.tanh(nn.Dense(self.features)(jnp.concatenate([inputs, h], axis=1)))
        outputs = {"h": h, "outer": h[:, :, None] * h[:, None, :], "is_even": steps % 2 == 0}
        return {"state": (h,), "steps": steps + 1}, outputs

    @nn.nowrap
    def initialize_carry(self, rng: jax.Array, input_shape: tuple[int, ...]) -> Any:
        del rng
        h = jnp.zeros((input_shape[0], self.features), jnp.float32)
        return {"state": (h,), "steps": jnp.zeros(input_shape[0], jnp.int32)}

    @property
    def num_feature_axes(self) -> int:
        return 1


def init(cell: nn.RNNCellBase, dtype: Any = jnp.float32) -> Any:
    """Random parameters."""
    example = jnp.zeros((BATCH, FEATURES), jnp.float32)
    carry = cell.initialize_carry(jax.random.key(0), example.shape)
    shapes = jax.eval_shape(cell.init, jax.random.key(0), carry, example)["params"]
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda leaf: jnp.asarray(0.8 * rng.normal(size=leaf.shape), dtype), shapes)


def loop(
    cell: nn.RNNCellBase, parameters: Any, inputs: Any, carry: Any, lengths: Any, reverse: bool, mask: Any
) -> tuple[Any, Any]:
    """(outputs, carry) of a loop over time, which keeps the carry of rows that are padding."""
    inputs = jnp.asarray(inputs)
    rows, time = inputs.shape[:2]
    lengths = np.full(rows, time) if lengths is None else np.array([int(length) for length in lengths])
    if carry is None:
        carry = cell.initialize_carry(jax.random.key(0), (rows, *inputs.shape[2:]))
    masks, outputs = () if mask is None else (mask,), [None] * time
    for step in reversed(range(time)) if reverse else range(time):

        def select(new: Any, old: Any, is_real: Any = step < lengths) -> np.ndarray:
            return np.where(is_real.reshape(-1, *[1] * (np.ndim(new) - 1)), new, old)

        after, output = cell.apply({"params": parameters}, carry, inputs[:, step], *masks)
        carry = jax.tree.map(select, after, carry)
        outputs[step] = jax.tree.map(lambda part: select(part, np.zeros_like(part)), output)
    return jax.tree.map(lambda *parts: np.stack(parts, axis=1), *outputs), carry
