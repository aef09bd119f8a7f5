"""The cells by name: how each is built, and how its parameters are drawn. A new cell is a line here."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from rnn_jax.models import cells, initializers
from rnn_jax.models.cells import linear_recurrence

Parameters = dict[str, Any]


class Gate(NamedTuple):
    """Where the bias of a gate is."""

    layer: str
    part: int | None = None
    """Which stretch of `hidden` numbers of the layer's bias; None: the whole of it."""


class Entry(NamedTuple):
    """What is known of a cell."""

    module: Callable[..., nn.RNNCellBase]
    gates: int
    """Kernels of [hidden, hidden] side by side, which a joint initializer counts."""
    output_of: Callable[[Any], jax.Array] | None
    """The output [batch, hidden] that came with a carry; None: the carry does not tell."""
    forget: Gate | None = None
    """The gate whose bias is `forget_bias`."""
    chrono: Mapping[Gate, int] = {}
    """The gates that chrono initialization sets: 1 for those that keep, -1 for those that write."""
    reads_state: bool = True
    """Whether a product reads the hidden state, so that recurrent dropout has something to drop."""


def _carry(carry: Any) -> jax.Array:
    return carry


def _hidden(carry: Any) -> jax.Array:
    return carry[1]


KEEP, WRITE = 1, -1
HF, HI = Gate("hf"), Gate("hi")
JOINT_F, JOINT_I = Gate("norm_hidden", 1), Gate("norm_hidden", 0)

CELLS: dict[str, Entry] = {
    "rnn": Entry(cells.SimpleRNN, 1, _carry),
    "lstm": Entry(cells.LSTM, 4, _hidden, HF, {HF: KEEP, HI: WRITE}),
    "lstm_peephole": Entry(cells.PeepholeLSTM, 4, _hidden, HF, {HF: KEEP, HI: WRITE}),
    "lstm_coupled": Entry(cells.CoupledLSTM, 3, _hidden, HF, {HF: KEEP}),
    "lstm_layer_norm": Entry(cells.LayerNormLSTM, 4, _hidden, JOINT_F, {JOINT_F: KEEP, JOINT_I: WRITE}),
    "gru": Entry(cells.GRU, 3, _carry, None, {Gate("iz"): KEEP}),
    "mgu": Entry(cells.MGU, 2, _carry, None, {Gate("if"): KEEP}),
    "janet": Entry(cells.JANET, 2, _carry, HF, {HF: KEEP}),
    "mingru": Entry(linear_recurrence.MinGRU, 2, _carry, None, {Gate("z"): WRITE}, reads_state=False),
    "minlstm": Entry(
        linear_recurrence.MinLSTM,
        3,
        _carry,
        Gate("f"),
        {Gate("f"): KEEP, Gate("i"): WRITE},
        reads_state=False,
    ),
    "lru": Entry(linear_recurrence.LRU, 1, None, reads_state=False),
}


def build(
    name: str, input_size: int, hidden_size: int, *, kernel_init: str, recurrent_init: str | None
) -> nn.RNNCellBase:
    """Builds the cell called `name`; `recurrent_init` is of those whose products read the hidden state."""
    entry = CELLS[name]

    def initializer(drawn: str) -> initializers.Initializer:
        return initializers.choose(drawn, input_size, hidden_size, entry.gates)

    kernels = {"kernel_init": initializer(kernel_init)}
    if recurrent_init is not None and entry.reads_state:
        kernels["recurrent_kernel_init"] = initializer(recurrent_init)
    return entry.module(hidden_size, **kernels)


def init(
    name: str, cell: nn.RNNCellBase, key: jax.Array, input_size: int, hyper: Mapping[str, jax.Array]
) -> Parameters:
    """Draws a cell's parameters, in the tree that Flax gives them.

    `hyper['forget_bias']`, where it is there, becomes the value of the forget gate's bias: at 1 and more the
    cell remembers from the start (Jozefowicz et al. 2015, section 2.2). `hyper['chrono_steps']` does more:
    gates that keep get the biases log u, u uniform from 1 to so many steps less 1, and gates that write their
    negatives, so that units remember for times up to that long (Tallec and Ollivier 2018, arXiv 1804.11188,
    equation 16).
    """
    example = jnp.zeros((1, input_size), jnp.float32)
    carry = cell.initialize_carry(key, example.shape)
    parameters: Parameters = dict(cell.init(key, carry, example)["params"])
    entry = CELLS[name]
    if "forget_bias" in hyper and entry.forget is not None:
        parameters = _with_bias(parameters, entry.forget, hyper["forget_bias"])
    if "chrono_steps" in hyper:
        longest = hyper["chrono_steps"]
        shares = jax.random.uniform(jax.random.fold_in(key, 1), (cell.features,))
        steps = 1.0 + shares * (longest - 2.0)
        for gate, sign in entry.chrono.items():
            parameters = _with_bias(parameters, gate, sign * jnp.log(steps))
    return parameters


def state_kernels(parameters: Parameters) -> list[str]:
    """The names of the layers whose kernels multiply the hidden state: every cell calls them h and a gate."""
    return sorted(name for name, layer in parameters.items() if name.startswith("h") and "kernel" in layer)


def _with_bias(parameters: Parameters, gate: Gate, values: jax.Array) -> Parameters:
    """Sets a gate's bias to values [hidden], or to one value."""
    layer = parameters[gate.layer]
    bias = layer["bias"]
    if gate.part is None:
        bias = jnp.broadcast_to(values, bias.shape)
    else:
        parts = bias.reshape(4, -1)
        bias = parts.at[gate.part].set(values).reshape(-1)
    return {**parameters, gate.layer: {**layer, "bias": bias}}
