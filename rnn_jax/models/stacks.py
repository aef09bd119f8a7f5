"""Stacks of recurrences: layers, directions, residual connections, dropout between and within layers."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from rnn_jax.catalogue import CELLS
from rnn_jax.config.sections import Model
from rnn_jax.models.cells import LinearRecurrence
from rnn_jax.models.cells.build import build_cell, init_cell
from rnn_jax.models.dropout import drop_weights, dropout, fold_in
from rnn_jax.models.linear import affine
from rnn_jax.models.recurrence import check_implementation, unroll
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
        return self.settings.hidden_size * len(self.directions)

    @property
    def directions(self) -> list[tuple[str, bool]]:
        """The suffix of a recurrence's name, and whether it runs in reverse."""
        return [("", False), ("_backward", True)] if self.settings.bidirectional else [("", False)]

    def input_size_of(self, layer: int) -> int:
        """Features of a layer's inputs."""
        return self.input_size if layer == 0 else self.output_size

    def cell_of(self, layer: int) -> nn.RNNCellBase:
        """Build a layer's cell."""
        return build_cell(self.settings, self.input_size_of(layer))

    def check(self) -> None:
        """Raise UserError if the implementation does not fit the cell."""
        check_implementation(self.cell_of(0), self.settings.implementation)

    def init(self, key: Array, hyper: Hyper) -> Parameters:
        """Initialize the parameters of each recurrence, by its name."""
        parameters = {}
        for layer in range(self.settings.layers):
            for number, (suffix, _) in enumerate(self.directions):
                own_key = key if layer == number == 0 else jax.random.fold_in(key, 2 * layer + number)
                size = self.input_size_of(layer)
                parameters[f"recurrence_{layer}{suffix}"] = init_cell(self.settings, size, own_key, hyper)
        return parameters

    def initial_carry(self, rows: int) -> dict[str, Carry]:
        """Return the initial carry of each recurrence, by its name: the cell's own, zeros."""
        carry = {}
        for layer in range(self.settings.layers):
            for suffix, _ in self.directions:
                shape = (rows, self.input_size_of(layer))
                # Flax's interface asks for a key, which no cell uses.
                own = self.cell_of(layer).initialize_carry(jax.random.key(0), shape)
                carry[f"recurrence_{layer}{suffix}"] = own
        return carry

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
        """Run all layers.

        Args:
            parameters: of each recurrence, by its name.
            inputs: [batch, time, features].
            carry: the initial carry of each recurrence, by its name; None: zeros.
            lengths: [batch], the number of real steps of each row; None: all.
            input_map: a linear layer before the first recurrence, see `unroll`.
            hyper: rates of `dropout` between layers, `recurrent_dropout` of the hidden state where kernels
                multiply it (one mask for all steps), and `weight_drop` of these kernels; absent: none.
            keys: for dropout; None: no dropout.
        """
        settings, after, last = self.settings, {}, None
        if keys is not None:
            kernels = CELLS[settings.cell].state_kernels
            parameters = drop_weights(parameters, kernels, keys.batch, hyper.get("weight_drop"))
        for layer in range(settings.layers):
            layer_keys = fold_in(None if keys is None else keys.rows, layer)
            layer_inputs = inputs
            if layer > 0:
                rate, variational = hyper.get("dropout"), bool(settings.variational_dropout)
                layer_inputs = dropout(inputs, fold_in(layer_keys, 0), rate, variational=variational)
                input_map = None
            sides = []
            for number, (suffix, reverse) in enumerate(self.directions):
                name, cell = f"recurrence_{layer}{suffix}", self.cell_of(layer)
                outputs, after[name] = unroll(
                    cell,
                    parameters[name],
                    layer_inputs,
                    None if carry is None else carry[name],
                    lengths=lengths,
                    reverse=reverse,
                    input_map=input_map,
                    mask=self._state_mask(layer_keys, number, len(inputs), hyper),
                    remat_steps=settings.remat_steps,
                    implementation=settings.implementation,
                )
                last = self._last_output(
                    cell, parameters[name], layer_inputs, input_map, outputs, after[name], lengths, reverse
                )
                sides.append((outputs, last))
            outputs, last = (jnp.concatenate(parts, axis=-1) for parts in zip(*sides, strict=True))
            if settings.residual and layer > 0:
                size = settings.hidden_size
                forward, backward = inputs[:, :, :size], inputs[:, 0, size:]
                ends = jnp.concatenate([last_step(forward, lengths), backward], axis=-1)
                outputs, last = outputs + inputs, last + ends
            inputs = outputs
        assert last is not None
        return Unrolled(inputs, last, after)

    def _state_mask(self, keys: Array | None, direction: int, rows: int, hyper: Hyper) -> Array | None:
        """The mask [batch, hidden] of recurrent dropout."""
        rate = hyper.get("recurrent_dropout")
        if keys is None or rate is None:
            return None
        return dropout(jnp.ones((rows, self.settings.hidden_size)), fold_in(keys, 1 + direction), rate)

    def _last_output(
        self,
        cell: nn.RNNCellBase,
        parameters: Parameters,
        inputs: Array,
        input_map: InputMap,
        outputs: Array,
        carry: Carry,
        lengths: Lengths,
        reverse: bool,
    ) -> Array:
        """The output [batch, hidden] at a direction's last step, computed from the final carry if possible.

        Taken from the outputs, its gradient would pass through an array of all steps.
        """
        place = CELLS[self.settings.cell].output
        if place is not None:
            return carry if place == "carry" else carry[1]
        if not isinstance(cell, LinearRecurrence):
            return outputs[:, 0] if reverse else last_step(outputs, lengths)
        ends = inputs[:, 0] if reverse else last_step(inputs, lengths)
        # The last step of an empty row is padding, which must not reach the input layer: it may be nan.
        is_real = True if lengths is None else lengths[:, None] > 0
        ends = jnp.where(is_real, ends, 0)
        if input_map is not None:
            ends = jnp.where(is_real, affine(input_map, ends), 0)
        return linear_outputs(cell, parameters, carry, ends)


def last_step(values: Array, lengths: Lengths) -> Array:
    """Return the last real step of values [batch, time, features]; for an empty row the first, padding."""
    if lengths is None:
        return values[:, -1]
    steps = jnp.maximum(lengths, 1) - 1
    return jnp.take_along_axis(values, steps[:, None, None], axis=1)[:, 0]
