"""Recurrences upon one another: layers, directions, residual connections, dropout between and within."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from rnn_jax.catalogue import CELLS
from rnn_jax.models.cells import table
from rnn_jax.models.cells.linear_recurrence import LinearRecurrence
from rnn_jax.models.linear import affine
from rnn_jax.models.network import Hyper, Keys
from rnn_jax.models.recurrence import Implementation, check, unroll
from rnn_jax.models.unrolling import Carry, read

Parameters = dict[str, Any]


class Layout(NamedTuple):
    """What the recurrences of a network are like."""

    cell: str
    input_size: int
    hidden_size: int
    layers: int
    bidirectional: bool
    residual: bool
    kernel_init: str
    recurrent_init: str | None
    implementation: Implementation
    remat_steps: int | None
    variational_dropout: bool = False
    """The same values are dropped at every time step."""
    cell_options: Mapping[str, Any] = {}
    """The config keys of the cell's own."""

    @property
    def name(self) -> str:
        """In a few words, for people."""
        kind = f"{'bidirectional ' if self.bidirectional else ''}{self.cell.upper().replace('_', ' ')}"
        depth = f"{self.layers} × " if self.layers > 1 else ""
        return f"{kind} with {depth}{self.hidden_size} units"

    @property
    def output_size(self) -> int:
        """Features of the outputs: both directions, one after the other, where there are two."""
        return self.hidden_size * (2 if self.bidirectional else 1)

    @property
    def directions(self) -> list[tuple[str, bool]]:
        """The ending of a recurrence's name, and whether it runs backwards."""
        return [("", False), ("_backward", True)] if self.bidirectional else [("", False)]

    def check(self) -> None:
        """Raises UserError where the implementation does not fit the cell."""
        check(_cell(self, 0), self.implementation)

    def input_size_of(self, layer: int) -> int:
        """Features that a layer reads."""
        return self.input_size if layer == 0 else self.output_size


class Unrolled(NamedTuple):
    """What the last layer says."""

    outputs: jax.Array
    """[batch, time, features]; zero where there is padding."""
    last: jax.Array
    """[batch, features]: at the end of each direction's way, which backwards is the first step."""
    carry: dict[str, Carry]
    """The final carry of each recurrence, by its name."""


def init(layout: Layout, key: jax.Array, hyper: Hyper) -> Parameters:
    """Draws the parameters of `recurrence_0`, `recurrence_0_backward`, `recurrence_1`, ..."""
    drawn = {}
    for layer in range(layout.layers):
        for number, (ending, _) in enumerate(layout.directions):
            own_key = key if layer == number == 0 else jax.random.fold_in(key, 2 * layer + number)
            cell, size = _cell(layout, layer), layout.input_size_of(layer)
            drawn[f"recurrence_{layer}{ending}"] = table.init(layout.cell, cell, own_key, size, hyper)
    return drawn


def initial_carry(layout: Layout, rows: int) -> dict[str, Carry]:
    """What the recurrences begin with, by their names: each cell's own, zeros."""

    def of(layer: int) -> Carry:
        # A cell's own initial carry draws no numbers; the key is a formality of Flax's interface.
        return _cell(layout, layer).initialize_carry(jax.random.key(0), (rows, layout.input_size_of(layer)))

    return {
        f"recurrence_{layer}{ending}": of(layer)
        for layer in range(layout.layers)
        for ending, _ in layout.directions
    }


def apply(
    layout: Layout,
    parameters: Parameters,
    inputs: jax.Array,
    carry: dict[str, Carry] | None,
    *,
    lengths: jax.Array | None,
    input_map: dict[str, jax.Array] | None,
    hyper: Hyper,
    keys: Keys | None,
) -> Unrolled:
    """Runs all layers.

    Args:
        layout: what they are like.
        parameters: by name, as `init` draws them.
        inputs: [batch, time, features].
        carry: the initial carry of each recurrence by its name; None: zeros.
        lengths: [batch], how many steps of each row are real; None: all.
        input_map: a linear layer before the first recurrence, see `unroll`.
        hyper: `dropout`, the probability that a value is dropped between two layers, and `recurrent_dropout`,
            that a unit is dropped where products read the state, the same units at every step, and
            `weight_drop`, that a weight of these products is dropped, for all rows; absent: none.
        keys: what dropout draws from; None: nothing is dropped.
    """
    after: dict[str, Carry] = {}
    last = None
    row_keys = None if keys is None else keys.rows
    if keys is not None:
        parameters = drop_weights(
            parameters, CELLS[layout.cell].state_kernels, keys.batch, hyper.get("weight_drop")
        )
    for layer in range(layout.layers):
        layer_keys = fold_in(row_keys, layer)
        seen = inputs
        if layer > 0:
            rate = hyper.get("dropout")
            seen = drop(inputs, fold_in(layer_keys, 0), rate, every_step=layout.variational_dropout)
        first_map = input_map if layer == 0 else None
        sides = []
        for number, (ending, backwards) in enumerate(layout.directions):
            name = f"recurrence_{layer}{ending}"
            outputs, after[name] = unroll(
                _cell(layout, layer),
                parameters[name],
                seen,
                None if carry is None else carry[name],
                lengths=lengths,
                reverse=backwards,
                input_map=first_map,
                mask=_state_mask(layout, layer_keys, number, len(inputs), hyper),
                remat_steps=layout.remat_steps,
                implementation=layout.implementation,
            )
            last = _last(
                layout, layer, parameters[name], seen, first_map, outputs, after[name], lengths, backwards
            )
            sides.append((outputs, last))
        outputs, last = (jnp.concatenate(parts, axis=-1) for parts in zip(*sides, strict=True))
        if layout.residual and layer > 0:
            outputs, last = outputs + inputs, last + _ends(layout, inputs, lengths)
        inputs = outputs
    assert last is not None
    return Unrolled(inputs, last, after)


def drop(
    values: jax.Array, keys: jax.Array | None, rate: jax.Array | None, *, every_step: bool = False
) -> jax.Array:
    """Drops each of values [batch, ...] with probability `rate` and scales the rest (Srivastava et al. 2014).

    Args:
        values: [batch, ...]; [batch, time, features] where `every_step` is true.
        keys: [batch], one a row, which draw what is dropped; None: nothing is.
        rate: the probability; None: nothing is dropped.
        every_step: the same features are dropped at every time step (Gal and Ghahramani 2016, arXiv
            1512.05287).
    """
    if keys is None or rate is None:
        return values
    shape = (1, *values.shape[2:]) if every_step else values.shape[1:]

    def keep(key: jax.Array) -> jax.Array:
        return jax.random.bernoulli(key, 1 - rate, shape)

    return jnp.where(jax.vmap(keep)(keys), values / (1 - rate).astype(values.dtype), 0)


def drop_weights(
    parameters: Parameters, kernels: Sequence[str], key: jax.Array, rate: jax.Array | None
) -> Parameters:
    """Drops weights [hidden, ...] of the products that read the state, the same ones at every time step.

    Merity et al. 2018, arXiv 1708.02182, section 2 (DropConnect, Wan et al. 2013). `rate` is the probability;
    None: nothing is dropped.
    """
    if rate is None:
        return parameters
    dropped = dict(parameters)
    names = [name for name in parameters if name.startswith("recurrence_")]
    for number, name in enumerate(sorted(names)):
        for place, kernel in enumerate(sorted(kernels)):
            own = jax.random.fold_in(jax.random.fold_in(key, number), place)
            weights = drop(parameters[name][kernel]["kernel"][None], own[None], rate)[0]
            dropped[name] = {**dropped[name], kernel: {**parameters[name][kernel], "kernel": weights}}
    return dropped


def fold_in(keys: jax.Array | None, number: int) -> jax.Array | None:
    """Another key for each of keys [batch]; None stays None."""
    if keys is None:
        return None
    return jax.vmap(jax.random.fold_in, in_axes=(0, None))(keys, number)


def _cell(layout: Layout, layer: int) -> nn.RNNCellBase:
    size = layout.input_size_of(layer)
    return table.build(
        layout.cell,
        size,
        layout.hidden_size,
        kernel_init=layout.kernel_init,
        recurrent_init=layout.recurrent_init,
        options=layout.cell_options,
    )


def _state_mask(
    layout: Layout, keys: jax.Array | None, direction: int, rows: int, hyper: Hyper
) -> jax.Array | None:
    """What the hidden state [batch, hidden] is multiplied with where products read it; None: nothing."""
    rate = hyper.get("recurrent_dropout")
    if keys is None or rate is None:
        return None
    return drop(jnp.ones((rows, layout.hidden_size)), fold_in(keys, 1 + direction), rate)


def _last(
    layout: Layout,
    layer: int,
    parameters: Parameters,
    inputs: jax.Array,
    input_map: dict[str, jax.Array] | None,
    outputs: jax.Array,
    carry: Carry,
    lengths: jax.Array | None,
    backwards: bool,
) -> jax.Array:
    """The output [batch, hidden] at a direction's last step, computed from the carry there where it can be.

    Taken from the outputs, its gradient would go through an array of all steps.
    """
    output, cell = CELLS[layout.cell].output, _cell(layout, layer)
    if output is not None:
        return carry if output == "carry" else carry[1]
    if not isinstance(cell, LinearRecurrence):
        return outputs[:, 0] if backwards else at_last_step(outputs, lengths)
    ends = inputs[:, 0] if backwards else at_last_step(inputs, lengths)
    # An empty row has read nothing: its last step is padding, which may be anything, also to the input layer.
    read_any = True if lengths is None else lengths[:, None] > 0
    ends = jnp.where(read_any, ends, 0)
    if input_map is not None:
        ends = jnp.where(read_any, affine(input_map, ends), 0)
    return read(cell, parameters, carry, ends)


def _ends(layout: Layout, inputs: jax.Array, lengths: jax.Array | None) -> jax.Array:
    """Where both directions end in inputs [batch, time, features]: the last real step, and the first."""
    forwards, backwards = inputs[:, :, : layout.hidden_size], inputs[:, 0, layout.hidden_size :]
    return jnp.concatenate([at_last_step(forwards, lengths), backwards], axis=-1)


def at_last_step(values: jax.Array, lengths: jax.Array | None) -> jax.Array:
    """The last real step of values [batch, time, features]; of an empty row the first, which is padding."""
    if lengths is None:
        return values[:, -1]
    steps = jnp.maximum(lengths, 1) - 1
    return jnp.take_along_axis(values, steps[:, None, None], axis=1)[:, 0]
