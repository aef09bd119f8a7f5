"""One step of each cell: a Flax module `cell(carry, inputs) -> (carry, output)`, named in `CELLS`."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from rnn_jax.models import initializers

Parameters = dict[str, Any]


def build_lstm(input_size: int, hidden_size: int, *, kernel_init: str, recurrent_init: str) -> nn.LSTMCell:
    """The LSTM of Hochreiter and Schmidhuber 1997 with the forget gate of Gers et al. 2000, as Flax has it:

        i = sigmoid(x W_ii + h W_hi + b_i)      f = sigmoid(x W_if + h W_hf + b_f)
        g = tanh(x W_ig + h W_hg + b_g)         o = sigmoid(x W_io + h W_ho + b_o)
        c' = f c + i g                          h' = o tanh(c')

    Its carry is (c, h), each [batch, hidden]; the output is h'.
    """
    return nn.LSTMCell(
        hidden_size,
        kernel_init=initializers.choose(kernel_init, input_size, hidden_size, gates=4),
        recurrent_kernel_init=initializers.choose(recurrent_init, input_size, hidden_size, gates=4),
    )


class Cell(NamedTuple):
    """What the table knows of a cell."""

    build: Callable[..., nn.RNNCellBase]
    output_of: Callable[[Any], jax.Array]
    """The output [batch, hidden] that came with a carry."""


CELLS: dict[str, Cell] = {"lstm": Cell(build_lstm, output_of=lambda carry: carry[1])}


def init(cell: nn.RNNCellBase, key: jax.Array, input_size: int, hyper: Mapping[str, jax.Array]) -> Parameters:
    """Draws a cell's parameters, in the tree that Flax gives them.

    `hyper['forget_bias']`, where it is there, becomes the value of the forget gate's bias: at 1 and more the
    cell remembers from the start (Jozefowicz et al. 2015, section 2.2).
    """
    example = jnp.zeros((1, input_size), jnp.float32)
    carry = cell.initialize_carry(key, example.shape)
    parameters: Parameters = dict(cell.init(key, carry, example)["params"])
    if "forget_bias" in hyper:
        gate = dict(parameters["hf"])
        parameters["hf"] = {**gate, "bias": jnp.broadcast_to(hyper["forget_bias"], gate["bias"].shape)}
    return parameters
