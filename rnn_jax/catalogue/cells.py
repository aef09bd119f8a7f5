"""The cells that `model.cell` can name."""

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal

from pydantic.dataclasses import dataclass

from rnn_jax.catalogue.entry import STRICT, Entry


@dataclass(frozen=True, eq=False, config=STRICT)
class CellEntry(Entry):
    """A cell: a Flax module, built with its number of units, `kernel_init` and `recurrent_kernel_init`.

    Biases are named by their layer: "hf" is `hf/bias`, and "norm_hidden.1" the second [hidden] of its values.
    """

    gates: int
    """Kernels side by side, which a joint initializer counts."""
    state_kernels: tuple[str, ...] = ()
    """The layers whose kernels multiply the hidden state. Recurrent dropout and weight drop act there."""
    output: Literal["carry", "carry[1]"] | None = None
    """Where the output is found in the carry; None: not in the carry."""
    forget_bias: str | None = None
    """The bias that `model.forget_bias` initializes."""
    chrono_keep: tuple[str, ...] = ()
    """The biases that chrono initialization sets to log u: gates that keep the state."""
    chrono_write: tuple[str, ...] = ()
    """The biases that it sets to -log u: gates that write."""
    parameter_groups: Mapping[str, str] = field(default_factory=dict)
    """The group of each parameter whose name is not in `GROUPS`, or that belongs to another group than its
    name suggests, by its path in the cell: {"nu": "eigenvalues", "norm/gain": "scales"}."""


GROUPS = {"kernel": "kernels", "embedding": "embeddings", "bias": "biases", "scale": "scales"}
"""The groups of the parameters to which Flax's layers give these names."""


def parameter_groups() -> list[str]:
    """Return the groups that `optimizer.decay_parameters` may name: those of `GROUPS`, and the cells' own."""
    own = {group for entry in CELLS.values() for group in entry.parameter_groups.values()}
    return [*GROUPS.values(), *sorted(own - set(GROUPS.values()))]


_CELLS = "rnn_jax.models.cells"
_LSTM, _GRU, _LINEAR = f"{_CELLS}.lstm", f"{_CELLS}.gru", f"{_CELLS}.linear_recurrence"
_OF_LSTM: dict[str, Any] = dict(
    output="carry[1]",
    state_kernels=("hi", "hf", "hg", "ho"),
    forget_bias="hf",
    chrono_keep=("hf",),
    chrono_write=("hi",),
)
_OF_LAYER_NORM: dict[str, Any] = dict(
    forget_bias="norm_hidden.1", chrono_keep=("norm_hidden.1",), chrono_write=("norm_hidden.0",)
)
_OF_COUPLED: dict[str, Any] = dict(state_kernels=("hf", "hg", "ho"), chrono_write=())
_OF_JANET: dict[str, Any] = dict(output="carry", state_kernels=("hf", "hg"), chrono_write=())
_OF_MINLSTM: dict[str, Any] = dict(forget_bias="f", chrono_keep=("f",), chrono_write=("i",))

CELLS: dict[str, CellEntry] = {
    "rnn": CellEntry(f"{_CELLS}.simple_rnn:SimpleRNN", gates=1, output="carry", state_kernels=("h",)),
    "lstm": CellEntry(f"{_LSTM}:LSTM", gates=4, **_OF_LSTM),
    "lstm_peephole": CellEntry(
        f"{_LSTM}:PeepholeLSTM",
        gates=4,
        parameter_groups=dict.fromkeys(("pi", "pf", "po"), "peepholes"),
        **_OF_LSTM,
    ),
    "lstm_coupled": CellEntry(f"{_LSTM}:CoupledLSTM", gates=3, **_OF_LSTM | _OF_COUPLED),
    "lstm_layer_norm": CellEntry(f"{_LSTM}:LayerNormLSTM", gates=4, **_OF_LSTM | _OF_LAYER_NORM),
    "gru": CellEntry(
        f"{_GRU}:GRU", gates=3, output="carry", state_kernels=("hr", "hz", "hn"), chrono_keep=("iz",)
    ),
    "mgu": CellEntry(f"{_GRU}:MGU", gates=2, output="carry", state_kernels=("hf", "hn"), chrono_keep=("if",)),
    "janet": CellEntry(f"{_LSTM}:JANET", gates=2, **_OF_LSTM | _OF_JANET),
    "mingru": CellEntry(f"{_LINEAR}:MinGRU", gates=2, output="carry", chrono_write=("z",)),
    "minlstm": CellEntry(f"{_LINEAR}:MinLSTM", gates=3, output="carry", **_OF_MINLSTM),
    "lru": CellEntry(
        f"{_LINEAR}:LRU",
        gates=1,
        parameter_groups={"nu": "eigenvalues", "theta": "eigenvalues", "gamma": "scales"},
    ),
}
