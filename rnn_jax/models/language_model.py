"""The network that answers at every step: a language model, and anything else that labels each step."""

from collections.abc import Mapping
from typing import Any

import jax

from rnn_jax.models import embedding, initializers, stacks
from rnn_jax.models.embedding import OUTPUTS
from rnn_jax.models.linear import affine
from rnn_jax.models.network import Hyper, Keys, Network, dense, scale_matrices
from rnn_jax.models.stacks import Layout, Unrolled, drop, fold_in
from rnn_jax.models.unrolling import Carry
from rnn_jax.runtime.errors import UserError


def build(
    spec: Mapping[str, Any],
    layout: Layout,
    *,
    input_projection_size: int | None,
    pool: str | None,
    dense_init: str,
    tied_embedding: bool | None,
) -> Network:
    """Builds tokens [batch, time] -> embedding -> recurrences -> linear layer -> [batch, time, outputs].

    Args:
        spec: the task's: `vocabulary`, `output_size`.
        layout: the recurrences; as many numbers as they read stand for a token.
        input_projection_size: of other networks: an embedding is a linear layer.
        pool: of other networks.
        dense_init: how the embedding and the kernel of the linear layer are drawn.
        tied_embedding: the kernel of the last layer is the embedding, transposed, and no parameter of its
            own (Press and Wolf 2017, arXiv 1608.05859).

    Raises:
        UserError: the embedding is to be tied, and its size is not that of the last layer's inputs.
    """
    del input_projection_size, pool
    draw = initializers.INITIALIZERS[dense_init]
    if tied_embedding and layout.input_size != layout.output_size:
        raise UserError(
            f"model.embedding_size = {layout.input_size}: where model.tied_embedding is True, it must be "
            f"what the last layer reads, {layout.output_size}, or None"
        )

    def init(key: jax.Array, hyper: Hyper) -> dict[str, Any]:
        embedding_key, recurrent_key, output_key = jax.random.split(key, 3)
        drawn: dict[str, Any] = stacks.init(layout, recurrent_key, hyper)
        drawn["embedding"] = embedding.init(draw, embedding_key, spec["vocabulary"], layout.input_size, hyper)
        drawn["output"] = dense(draw, output_key, layout.output_size, spec["output_size"], hyper)
        if tied_embedding:
            del drawn["output"]["kernel"]
        return {"params": scale_matrices(drawn, hyper)}

    def unrolled(
        drawn: stacks.Parameters,
        tokens: jax.Array,
        lengths: jax.Array | None,
        carry: dict[str, Carry] | None,
        hyper: Hyper,
        keys: Keys | None,
    ) -> Unrolled:
        rows = None if keys is None else keys.rows
        inputs, input_map = embedding.read(drawn["embedding"], tokens, rows, hyper, layout)
        return stacks.apply(
            layout, drawn, inputs, carry, lengths=lengths, input_map=input_map, hyper=hyper, keys=keys
        )

    def apply(
        parameters: dict[str, Any],
        tokens: jax.Array,
        lengths: jax.Array | None,
        carry: dict[str, Carry] | None,
        hyper: Hyper,
        keys: Keys | None,
    ) -> tuple[jax.Array, dict[str, Carry]]:
        drawn, rows = parameters["params"], None if keys is None else keys.rows
        found = unrolled(drawn, tokens, lengths, carry, hyper, keys)
        rate, every_step = hyper.get("output_dropout"), layout.variational_dropout
        outputs = drop(found.outputs, fold_in(rows, OUTPUTS), rate, every_step=every_step)
        kernel = drawn["embedding"]["embedding"].T if tied_embedding else drawn["output"]["kernel"]
        return affine({"kernel": kernel, "bias": drawn["output"]["bias"]}, outputs), found.carry

    def states(parameters: dict[str, Any], tokens: jax.Array, lengths: jax.Array | None) -> jax.Array:
        return unrolled(parameters["params"], tokens, lengths, None, {}, None).outputs

    def initial_carry(rows: int) -> dict[str, Carry]:
        return stacks.initial_carry(layout, rows)

    return Network(layout.name, init, apply, states, initial_carry)
