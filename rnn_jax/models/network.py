"""Recurrent networks: pure functions over parameters with Flax's names and shapes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.catalogue import CELLS
from rnn_jax.config.sections import Model
from rnn_jax.models.contract import check_lengths
from rnn_jax.models.dropout import INPUTS, OUTPUTS, dropout, fold_in, token_mask
from rnn_jax.models.initializers import INITIALIZERS, init_dense
from rnn_jax.models.linear import choose_affine
from rnn_jax.models.parameter_groups import group_parameters
from rnn_jax.models.recurrence import choose_implementation
from rnn_jax.models.stacks import Stack, Unrolled
from rnn_jax.models.types import (
    Array,
    ArrayLike,
    Carry,
    Hyper,
    InputMap,
    Keys,
    Lengths,
    LengthsLike,
    Parameters,
)
from rnn_jax.runtime.errors import UserError

SMALL_VOCABULARY = 256
"""The largest vocabulary whose embedding is a product with one-hot rows: see `embed`."""


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

    def group_parameters(self, parameters: Parameters) -> Any:
        """Return the group of each parameter, a tree like `parameters`: see `parameter_groups.py`."""
        return group_parameters(parameters, CELLS[self.settings.cell])

    def init(self, key: Array, hyper: Hyper) -> Parameters:
        """Return {'params': {'input' or 'embedding', 'recurrence_0', ..., 'output'}}, float32.

        Every matrix is multiplied by `hyper['init_scale']`, if present; vectors (biases, gains) stay.
        """
        settings, spec, stack = self.settings, self.spec, self.stack
        dense_init = INITIALIZERS[settings.dense_init]
        input_key, recurrent_key, output_key = jax.random.split(key, 3)
        layers = stack.init(recurrent_key, hyper)
        if "vocabulary" in spec:
            embedding = dense_init(input_key, (spec["vocabulary"], stack.input_size), jnp.float32)
            layers["embedding"] = {"embedding": embedding * hyper.get("embedding_scale", 1.0)}
        elif settings.input_projection_size:
            layers["input"] = init_dense(dense_init, input_key, spec["input_size"], stack.input_size, hyper)
        layers["output"] = init_dense(dense_init, output_key, stack.output_size, spec["output_size"], hyper)
        if settings.tied_embedding:  # Press and Wolf 2017, arXiv 1608.05859
            del layers["output"]["kernel"]
        scale = hyper.get("init_scale")
        if scale is not None:
            layers = jax.tree.map(lambda leaf: leaf * scale if leaf.ndim > 1 else leaf, layers)
        return {"params": layers}

    def apply(
        self,
        parameters: Parameters,
        inputs: ArrayLike,
        lengths: LengthsLike,
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
        inputs = jnp.asarray(inputs)
        lengths = check_lengths(lengths, *inputs.shape[:2])
        hidden = self._unroll(layers, inputs, lengths, carry, hyper, keys)
        variational = False
        if self.spec["head"] == "step":
            features, variational = hidden.outputs, bool(self.settings.variational_dropout)
        else:
            features = pool(str(self.settings.pool), hidden.outputs, hidden.last, lengths)
        rate = hyper.get("output_dropout")
        features = dropout(features, fold_in(rows, OUTPUTS), rate, variational=variational)
        tied = self.settings.tied_embedding
        kernel = layers["embedding"]["embedding"].T if tied else layers["output"]["kernel"]
        affine = choose_affine(self.settings.implementation)
        return affine({"kernel": kernel, "bias": layers["output"]["bias"]}, features), hidden.carry

    def states(self, parameters: Parameters, inputs: ArrayLike, lengths: LengthsLike) -> Array:
        """Return the last recurrence's outputs [batch, time, features], zero at padding, without dropout."""
        inputs = jnp.asarray(inputs)
        lengths = check_lengths(lengths, *inputs.shape[:2])
        return self._unroll(parameters["params"], inputs, lengths, None, {}, None).outputs

    def initial_carry(self, rows: int) -> Carry:
        """Return the carry [rows, ...] that None stands for: zeros."""
        return self.stack.initial_carry(rows)

    def _unroll(
        self,
        layers: Parameters,
        inputs: Array,
        lengths: Lengths,
        carry: Carry,
        hyper: Hyper,
        keys: Keys | None,
    ) -> Unrolled:
        input_map = layers.get("input")
        if "vocabulary" in self.spec:
            rows, variational = None if keys is None else keys.rows, bool(self.settings.variational_dropout)
            embedding = layers["embedding"]["embedding"]
            inputs, input_map = embed(embedding, inputs, rows, hyper, variational=variational)
        return self.stack.apply(
            layers, inputs, carry, lengths=lengths, input_map=input_map, hyper=hyper, keys=keys
        )


def build_network(settings: Model, spec: Mapping[str, Any]) -> Network:
    """Build the network for a task from the config section `model` and the spec of the task.

    The spec has `input_size` or, if the inputs are tokens, `vocabulary`; `output_size`; and `head`,
    'sequence' for one output per sequence, from pooled hidden states, or 'step' for one per step.

    Raises:
        UserError: the implementation does not fit the cell, or a tied embedding not the output layer.
    """
    if "vocabulary" in spec:
        stack = Stack(settings, settings.embedding_size or settings.hidden_size)
    else:
        stack = Stack(settings, settings.input_projection_size or int(spec["input_size"]))
    choose_implementation(stack.cell_of(0), settings.implementation)  # raises if it does not fit
    if settings.tied_embedding and stack.input_size != stack.output_size:
        raise UserError(
            f"model.embedding_size = {stack.input_size}: with model.tied_embedding it must be the number of "
            f"inputs of the output layer, {stack.output_size}, or None"
        )
    return Network(settings, spec, stack)


def embed(
    embedding: Array, tokens: Array, keys: Array | None, hyper: Hyper, *, variational: bool
) -> tuple[Array, InputMap]:
    """Return the recurrence's inputs [batch, time, features] for tokens, and its input map, if any.

    With a small vocabulary the inputs are one-hot rows and the embedding is the input map: the LSTM
    multiplies it into its input weights once per training step, and its gradient is a matrix product. With a
    large vocabulary, or with `input_dropout`, which drops features of the embedding, it is looked up.
    `embedding_dropout` drops tokens; `variational` is about `input_dropout`, as in `dropout`.
    """
    mask = token_mask(tokens, keys, hyper.get("embedding_dropout"))
    input_map = None
    if len(embedding) > SMALL_VOCABULARY or "input_dropout" in hyper:
        inputs = embedding[tokens]
    else:
        inputs = jax.nn.one_hot(tokens, len(embedding), dtype=embedding.dtype)
        input_map = {"kernel": embedding, "bias": jnp.zeros(embedding.shape[1], embedding.dtype)}
    if mask is not None:
        inputs = inputs * mask[:, :, None]
    rate = hyper.get("input_dropout")
    return dropout(inputs, fold_in(keys, INPUTS), rate, variational=variational), input_map


def pool(kind: str, hidden: Array, last: Array, lengths: Lengths) -> Array:
    """Pool hidden [batch, time, features] over the real steps of each row to [batch, features].

    'last' is the output at each direction's last step, `last`, which for an empty row is its initial carry's;
    'mean' and 'max' of an empty row are zeros.
    """
    if kind == "last":
        return last
    if lengths is None:
        return hidden.mean(axis=1) if kind == "mean" else hidden.max(axis=1)
    lengths = jnp.maximum(lengths, 1)
    if kind == "mean":
        return hidden.sum(axis=1) / lengths[:, None].astype(hidden.dtype)
    # An empty row keeps its first step, which is zeros: the maximum over no steps would be -inf.
    is_real = jnp.arange(hidden.shape[1], dtype=jnp.int32)[None, :] < lengths[:, None]
    return jnp.where(is_real[:, :, None], hidden, -jnp.inf).max(axis=1)
