"""Networks: the table that names them by what their task asks, and the builder of the section `model`."""

from collections.abc import Callable, Mapping
from typing import Any

from rnn_jax.catalogue import CELLS, options_of
from rnn_jax.models import classifier, language_model
from rnn_jax.models.network import Network
from rnn_jax.models.recurrence import Implementation, unroll
from rnn_jax.models.stacks import Layout

Spec = Mapping[str, Any]


def build(
    spec: Spec,
    *,
    cell: str,
    implementation: Implementation,
    remat_steps: int | None,
    hidden_size: int,
    layers: int,
    bidirectional: bool,
    residual: bool,
    variational_dropout: bool | None,
    embedding_size: int | None,
    tied_embedding: bool | None,
    input_projection_size: int | None,
    pool: str | None,
    kernel_init: str,
    recurrent_init: str | None,
    dense_init: str,
    **cell_options: Any,
) -> Network:
    """Builds the network for a task of that spec: its sizes come from there, never from the config.

    Raises:
        UserError: the implementation does not fit the cell.
    """
    reads = (
        (embedding_size or hidden_size)
        if "vocabulary" in spec
        else (input_projection_size or int(spec["input_size"]))
    )
    layout = Layout(
        cell=cell,
        input_size=reads,
        hidden_size=hidden_size,
        layers=layers,
        bidirectional=bidirectional,
        residual=residual,
        kernel_init=kernel_init,
        recurrent_init=recurrent_init,
        implementation=implementation,
        remat_steps=remat_steps,
        variational_dropout=bool(variational_dropout),
        cell_options={key: cell_options[key] for key in options_of(CELLS[cell])},
    )
    layout.check()
    return HEADS[str(spec["head"])](
        spec,
        layout,
        input_projection_size=input_projection_size,
        pool=pool,
        dense_init=dense_init,
        tied_embedding=tied_embedding,
    )


HEADS: dict[str, Callable[..., Network]] = {"last": classifier.build, "every": language_model.build}
"""By the task's `head`: 'last' answers once, after the last step, 'every' at every step."""

__all__ = ["HEADS", "Network", "build", "unroll"]
