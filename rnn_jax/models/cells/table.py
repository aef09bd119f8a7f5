"""Building and initializing a cell by its name in `rnn_jax.catalogue.CELLS`."""

from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from rnn_jax.catalogue import CELLS, resolve
from rnn_jax.models import initializers
from rnn_jax.runtime.errors import UserError

Parameters = dict[str, Any]


def build(
    name: str,
    input_size: int,
    hidden_size: int,
    *,
    kernel_init: str,
    recurrent_init: str | None,
    options: Mapping[str, Any] | None = None,
) -> nn.RNNCellBase:
    """Build the cell called `name`.

    Args:
        name: a key of `catalogue.CELLS`.
        input_size: features of its inputs.
        hidden_size: its units.
        kernel_init: initializer of the input kernels.
        recurrent_init: initializer of the kernels that multiply the hidden state, where the cell has any.
        options: the config keys of the cell's own.
    """
    entry = CELLS[name]

    def initializer(kind: str) -> initializers.Initializer:
        return initializers.choose(kind, input_size, hidden_size, entry.gates)

    kernels = {"kernel_init": initializer(kernel_init)}
    if recurrent_init is not None and entry.state_kernels:
        kernels["recurrent_kernel_init"] = initializer(recurrent_init)
    return resolve(entry.builder)(hidden_size, **kernels, **(options or {}))


def init(
    name: str, cell: nn.RNNCellBase, key: jax.Array, input_size: int, hyper: Mapping[str, jax.Array]
) -> Parameters:
    """Initialize a cell's parameters, in the tree that Flax gives them.

    `hyper['forget_bias']`, if present, is the initial bias of the forget gate: at 1 and more the cell
    remembers from the start (Jozefowicz et al. 2015, section 2.2). `hyper['chrono_steps']` does more: gates
    that keep the state get the biases log u, u uniform from 1 to `chrono_steps` - 1, and gates that write get
    -log u, so that the memories of the units are up to that long (Tallec and Ollivier 2018, arXiv 1804.11188,
    equation 16).

    Raises:
        UserError: the cell's catalogue entry names a layer that the cell does not have.
    """
    example = jnp.zeros((1, input_size), jnp.float32)
    carry = cell.initialize_carry(key, example.shape)
    parameters: Parameters = dict(cell.init(key, carry, example)["params"])
    entry = CELLS[name]
    gates = [
        gate for gate in (entry.forget_bias, *entry.chrono_keep, *entry.chrono_write) if gate is not None
    ]
    _check_layers(name, entry.state_kernels, "kernel", parameters)
    _check_layers(name, [gate.partition(".")[0] for gate in gates], "bias", parameters)
    if "forget_bias" in hyper and entry.forget_bias is not None:
        parameters = _with_bias(parameters, entry.forget_bias, cell.features, hyper["forget_bias"])
    if "chrono_steps" in hyper:
        longest = hyper["chrono_steps"]
        shares = jax.random.uniform(jax.random.fold_in(key, 1), (cell.features,))
        log_steps = jnp.log(1.0 + shares * (longest - 2.0))
        for gate in entry.chrono_keep:
            parameters = _with_bias(parameters, gate, cell.features, log_steps)
        for gate in entry.chrono_write:
            parameters = _with_bias(parameters, gate, cell.features, -log_steps)
    return parameters


def _check_layers(name: str, layers: Iterable[str], part: str, parameters: Parameters) -> None:
    known = [layer for layer, values in parameters.items() if isinstance(values, Mapping) and part in values]
    for layer in layers:
        if layer not in known:
            raise UserError(
                f"the cell {name} has no layer {layer!r} with a {part}, which its catalogue entry names; "
                f"it has {', '.join(known)}"
            )


def _with_bias(parameters: Parameters, gate: str, units: int, values: jax.Array) -> Parameters:
    """Set a gate's bias, "layer" or "layer.part", to values [hidden], or to one value."""
    name, _, part = gate.partition(".")
    layer = parameters[name]
    bias = layer["bias"]
    if part:
        bias = bias.reshape(-1, units).at[int(part)].set(values).reshape(-1)
    else:
        bias = jnp.broadcast_to(values, bias.shape)
    return {**parameters, name: {**layer, "bias": bias}}
