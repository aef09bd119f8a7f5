"""Running out of memory, told to people: where, with what sizes, and which of them to lower first.

XLA tells it by a status, when it compiles, when it allocates, or, since steps run while Python goes on, when
somebody waits for a result; the host by MemoryError.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import jax

from rnn_jax.catalogue import TASKS
from rnn_jax.config.schema import Config
from rnn_jax.runtime import devices
from rnn_jax.runtime.errors import OutOfMemoryError

EXHAUSTED = "RESOURCE_EXHAUSTED: "
"""What XLA's message begins with."""
SIZES = ("dataset.batch_size", "model.hidden_size", "model.layers")

# Of one layer, in units of hidden_size numbers: what a row keeps of a time step for the backward pass (gates
# and states), and what a unit has of weights (eight of an LSTM, each with its gradient and two moments).
KEPT, WEIGHTS = 6, 32


class Exhausted(NamedTuple):
    """That memory was not enough."""

    where: str
    asked: str | None
    """How much was asked for, if that was said."""


@contextmanager
def telling(config: Config, members: int = 1) -> Iterator[None]:
    """Inside, running out of memory becomes an error for people.

    Args:
        config: what is trained, or looked at.
        members: how many such models are in memory together.

    Raises:
        OutOfMemoryError: in place of XLA's own error, or of Python's.
    """
    try:
        yield
    except (jax.errors.JaxRuntimeError, MemoryError) as error:
        found = exhausted(error)
        if found is None:
            raise
        raise OutOfMemoryError(_in_words(found, config, members)) from error


def exhausted(error: Exception) -> Exhausted | None:
    """Where memory ran out, and asked for how much; None where an error is about something else."""
    text = str(error)
    if isinstance(error, MemoryError):
        return Exhausted("the host", _amount(text))
    if isinstance(error, jax.errors.JaxRuntimeError) and text.startswith(EXHAUSTED):
        return Exhausted(devices.kind(), _amount(text))
    return None


def _amount(text: str) -> str | None:
    """`Out of memory allocating 25600000000 bytes.`, `Unable to allocate 477. GiB for an array ...`."""
    if found := re.search(r"allocat\w* (\d+) bytes", text):
        return f"{int(found[1]) / 1e9:,.1f} GB"
    found = re.search(r"allocat\w* (\d[\d.]*) ?([KMGTPE]i?B)\b", text)
    return None if found is None else f"{found[1].rstrip('.')} {found[2]}"


def _in_words(found: Exhausted, config: Config, members: int) -> str:
    steps_key = TASKS[config.task.name].steps_key
    keys = SIZES if steps_key is None else (*SIZES, steps_key)
    sizes = ", ".join(f"{key} = {_value(config, key)}" for key in keys)
    asked = "" if found.asked is None else f", which was asked for {found.asked} at once"
    together = f", {members:,} members in one program" if members > 1 else ""
    return (
        f"out of memory on {found.where}{asked}, with {sizes}{together}\n"
        f"Lower {', then '.join(_first(config, members))}."
    )


def _first(config: Config, members: int) -> list[str]:
    """What to lower, what counts most first."""
    task = TASKS[config.task.name]
    steps = None if task.steps_key is None else _value(config, task.steps_key)
    if not isinstance(steps, int):
        steps = task.steps if isinstance(task.steps, int) else task.steps[str(steps)]
    rows = ["dataset.batch_size"]
    if task.steps_key is not None and task.steps_may_be_lowered:
        rows.append(task.steps_key)
    weights = ["model.hidden_size", *(["model.layers"] if config.model.layers > 1 else [])]
    heavy = WEIGHTS * config.model.hidden_size > KEPT * config.dataset.batch_size * steps
    order = [*weights, *rows] if heavy else [*rows, *weights]
    return ["the number of members", *order] if members > 1 else order


def _value(config: Config, key: str) -> int | str | None:
    section, _, name = key.partition(".")
    return getattr(getattr(config, section), name)
