"""Build and initialize a cell as the config section `model` and the cell's catalogue entry describe it."""

from collections.abc import Iterable, Mapping

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.traverse_util import flatten_dict

from rnn_jax.catalogue import CELLS
from rnn_jax.config.sections import Model
from rnn_jax.models.initializers import choose_initializer
from rnn_jax.models.types import Array, Hyper, Initializer, Parameters
from rnn_jax.runtime.errors import UserError


def build_cell(settings: Model, input_size: int) -> nn.RNNCellBase:
    """Build the cell `settings.cell` of `settings.hidden_size` units for inputs [batch, input_size]."""
    entry, units = CELLS[settings.cell], settings.hidden_size

    def initializer(name: str) -> Initializer:
        return choose_initializer(name, input_size, units, entry.gates)

    arguments = {key: getattr(settings, key) for key in entry.option_fields}
    if settings.recurrent_init is not None and entry.state_kernels:
        arguments["recurrent_kernel_init"] = initializer(settings.recurrent_init)
    return entry.build(units, kernel_init=initializer(settings.kernel_init), **arguments)


def init_cell(settings: Model, input_size: int, key: Array, hyper: Hyper) -> Parameters:
    """Initialize the cell's parameters, in the tree that Flax gives them.

    `hyper['forget_bias']`, if present, is the initial bias of the forget gate: at 1 and more the cell
    remembers from the start (Jozefowicz et al. 2015, section 2.2). `hyper['chrono_steps']` does more: gates
    that keep the state get the biases log u, u uniform from 1 to `chrono_steps` - 1, and gates that write get
    -log u, so that the memories of the units are up to that long (Tallec and Ollivier 2018, arXiv 1804.11188,
    equation 16).

    Raises:
        UserError: the cell's catalogue entry names a layer or a parameter that the cell does not have.
    """
    entry, cell = CELLS[settings.cell], build_cell(settings, input_size)
    example = jnp.zeros((1, input_size), jnp.float32)
    carry = cell.initialize_carry(key, example.shape)
    parameters: Parameters = dict(cell.init(key, carry, example)["params"])
    gates = [*entry.chrono_keep, *entry.chrono_write, *filter(None, [entry.forget_bias])]
    _check_layers(settings.cell, entry.state_kernels, "kernel", parameters)
    _check_layers(settings.cell, [gate.partition(".")[0] for gate in gates], "bias", parameters)
    _check_parameters(settings.cell, entry.parameter_groups, parameters)
    biases = {}
    if "forget_bias" in hyper and entry.forget_bias is not None:
        biases[entry.forget_bias] = hyper["forget_bias"]
    if "chrono_steps" in hyper:
        uniform = jax.random.uniform(jax.random.fold_in(key, 1), (cell.features,), jnp.float32)
        log_steps = jnp.log(1.0 + uniform * (hyper["chrono_steps"] - 2.0))
        biases |= dict.fromkeys(entry.chrono_keep, log_steps) | dict.fromkeys(entry.chrono_write, -log_steps)
    for gate, values in biases.items():  # "layer" or "layer.part"
        name, _, part = gate.partition(".")
        bias = parameters[name]["bias"]
        if part:
            bias = bias.reshape(-1, cell.features).at[int(part)].set(values).reshape(-1)
        else:
            bias = jnp.broadcast_to(values, bias.shape)
        parameters[name] = {**parameters[name], "bias": bias}
    return parameters


def _check_layers(name: str, layers: Iterable[str], part: str, parameters: Parameters) -> None:
    known = [layer for layer, values in parameters.items() if isinstance(values, Mapping) and part in values]
    for layer in layers:
        if layer not in known:
            raise UserError(
                f"the cell {name} has no layer {layer!r} with a {part}, which its catalogue entry names; "
                f"it has {', '.join(known)}"
            )


def _check_parameters(name: str, declared: Iterable[str], parameters: Parameters) -> None:
    known = ["/".join(path) for path in flatten_dict(parameters)]
    for parameter in declared:
        if parameter not in known:
            raise UserError(
                f"the cell {name} has no parameter {parameter!r}, which `parameter_groups` of its catalogue "
                f"entry names; it has {', '.join(known)}"
            )
