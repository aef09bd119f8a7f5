"""Out-of-memory errors for people: where, with what sizes, and which of them to lower first.

XLA reports it when it compiles, when it allocates, or, since steps run asynchronously, when a result is
waited for; the host by MemoryError.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import jax

from rnn_jax.catalogue import TASKS
from rnn_jax.config.schema import Config
from rnn_jax.config.values import flatten
from rnn_jax.runtime import devices
from rnn_jax.runtime.errors import OutOfMemoryError

EXHAUSTED = "RESOURCE_EXHAUSTED: "  # the beginning of XLA's message
SIZES = ("dataset.batch_size", "model.hidden_size", "model.layers")

# Estimates for one layer, in floats per hidden unit: the gates and states that a row keeps of a time step for
# the backward pass, and the weights (eight of an LSTM, each with its gradient and two moments).
ACTIVATIONS, WEIGHTS = 6, 32


@contextmanager
def explain_out_of_memory(config: Config, members: int = 1) -> Iterator[None]:
    """Raise OutOfMemoryError in place of XLA's own error or Python's, for `members` models of a config."""
    try:
        yield
    except (jax.errors.JaxRuntimeError, MemoryError) as error:
        if isinstance(error, jax.errors.JaxRuntimeError) and not str(error).startswith(EXHAUSTED):
            raise
        where = "the host" if isinstance(error, MemoryError) else devices.device_kind()
        steps_key, values = TASKS[config.task.name].steps_key, flatten(config.model_dump())
        keys = SIZES if steps_key is None else (*SIZES, steps_key)
        sizes = ", ".join(f"{key} = {values[key]}" for key in keys)
        together = f", {members:,} members in one program" if members > 1 else ""
        raise OutOfMemoryError(
            f"out of memory on {where}{_requested(str(error))}, with {sizes}{together}\n"
            f"Lower {', then '.join(_largest_first(config, members))}."
        ) from error


def _requested(text: str) -> str:
    """`Out of memory allocating 25600000000 bytes.`, `Unable to allocate 477. GiB for an array ...`."""
    if found := re.search(r"allocat\w* (\d+) bytes", text):
        return f" (requested {int(found[1]) / 1e9:,.1f} GB at once)"
    found = re.search(r"allocat\w* (\d[\d.]*) ?([KMGTPE]i?B)\b", text)
    return "" if found is None else f" (requested {found[1].rstrip('.')} {found[2]} at once)"


def _largest_first(config: Config, members: int) -> list[str]:
    """Return the keys to lower, those that take the most memory first."""
    task = TASKS[config.task.name]
    steps = flatten(config.model_dump()).get(task.steps_key or "")
    if not isinstance(steps, int):
        steps = task.steps if isinstance(task.steps, int) else task.steps[str(steps)]
    rows = ["dataset.batch_size"]
    if task.steps_key is not None and task.steps_may_be_lowered:
        rows.append(task.steps_key)
    weights = ["model.hidden_size", *(["model.layers"] if config.model.layers > 1 else [])]
    is_heavy = WEIGHTS * config.model.hidden_size > ACTIVATIONS * config.dataset.batch_size * steps
    order = [*weights, *rows] if is_heavy else [*rows, *weights]
    return ["the number of members", *order] if members > 1 else order
