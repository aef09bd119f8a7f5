"""Stacks of recurrences: layers, directions, residual connections, dropout between and within layers."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from rnn_jax.catalogue import CELLS
from rnn_jax.config.sections import Model
from rnn_jax.models.cells.build import build_cell, init_cell
from rnn_jax.models.cells.linear_recurrence import is_linear
from rnn_jax.models.dropout import drop_weights, dropout, fold_in
from rnn_jax.models.linear import choose_affine
from rnn_jax.models.recurrence import unroll
from rnn_jax.models.scans import linear_outputs
from rnn_jax.models.types import Array, Carry, Hyper, InputMap, Keys, Lengths, Parameters


class Unrolled(NamedTuple):
    """The results of a stack."""

    outputs: Array
    """[batch, time, features] of the last layer; zero at padding."""
    last: Array
    """[batch, features]: the output at each direction's last step, which in reverse is the first step."""
    carry: dict[str, Carry]
    """The final carry of each recurrence, by its name."""


class Stack(NamedTuple):
    """The recurrences of a network, `recurrence_0`, `recurrence_0_backward`, `recurrence_1`, ..."""

    settings: Model
    """The config section `model`."""
    input_size: int

    @property
    def name(self) -> str:
        """A short description for people."""
        cell, layers = self.settings.cell.upper().replace("_", " "), self.settings.layers
        direction = "bidirectional " if self.settings.bidirectional else ""
        depth = f"{layers} × " if layers > 1 else ""
        return f"{direction}{cell} with {depth}{self.settings.hidden_size} units"

    @property
    def output_size(self) -> int:
        """Features of the outputs: both directions, concatenated."""
        return self.settings.hidden_size * (2 if self.settings.bidirectional else 1)

    def input_size_of(self, layer: int) -> int:
        """Features of a layer's inputs."""
        return self.input_size if layer == 0 else self.output_size

    def recurrences_of(self, layer: int) -> list[tuple[str, bool]]:
        """The name of each recurrence in a layer, and whether it runs in reverse."""
        names = [(f"recurrence_{layer}", False), (f"recurrence_{layer}_backward", True)]
        return names if self.settings.bidirectional else names[:1]

    def cell_of(self, layer: int) -> nn.RNNCellBase:
        """Build a layer's cell."""
        return build_cell(self.settings, self.input_size_of(layer))

    def init(self, key: Array, hyper: Hyper) -> Parameters:
        """Initialize the parameters of each recurrence, by its name."""
        parameters = {}
        for layer in range(self.settings.layers):
            for name, reverse in self.recurrences_of(layer):
                own_key = jax.random.fold_in(key, 2 * layer + reverse) if layer or reverse else key
                parameters[name] = init_cell(self.settings, self.input_size_of(layer), own_key, hyper)
        return parameters

    def initial_carry(self, rows: int) -> dict[str, Carry]:
        """Return the carry [rows, ...] of each recurrence that None stands for: the cell's own, zeros."""
        return {
            # Flax's interface asks for a key, which no cell uses.
            name: self.cell_of(layer).initialize_carry(jax.random.key(0), (rows, self.input_size_of(layer)))
            for layer in range(self.settings.layers)
            for name, _ in self.recurrences_of(layer)
        }

    def apply(
        self,
        parameters: Parameters,
        inputs: Array,
        carry: dict[str, Carry] | None,
        *,
        lengths: Lengths,
        input_map: InputMap,
        hyper: Hyper,
        keys: Keys | None,
    ) -> Unrolled:
        """Run all layers on inputs [batch, time, features]; see `unroll` and `Network.apply`.

        Parameters and carry are by the recurrences' names, and `input_map` is before the first. `hyper` has
        the rates of `dropout` between layers, `recurrent_dropout` of the hidden state where kernels multiply
        it (one mask for all steps), and `weight_drop` of these kernels; absent: none.
        """
        settings, after, last = self.settings, {}, None
        if keys is not None:
            kernels = CELLS[settings.cell].state_kernels
            parameters = drop_weights(parameters, kernels, keys.batch, hyper.get("weight_drop"))
        for layer in range(settings.layers):
            layer_keys, below = fold_in(None if keys is None else keys.rows, layer), inputs
            if layer > 0:
                rate, variational = hyper.get("dropout"), bool(settings.variational_dropout)
                inputs = dropout(inputs, fold_in(layer_keys, 0), rate, variational=variational)
                input_map = None
            sides = []
            for name, reverse in self.recurrences_of(layer):
                cell, mask, rate = self.cell_of(layer), None, hyper.get("recurrent_dropout")
                if layer_keys is not None and rate is not None:
                    ones = jnp.ones((len(inputs), settings.hidden_size), inputs.dtype)
                    mask = dropout(ones, fold_in(layer_keys, 1 + reverse), rate)
                outputs, after[name] = unroll(
                    cell,
                    parameters[name],
                    inputs,
                    None if carry is None else carry[name],
                    lengths=lengths,
                    reverse=reverse,
                    input_map=input_map,
                    mask=mask,
                    remat_steps=settings.remat_steps,
                    implementation=settings.implementation,
                )
                # Taken from the outputs, its gradient would pass through an array of all steps.
                place = CELLS[settings.cell].output
                if place is not None:
                    last = after[name] if place == "carry" else after[name][1]
                elif is_linear(cell):
                    ends = inputs[:, 0] if reverse else last_step(inputs, lengths)
                    ends = _map_ends(ends, input_map, lengths, settings.implementation)
                    last = linear_outputs(cell, parameters[name], after[name], ends)
                else:
                    last = outputs[:, 0] if reverse else last_step(outputs, lengths)
                sides.append((outputs, last))
            inputs, last = (jnp.concatenate(parts, axis=-1) for parts in zip(*sides, strict=True))
            if settings.residual and layer > 0:
                size = settings.hidden_size
                forward, backward = below[:, :, :size], below[:, 0, size:]
                ends = jnp.concatenate([last_step(forward, lengths), backward], axis=-1)
                inputs, last = inputs + below, last + ends
        assert last is not None
        return Unrolled(inputs, last, after)


def _map_ends(ends: Array, input_map: InputMap, lengths: Lengths, implementation: str) -> Array:
    """Apply the input map, if any, to the inputs [batch, features] of each row's last step; 0 if it is empty.

    The last step of an empty row is padding, which must not reach the input layer: it may be nan.
    """
    is_real = True if lengths is None else lengths[:, None] > 0
    ends = jnp.where(is_real, ends, 0)
    if input_map is not None:
        ends = jnp.where(is_real, choose_affine(implementation)(input_map, ends), 0)
    return ends


def last_step(values: Array, lengths: Lengths) -> Array:
    """Return the last real step of values [batch, time, features]; for an empty row the first, padding."""
    if lengths is None:
        return values[:, -1]
    steps = jnp.maximum(lengths, 1) - 1
    return jnp.take_along_axis(values, steps[:, None, None], axis=1)[:, 0]
