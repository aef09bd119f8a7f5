"""Networks: the table that names them by what their task asks, and the builder of the section `model`."""

from collections.abc import Callable, Mapping

from rnn_jax.models import classifier
from rnn_jax.models.network import Network
from rnn_jax.models.recurrence import Implementation, unroll

HEADS: dict[str, Callable[..., Network]] = {"last": classifier.build}
"""By the task's `head`: 'last' answers once, after the last step."""


def build(
    spec: Mapping[str, int | str],
    *,
    cell: str,
    implementation: Implementation,
    hidden_size: int,
    input_layer: int | None,
    pool: str,
    kernel_init: str,
    recurrent_init: str,
    dense_init: str,
) -> Network:
    """Builds the network for a task of that spec: its sizes come from there, never from the config."""
    return HEADS[str(spec["head"])](
        spec,
        cell=cell,
        implementation=implementation,
        hidden_size=hidden_size,
        input_layer=input_layer,
        pool=pool,
        kernel_init=kernel_init,
        recurrent_init=recurrent_init,
        dense_init=dense_init,
    )


__all__ = ["HEADS", "Network", "build", "unroll"]
