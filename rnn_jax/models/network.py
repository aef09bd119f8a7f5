"""Recurrent networks: pure functions over parameters with Flax's names and shapes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.config.sections import Model
from rnn_jax.models.dropout import OUTPUTS, dropout, fold_in
from rnn_jax.models.embedding import embed, init_embedding
from rnn_jax.models.initializers import INITIALIZERS, init_dense, scale_matrices
from rnn_jax.models.linear import affine
from rnn_jax.models.pooling import POOLS
from rnn_jax.models.stacks import Stack, Unrolled
from rnn_jax.models.types import Array, ArrayLike, Carry, Hyper, Keys, Lengths, Parameters
from rnn_jax.runtime.errors import UserError


@dataclass(frozen=True, eq=False)
class Network:
    """Inputs -> linear layer or embedding, if any -> recurrences -> pooling, if any -> linear layer."""

    settings: Model
    """The config section `model`."""
    spec: Mapping[str, Any]
    """Of the task: see `build_network`."""
    stack: Stack

    @property
    def name(self) -> str:
        """A short description for people."""
        return self.stack.name

    def init(self, key: Array, hyper: Hyper) -> Parameters:
        """Return {'params': {'input' or 'embedding', 'recurrence_0', ..., 'output'}}, float32."""
        settings, spec, stack = self.settings, self.spec, self.stack
        dense_init = INITIALIZERS[settings.dense_init]
        input_key, recurrent_key, output_key = jax.random.split(key, 3)
        layers = stack.init(recurrent_key, hyper)
        if "vocabulary" in spec:
            sizes = spec["vocabulary"], stack.input_size
            layers["embedding"] = init_embedding(dense_init, input_key, *sizes, hyper)
        elif settings.input_projection_size:
            layers["input"] = init_dense(dense_init, input_key, spec["input_size"], stack.input_size, hyper)
        layers["output"] = init_dense(dense_init, output_key, stack.output_size, spec["output_size"], hyper)
        if settings.tied_embedding:  # Press and Wolf 2017, arXiv 1608.05859
            del layers["output"]["kernel"]
        return {"params": scale_matrices(layers, hyper)}

    def apply(
        self,
        parameters: Parameters,
        inputs: ArrayLike,
        lengths: Lengths,
        carry: Carry,
        hyper: Hyper,
        keys: Keys | None,
    ) -> tuple[Array, Carry]:
        """Return the outputs and the final carry.

        Args:
            parameters: as `init` returns them.
            inputs: [batch, time, input_size], or tokens [batch, time].
            lengths: [batch], the number of real steps of each row; None: all.
            carry: from a call before; None: zeros.
            hyper: dropout rates by their config keys; absent: no dropout.
            keys: for dropout; None: no dropout.

        Returns:
            [batch, output_size], or for the head 'step' [batch, time, output_size], and the carry.
        """
        layers, rows = parameters["params"], None if keys is None else keys.rows
        hidden = self._unroll(layers, inputs, lengths, carry, hyper, keys)
        variational = False
        if self.spec["head"] == "step":
            features, variational = hidden.outputs, bool(self.settings.variational_dropout)
        else:
            features = POOLS[str(self.settings.pool)](hidden.outputs, hidden.last, lengths)
        rate = hyper.get("output_dropout")
        features = dropout(features, fold_in(rows, OUTPUTS), rate, variational=variational)
        tied = self.settings.tied_embedding
        kernel = layers["embedding"]["embedding"].T if tied else layers["output"]["kernel"]
        return affine({"kernel": kernel, "bias": layers["output"]["bias"]}, features), hidden.carry

    def states(self, parameters: Parameters, inputs: ArrayLike, lengths: Lengths) -> Array:
        """Return the last recurrence's outputs [batch, time, features], zero at padding, without dropout."""
        return self._unroll(parameters["params"], inputs, lengths, None, {}, None).outputs

    def initial_carry(self, rows: int) -> Carry:
        """Return the carry [rows, ...] that None stands for: zeros."""
        return self.stack.initial_carry(rows)

    def _unroll(
        self,
        layers: Parameters,
        inputs: ArrayLike,
        lengths: Lengths,
        carry: Carry,
        hyper: Hyper,
        keys: Keys | None,
    ) -> Unrolled:
        inputs = jnp.asarray(inputs)
        input_map = layers.get("input")
        if "vocabulary" in self.spec:
            rows, variational = None if keys is None else keys.rows, bool(self.settings.variational_dropout)
            embedding = layers["embedding"]["embedding"]
            inputs, input_map = embed(embedding, inputs, rows, hyper, variational=variational)
        return self.stack.apply(
            layers, inputs, carry, lengths=lengths, input_map=input_map, hyper=hyper, keys=keys
        )


def build_network(settings: Model, spec: Mapping[str, Any]) -> Network:
    """Build the network for a task.

    Args:
        settings: the config section `model`.
        spec: of the task: `input_size` or, if the inputs are tokens, `vocabulary`; `output_size`; and `head`,
            'sequence' for one output per sequence, from pooled hidden states, or 'step' for one per step.

    Raises:
        UserError: the implementation does not fit the cell, or a tied embedding not the output layer.
    """
    if "vocabulary" in spec:
        stack = Stack(settings, settings.embedding_size or settings.hidden_size)
    else:
        stack = Stack(settings, settings.input_projection_size or int(spec["input_size"]))
    stack.check()
    if settings.tied_embedding and stack.input_size != stack.output_size:
        raise UserError(
            f"model.embedding_size = {stack.input_size}: with model.tied_embedding it must be the number of "
            f"inputs of the output layer, {stack.output_size}, or None"
        )
    return Network(settings, spec, stack)
